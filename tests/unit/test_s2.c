/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 2 over the real heap: descriptors bit by bit (DDI 0406C B3.6.2, figure B3-17 ff.), the concatenated root of a
 * 40-bit IPA space, lookups, and the order of table writes, barriers and TLB maintenance.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "fake_tables.h"
#include "hyp/lib/bits.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/s2.h"
#include "mm/tlb.h"

#define HEAP_SIZE (2U * BLOCK_SIZE)
#define HEAP_BASE UINT64_C(0x880000000) /* above 4 GiB: bits 39:32 of a table's address count */

/* Written from the manual, not taken from arm/hypregs.h. */
#define RAM_BLOCK   (0x1ULL | 0xfULL << 2 | 3ULL << 6 | 3ULL << 8 | 1ULL << 10)
#define DEVICE_PAGE (0x3ULL | 0x1ULL << 2 | 3ULL << 6 | 1ULL << 10 | 1ULL << 54)
#define RAM_PAGE_RO (0x3ULL | 0xfULL << 2 | 1ULL << 6 | 3ULL << 8 | 1ULL << 10)
#define TABLE       0x3ULL

#define FLUSH_EVENTS 12U
#define SCTLR        0x00c5787dU /* of the guest that is loaded: its MMU is on */

void page_init_at(void *va, pa_t base, size_t size);
void __wrap_page_free(void *page, unsigned int order);
void __real_page_free(void *page, unsigned int order);

static uint8_t *heap;
static struct s2 s2;

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
	fake_machine_reset();
	fake_machine.reg[SYSREG_sctlr] = SCTLR;
	fake_tables_watch();
	return s2_init(&s2);
}

static int setup_pages(void **state)
{
	s2_pages = true;
	return setup(state);
}

static int teardown(void **state)
{
	(void)state;
	s2_pages = false;
	if (s2.root)
		s2_destroy(&s2);
	assert_null(fake_tables_wrong());
	assert_int_equal(page_available(), HEAP_SIZE); /* nothing leaks in any test */
	free(heap);
	return 0;
}

/* Behind each of these no TLB has what has gone (fake_tables.h). */
static void clear_ram(void)
{
	s2_clear(&s2);
	assert_int_equal(fake_tables_between(), 0);
}

static void forget_ram(void)
{
	s2_forget(&s2);
	assert_int_equal(fake_tables_between(), 0);
}

static int take_page(uint64_t at)
{
	int ret = s2_take_page(&s2, ipa(at));

	assert_int_equal(fake_tables_between(), 0);
	return ret;
}

static uint64_t *table_at(uint64_t entry)
{
	return page_va(pa(entry & 0xfffffff000ULL));
}

static void assert_event(uint32_t i, uint32_t op, uint64_t value)
{
	assert_in_range(i, 0, fake_machine.events - 1U);
	assert_int_equal(fake_machine.event[i].op, op);
	assert_int_equal(fake_machine.event[i].value, value);
}

/*
 * TLBIALLIS under the VMID in question, complete before the old VTTBR is back; all of it with the stage-1 MMU off, so
 * that no walk mixes two guests' tables. Returns the index after the sequence.
 */
static uint32_t assert_flush(uint32_t i, uint64_t vttbr, uint64_t before)
{
	const struct {
		uint32_t op;
		uint64_t value;
	} steps[] = {
		{FAKE_DSB_ISH, 0},      {SYSREG_sctlr, SCTLR_RESET},
		{FAKE_ISB, 0},          {SYSREG_vttbr, vttbr},
		{FAKE_ISB, 0},          {SYSREG_tlbiallis, 0},
		{FAKE_DSB_ISH, 0},      {FAKE_ISB, 0},
		{SYSREG_vttbr, before}, {FAKE_ISB, 0},
		{SYSREG_sctlr, SCTLR},  {FAKE_ISB, 0},
	};

	static_assert(ARRAY_SIZE(steps) == FLUSH_EVENTS, "counted");
	for (uint32_t n = 0; n < ARRAY_SIZE(steps); n++)
		assert_event(i + n, steps[n].op, steps[n].value);
	return i + ARRAY_SIZE(steps);
}

