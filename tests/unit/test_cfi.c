/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flash commands: the sequences of real drivers, in bytes, half words and words, and those that no driver should make.
 * What a bank holds is here an array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "hyp/vdev/cfi.h"

#define SIZE (2U * CFI_SECTOR) /* as much of the bank as there is here */

struct bank {
	struct cfi cfi;
	uint32_t refuse; /* the bits of an error, for whatever is tried */
	unsigned int programs, erases;
	uint8_t array[SIZE];
};

static uint32_t program(void *p, uint32_t offset, const uint64_t *data, uint32_t len)
{
	struct bank *bank = p;

	bank->programs++;
	assert_true(offset <= SIZE && len <= SIZE - offset);
	if (bank->refuse)
		return CFI_WRITE_BAD | bank->refuse;
	for (uint32_t i = 0; i < len; i++)
		bank->array[offset + i] &= ((const uint8_t *)data)[i];
	return 0;
}

static uint32_t erase(void *p, uint32_t sector)
{
	struct bank *bank = p;

	bank->erases++;
	assert_int_equal(sector % CFI_SECTOR, 0);
	if (bank->refuse)
		return CFI_ERASE_BAD | bank->refuse;
	memset(bank->array + sector, 0xff, CFI_SECTOR);
	return 0;
}

static const struct cfi_memory memory = {program, erase};

static struct bank *new_bank(void)
{
	static struct bank bank;

	memset(&bank, 0, sizeof(bank));
	memset(bank.array, 0xff, sizeof(bank.array));
	return &bank;
}

static void put(struct bank *bank, uint32_t offset, uint32_t value, uint32_t size)
{
	cfi_write(&bank->cfi, &memory, bank, offset, value, size);
}

static uint32_t get(struct bank *bank, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	if (!cfi_is_array(&bank->cfi))
		return cfi_read(&bank->cfi, offset, size);
	memcpy(&value, bank->array + offset, size);
	return value;
}

/* A command as a driver of that width writes it: words go to both chips. */
static uint32_t twice(uint32_t value, uint32_t size)
{
	return size == 4 ? value | value << 16 : value;
}

static void command(struct bank *bank, uint32_t offset, uint32_t value, uint32_t size)
{
	put(bank, offset, twice(value, size), size);
}

static void expect_status(struct bank *bank, uint32_t status, uint32_t size)
{
	assert_false(cfi_is_array(&bank->cfi));
	assert_int_equal(get(bank, 0, size), twice(status, size));
	assert_int_equal(get(bank, CFI_SECTOR, size), twice(status, size));
}

static const uint32_t sizes[] = {1, 2, 4};
#define for_each_size(size) for (const uint32_t *s_ = sizes; s_ < sizes + 3 && ((size) = *s_); s_++)

/* Memory, until a command says otherwise; any write that is none gives it back. */
static void test_array(void **state)
{
	struct bank *bank = new_bank();
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		assert_true(cfi_is_array(&bank->cfi));
		command(bank, 0, 0x70, size);
		expect_status(bank, 0x80, size);
		command(bank, 0, 0xff, size);
		assert_true(cfi_is_array(&bank->cfi));
		command(bank, 0, 0x70, size);
		command(bank, 0, 0xf0, size);
		assert_true(cfi_is_array(&bank->cfi));
		command(bank, 0, 0x70, size);
		command(bank, 0, 0xaa, size);
		assert_true(cfi_is_array(&bank->cfi));
	}
	assert_int_equal(bank->programs + bank->erases, 0);
}

/* As U-Boot probes: 0x98 at each width, "QRY" where a chip of that width would have it. */
static void test_query(void **state)
{
	static const uint8_t geometry[][2] = {{0x27, 25}, {0x28, 2}, {0x2a, 11}, {0x2c, 1},  {0x2d, 255},
					      {0x2e, 0},  {0x2f, 0}, {0x30, 2},  {0x31, 'P'}};
	struct bank *bank = new_bank();
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		command(bank, 0x55 * 4, 0x98, size);
		assert_int_equal(get(bank, 0x10 * 4, size), twice('Q', size));
		assert_int_equal(get(bank, 0x11 * 4, size), twice('R', size));
		assert_int_equal(get(bank, 0x12 * 4, size), twice('Y', size));
		for (size_t i = 0; i < ARRAY_SIZE(geometry); i++)
			assert_int_equal(get(bank, geometry[i][0] * 4U, size), twice(geometry[i][1], size));
		assert_int_equal(get(bank, 0, size), 0);
		assert_int_equal(get(bank, CFI_BANK_SIZE - 4, size), 0); /* far behind the table */
		command(bank, 0, 0xff, size);
		assert_true(cfi_is_array(&bank->cfi));
	}
}

