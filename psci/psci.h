/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's PSCI and SMCCC, over HVC and SMC alike. */
#ifndef PSCI_PSCI_H
#define PSCI_PSCI_H

#include "hyp/exit/trap.h"

/*
 * HVC and trapped SMC of the current vCPU: function id in r0, result there, r1-r3 as they were. Calls that stop the
 * vCPU do so at the checkpoint. An HVC comes here while the trace is on; else the vectors do the same
 * (hyp/exit/vectors.S).
 */
enum exit_action psci_hvc(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);
enum exit_action psci_smc(struct vcpu *vcpu, struct regs *regs, uint32_t hsr);

#endif
