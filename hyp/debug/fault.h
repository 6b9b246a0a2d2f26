/* HYP's own exceptions: those that a table foresees go on elsewhere, the rest is a bug of virt7's. */
#ifndef HYP_DEBUG_FAULT_H
#define HYP_DEBUG_FAULT_H

#include <stdint.h>

#include "hyp/debug/panic.h"

/* A row of .extable (hyp/arm/copy.S): an abort at or after `from` and before `to` goes on at `fixup`. HYP addresses. */
struct fault_range {
	uint32_t from, to, fixup;
};

/*
 * Called by hyp/arm/vectors.S on the CPU's panic stack, interrupts masked. Returns where the table has a row for a
 * synchronous external abort at frame->pc, with frame->pc changed to its fixup; otherwise it panics.
 */
void fault_handle(struct panic_frame *frame);

#endif
