/* SPDX-License-Identifier: BSD-2-Clause */
/* Free RAM for guests: rounding, holes, joining, what is handed out and where, and device trees that say strange
 * things. Which blocks are used, zero, and being zeroed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_log.h"
#include "hyp/lib/bits.h"
#include "mm/ram.c"

#define B ((uint64_t)BLOCK_SIZE)

/* Each test starts without RAM. */
static int setup(void **unused)
{
	(void)unused;
	ram_remove(0, UINT64_MAX);
	memset(&all, 0, sizeof(all));
	memset(&state, 0, sizeof(state));
	fake_log_reset();
	return ram_available() == 0 ? 0 : -1;
}

static void assert_take(uint64_t size, bool low, uint64_t expected_size, uint64_t expected_base)
{
	pa_t base = pa(0);

	assert_int_equal(ram_take(size, low, &base), expected_size);
	if (expected_size)
		assert_int_equal(base.v, expected_base);
}

static void test_rounds_inwards(void **unused)
{
	(void)unused;
	ram_add(0x40000001, 4 * B);
	assert_int_equal(ram_available(), 3 * B);
	assert_take(8 * B, false, 3 * B, 0x40000000 + B);
	ram_add(0x40000001, B);
	assert_int_equal(ram_available(), 0);
	ram_add(0x40000000, 0);
	assert_int_equal(ram_available(), 0);
}

/* What there is stays known, to the byte, when a VM has it. */
static void test_is(void **unused)
{
	const uint64_t base = 0x7000000000;

	(void)unused;
	assert_false(ram_is(pa(base + B)));
	ram_add(base + 5, 3 * B);
	ram_remove(base, 8 * B);
	assert_true(ram_is(pa(base + 5)) && ram_is(pa(base + 3 * B + 4)));
	assert_false(ram_is(pa(base + 4)) || ram_is(pa(base + 3 * B + 5)));
}

/* A reserved byte costs its block. */
static void test_remove_rounds_outwards(void **unused)
{
	(void)unused;
	ram_add(0x40000000, 8 * B);
	ram_remove(0x40000000 + 2 * B + 5, 1);
	assert_int_equal(ram_available(), 7 * B);
	assert_take(8 * B, false, 5 * B, 0x40000000 + 3 * B);
	assert_take(8 * B, false, 2 * B, 0x40000000);
	assert_take(8 * B, false, 0, 0);
}

static void test_remove_across_ranges(void **unused)
{
	(void)unused;
	ram_add(0x40000000, 4 * B);
	ram_add(0x50000000, 4 * B);
	ram_add(0x60000000, 4 * B);
	ram_remove(0x40000000 + 3 * B, 0x60000000 + B - (0x40000000 + 3 * B));
	assert_int_equal(ram_available(), 6 * B);
	assert_take(8 * B, false, 3 * B, 0x40000000);
	assert_take(8 * B, false, 3 * B, 0x60000000 + B);
}

static void test_remove_nothing(void **unused)
{
	(void)unused;
	ram_add(0x40000000, 4 * B);
	ram_remove(0x40000000 + B, 0);
	ram_remove(0x40000000 + B + 1, 0);
	ram_remove(0x80000000, 4 * B);
	ram_remove(0x40000000 - B, B);
	ram_remove(0x40000000 + 4 * B, B);
	assert_take(4 * B, false, 4 * B, 0x40000000);
}

/* Pieces come back in any order and are one again. */
static void test_release_joins(void **unused)
{
	pa_t piece[4];

	(void)unused;
	ram_add(0x40000000, 4 * B);
	for (size_t i = 0; i < ARRAY_SIZE(piece); i++)
		assert_int_equal(ram_take(B, false, &piece[i]), B);
	ram_release(piece[0], B);
	ram_release(piece[2], B);
	ram_release(piece[3], B);
	ram_release(piece[1], B);
	assert_take(4 * B, false, 4 * B, 0x40000000);
}

