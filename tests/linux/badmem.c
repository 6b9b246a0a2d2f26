/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * badmem DISK FILE: a page of the file, which is in memory, and whose address in the machine's RAM it says. When that
 * has become bad, and a line has come on standard input, it has a disk read into the page, and says what came of that;
 * then it reads the page itself.
 */
#include "tests/linux/linux.h"

#define PAGE_SIZE   4096U
#define PROT_RW     3
#define MAP_SHARED  1
#define PAGEMAP_PFN ((UINT64_C(1) << 55) - 1U)

static char text[64];

static void say_hex(const char *what, uint64_t value)
{
	char *end = text;

	say(what);
	end = put_hex(end, value);
	*end++ = '\n';
	*end = 0;
	say(text);
}

int main(int argc, char **argv)
{
	long file = argc > 2 ? syscall3(SYS_open, argv[2], O_RDWR, 0) : -1;
	uint32_t page = (uint32_t)syscall5(SYS_mmap2, 0, PAGE_SIZE, PROT_RW, MAP_SHARED, file);
	long map = syscall3(SYS_open, "/proc/self/pagemap", 0, 0);
	long disk = argc > 1 ? syscall3(SYS_open, argv[1], O_RDWR | O_DIRECT, 0) : -1;
	uint64_t entry = 0;

	*(volatile uint32_t *)page = 0x12345678U;
	syscall5(SYS_pread64, map, (long)&entry, sizeof(entry), 0, (long)(page / PAGE_SIZE * sizeof(entry)));
	say_hex("badmem: page ", (entry & PAGEMAP_PFN) * PAGE_SIZE);
	syscall3(SYS_read, 0, text, 1);
	say_hex("badmem: read ", (uint64_t)-syscall5(SYS_pread64, disk, (long)page, PAGE_SIZE, 0, 0));
	say_hex("badmem: is well: ", *(volatile uint32_t *)page);
	return 0;
}
