/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block that is zeroed early is given to a guest later as it is, and that guest may look past the caches, because its
 * own are off (DDI 0406C A3.5.7). So the zeroes have to be in the memory itself, and no line of the block in a cache: a
 * clean one would be hit when the guest turns its caches on, and hide what it has written. cache_scrub() cleans and
 * invalidates each line behind its store, to the point of coherency, as it does for a block that is touched at once.
 * From then on a line could only come back by a mapping that is cacheable and valid (B2.2.2): there is none. The VM's
 * stage 2 is gone, or has never been; HYP's own are windows, which are closed, with the TLBs (B3.10.1). One that
 * another CPU has left open since the block was its last owner's (hyp_window_show()) goes with that CPU's next use:
 * until then the block gets no flag.
 */
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/option.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/ram.h"
#include "mm/zero.h"

#define ZERO_PART KIB(32)

bool zero_will_stay(pa_t block)
{
	uint32_t next = 0;

	return !(block.v & HYP_WINDOW_TABLE) && !badpage_next(block, BLOCK_SIZE, &next) && !hyp_window_shows(block);
}

/* A write that has failed on its way is reported later, as an asynchronous abort, and where it went is not known. */
bool zero_is_written(void)
{
	return !(read_isr() & ISR_A);
}

static bool zero_part(pa_t block, uint32_t from)
{
	int ret;

	if (from == 0 && !zero_will_stay(block))
		return false;
	ret = cache_scrub(hyp_window_open(block) + from, ZERO_PART);
	hyp_window_close();
	return !ret && zero_is_written();
}

bool zero_step(void)
{
	uint32_t cpu = cpu_id(), done;
	pa_t block;

	if (!options.zero_idle || !ram_claim_part(cpu, &block, &done))
		return false;
	if (block.v != RAM_NO_BLOCK)
		ram_end_part(cpu, zero_part(block, done) ? done + ZERO_PART : 0);
	return true;
}
