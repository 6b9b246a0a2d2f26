/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap: a bitmap of pages, first fit from where the last search ended. Allocation happens when a VM is made, when a
 * guest touches memory for the first time, and at boot: never on a path that is measured in instructions.
 */
#include <errno.h>
#include <string.h>

#include <arm/copy.h>
#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "mm/layout.h"
#include "mm/page.h"

#define HEAP_PAGES_MAX ((LAYOUT_HEAP_END - LAYOUT_HEAP) / PAGE_SIZE)

static struct {
	struct spinlock lock;
	uint64_t base; /* PA */
	size_t pages, free, next;
	size_t reserved; /* of the free ones, those that are promised */
	uint8_t *va;
	uint32_t used[HEAP_PAGES_MAX / 32];
	uint32_t bad[HEAP_PAGES_MAX / 32];
	bool any_bad;
} heap;

void page_init_at(void *va, pa_t base, size_t size);

/* The unit tests put the heap elsewhere. */
void page_init_at(void *va, pa_t base, size_t size)
{
	memset(&heap, 0, sizeof(heap));
	heap.base = base.v;
	heap.pages = heap.free = MIN(size / PAGE_SIZE, (size_t)HEAP_PAGES_MAX);
	heap.va = va;
}

#ifdef __arm__
void page_init(pa_t base, size_t size)
{
	page_init_at((void *)LAYOUT_HEAP, base, size);
}
#endif

static bool is_used(size_t page)
{
	return heap.used[page / 32] & BIT(page % 32);
}

static void mark_pages(size_t page, size_t count, bool used)
{
	for (; count--; page++)
		if (used)
			heap.used[page / 32] |= BIT(page % 32);
		else
			heap.used[page / 32] &= ~BIT(page % 32);
}

/* The first free run of `count` pages that begins at a multiple of `align` in [from, to); heap.pages: none. */
static size_t find_free(size_t from, size_t to, size_t count, size_t align)
{
	for (size_t page = (from + align - 1) & ~(align - 1); page + count <= to; page += align) {
		size_t n = 0;

		while (n < count && !is_used(page + n))
			n++;
		if (n == count)
			return page;
	}
	return heap.pages;
}

/* Holder of heap.lock. NULL: there is no such run. */
static void *take_pages(size_t count, size_t align)
{
	size_t page = find_free(heap.next, heap.pages, count, align);

	if (page == heap.pages)
		page = find_free(0, heap.pages, count, align);
	if (page == heap.pages)
		return NULL;
	mark_pages(page, count, true);
	heap.next = page + count;
	heap.free -= count;
	return heap.va + page * PAGE_SIZE;
}

static void *alloc_pages(size_t count, size_t align)
{
	void *va = NULL;

	spin_lock(&heap.lock);
	if (heap.free - heap.reserved >= count)
		va = take_pages(count, align);
	spin_unlock(&heap.lock);
	if (va)
		zero_pages(va, count * PAGE_SIZE);
	return va;
}

void *page_alloc(unsigned int order)
{
	return alloc_pages((size_t)1 << order, (size_t)1 << order);
}

static size_t pages_of(size_t size)
{
	return (size + PAGE_SIZE - 1U) / PAGE_SIZE;
}

void *page_alloc_bytes(size_t size)
{
	return alloc_pages(pages_of(size), 1);
}

int page_reserve(size_t count)
{
	int ret = -ENOMEM;

	spin_lock(&heap.lock);
	if (heap.free - heap.reserved >= count) {
		heap.reserved += count;
		ret = 0;
	}
	spin_unlock(&heap.lock);
	return ret;
}

void page_unreserve(size_t count)
{
	spin_lock(&heap.lock);
	heap.reserved -= count;
	spin_unlock(&heap.lock);
}

void *page_alloc_reserved(void)
{
	void *page;

	spin_lock(&heap.lock);
	heap.reserved--;
	page = take_pages(1, 1);
	spin_unlock(&heap.lock);
	return page;
}

/* Of pages that are free again, those that are bad are not. Holder of heap.lock. */
static void keep_retired(size_t first, size_t count)
{
	for (size_t page = first; heap.any_bad && page < first + count; page++)
		if (heap.bad[page / 32] & BIT(page % 32)) {
			mark_pages(page, 1, true);
			heap.free--;
		}
}

static void give_pages(void *page, size_t count)
{
	size_t first;

	if (!page)
		return;
	first = (size_t)((uint8_t *)page - heap.va) / PAGE_SIZE;
	spin_lock(&heap.lock);
	mark_pages(first, count, false);
	heap.free += count;
	keep_retired(first, count);
	spin_unlock(&heap.lock);
}

void page_free(void *page, unsigned int order)
{
	give_pages(page, (size_t)1 << order);
}

void page_free_bytes(void *page, size_t size)
{
	give_pages(page, pages_of(size));
}

bool page_retire(pa_t page, bool *in_use)
{
	size_t i = (size_t)((page.v - heap.base) / PAGE_SIZE);

	if (page.v < heap.base || i >= heap.pages)
		return false;
	spin_lock(&heap.lock);
	*in_use = is_used(i);
	heap.bad[i / 32] |= BIT(i % 32);
	heap.any_bad = true;
	/* promised pages stay enough: what is short is short for who asks next */
	if (!*in_use && heap.free > heap.reserved)
		keep_retired(i, 1);
	spin_unlock(&heap.lock);
	return true;
}

unsigned int page_order(size_t size)
{
	unsigned int order = 0;

	while (((size_t)PAGE_SIZE << order) < size)
		order++;
	return order;
}

pa_t page_pa(const void *page)
{
	return pa(heap.base + (size_t)((const uint8_t *)page - heap.va));
}

void *page_va(pa_t address)
{
	return heap.va + (address.v - heap.base);
}

size_t page_total(void)
{
	return heap.pages * PAGE_SIZE;
}

size_t page_available(void)
{
	return (heap.free - heap.reserved) * PAGE_SIZE;
}
