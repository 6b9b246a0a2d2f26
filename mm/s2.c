/* SPDX-License-Identifier: BSD-2-Clause */
/* Stage-2 tables. A new entry replaces an invalid one, which no TLB holds: mapping needs no TLB flush (B3.9.3).
 * Compiled for speed. */
#include <errno.h>
#include <string.h>

#include <arm/barrier.h>
#include <arm/copy.h>
#include <arm/hypregs.h>
#include <arm/pte.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/s2.h"
#include "mm/tables.h"
#include "mm/tlb.h"

#define ROOT_ORDER 1U /* two concatenated tables, aligned to their 8 KiB */
#define VMID_COUNT 256U

/* In a table descriptor a bit that the hardware ignores (B3.6.1): the table is one of 2 MiB of RAM. */
#define S2_RAM_TABLE BIT64(55)

/*
 * Another ignored bit: the table is of a block with bad pages. There are two tables then, one behind the other in the
 * heap: stage 2's, and one by which HYP sees the same pages in its windows.
 */
#define S2_SPLIT BIT64(56)

/* An invalid entry of such a table, where all bits but the first are software's: a hole. */
#define S2_HOLE       BIT64(2)
#define S2_HOLE_ASYNC BIT64(3)

#define S2_RAM_ATTR    (DESC_VALID | DESC_AF | DESC_SH_INNER | DESC_S2_R | DESC_S2_W | DESC_S2_ATTR_WB)
#define S2_DEVICE_ATTR (DESC_VALID | DESC_AF | DESC_S2_R | DESC_S2_W | DESC_S2_ATTR_DEVICE | DESC_XN)

static struct {
	struct spinlock lock;
	uint32_t used[VMID_COUNT / 32];
	uint64_t generation; /* that was given out last */
} vmids = {
	.used = {1}, /* VMID 0 is never a guest's: VTTBR is 0 until one is loaded */
};

bool s2_pages, tlb_repeat;

static uint32_t vmid_take(void)
{
	uint32_t vmid = 0;

	spin_lock(&vmids.lock);
	for (uint32_t i = 0; i < VMID_COUNT; i++)
		if (!(vmids.used[i / 32] & BIT(i % 32))) {
			vmids.used[i / 32] |= BIT(i % 32);
			vmid = i;
			break;
		}
	spin_unlock(&vmids.lock);
	return vmid;
}

/* What a caller has kept of a lookup is void from here on. */
static void next_generation(struct s2 *s2)
{
	spin_lock(&vmids.lock);
	s2->generation = ++vmids.generation;
	spin_unlock(&vmids.lock);
}

static void vmid_release(uint32_t vmid)
{
	spin_lock(&vmids.lock);
	vmids.used[vmid / 32] &= ~BIT(vmid % 32);
	spin_unlock(&vmids.lock);
}

int s2_init(struct s2 *s2)
{
	uint32_t vmid = vmid_take();

	if (vmid == 0)
		return -ENOSPC;
	*s2 = (struct s2){.root = page_alloc(ROOT_ORDER)};
	if (!s2->root) {
		vmid_release(vmid);
		return -ENOMEM;
	}
	s2->vttbr = page_pa(s2->root).v | (uint64_t)vmid << 48;
	next_generation(s2);
	tlb_forget_guest(s2->vttbr); /* of the VMID's last owner */
	return 0;
}

static inline bool is_table(uint64_t entry)
{
	return (entry & (DESC_VALID | DESC_TABLE)) == (DESC_VALID | DESC_TABLE);
}

static inline uint64_t *s2_table_of(uint64_t entry)
{
	return page_va(pa(entry & DESC_ADDR_MASK));
}

static void free_table(uint64_t entry)
{
	page_free(s2_table_of(entry), entry & S2_SPLIT ? 1 : 0);
}

static void free_tables(uint64_t *l2)
{
	for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
		if (is_table(l2[i]) || (l2[i] & S2_RAM_TABLE))
			free_table(l2[i]);
	page_free(l2, 0);
}