static void test_root(void **state)
{
	(void)state;
	assert_int_equal(s2.vttbr & 0x1fff, 0); /* B4.1.159: BADDR of two concatenated tables, aligned to 8 KiB */
	assert_int_equal(s2.vttbr & 0xfffffff000ULL, page_pa(s2.root).v);
	assert_in_range(s2.vttbr >> 48, 1, 255);
	assert_int_equal(s2.vttbr >> 40 & 0xff, 0);
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(s2.root[i], 0);
	assert_int_equal(assert_flush(0, s2.vttbr, 0), fake_machine.events); /* of the VMID's last owner */
}

static void test_block_descriptor(void **state)
{
	uint64_t l1, l2;

	(void)state;
	assert_int_equal(s2_map_block(&s2, ipa(0x40200000), pa(0xab80600000)), 0);
	l1 = s2.root[1];
	assert_int_equal(l1 & 0xfff, TABLE);
	assert_int_equal(l1 >> 40, 0); /* no hierarchical attributes in stage 2 */
	l2 = table_at(l1)[1];
	assert_int_equal(l2, 0xab80600000ULL | RAM_BLOCK);
	assert_int_equal(s2.blocks, 1);
	for (uint32_t i = 0; i < 1024; i++)
		if (i != 1)
			assert_int_equal(s2.root[i], 0);
}

static void test_device_descriptor(void **state)
{
	uint64_t *l2, *l3;

	(void)state;
	assert_int_equal(s2_map_device(&s2, ipa(0x08010000), pa(0x2c006000), 0x2000), 0);
	l2 = table_at(s2.root[0]);
	assert_int_equal(l2[0x40] & 0xfff, TABLE);
	l3 = table_at(l2[0x40]);
	assert_int_equal(l3[0x10], 0x2c006000ULL | DEVICE_PAGE);
	assert_int_equal(l3[0x11], 0x2c007000ULL | DEVICE_PAGE);
	assert_int_equal(l3[0x0f] | l3[0x12], 0);
	assert_int_equal(s2.blocks, 0); /* no part of the touched set */
}

/* Pages on both sides of a 2 MiB border, and of a 1 GiB one. */
static void test_device_across_tables(void **state)
{
	pa_t out;

	(void)state;
	assert_int_equal(s2_map_device(&s2, ipa(0x3ffff000), pa(0xc0000000), 0x2000), 0);
	assert_true(s2_lookup(&s2, ipa(0x3ffff004), &out));
	assert_int_equal(out.v, 0xc0000004);
	assert_true(s2_lookup(&s2, ipa(0x40000ffc), &out));
	assert_int_equal(out.v, 0xc0001ffc);
	assert_false(s2_lookup(&s2, ipa(0x40001000), &out));
}

/* IPA[39:30] picks one of 1024 root entries: the second table of the two from 512 GiB on (B3.6). */
/* A device's own table, read-only memory: linked, seen, taken away before anything else happens to it. */
static void test_shown_table(void **state)
{
	uint64_t *table = page_alloc(0), *l2;
	uint32_t before;
	pa_t at, to;

	(void)state;
	for (uint32_t i = 0; i < S2_TABLE_ENTRIES; i++)
		table[i] = s2_memory_entry(pa(0x880000000ULL + i * PAGE_SIZE), i == 0);
	assert_true(table[0] == (0x880000000ULL | RAM_PAGE_RO));
	assert_true(table[1] == (0x880001000ULL | RAM_PAGE_RO | 1ULL << 54));
	assert_true(s2_entry_pa(table[1]).v == 0x880001000ULL);
	assert_int_equal(s2_show_table(&s2, ipa(0x4200000), table), 0);
	l2 = table_at(s2.root[0]);
	assert_true(l2[0x21] == (page_pa(table).v | TABLE));
	assert_true(s2_lookup(&s2, ipa(0x4201234), &to) && to.v == 0x880001234ULL);
	/* It is no RAM of the guest's. */
	at = (pa_t){0};
	assert_false(s2_next_block(&s2, &(ipa_t){0}, &at));
	assert_false(s2_next_dirty(&s2, &(ipa_t){0}, &at));
	before = fake_machine.events;
	s2_hide_tables(&s2, ipa(0x4000000), 0x4000000);
	assert_int_equal(fake_tables_between(), 0);
	assert_true(l2[0x21] == 0);
	assert_true(fake_machine.events > before); /* s2_flush_tlb() */
	assert_false(s2_lookup(&s2, ipa(0x4201234), &to));
	page_free(table, 0);
}

