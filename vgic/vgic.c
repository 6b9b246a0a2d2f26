/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routing, queueing and list registers. An interrupt that may be delivered goes into a list register at once where its
 * vCPU is the one that runs here and there is room; else it is a bit in its target's `queued` set, and vgic_flush()
 * (vgic/flush.c) moves the best ones into list registers on the way into the guest. Compiled for speed.
 */
#include "vgic/internal.h"

#define NO_FLOOR         0x100U
#define LR_SOURCE(value) FIELD(value, 10, 3)
#define LOOKS_A_SECOND   1000U

uint32_t vgic_lr_mask;

void vgic_init(void)
{
	vgic_lr_mask = BIT(MIN(gic_list_registers(), VGIC_LR_MAX)) - 1U;
}

/*
 * The one of its targets that claims it (vgic/share.c), else the lowest that is on; where none is on, it waits for the
 * lowest. A single CPU is the target of all, 4.3.12.
 */
struct vcpu *vgic_spi_target(struct vm *vm, const struct vgic_irq *irq)
{
	uint32_t targets = irq->targets & vm->vgic.online;

	if (vm->vcpu_count == 1)
		return vm->vcpu[0];
	if (unlikely(irq->claimant != VGIC_NO_CPU) && (targets >> irq->claimant & 1U))
		return vm->vcpu[irq->claimant];
	if (unlikely(!targets))
		targets = irq->targets;
	return targets ? vm->vcpu[lowest_bit(targets)] : NULL;
}

static inline struct vcpu *target_of(struct vcpu *vcpu, const struct vgic_irq *irq, uint32_t id)
{
	return id < VGIC_PRIVATE ? vcpu : vgic_spi_target(vcpu->vm, irq);
}

static void set_queued(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t id)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t level = irq->priority >> 3;

	irq->queued = true;
	irq->owner = (uint8_t)vcpu->index;
	irq->level = (uint8_t)level;
	cpu->queued[level][id / 32] |= BIT(id % 32);
	cpu->queued_words[level] |= (uint8_t)BIT(id / 32);
	cpu->queued_levels |= BIT(level);
	witness(irq, __func__);
}

void vgic_unqueue(struct vm *vm, struct vgic_irq *irq, uint32_t id)
{
	struct vgic_cpu *cpu = &vm->vcpu[irq->owner]->vgic;

	if (!irq->queued)
		return;
	irq->queued = false;
	witness(irq, __func__);
	cpu->queued[irq->level][id / 32] &= ~BIT(id % 32);
	if (cpu->queued[irq->level][id / 32] == 0)
		cpu->queued_words[irq->level] &= (uint8_t)~BIT(id / 32);
	if (cpu->queued_words[irq->level] == 0)
		cpu->queued_levels &= ~BIT(irq->level);
	if (cpu->queued_levels == 0)
		cpu->queue_floor = NO_FLOOR; /* list registers may change from now on without a vgic_flush() */
}

/* The list register is the interrupt's from now on. */
static inline void lr_occupy(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t id, uint32_t lr)
{
	irq->lr = (uint8_t)lr;
	irq->owner = (uint8_t)vcpu->index;
	vcpu->vgic.lr_irq[lr] = (uint8_t)id;
	vcpu->vgic.lr_used |= BIT(lr);
	vgic_count_injected(&vcpu->vgic, id);
	witness(irq, __func__);
}

/* The twin is active: the list register itself ends it at the EOI, or an interrupt asks for that. */
static uint32_t __attribute__((noinline)) end_of_twin(struct vcpu *vcpu, const struct vgic_irq *irq, uint32_t lr)
{
	if (gic_forgets_level)
		return GICH_LR_EOI;
	vcpu->vgic.lr_lent |= BIT(lr);
	return GICH_LR_HW | GICH_LR_PHYS(vgic_twin_host(irq));
}

void vgic_lr_put(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t id, uint32_t lr)
{
	uint32_t value = GICH_LR_PENDING | irq->rank | id;

	if (id < 16) {
		uint32_t source = lowest_bit(irq->sources);

		/* One list register an SGI: a second source waits, and so does a second one of the same. */
		irq->sources &= (uint8_t)~BIT(source);
		value |= GICH_LR_CPU(source) | (irq->sources ? GICH_LR_EOI : 0);
	} else if (irq->hw) {
		if (!irq->line)
			gic_set_active(id, true); /* pending by software alone: its EOI will come, too */
		irq->soft = irq->latch;
		irq->line = false; /* the physical interrupt fires again if it still stands at the EOI */
		value |= GICH_LR_HW | GICH_LR_PHYS(id);
	} else if (irq->taken) {
		irq->soft = irq->latch && !irq->edge;
		value |= end_of_twin(vcpu, irq, lr); /* it may come again then */
	} else if (!irq->edge) {
		irq->soft = irq->latch;
		value |= irq->line ? GICH_LR_EOI : 0; /* sample the line again then */
	}
	irq->latch = false;
	lr_occupy(vcpu, irq, id, lr);
	if ((value & (GICH_LR_EOI | GICH_LR_HW)) == GICH_LR_EOI)
		vcpu->vgic.lr_eoi |= BIT(lr);
	else
		vcpu->vgic.lr_eoi &= ~BIT(lr);
	vgic_lr_note(vcpu, lr, value);
}