/* Invalid entries first, then the TLBs, then the pages: no walk, not even a speculative one, reads a freed page. */
void s2_destroy(struct s2 *s2)
{
	for (uint32_t i = 0; i < s2->gibs; i++)
		if (is_table(s2->root[i]))
			pte_break(&s2->root[i], s2->root[i] & ~DESC_VALID, s2->vttbr);
	tlb_forget_guest(s2->vttbr);
	for (uint32_t i = 0; i < s2->gibs; i++)
		if (s2->root[i])
			free_tables(s2_table_of(s2->root[i]));
	page_free(s2->root, ROOT_ORDER);
	page_unreserve(s2->reserved);
	vmid_release((uint32_t)(s2->vttbr >> 48));
	s2->root = NULL;
}

int s2_reserve(struct s2 *s2, ipa_t at, uint64_t size)
{
	uint64_t gib = ((at.v + size - 1U) >> 30) - (at.v >> 30) + 1U,
		 blocks = s2_pages ? align_up(size, BLOCK_SIZE) >> BLOCK_SHIFT : 0;

	if (page_reserve((size_t)(gib + blocks)))
		return -ENOMEM;
	s2->reserved += (uint32_t)(gib + blocks);
	return 0;
}

/* For RAM a page from what was set aside. NULL: the heap is empty. */
static uint64_t *zero_table(struct s2 *s2, bool ram)
{
	uint64_t *table;

	if (!ram || s2->reserved == 0)
		return page_alloc(0);
	s2->reserved--;
	table = page_alloc_reserved();
	zero_pages(table, PAGE_SIZE);
	return table;
}

/* The table below `entry`, made if need be. The zeroes of a new one are visible before it is linked. */
static uint64_t *next_table(struct s2 *s2, uint64_t *entry, bool ram)
{
	uint64_t *table;

	if (is_table(*entry))
		return s2_table_of(*entry);
	table = zero_table(s2, ram);
	if (!table)
		return NULL;
	dsb_ish();
	pte_make(entry, page_pa(table).v | DESC_TABLE | DESC_VALID);
	return table;
}

static uint64_t *s2_l2_entry(struct s2 *s2, ipa_t at, bool ram)
{
	uint32_t gib = (uint32_t)(at.v >> 30);
	uint64_t *l2 = next_table(s2, &s2->root[gib], ram);

	if (gib >= s2->gibs)
		s2->gibs = gib + 1U;
	return l2 ? &l2[(at.v >> BLOCK_SHIFT) % TABLE_ENTRIES] : NULL;
}

/* A level-2 entry for the 2 MiB at `to`: a table of pages, kept over s2_clear(). 0: the heap is empty. */
static uint64_t ram_pages(struct s2 *s2, uint64_t old, pa_t to)
{
	uint64_t *table;

	if (old & S2_RAM_TABLE)
		return old | DESC_VALID;
	table = s2->reserved ? page_alloc_reserved() : page_alloc(0);
	if (!table)
		return 0;
	s2->reserved -= s2->reserved != 0;
	pte_fill_pages(table, to.v | S2_RAM_ATTR | DESC_TABLE);
	dsb_ish(); /* before it is linked */
	return page_pa(table).v | S2_RAM_TABLE | DESC_TABLE | DESC_VALID;
}

int s2_map_block(struct s2 *s2, ipa_t at, pa_t to)
{
	uint64_t *entry = s2_l2_entry(s2, at, true), value;

	if (!entry)
		return -ENOMEM;
	if (s2_pages || *entry & S2_SPLIT)
		value = ram_pages(s2, *entry, to);
	else
		value = to.v | S2_RAM_ATTR;
	if (value == 0)
		return -ENOMEM;
	pte_make(entry, value);
	dsb_ish();
	s2->blocks++;
	return 0;
}

static uint64_t hole_of(const struct bad_page *bad)
{
	return bad->pa | S2_HOLE | (bad->async ? S2_HOLE_ASYNC : 0);
}

/* Both tables of a block with bad pages, which no walk reaches. */
static void fill_split(uint64_t *table, pa_t to)
{
	uint64_t *hyp = table + TABLE_ENTRIES;
	uint32_t next = 0;

	pte_fill_pages(table, to.v | S2_RAM_ATTR | DESC_TABLE);
	for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
		hyp[i] = hyp_window_page(pa(to.v + i * PAGE_SIZE));
	for (const struct bad_page *bad; (bad = badpage_next(to, BLOCK_SIZE, &next)) != NULL;) {
		uint32_t i = (uint32_t)((bad->pa - to.v) / PAGE_SIZE);

		table[i] = bad->instead ? bad->instead | S2_RAM_ATTR | DESC_TABLE : hole_of(bad);
		hyp[i] = bad->instead ? hyp_window_page(pa(bad->instead)) : 0;
	}
	dsb_ish(); /* before they are linked */
}

