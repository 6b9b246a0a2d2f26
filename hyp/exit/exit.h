/* SPDX-License-Identifier: BSD-2-Clause */
/* From a guest into HYP and back: what the vectors call. */
#ifndef HYP_EXIT_EXIT_H
#define HYP_EXIT_EXIT_H

#include <stdint.h>

#include "hyp/arm/regs.h"

struct vcpu;

/* A data abort of the guest's. */
void exit_data(struct regs *regs);

/* Any other trap; HVCs come here while the trace is on only. */
void exit_trap(struct regs *regs);

void exit_irq(void);

/* What the vectors have found to be done before the guest goes on. */
void exit_work(struct vcpu *vcpu);

/* First entry of a new vCPU thread. */
void exit_first(void);

/* Where a vCPU's thread begins: exit_first(), and into the guest (hyp/exit/vectors.S). */
void thread_start(void);

#endif
