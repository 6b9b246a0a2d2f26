/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a freestanding program in Debian's userspace needs: system calls by number (arm EABI), memory functions, a line
 * on standard output. There is no armhf C library here to link with.
 */
#ifndef LINUX_LINUX_H
#define LINUX_LINUX_H

#include <stddef.h>
#include <stdint.h>

#define SYS_exit              1
#define SYS_read              3
#define SYS_write             4
#define SYS_open              5
#define SYS_close             6
#define SYS_reboot            88
#define SYS_fsync             118
#define SYS_nanosleep         162
#define SYS_pread64           180
#define SYS_pwrite64          181
#define SYS_mmap2             192
#define SYS_sched_setaffinity 241
#define SYS_clock_gettime     263
#define SYS_getcpu            345
#define SYS_kexec_load        347

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r0 __asm__("r0") = a;
	register long r1 __asm__("r1") = b;
	register long r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = d;
	register long r4 __asm__("r4") = e;
	register long r5 __asm__("r5") = f;
	register long r7 __asm__("r7") = number;

	__asm__ volatile("svc #0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5), "r"(r7) : "memory");
	return r0;
}

#define syscall5(number, a, b, c, d, e) syscall6(number, a, b, c, d, e, 0)
#define syscall3(number, a, b, c)       syscall5(number, (long)(a), (long)(b), (long)(c), 0, 0)

#define O_RDWR   2
#define O_DIRECT 0x10000 /* ARM's own */

/* Of a program's argument: digits, up to the first character that is none. */
static inline uint32_t number_of(const char *text)
{
	uint32_t n = 0;

	while (*text >= '0' && *text <= '9')
		n = n * 10 + (uint32_t)(*text++ - '0');
	return n;
}

static inline size_t length_of(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static inline void say(const char *text)
{
	syscall3(SYS_write, 1, text, length_of(text));
}

/* 16 digits; returns the end. */
static inline char *put_hex(char *at, uint64_t value)
{
	for (int i = 60; i >= 0; i -= 4)
		*at++ = "0123456789abcdef"[value >> i & 15];
	return at;
}

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

#endif
