/* The page allocator of unit tests. */
#ifndef FAKE_PAGE_H
#define FAKE_PAGE_H

#include <stdbool.h>

/* From now on page_alloc() finds nothing, or works again. */
void fake_page_set_empty(bool empty);

/* Allocations not yet freed. */
unsigned int fake_page_live(void);

#endif
