/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pending and active state as the guest sees it, wherever it is. What sits in a list register of another vCPU is
 * written down first: that vCPU's CPU is interrupted, copies its list registers, and goes on. Before a write it also
 * takes the interrupt out of them, which stays out (`held`) until the access is done. A vCPU that is loaded nowhere has
 * its list registers in memory, under the lock like the rest. Who waits answers others meanwhile, so that two may do it
 * to each other.
 */
#include <arm/barrier.h>

#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "vgic/internal.h"

static bool in_lr_of(const struct vcpu *vcpu, const struct vgic_irq *irq)
{
	return irq->lr != VGIC_NO_LR && irq->owner == vcpu->index;
}

/* Active without a list register, and no longer so. */
static void deactivate_irq(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (irq->hw && !irq->line && vcpu->vgic.on)
		gic_set_active(id, false);
	irq->active = irq->acked = false;
	witness(irq, __func__);
	if (irq->taken)
		vgic_twin_settle(irq);
	vgic_update(vcpu, id);
}

/*
 * The guest has written to EOIR, its running priority has dropped, and no list register held the interrupt. The bit
 * that is gone from GICH_APR tells which it was. An `acked` one of that bit comes first: its EOI can only have been
 * counted, while an orphan's bit also goes by one that was not, if the guest had made its interrupt active anew. Where
 * none fits, the guest made one active itself and restored GICC_APR (as after a power-down): the most urgent such one,
 * because handlers end in the reverse order of their beginning.
 */
static void end_one(struct vcpu *vcpu, uint32_t gone)
{
	uint32_t best = VGIC_IRQS, best_priority = 0x100;

	for (uint32_t id = 0; id < VGIC_IRQS; id++) {
		const struct vgic_irq *irq = vgic_irq(vcpu, id);

		if (irq->acked && irq->owner == vcpu->index && (gone >> irq->apr_bit & 1U)) {
			deactivate_irq(vcpu, id);
			return;
		}
		if (irq->active && !irq->acked && irq->priority < best_priority &&
		    (id < VGIC_PRIVATE || vgic_spi_target(vcpu->vm, irq) == vcpu)) {
			best = id;
			best_priority = irq->priority;
		}
	}
	if (vcpu->vgic.orphans & gone)
		vcpu->vgic.orphans &= ~BIT(lowest_bit(vcpu->vgic.orphans & gone));
	else if (best < VGIC_IRQS)
		deactivate_irq(vcpu, best);
}

/*
 * The bits of GICH_APR that interrupts in no list register account for. The guest may have taken another of the same
 * priority since it ended one that is counted: the bit is that one's now.
 */
static uint32_t unlisted_apr(struct vcpu *vcpu)
{
	const struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t apr = cpu->on ? io_read32(gic_gich + GICH_APR) : cpu->apr;

	for (uint32_t used = cpu->lr_used; used; used &= used - 1U) {
		uint32_t lr = lowest_bit(used), value = vgic_lr_get(vcpu, lr);
		const struct vgic_irq *irq = vgic_irq(vcpu, cpu->lr_irq[lr]);
		uint8_t bit;

		if (value & GICH_LR_ACTIVE && vgic_is_taken(vcpu, irq, value, &bit))
			apr &= ~BIT(bit);
	}
	return apr;
}

void vgic_count_eois(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t count = vgic_eoi_count(vcpu), apr;

	if (likely(count == 0 && !cpu->orphans))
		return;
	apr = unlisted_apr(vcpu);
	cpu->hcr &= BIT(GICH_HCR_EOI_COUNT_SHIFT) - 1U;
	if (cpu->on)
		io_write32(gic_gich + GICH_HCR, cpu->hcr);
	while (count-- > 0)
		end_one(vcpu, ~apr);
	cpu->orphans &= apr; /* a guest that starts its CPU interface over sends no EOI */
}

void vgic_serve_recall(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;

	vgic_count_eois(vcpu);
	for (uint32_t used = cpu->lr_used; used; used &= used - 1U) {
		uint32_t lr = lowest_bit(used);

		cpu->lr[lr] = vgic_lr_get(vcpu, lr);
		if (vgic_irq(vcpu, cpu->lr_irq[lr])->held)
			vgic_give_back(vcpu, lr);
	}
	for (; cpu->recall; cpu->recall &= (uint8_t)(cpu->recall - 1U)) {
		const struct percpu *asker = vgic_where(vcpu->vm->vcpu[lowest_bit(cpu->recall)]);

		if (asker && asker != this_cpu())
			gic_send_sgi(asker->head.id, GIC_SGI_KICK); /* out of its WFI */
	}
}

