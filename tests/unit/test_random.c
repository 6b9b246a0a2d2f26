/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random numbers: ChaCha20 by the vectors of RFC 8439, each thing that is mixed into the key, TRNGs by their registers,
 * and the stack protector's guard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include <arm/sysreg.h>

#include "boot/guard.h"
#include "hyp/arm/runtime.h"
#include "fake_log.h"
#include "hyp/host/host.h"
#include "hyp/host/random.h"
#include "hyp/host/rngdev.h"
#include "hyp/host/trng.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/chacha20.h"
#include "mm/hypmap.h"

#define TREE_SIZE   1024
#define SEED_SIZE   32
#define NUMBER_SIZE 16

uintptr_t __stack_chk_guard;

static uint8_t tree[TREE_SIZE] __attribute__((aligned(8)));
static uint32_t regs[TRNG_SIZE / 4], reads;
static struct host host;
static bool mapped;

void *hyp_map_device(uint64_t base, size_t size)
{
	assert_int_equal(base, 0x1000);
	assert_int_equal(size, TRNG_SIZE);
	return mapped ? regs : NULL;
}

static uint32_t rng_words; /* that the host's virtio-rng has */

uint32_t rngdev_read(const struct host *the_host, uint32_t *words, uint32_t count)
{
	assert_ptr_equal(the_host, &host);
	for (uint32_t n = 0; n < rng_words && n < count; n++)
		words[n] = 0x1000U + n;
	return MIN(rng_words, count);
}

static uint64_t tick(uint32_t reg)
{
	return fake_machine.reg[reg]++ / 3;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	fake_log_reset();
	memset(&host, 0, sizeof(host));
	memset(regs, 0, sizeof(regs));
	mapped = true;
	reads = 0;
	rng_words = 0;
	return fdt_create_empty_tree(tree, sizeof(tree));
}

/* What random_bytes() gives next. */
static const uint8_t *number(void)
{
	static uint8_t bytes[8][NUMBER_SIZE];
	static uint32_t turn;
	uint8_t *to = bytes[turn++ % ARRAY_SIZE(bytes)];

	random_bytes(to, NUMBER_SIZE);
	return to;
}

static const uint8_t *first_number(void)
{
	random_init(tree, fdt_path_offset(tree, "/chosen"));
	return number();
}

static void set_seed(const char *name, const char *text)
{
	uint8_t seed[SEED_SIZE] = {0};
	int chosen = fdt_path_offset(tree, "/chosen");

	memcpy(seed + SEED_SIZE - strlen(text), text, strlen(text));
	if (chosen < 0)
		chosen = fdt_add_subnode(tree, 0, "chosen");
	assert_int_equal(fdt_setprop(tree, chosen, name, seed, sizeof(seed)), 0);
}

/* RFC 8439 2.3.2, and A.1's first, second and fifth vector. */
static void test_blocks_of_the_rfc(void **state)
{
	static const struct {
		uint32_t key_step, counter, nonce[CHACHA20_NONCE_WORDS], first, last;
	} rows[] = {
		{0x04040404, 1, {0x09000000, 0x4a000000, 0}, 0xe4e7f110, 0x4e3c50a2},
		{0, 0, {0, 0, 0}, 0xade0b876, 0x8665eeb2},
		{0, 1, {0, 0, 0}, 0xbee7079f, 0x6f4d794b},
		{0, 0, {0, 0, 0x02000000}, 0x374dc6c2, 0x6ded1b53},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t key[CHACHA20_KEY_WORDS] = {0}, block[CHACHA20_BLOCK_WORDS];

		for (uint32_t n = 0; rows[i].key_step && n < CHACHA20_KEY_WORDS; n++)
			key[n] = 0x03020100U + n * rows[i].key_step;
		chacha20_block(key, rows[i].counter, rows[i].nonce, block);
		assert_int_equal(block[0], rows[i].first);
		assert_int_equal(block[15], rows[i].last);
	}
}

