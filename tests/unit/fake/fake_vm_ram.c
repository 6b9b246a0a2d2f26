/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What hyp/vm/vm.c is made of, where nothing is mapped, no page is bad, and the host has no RAM left: for tests of what
 * else is done with a VM's RAM, each of which has doubles of its own for what it looks at.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/vm/guestmem.h"
#include "hyp/vm/leaveout.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"

#define WEAK __attribute__((weak))

WEAK void guest_views_forget(void)
{
}

WEAK void badpage_give_back(pa_t base, uint64_t size)
{
}

WEAK struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next)
{
	return NULL;
}

WEAK int badpage_replace(struct bad_page *bad)
{
	return -ENOMEM;
}

WEAK void s2_forget(struct s2 *s2)
{
}

WEAK bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	return false;
}

WEAK bool s2_show(const struct s2 *s2, ipa_t at, pa_t *show)
{
	return false;
}

WEAK bool s2_is_hole(const struct s2 *s2, ipa_t at, bool *async)
{
	return false;
}

WEAK int s2_map_block(struct s2 *s2, ipa_t at, pa_t to)
{
	return 0;
}

WEAK int s2_prepare(struct s2 *s2, ipa_t at, pa_t to, pa_t *show)
{
	return 0;
}

WEAK int s2_reserve(struct s2 *s2, ipa_t at, uint64_t size)
{
	return -ENOMEM;
}

WEAK int leaveout_silent(struct vm *of, ipa_t block, pa_t to)
{
	return 0;
}

WEAK uint8_t *hyp_window_open_at(enum hyp_window window, pa_t address)
{
	return NULL;
}

WEAK void hyp_window_close_at(enum hyp_window window)
{
}

WEAK int cache_scrub(void *start, size_t len)
{
	return 0;
}

WEAK int cache_scrub_block(void *block)
{
	return 0;
}

WEAK bool ram_begin_use(pa_t block)
{
	return false;
}

WEAK uint64_t ram_take_unused(uint64_t size, pa_t *base)
{
	return 0;
}

WEAK bool ram_take_in(uint64_t size, uint64_t align, uint64_t from, uint64_t to, pa_t *base)
{
	return false;
}

WEAK uint64_t ram_available(void)
{
	return 0;
}

WEAK size_t page_available(void)
{
	return 0;
}
