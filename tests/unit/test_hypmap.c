/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HYP's own map over the real heap, with break before make watched (fake_tables.h). Of the watcher itself, that it
 * finds each wrong order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/pte.h>
#include <arm/sysreg.h>

#include "fake_tables.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "mm/hypmap.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/tables.h"
#include "mm/tlb.h"

#define HEAP_SIZE BLOCK_SIZE
#define HEAP_BASE UINT64_C(0x880000000)
#define GUEST     (UINT64_C(7) << 48 | 0x80000000U) /* a VTTBR */

void page_init_at(void *va, pa_t base, size_t size);
void __wrap_page_free(void *page, unsigned int order);
void __real_page_free(void *page, unsigned int order);

bool tlb_repeat;

static struct cpu_head head;
static uint8_t *heap;

void __wrap_page_free(void *page, unsigned int order)
{
	if (page)
		fake_tables_give_away(page_pa(page).v);
	__real_page_free(page, order);
}

static int setup(void **state)
{
	(void)state;
	heap = aligned_alloc(BLOCK_SIZE, HEAP_SIZE);
	if (!heap)
		return -1;
	page_init_at(heap, pa(HEAP_BASE), HEAP_SIZE);
	memset(hyp_l2, 0, sizeof(hyp_l2));
	memset(device_l3, 0, sizeof(device_l3));
	tlb_repeat = false;
	fake_machine_reset();
	fake_machine.reg[SYSREG_htpidr] = (uintptr_t)&head;
	fake_tables_watch();
	return 0;
}

static int setup_erratum(void **state)
{
	int ret = setup(state);

	tlb_repeat = true;
	return ret;
}

static int teardown(void **state)
{
	(void)state;
	assert_null(fake_tables_wrong());
	assert_int_equal(fake_tables_between(), 0);
	free(heap);
	return 0;
}

static int teardown_wrong(void **state)
{
	(void)state;
	free(heap);
	return 0;
}

static uint64_t *window_entry_of(const uint8_t *window)
{
	return &hyp_l2[(uintptr_t)window >> 30][((uintptr_t)window >> 21) % 512U];
}

/* Whatever follows what in a window: the block before is out of all TLBs when the next one is shown. */
static void test_windows(void **state)
{
	uint8_t *first, *second;

	(void)state;
	first = hyp_window_open(pa(0x80612345));
	second = hyp_window_open_at(HYP_WINDOW_VIEW, pa(0x9080000000));
	assert_ptr_not_equal(first, second);
	assert_int_equal(((uintptr_t)first | (uintptr_t)second) & (BLOCK_SIZE - 1U), 0);
	hyp_window_close();
	assert_ptr_equal(hyp_window_open(pa(0x80800000)), first);
	assert_int_equal(*window_entry_of(first) & DESC_ADDR_MASK, 0x80800000);
	hyp_window_close();
	assert_true(hyp_window_shows(pa(0x9080000000)) || hyp_window_shows(pa(0x80600000)));
	assert_false(hyp_window_shows(pa(0x80400000)));
	hyp_window_close_at(HYP_WINDOW_VIEW);
	assert_false(hyp_window_shows(pa(0x9080000000)) || hyp_window_shows(pa(0x80600000)));
}

/* One block over another, and over a table of pages, of which TLBs may have any. */
static void test_shown(void **state)
{
	uint8_t *window;

	(void)state;
	window = hyp_window_show(HYP_WINDOW_VIEW, pa(0x80600000));
	assert_int_equal(*window_entry_of(window) & DESC_ADDR_MASK, 0x80600000);
	assert_ptr_equal(hyp_window_show(HYP_WINDOW_VIEW, pa(0x9080000000)), window);
	assert_int_equal(*window_entry_of(window) & DESC_ADDR_MASK, 0x9080000000);
	assert_ptr_equal(hyp_window_show(HYP_WINDOW_VIEW, pa(HEAP_BASE | HYP_WINDOW_TABLE)), window);
	assert_int_equal(*window_entry_of(window), HEAP_BASE | DESC_TABLE | DESC_VALID);
	fake_machine.events = 0;
	hyp_window_show(HYP_WINDOW_VIEW, pa(0x80600000));
	assert_true(fake_find(SYSREG_tlbiallhis, 0) < fake_machine.events);
	assert_true(hyp_window_shows(pa(0x9080000000)) || hyp_window_shows(pa(0x80600000)));
	assert_false(hyp_window_shows(pa(0x80400000)));
	hyp_window_close_at(HYP_WINDOW_VIEW);
	assert_false(hyp_window_shows(pa(0x9080000000)) || hyp_window_shows(pa(0x80600000)));
}

static void test_pages(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(hyp_map(LAYOUT_RINGS, pa(0x80001000 + i * PAGE_SIZE), PAGE_SIZE, HYP_MEM_RW), 0);
		assert_int_equal(hyp_map(LAYOUT_RINGS + PAGE_SIZE, pa(0x90001000), PAGE_SIZE, HYP_MEM_RW), 0);
		hyp_unmap_page(LAYOUT_RINGS);
		hyp_unmap_page(LAYOUT_RINGS + PAGE_SIZE);
	}
	assert_int_equal(hyp_map(LAYOUT_BUNDLE, pa(0x90000000), 2U * BLOCK_SIZE + PAGE_SIZE, HYP_MEM_RO), 0);
}

