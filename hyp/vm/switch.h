/* SPDX-License-Identifier: BSD-2-Clause */
/* The world switch, for those who know that a thread is a vCPU. For the scheduler: hyp/run/world.h. */
#ifndef HYP_VM_SWITCH_H
#define HYP_VM_SWITCH_H

#include "hyp/vm/vcpu.h"

/* Put the state of `next` into this CPU's hardware, saving that of whoever was there; NULL saves only. */
void vcpu_load(struct vcpu *next);

/*
 * A vCPU that was switched on (START_RESET), or that comes out of a power-down (START_RESUME), resets itself, on its
 * own CPU (DDI 0406C B1.9.1): after this nothing writes to it but itself. It starts where .entry says, with .entry_args
 * in r0-r2. A power-down keeps the interrupt controller and the timers, or nothing could wake it.
 */
void vcpu_start_over(struct vcpu *vcpu, enum vcpu_start how);

#endif