static uint64_t split_entry(const uint64_t *table)
{
	return page_pa(table).v | S2_RAM_TABLE | S2_SPLIT | DESC_TABLE;
}

static pa_t hyp_table(uint64_t entry)
{
	return pa(((entry & DESC_ADDR_MASK) + PAGE_SIZE) | HYP_WINDOW_TABLE);
}

/* What the entry has pointed to is out of all TLBs already: it has been invalid since s2_clear(). */
int s2_prepare(struct s2 *s2, ipa_t at, pa_t to, pa_t *show)
{
	uint64_t *entry = s2_l2_entry(s2, at, true), *table, old;

	if (!entry)
		return -ENOMEM;
	old = *entry;
	table = old & S2_SPLIT ? s2_table_of(old) : page_alloc(1);
	if (!table)
		return -ENOMEM;
	fill_split(table, to);
	pte_break(entry, split_entry(table), s2->vttbr);
	if ((old & S2_RAM_TABLE) && !(old & S2_SPLIT))
		free_table(old);
	*show = hyp_table(*entry);
	return 0;
}

/*
 * Who looks without s2->lock may have had an entry of level 2 whose table split_block() has given away meanwhile: what
 * was read there is worth nothing then, and is read again. An entry that was split is never again what it was before.
 */
static bool has_changed(const uint64_t *block, uint64_t entry)
{
	if (!(entry & S2_RAM_TABLE))
		return false;
	dmb_ish(); /* what was read in the table before the entry */
	return pte_read(block) != entry;
}

/* A level-2 entry of RAM; NULL: there is none, or no RAM. */
static uint64_t *s2_find_block(const struct s2 *s2, ipa_t at)
{
	uint64_t l1 = at.v < BIT64(ADDR_BITS) ? pte_read(&s2->root[at.v >> 30]) : 0, *entry;

	if (!is_table(l1))
		return NULL;
	entry = &s2_table_of(l1)[(at.v >> BLOCK_SHIFT) % TABLE_ENTRIES];
	return (pte_read(entry) & (DESC_TABLE | S2_RAM_TABLE)) == DESC_TABLE ? NULL : entry;
}

/* From a block, or from pages without HYP's table. What the guest does meanwhile comes to HYP and waits for s2->lock.
 */
static int split_block(struct s2 *s2, uint64_t *entry)
{
	uint64_t old = *entry, *table = page_alloc(1);
	uint64_t to = old & S2_RAM_TABLE ? s2_table_of(old)[0] : old;

	if (!table)
		return -ENOMEM;
	fill_split(table, pa(to & DESC_ADDR_MASK & ~(uint64_t)(BLOCK_SIZE - 1U)));
	pte_break(entry, old & ~DESC_VALID, s2->vttbr);
	tlb_forget_guest(s2->vttbr);
	next_generation(s2);
	pte_make(entry, split_entry(table) | DESC_VALID);
	dsb_ish();
	if (old & S2_RAM_TABLE)
		free_table(old);
	return 0;
}

/* The record of the page that is mapped by `page`, an entry of level 3: its own, or of the one that it stands in for.
 */
static const struct bad_page *record_of(uint64_t page)
{
	uint32_t next = 0;

	return badpage_next(pa(page & DESC_ADDR_MASK), PAGE_SIZE, &next);
}

int s2_take_page(struct s2 *s2, ipa_t at)
{
	uint64_t *entry = s2_find_block(s2, at), *page;
	const struct bad_page *bad;

	if (!entry || !(*entry & DESC_VALID))
		return -ENOENT;
	if (!(*entry & S2_SPLIT))
		return split_block(s2, entry);
	page = &s2_table_of(*entry)[(at.v >> PAGE_SHIFT) % TABLE_ENTRIES];
	bad = record_of(*page);
	if (!bad || !(*page & DESC_VALID))
		return 0;
	pte_break(page, hole_of(bad), s2->vttbr);
	tlb_forget_guest(s2->vttbr);
	pte_break(page + TABLE_ENTRIES, 0, 0);
	tlb_forget_hyp_all();
	return 0;
}

