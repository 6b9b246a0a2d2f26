/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On the way into the guest: what waits goes into list registers, the most urgent first, and what has been ended there
 * makes room. And what waits for one that sleeps. Compiled for speed.
 */
#include "vgic/internal.h"

/* The queued interrupt to deliver next: highest priority, then lowest ID (IHI 0048B 3.3). */
static uint32_t best_queued(struct vcpu *vcpu)
{
	const struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t level = lowest_bit(cpu->queued_levels), w = lowest_bit(cpu->queued_words[level]);

	return w * 32U + lowest_bit(cpu->queued[level][w]);
}

/* Pending behind its own active: virt7 would not hear when it comes up; so let it queue again at the EOI. */
static void split_pending_active(struct vcpu *vcpu, uint32_t lr)
{
	uint32_t value = vgic_lr_read(lr);

	vgic_lr_unpend(vcpu, lr, value);
	value &= ~GICH_LR_PENDING;
	vgic_lr_write(lr, value);
	vgic_ask_eoi(vcpu, lr, value);
}

/*
 * All list registers are taken. Something pending that is less urgent than this priority (five bits) goes out again. Or
 * all are taken by what the guest is busy with: then the outermost of these goes on without a list register, so that
 * something more urgent can preempt, and vgic_count_eois() hears of its end. False: what they hold is at least as
 * urgent, and is there to be taken. Come back when the guest has taken the last of it.
 */
static bool __attribute__((noinline)) evict_for(struct vcpu *vcpu, uint32_t priority)
{
	uint32_t worst = VGIC_LR_MAX, worst_priority = priority, outermost = 0, outermost_priority = 0, again = 0;
	bool any_pending = false;

	for (uint32_t used = vcpu->vgic.lr_used; used; used &= used - 1U) {
		uint32_t lr = lowest_bit(used), value = vgic_lr_read(lr), its_priority = FIELD(value, 23, 5);

		if ((value & GICH_LR_STATE) == GICH_LR_PENDING) {
			any_pending = true;
			if (its_priority > worst_priority) {
				worst = lr;
				worst_priority = its_priority;
			}
			continue;
		}
		if ((value & GICH_LR_STATE) == GICH_LR_STATE)
			again |= BIT(lr);
		if (its_priority >= outermost_priority) {
			outermost = lr;
			outermost_priority = its_priority;
		}
	}
	if (worst != VGIC_LR_MAX)
		vgic_withdraw(vcpu, worst, vgic_lr_read(worst));
	else if (!any_pending)
		vgic_give_back(vcpu, outermost);
	else
		for (; again; again &= again - 1U)
			split_pending_active(vcpu, lowest_bit(again));
	return worst != VGIC_LR_MAX || !any_pending;
}

/* In vgic_flush(), so that nothing goes into a list register meanwhile. */
static void reclaim_lrs(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t empty, plain;

	if (!cpu->lr_used)
		return;
	empty = io_read32(gic_gich + GICH_ELRSR0) & cpu->lr_used;
	plain = empty & ~(cpu->lr_eoi | cpu->lr_lent | cpu->resample);
	cpu->lr_used &= ~plain;
	for (uint32_t lrs = plain; lrs; lrs &= lrs - 1U) {
		uint32_t id = cpu->lr_irq[lowest_bit(lrs)];

		vgic_leave_lr(vcpu, vgic_irq(vcpu, id), id);
	}
	if (cpu->lr_eoi)
		empty |= io_read32(gic_gich + GICH_EISR0) & cpu->lr_used;
	for (empty &= cpu->lr_used; empty; empty &= empty - 1U)
		vgic_retire(vcpu, lowest_bit(empty));
}

void vgic_flush(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t hcr = VGIC_HCR, best = 0; /* list registers that have got what was the most urgent */

	spin_lock(&vcpu->vm->vgic.lock);
	cpu->flushing = true;
	if (unlikely(vgic_eoi_count(vcpu) || cpu->orphans))
		vgic_count_eois(vcpu);
	reclaim_lrs(vcpu);
	if (cpu->resample)
		vgic_resample(vcpu);
	if (unlikely(vcpu->vm->vgic.shared || cpu->shares || cpu->asked)) /* the last such SPI may just be gone */
		vgic_share(vcpu);
	while (cpu->queued_levels) {
		uint32_t id = best_queued(vcpu), lr;
		struct vgic_irq *irq = vgic_irq(vcpu, id);

		if (irq->hw && vgic_drop_fallen(vcpu, id))
			continue;
		if (!(vgic_lr_mask & ~cpu->lr_used) && (best == vgic_lr_mask || !evict_for(vcpu, irq->priority >> 3))) {
			hcr |= GICH_HCR_NPIE;
			cpu->queue_floor = irq->priority;
			break;
		}
		vgic_unqueue(vcpu->vm, irq, id);
		lr = lowest_bit(vgic_lr_mask & ~cpu->lr_used);
		best |= BIT(lr);
		vgic_lr_put(vcpu, irq, id, lr);
	}
	if (unlikely(cpu->shares))
		hcr |= vgic_share_hcr(vcpu);
	if (cpu->hcr != hcr) {
		cpu->hcr = hcr;
		io_write32(gic_gich + GICH_HCR, hcr);
	}
	cpu->flushing = false;
	vgic_unlock(vcpu->vm);
}

/* List registers that are not empty, ask for a look at their EOI, or whose interrupt has changed since. */
static inline uint32_t occupied_lrs(const struct vgic_cpu *cpu)
{
	return cpu->lr_used ? cpu->lr_used & (~io_read32(gic_gich + GICH_ELRSR0) | cpu->resample) : 0;
}

/* Not only what is pending already: also what vgic_flush() will make so, after an EOI or since an interrupt came. */
static inline bool any_pending(struct vcpu *vcpu)
{
	if (vcpu->vgic.queued_levels || io_read32(gic_gich + GICH_HCR) >> GICH_HCR_EOI_COUNT_SHIFT)
		return true;
	for (uint32_t lrs = occupied_lrs(&vcpu->vgic); lrs; lrs &= lrs - 1U) {
		uint32_t lr = lowest_bit(lrs), state = vgic_lr_read(lr) & GICH_LR_STATE;
		const struct vgic_irq *irq = vgic_irq(vcpu, vcpu->vgic.lr_irq[lr]);

		if (state & GICH_LR_PENDING ||
		    (state == 0 && vgic_is_forwarded(vcpu->vm, irq) && (vgic_irq_pending(irq) || irq->taken)))
			return true;
	}
	return false;
}

/* A timer that the guest has stopped since it fired keeps no vCPU awake. */
bool vgic_has_pending(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;

	if (unlikely(vgic_has_mail(cpu))) {
		spin_lock(&vcpu->vm->vgic.lock);
		vgic_open_mail(vcpu);
		vgic_unlock(vcpu->vm);
	}
	if (!any_pending(vcpu))
		return false;
	if (cpu->hw_irq->hw())
		return true;
	spin_lock(&vcpu->vm->vgic.lock);
	vgic_look_at_line(vcpu, vgic_hw_id(cpu));
	vgic_unlock(vcpu->vm);
	return any_pending(vcpu);
}