/* All of it inside of the bounds, at a multiple, with what is left on both sides still there; or nothing. */
static void test_take_in(void **unused)
{
	pa_t base = pa(0);

	(void)unused;
	ram_add(0x40000000 + B, 3 * B);
	ram_add(0x50000000, 8 * B);
	assert_false(ram_take_in(4 * B, B, 0, 0x50000000, &base));
	assert_false(ram_take_in(8 * B, B, 0x50000000 + B, UINT64_C(1) << 32, &base));
	assert_false(ram_take_in(B, 8 * B, 0x50000000 + B, UINT64_C(1) << 32, &base));
	assert_true(ram_take_in(2 * B, 2 * B, 0, UINT64_C(1) << 32, &base));
	assert_int_equal(base.v, 0x40000000 + 2 * B);
	assert_true(ram_take_in(2 * B, B, 0x50000000 + 3 * B, 0x50000000 + 5 * B, &base));
	assert_int_equal(base.v, 0x50000000 + 3 * B);
	assert_int_equal(ram_available(), 7 * B);
	ram_release(base, 2 * B);
	assert_take(8 * B, false, 8 * B, 0x50000000);
	assert_take(B, false, B, 0x40000000 + B);
}

/* The first piece that is large enough; else the largest. */
static void test_take_chooses(void **unused)
{
	(void)unused;
	ram_add(0x40000000, 2 * B);
	ram_add(0x50000000, 6 * B);
	ram_add(0x60000000, 4 * B);
	assert_take(4 * B, false, 4 * B, 0x50000000);
	assert_take(8 * B, false, 4 * B, 0x60000000);
	assert_take(2 * B, false, 2 * B, 0x40000000);
	assert_take(2 * B, false, 2 * B, 0x50000000 + 4 * B);
	assert_take(B, false, 0, 0);
}

/* Below 4 GiB: also out of a range that goes on above. */
static void test_take_low(void **unused)
{
	(void)unused;
	ram_add(UINT64_C(0xff000000), 0x02000000);
	ram_add(UINT64_C(0x880000000), 0x10000000);
	assert_take(0x10000000, true, 0x01000000, UINT64_C(0xff000000));
	assert_take(B, true, 0, 0);
	assert_take(0x10000000, false, 0x10000000, UINT64_C(0x880000000));
	assert_take(0x10000000, false, 0x01000000, UINT64_C(0x100000000));
}

/* Memory stated twice, or in parts that overlap, is not handed out twice. */
static void test_overlapping_memory(void **unused)
{
	(void)unused;
	ram_add(0x40000000, 4 * B);
	ram_add(0x40000000, 4 * B);
	ram_add(0x40000000 + 2 * B, 4 * B);
	ram_add(0x40000000 + B, B);
	assert_int_equal(ram_available(), 6 * B);
	assert_take(8 * B, false, 6 * B, 0x40000000);
}

/* 40 bits of physical address, whatever the device tree says. */
static void test_address_limits(void **unused)
{
	(void)unused;
	ram_add(BIT64(40) - 2 * B, 8 * B);
	ram_add(BIT64(40), 8 * B);
	ram_add(UINT64_MAX - 5, 3);
	ram_add(UINT64_MAX - 5, UINT64_MAX);
	ram_add(UINT64_MAX - 4 * B, 8 * B);
	assert_int_equal(ram_available(), 2 * B);
	ram_add(BIT64(40) - 4 * B, UINT64_MAX - 5);
	assert_int_equal(ram_available(), 4 * B);
	ram_remove(BIT64(40) - B, UINT64_MAX);
	assert_int_equal(ram_available(), 3 * B);
	ram_remove(UINT64_MAX, UINT64_MAX);
	assert_take(8 * B, false, 3 * B, BIT64(40) - 4 * B);
}

/* The list is full: the rest is lost and said, nothing is overrun. */
static void test_too_many_pieces(void **unused)
{
	(void)unused;
	for (uint64_t i = 0; i < 130; i++)
		ram_add(0x40000000 + i * 2 * B, B);
	assert_int_equal(ram_available(), 128 * B);
	assert_int_equal(fake_log_count(LOG_WARN), 2);
	assert_string_equal(fake_log_last(LOG_WARN), "host: RAM in more than 128 pieces, lost 2048 KiB");
	ram_remove(0x40000000, B);
	assert_int_equal(ram_available(), 127 * B);
}

