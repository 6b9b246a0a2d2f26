/* SPDX-License-Identifier: BSD-2-Clause */
/* What a trap handler is, whichever part of virt7 it belongs to. */
#ifndef HYP_EXIT_TRAP_H
#define HYP_EXIT_TRAP_H

#include <stdint.h>

#include "hyp/arm/regs.h"

struct vcpu;

/* What a handler wants done with the trapped instruction. */
enum exit_action {
	EXIT_NEXT,  /* it is emulated: go on behind it */
	EXIT_AGAIN, /* go on at ELR_hyp as it stands: an exception was injected, or the instruction shall run again */
};

typedef enum exit_action (*exit_fn)(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);

#endif
