/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stack unwinding for backtraces, by the image's exception tables (ARM IHI 0038, EHABI). libgcc's unwinder faults on a
 * damaged stack, which is when it is wanted, and takes four times the room.
 */
#ifndef HYP_DEBUG_UNWIND_H
#define HYP_DEBUG_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

/* Registers r0-r15 of a frame. Where r15 is a return address it points behind the call. */
struct unwind_frame {
	uint32_t r[16];
	bool exact; /* r15 is the place itself, not behind a call */
};

/* Go to the caller's frame. False at the root, or where tables or stack make no sense: *frame is then undefined. */
bool unwind_step(struct unwind_frame *frame);

#endif
