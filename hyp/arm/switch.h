/* SPDX-License-Identifier: BSD-2-Clause */
/* What C cannot say of a switch: from one stack to another, and of a guest's registers (hyp/arm/{switch,context}.S). */
#ifndef HYP_ARM_SWITCH_H
#define HYP_ARM_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu_context;

/* Save the callee-saved registers on this stack and SP at *from, and go on with those of the stack at `to`. */
void thread_switch(uint32_t **from, uint32_t *to);

/* Go on with the stack at `to`, and do not come back: *gone is true once this one is not used any more. */
void thread_leave(uint32_t *to, bool *gone) __attribute__((noreturn));

/* Of a guest's registers (hyp/vm/vcpu.h) all but SCTLR, from the hardware or into it. */
void context_save(struct vcpu_context *context);
void context_restore(const struct vcpu_context *context);

#endif
