/* mm/page.h over the C library, so that ASan sees a byte too many. */
#include <stdlib.h>
#include <string.h>

#include "fake_page.h"
#include "mm/page.h"

static bool is_empty;
static unsigned int live;

void *page_alloc(unsigned int order)
{
	size_t size = (size_t)PAGE_SIZE << order;
	void *page = is_empty ? NULL : aligned_alloc(size, size);

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
}

unsigned int fake_page_live(void)
{
	return live;
}
