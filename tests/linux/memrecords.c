/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memrecords REG: the records of memory errors that the host has written for this machine (docs/memory-errors.md). REG
 * is the file of the node's property, /proc/device-tree/memory-errors@ADDRESS/reg: a 64-bit address, big-endian.
 */
#include "tests/linux/linux.h"

#define PAGE_SIZE  4096U
#define PROT_READ  1
#define MAP_SHARED 1

static char text[64];

static void say_hex(const char *what, uint32_t value)
{
	char *end = text;

	say(what);
	end = put_hex(end, value);
	*end = 0;
	say(text + 8);
}

int main(int argc, char **argv)
{
	long reg = argc > 1 ? syscall3(SYS_open, argv[1], 0, 0) : -1, memory = syscall3(SYS_open, "/dev/mem", 0, 0);
	const volatile uint32_t *page;
	uint8_t at[8] = {0};
	uint32_t address = 0, written;

	if (reg < 0 || memory < 0 || syscall3(SYS_read, reg, at, sizeof(at)) != sizeof(at)) {
		say("memrecords: no such property, or no /dev/mem\n");
		return 1;
	}
	for (uint32_t i = 4; i < sizeof(at); i++)
		address = address << 8 | at[i];
	page = (const volatile uint32_t *)syscall6(SYS_mmap2, 0, PAGE_SIZE, PROT_READ, MAP_SHARED, memory,
						   (long)(address / PAGE_SIZE));
	if ((uintptr_t)page >= -PAGE_SIZE || page[0] != 1) {
		say("memrecords: the page cannot be read\n");
		return 1;
	}
	written = page[3];
	for (uint32_t n = written > page[2] ? written - page[2] : 0; n < written; n++) {
		const volatile uint32_t *record = page + 8U + 8U * (n % page[2]);

		say_hex("bad page ", record[0]);
		say_hex(", number ", record[4]);
		say("\n");
	}
	say_hex("memrecords: ", written);
	say(" so far\n");
	return 0;
}
