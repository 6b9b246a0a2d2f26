/* SPDX-License-Identifier: BSD-2-Clause */
/* See leaveout.h. */
#include <errno.h>

#include <arm/copy.h>

#include "hyp/lib/log.h"
#include "hyp/vm/leaveout.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"

static struct log_budget budget; /* they may come by hundreds */

/* The pages of the block that do not answer, and are not known to; more than LEAVEOUT_MAX: there are too many. */
static uint32_t find_silent(pa_t block, pa_t page[LEAVEOUT_MAX])
{
	uint8_t *at = hyp_window_open(block);
	uint32_t count = 0;

	for (uint32_t i = 0; i < BLOCK_SIZE && count <= LEAVEOUT_MAX; i += PAGE_SIZE)
		if (zero_lines_checked(at + i, at + i + PAGE_SIZE) && !badpage_is(pa_add(block, i)) &&
		    count++ < LEAVEOUT_MAX)
			page[count - 1U] = pa_add(block, i);
	hyp_window_close();
	return count;
}

static void leave_out(struct vm *vm, ipa_t at, pa_t page)
{
	struct bad_page *bad = badpage_add(page, false, vm->config.name);
	bool stands_in;

	if (!bad)
		return;
	bad->guest = true;
	bad->ipa = at.v;
	stands_in = !vm_is_direct(vm) && badpage_replace(bad) == 0;
	if (log_ratelimit(&budget))
		log_err("vm %s: the host's RAM at 0x%llx, the guest's at 0x%llx, is bad: %s", vm->config.name,
			(unsigned long long)page.v, (unsigned long long)at.v,
			stands_in ? BADPAGE_STANDS_IN : BADPAGE_TAKEN);
}

int leaveout_silent(struct vm *vm, ipa_t block, pa_t to)
{
	pa_t page[LEAVEOUT_MAX];
	uint32_t count = find_silent(to, page);

	if (count == 0 || count > LEAVEOUT_MAX)
		return -EIO;
	for (uint32_t i = 0; i < count; i++)
		leave_out(vm, ipa_add(block, page[i].v - to.v), page[i]);
	return 0;
}