static void test_concatenated_root(void **state)
{
	static const uint64_t at[] = {0, 0x40000000, 0x7fffe00000, 0x8000000000, 0xffffe00000};
	pa_t out;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(at); i++)
		assert_int_equal(s2_map_block(&s2, ipa(at[i]), pa(0x100000000ULL + i * BLOCK_SIZE)), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(at); i++) {
		assert_true(s2.root[at[i] >> 30] & 1);
		assert_true(s2_lookup(&s2, ipa(at[i] + 0x1fffff), &out));
		assert_int_equal(out.v, 0x100000000ULL + i * BLOCK_SIZE + 0x1fffff);
	}
	assert_false(s2_lookup(&s2, ipa(BIT64(40)), &out));
	assert_false(s2_lookup(&s2, ipa(UINT64_MAX), &out));
	assert_false(s2_lookup(&s2, ipa(BIT64(40) + 0x40000000), &out));
}

static void test_lookup_misses(void **state)
{
	pa_t out = pa(0x1234);

	(void)state;
	assert_false(s2_lookup(&s2, ipa(0x40000000), &out));
	assert_int_equal(s2_map_block(&s2, ipa(0x40000000), pa(0x80000000)), 0);
	assert_false(s2_lookup(&s2, ipa(0x40200000), &out));
	assert_false(s2_lookup(&s2, ipa(0x3fffffff), &out));
	assert_int_equal(out.v, 0x1234);
}

static void test_next_block(void **state)
{
	static const uint64_t at[] = {0x40000000, 0x40400000, 0x7fe00000, 0x100000000, 0xffffe00000};
	ipa_t found = ipa(0);
	pa_t to;

	(void)state;
	assert_false(s2_next_block(&s2, &found, &to));
	assert_int_equal(s2_map_device(&s2, ipa(0x08010000), pa(0x2c006000), 0x2000), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(at); i++)
		assert_int_equal(s2_map_block(&s2, ipa(at[i]), pa(0x8000000000ULL + i * BLOCK_SIZE)), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(at); i++) {
		assert_true(s2_next_block(&s2, &found, &to));
		assert_int_equal(found.v, at[i]);
		assert_int_equal(to.v, 0x8000000000ULL + i * BLOCK_SIZE);
		found = ipa_add(found, BLOCK_SIZE);
	}
	assert_false(s2_next_block(&s2, &found, &to));
	found = ipa(0x40400fff); /* inside a block: that one */
	assert_true(s2_next_block(&s2, &found, &to));
	assert_int_equal(found.v, 0x40400000);
	assert_int_equal(s2.blocks, ARRAY_SIZE(at));
}

/* 2 MiB of RAM by pages: complete before the table is linked, kept over a clear, gone when forgotten. */
static void test_pages(void **state)
{
	uint64_t *l2, *l3, link;
	pa_t to;

	(void)state;
	assert_int_equal(s2_map_block(&s2, ipa(0x40200000), pa(0xab80600000)), 0);
	l2 = table_at(s2.root[1]);
	link = l2[1];
	assert_int_equal(link & 0xfff, TABLE);
	assert_int_equal(link >> 59, 0); /* no hierarchical attributes in stage 2 */
	l3 = table_at(link);
	for (uint64_t i = 0; i < 512; i++)
		assert_int_equal(l3[i], 0xab80600000ULL + i * PAGE_SIZE + (RAM_BLOCK | 2U));
	assert_true(s2_lookup(&s2, ipa(0x402abcde), &to));
	assert_int_equal(to.v, 0xab806abcdeULL);
	assert_int_equal(s2.blocks, 1);
	clear_ram();
	assert_false(s2_lookup(&s2, ipa(0x40200000), &to));
	assert_int_equal(s2_map_block(&s2, ipa(0x40200000), pa(0xab80600000)), 0);
	assert_int_equal(l2[1], link);
	forget_ram();
	assert_int_equal(l2[1], 0);
	assert_false(s2_lookup(&s2, ipa(0x40200000), &to));
	assert_int_equal(s2_map_block(&s2, ipa(0x40200000), pa(0x80000000)), 0); /* other RAM than before */
	assert_true(s2_lookup(&s2, ipa(0x403fffff), &to));
	assert_int_equal(to.v, 0x801fffff);
}

