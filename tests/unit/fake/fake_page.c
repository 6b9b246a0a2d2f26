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
