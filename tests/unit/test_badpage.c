/* SPDX-License-Identifier: BSD-2-Clause */
/* The quarantine over the real heap and RAM ranges: a page is in it once and for ever, and spare pages come and go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "mm/badpage.h"
#include "mm/page.h"
#include "mm/ram.h"

#define HEAP_SIZE (2U * BLOCK_SIZE)
#define HEAP_BASE UINT64_C(0x880000000)
#define RAM_BASE  UINT64_C(0x80000000)
#define RAM_SIZE  (4ULL * BLOCK_SIZE)
#define MANY      1000U
#define VM_BASE   UINT64_C(0x8100000000) /* not of the free RAM */

void page_init_at(void *va, pa_t base, size_t size);

static uint8_t *heap;

static int setup(void **state)
{
	(void)state;
	heap = aligned_alloc(BLOCK_SIZE, HEAP_SIZE);
	page_init_at(heap, pa(HEAP_BASE), HEAP_SIZE);
	ram_add(RAM_BASE, RAM_SIZE);
	ram_use.total = RAM_SIZE;
	return heap ? 0 : -1;
}

static void assert_totals(void)
{
	assert_int_equal(ram_available() + ram_use.spare, RAM_SIZE);
}

static struct bad_page *add(uint64_t page)
{
	struct bad_page *bad = badpage_add(pa(page), false, "");

	assert_non_null(bad);
	return bad;
}

/* Tests go on where the last one ended: nothing is ever taken out. */
static void test_once(void **state)
{
	uint32_t next = 0;

	(void)state;
	assert_false(badpage_is(pa(VM_BASE)));
	add(VM_BASE)->ipa = 0x1234;
	assert_null(badpage_add(pa(VM_BASE), false, ""));
	assert_true(badpage_is(pa(VM_BASE + 0xfff)));
	assert_false(badpage_is(pa(VM_BASE + PAGE_SIZE)));
	assert_int_equal(badpage_count(), 1);
	assert_int_equal(badpage_next(pa(VM_BASE), PAGE_SIZE, &next)->ipa, 0x1234);
	assert_null(badpage_next(pa(VM_BASE), PAGE_SIZE, &next));
	next = 0;
	assert_null(badpage_next(pa(VM_BASE + PAGE_SIZE), PAGE_SIZE, &next));
}

/* A thousand more: each is found, replaced by another page of its own, and all of these come back. */
static void test_many(void **state)
{
	static bool used[RAM_SIZE / PAGE_SIZE];
	uint32_t all, taken, next = 0;
	size_t before = page_available();

	(void)state;
	for (uint32_t i = 1; i <= MANY; i++)
		add(VM_BASE + (uint64_t)i * 3U * PAGE_SIZE);
	assert_in_range(before - page_available(), PAGE_SIZE, 20U * PAGE_SIZE);
	for (struct bad_page *bad; (bad = badpage_next(pa(VM_BASE), 4000ULL * PAGE_SIZE, &next)) != NULL;) {
		uint64_t i;

		assert_int_equal(badpage_replace(bad), 0);
		i = (bad->instead - RAM_BASE) / PAGE_SIZE;
		assert_true(i < RAM_SIZE / PAGE_SIZE && !used[i]);
		used[i] = true;
		assert_int_equal(badpage_replace(bad), 0); /* it has one */
	}
	badpage_spares(&all, &taken);
	assert_int_equal(all, 2U * BLOCK_SIZE / PAGE_SIZE);
	assert_int_equal(taken, MANY + 1U);
	assert_int_equal(ram_use.spare, 2U * BLOCK_SIZE);
	assert_totals();
	badpage_give_back(pa(VM_BASE), 10ULL * PAGE_SIZE);
	badpage_spares(&all, &taken);
	assert_int_equal(taken, MANY + 1U - 4U);
	badpage_give_back(pa(VM_BASE), 4000ULL * PAGE_SIZE);
	badpage_spares(&all, &taken);
	assert_true(all == 0 && taken == 0 && ram_use.spare == 0);
	assert_totals();
}

