/* SPDX-License-Identifier: BSD-2-Clause */
/* Partitions of a disk of the host's (hyp/virtio/partition.c): MBR, extended ones, GPT; and what is none of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "fake_hostdisk.h"
#include "hyp/virtio/partition.h"

static struct hostdisk *disk;
static uint64_t first, count;

static uint8_t *sector(uint64_t n)
{
	return fake_hostdisk.data + n * DISKDEV_SECTOR;
}

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put_entry(uint64_t table, uint32_t index, uint8_t type, uint32_t start, uint32_t sectors)
{
	uint8_t *at = sector(table) + 446U + index * 16U;

	memset(at, 0, 16);
	at[4] = type;
	put32(at + 8, start);
	put32(at + 12, sectors);
	sector(table)[510] = 0x55;
	sector(table)[511] = 0xaa;
}

static int setup(void **state)
{
	(void)state;
	fake_hostdisk_reset();
	memset(fake_hostdisk.data, 0, sizeof(fake_hostdisk.data));
	disk = (struct hostdisk *)(void *)&fake_hostdisk;
	return 0;
}

static void expect(uint32_t number, uint64_t start, uint64_t sectors)
{
	first = count = 99;
	assert_null(partition_find(disk, number, &first, &count));
	assert_int_equal(first, start);
	assert_int_equal(count, sectors);
}

static void expect_wrong(uint32_t number, const char *why)
{
	const char *wrong = partition_find(disk, number, &first, &count);

	assert_non_null(wrong);
	assert_string_equal(wrong, why);
}

#define ABSENT  "the disk has no partition of this number"
#define DAMAGED "the table of partitions is damaged"
#define BEYOND  "the partition reaches beyond the disk's end"

static void test_mbr(void **state)
{
	(void)state;
	expect_wrong(1, "the disk has no partitions");
	put_entry(0, 0, 0x83, 64, 100);
	put_entry(0, 2, 0x0c, 200, FAKE_DISK_SECTORS - 200U);
	expect(1, 64, 100);
	expect(3, 200, FAKE_DISK_SECTORS - 200U);
	expect_wrong(0, ABSENT);
	expect_wrong(2, ABSENT);
	expect_wrong(5, ABSENT);
	put_entry(0, 2, 0x0c, 200, FAKE_DISK_SECTORS - 199U);
	expect_wrong(3, BEYOND);
	put_entry(0, 2, 0x0c, UINT32_MAX, 2);
	expect_wrong(3, BEYOND);
	put_entry(0, 2, 0x0c, 200, 0);
	expect_wrong(3, BEYOND);
	fake_hostdisk.read_error = -EIO;
	expect_wrong(1, "the disk cannot be read");
	fake_hostdisk.sectors = 1;
	expect_wrong(1, ABSENT);
}

static void test_extended(void **state)
{
	(void)state;
	put_entry(0, 1, 0x05, 1000, 3000);
	put_entry(1000, 0, 0x83, 2, 100);
	put_entry(1000, 1, 0x05, 500, 300);
	put_entry(1500, 0, 0x82, 63, 200);
	expect_wrong(2, "an extended partition, which holds others: those from 5 on");
	expect(5, 1002, 100);
	expect(6, 1563, 200);
	expect_wrong(7, ABSENT);
	put_entry(1500, 1, 0x05, 4000, 300); /* beyond the end */
	expect_wrong(7, DAMAGED);
	put_entry(1500, 1, 0x05, 600, 300); /* where there is none */
	expect_wrong(7, DAMAGED);
	put_entry(1500, 1, 0x05, 500, 300); /* a circle */
	fake_hostdisk.reads = 0;
	expect_wrong(1000, ABSENT);
	assert_in_range(fake_hostdisk.reads, 1, 70);
}

static void put_gpt(uint32_t entry_size, uint32_t entries)
{
	uint8_t *header = sector(1);

	put_entry(0, 0, 0xee, 1, FAKE_DISK_SECTORS - 1U);
	memcpy(header, "EFI PART", 8);
	put32(header + 12, 92);
	put64(header + 72, 2);
	put32(header + 80, entries);
	put32(header + 84, entry_size);
	put32(header + 16, 0);
	put32(header + 16, (uint32_t)crc32_z(0, header, 92));
}

static void put_gpt_entry(uint32_t number, uint32_t size, uint64_t start, uint64_t last)
{
	uint8_t *at = sector(2) + (number - 1U) * size;

	memset(at, 0x11, 32);
	put64(at + 32, start);
	put64(at + 40, last);
}

static void test_gpt(void **state)
{
	(void)state;
	for (uint32_t size = 128; size <= 512; size *= 2U) {
		put_gpt(size, 128);
		put_gpt_entry(1, size, 100, 199);
		put_gpt_entry(9, size, 300, FAKE_DISK_SECTORS - 1U);
		expect(1, 100, 100);
		expect(9, 300, FAKE_DISK_SECTORS - 300U);
		expect_wrong(2, ABSENT);
		expect_wrong(129, ABSENT);
		memset(sector(2), 0, 0x4000);
	}
	put_gpt_entry(1, 512, 100, 98); /* ends before it begins */
	expect_wrong(1, BEYOND);
	put_gpt_entry(1, 512, 0, UINT64_MAX);
	expect_wrong(1, BEYOND);
	put_gpt_entry(1, 512, 1, FAKE_DISK_SECTORS);
	expect_wrong(1, BEYOND);
}

static void test_gpt_damaged(void **state)
{
	static const uint32_t sizes[] = {0, 64, 127, 192, 1024, UINT32_MAX};

	(void)state;
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		put_gpt(sizes[i], 128);
		expect_wrong(1, DAMAGED);
	}
	put_gpt(128, 128);
	sector(1)[81] ^= 1;
	expect_wrong(1, DAMAGED);
	put_gpt(128, UINT32_MAX);
	expect_wrong(UINT32_MAX, DAMAGED); /* the table would lie beyond the end */
	memset(sector(1), 0, DISKDEV_SECTOR);
	expect_wrong(1, DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mbr, setup),
		cmocka_unit_test_setup(test_extended, setup),
		cmocka_unit_test_setup(test_gpt, setup),
		cmocka_unit_test_setup(test_gpt_damaged, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
