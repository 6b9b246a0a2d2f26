/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PSCI's functions that switch vCPUs on and off or let them sleep (DEN 0022 5), and WFI. A call has its caller, which
 * is the current vCPU, its r1-r3, and returns what it finds in r0; what stops the caller does so at the checkpoint
 * (hyp/vm/vmctl.h).
 */
#ifndef PSCI_VCPU_H
#define PSCI_VCPU_H

#include <stdint.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/run/sched.h"
#include "hyp/vm/vcpu.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

/* WFI (DDI 0406C B1.8.14), and PSCI's standby. Work is served on the way back, and a return without cause is allowed;
 * an abort wakes, too. */
static inline void psci_standby(struct vcpu *vcpu)
{
	if (!vcpu->thread.work && !(read_hcr() & HCR_VA) && !vgic_has_pending(vcpu) && !vtimer_doze(vcpu))
		sched_block();
}

uint32_t psci_cpu_on(struct vcpu *caller, uint32_t target, uint32_t entry, uint32_t context);
uint32_t psci_cpu_off(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c);
/* Standby, or a power-down behind which the vCPU starts anew; interrupt state and timers live on. */
uint32_t psci_cpu_suspend(struct vcpu *vcpu, uint32_t power_state, uint32_t entry, uint32_t context);
/* A power-down of the last vCPU that is on; PSCI_DENIED while another one is. */
uint32_t psci_system_suspend(struct vcpu *vcpu, uint32_t entry, uint32_t context, uint32_t c);
uint32_t psci_affinity_info(struct vcpu *caller, uint32_t target, uint32_t level, uint32_t c);

#endif
