/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What raises an interrupt: its device's line, the guest's GICD_ISPENDR, the virtual timer, and SGIs. One that another
 * vCPU sends comes by the mailbox. All of them end in vgic_update(), or take the short way of what was ended in a list
 * register and comes again: put_again(). Compiled for speed.
 */
#include "vgic/internal.h"

/* Enabled, and nothing stands in its way: one comparison, of the word that the four fields fill. */
static inline bool is_plain(const struct vgic_irq *irq)
{
	return irq->forward == 1 && irq->held == 0 && irq->soft == 0 && irq->manual == 0;
}

/*
 * Nearly always the list register of an interrupt's last time is still its own, and empty. Then all that changes is the
 * register itself, which is this CPU's. So a private interrupt of the vCPU that is loaded here does without the lock:
 * others change, under the lock, GICD_CTLR, and what is queued, and each time they ask this CPU for a vgic_flush(),
 * which looks at the register again. What is in the register then; 0: it is not so. The interrupt is plain, but for
 * `soft` where the caller sets it anew, and unless the vCPU runs here the caller wakes it.
 */
static inline uint32_t put_again(struct vcpu *vcpu, const struct vgic_irq *irq, uint32_t id, uint32_t keep,
				 uint32_t set)
{
	uint32_t lr = irq->lr, value;
	volatile uint8_t *at;

	if (lr == VGIC_NO_LR || vcpu->vgic.queued_levels || !(vcpu->vm->vgic.forwarded >> irq->group1 & 1U))
		return 0;
	at = gic_gich + GICH_LR0 + 4U * lr;
	value = io_read32(at);
	if (value & (GICH_LR_STATE | GICH_LR_EOI) || !vgic_same_rank(irq, value)) /* `lr_eoi` is GICH_LR_EOI */
		return 0;
	value = (value & keep) | set;
	io_write32(at, value);
	vgic_count_injected(&vcpu->vgic, id);
	return value;
}

/* Of several it would have to be looked at; and aimed elsewhere while it was active here, it leaves with its end. */
static inline bool has_other_target(const struct vcpu *owner, const struct vgic_irq *irq, uint32_t id)
{
	return id >= VGIC_PRIVATE && irq->targets != BIT(owner->index) && owner->vm->vcpu_count > 1;
}

/* Pending, in a list register of this CPU, where it was the last time. Under the lock. `set`: bits of the register. */
static inline bool pend_again(struct vm *vm, const struct vgic_irq *irq, uint32_t id, uint32_t set)
{
	struct vcpu *owner = vm->vcpu[irq->owner];
	uint32_t value;

	if (irq->taken || irq->latch || irq->hw || irq->forward != 1 || irq->held != 0 || irq->manual != 0 ||
	    has_other_target(owner, irq, id) || !vgic_is_here(owner))
		return false;
	value = put_again(owner, irq, id, ~0U, set);
	if (!value)
		return false;
	owner->vgic.lr[irq->lr] = value; /* as vgic_lr_note() */
	if (set & GICH_LR_EOI)
		owner->vgic.lr_eoi |= BIT(irq->lr);
	return true;
}

static inline void level_rise(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t id)
{
	if (pend_again(vcpu->vm, irq, id, irq->edge ? GICH_LR_PENDING : GICH_LR_PENDING | GICH_LR_EOI)) {
		irq->soft = false;
		return;
	}
	irq->latch |= irq->edge;
	vgic_update(vcpu, id);
}

/* Of a level. While the guest serves the interrupt nothing else is to be done: nothing comes after its end. */
static inline void level_fall(struct vcpu *vcpu, const struct vgic_irq *irq, uint32_t id)
{
	struct vcpu *owner = vcpu->vm->vcpu[irq->owner];
	uint32_t lr = irq->lr, value;

	if (lr == VGIC_NO_LR || irq->latch || irq->taken || irq->hw || !vgic_is_here(owner)) {
		vgic_update(vcpu, id);
		return;
	}
	value = vgic_lr_read(lr);
	if ((value & GICH_LR_STATE) != GICH_LR_ACTIVE) {
		vgic_update(vcpu, id);
	} else if (value & GICH_LR_EOI) {
		vgic_lr_write(lr, value & ~GICH_LR_EOI);
		owner->vgic.lr_eoi &= ~BIT(lr);
	}
}

void vgic_set_line(struct vm *vm, uint32_t cpu, uint32_t id, bool level)
{
	struct vcpu *vcpu = vm->vcpu[id < VGIC_PRIVATE ? cpu : 0];
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (irq->line == level)
		return;            /* the line is its device's alone */
	if (irq->edge && !level) { /* the end of an edge changes nothing (IHI 0048B 1.4.2) */
		irq->line = false;
		dmb_ish(); /* who makes it a level writes that, and then looks at the line */
		if (likely(irq->edge))
			return;
	}
	spin_lock(&vm->vgic.lock);
	irq->line = level;
	if (level)
		level_rise(vcpu, irq, id);
	else if (!irq->edge)
		level_fall(vcpu, irq, id);
	vgic_unlock(vm);
}