/* Without /chosen, too: nothing but the counter is left, and the same count gives the same numbers. */
static void test_counter_counts(void **state)
{
	const uint8_t *first;

	(void)state;
	fake_machine.reg[SYSREG_cntpct] = 12345;
	first = first_number();
	assert_memory_equal(first_number(), first, NUMBER_SIZE);
	fake_machine.reg[SYSREG_cntpct] = 12346;
	assert_memory_not_equal(first_number(), first, NUMBER_SIZE);
}

static void test_seeds_count(void **state)
{
	static const char *const names[] = {"kaslr-seed", "rng-seed"};
	const uint8_t *numbers[4];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		set_seed(names[i / 2], i % 2 ? "a" : "b"); /* the last byte of it is another */
		numbers[i] = first_number();
		for (uint32_t k = 0; k < i; k++)
			assert_memory_not_equal(numbers[i], numbers[k], NUMBER_SIZE);
	}
	assert_memory_equal(first_number(), numbers[3], NUMBER_SIZE);
}

static void test_a_seed_may_be_empty(void **state)
{
	const uint8_t *none = first_number();

	(void)state;
	set_seed("kaslr-seed", "a");
	assert_int_equal(fdt_setprop(tree, fdt_path_offset(tree, "/chosen"), "kaslr-seed", NULL, 0), 0);
	assert_memory_equal(first_number(), none, NUMBER_SIZE);
}

/* Each call has a key of its own; a long one goes on with the next block of it. */
static void test_numbers_do_not_repeat(void **state)
{
	const uint8_t *first = first_number();
	uint8_t many[CHACHA20_BLOCK_SIZE + 5];

	(void)state;
	assert_memory_not_equal(number(), first, NUMBER_SIZE);
	random_init(tree, -1);
	memset(many, 0, sizeof(many));
	random_bytes(many, sizeof(many) - 1);
	assert_memory_equal(many, first, NUMBER_SIZE);
	assert_memory_not_equal(many + CHACHA20_BLOCK_SIZE, many, 4);
	assert_memory_not_equal(many + CHACHA20_BLOCK_SIZE, "\0\0\0\0", 4);
	assert_int_equal(many[sizeof(many) - 1], 0);
}

static void expect_log(int infos, int warnings)
{
	assert_int_equal(fake_log_count(LOG_INFO), infos);
	assert_int_equal(fake_log_count(LOG_WARN), warnings);
}

/* 128 bits are enough: neither is the TRNG's absence said, nor the counter waited for. */
static void test_a_seed_is_enough(void **state)
{
	const uint8_t *with;

	(void)state;
	set_seed("rng-seed", "a");
	with = first_number();
	random_init(tree, fdt_path_offset(tree, "/chosen"));
	random_gather(&host);
	assert_memory_equal(number(), with, NUMBER_SIZE);
	expect_log(0, 0);
}

static void test_jitter_is_said_and_counts(void **state)
{
	const uint8_t *without;

	(void)state;
	fake_machine.on_read[SYSREG_cntpct] = tick;
	without = first_number();
	fake_machine.reg[SYSREG_cntpct] = 0;
	random_init(tree, -1);
	random_gather(&host);
	assert_memory_not_equal(number(), without, NUMBER_SIZE);
	expect_log(1, 0);
	assert_string_equal(fake_log_last(LOG_INFO),
			    "host: no rng-seed in /chosen, and no TRNG and no virtio-rng that virt7 drives: random "
			    "numbers come from the timer's jitter and might be guessed");
}

/* Before the jitter, and after all else. */
static void test_virtio_rng_counts(void **state)
{
	const uint8_t *without;

	(void)state;
	without = first_number();
	rng_words = 8;
	random_init(tree, -1);
	random_gather(&host);
	assert_memory_not_equal(number(), without, NUMBER_SIZE);
	expect_log(1, 0);
	assert_string_equal(fake_log_last(LOG_INFO), "host: random numbers from a virtio-rng");
	rng_words = 2; /* too few */
	random_init(tree, -1);
	random_gather(&host);
	assert_non_null(strstr(fake_log_last(LOG_INFO), "the timer's jitter"));
}