/* What is taken away has a name, overlaps once, and it all adds up. */
static void test_account(void **unused)
{
	pa_t base;

	(void)unused;
	memset(&ram_use, 0, sizeof(ram_use));
	ram_add(0x40000000, 16 * B);
	ram_use.total = ram_available();
	ram_remove(0x40000000, 1);
	ram_account(&ram_use.reserved);
	ram_remove(0x40000000, 2 * B); /* partly reserved already */
	ram_account(&ram_use.virt7);
	ram_remove(0x40000000 + 8 * B - 1, 2);
	ram_account(&ram_use.bundle);
	assert_int_equal(ram_take(4 * B, false, &base), 4 * B);
	ram_account(&ram_use.virt7);
	assert_int_equal(ram_use.total, 16 * B);
	assert_int_equal(ram_use.reserved, B);
	assert_int_equal(ram_use.virt7, B + 4 * B);
	assert_int_equal(ram_use.bundle, 2 * B);
	assert_int_equal(ram_available(), 8 * B);
	ram_account(&ram_use.bundle); /* nothing since */
	assert_int_equal(ram_use.bundle, 2 * B);
}

static uint32_t flags[256];

static void track(void)
{
	memset(flags, 0, sizeof(flags));
	assert_true(ram_flag_bytes() <= sizeof(flags));
	ram_track_use(flags);
}

/* CPU `cpu` zeroes a part of the block, which was so far zero for `done` bytes, and is up to `then` from now on. */
static void assert_part(uint32_t cpu, uint64_t block, uint32_t done, uint32_t then)
{
	uint32_t was = ~0U;
	pa_t at = pa(0);

	assert_true(ram_claim_part(cpu, &at, &was));
	assert_int_equal(at.v, block);
	assert_int_equal(was, done);
	ram_end_part(cpu, then);
}

static void assert_no_work(uint32_t cpu)
{
	uint32_t done;
	pa_t at;

	while (ram_claim_part(cpu, &at, &done))
		assert_int_equal(at.v, RAM_NO_BLOCK);
}