/* What is reserved is there although everything else is taken, and no more than that. */
static void test_reserve(void **state)
{
	uint32_t blocks = s2_pages ? 600 : 0, tables = 2 + blocks;
	size_t before = page_available();
	void *first = NULL;
	void **page;

	(void)state;
	assert_int_equal(s2_reserve(&s2, ipa(0x40000000), 600ULL << 21), 0);
	assert_int_equal(s2.reserved, tables);
	assert_int_equal(page_available(), before - tables * PAGE_SIZE);
	while ((page = page_alloc(0)) != NULL) {
		*page = first;
		first = page;
	}
	for (uint32_t i = 0; i < 600; i++)
		assert_int_equal(s2_map_block(&s2, ipa(0x40000000 + (uint64_t)i * BLOCK_SIZE), pa(0)), 0);
	assert_int_equal(s2.reserved, 0);
	assert_int_equal(s2_map_block(&s2, ipa(0xc0000000), pa(0)), -ENOMEM);
	assert_int_equal(s2_reserve(&s2, ipa(0x40000000), 1), -ENOMEM);
	while ((page = first) != NULL) {
		first = *page;
		page_free(page, 0);
	}
	forget_ram();
	assert_int_equal(s2_reserve(&s2, ipa(0x40000000), 1), 0);
	assert_int_equal(s2.reserved, s2_pages ? 2 : 1);
	assert_int_equal(s2_reserve(&s2, ipa(0x7fe00000), 2 * BLOCK_SIZE), 0); /* in two tables of 1 GiB */
	assert_int_equal(s2.reserved, s2_pages ? 6 : 3);                       /* given back by s2_destroy() */
}

/* A new table's zeroes are visible before it is linked; the entry is visible before the guest tries again. */
static void test_map_order(void **state)
{
	uint32_t i = fake_machine.events;

	(void)state;
	assert_int_equal(s2_map_block(&s2, ipa(0x40000000), pa(0x80000000)), 0);
	assert_event(i, FAKE_DSB_ISH, 0);
	assert_event(i + 1, FAKE_PTE, s2.root[1]);
	assert_ptr_equal(fake_machine.event[i + 1].at, &s2.root[1]);
	assert_event(i + 2, FAKE_PTE, 0x80000000ULL | RAM_BLOCK);
	assert_event(i + 3, FAKE_DSB_ISH, 0);
	assert_int_equal(fake_machine.events, i + 4); /* no TLB maintenance: nothing was there */
}

static void test_flush(void **state)
{
	uint32_t i = fake_machine.events;

	(void)state;
	fake_machine.reg[SYSREG_vttbr] = 0x0077000812340000;
	tlb_forget_guest(s2.vttbr);
	assert_int_equal(assert_flush(i, s2.vttbr, 0x0077000812340000), fake_machine.events);
	assert_int_equal(read_vttbr(), 0x0077000812340000);
}

/* How many of the root's entries are valid while the TLBs are flushed. */
static uint32_t valid_at_flush;
static size_t available_at_flush;

static void look_at_flush(uint32_t reg, uint64_t value)
{
	(void)reg;
	(void)value;
	available_at_flush = page_available();
	valid_at_flush = 0;
	for (uint32_t i = 0; i < 1024; i++)
		valid_at_flush += s2.root[i] & 1U;
}

