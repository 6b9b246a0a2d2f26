/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The storage of hyp/vdev/flashbank.h: which page is where is said by the tables of stage 2 alone. Compiled for speed.
 */
#include <errno.h>
#include <string.h>

#include <arm/copy.h>

#include "hyp/run/sched.h"
#include "hyp/vdev/flashbank.h"
#include "hyp/vm/scrub.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"

#define ERASED 0xffU

static uint32_t flash_table_of(uint32_t offset)
{
	return offset / BLOCK_SIZE % FLASH_TABLES;
}

static uint32_t entry_of(uint32_t offset)
{
	return offset / PAGE_SIZE % S2_TABLE_ENTRIES;
}

static uint64_t entry_at(const struct flash_bank *bank, uint32_t offset)
{
	const uint64_t *table = bank->table[flash_table_of(offset)];

	return table ? table[entry_of(offset)] : bank->blank[entry_of(offset)];
}

static pa_t flash_page_at(const struct flash_bank *bank, uint32_t offset)
{
	return s2_entry_pa(entry_at(bank, offset));
}

static void set_page(struct flash_bank *bank, uint32_t offset, pa_t page)
{
	bank->table[flash_table_of(offset)][entry_of(offset)] = s2_memory_entry(page, bank->exec);
}

static bool is_page(pa_t page, const uint8_t *shared)
{
	return page.v == page_pa(shared).v;
}

static bool is_flash_ram(const struct flash_bank *bank, pa_t page)
{
	return !is_page(page, bank->fill) && !is_page(page, bank->erased);
}

/* The pages of RAM are numbered over all pieces. */
static pa_t pa_of_page(const struct flash_bank *bank, uint32_t n)
{
	uint64_t offset = (uint64_t)n * PAGE_SIZE;
	uint32_t i = 0;

	while (offset >= bank->piece[i].size)
		offset -= bank->piece[i++].size;
	return pa(bank->piece[i].pa + offset);
}

static uint32_t number_of_page(const struct flash_bank *bank, pa_t page)
{
	uint64_t before = 0;
	uint32_t i = 0;

	while (page.v - bank->piece[i].pa >= bank->piece[i].size)
		before += bank->piece[i++].size;
	return (uint32_t)((before + page.v - bank->piece[i].pa) / PAGE_SIZE);
}

static uint8_t *open_page(pa_t page)
{
	return hyp_window_open(page) + (page.v & (BLOCK_SIZE - 1U));
}

/* One that is bad stays counted as in use. -ENOSPC: all are in use. */
static int take_page(struct flash_bank *bank, pa_t *page)
{
	for (uint32_t i = 0; i < bank->pages / 32U; i++)
		while (~bank->used[i]) {
			uint32_t bit = (uint32_t)__builtin_ctz(~bank->used[i]);

			bank->used[i] |= BIT(bit);
			*page = pa_of_page(bank, 32U * i + bit);
			if (!badpage_is(*page))
				return 0;
		}
	return -ENOSPC;
}

static void give_page(struct flash_bank *bank, pa_t page)
{
	uint32_t n = number_of_page(bank, page);

	bank->used[n / 32U] &= ~BIT(n % 32U);
}

/* Its own table for the 2 MiB that `offset` is in: what was promised to a bank that can be written, or another page. */
static int own_table(struct flash_bank *bank, uint32_t offset)
{
	uint64_t **where = &bank->table[flash_table_of(offset)], *table;

	if (*where)
		return 0;
	if (bank->promised) {
		table = page_alloc_reserved();
		bank->promised--;
	} else {
		table = page_alloc(0);
	}
	if (!table)
		return -ENOMEM;
	memcpy(table, bank->blank, PAGE_SIZE);
	*where = table;
	return 0;
}

/* A page of RAM for `offset`, which it has already or gets with what the guest saw there. */
static int own_page(struct flash_bank *bank, uint32_t offset, pa_t *page)
{
	pa_t old = flash_page_at(bank, offset);
	uint8_t *to;
	int ret;

	*page = old;
	if (flash_bank_is_lost(bank, offset))
		return -EIO;
	if (is_flash_ram(bank, old))
		return 0;
	ret = own_table(bank, offset);
	if (!ret)
		ret = take_page(bank, page);
	if (ret)
		return ret;
	to = open_page(*page);
	ret = copy_checked(to, is_page(old, bank->fill) ? bank->fill : bank->erased, PAGE_SIZE);
	cache_clean_invalidate(to, PAGE_SIZE); /* the guest may look past the caches */
	hyp_window_close();
	if (!ret)
		set_page(bank, offset, *page);
	return ret; /* a page that does not answer stays in use, for the next one to be taken then */
}