/* Each block once, by one CPU; what has been zeroed is found so once. */
static void test_zeroes(void **unused)
{
	pa_t base = pa(0);

	(void)unused;
	ram_add(0x40000000, 3 * B);
	assert_false(ram_begin_use(pa(0x40000000)));
	track();
	assert_part(0, 0x40000000, 0, KIB(32));
	assert_part(1, 0x40000000 + B, 0, BLOCK_SIZE);
	assert_part(0, 0x40000000, KIB(32), BLOCK_SIZE);
	assert_part(0, 0x40000000 + 2 * B, 0, 0); /* not to be zeroed */
	assert_no_work(0);
	assert_int_equal(ram_take_unused(3 * B, &base), 3 * B);
	assert_no_work(0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(ram_begin_use(pa(0x40000000 + i % 2 * B)), i < 2);
	assert_false(ram_begin_use(pa(0x40000000 + 2 * B)));
	assert_false(ram_begin_use(pa(0x40000000 + 3 * B)));
}

/* A VM's that it has not touched is zeroed, one that it has is not, nor is one that virt7 has. */
static void test_whose_is_zeroed(void **unused)
{
	pa_t vm = pa(0), own = pa(0), direct = pa(0);

	(void)unused;
	ram_add(0x40000000, 8 * B);
	track();
	assert_int_equal(ram_take_unused(2 * B, &vm), 2 * B);
	assert_int_equal(ram_take(2 * B, false, &own), 2 * B);
	assert_true(ram_take_in(2 * B, B, 0, BIT64(32), &direct));
	assert_false(ram_begin_use(vm));
	assert_part(0, vm.v + B, 0, BLOCK_SIZE);
	for (uint32_t i = 0; i < 4; i++)
		assert_part(0, direct.v + i * B, 0, BLOCK_SIZE);
	assert_no_work(0);
	assert_true(ram_begin_use(pa(direct.v + B)));
	assert_true(ram_begin_use(pa(vm.v + B)));
	/* no VM's any more: a block that its owner has zeroed keeps that */
	ram_set_zero(vm);
	ram_release(vm, 2 * B);
	ram_release(own, 2 * B);
	assert_part(0, vm.v + B, 0, BLOCK_SIZE);
	assert_part(0, own.v, 0, BLOCK_SIZE);
	assert_part(0, own.v + B, 0, BLOCK_SIZE);
	assert_no_work(0);
	assert_int_equal(ram_take(4 * B, false, &own), 4 * B);
	for (uint32_t i = 0; i < 4; i++)
		assert_false(ram_begin_use(pa(own.v + i * B)));
}

/* Who takes a block in the middle has it without a flag; that CPU goes on with another one. */
static void test_taken_in_the_middle(void **unused)
{
	pa_t base = pa(0);

	(void)unused;
	ram_add(0x40000000, 4 * B);
	track();
	assert_part(3, 0x40000000, 0, KIB(32));
	assert_int_equal(ram_take(B, false, &base), B);
	assert_int_equal(base.v, 0x40000000);
	assert_part(3, 0x40000000 + B, 0, KIB(32));
	assert_false(ram_begin_use(pa(0x40000000 + B)));
	ram_release(base, B);
	assert_part(3, 0x40000000, 0, KIB(32)); /* from the start: its owner has written to it */
	assert_part(4, 0x40000000 + 2 * B, 0, KIB(32));
}

static volatile bool part_ended;

static void end_part(int number)
{
	(void)number;
	part_ended = true;
	state.claim[2].busy = false;
}

/* A part that is under way is over before the block is a VM's. */
static void test_waits_for_a_part(void **unused)
{
	uint32_t done;
	pa_t at;

	(void)unused;
	ram_add(0x40000000, B);
	track();
	assert_true(ram_claim_part(2, &at, &done));
	part_ended = false;
	signal(SIGALRM, end_part);
	ualarm(10000, 0);
	assert_false(ram_begin_use(pa(0x40000000)));
	assert_true(part_ended);
	ram_end_part(2, BLOCK_SIZE);
	assert_false(ram_begin_use(pa(0x40000000)));
}

/* A look has a bound, however much RAM there is. */
static void test_bounded_look(void **unused)
{
	const uint64_t size = 3000 * B;
	uint32_t done = 0;
	pa_t at = pa(0), base;

	(void)unused;
	ram_add(0x7fe00001, 2 * B); /* one block, which has its own number */
	ram_add(0x100000000, size);
	track();
	assert_part(0, 0x80000000, 0, BLOCK_SIZE);
	assert_true(ram_begin_use(pa(0x80000000)));
	assert_int_equal(ram_take(size, false, &base), size);
	ram_release(pa(base.v + size - B), B);
	assert_true(ram_claim_part(0, &at, &done));
	assert_int_equal(at.v, RAM_NO_BLOCK);
	assert_part(0, base.v + size - B, 0, BLOCK_SIZE);
	assert_no_work(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rounds_inwards, setup),
		cmocka_unit_test_setup(test_is, setup),
		cmocka_unit_test_setup(test_remove_rounds_outwards, setup),
		cmocka_unit_test_setup(test_remove_across_ranges, setup),
		cmocka_unit_test_setup(test_remove_nothing, setup),
		cmocka_unit_test_setup(test_release_joins, setup),
		cmocka_unit_test_setup(test_take_chooses, setup),
		cmocka_unit_test_setup(test_take_low, setup),
		cmocka_unit_test_setup(test_overlapping_memory, setup),
		cmocka_unit_test_setup(test_address_limits, setup),
		cmocka_unit_test_setup(test_too_many_pieces, setup),
		cmocka_unit_test_setup(test_take_in, setup),
		cmocka_unit_test_setup(test_account, setup),
		cmocka_unit_test_setup(test_zeroes, setup),
		cmocka_unit_test_setup(test_whose_is_zeroed, setup),
		cmocka_unit_test_setup(test_taken_in_the_middle, setup),
		cmocka_unit_test_setup(test_waits_for_a_part, setup),
		cmocka_unit_test_setup(test_bounded_look, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