/* Cortex-A15 erratum 798181: one more operation behind the DSB, and another DSB, before the old VTTBR is back. */
static void test_repeat(void **state)
{
	uint32_t first;

	(void)state;
	tlb_repeat = true;
	fake_machine.events = 0;
	tlb_forget_guest(s2.vttbr);
	tlb_repeat = false;
	first = fake_find(SYSREG_tlbiallis, 0);
	assert_event(first + 1U, FAKE_DSB_ISH, 0);
	assert_event(first + 2U, SYSREG_tlbimvais, 0);
	assert_event(first + 3U, FAKE_DSB_ISH, 0);
	assert_event(first + 4U, FAKE_ISB, 0);
	assert_event(first + 5U, SYSREG_vttbr, 0);
}

/* Out of reach, then out of the TLBs, only then free: a walk never sees a page that another owner writes. */
static void test_destroy(void **state)
{
	uint64_t vttbr = s2.vttbr;
	uint32_t flush;

	(void)state;
	assert_int_equal(s2_map_block(&s2, ipa(0x40000000), pa(0x80000000)), 0);
	assert_int_equal(s2_map_block(&s2, ipa(0xffffe00000), pa(0x80200000)), 0);
	assert_int_equal(s2_map_device(&s2, ipa(0x08010000), pa(0x2c006000), 0x2000), 0);
	assert_int_equal(page_available(), HEAP_SIZE - 6U * PAGE_SIZE);
	fake_machine.events = 0;
	fake_machine.on_write[SYSREG_tlbiallis] = look_at_flush;
	s2_destroy(&s2);
	flush = fake_find(FAKE_DSB_ISH, 0);
	assert_int_equal(flush, 3); /* after three root entries */
	assert_int_equal(assert_flush(flush, vttbr, 0), fake_machine.events);
	assert_int_equal(valid_at_flush, 0);
	assert_int_equal(available_at_flush, HEAP_SIZE - 6U * PAGE_SIZE);
	assert_int_equal(page_available(), HEAP_SIZE);
	assert_null(s2.root);
}

/* Every VMID but 0, each once; with the last one taken a VM is refused; one given back is found. */
static void test_vmids(void **state)
{
	static struct s2 other[255];
	bool seen[256] = {[0] = true};

	(void)state;
	seen[s2.vttbr >> 48] = true;
	for (uint32_t i = 0; i < 254; i++) {
		assert_int_equal(s2_init(&other[i]), 0);
		assert_false(seen[other[i].vttbr >> 48]);
		seen[other[i].vttbr >> 48] = true;
	}
	assert_int_equal(s2_init(&other[254]), -ENOSPC);
	for (uint32_t i = 0; i < 254; i++)
		s2_destroy(&other[i]);
	assert_int_equal(s2_init(&other[254]), 0);
	s2_destroy(&other[254]);
}

/* No memory at each step: an error, nothing half-linked, no VMID lost. */
static void test_no_memory(void **state)
{
	struct s2 other;
	pa_t out;

	(void)state;
	s2_destroy(&s2);
	page_init_at(heap, pa(HEAP_BASE), 4 * PAGE_SIZE);
	assert_int_equal(s2_init(&s2), 0);
	assert_int_equal(s2_map_device(&s2, ipa(0), pa(0), PAGE_SIZE), 0);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(s2_init(&other), -ENOMEM);
	assert_int_equal(s2_map_block(&s2, ipa(0x40000000), pa(0x80000000)), -ENOMEM);
	assert_int_equal(s2_map_device(&s2, ipa(0x200000), pa(0), PAGE_SIZE), -ENOMEM);
	assert_int_equal(s2.root[1], 0);
	assert_false(s2_lookup(&s2, ipa(0x40000000), &out));
	assert_int_equal(s2.blocks, 0);
	s2_destroy(&s2);
	assert_int_equal(page_available(), page_total());
	page_init_at(heap, pa(HEAP_BASE), HEAP_SIZE); /* for teardown() */
}

