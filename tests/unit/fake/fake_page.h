/* SPDX-License-Identifier: BSD-2-Clause */
/* The page allocator of unit tests. */
#ifndef FAKE_PAGE_H
#define FAKE_PAGE_H

#include <stdbool.h>

/* From now on page_alloc() finds nothing, or works again. */
void fake_page_set_empty(bool empty);

/* From now on page_alloc() finds something `count` times and then nothing, until fake_page_set_empty(false). */
void fake_page_set_left(unsigned int count);

/* Allocations not yet freed. */
unsigned int fake_page_live(void);

#endif