int flash_bank_write(struct flash_bank *bank, uint32_t offset, const void *from, uint32_t len)
{
	pa_t page;
	uint8_t *to;
	int ret = own_page(bank, offset, &page);

	if (ret)
		return ret;
	to = open_page(page) + (offset & (PAGE_SIZE - 1U));
	ret = copy_checked(to, from, len);
	cache_clean_invalidate(to, len);
	hyp_window_close();
	return ret;
}

int flash_bank_read(const struct flash_bank *bank, uint32_t offset, void *to, uint32_t len)
{
	pa_t page = flash_page_at(bank, offset);
	uint32_t at = offset & (PAGE_SIZE - 1U);
	int ret;

	if (flash_bank_is_lost(bank, offset))
		return -EIO;
	if (!is_flash_ram(bank, page)) {
		memcpy(to, (is_page(page, bank->fill) ? bank->fill : bank->erased) + at, len);
		return 0;
	}
	ret = copy_checked(to, open_page(page) + at, len);
	hyp_window_close();
	return ret;
}

int flash_bank_same(const struct flash_bank *bank, uint32_t offset)
{
	pa_t page = flash_page_at(bank, offset);

	return is_flash_ram(bank, page) ? -1 : is_page(page, bank->fill) ? bank->fill[0] : (int)ERASED;
}

#define CLEAR_WORDS 128U /* of 8 bytes */

/* False: the masks clear nothing that is set. */
static bool clear_words(uint64_t *words, const uint64_t *masks, uint32_t count)
{
	const uint64_t *end = words + count;

	for (; words < end && !(*words & ~*masks); words++)
		masks++;
	if (words == end)
		return false;
	for (; words < end; words++)
		*words &= *masks++;
	return true;
}

/* A buffered program of a few bytes comes as a page of which the rest clears nothing, and takes no RAM. */
static int clear_some(struct flash_bank *bank, uint32_t offset, const uint64_t *masks, uint32_t len)
{
	uint64_t words[CLEAR_WORDS];
	int ret;

	words[(len - 1U) / sizeof(*words)] = 0;
	ret = flash_bank_read(bank, offset, words, len);
	if (ret || !clear_words(words, masks, (len + 7U) / 8U))
		return ret;
	return flash_bank_write(bank, offset, words, len);
}

int flash_bank_clear(struct flash_bank *bank, uint32_t offset, const uint64_t *masks, uint32_t len)
{
	int ret = 0;

	for (uint32_t at = 0, n; !ret && at < len; at += n) {
		n = MIN(len - at, sizeof(*masks) * CLEAR_WORDS);
		ret = clear_some(bank, offset + at, masks + at / sizeof(*masks), n);
	}
	return ret;
}

void flash_bank_erase(struct flash_bank *bank, uint32_t sector)
{
	uint64_t erased = s2_memory_entry(page_pa(bank->erased), bank->exec), *entry;

	if (own_table(bank, sector))
		return; /* it was promised to whoever can be erased */
	entry = &bank->table[flash_table_of(sector)][entry_of(sector)];
	for (uint32_t i = 0; i < CFI_SECTOR / PAGE_SIZE; i++) {
		pa_t page = s2_entry_pa(entry[i]);

		if (is_flash_ram(bank, page) && !s2_entry_is_lost(entry[i]))
			give_page(bank, page); /* one that is bad stays in use */
		entry[i] = erased;
	}
}

bool flash_bank_owns(const struct flash_bank *bank, pa_t page)
{
	for (uint32_t i = 0; i < bank->pieces; i++)
		if (page.v - bank->piece[i].pa < bank->piece[i].size)
			return true;
	return false;
}

bool flash_bank_is_lost(const struct flash_bank *bank, uint32_t offset)
{
	return s2_entry_is_lost(entry_at(bank, offset));
}

/* One that is not in use is in no table: take_page() passes it over. */
void flash_bank_lose(struct flash_bank *bank, pa_t page)
{
	flash_bank_hide(bank);
	for (uint32_t at = 0; at < CFI_BANK_SIZE; at += PAGE_SIZE) {
		uint64_t *table = bank->table[flash_table_of(at)];

		if (table && flash_page_at(bank, at).v == page.v)
			table[entry_of(at)] = s2_lost_entry(table[entry_of(at)]);
	}
}

