/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM that a VM has had is zeroed before it is free. */
#ifndef HYP_VM_SCRUB_H
#define HYP_VM_SCRUB_H

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"

#define SCRUB_PART KIB(128) /* zeroed at once, with interrupts masked: 10,000 instructions */

/*
 * Zero a 2 MiB block of RAM that a VM has had and no VM has, and clean it to the point of coherency. Others
 * may have the CPU in between (sched_preempt()). Pages that abort are left out.
 */
void vm_scrub_block(pa_t block);

#endif