static void test_id(void **state)
{
	struct bank *bank = new_bank();
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		command(bank, 0, 0x90, size);
		assert_int_equal(get(bank, 0, size), twice(0x89, size));
		assert_int_equal(get(bank, 4, size), twice(0x18, size));
		assert_int_equal(get(bank, 8, size), 0); /* not locked */
		assert_int_equal(get(bank, CFI_SECTOR + 8, size), 0);
		/* A command that follows is one. */
		command(bank, 0, 0x70, size);
		expect_status(bank, 0x80, size);
		command(bank, 0, 0xff, size);
	}
}

/* Linux and EDK2 for single words. */
static void test_program(void **state)
{
	struct bank *bank;
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		uint32_t value = 0x12345678U & (size == 4 ? ~0U : BIT(8 * size) - 1U);

		bank = new_bank();
		command(bank, 0x100, 0x40, size);
		put(bank, 0x100, value, size);
		expect_status(bank, 0x80, size);
		command(bank, 0, 0xff, size);
		assert_int_equal(get(bank, 0x100, size), value);
		assert_int_equal(bank->array[0x100 + size], 0xff);
		assert_int_equal(bank->array[0xff], 0xff);
		/* Bits are cleared, never set; what looks like a command is data. */
		command(bank, 0x100, 0x10, size);
		put(bank, 0x100, twice(0x20, size), size);
		expect_status(bank, 0x80, size);
		command(bank, 0, 0xff, size);
		assert_int_equal(get(bank, 0x100, size), value & twice(0x20, size));
		assert_int_equal(bank->erases, 0);
	}
}

static void test_erase(void **state)
{
	struct bank *bank;
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		bank = new_bank();
		memset(bank->array, 0, SIZE);
		command(bank, CFI_SECTOR + 0x1000, 0x20, size);
		assert_int_equal(bank->erases, 0);
		command(bank, CFI_SECTOR + 0x1000, 0xd0, size);
		expect_status(bank, 0x80, size);
		command(bank, 0, 0xff, size);
		assert_int_equal(bank->erases, 1);
		assert_int_equal(bank->array[CFI_SECTOR - 1], 0);
		assert_int_equal(bank->array[CFI_SECTOR], 0xff);
		assert_int_equal(bank->array[SIZE - 1], 0xff);
	}
}

/* EDK2's buffers are of 32 words, U-Boot's of 1,024 half words, Linux' of 1,024 words. */
static void test_buffer(void **state)
{
	static const struct {
		uint32_t size, count, at;
	} rows[] = {{4, 32, 0x40080}, {2, 1024, 0x800}, {4, 1024, 0x1000}, {1, 2048, 0x2800}, {4, 1, 0x44}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bank *bank = new_bank();
		uint32_t size = rows[i].size, at = rows[i].at, bytes = size * rows[i].count;

		command(bank, at, 0xe8, size);
		expect_status(bank, 0x80, size);
		put(bank, at, twice(rows[i].count - 1, size), size);
		for (uint32_t n = 0; n < rows[i].count; n++)
			put(bank, at + n * size, 0x40302010U + n, size);
		assert_int_equal(bank->programs, 0);
		command(bank, at, 0xd0, size);
		expect_status(bank, 0x80, size);
		command(bank, at, 0xff, size);
		for (uint32_t n = 0; n < rows[i].count; n++)
			assert_int_equal(get(bank, at + n * size, size),
					 (0x40302010U + n) & (size == 4 ? ~0U : BIT(8 * size) - 1U));
		assert_int_equal(bank->array[at - 1], 0xff);
		assert_int_equal(bank->array[at + bytes], 0xff);
		assert_int_equal(bank->programs, 1);
	}
}

/* Not the confirmation: nothing is programmed, and both bits say so until they are cleared. */
static void test_missing_confirm(void **state)
{
	static const uint8_t others[] = {0x00, 0x20, 0x40, 0x70, 0xe8, 0xff};
	struct bank *bank;
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		for (size_t i = 0; i < sizeof(others); i++) {
			bank = new_bank();
			command(bank, 0, 0xe8, size);
			put(bank, 0, 0, size);
			put(bank, 0, 0, size);
			command(bank, 0, others[i], size);
			assert_int_equal(cfi_is_array(&bank->cfi), others[i] == 0xff);
			command(bank, 0, 0x70, size);
			expect_status(bank, 0xb0, size);
			command(bank, 0, 0x20, size);
			command(bank, 0, others[i], size);
			assert_int_equal(bank->programs + bank->erases, 0);
			command(bank, 0, 0x60, size);
			command(bank, 0, others[i], size);
			command(bank, 0, 0x70, size);
			expect_status(bank, 0xb0, size);
			command(bank, 0, 0x50, size);
			assert_true(cfi_is_array(&bank->cfi));
			command(bank, 0, 0x70, size);
			expect_status(bank, 0x80, size);
		}
	}
}