/* An empty place among the blocks of spare pages hides none of those behind it. */
static void test_gap(void **state)
{
	const uint64_t first = BLOCK_SIZE / PAGE_SIZE * 3ULL * PAGE_SIZE; /* as many of test_many's as a block has */
	struct bad_page *bad, *last = NULL;
	uint32_t next = 0;

	(void)state;
	while (last == NULL || last->pa < VM_BASE + first) {
		last = badpage_next(pa(VM_BASE), BIT64(30), &next);
		assert_int_equal(badpage_replace(last), 0);
	}
	assert_int_equal(ram_use.spare, 2U * BLOCK_SIZE);
	badpage_give_back(pa(VM_BASE), first);
	assert_int_equal(ram_use.spare, BLOCK_SIZE);
	bad = badpage_next(pa(VM_BASE), BIT64(30), &next);
	assert_int_equal(badpage_replace(bad), 0);
	assert_int_equal(ram_use.spare, BLOCK_SIZE);
	assert_int_equal(align_down(bad->instead, BLOCK_SIZE), align_down(last->instead, BLOCK_SIZE));
	badpage_give_back(pa(VM_BASE), BIT64(30));
	assert_totals();
}

/* A page of the free RAM that is bad is no spare page; nor is one that was, and became bad in a VM's hands. */
static void test_bad_spares(void **state)
{
	struct bad_page *first = add(VM_BASE + BIT64(30)), *second = add(VM_BASE + BIT64(30) + PAGE_SIZE), *lost;
	uint32_t all, used;
	uint64_t spare;

	(void)state;
	assert_int_equal(badpage_replace(first), 0);
	spare = first->instead;
	badpage_give_back(pa(first->pa), PAGE_SIZE);
	add(spare);
	assert_int_equal(badpage_replace(first), 0);
	assert_int_not_equal(first->instead, spare);
	spare = first->instead;
	lost = badpage_lose_spare(pa(spare));
	assert_ptr_equal(lost, first);
	assert_int_equal(first->instead, 0);
	add(spare);
	assert_int_equal(badpage_replace(first), 0);
	assert_int_equal(badpage_replace(second), 0);
	assert_true(first->instead != spare && second->instead != spare && first->instead != second->instead);
	badpage_give_back(pa(first->pa), 2U * PAGE_SIZE);
	assert_null(badpage_lose_spare(pa(spare)));
	badpage_spares(&all, &used);
	assert_true(all == BLOCK_SIZE / PAGE_SIZE && used == 0);
	assert_totals();
}

/* Nothing free: no spare page, and later there is one. */
static void test_no_ram(void **state)
{
	struct bad_page *bad = add(VM_BASE + BIT64(31));
	struct {
		pa_t base;
		uint64_t size;
	} all[8];
	uint32_t count = 0;

	(void)state;
	for (uint32_t used, spares; count < 8 && (all[count].size = ram_take(RAM_SIZE, false, &all[count].base)) != 0;
	     count++)
		badpage_spares(&spares, &used);
	while (badpage_replace(bad) == 0) /* what was left of spare pages */
		bad = add(bad->pa + PAGE_SIZE);
	assert_int_equal(bad->instead, 0);
	while (count--)
		ram_release(all[count].base, all[count].size);
	assert_int_equal(badpage_replace(bad), 0);
	badpage_give_back(pa(VM_BASE + BIT64(31)), BIT64(30));
	assert_totals();
}

static void test_no_heap(void **state)
{
	uint32_t n = 0;

	(void)state;
	while (page_alloc(0))
		;
	while (n < 200 && badpage_add(pa(VM_BASE + BIT64(32) + n * PAGE_SIZE), false, ""))
		n++;
	assert_in_range(n, 0, 199);
	assert_false(badpage_is(pa(VM_BASE + BIT64(32) + n * PAGE_SIZE)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),       cmocka_unit_test(test_many),   cmocka_unit_test(test_gap),
		cmocka_unit_test(test_bad_spares), cmocka_unit_test(test_no_ram), cmocka_unit_test(test_no_heap),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
