/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that may answer with a synchronous external abort (DDI 0406C B3.12.4). The caller gets an error then, and HYP
 * lives; any other fault is a bug of virt7's and ends it. Both ranges are mapped as Normal memory. An error leaves
 * HDFAR and HPFAR with what that abort wrote there: who needs the guest's reads them before.
 */
#ifndef ARM_COPY_H
#define ARM_COPY_H

#include <stddef.h>
#include <stdint.h>

#include <arm/fault_kept.h>

/* Copy `len` bytes. 0, or -EIO: one of the two has aborted, and some of the bytes may have been written. */
int copy_checked(void *to, const void *from, size_t len);

/*
 * Zero [at, end), aligned to and a multiple of 512 bytes, not empty, and clean and invalidate it to the point of
 * coherency in lines of 64 bytes. 0 or -EIO.
 */
int zero_lines_checked(void *at, const void *end);

/* Zero `size` bytes of pages that are virt7's own, and do not abort. */
void zero_pages(void *at, size_t size);

/*
 * Clean and invalidate the data cache lines of [at, end) to the point of coherency, `line` bytes each, `at` at the
 * beginning of one. Pages that abort are left out. The DSB is the caller's.
 */
void clean_invalidate_checked(const void *at, const void *end, uint32_t line);

/*
 * Accesses that are too small to keep the registers of the exit that HYP serves, which a fault overwrites: who makes
 * some keeps them around all of them (<arm/fault_kept.h>). Half words are naturally aligned, words as words are.
 *
 * A fault of `kind` in [from, to) goes on at `fixup` (hyp/debug/fault.h has the kinds, as numbers). The C code is all
 * Thumb.
 */
#define CHECKED_MEMORY       "0"
#define CHECKED_UNDEFINED    "2"
#define CHECKED_MEMORY_AT_R1 "3"
#define CHECKED_ROW(from, to, fixup, kind)                       \
	"	.pushsection .extable, \"a\"\n"                        \
	"	.balign	4\n"                                           \
	"	.word	" from ", " to ", " fixup ", " kind "\n" \
	"	.popsection"

/* What has failed goes on behind `code`, with -EIO in `ret`. */
#define CHECKED(code, kind)                  \
	"1:	" code "\n"                  \
	"2:\n"                               \
	"	.pushsection .text.copy, \"ax\"\n" \
	"	.balign	4\n"                       \
	"3:	mvn	%[ret], #4\n"                \
	"	b.w	2b\n"                          \
	"	.popsection\n" CHECKED_ROW("1b", "2b", "3b", kind)

/* The address is in r1, where the fault handler looks for it. */
#define CHECKED_ACCESS(access) CHECKED(access, CHECKED_MEMORY_AT_R1)

/* The half word, or -EIO. */
static inline __attribute__((always_inline)) int load16_checked(const void *at)
{
	register const void *from __asm__("r1") = at;
	int ret;

	__asm__ volatile(CHECKED_ACCESS("ldrh	%[ret], [%[from]]") : [ret] "=&r"(ret) : [from] "r"(from) : "memory");
	return ret;
}

/* A half word, a byte, four words, two words to `at`: 0 or -EIO. */
static inline __attribute__((always_inline)) int store16_checked(void *at, uint32_t value)
{
	register void *to __asm__("r1") = at;
	int ret = 0;

	__asm__ volatile(CHECKED_ACCESS("strh	%[value], [%[to]]")
			 : [ret] "+&r"(ret)
			 : [to] "r"(to), [value] "r"(value)
			 : "memory");
	return ret;
}

static inline __attribute__((always_inline)) int store8_checked(void *at, uint32_t value)
{
	register void *to __asm__("r1") = at;
	int ret = 0;

	__asm__ volatile(CHECKED_ACCESS("strb	%[value], [%[to]]")
			 : [ret] "+&r"(ret)
			 : [to] "r"(to), [value] "r"(value)
			 : "memory");
	return ret;
}

static inline __attribute__((always_inline)) int load_words_checked(uint32_t word[4], const void *at)
{
	register const void *from __asm__("r1") = at;
	int ret = 0;

	__asm__ volatile(
		CHECKED_ACCESS("ldrd	%[a], %[b], [%[from]]\n	ldrd	%[c], %[d], [%[from], #8]")
		: [ret] "+&r"(ret), [a] "=&r"(word[0]), [b] "=&r"(word[1]), [c] "=&r"(word[2]), [d] "=&r"(word[3])
		: [from] "r"(from)
		: "memory");
	return ret;
}

static inline __attribute__((always_inline)) int store_words_checked(void *at, uint32_t first, uint32_t second)
{
	register void *to __asm__("r1") = at;
	int ret = 0;

	__asm__ volatile(CHECKED_ACCESS("strd	%[a], %[b], [%[to]]")
			 : [ret] "+&r"(ret)
			 : [to] "r"(to), [a] "r"(first), [b] "r"(second)
			 : "memory");
	return ret;
}

/*
 * A device's registers, for a guest: one access of `size` bytes, 1, 2 or 4, naturally aligned. 0; -EIO: the bus has
 * refused it by a synchronous external abort. The caller keeps the exit's registers here, too.
 */
int load_device_checked(uint32_t *to, const volatile void *at, uint32_t size);
int store_device_checked(volatile void *at, uint32_t value, uint32_t size);

#endif