/* A page that goes is shown nowhere any more, and others are as they were. */
static void test_ring_page(void **state)
{
	static const uint32_t at[] = {LAYOUT_RINGS, LAYOUT_RINGS + 5U * PAGE_SIZE, LAYOUT_RINGS + 2U * BLOCK_SIZE};

	(void)state;
	hyp_unmap_ring_page(pa(0x80001000)); /* there is none yet */
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(hyp_map(at[i], pa(0x80001000), PAGE_SIZE, HYP_MEM_RW), 0);
		assert_int_equal(hyp_map(at[i] + PAGE_SIZE, pa(0x80002000), PAGE_SIZE, HYP_MEM_RW), 0);
	}
	hyp_unmap_ring_page(pa(0x80001000));
	assert_int_equal(fake_tables_between(), 0);
	for (uint32_t i = 0; i < 3; i++) {
		const uint64_t *l3 = page_va(pa(hyp_l2[at[i] >> 30][(at[i] >> 21) % 512U] & DESC_ADDR_MASK));

		assert_int_equal(l3[(at[i] >> 12) % 512U], 0);
		assert_int_equal(l3[(at[i] >> 12) % 512U + 1U] & DESC_ADDR_MASK, 0x80002000);
	}
}

/* The watcher: one entry, and what is done with it. */
static uint64_t entry;

#define MADE(address) ((address) | DESC_VALID)

static void begin(uint64_t whose)
{
	entry = 0;
	pte_make(&entry, MADE(0x80000000U));
	assert_int_equal(fake_tables_between(), 0);
	pte_break(&entry, 0, whose);
	assert_int_equal(fake_tables_between(), 1);
}

static void end(const char *wrong)
{
	pte_make(&entry, MADE(0x90000000U));
	if (wrong)
		assert_string_equal(fake_tables_wrong(), wrong);
	else
		assert_null(fake_tables_wrong());
	fake_tables_watch();
}

#define TOO_EARLY "made valid before it is invalid everywhere"

static void test_watch_hyp(void **state)
{
	(void)state;
	begin(0x1000);
	end(TOO_EARLY);
	begin(0x1000); /* no DSB before the operation: walks may still see the old entry */
	write_tlbimvahis(0x1000);
	dsb_ish();
	end(TOO_EARLY);
	begin(0x1000); /* none behind it: another CPU has not done it yet */
	dsb_ish();
	write_tlbimvahis(0x1000);
	end(TOO_EARLY);
	begin(0x1000); /* another page's */
	tlb_forget_hyp(0x2000);
	end(TOO_EARLY);
	begin(0x1000); /* on this CPU only */
	dsb_ish();
	write_tlbimvah(0x1000);
	dsb_ish();
	end(TOO_EARLY);
	begin(0x1000);
	tlb_forget_hyp(0x1234);
	end(NULL);
	begin(0x1000);
	tlb_forget_hyp_all();
	end(NULL);
}

static void test_watch_guest(void **state)
{
	(void)state;
	begin(GUEST);
	tlb_forget_hyp_all();
	end(TOO_EARLY);
	begin(GUEST); /* another guest's */
	tlb_forget_guest(GUEST + BIT64(48));
	end(TOO_EARLY);
	begin(GUEST);
	fake_machine.reg[SYSREG_vttbr] = GUEST;
	tlb_forget_loaded_here();
	dsb_ish();
	end(TOO_EARLY);
	begin(GUEST);
	tlb_forget_guest(GUEST);
	end(NULL);
}

static void test_watch_erratum(void **state)
{
	(void)state;
	tlb_repeat = true;
	begin(GUEST);
	fake_machine.reg[SYSREG_vttbr] = GUEST;
	dsb_ish();
	write_tlbiallis(0);
	dsb_ish();
	end(TOO_EARLY);
	begin(GUEST);
	tlb_forget_guest(GUEST);
	end(NULL);
}

static void test_watch_entries(void **state)
{
	(void)state;
	entry = MADE(0x80000000U);
	end("changed while it is valid");
	entry = 0;
	pte_make(&entry, 0x80000000U);
	assert_string_equal(fake_tables_wrong(), "made, but not valid");
	fake_tables_watch();
	pte_break(&entry, MADE(0x80000000U), 0);
	assert_string_equal(fake_tables_wrong(), "broken, but valid");
}

static void test_watch_tables(void **state)
{
	void *page = page_alloc(0);

	(void)state;
	entry = 0;
	pte_make(&entry, page_pa(page).v | DESC_TABLE | DESC_VALID);
	pte_break(&entry, 0, GUEST);
	page_free(page, 0);
	assert_string_equal(fake_tables_wrong(), "a table is given away before it is out of reach");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_page, setup, teardown),
		{"test_windows, erratum 798181", test_windows, setup_erratum, teardown, NULL},
		{"test_pages, erratum 798181", test_pages, setup_erratum, teardown, NULL},
		cmocka_unit_test_setup_teardown(test_watch_hyp, setup, teardown_wrong),
		cmocka_unit_test_setup_teardown(test_watch_guest, setup, teardown_wrong),
		cmocka_unit_test_setup_teardown(test_watch_erratum, setup, teardown_wrong),
		cmocka_unit_test_setup_teardown(test_watch_entries, setup, teardown_wrong),
		cmocka_unit_test_setup_teardown(test_watch_tables, setup, teardown_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