/* A counter that stands still ends no loop, and no boot. */
static void test_jitter_of_a_dead_counter(void **state)
{
	(void)state;
	random_init(tree, -1);
	random_gather(&host);
	expect_log(1, 0);
}

static uint32_t trng_io(const volatile void *addr, size_t size)
{
	assert_int_equal(size, 4);
	reads++;
	return addr == &regs[2] ? regs[2]++ : *(const volatile uint32_t *)addr;
}

static void use_trng(const struct trng_model *model)
{
	host.trng = (struct host_trng){"a-trng", 0x1000, model};
	fake_machine.io_read = trng_io;
	random_init(tree, -1);
	random_gather(&host);
}

static void test_trng_counts(void **state)
{
	const uint8_t *with;

	(void)state;
	regs[1] = BIT(0);
	regs[2] = 100;
	use_trng(&trng_stm32);
	assert_int_equal(regs[0], BIT(2));
	assert_int_equal(regs[2], 100 + CHACHA20_KEY_WORDS);
	with = number();
	expect_log(1, 0);
	assert_string_equal(fake_log_last(LOG_INFO), "host: random numbers from a-trng");
	use_trng(&trng_stm32); /* goes on from 108 */
	assert_memory_not_equal(number(), with, NUMBER_SIZE);
}

/* Not ready, with an error, or not mapped: as if it were not there. */
static void test_trng_that_gives_nothing(void **state)
{
	(void)state;
	use_trng(&trng_stm32);
	regs[1] = BIT(0) | BIT(2);
	use_trng(&trng_stm32);
	regs[1] = BIT(0); /* but the word is 0 */
	use_trng(&trng_stm32);
	use_trng(&trng_mediatek);
	use_trng(&trng_register); /* its answer never changes */
	mapped = false;
	use_trng(&trng_stm32);
	expect_log(6, 0);
}

static void test_trng_of_mediatek(void **state)
{
	(void)state;
	regs[0] = BIT(31);
	use_trng(&trng_mediatek);
	assert_int_equal(regs[0], BIT(31) | BIT(0));
	assert_int_equal(regs[2], CHACHA20_KEY_WORDS);
	expect_log(1, 0);
}

static uint32_t register_io(const volatile void *addr, size_t size)
{
	(void)addr, (void)size;
	return reads++ / 3;
}

/* A word counts once it is another than the last: a driver that is faster than the period gets no copies. */
static void test_trng_of_a_register(void **state)
{
	uint32_t words[4];

	(void)state;
	fake_machine.io_read = register_io;
	assert_int_equal(trng_read(&(struct host_trng){"a-trng", 0x1000, &trng_register}, words, 4), 4);
	for (uint32_t n = 0; n < 4; n++)
		assert_int_equal(words[n], n + 1);
}

/* The guard's lowest byte is zero, the others are not the same twice. */
static void test_guard(void **state)
{
	uintptr_t first, second;

	(void)state;
	first_number();
	first = guard_make();
	second = guard_make();
	assert_true(first != second && first > 0xff && second > 0xff);
	assert_int_equal((first | second) & 0xff, 0);
	first_number();
	guard_set();
	assert_int_equal(__stack_chk_guard, first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_blocks_of_the_rfc, setup),
		cmocka_unit_test_setup(test_counter_counts, setup),
		cmocka_unit_test_setup(test_seeds_count, setup),
		cmocka_unit_test_setup(test_a_seed_may_be_empty, setup),
		cmocka_unit_test_setup(test_numbers_do_not_repeat, setup),
		cmocka_unit_test_setup(test_a_seed_is_enough, setup),
		cmocka_unit_test_setup(test_jitter_is_said_and_counts, setup),
		cmocka_unit_test_setup(test_virtio_rng_counts, setup),
		cmocka_unit_test_setup(test_jitter_of_a_dead_counter, setup),
		cmocka_unit_test_setup(test_trng_counts, setup),
		cmocka_unit_test_setup(test_trng_that_gives_nothing, setup),
		cmocka_unit_test_setup(test_trng_of_mediatek, setup),
		cmocka_unit_test_setup(test_trng_of_a_register, setup),
		cmocka_unit_test_setup(test_guard, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
