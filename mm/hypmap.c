/* SPDX-License-Identifier: BSD-2-Clause */
/* HYP stage 1 (DDI 0406C B3.6, B3.10): long descriptors, one address space for all CPUs. */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/pte.h>
#include <arm/spinlock.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "mm/hypmap.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/tables.h"
#include "mm/tlb.h"

uint64_t hyp_l1[4] __attribute__((aligned(32)));
uint64_t hyp_l2[4][TABLE_ENTRIES] __attribute__((aligned(4096), section(".bss.pages")));
uint64_t device_l3[TABLE_ENTRIES] __attribute__((aligned(4096), section(".bss.pages")));

static struct spinlock map_lock;

static uint64_t attributes_of(enum hyp_mem kind)
{
	uint64_t attr = DESC_VALID | DESC_AF | DESC_S1_AP1 | DESC_SH_INNER | DESC_XN;

	switch (kind) {
	case HYP_MEM_RO:
		return attr | DESC_S1_RO | DESC_S1_ATTR(MAIR_WB);
	case HYP_MEM_DEVICE:
		return attr | DESC_S1_ATTR(MAIR_DEVICE);
	case HYP_MEM_RW:
	default:
		return attr | DESC_S1_ATTR(MAIR_WB);
	}
}

static uint64_t *hyp_l2_entry(uint32_t va)
{
	return &hyp_l2[va >> 30][(va >> BLOCK_SHIFT) % TABLE_ENTRIES];
}

/* The level-3 entry of `va`, with a new table where there is none; NULL when the heap is empty. */
static uint64_t *l3_entry(uint32_t va)
{
	uint64_t *l2 = hyp_l2_entry(va), *l3;

	if (va >> BLOCK_SHIFT == (uint32_t)LAYOUT_DEVICES >> BLOCK_SHIFT)
		return &device_l3[(va >> PAGE_SHIFT) % TABLE_ENTRIES];
	if (!(*l2 & DESC_VALID)) {
		l3 = page_alloc(0);
		if (!l3)
			return NULL;
		dsb_ish(); /* the table's zeroes before the table */
		pte_make(l2, page_pa(l3).v | DESC_TABLE | DESC_VALID);
	}
	l3 = page_va(pa(*l2 & DESC_ADDR_MASK));
	return &l3[(va >> PAGE_SHIFT) % TABLE_ENTRIES];
}

int hyp_map(uint32_t va, pa_t base, size_t size, enum hyp_mem kind)
{
	uint64_t attr = attributes_of(kind);
	int ret = 0;

	spin_lock(&map_lock);
	while (size > 0) {
		uint32_t step = PAGE_SIZE;

		if (((va | base.v) & (BLOCK_SIZE - 1U)) == 0 && size >= BLOCK_SIZE) {
			step = BLOCK_SIZE;
			pte_make(hyp_l2_entry(va), base.v | attr);
		} else {
			uint64_t *entry = l3_entry(va);

			if (!entry) {
				ret = -ENOMEM;
				break;
			}
			pte_make(entry, base.v | attr | DESC_TABLE);
		}
		va += step;
		base = pa_add(base, step);
		size -= MIN(size, (size_t)step);
	}
	spin_unlock(&map_lock);
	dsb_ish(); /* invalid entries are not cached in a TLB: no maintenance is due (B3.9.3) */
	isb();
	return ret;
}

bool hyp_is_flat;

void *hyp_map_device(uint64_t base, size_t size)
{
	static uint32_t next = LAYOUT_DEVICES;
	uint32_t offset = (uint32_t)base & (PAGE_SIZE - 1U), va = next;
	size_t bytes = (size_t)align_up(size + offset, PAGE_SIZE);

	if (hyp_is_flat)
		return base < BIT64(32) ? (void *)(uintptr_t)base : NULL;
	if (va + bytes > LAYOUT_DEVICES_END || hyp_map(va, pa(base - offset), bytes, HYP_MEM_DEVICE))
		return NULL;
	next += (uint32_t)bytes;
	return (void *)(uintptr_t)(va + offset);
}