void vgic_set_pending(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (irq->lr != VGIC_NO_LR && (irq->edge || !irq->line) && pend_again(vcpu->vm, irq, id, GICH_LR_PENDING)) {
		irq->soft = !irq->edge;
		return;
	}
	irq->latch = true;
	vgic_update(vcpu, id);
}

void vgic_pulse(struct vm *vm, uint32_t cpu, uint32_t id)
{
	vgic_set_line(vm, cpu, id, true);
	vgic_set_line(vm, cpu, id, false);
}

/* Out of line, so that the short ways save no registers. */
static void __attribute__((noinline)) raise_line(struct vcpu *vcpu, uint32_t id)
{
	spin_lock(&vcpu->vm->vgic.lock);
	vcpu->vgic.irq[id].line = true;
	vgic_update(vcpu, id);
	vgic_unlock(vcpu->vm);
}

void vgic_raise_hw(struct vcpu *vcpu, uint32_t id)
{
	const struct vgic_irq *irq = &vcpu->vgic.irq[id];

	if (unlikely(irq->latch || !is_plain(irq) || !put_again(vcpu, irq, id, ~0U, GICH_LR_PENDING)))
		raise_line(vcpu, id);
	else if (this_cpu()->thread != &vcpu->thread) /* it sleeps, or waits for its turn */
		sched_wake(&vcpu->thread);
}

/* SGIs of these sources are pending for `vcpu`, the current one. */
static void take_sgi(struct vcpu *vcpu, uint32_t id, uint32_t sources)
{
	vcpu->vgic.irq[id].sources |= (uint8_t)sources;
	vgic_update(vcpu, id);
}

static void __attribute__((noinline)) receive_locked(struct vcpu *vcpu, uint32_t id, uint32_t source)
{
	spin_lock(&vcpu->vm->vgic.lock);
	take_sgi(vcpu, id, BIT(source));
	vgic_unlock(vcpu->vm);
}

/* `vcpu` is the current one: no other CPU changes `sources` while it is loaded here. */
static inline void receive_sgi(struct vcpu *vcpu, uint32_t id, uint32_t source)
{
	const struct vgic_irq *irq = &vcpu->vgic.irq[id];

	if (irq->sources || !is_plain(irq) ||
	    !put_again(vcpu, irq, id, ~GICH_LR_CPU(7), GICH_LR_PENDING | GICH_LR_CPU(source)))
		receive_locked(vcpu, id, source);
}

static inline uint32_t take_mail(struct vgic_cpu *cpu, uint32_t word)
{
	return cpu->mail[word] ? __atomic_exchange_n(&cpu->mail[word], 0U, __ATOMIC_ACQUIRE) : 0;
}

void vgic_take_sgis(struct vcpu *vcpu)
{
	for (uint32_t w = 0; w < ARRAY_SIZE(vcpu->vgic.mail); w++)
		for (uint32_t mail = take_mail(&vcpu->vgic, w); mail; mail &= mail - 1U) {
			uint32_t bit = lowest_bit(mail);

			receive_sgi(vcpu, w * 4U + bit / 8U, bit % 8U);
		}
}

void vgic_open_mail(struct vcpu *vcpu)
{
	for (uint32_t w = 0; w < ARRAY_SIZE(vcpu->vgic.mail); w++)
		for (uint32_t mail = take_mail(&vcpu->vgic, w); mail; mail &= mail - 1U) {
			uint32_t bit = lowest_bit(mail);

			take_sgi(vcpu, w * 4U + bit / 8U, BIT(bit % 8U));
		}
}

/* The mail is in the box before its vCPU sees WORK_SGI: vcpu_request() begins with a barrier. */
static void __attribute__((noinline)) send_others(const struct vcpu *source, uint32_t targets, uint32_t id)
{
	for (; targets; targets &= targets - 1U) {
		struct vcpu *vcpu = source->vm->vcpu[lowest_bit(targets)];

		__atomic_fetch_or(&vcpu->vgic.mail[id / 4U], BIT(id % 4U * 8U + source->index), __ATOMIC_RELAXED);
		vcpu_request(vcpu, WORK_SGI);
	}
}

void vgic_send_sgi(struct vcpu *source, uint32_t targets, uint32_t id)
{
	uint32_t self = BIT(source->index);

	if (targets & ~self)
		send_others(source, targets & ~self & (BIT(source->vm->vcpu_count) - 1U), id);
	if (targets & self)
		receive_sgi(source, id, source->index);
}
