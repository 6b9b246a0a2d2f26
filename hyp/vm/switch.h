/* SPDX-License-Identifier: BSD-2-Clause */
/* The world switch, for those who know that a thread is a vCPU. For the scheduler: hyp/run/world.h. */
#ifndef HYP_VM_SWITCH_H
#define HYP_VM_SWITCH_H

#include <stdint.h>

struct vcpu;

/* Put the state of `next` into this CPU's hardware, saving that of whoever was there; NULL saves only. */
void vcpu_load(struct vcpu *next);

/*
 * Make the guest's registers those of an architectural reset (DDI 0406C B1.9.1), entered at `pc` (bit 0: Thumb) with
 * r0-r2. The vCPU is not running, and the caller is its thread.
 */
void vcpu_reset_context(struct vcpu *vcpu, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2);

#endif
