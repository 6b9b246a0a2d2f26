/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virt7's own heap: 4 KiB pages out of one physically contiguous region, mapped linearly. Tables, VMs and vCPUs live
 * here; guest RAM does not (mm/ram.h).
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/addr.h"

/* Give the allocator its region: `size` bytes at `base`, both 2 MiB aligned, mapped at LAYOUT_HEAP. Once. */
void page_init(pa_t base, size_t size);

/* 2^order pages, zeroed, aligned to their size; NULL when there are none. */
void *page_alloc(unsigned int order);
void page_free(void *page, unsigned int order);

/* As many pages as hold `size` bytes, zeroed, at any page; NULL when there are none. */
void *page_alloc_bytes(size_t size);
void page_free_bytes(void *page, size_t size);

/*
 * Promise `count` single pages to a caller that will need them later and cannot be refused then: 0 or -ENOMEM. Each
 * page_alloc_reserved() uses one up and does not zero it; page_unreserve() gives up the rest.
 */
int page_reserve(size_t count);
void page_unreserve(size_t count);
void *page_alloc_reserved(void);

/*
 * A page is bad: its owner keeps it, and it is not given out any more. False: it is not the heap's. *in_use: an owner
 * has it.
 */
bool page_retire(pa_t page, bool *in_use);

/* The smallest order that holds `size` bytes. */
unsigned int page_order(size_t size);

/* Heap address to physical and back. */
pa_t page_pa(const void *page);
void *page_va(pa_t address);

/* Bytes of the heap, and those that are free and not promised. */
size_t page_total(void);
size_t page_available(void);

#endif