bool s2_is_hole(const struct s2 *s2, ipa_t at, bool *async)
{
	uint64_t *block = s2_find_block(s2, at), entry = block ? pte_read(block) : 0;

	if ((entry & (DESC_VALID | S2_SPLIT)) != (DESC_VALID | S2_SPLIT))
		return false;
	entry = pte_read(&s2_table_of(entry)[(at.v >> PAGE_SHIFT) % TABLE_ENTRIES]);
	*async = entry & S2_HOLE_ASYNC;
	return (entry & (DESC_VALID | S2_HOLE)) == S2_HOLE;
}

bool s2_owns_table(const struct s2 *s2, pa_t page)
{
	if (page.v - page_pa(s2->root).v < 2U * PAGE_SIZE)
		return true;
	for (uint32_t i = 0; i < s2->gibs; i++) {
		uint64_t l1 = pte_read(&s2->root[i]);

		if (!is_table(l1))
			continue;
		if ((l1 & DESC_ADDR_MASK) == page.v)
			return true;
		for (uint32_t j = 0; j < TABLE_ENTRIES; j++) {
			uint64_t l2 = pte_read(&s2_table_of(l1)[j]);
			uint64_t size = l2 & S2_SPLIT ? 2U * PAGE_SIZE : PAGE_SIZE;

			if ((is_table(l2) || l2 & S2_RAM_TABLE) && page.v - (l2 & DESC_ADDR_MASK) < size)
				return true;
		}
	}
	return false;
}

int s2_map_device(struct s2 *s2, ipa_t at, pa_t to, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE_SIZE) {
		uint64_t *entry = s2_l2_entry(s2, ipa_add(at, i), false);
		uint64_t *l3 = entry ? next_table(s2, entry, false) : NULL;

		if (!l3)
			return -ENOMEM;
		pte_make(&l3[((at.v + i) >> PAGE_SHIFT) % TABLE_ENTRIES], (to.v + i) | S2_DEVICE_ATTR | DESC_TABLE);
	}
	dsb_ish();
	return 0;
}

uint64_t s2_memory_entry(pa_t page, bool exec)
{
	return page.v | (S2_RAM_ATTR & ~DESC_S2_W) | DESC_TABLE | (exec ? 0 : DESC_XN);
}

uint64_t s2_lost_entry(uint64_t entry)
{
	return entry & ~DESC_VALID;
}

bool s2_entry_is_lost(uint64_t entry)
{
	return !(entry & DESC_VALID);
}

pa_t s2_entry_pa(uint64_t entry)
{
	return pa(entry & DESC_ADDR_MASK);
}

int s2_show_table(struct s2 *s2, ipa_t at, const uint64_t *table)
{
	uint64_t *entry = s2_l2_entry(s2, at, false);

	if (!entry)
		return -ENOMEM;
	dsb_ish(); /* the table's entries, before it is linked */
	pte_make(entry, page_pa(table).v | DESC_TABLE | DESC_VALID);
	dsb_ish();
	return 0;
}

void s2_hide_tables(struct s2 *s2, ipa_t at, size_t size)
{
	for (size_t i = 0; i < size; i += BLOCK_SIZE) {
		uint64_t *entry = s2_l2_entry(s2, ipa_add(at, i), false);

		if (entry)
			pte_break(entry, 0, s2->vttbr);
	}
	tlb_forget_guest(s2->vttbr);
}

bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	uint64_t entry, above, mask;
	const uint64_t *block;

	if (at.v >= BIT64(ADDR_BITS))
		return false;
	entry = pte_read(&s2->root[at.v >> 30]);
	if (!is_table(entry))
		return false;
	block = &s2_table_of(entry)[(at.v >> BLOCK_SHIFT) % TABLE_ENTRIES];
	do {
		entry = above = pte_read(block);
		mask = BLOCK_SIZE - 1U;
		if (is_table(entry)) {
			entry = pte_read(&s2_table_of(entry)[(at.v >> PAGE_SHIFT) % TABLE_ENTRIES]);
			mask = PAGE_SIZE - 1U;
		}
	} while (has_changed(block, above));
	if (!(entry & DESC_VALID))
		return false;
	*out = pa((entry & DESC_ADDR_MASK & ~mask) | (at.v & mask));
	return true;
}