/* More than the buffer takes, by the count or by an address outside of it. */
static void test_overrun(void **state)
{
	struct bank *bank;
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		bank = new_bank();
		command(bank, 0, 0xe8, size);
		if (size > 1) {
			put(bank, 0, twice(2048, size), size);
			expect_status(bank, 0xb0, size);
			command(bank, 0, 0x50, size);
			command(bank, 0, 0xe8, size);
		}
		put(bank, 0, twice(1, size), size);
		put(bank, CFI_BUFFER - size, 0, size);
		put(bank, CFI_BUFFER, 0, size);
		command(bank, 0, 0xd0, size);
		expect_status(bank, 0xb0, size);
		assert_int_equal(bank->programs, 0);
		/* Errors stay while what follows succeeds. */
		command(bank, 0, 0x40, size);
		put(bank, 0, 0, size);
		expect_status(bank, 0xb0, size);
		assert_int_equal(bank->programs, 1);
	}
}

/* An erase in the middle of a program is data, or a missing confirmation; never an erase. */
static void test_erase_in_program(void **state)
{
	struct bank *bank;
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		bank = new_bank();
		command(bank, 0, 0xe8, size);
		put(bank, 0, twice(1, size), size);
		command(bank, 0, 0x20, size);
		command(bank, size, 0xd0, size);
		command(bank, 0, 0xd0, size);
		expect_status(bank, 0x80, size);
		assert_int_equal(bank->erases, 0);
		command(bank, 0, 0xff, size);
		assert_int_equal(get(bank, 0, size), twice(0x20, size));
		assert_int_equal(get(bank, size, size), twice(0xd0, size));
	}
}

static void test_read_only(void **state)
{
	struct bank *bank = new_bank();
	uint32_t size;

	(void)state;
	bank->refuse = CFI_LOCKED;
	for_each_size(size)
	{
		command(bank, 0, 0x40, size);
		put(bank, 0, 0, size);
		expect_status(bank, 0x92, size);
		command(bank, 0, 0x50, size);
		command(bank, 0, 0xe8, size);
		put(bank, 0, 0, size);
		put(bank, 0, 0, size);
		command(bank, 0, 0xd0, size);
		expect_status(bank, 0x92, size);
		command(bank, 0, 0x50, size);
		command(bank, 0, 0x20, size);
		command(bank, 0, 0xd0, size);
		expect_status(bank, 0xa2, size);
		command(bank, 0, 0x50, size);
	}
	for (uint32_t i = 0; i < SIZE; i++)
		assert_int_equal(bank->array[i], 0xff);
}

/* EDK2 unlocks each sector before it erases. */
static void test_unlock(void **state)
{
	static const uint8_t locks[] = {0xd0, 0x01, 0x2f};
	struct bank *bank = new_bank();
	uint32_t size;

	(void)state;
	for_each_size(size)
	{
		for (size_t i = 0; i < sizeof(locks); i++) {
			command(bank, CFI_SECTOR, 0x60, size);
			command(bank, CFI_SECTOR, locks[i], size);
			expect_status(bank, 0x80, size);
		}
		command(bank, CFI_SECTOR, 0x90, size);
		assert_int_equal(get(bank, CFI_SECTOR + 8, size), 0);
		command(bank, CFI_SECTOR, 0xff, size);
	}
}

/* Whatever is written, the bank stays within its bounds. */
static void test_random(void **state)
{
	static const uint8_t commands[] = {0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90,
					   0x98, 0xd0, 0xe8, 0xf0, 0xff, 0x01};
	struct bank *bank = new_bank();

	(void)state;
	srandom(19);
	for (unsigned int i = 0; i < 200000; i++) {
		uint32_t size = sizes[random() % 3], offset = (uint32_t)random() % SIZE & ~(size - 1U);
		uint32_t value = random() % 4 ? commands[(size_t)random() % sizeof(commands)] : (uint32_t)random();

		put(bank, offset, random() % 2 ? twice(value, size) : value, size);
		get(bank, (uint32_t)random() % SIZE & ~(size - 1U), size);
	}
	assert_true(bank->programs > 100 && bank->erases > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_array),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_erase),
		cmocka_unit_test(test_buffer),
		cmocka_unit_test(test_missing_confirm),
		cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_erase_in_program),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_unlock),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
