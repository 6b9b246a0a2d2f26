/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's architected timers (DDI 0406C B8.1). The virtual timer is the hardware's, with CNTVOFF so that a VM's
 * time starts at 0, or without where that is dangerous (vtimer_choose_offset()); the physical timer and counter are
 * emulated on the same time.
 */
#ifndef VTIMER_VTIMER_H
#define VTIMER_VTIMER_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/vm/vm.h"

/* Each CPU: take the virtual timer's interrupt `irq` (PPI ID) and trap the physical timer. */
void vtimer_init_cpu(uint32_t irq);

/* The virtual timer's output now, for the loaded vCPU: vgic_map_hw()'s. */
bool vtimer_virt_line(void);

/*
 * When a VM's time may be another than the host's: OPTION_OFFSET_..., 0: as is best on hardware or on an emulator.
 * Boot CPU, before there is a VM. QEMU 7.2 adds CNTVOFF to CNTV_CVAL without a look at the carry: behind an offset, a
 * guest's far deadline is then one that has always passed and never fires, and QEMU never gets out of its timers.
 */
void vtimer_choose_offset(uint32_t option, bool emulated);

/* The VM is about to start: its time begins. */
void vtimer_begin(struct vm *vm);

/* The VM goes on after a pause that began at `since` (CNTPCT); its vCPUs are about to be loaded. */
void vtimer_end_pause(struct vm *vm, uint64_t since);

/*
 * Where the GIC forgets levels (hyp/host/gic.h) virt7 looks at the timer's now and then, by an interrupt that would end
 * a guest's WFI: so WFI traps until it has looked for the last time. The current vCPU, which has no work and nothing
 * pending, waits for that here, as it would in the guest. False: it has not, because the CPU is not its alone, or its
 * sleep is watched.
 */
bool vtimer_doze(struct vcpu *vcpu);

/* A new vCPU's. */
void vtimer_init_vcpu(struct vcpu *vcpu);

/* As at power-on, for the current vCPU. */
void vtimer_reset_cpu(struct vcpu *vcpu);

/* Arm the timer that wakes a vCPU which is not loaded, whose virtual one is enabled. */
void vtimer_stand_in(struct vcpu *vcpu);

/* The vCPU that is loaded now had the virtual timer's interrupt, on another CPU or here, and has not ended it yet. */
void vtimer_fired_before(void);

/*
 * World switch, behind vgic_save() and vgic_load(). A saved vCPU's timers go on, by virt7's own, and wake it; but not
 * by an interrupt that it has already, or it would never sleep with that one disabled.
 */
static inline void vtimer_save(struct vcpu *vcpu)
{
	struct vtimer_cpu *t = &vcpu->vtimer;
	uint32_t ctl = read_cntv_ctl() & (CNT_ENABLE | CNT_IMASK);

	t->cntkctl = read_cntkctl();
	t->cntv_ctl = ctl;
	t->cntv_cval = read_cntv_cval();
	write_cntv_ctl(0);
	if (ctl == CNT_ENABLE && !vcpu->vgic.hw_waits)
		vtimer_stand_in(vcpu);
}

static inline void vtimer_load(struct vcpu *vcpu)
{
	struct vtimer_cpu *t = &vcpu->vtimer;

	timer_cancel(&t->virt);
	write_cntvoff(vcpu->vm->cntvoff);
	write_cntkctl(t->cntkctl);
	write_cntv_cval(t->cntv_cval);
	isb();
	write_cntv_ctl(t->cntv_ctl);
	if (unlikely(vcpu->vgic.hw_active))
		vtimer_fired_before();
}

/* Its deadlines leave this CPU. The vCPU is ready to run elsewhere, where it looks at its timers first (WORK_TIMER). */
void vtimer_unload(struct vcpu *vcpu);

/* WORK_TIMER: sample the physical timer's line. */
void vtimer_sample(struct vcpu *vcpu);

/* The emulated registers, for the coprocessor traps; the vCPU is the current one. CVAL and CNTPCT in the VM's time. */
uint64_t vtimer_count(const struct vcpu *vcpu);
uint32_t vtimer_phys_ctl(struct vcpu *vcpu);
void vtimer_set_phys_ctl(struct vcpu *vcpu, uint32_t ctl);
void vtimer_set_phys_cval(struct vcpu *vcpu, uint64_t cval);

/* The vCPU's thread has ended: no callback of its timers is under way or comes. */
void vtimer_end_vcpu(struct vcpu *vcpu);

#endif
