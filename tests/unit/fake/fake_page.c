/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/page.h over the C library, so that ASan sees a byte too many. */
#include <stdlib.h>
#include <string.h>

#include "fake_page.h"
#include "mm/page.h"

static bool is_empty, counts;
static unsigned int live, left;

void *page_alloc(unsigned int order)
{
	size_t size = (size_t)PAGE_SIZE << order;
	void *page = is_empty || (counts && left-- == 0) ? NULL : aligned_alloc(size, size);

	is_empty |= counts && !page;

	if (page) {
		memset(page, 0, size);
		live++;
	}
	return page;
}

void page_free(void *page, unsigned int order)
{
	(void)order;
	if (page)
		live--;
	free(page);
}

/* Not more than was asked for, so that ASan sees what is behind it. */
void *page_alloc_bytes(size_t size)
{
	void *page = is_empty || (counts && left-- == 0) ? NULL : calloc(1, size);

	is_empty |= counts && !page;
	live += page != NULL;
	return page;
}

void page_free_bytes(void *page, size_t size)
{
	(void)size;
	page_free(page, 0);
}

void fake_page_set_empty(bool empty)
{
	is_empty = empty;
	counts = false;
}

void fake_page_set_left(unsigned int count)
{
	is_empty = false;
	counts = true;
	left = count;
}

unsigned int fake_page_live(void)
{
	return live;
}

unsigned int page_order(size_t size)
{
	unsigned int order = 0;

	while ((size_t)PAGE_SIZE << order < size)
		order++;
	return order;
}
