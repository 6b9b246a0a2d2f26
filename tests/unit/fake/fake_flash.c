/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_flash.h"
#include "hyp/lib/bits.h"
#include "mm/cache.h"
#include "mm/page.h"
#include "mm/s2.h"

#define EXEC  BIT64(63)
#define VALID BIT64(0)

struct fake_flash fake_flash;

pa_t page_pa(const void *page)
{
	return pa((uintptr_t)page);
}

int page_reserve(size_t count)
{
	fake_flash.promised += (uint32_t)count;
	return 0;
}

void page_unreserve(size_t count)
{
	assert_true(count <= fake_flash.promised);
	fake_flash.promised -= (uint32_t)count;
}

void *page_alloc_reserved(void)
{
	assert_true(fake_flash.promised > 0);
	fake_flash.promised--;
	return page_alloc(0);
}

uint64_t s2_memory_entry(pa_t page, bool exec)
{
	return page.v | VALID | (exec ? EXEC : 0);
}

pa_t s2_entry_pa(uint64_t entry)
{
	return pa(entry & ~(EXEC | VALID));
}

uint64_t s2_lost_entry(uint64_t entry)
{
	return entry & ~VALID;
}

bool s2_entry_is_lost(uint64_t entry)
{
	return !(entry & VALID);
}

int s2_show_table(struct s2 *s2, ipa_t at, const uint64_t *table)
{
	(void)s2;
	assert_int_equal(at.v % BLOCK_SIZE, 0);
	fake_flash.shown[at.v / BLOCK_SIZE] = table;
	fake_flash.shows++;
	return 0;
}

void s2_hide_tables(struct s2 *s2, ipa_t at, size_t size)
{
	(void)s2;
	for (uint64_t i = 0; i < size; i += BLOCK_SIZE)
		fake_flash.shown[(at.v + i) / BLOCK_SIZE] = NULL;
	fake_flash.hides++;
}

void cache_clean_invalidate(const void *start, size_t len)
{
	(void)start, (void)len;
}

void cache_invalidate_icache(void)
{
}
