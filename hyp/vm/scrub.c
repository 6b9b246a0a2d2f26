/* SPDX-License-Identifier: BSD-2-Clause */
/* See scrub.h. */
#include "hyp/vm/scrub.h"

#include <stdbool.h>

#include "hyp/run/sched.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/ram.h"
#include "mm/zero.h"

/* What aborts holds nothing for the next owner to see, and is tried again then. */
void vm_scrub_block(pa_t block)
{
	bool zero = zero_will_stay(block);

	sched_preempt();
	for (uint32_t from = 0; from < BLOCK_SIZE; from += SCRUB_PART) {
		zero &= !cache_scrub(hyp_window_open(block) + from, SCRUB_PART) && zero_is_written();
		hyp_window_close();
		sched_preempt();
	}
	if (zero)
		ram_set_zero(block);
}