/* A cleared block faults again and is still known as dirty, until it is forgotten; devices stay. */
static void test_dirty(void **state)
{
	ipa_t at = ipa(0);
	pa_t to;

	(void)state;
	assert_int_equal(s2_map_device(&s2, ipa(0x08010000), pa(0x2c006000), PAGE_SIZE), 0);
	assert_int_equal(s2_map_block(&s2, ipa(0x40000000), pa(0)), 0); /* RAM may be at 0 */
	assert_int_equal(s2_map_block(&s2, ipa(0xc0200000), pa(0xab80600000)), 0);
	for (uint32_t i = 0; i < 2; i++) {
		fake_machine.events = 0;
		clear_ram();
		assert_int_equal(assert_flush(fake_machine.events - FLUSH_EVENTS, s2.vttbr, 0), fake_machine.events);
		assert_int_equal(s2.blocks, 0);
		assert_false(s2_lookup(&s2, ipa(0x40000000), &to));
		assert_false(s2_lookup(&s2, ipa(0xc0200000), &to));
		at = ipa(0);
		assert_false(s2_next_block(&s2, &at, &to));
		assert_int_equal(s2_map_block(&s2, ipa(0xc0200000), pa(0xab80600000)), 0); /* touched again */
		assert_true(s2_next_block(&s2, &at, &to));
		assert_int_equal(at.v, 0xc0200000);
		assert_int_equal(s2.blocks, 1);
	}
	at = ipa(0);
	assert_true(s2_next_dirty(&s2, &at, &to));
	assert_int_equal(at.v, 0x40000000);
	assert_int_equal(to.v, 0);
	at = ipa_add(at, BLOCK_SIZE);
	assert_true(s2_next_dirty(&s2, &at, &to));
	assert_int_equal(at.v, 0xc0200000);
	assert_int_equal(to.v, 0xab80600000);
	forget_ram();
	at = ipa(0);
	assert_false(s2_next_dirty(&s2, &at, &to));
	assert_int_equal(s2.blocks, 0);
	assert_true(s2_lookup(&s2, ipa(0x08010000), &to));
}

static struct bad_page bad_pages[32];
static uint32_t bad_count;

struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next)
{
	while (*next < bad_count) {
		struct bad_page *b = &bad_pages[(*next)++];

		if (b->pa - base.v < size)
			return b;
	}
	return NULL;
}

static struct bad_page *become_bad(uint64_t page)
{
	bad_pages[bad_count].pa = page;
	return &bad_pages[bad_count++];
}

#define HYP_PAGE UINT64_C(0x7f) /* what this test's hyp_window_page() adds */

uint64_t hyp_window_page(pa_t page)
{
	return page.v | HYP_PAGE;
}

#define BAD_RAM UINT64_C(0xc080000000)

/* A page leaves a block, then another one: the rest stays where it was, for the guest and for HYP. */
static void test_take_page(void **state)
{
	static uint64_t ram = BAD_RAM; /* for ever: each run has another block */
	uint64_t *l2, *table;
	bool async = true;
	pa_t out;

	(void)state;
	assert_int_equal(take_page(0x40203000), -ENOENT);
	assert_int_equal(s2_map_block(&s2, ipa(0x40200000), pa(ram)), 0);
	assert_true(s2_show(&s2, ipa(0x402abcde), &out));
	assert_int_equal(out.v, ram);
	become_bad(ram);
	assert_int_equal(take_page(0x40200000), 0); /* the first: what the block was known by */
	become_bad(ram + 3U * PAGE_SIZE)->async = true;
	assert_int_equal(take_page(0x40203000), 0);
	assert_int_equal(take_page(0x40203000), 0);
	l2 = table_at(s2.root[1]);
	table = table_at(l2[1]);
	for (uint64_t i = 0; i < 512; i++) {
		bool hole = i == 0 || i == 3;

		assert_int_equal(s2_is_hole(&s2, ipa(0x40200000 + i * PAGE_SIZE), &async), hole);
		assert_int_equal(s2_lookup(&s2, ipa(0x40200000 + i * PAGE_SIZE), &out), !hole);
		assert_true(hole || out.v == ram + i * PAGE_SIZE);
		assert_true(!hole || async == (i == 3));
		assert_int_equal(table[512 + i], hole ? 0 : (ram + i * PAGE_SIZE) | HYP_PAGE);
		if (!hole)
			assert_int_equal(table[i], (ram + i * PAGE_SIZE) | RAM_BLOCK | 2U);
	}
	assert_true(s2_show(&s2, ipa(0x40200000), &out));
	assert_int_equal(out.v, (page_pa(table).v + PAGE_SIZE) | HYP_WINDOW_TABLE);
	assert_true(s2_owns_table(&s2, page_pa(table)) && s2_owns_table(&s2, pa(page_pa(table).v + PAGE_SIZE)));
	assert_true(s2_owns_table(&s2, page_pa(l2)) && s2_owns_table(&s2, page_pa(s2.root)));
	assert_false(s2_owns_table(&s2, pa(page_pa(table).v + 2U * PAGE_SIZE)));
	assert_int_equal(s2.blocks, 1);
	ram += BLOCK_SIZE;
}

