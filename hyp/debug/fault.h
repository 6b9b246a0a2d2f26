/* SPDX-License-Identifier: BSD-2-Clause */
/* HYP's own exceptions: those that a table foresees go on elsewhere, the rest is a bug of virt7's. */
#ifndef HYP_DEBUG_FAULT_H
#define HYP_DEBUG_FAULT_H

#include <stdint.h>

#include "hyp/debug/panic.h"

/* What a row survives, by the numbers that <arm/copy.h> and hyp/arm/copy.S have too. */
enum fault_kind {
	FAULT_MEMORY,       /* memory that aborts, which its user sees to; */
	FAULT_MEMORY_FOUND, /* or of which memerr_found() is told (hyp/vm/memfound.h): its pointers are r0 and r1 */
	FAULT_UNDEFINED,    /* an instruction that this CPU may not have */
	FAULT_MEMORY_AT_R1, /* as FAULT_MEMORY_FOUND, and r0 is no pointer, but perhaps a guest's number */
};

/* A row of .extable (<arm/copy.h>, hyp/arm/copy.S): a fault at or after `from` and before `to` goes on at `fixup`. HYP
 * addresses. */
struct fault_range {
	uint32_t from, to, fixup, kind;
};

/*
 * Called by hyp/exit/vectors.S on the CPU's panic stack, interrupts masked. Returns where the table has a row for
 * what has happened at frame->pc, with frame->pc changed to its fixup; otherwise it panics.
 */
void fault_handle(struct panic_frame *frame);

#endif