/* A level-2 entry of RAM, valid or not; in *to what shows it in a window. */
static bool entry_is_ram(uint64_t entry, pa_t *to)
{
	if (entry & S2_SPLIT) {
		*to = hyp_table(entry);
		return true;
	}
	if (entry & S2_RAM_TABLE)
		entry = s2_table_of(entry)[0];
	else if (entry & DESC_TABLE)
		return false;
	*to = pa(entry & DESC_ADDR_MASK & ~(uint64_t)(BLOCK_SIZE - 1U));
	return true;
}

bool s2_show(const struct s2 *s2, ipa_t at, pa_t *show)
{
	const uint64_t *block = s2_find_block(s2, at);
	uint64_t entry;
	bool shows;

	if (!block)
		return false;
	do {
		entry = pte_read(block);
		shows = (entry & DESC_VALID) && entry_is_ram(entry, show);
	} while (has_changed(block, entry));
	return shows;
}

/* As next_block(), in one table from entry `i` on: its number, or TABLE_ENTRIES. */
static uint32_t find_in_table(const uint64_t *table, uint32_t i, pa_t *to, uint64_t mask)
{
	for (; i < TABLE_ENTRIES; i++) {
		uint64_t entry = pte_read(&table[i]);
		bool found;

		if (!(entry & mask))
			continue;
		do {
			entry = pte_read(&table[i]);
			found = (entry & mask) && entry_is_ram(entry, to);
		} while (has_changed(&table[i], entry));
		if (found)
			return i;
	}
	return TABLE_ENTRIES;
}

/*
 * The next level-2 entry for a block at or after *at with at least one bit of `mask`. An entry that s2_clear() has made
 * invalid keeps its address: it says what was touched.
 */
static bool next_block(const struct s2 *s2, ipa_t *at, pa_t *to, uint64_t mask)
{
	uint32_t first = (uint32_t)(at->v >> BLOCK_SHIFT) % TABLE_ENTRIES;

	for (uint32_t gib = (uint32_t)(at->v >> 30); gib < s2->gibs; gib++, first = 0) {
		uint64_t entry = pte_read(&s2->root[gib]);

		first = is_table(entry) ? find_in_table(s2_table_of(entry), first, to, mask) : TABLE_ENTRIES;
		if (first < TABLE_ENTRIES) {
			*at = ipa(((uint64_t)gib << 30) + ((uint64_t)first << BLOCK_SHIFT));
			return true;
		}
	}
	return false;
}

bool s2_next_block(const struct s2 *s2, ipa_t *at, pa_t *to)
{
	return next_block(s2, at, to, DESC_VALID);
}

bool s2_next_dirty(const struct s2 *s2, ipa_t *at, pa_t *to)
{
	return next_block(s2, at, to, ~UINT64_C(0));
}

static void clear_entries(struct s2 *s2, uint64_t which, uint64_t keep)
{
	pa_t to;

	for (ipa_t at = ipa(0); next_block(s2, &at, &to, which); at = ipa_add(at, BLOCK_SIZE)) {
		uint64_t *entry = s2_l2_entry(s2, at, true);

		assume(entry); /* next_block() has found its table */
		pte_break(entry, *entry & keep, s2->vttbr);
	}
	s2->blocks = 0;
	next_generation(s2);
	tlb_forget_guest(s2->vttbr);
}

void s2_clear(struct s2 *s2)
{
	clear_entries(s2, DESC_VALID, ~DESC_VALID);
}

/* The tables of pages go once no TLB knows them. */
static void free_pages(struct s2 *s2)
{
	pa_t to;

	for (ipa_t at = ipa(0); next_block(s2, &at, &to, S2_RAM_TABLE); at = ipa_add(at, BLOCK_SIZE)) {
		uint64_t *entry = s2_l2_entry(s2, at, true);

		assume(entry);
		free_table(*entry);
		*entry = 0;
	}
}

void s2_forget(struct s2 *s2)
{
	clear_entries(s2, ~UINT64_C(0), ~DESC_VALID);
	free_pages(s2);
	clear_entries(s2, ~UINT64_C(0), 0);
	page_unreserve(s2->reserved);
	s2->reserved = 0;
}