void hyp_unmap_page(uint32_t va)
{
	spin_lock(&map_lock);
	pte_break(l3_entry(va), 0, va);
	spin_unlock(&map_lock);
	tlb_forget_hyp(va);
}

#define RING_BYTES (HYP_RING_PAGES * PAGE_SIZE)
#define RING_WORDS ((LAYOUT_RINGS_END - LAYOUT_RINGS) / RING_BYTES / 32U)

static uint32_t ring_taken[RING_WORDS]; /* under map_lock; a bit a place */

uint32_t hyp_ring_reserve(void)
{
	uint32_t va = 0;

	spin_lock(&map_lock);
	for (uint32_t i = 0; i < RING_WORDS && !va; i++)
		if (~ring_taken[i]) {
			uint32_t bit = lowest_bit(~ring_taken[i]);

			ring_taken[i] |= BIT(bit);
			va = LAYOUT_RINGS + (32U * i + bit) * RING_BYTES;
		}
	spin_unlock(&map_lock);
	return va;
}

void hyp_ring_release(uint32_t va)
{
	uint32_t place = (va - LAYOUT_RINGS) / RING_BYTES;

	spin_lock(&map_lock);
	ring_taken[place / 32U] &= ~BIT(place % 32U);
	spin_unlock(&map_lock);
}

static void unmap_in(uint64_t *l3, uint32_t va, pa_t page)
{
	for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
		if (l3[i] & DESC_VALID && (l3[i] & DESC_ADDR_MASK) == page.v) {
			pte_break(&l3[i], 0, va + i * PAGE_SIZE);
			tlb_forget_hyp(va + i * PAGE_SIZE);
		}
}

void hyp_unmap_ring_page(pa_t page)
{
	spin_lock(&map_lock);
	for (uint32_t va = LAYOUT_RINGS; va < LAYOUT_RINGS_END; va += BLOCK_SIZE)
		if (*hyp_l2_entry(va) & DESC_VALID)
			unmap_in(page_va(pa(*hyp_l2_entry(va) & DESC_ADDR_MASK)), va, page);
	spin_unlock(&map_lock);
}

static uint32_t window_va(enum hyp_window window)
{
	return LAYOUT_WINDOWS + (cpu_id() * HYP_WINDOWS + window) * BLOCK_SIZE;
}

uint64_t hyp_window_page(pa_t page)
{
	return page.v | attributes_of(HYP_MEM_RW) | DESC_TABLE;
}

static uint64_t window_entry(pa_t address)
{
	if (unlikely(address.v & HYP_WINDOW_TABLE))
		return (address.v & DESC_ADDR_MASK) | DESC_TABLE | DESC_VALID;
	return align_down(address.v, BLOCK_SIZE) | attributes_of(HYP_MEM_RW);
}

uint8_t *hyp_window_open_at(enum hyp_window window, pa_t address)
{
	uint32_t va = window_va(window);

	pte_make(hyp_l2_entry(va), window_entry(address));
	dsb_ish();
	isb();
	return (uint8_t *)(uintptr_t)va;
}

/* Other CPUs never use this window but may walk it speculatively, hence the broadcast (B3.10.1). */
void hyp_window_close_at(enum hyp_window window)
{
	uint32_t va = window_va(window);
	uint64_t *entry = hyp_l2_entry(va);
	bool table = *entry & DESC_TABLE;

	if (!*entry)
		return;
	pte_break(entry, 0, va);
	if (unlikely(table))
		tlb_forget_hyp_all();
	else
		tlb_forget_hyp(va);
}

/* Break before make (B3.10.1): what it showed goes first. */
uint8_t *hyp_window_show(enum hyp_window window, pa_t address)
{
	uint32_t va = window_va(window);

	if (*hyp_l2_entry(va) == window_entry(address))
		return (uint8_t *)(uintptr_t)va;
	hyp_window_close_at(window);
	return hyp_window_open_at(window, address);
}

bool hyp_window_shows(pa_t block)
{
	bool shows = false;

	for (uint32_t i = 0; i < CPU_MAX * HYP_WINDOWS; i++)
		shows |= pte_read(hyp_l2_entry(LAYOUT_WINDOWS + i * BLOCK_SIZE)) == window_entry(block);
	return shows;
}