void flash_bank_renew(struct flash_bank *bank, uint32_t offset)
{
	if (flash_bank_is_lost(bank, offset))
		set_page(bank, offset, page_pa(bank->fill));
}

int flash_bank_show(struct flash_bank *bank, uint32_t offset)
{
	uint64_t *table = bank->table[flash_table_of(offset)];
	struct s2 *s2 = &bank->vm->s2;
	int ret;

	bank->shown = true;
	spin_lock(&s2->lock);
	ret = s2_show_table(s2, ipa_add(bank->base, align_down(offset, BLOCK_SIZE)), table ? table : bank->blank);
	spin_unlock(&s2->lock);
	return ret;
}

void flash_bank_hide(struct flash_bank *bank)
{
	struct s2 *s2 = &bank->vm->s2;

	if (!bank->shown)
		return;
	spin_lock(&s2->lock);
	s2_hide_tables(s2, bank->base, CFI_BANK_SIZE);
	spin_unlock(&s2->lock);
	bank->shown = false;
}

static int flash_take_ram(struct flash_bank *bank, uint64_t size)
{
	while (size > 0) {
		pa_t base = pa(0);
		uint64_t got = bank->pieces < FLASH_PIECES_MAX ? ram_take(size, false, &base) : 0;

		if (got == 0)
			return -ENOSPC;
		bank->piece[bank->pieces].pa = base.v;
		bank->piece[bank->pieces++].size = got;
		bank->pages += (uint32_t)(got / PAGE_SIZE);
		ram_use.disks += got;
		size -= got;
	}
	return 0;
}

/* The pages that stand for all others, and a table of one of them; then what can be needed later. */
static int make_blank(struct flash_bank *bank, uint8_t fill)
{
	bank->fill = page_alloc(0);
	bank->erased = page_alloc(0);
	bank->blank = page_alloc(0);
	if (!bank->fill || !bank->erased || !bank->blank)
		return -ENOMEM;
	memset(bank->fill, fill, PAGE_SIZE);
	memset(bank->erased, ERASED, PAGE_SIZE);
	cache_clean_invalidate(bank->fill, PAGE_SIZE);
	cache_clean_invalidate(bank->erased, PAGE_SIZE);
	for (uint32_t i = 0; i < S2_TABLE_ENTRIES; i++)
		bank->blank[i] = s2_memory_entry(page_pa(bank->fill), bank->exec);
	if (bank->read_only)
		return 0;
	if (page_reserve(FLASH_TABLES))
		return -ENOMEM;
	bank->promised = FLASH_TABLES;
	return 0;
}

static int fill_in(struct flash_bank *bank, const uint8_t *image, uint32_t size)
{
	int ret = 0;

	for (uint32_t at = 0; !ret && at < size; at += PAGE_SIZE) {
		sched_preempt();
		ret = flash_bank_write(bank, at, image + at, MIN(size - at, PAGE_SIZE));
	}
	return ret;
}

int flash_bank_make(struct flash_bank *bank, const uint8_t *image, uint32_t size, uint32_t room, uint8_t fill)
{
	int ret = make_blank(bank, fill);

	if (!ret)
		ret = flash_take_ram(bank, align_up(MAX(MAX(size, room), 1U), BLOCK_SIZE));
	if (!ret)
		ret = fill_in(bank, image, size);
	if (ret)
		flash_bank_free(bank);
	return ret;
}

static void free_ram(struct flash_bank *bank)
{
	for (uint32_t i = 0; i < bank->pieces; i++) {
		for (uint64_t at = 0; at < bank->piece[i].size; at += BLOCK_SIZE)
			vm_scrub_block(pa(bank->piece[i].pa + at));
		ram_release(pa(bank->piece[i].pa), bank->piece[i].size);
		ram_use.disks -= bank->piece[i].size;
	}
	bank->pieces = bank->pages = 0;
}

static void free_page(void *page)
{
	if (page)
		page_free(page, 0);
}

void flash_bank_free(struct flash_bank *bank)
{
	flash_bank_hide(bank);
	free_ram(bank);
	for (uint32_t i = 0; i < FLASH_TABLES; i++)
		free_page(bank->table[i]);
	page_unreserve(bank->promised);
	free_page(bank->blank);
	free_page(bank->fill);
	free_page(bank->erased);
}

uint64_t flash_bank_ram(const struct flash_bank *bank)
{
	return (uint64_t)bank->pages * PAGE_SIZE;
}
