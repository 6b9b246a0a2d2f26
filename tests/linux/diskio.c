/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diskio read|random|verify DISK BLOCK COUNT: COUNT reads of BLOCK bytes past the page cache, one behind the other or
 * all over the disk's first BLOCK * COUNT bytes, a power of two; "verify" writes them all over, each with what its
 * place and the round say, and reads them back in another order, twice. Reads are between the marks of `make bench`,
 * whose line for a row they print, with the nanoseconds of each.
 */
#include <stdbool.h>

#include "tests/linux/linux.h"

#define BLOCK_MAX (1U << 20)
#define NS        UINT64_C(1000000000)

static uint32_t block[BLOCK_MAX / 4] __attribute__((aligned(4096)));
static uint32_t size, count;
static long disk;

static uint64_t now(void)
{
	long at[2];

	syscall3(SYS_clock_gettime, 1, at, 0);
	return (uint64_t)at[0] * NS + (uint64_t)at[1];
}

/* The i-th of a permutation of 0 to count - 1, another one for each odd number. */
static uint32_t shuffled(uint32_t i, uint32_t odd)
{
	return (i * odd + odd / 2) & (count - 1);
}

static bool move(long call, uint32_t n)
{
	return syscall5(call, disk, (long)block, (long)size, 0, (long)(n * size)) == (long)size;
}

static uint32_t word_of(uint32_t n, uint32_t i, uint32_t round)
{
	return (n * 0x9e3779b9U ^ i * 0x85ebca6bU) + round;
}

static bool verify(uint32_t round)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = shuffled(i, 0x5851f42dU);

		for (uint32_t w = 0; w < size / 4; w++)
			block[w] = word_of(n, w, round);
		if (!move(SYS_pwrite64, n))
			return false;
	}
	if (syscall3(SYS_fsync, disk, 0, 0))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = shuffled(i, 0x4c957f2dU);

		if (!move(SYS_pread64, n))
			return false;
		for (uint32_t w = 0; w < size / 4; w++)
			if (block[w] != word_of(n, w, round))
				return false;
	}
	return true;
}

static void say_number(const char *before, uint64_t value)
{
	char text[24], *at = text + sizeof(text);

	say(before);
	*--at = '\0';
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	say(at);
}

static bool read_all(uint32_t odd)
{
	uint32_t i = 0;
	uint64_t start = now();

	__asm__ volatile("dbg #1");
	while (i < count && move(SYS_pread64, odd ? shuffled(i, odd) : i))
		i++;
	__asm__ volatile("dbg #2");
	say("row disk");
	say_number(" rounds ", count);
	say_number(" own 0 ns ", (now() - start) / count);
	say("\n");
	return i == count;
}

int main(int argc, char **argv);

int main(int argc, char **argv)
{
	bool good;

	if (argc != 5)
		return 2;
	size = number_of(argv[3]);
	count = number_of(argv[4]);
	disk = syscall3(SYS_open, argv[2], (argv[1][0] == 'v' ? O_RDWR : 0) | O_DIRECT, 0);
	if (disk < 0 || size > BLOCK_MAX || size % 512 || !count || (count & (count - 1))) {
		say("diskio: no such disk, or a count that is not a power of two\n");
		return 2;
	}
	switch (argv[1][1] == 'e' ? argv[1][0] : 'a') {
	case 'v':
		good = verify(1) && verify(2);
		break;
	case 'r':
		good = read_all(0);
		break;
	default:
		good = read_all(0x5851f42dU);
	}
	if (!good)
		say("diskio: FAILED\n");
	else if (argv[1][0] == 'v')
		say("diskio: verified\n");
	return good ? 0 : 1;
}
