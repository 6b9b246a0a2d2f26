/* SPDX-License-Identifier: BSD-2-Clause */
/* Cache maintenance by VA (DDI 0406C B2.2.6, B4.2.1). Compiled for speed. */
#include <stdint.h>

#include <arm/barrier.h>
#include <arm/sysreg.h>
#include <arm/copy.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "mm/cache.h"

static uint32_t line = 64; /* bytes, the smallest data cache line of all CPUs */

void cache_init(void)
{
	uint32_t mine = 4U << FIELD(read_ctr(), 16, 4); /* CTR.DminLine, log2 of words */

	if (mine < line)
		line = mine;
}

void cache_clean(const void *start, size_t len)
{
	uint32_t end = (uint32_t)(uintptr_t)start + (uint32_t)len;

	for (uint32_t va = (uint32_t)(uintptr_t)start & ~(line - 1U); va < end; va += line)
		write_dccmvac(va);
	dsb();
}

void cache_clean_invalidate(const void *start, size_t len)
{
	const uint8_t *first = (const uint8_t *)((uintptr_t)start & ~(uintptr_t)(line - 1U));

	clean_invalidate_checked(first, (const uint8_t *)start + len, line);
	dsb();
}

void cache_invalidate_icache(void)
{
	write_icialluis(0); /* also the branch predictors', B4.2.1 */
	dsb_ish();
	isb();
}

/* What does not answer is left out, page by page. */
static void scrub_pages(uint8_t *start, const uint8_t *end)
{
	for (uint8_t *page = start; page < end; page += PAGE_SIZE)
		(void)zero_lines_checked(page, page + PAGE_SIZE);
}

/* The zeroes go out line by line behind the stores, while they are in the cache: half the traffic of two passes. */
int cache_scrub(void *start, size_t len)
{
	uint8_t *end = (uint8_t *)start + len;
	int ret = zero_lines_checked(start, end);

	if (ret)
		scrub_pages(start, end);
	if (line < 64) /* another CPU's lines: those between have not been pushed out */
		cache_clean_invalidate(start, len);
	dsb();
	return ret;
}

int cache_scrub_block(void *block)
{
	return cache_scrub(block, BLOCK_SIZE);
}