void vgic_put_active(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t space = vgic_lr_mask & ~vcpu->vgic.lr_used;

	if (!space || target_of(vcpu, irq, id) != vcpu)
		return;
	irq->active = irq->acked = false;
	irq->manual = true;
	lr_occupy(vcpu, irq, id, lowest_bit(space));
	vgic_lr_note(vcpu, irq->lr, GICH_LR_ACTIVE | irq->rank | id | (irq->hw ? GICH_LR_HW | GICH_LR_PHYS(id) : 0));
}

/*
 * A list register whose interrupt the guest has ended, and of whose end virt7 need not hear: free now, as a mask. The
 * vCPU is the one that runs here.
 */
static uint32_t take_ended(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t ended = io_read32(gic_gich + GICH_ELRSR0) & cpu->lr_used & ~cpu->lr_eoi & ~cpu->resample, lr;

	if (!ended)
		return 0;
	lr = lowest_bit(ended);
	vgic_retire(vcpu, lr);
	return vgic_lr_mask & ~cpu->lr_used & BIT(lr);
}

/* What is in the list registers comes first, and vgic_flush() is called when the guest has taken that. */
static inline bool waits_behind(const struct vgic_cpu *cpu, const struct vgic_irq *irq)
{
	return cpu->on == this_cpu() && cpu->hcr & GICH_HCR_NPIE && irq->priority >= cpu->queue_floor;
}

/* It may be signalled to `vcpu` now, and is in none of its list registers. */
static void deliver_irq(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t id)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t space = vgic_lr_mask & ~cpu->lr_used;

	if (irq->queued && (irq->owner != vcpu->index || irq->level != irq->priority >> 3))
		vgic_unqueue(vcpu->vm, irq, id);
	if (unlikely(vgic_has_several_targets(irq))) {
		vgic_shares(vcpu, irq); /* vgic_flush() sees whether the CPU interface signals it */
		set_queued(vcpu, irq, id);
		vgic_request(vcpu);
		return;
	}
	if (!space && !cpu->queued_levels && !cpu->flushing && vgic_is_here(vcpu))
		space = take_ended(vcpu);
	if (!space || cpu->queued_levels || cpu->flushing || !vgic_is_here(vcpu)) {
		set_queued(vcpu, irq, id);
		if (!cpu->flushing && !waits_behind(cpu, irq))
			vgic_request(vcpu);
	} else if (!irq->hw || !vgic_drop_fallen(vcpu, id)) {
		vgic_lr_put(vcpu, irq, id, lowest_bit(space));
	}
}

static inline bool may_deliver(const struct vm *vm, const struct vgic_irq *irq)
{
	return vgic_is_forwarded(vm, irq) && !irq->active && !irq->held && vgic_irq_pending(irq);
}

static void lr_resample(struct vcpu *vcpu, uint32_t lr);

/* An interrupt in a list register has changed. */
static void changed_in_lr(struct vcpu *owner, uint32_t lr)
{
	if (vgic_is_here(owner)) {
		lr_resample(owner, lr);
		if (owner->vgic.queued_levels && !owner->vgic.flushing)
			vgic_request(owner); /* may be the more urgent now, or have room */
	} else if (!vgic_where(owner) && !(owner->vgic.lr[lr] & GICH_LR_ACTIVE)) {
		vgic_give_back(owner, lr); /* it may have to go elsewhere, and who knows when the owner runs */
	} else {
		owner->vgic.resample |= BIT(lr);
		vgic_request(owner);
	}
}

void vgic_update(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	struct vcpu *target;

	if (irq->lr != VGIC_NO_LR) { /* and so it is marked as busy */
		changed_in_lr(vcpu->vm->vcpu[irq->owner], irq->lr);
		return;
	}
	*vgic_busy(vcpu, id / 32) |= BIT(id % 32);
	target = target_of(vcpu, irq, id);
	if (target && may_deliver(vcpu->vm, irq)) {
		deliver_irq(target, irq, id);
	} else {
		irq->asked = false;
		irq->claimant = VGIC_NO_CPU;
		vgic_unqueue(vcpu->vm, irq, id);
	}
}