/* Anew, after a reset and for another VM: spare pages where there are some. */
static void test_take_again(void **state)
{
	static uint64_t ram = BAD_RAM + BIT64(30);
	struct bad_page *bad[2];
	ipa_t at = ipa(0);
	pa_t show, out;
	bool async;

	(void)state;
	assert_int_equal(s2_map_block(&s2, ipa(0x40200000), pa(ram)), 0);
	for (uint32_t i = 0; i < 2; i++) {
		bad[i] = become_bad(ram + 7U * i * PAGE_SIZE);
		assert_int_equal(take_page(0x40200000 + 7U * i * PAGE_SIZE), 0);
	}
	bad[0]->instead = 0x1234567000;
	for (uint32_t round = 0; round < 2; round++) {
		if (round)
			forget_ram();
		else
			clear_ram();
		assert_int_equal(s2_prepare(&s2, ipa(0x40200000), pa(ram), &show), 0);
		assert_false(s2_show(&s2, ipa(0x40200000), &out));
		assert_false(s2_is_hole(&s2, ipa(0x40207000), &async));
		assert_int_equal(s2_map_block(&s2, ipa(0x40200000), pa(ram)), 0);
		assert_true(s2_show(&s2, ipa(0x40200000), &out));
		assert_int_equal(out.v, show.v);
		assert_true(s2_lookup(&s2, ipa(0x40200123), &out));
		assert_int_equal(out.v, 0x1234567123);
		assert_true(s2_is_hole(&s2, ipa(0x40207000), &async));
		at = ipa(0);
		assert_true(s2_next_dirty(&s2, &at, &out));
		assert_true(at.v == 0x40200000 && out.v == show.v);
	}
	bad[0]->instead = 0; /* that one is bad, too */
	become_bad(0x1234567000);
	assert_int_equal(take_page(0x40200000), 0);
	assert_true(s2_is_hole(&s2, ipa(0x40200000), &async));
	ram += BLOCK_SIZE;
}

/* No heap for the tables: all is as it was. */
static void test_take_without_heap(void **state)
{
	static uint64_t ram = BAD_RAM + BIT64(31);
	void *first = NULL;
	void **page;
	pa_t out;

	(void)state;
	assert_int_equal(s2_map_block(&s2, ipa(0x40000000), pa(ram - BLOCK_SIZE)), 0);
	become_bad(ram - PAGE_SIZE);
	while ((page = page_alloc(0)) != NULL) {
		*page = first;
		first = page;
	}
	assert_int_equal(take_page(0x401ff000), -ENOMEM);
	become_bad(ram);
	assert_int_equal(s2_prepare(&s2, ipa(0x40200000), pa(ram), &out), -ENOMEM);
	assert_true(s2_lookup(&s2, ipa(0x401ff000), &out));
	while ((page = first) != NULL) {
		first = *page;
		page_free(page, 0);
	}
	ram += 4U * BLOCK_SIZE;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_repeat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_block_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device_across_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shown_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_concatenated_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lookup_misses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_next_block, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vmids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dirty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup_pages, teardown),
		cmocka_unit_test_setup_teardown(test_take_page, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_without_heap, setup, teardown),
		{"test_take_page, by pages", test_take_page, setup_pages, teardown, NULL},
		{"test_take_again, by pages", test_take_again, setup_pages, teardown, NULL},
		{"test_take_without_heap, by pages", test_take_without_heap, setup_pages, teardown, NULL},
		{"test_next_block, by pages", test_next_block, setup_pages, teardown, NULL},
		{"test_dirty, by pages", test_dirty, setup_pages, teardown, NULL},
		{"test_reserve, by pages", test_reserve, setup_pages, teardown, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
