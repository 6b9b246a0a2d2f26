/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cache maintenance by VA on HYP's own mappings. Every function ends with the DSB that completes it. Set/way operations
 * have no place here: they are not broadcast (DDI 0406C B2.2.6).
 */
#ifndef MM_CACHE_H
#define MM_CACHE_H

#include <stddef.h>

/* Read the line sizes of this CPU's CTR; the smallest of all CPUs is kept. Each CPU as it comes up. */
void cache_init(void);

/* To the point of coherency, `len` bytes from `start`. */
void cache_clean(const void *start, size_t len);
/* Of guests' RAM; pages that are not mapped are left out. */
void cache_clean_invalidate(const void *start, size_t len);

/* All instruction caches in the inner shareable domain to the point of unification, and branch predictors. */
void cache_invalidate_icache(void);

/*
 * Zero `len` bytes, whole pages, and clean them to the point of coherency. 0, or -EIO: some of the memory has aborted,
 * and the rest is zero, but for pages in which a part has.
 */
int cache_scrub(void *start, size_t len);

/* One 2 MiB block. */
int cache_scrub_block(void *block);

#endif
