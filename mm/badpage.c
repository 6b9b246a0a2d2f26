/* SPDX-License-Identifier: BSD-2-Clause */
/* Records in pages of the heap, linked: they are added and never moved, so that who reads them needs no lock. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <arm/barrier.h>
#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "mm/badpage.h"
#include "mm/page.h"
#include "mm/ram.h"

#define CHUNK_RECORDS ((PAGE_SIZE - sizeof(void *)) / sizeof(struct bad_page))
#define CHUNKS_MAX    512U

#define SPARE_BLOCKS_MAX 32U
#define BLOCK_PAGES      (BLOCK_SIZE / PAGE_SIZE)

static struct bad_page *chunk[CHUNKS_MAX]; /* CHUNK_RECORDS each */

static struct {
	struct spinlock lock; /* who adds, and the spare pages */
	volatile uint32_t count;
	uint32_t lost; /* spare pages that are bad themselves */
	struct spare_block {
		uint64_t pa; /* of 2 MiB; 0: none */
		uint32_t count;
		uint32_t used[BLOCK_PAGES / 32U];
	} spare[SPARE_BLOCKS_MAX];
} bad;

static struct bad_page *bad_page_record(uint32_t i)
{
	return &chunk[i / CHUNK_RECORDS][i % CHUNK_RECORDS];
}

uint32_t badpage_count(void)
{
	return bad.count;
}

struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next)
{
	uint32_t count = bad.count;

	dmb_ish(); /* the records before their number */
	while (*next < count) {
		struct bad_page *b = bad_page_record((*next)++);

		if (b->pa - base.v < size)
			return b;
	}
	return NULL;
}

bool badpage_is(pa_t page)
{
	uint32_t next = 0;

	return bad.count && badpage_next(pa(align_down(page.v, PAGE_SIZE)), PAGE_SIZE, &next);
}

/* A chunk for the next record, made before the lock is taken. NULL: there is one, or the heap is empty. */
static struct bad_page *next_chunk(void)
{
	return bad.count % CHUNK_RECORDS == 0 ? page_alloc(0) : NULL;
}

struct bad_page *badpage_add(pa_t page, bool async, const char *owner)
{
	struct bad_page *fresh = next_chunk(), *b = NULL;
	uint32_t next = 0, i;

	spin_lock(&bad.lock);
	i = bad.count;
	if (!badpage_next(page, PAGE_SIZE, &next) && i < CHUNKS_MAX * CHUNK_RECORDS) {
		if (!chunk[i / CHUNK_RECORDS]) {
			chunk[i / CHUNK_RECORDS] = fresh;
			fresh = NULL;
		}
		b = chunk[i / CHUNK_RECORDS] ? bad_page_record(i) : NULL;
	}
	if (b) {
		*b = (struct bad_page){.pa = page.v, .async = async};
		strncpy(b->owner, owner, sizeof(b->owner) - 1U);
		dmb_ish();
		bad.count = i + 1U;
	}
	spin_unlock(&bad.lock);
	page_free(fresh, 0);
	return b;
}

/* The first page of the block that is neither used nor bad; BLOCK_PAGES: none. Holder of bad.lock. */
static uint32_t find_spare(const struct spare_block *block)
{
	uint32_t i = 0;

	while (i < BLOCK_PAGES && ((block->used[i / 32U] & BIT(i % 32U)) || badpage_is(pa(block->pa + i * PAGE_SIZE))))
		i++;
	return i;
}

/* 0: the block has none. Holder of bad.lock. */
static uint64_t take_spare_of(struct spare_block *block)
{
	uint32_t i = find_spare(block);

	if (i == BLOCK_PAGES)
		return 0;
	block->used[i / 32U] |= BIT(i % 32U);
	block->count++;
	return block->pa + i * PAGE_SIZE;
}

/* Another block of spare pages, in a slot without one. Holder of bad.lock. */
static bool add_block(struct spare_block *slot)
{
	pa_t base = pa(0);

	if (!ram_take(BLOCK_SIZE, false, &base))
		return false;
	*slot = (struct spare_block){.pa = base.v};
	ram_use.spare += BLOCK_SIZE;
	return true;
}

/* Of the blocks that there are; of another one where they have none. 0: there is none. Holder of bad.lock. */
static uint64_t take_spare(void)
{
	struct spare_block *empty = NULL;

	for (struct spare_block *block = bad.spare; block < bad.spare + SPARE_BLOCKS_MAX; block++) {
		uint64_t page = block->pa ? take_spare_of(block) : 0;

		if (page)
			return page;
		if (!block->pa && !empty)
			empty = block;
	}
	return empty && add_block(empty) ? take_spare_of(empty) : 0;
}

/* Holder of bad.lock. */
static void give_spare(uint64_t page)
{
	for (struct spare_block *block = bad.spare; block < bad.spare + SPARE_BLOCKS_MAX; block++) {
		uint32_t i = (uint32_t)((page - block->pa) / PAGE_SIZE);

		if (!block->pa || page - block->pa >= BLOCK_SIZE)
			continue;
		block->used[i / 32U] &= ~BIT(i % 32U);
		if (--block->count > 0)
			return;
		ram_release(pa(block->pa), BLOCK_SIZE);
		ram_use.spare -= BLOCK_SIZE;
		block->pa = 0;
	}
}

int badpage_replace(struct bad_page *b)
{
	spin_lock(&bad.lock);
	if (!b->instead)
		b->instead = take_spare();
	spin_unlock(&bad.lock);
	return b->instead ? 0 : -ENOMEM;
}

void badpage_give_back(pa_t base, uint64_t size)
{
	uint32_t next = 0;

	for (struct bad_page *b; (b = badpage_next(base, size, &next)) != NULL;) {
		spin_lock(&bad.lock);
		if (b->instead)
			give_spare(b->instead);
		b->instead = 0;
		spin_unlock(&bad.lock);
	}
}

struct bad_page *badpage_of_spare(pa_t page)
{
	for (uint32_t i = 0; i < bad.count; i++)
		if (bad_page_record(i)->instead == page.v && page.v)
			return bad_page_record(i);
	return NULL;
}

/* It counts as used for ever, like its block, which is spare pages' for ever. */
struct bad_page *badpage_lose_spare(pa_t page)
{
	struct bad_page *first;

	spin_lock(&bad.lock);
	first = badpage_of_spare(page);
	if (first) {
		first->instead = 0;
		bad.lost++;
	}
	spin_unlock(&bad.lock);
	return first;
}

void badpage_spares(uint32_t *all, uint32_t *used)
{
	*all = *used = 0;
	for (const struct spare_block *block = bad.spare; block < bad.spare + SPARE_BLOCKS_MAX; block++)
		if (block->pa) {
			*all += BLOCK_PAGES;
			*used += block->count;
		}
	*used -= bad.lost;
}
