/* SPDX-License-Identifier: BSD-2-Clause */
/* Stage-2 faults: first touch of RAM, MMIO, and accesses to nothing. */
#ifndef HYP_EXIT_ABORT_H
#define HYP_EXIT_ABORT_H

#include "hyp/exit/trap.h"

enum exit_action abort_data(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action abort_prefetch(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);

#endif
