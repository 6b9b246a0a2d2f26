/* The guest's PSCI and SMCCC, over HVC and SMC alike. */
#ifndef PSCI_PSCI_H
#define PSCI_PSCI_H

#include "hyp/regs.h"

struct vcpu;

/* Serve one call of the current vCPU: function id in r0, result there. Calls that stop the vCPU do so at the
 * checkpoint. */
void psci_call(struct vcpu *vcpu, struct regs *regs);

#endif
