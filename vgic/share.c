/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPIs with several targets. The distributor forwards such an SPI to each of them and every CPU interface decides for
 * itself whether it signals it; the first CPU that reads GICC_IAR has it (IHI 0048B 3.2, 3.1.1). Here one target at a
 * time, the holder, has it in its queue or list register, so it cannot be acknowledged twice: at first the lowest, then
 * whoever claims it (vgic_spi_target()).
 *
 * What a CPU interface signals is in GICV, whose registers are the guest's own. So the holder's CPU looks at them when
 * it gets the SPI, in each vgic_flush(), when the guest disables the group (VGrp0DIE, VGrp1DIE), and every millisecond
 * while no vCPU has taken the SPI. If it would not be signalled, or not taken soon, the other targets are asked, and
 * one that is more ready than the holder claims it. All of this is under the VM's vgic.lock.
 */
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "vgic/internal.h"

static uint32_t vmcr_of(const struct vcpu *vcpu)
{
	return vcpu->vgic.on ? io_read32(gic_gich + GICH_VMCR) : vcpu->vgic.vmcr;
}

/* Would the CPU interface signal it, if nothing more urgent were pending there (IHI 0048B 3.3)? */
static bool interface_signals(const struct vcpu *vcpu, const struct vgic_irq *irq)
{
	uint32_t vmcr = vmcr_of(vcpu), apr = vcpu->vgic.on ? io_read32(gic_gich + GICH_APR) : vcpu->vgic.apr;
	uint32_t priority = irq->priority >> 3, running = apr ? lowest_bit(apr) : 32U;

	return (vmcr >> irq->group1 & 1U) && priority < FIELD(vmcr, 27, 5) &&
	       vgic_apr_bit(vmcr, irq->group1, priority) < running;
}

/* How ready a target is to take it. */
enum readiness { NOT_SIGNALLED, NOT_LOADED, BUSY, READY };

/* Busy: interrupts are masked, or there is something more urgent. */
static enum readiness readiness_of(const struct vcpu *vcpu, const struct vgic_irq *irq)
{
	bool fiq = !irq->group1 && (vmcr_of(vcpu) & GICH_VMCR_FIQEN);

	if (!interface_signals(vcpu, irq))
		return NOT_SIGNALLED;
	if (!vcpu->vgic.on)
		return NOT_LOADED;
	return read_spsr_hyp() & (fiq ? PSR_F : PSR_I) ? BUSY : READY;
}

/* `vcpu` is asked, and is loaded here or nowhere. */
static void answer_asked(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	enum readiness ready;

	if (!irq->asked || irq->owner == vcpu->index || !(irq->targets & BIT(vcpu->index)))
		return;
	ready = readiness_of(vcpu, irq);
	if (ready <= irq->ready || (ready != READY && irq->ready != NOT_SIGNALLED))
		return; /* it stays where a guest that polls may be about to find it */
	irq->ready = (uint8_t)ready;
	irq->asked = ready != READY;
	irq->claimant = (uint8_t)vcpu->index;
	vgic_update(vcpu, id);
}

/* The holder asks all others: those that are loaded elsewhere look themselves. */
static void ask_others(struct vcpu *vcpu, uint32_t id)
{
	struct vm *vm = vcpu->vm;
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t others = irq->targets & vm->vgic.online & ~BIT(vcpu->index);

	for (irq->asked = true; others; others &= others - 1U) {
		struct vcpu *v = vm->vcpu[lowest_bit(others)];

		if (!vgic_where(v)) {
			answer_asked(v, id);
		} else if (!v->vgic.asked) { /* else it is about to look at all of them */
			v->vgic.asked = true;
			vgic_request(v);
		}
	}
}

/* GICH_LR_STATE of an interrupt that the vCPU has; one in its queue is pending, too. */
static uint32_t state_here(const struct vcpu *vcpu, const struct vgic_irq *irq)
{
	if (irq->owner != vcpu->index)
		return 0;
	if (irq->lr != VGIC_NO_LR)
		return vgic_lr_get(vcpu, irq->lr) & GICH_LR_STATE;
	return irq->queued ? GICH_LR_PENDING : 0;
}

/* `late`: the vCPU has had the SPI for a millisecond. */
static void look_at_irq(struct vcpu *vcpu, uint32_t id, bool late)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t state = state_here(vcpu, irq);
	enum readiness ready;

	if (!(state & GICH_LR_PENDING))
		return;
	vcpu->vgic.shares = true; /* behind an active one, too: no interrupt tells of its EOI */
	vcpu->vgic.share_groups |= irq->group1 ? 2U : 1U;
	if (state & GICH_LR_ACTIVE)
		return;
	ready = readiness_of(vcpu, irq);
	if (ready == READY && late && irq->queued)
		ready = BUSY;
	irq->ready = (uint8_t)ready;
	if (late ? ready != READY : ready == NOT_SIGNALLED && !irq->asked)
		ask_others(vcpu, id);
}

/* What others have asked it for. */
static void answer_all(struct vcpu *vcpu)
{
	for (uint32_t w = 1; w < VGIC_WORDS; w++)
		for (uint32_t bits = vcpu->vm->vgic.several[w]; bits; bits &= bits - 1U)
			answer_asked(vcpu, w * 32U + lowest_bit(bits));
}

void vgic_share(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	const uint32_t *several = vcpu->vm->vgic.several;
	bool late = cpu->look_late;

	if (cpu->asked)
		answer_all(vcpu);
	cpu->asked = cpu->look_late = cpu->shares = false;
	cpu->share_groups = 0;
	for (uint32_t used = cpu->lr_used; used; used &= used - 1U) {
		uint32_t id = cpu->lr_irq[lowest_bit(used)];

		if (several[id / 32] >> id % 32 & 1U)
			look_at_irq(vcpu, id, late);
	}
	for (uint32_t levels = cpu->queued_levels; levels; levels &= levels - 1U)
		for (uint32_t w = 1; w < VGIC_WORDS; w++)
			for (uint32_t bits = cpu->queued[lowest_bit(levels)][w] & several[w]; bits; bits &= bits - 1U)
				look_at_irq(vcpu, w * 32U + lowest_bit(bits), late);
	if (cpu->shares)
		vgic_look_later(vcpu->vm);
}

uint32_t vgic_share_hcr(const struct vcpu *vcpu)
{
	uint32_t groups = vcpu->vgic.share_groups & vmcr_of(vcpu);

	return (groups & 1U ? GICH_HCR_VGRP0DIE : 0) | (groups & 2U ? GICH_HCR_VGRP1DIE : 0);
}

/* A VM of which no vCPU is loaded takes no interrupt: it looks again when one is. */
void vgic_look(struct timer *timer)
{
	struct vm *vm = container_of(timer, struct vm, vgic.look);
	bool waits = false, loaded = false;
	struct vcpu *v;

	spin_lock(&vm->vgic.lock);
	vm_for_each_vcpu(v, vm) {
		loaded |= vgic_where(v) != NULL;
		if (!v->vgic.shares || !(vm->vgic.online & BIT(v->index)))
			continue;
		waits = v->vgic.look_late = true;
		if (!vgic_where(v))
			vgic_share(v);
		v->vgic.shares = true; /* until it has looked itself */
		vgic_request(v);
	}
	if (waits && loaded)
		vgic_look_later(vm);
	else
		timer_cancel(timer);
	vgic_unlock(vm);
}
