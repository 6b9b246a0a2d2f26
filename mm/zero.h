/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zeroing of the host's free RAM before a VM touches it (mm/ram.h has the flags), by CPUs that have nothing else to
 * do: the idle loop's last choice before it sleeps.
 */
#ifndef MM_ZERO_H
#define MM_ZERO_H

#include <stdbool.h>

#include "hyp/lib/addr.h"

/* Zero another part of a free block, some 3,000 instructions. False: there is none that needs it. */
bool zero_step(void);

/*
 * Whether a block that is zeroed from now on stays zero without a line in a cache: none of its pages is bad, and no CPU
 * has it in a window. Its owner, or who has claimed it, asks before the first byte is written. zero_is_written():
 * nothing has come of the writes so far but zeroes; behind the DSB of cache_scrub().
 */
bool zero_will_stay(pa_t block);
bool zero_is_written(void);

#endif