/* GIC_SGI_RECALL. If the one that is meant has left this CPU meanwhile, it has been, or will be, served elsewhere. */
static bool recall_irq(uint32_t id, void *arg)
{
	struct vcpu *vcpu = this_cpu()->loaded;

	if (vcpu) {
		spin_lock(&vcpu->vm->vgic.lock);
		if (vcpu->vgic.recall)
			vgic_serve_recall(vcpu);
		vgic_unlock(vcpu->vm);
	}
	return true;
}

void vgic_init_cpu(void)
{
	irq_register(GIC_SGI_RECALL, recall_irq, NULL);
}

static void ask_vcpu(const struct vcpu *asker, struct vcpu *v)
{
	const struct percpu *on;

	v->vgic.recall |= (uint8_t)BIT(asker->index);
	dmb_ish(); /* vgic_save() looks at it after it has said that the vCPU is nowhere */
	on = vgic_where(v);
	if (on)
		gic_send_sgi(on->head.id, GIC_SGI_RECALL);
	else
		vgic_serve_recall(v);
}

static bool has_answered(const struct vcpu *asker, uint32_t asked)
{
	for (; asked; asked &= asked - 1U)
		if (asker->vm->vcpu[lowest_bit(asked)]->vgic.recall & BIT(asker->index))
			return false;
	return true;
}

/*
 * Wait until all of `asked` have answered. HYP runs with interrupts masked; here they are taken meanwhile, which is
 * also how another CPU's recall is answered, and a time slice ends here as it would in the guest.
 */
static void await_answers(struct vcpu *vcpu, uint32_t asked)
{
	struct spinlock *lock = &vcpu->vm->vgic.lock;

	while (!has_answered(vcpu, asked)) {
		spin_unlock(lock);
		if (!irq_handle_one())
			wfi(); /* the answer comes with an SGI, which is pending now or wakes it */
		if (vcpu->thread.work & WORK_RESCHED)
			sched_give_way();
		spin_lock(lock);
	}
}

/* The vCPUs but `vcpu` that have one of these SPIs in a list register, or may have ended it unheard. */
static uint32_t owners_of(struct vcpu *vcpu, uint32_t first, uint32_t mask)
{
	uint32_t owners = 0;

	for (; mask; mask &= mask - 1U) {
		const struct vgic_irq *irq = vgic_irq(vcpu, first + lowest_bit(mask));

		if (irq->lr != VGIC_NO_LR || irq->acked)
			owners |= BIT(irq->owner);
	}
	return owners & ~BIT(vcpu->index);
}

/*
 * Each of `mask` stays out of the others' list registers, also one that only waits to go into one: the lock is let go
 * of later. What `vcpu` itself has in a list register stays there.
 */
static void hold_irqs(struct vcpu *vcpu, uint32_t first, uint32_t mask)
{
	for (; mask; mask &= mask - 1U) {
		uint32_t id = first + lowest_bit(mask);
		struct vgic_irq *irq = vgic_irq(vcpu, id);

		irq->held |= (uint8_t)BIT(vcpu->index);
		if (irq->lr == VGIC_NO_LR)
			vgic_update(vcpu, id);
	}
}

uint32_t vgic_collect(struct vcpu *vcpu, uint32_t first, uint32_t mask, bool write)
{
	uint32_t owners;

	vgic_count_eois(vcpu);
	vgic_resample(vcpu);
	if (first < VGIC_PRIVATE) {
		vgic_open_mail(vcpu);
		return 0;
	}
	owners = owners_of(vcpu, first, mask & *vgic_busy(vcpu, first / 32));
	if (!owners)
		return 0;
	if (write)
		hold_irqs(vcpu, first, mask);
	for (uint32_t rest = owners; rest; rest &= rest - 1U)
		ask_vcpu(vcpu, vcpu->vm->vcpu[lowest_bit(rest)]);
	await_answers(vcpu, owners);
	return write ? mask : 0;
}

void vgic_release(struct vcpu *vcpu, uint32_t first, uint32_t held)
{
	for (; held; held &= held - 1U) {
		uint32_t id = first + lowest_bit(held);

		vgic_irq(vcpu, id)->held &= (uint8_t)~BIT(vcpu->index);
		vgic_update(vcpu, id);
	}
}

/* GICH_LR_STATE bits of an interrupt in a list register; of another vCPU's as collected, or put there since. */
static uint32_t lr_state(const struct vcpu *vcpu, const struct vgic_irq *irq)
{
	if (irq->lr == VGIC_NO_LR)
		return 0;
	if (irq->owner == vcpu->index)
		return vgic_lr_read(irq->lr) & GICH_LR_STATE;
	return vcpu->vm->vcpu[irq->owner]->vgic.lr[irq->lr] & GICH_LR_STATE;
}

