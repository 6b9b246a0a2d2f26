/*
 * The guest's architected timers (DDI 0406C B8.1). The virtual timer is the hardware's, with CNTVOFF so that a VM's
 * time starts at 0; the physical timer and counter are emulated on the same time.
 */
#ifndef VTIMER_VTIMER_H
#define VTIMER_VTIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/vm.h"

/* Each CPU: take the virtual timer's interrupt `irq` (PPI ID) and trap the physical timer. */
void vtimer_init_cpu(uint32_t irq);

/* The virtual timer's output now, for the loaded vCPU: vgic_map_hw()'s. */
bool vtimer_virt_line(void);

/* A new vCPU's. */
void vtimer_init_vcpu(struct vcpu *vcpu);

/* As at power-on, for the current vCPU. */
void vtimer_reset_cpu(struct vcpu *vcpu);

/* World switch. A saved vCPU's timers go on, by virt7's own, and wake it. */
void vtimer_save(struct vcpu *vcpu);
void vtimer_load(struct vcpu *vcpu);

/* Its deadlines leave this CPU. The vCPU is ready to run elsewhere, where it looks at its timers first (WORK_TIMER). */
void vtimer_unload(struct vcpu *vcpu);

/* WORK_TIMER: sample the physical timer's line. */
void vtimer_sample(struct vcpu *vcpu);

/* The emulated registers, for the coprocessor traps; the vCPU is the current one. CVAL and CNTPCT in the VM's time. */
uint64_t vtimer_count(const struct vcpu *vcpu);
uint32_t vtimer_phys_ctl(struct vcpu *vcpu);
void vtimer_set_phys_ctl(struct vcpu *vcpu, uint32_t ctl);
void vtimer_set_phys_cval(struct vcpu *vcpu, uint64_t cval);

#endif