void vgic_update_forward(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	irq->forward = *vgic_enabled(vcpu, id / 32) >> id % 32 & 1U;
	vgic_update(vcpu, id);
}

bool vgic_is_idle(const struct vgic_irq *irq)
{
	return irq->lr == VGIC_NO_LR && !irq->hw && !irq->twin && !irq->active && !irq->held && !vgic_irq_pending(irq);
}

static void update_busy(struct vcpu *vcpu, uint32_t w)
{
	uint32_t *busy = vgic_busy(vcpu, w);

	for (uint32_t bits = *busy; bits; bits &= bits - 1U) {
		uint32_t id = w * 32U + lowest_bit(bits);

		if (vgic_is_idle(vgic_irq(vcpu, id)))
			*busy &= ~BIT(id % 32);
		else
			vgic_update(vcpu, id);
	}
}

void vgic_update_all(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm)
		update_busy(v, 0);
	for (uint32_t w = 1; w < VGIC_WORDS; w++)
		update_busy(vm->vcpu[0], w);
}

void vgic_retire(struct vcpu *vcpu, uint32_t lr)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t id = cpu->lr_irq[lr];
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (cpu->lr_eoi & BIT(lr)) {
		vgic_lr_set(vcpu, lr, 0); /* ends the EOI maintenance request */
		if (irq->hw && !irq->line && cpu->on)
			gic_set_active(id, false); /* had to do without LR.HW */
	}
	if (unlikely(irq->taken)) {
		if (cpu->lr_lent & BIT(lr))
			vgic_twin_ended(irq);
		else
			vgic_twin_settle(irq);
	}
	cpu->lr_used &= ~BIT(lr);
	cpu->lr_eoi &= ~BIT(lr);
	cpu->lr_lent &= ~BIT(lr);
	cpu->resample &= ~BIT(lr);
	vgic_leave_lr(vcpu, irq, id);
}

void vgic_ask_eoi(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	if (vcpu->vgic.lr_eoi & BIT(lr))
		return;
	if (value & GICH_LR_HW)
		value &= ~(GICH_LR_HW | GICH_LR_PHYS(0x3ff));
	vgic_lr_write(lr, value | GICH_LR_EOI);
	vcpu->vgic.lr_eoi |= BIT(lr);
	vcpu->vgic.lr_lent &= ~BIT(lr);
}

void vgic_lr_unpend(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	struct vgic_irq *irq = vgic_irq(vcpu, vcpu->vgic.lr_irq[lr]);

	if (vcpu->vgic.lr_irq[lr] < 16)
		irq->sources |= (uint8_t)BIT(LR_SOURCE(value));
	else if (irq->edge || irq->soft)
		irq->latch = true;
	if (irq->hw)
		irq->line = true; /* until virt7 looks, for its twin is active */
}

void vgic_withdraw(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	vgic_lr_unpend(vcpu, lr, value);
	vgic_lr_set(vcpu, lr, 0);
	vcpu->vgic.lr_eoi &= ~BIT(lr);
	vcpu->vgic.lr_lent &= ~BIT(lr);
	vgic_retire(vcpu, lr);
}

void vgic_give_back(struct vcpu *vcpu, uint32_t lr)
{
	struct vgic_irq *irq = vgic_irq(vcpu, vcpu->vgic.lr_irq[lr]);
	uint32_t value = vgic_lr_get(vcpu, lr);

	if (value & GICH_LR_PENDING)
		vgic_lr_unpend(vcpu, lr, value);
	if (value & GICH_LR_ACTIVE) {
		irq->active = true;
		irq->acked = vgic_is_taken(vcpu, irq, value, &irq->apr_bit);
		vcpu->vgic.spilled |= irq->acked;
	}
	if (value & GICH_LR_STATE) {
		vgic_lr_set(vcpu, lr, 0);
		vcpu->vgic.lr_eoi &= ~BIT(lr);
		vcpu->vgic.lr_lent &= ~BIT(lr);
	}
	vgic_retire(vcpu, lr);
}

/* A level fell before the guest took the interrupt. */
static bool line_fell(const struct vgic_irq *irq, uint32_t id)
{
	return id >= 16 && !irq->edge && !irq->hw && !irq->line && !irq->latch && !irq->soft;
}

