/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap: alignment, zeroes, exhaustion, reuse, addresses. Its memory is guarded by ASan on both sides. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "mm/page.h"

#define PAGES 64U
#define BASE  UINT64_C(0x880000000)

void page_init_at(void *va, pa_t base, size_t size);

static uint8_t *memory;

static int setup(void **state)
{
	(void)state;
	memory = aligned_alloc(BLOCK_SIZE, BLOCK_SIZE);
	if (!memory)
		return -1;
	memset(memory, 0xa5, BLOCK_SIZE);
	page_init_at(memory, pa(BASE), (size_t)PAGES * PAGE_SIZE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static size_t index_of(const void *page)
{
	return (size_t)((const uint8_t *)page - memory) / PAGE_SIZE;
}

static void assert_zero(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(at[i], 0);
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(page_total(), PAGES * PAGE_SIZE);
	assert_int_equal(page_available(), PAGES * PAGE_SIZE);
}

static void test_zeroed_and_aligned(void **state)
{
	(void)state;
	for (unsigned int order = 0; order < 5; order++) {
		uint8_t *page = page_alloc(order);

		assert_non_null(page);
		assert_int_equal(index_of(page) % BIT(order), 0);
		assert_zero(page, (size_t)PAGE_SIZE << order);
		memset(page, 0xff, (size_t)PAGE_SIZE << order);
	}
	assert_int_equal(page_available(), (PAGES - 31U) * PAGE_SIZE);
}

/* As many pages as are needed and not a power of two, wherever they are free. */
static void test_bytes(void **state)
{
	uint8_t *one = page_alloc_bytes(1), *five = page_alloc_bytes(4U * PAGE_SIZE + 1U);
	size_t left = PAGES - 6U;

	(void)state;
	assert_non_null(one);
	assert_ptr_equal(five, one + PAGE_SIZE);
	assert_zero(five, 5U * PAGE_SIZE);
	assert_int_equal(page_available(), left * PAGE_SIZE);
	memset(five, 0xff, 5U * PAGE_SIZE);
	page_free_bytes(five, 4U * PAGE_SIZE + 1U);
	assert_int_equal(page_available(), (left + 5U) * PAGE_SIZE);
	page_free_bytes(one, 1);
	page_free_bytes(NULL, PAGE_SIZE);
	five = page_alloc_bytes((size_t)PAGES * PAGE_SIZE);
	assert_non_null(five);
	assert_zero(five, (size_t)PAGES * PAGE_SIZE);
	assert_null(page_alloc_bytes(1));
	page_free_bytes(five, (size_t)PAGES * PAGE_SIZE);
	assert_int_equal(page_available(), PAGES * PAGE_SIZE);
}

/* Every page once, no page twice, then nothing; the byte after the heap is not written. */
static void test_exhaustion(void **state)
{
	bool seen[PAGES] = {false};

	(void)state;
	for (uint32_t i = 0; i < PAGES; i++) {
		void *page = page_alloc(0);

		assert_non_null(page);
		assert_in_range(index_of(page), 0, PAGES - 1U);
		assert_false(seen[index_of(page)]);
		seen[index_of(page)] = true;
	}
	assert_null(page_alloc(0));
	assert_int_equal(page_available(), 0);
	assert_int_equal(memory[PAGES * PAGE_SIZE], 0xa5);
}

/* A promise is kept when nothing else is left, and a refused one changes nothing. */
static void test_reserve(void **state)
{
	(void)state;
	assert_int_equal(page_reserve(PAGES + 1U), -ENOMEM);
	assert_int_equal(page_reserve(3), 0);
	assert_int_equal(page_available(), (PAGES - 3U) * PAGE_SIZE);
	assert_int_equal(page_reserve(PAGES - 2U), -ENOMEM);
	for (uint32_t i = 0; i < PAGES - 3U; i++)
		assert_non_null(page_alloc(0));
	assert_null(page_alloc(0));
	assert_non_null(page_alloc_reserved());
	assert_non_null(page_alloc_reserved());
	assert_null(page_alloc(0));
	page_unreserve(1);
	assert_non_null(page_alloc(0));
	assert_null(page_alloc(0));
}

static void test_reuse_is_zeroed(void **state)
{
	void *pages[PAGES];
	uint8_t *again;

	(void)state;
	for (uint32_t i = 0; i < PAGES; i++)
		pages[i] = page_alloc(0);
	memset(pages[7], 0xff, PAGE_SIZE);
	page_free(pages[7], 0);
	again = page_alloc(0);
	assert_ptr_equal(again, pages[7]);
	assert_zero(again, PAGE_SIZE);
	assert_null(page_alloc(0));
}

/* Two free neighbours are no pair where the pair is not aligned. */
static void test_fragments(void **state)
{
	void *pages[PAGES];

	(void)state;
	for (uint32_t i = 0; i < PAGES; i++)
		pages[i] = page_alloc(0);
	page_free(pages[11], 0);
	page_free(pages[12], 0);
	assert_null(page_alloc(1));
	page_free(pages[13], 0);
	assert_ptr_equal(page_alloc(1), pages[12]);
	assert_null(page_alloc(1));
	assert_ptr_equal(page_alloc(0), pages[11]);
	assert_int_equal(page_available(), 0);
}

static void test_larger_than_heap(void **state)
{
	(void)state;
	assert_null(page_alloc(7));
	assert_non_null(page_alloc(6));
	assert_null(page_alloc(0));
}

static void test_addresses(void **state)
{
	uint8_t *page;

	(void)state;
	assert_non_null(page_alloc(0));
	page = page_alloc(2);
	assert_int_equal(page_pa(page).v, BASE + index_of(page) * PAGE_SIZE);
	assert_int_equal(page_pa(page + 5).v, BASE + index_of(page) * PAGE_SIZE + 5);
	assert_ptr_equal(page_va(page_pa(page)), page);
}

static void test_free_null(void **state)
{
	(void)state;
	page_free(NULL, 0);
	assert_int_equal(page_available(), PAGES * PAGE_SIZE);
}

/* However many are bad: none is given out again, free or not when that was found. */
static void test_retired(void **state)
{
	void *pages[PAGES];
	bool in_use;

	(void)state;
	for (uint32_t i = 0; i < PAGES; i++)
		pages[i] = page_alloc(0);
	page_free(pages[0], 0);
	for (uint32_t i = 0; i < PAGES - 2U; i++) {
		assert_true(page_retire(page_pa(pages[i]), &in_use));
		assert_int_equal(in_use, i != 0);
	}
	for (uint32_t i = 1; i < PAGES; i++)
		page_free(pages[i], 0);
	assert_int_equal(page_available(), 2U * PAGE_SIZE);
	assert_ptr_equal(page_alloc(1), pages[PAGES - 2U]);
	assert_null(page_alloc(0));
	assert_false(page_retire(pa(BASE - PAGE_SIZE), &in_use));
	assert_false(page_retire(pa(BASE + PAGES * PAGE_SIZE), &in_use));
}

/* A region larger than the window for it is cut, not overrun. */
static void test_cut_to_window(void **state)
{
	(void)state;
	page_init_at(memory, pa(BASE), (size_t)512 * BLOCK_SIZE);
	assert_int_equal(page_total(), 0x10000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zeroed_and_aligned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exhaustion, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reuse_is_zeroed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_larger_than_heap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_null, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retired, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_to_window, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