void vgic_look_at_line(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t state;

	if (!irq->hw || irq->hw())
		return;
	state = lr_state(vcpu, irq);
	if (state & GICH_LR_ACTIVE)
		irq->line = false;
	else if (state == GICH_LR_PENDING && !irq->soft)
		vgic_withdraw(vcpu, irq->lr, vgic_lr_read(irq->lr));
	if (irq->lr == VGIC_NO_LR)
		vgic_drop_fallen(vcpu, id);
}

bool vgic_read_pending(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (unlikely(irq->twin) && vgic_twin_pending(vcpu, id))
		return true;
	vgic_look_at_line(vcpu, id);
	if (irq->hw && (irq->lr != VGIC_NO_LR || irq->active) && irq->hw())
		return true; /* active, and the level still stands */
	if (id >= 16 && !irq->edge && !irq->soft && !irq->hw)
		return vgic_irq_pending(irq); /* its line says so; a list register may not have heard of a fall yet */
	return vgic_irq_pending(irq) || (lr_state(vcpu, irq) & GICH_LR_PENDING);
}

bool vgic_read_active(struct vcpu *vcpu, uint32_t id)
{
	const struct vgic_irq *irq = vgic_irq(vcpu, id);

	return irq->active || (lr_state(vcpu, irq) & GICH_LR_ACTIVE);
}

static void make_active(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (vgic_read_active(vcpu, id))
		return;
	irq->active = true;
	if (irq->hw)
		gic_set_active(id, true); /* as for one that the guest has taken: its EOI may come */
	if (in_lr_of(vcpu, irq))
		vgic_give_back(vcpu, irq->lr);
	else
		vgic_update(vcpu, id);
	witness(irq, __func__);
	vgic_put_active(vcpu, id);
	if (irq->lr != VGIC_NO_LR)
		vgic_update(vcpu, id);
}

/* The interrupt in this list register ends without an EOI. If one comes after all, it drops the priority only. */
static void end_in_lr(struct vcpu *vcpu, uint32_t id, uint32_t lr)
{
	uint32_t value = vgic_lr_read(lr);
	uint8_t bit;

	if (!(value & GICH_LR_ACTIVE))
		return;
	value = vgic_keep_twin(vcpu, lr, value);
	if (vgic_is_taken(vcpu, vgic_irq(vcpu, id), value, &bit))
		vcpu->vgic.orphans |= BIT(bit);
	vgic_lr_write(lr, value & ~GICH_LR_ACTIVE);
	if (value & GICH_LR_HW)
		gic_set_active(id, false);
	vgic_update(vcpu, id);
}

void vgic_set_active(struct vcpu *vcpu, uint32_t id, bool active)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (active) {
		make_active(vcpu, id);
	} else if (in_lr_of(vcpu, irq)) {
		end_in_lr(vcpu, id, irq->lr);
	} else if (irq->active) {
		if (irq->acked)
			vcpu->vm->vcpu[irq->owner]->vgic.orphans |= BIT(irq->apr_bit);
		deactivate_irq(vcpu, id);
	}
}

uint32_t vgic_read_sources(struct vcpu *vcpu, uint32_t id)
{
	const struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t sources = irq->sources | (vcpu->vgic.mail[id / 4U] >> id % 4U * 8U & 0xffU);

	if (lr_state(vcpu, irq) & GICH_LR_PENDING)
		sources |= BIT(FIELD(vgic_lr_read(irq->lr), 10, 3));
	return sources;
}

void vgic_clear_sources(struct vcpu *vcpu, uint32_t id, uint32_t sources)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t value;

	irq->sources &= (uint8_t)~sources;
	if (lr_state(vcpu, irq) & GICH_LR_PENDING) {
		value = vgic_lr_read(irq->lr);
		if (sources & BIT(FIELD(value, 10, 3)))
			vgic_lr_write(irq->lr, value & ~GICH_LR_PENDING);
	}
	vgic_update(vcpu, id);
}

static void unpend_in_lr(struct vcpu *vcpu, uint32_t lr)
{
	uint32_t value = vgic_lr_read(lr);

	if (value & GICH_LR_PENDING)
		vgic_lr_write(lr, vgic_keep_twin(vcpu, lr, value) & ~GICH_LR_PENDING);
}

void vgic_clear_pending(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	irq->soft = irq->latch = false;
	if (in_lr_of(vcpu, irq) && irq->edge)
		unpend_in_lr(vcpu, irq->lr);
	if (unlikely(irq->twin))
		vgic_twin_clear(irq);
	vgic_update(vcpu, id);
	vgic_look_at_line(vcpu, id);
}