static void resample_pending(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t lr, uint32_t value, bool deliver_it)
{
	uint32_t id = vcpu->vgic.lr_irq[lr];

	if (!deliver_it || !(value & GICH_LR_GROUP1) == irq->group1 || line_fell(irq, id)) {
		vgic_withdraw(vcpu, lr, value);
		return;
	}
	if (!vgic_same_rank(irq, value)) {
		value = (value & ~VGIC_LR_PRIORITY) | GICH_LR_PRIORITY(irq->priority);
		vgic_lr_write(lr, value);
	}
	/* What came again meanwhile is one pending interrupt with what waits here. */
	irq->soft = irq->soft || (irq->latch && !irq->edge);
	irq->latch = false;
	if (id < 16)
		irq->sources &= (uint8_t)~BIT(LR_SOURCE(value));
	if (irq->sources || irq->taken || (irq->line && !irq->edge && !irq->hw))
		vgic_ask_eoi(vcpu, lr, value);
}

/* What is pending besides an active one comes after its end: behind it in the list register, or by a look at the EOI.
 */
static void resample_active(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t lr, uint32_t value, bool deliver_it)
{
	bool sgi = vcpu->vgic.lr_irq[lr] < 16;
	uint32_t before = value;

	deliver_it = deliver_it && vgic_same_rank(irq, value);
	if (!deliver_it && (value & GICH_LR_PENDING)) {
		vgic_lr_unpend(vcpu, lr, value);
		value &= ~GICH_LR_PENDING;
	} else if (deliver_it && !irq->manual &&
		   (sgi ? irq->sources & BIT(LR_SOURCE(value)) : irq->edge && irq->latch)) {
		irq->sources &= (uint8_t)~BIT(LR_SOURCE(value));
		irq->latch = false;
		value |= GICH_LR_PENDING;
		vgic_shares(vcpu, irq);
	}
	if (value != before)
		vgic_lr_note(vcpu, lr, value);
	if (vgic_irq_pending(irq) || irq->taken) {
		vgic_ask_eoi(vcpu, lr, value);
	} else if (vcpu->vgic.lr_eoi & BIT(lr) && !irq->hw) {
		vgic_lr_write(lr, value & ~GICH_LR_EOI);
		vcpu->vgic.lr_eoi &= ~BIT(lr);
	}
}

/* An interrupt in a list register has changed (enabled, line, target, another edge): bring the register in line. */
static void lr_resample(struct vcpu *vcpu, uint32_t lr)
{
	uint32_t id = vcpu->vgic.lr_irq[lr], value = vgic_lr_read(lr);
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	bool deliver_it = vgic_is_forwarded(vcpu->vm, irq) && target_of(vcpu, irq, id) == vcpu;

	vcpu->vgic.resample &= ~BIT(lr);
	if (value & GICH_LR_STATE)
		value = vgic_keep_twin(vcpu, lr, value);
	if (value & GICH_LR_ACTIVE)
		resample_active(vcpu, irq, lr, value, deliver_it);
	else if (value & GICH_LR_PENDING)
		resample_pending(vcpu, irq, lr, value, deliver_it);
	else
		vgic_retire(vcpu, lr);
}

void vgic_resample(struct vcpu *vcpu)
{
	for (uint32_t lrs = vcpu->vgic.resample; lrs; lrs &= lrs - 1U)
		lr_resample(vcpu, lowest_bit(lrs));
}

bool vgic_drop_fallen(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (!irq->line || !vcpu->vgic.on || irq->hw())
		return false;
	irq->line = false;
	gic_set_active(id, false);
	vgic_update(vcpu, id);
	return true;
}

bool vgic_is_taken(const struct vcpu *vcpu, const struct vgic_irq *irq, uint32_t value, uint8_t *bit)
{
	const struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t vmcr = cpu->on ? io_read32(gic_gich + GICH_VMCR) : cpu->vmcr;
	uint32_t apr = cpu->on ? io_read32(gic_gich + GICH_APR) : cpu->apr;

	*bit = (uint8_t)vgic_apr_bit(vmcr, value & GICH_LR_GROUP1, FIELD(value, 23, 5));
	return !irq->manual && !(vmcr & GICH_VMCR_EOIMODE) && (apr >> *bit & 1U);
}

void vgic_shares(struct vcpu *vcpu, const struct vgic_irq *irq)
{
	if (likely(!vgic_has_several_targets(irq)))
		return;
	vcpu->vgic.shares = true;
	vgic_look_later(vcpu->vm);
}

void vgic_look_later(struct vm *vm)
{
	if (!timer_armed(&vm->vgic.look))
		timer_arm(&vm->vgic.look, timer_now() + timer_hz() / LOOKS_A_SECOND);
}
