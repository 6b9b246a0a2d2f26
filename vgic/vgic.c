/*
 * Routing, queueing and list registers. An interrupt that may be delivered is a bit in its target's `queued` set;
 * vgic_flush() moves the best ones into list registers on the way into the guest.
 */
#include <errno.h>

#include <arm/atomic.h>
#include <arm/io.h>

#include "hyp/dev/gic.h"
#include "hyp/machine.h"
#include "vgic/vgic.h"

#define PRIORITY_IDLE    0x100U
#define LR_PRIORITY_MASK GICH_LR_PRIORITY(0xf8)

static uint32_t lr_mask; /* list registers that exist */

static uint32_t lr_read(uint32_t lr)
{
	return io_read32(gic_gich + GICH_LR0 + 4U * lr);
}

static void lr_write(uint32_t lr, uint32_t value)
{
	io_write32(gic_gich + GICH_LR0 + 4U * lr, value);
}

void vgic_init(void)
{
	uint32_t count = MIN(gic_list_registers(), VGIC_LR_MAX);

	lr_mask = BIT(count) - 1U;
}

struct vgic_irq *vgic_irq(struct vcpu *vcpu, uint32_t id)
{
	return id < VGIC_PRIVATE ? &vcpu->vgic.irq[id] : &vcpu->vm->vgic.spi[id - VGIC_PRIVATE];
}

bool vgic_irq_pending(const struct vgic_irq *irq)
{
	return irq->latch || irq->sources || (irq->line && !irq->edge);
}

/* Enabled, and its group forwarded. */
static bool may_signal(const struct vm *vm, const struct vgic_irq *irq)
{
	return (vm->vgic.enabled & BIT(irq->group1)) && irq->enabled;
}

/* The vCPU that gets an SPI: the lowest of its targets (IHI 0048B 3.1.1 leaves the choice to us). NULL: none. */
static struct vcpu *spi_target(struct vm *vm, const struct vgic_irq *irq)
{
	if (vm->vcpu_count == 1)
		return vm->vcpu[0]; /* a uniprocessor has no target registers, 4.3.12 */
	return irq->targets ? vm->vcpu[lowest_bit(irq->targets)] : NULL;
}

static void queue(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_cpu *cpu = &vcpu->vgic;

	cpu->queued[id / 32] |= BIT(id % 32);
	cpu->queued_words |= BIT(id / 32);
	if (!cpu->flushing)
		vcpu_request(vcpu, WORK_VGIC);
}

static void unqueue(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_cpu *cpu = &vcpu->vgic;

	cpu->queued[id / 32] &= ~BIT(id % 32);
	if (cpu->queued[id / 32] == 0)
		cpu->queued_words &= ~BIT(id / 32);
}

/* Called after any change to the interrupt's state: queue it, take it back, or tell the owner of its list register. */
void vgic_update(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	struct vm *vm = vcpu->vm;
	struct vcpu *target = id < VGIC_PRIVATE ? vcpu : spi_target(vm, irq), *v;

	if (irq->lr != VGIC_NO_LR) {
		v = vm->vcpu[irq->owner];
		v->vgic.resample |= BIT(irq->lr);
		vcpu_request(v, WORK_VGIC);
		return;
	}
	if (id >= VGIC_PRIVATE)
		vm_for_each_vcpu(v, vm)
			if (v != target)
				unqueue(v, id);
	if (!target)
		return;
	if (may_signal(vm, irq) && !irq->active && vgic_irq_pending(irq))
		queue(target, id);
	else
		unqueue(target, id);
}

void vgic_update_all(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm)
		for (uint32_t id = 0; id < VGIC_PRIVATE; id++)
			vgic_update(v, id);
	for (uint32_t id = VGIC_PRIVATE; id < VGIC_IRQS; id++)
		vgic_update(vm->vcpu[0], id);
}

void vgic_set_line(struct vm *vm, uint32_t cpu, uint32_t id, bool level)
{
	struct vcpu *vcpu = vm->vcpu[cpu];
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	spin_lock(&vm->vgic.lock);
	if (irq->line != level || irq->hw) {
		irq->line = level;
		if (irq->edge && level)
			irq->latch = true;
		vgic_update(vcpu, id);
	}
	spin_unlock(&vm->vgic.lock);
}

void vgic_send_sgi(struct vcpu *source, uint32_t targets, uint32_t id)
{
	struct vm *vm = source->vm;

	spin_lock(&vm->vgic.lock);
	for (targets &= BIT(vm->vcpu_count) - 1U; targets; targets &= targets - 1U) {
		struct vcpu *vcpu = vm->vcpu[lowest_bit(targets)];

		vcpu->vgic.irq[id].sources |= (uint8_t)BIT(source->index);
		vgic_update(vcpu, id);
	}
	spin_unlock(&vm->vgic.lock);
}

/* The list register is empty, or is being emptied: its interrupt is on its own again. */
static void retire(struct vcpu *vcpu, uint32_t lr)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t id = cpu->lr_irq[lr];

	if (cpu->lr_eoi & BIT(lr)) {
		lr_write(lr, 0); /* ends the EOI maintenance request */
		if (vgic_irq(vcpu, id)->hw)
			gic_set_active(id, false); /* had to do without LR.HW */
	}
	cpu->lr_used &= ~BIT(lr);
	cpu->lr_eoi &= ~BIT(lr);
	cpu->resample &= ~BIT(lr);
	vgic_irq(vcpu, id)->lr = VGIC_NO_LR;
	vgic_irq(vcpu, id)->soft = false;
	vgic_update(vcpu, id);
}

/* Have the list register ask for an interrupt at its EOI. */
static void ask_eoi(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	if (value & GICH_LR_EOI && !(value & GICH_LR_HW))
		return;
	if (value & GICH_LR_HW)
		value &= ~(GICH_LR_HW | GICH_LR_PHYS(0x3ff));
	lr_write(lr, value | GICH_LR_EOI);
	vcpu->vgic.lr_eoi |= BIT(lr);
}

/* What is pending in a list register becomes the latch's again. */
static void unpend(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	struct vgic_irq *irq = vgic_irq(vcpu, vcpu->vgic.lr_irq[lr]);

	if (vcpu->vgic.lr_irq[lr] < 16)
		irq->sources |= (uint8_t)BIT(FIELD(value, 10, 3));
	else if (irq->edge || irq->soft)
		irq->latch = true;
	else if (irq->hw)
		irq->line = true;
}

/* Take a pending interrupt out of its list register again. */
static void withdraw(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	unpend(vcpu, lr, value);
	lr_write(lr, 0);
	vcpu->vgic.lr_eoi &= ~BIT(lr);
	retire(vcpu, lr);
}

/* A level fell before the guest took the interrupt. */
static bool line_fell(const struct vgic_irq *irq, uint32_t id)
{
	return id >= 16 && !irq->edge && !irq->hw && !irq->line && !irq->latch && !irq->soft;
}

/* The list register has the interrupt's priority and group. */
static bool same_rank(const struct vgic_irq *irq, uint32_t value)
{
	return (value & LR_PRIORITY_MASK) == GICH_LR_PRIORITY(irq->priority) &&
	       !(value & GICH_LR_GROUP1) == !irq->group1;
}

/* An interrupt in a list register has changed (enabled, line, target, another edge): bring the register in line. */
static void resample(struct vcpu *vcpu, uint32_t lr)
{
	uint32_t id = vcpu->vgic.lr_irq[lr], value = lr_read(lr);
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	bool ours = id < VGIC_PRIVATE || spi_target(vcpu->vm, irq) == vcpu;
	bool deliver = ours && may_signal(vcpu->vm, irq);

	vcpu->vgic.resample &= ~BIT(lr);
	switch (value & GICH_LR_STATE) {
	case 0:
		retire(vcpu, lr);
		break;
	case GICH_LR_PENDING:
		if (!deliver || !(value & GICH_LR_GROUP1) == irq->group1 || line_fell(irq, id)) {
			withdraw(vcpu, lr, value);
			break;
		}
		if ((value & LR_PRIORITY_MASK) != GICH_LR_PRIORITY(irq->priority)) {
			value = (value & ~LR_PRIORITY_MASK) | GICH_LR_PRIORITY(irq->priority);
			lr_write(lr, value);
		}
		/* What came again meanwhile is one pending interrupt with what waits here. */
		irq->soft = irq->soft || (irq->latch && !irq->edge);
		irq->latch = false;
		if (id < 16)
			irq->sources &= (uint8_t)~BIT(FIELD(value, 10, 3));
		if (irq->sources)
			ask_eoi(vcpu, lr, value);
		break;
	default: /* active: another one is due after the EOI */
		if (!deliver || !same_rank(irq, value)) {
			if (value & GICH_LR_PENDING)
				unpend(vcpu, lr, value);
			value &= ~GICH_LR_PENDING;
			lr_write(lr, value);
			if (!irq->hw)
				ask_eoi(vcpu, lr, value);
			break;
		}
		if (irq->edge && irq->latch) {
			irq->latch = false;
			lr_write(lr, value | GICH_LR_PENDING);
		} else if (vgic_irq_pending(irq) && !irq->hw && !(value & GICH_LR_EOI) && id >= 16) {
			lr_write(lr, value | GICH_LR_EOI);
			vcpu->vgic.lr_eoi |= BIT(lr);
		} else if (id < 16) {
			if (irq->sources & BIT(FIELD(value, 10, 3)))
				value |= GICH_LR_PENDING;
			irq->sources &= (uint8_t)~BIT(FIELD(value, 10, 3));
			lr_write(lr, value);
			if (irq->sources)
				ask_eoi(vcpu, lr, value);
		}
		break;
	}
}

/*
 * A hardware interrupt waits with its physical twin active, so nobody says when its line falls again: look. True when
 * it has fallen; the physical interrupt is ready to fire anew.
 */
static bool drop_fallen(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (!irq->line || this_cpu()->loaded != vcpu || irq->hw())
		return false;
	irq->line = false;
	gic_set_active(id, false);
	vgic_update(vcpu, id);
	return true;
}

bool vgic_read_pending(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t lr = irq->lr;

	if (irq->hw && id < VGIC_PRIVATE && lr != VGIC_NO_LR && vgic_lr_state(vcpu, irq) == GICH_LR_PENDING &&
	    !irq->hw())
		withdraw(vcpu, lr, lr_read(lr)); /* nobody took it in time */
	if (irq->hw && irq->lr == VGIC_NO_LR)
		drop_fallen(vcpu, id);
	else if (irq->hw && irq->owner == vcpu->index && irq->hw())
		return true; /* active, and the level still stands */
	return vgic_irq_pending(irq) || (vgic_lr_state(vcpu, irq) & GICH_LR_PENDING);
}

static void put(struct vcpu *vcpu, uint32_t lr, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t value = GICH_LR_PENDING | GICH_LR_PRIORITY(irq->priority) | id;

	if (irq->hw && drop_fallen(vcpu, id))
		return;
	if (irq->group1)
		value |= GICH_LR_GROUP1;
	if (id < 16) {
		uint32_t source = lowest_bit(irq->sources);

		/* One list register an SGI: a second source waits, and so does a second one of the same. */
		irq->sources &= (uint8_t)~BIT(source);
		value |= GICH_LR_CPU(source) | (irq->sources ? GICH_LR_EOI : 0);
	} else if (irq->hw) {
		irq->line = false; /* the physical interrupt fires again if it still stands at the EOI */
		value |= GICH_LR_HW | GICH_LR_PHYS(id);
	} else if (!irq->edge) {
		value |= GICH_LR_EOI; /* sample the line again then */
	}
	irq->soft = irq->latch && !irq->edge;
	irq->latch = false;
	irq->lr = (uint8_t)lr;
	irq->owner = (uint8_t)vcpu->index;
	unqueue(vcpu, id);
	vcpu->vgic.lr_irq[lr] = (uint8_t)id;
	vcpu->vgic.lr_used |= BIT(lr);
	if ((value & (GICH_LR_EOI | GICH_LR_HW)) == GICH_LR_EOI)
		vcpu->vgic.lr_eoi |= BIT(lr);
	lr_write(lr, value);
}

/* The queued interrupt to deliver next: highest priority, then lowest ID (IHI 0048B 3.3). */
static uint32_t best_queued(struct vcpu *vcpu)
{
	uint32_t best = 0, best_priority = PRIORITY_IDLE;

	for (uint32_t words = vcpu->vgic.queued_words; words; words &= words - 1U) {
		uint32_t w = lowest_bit(words);

		for (uint32_t bits = vcpu->vgic.queued[w]; bits; bits &= bits - 1U) {
			uint32_t id = w * 32U + lowest_bit(bits), priority = vgic_irq(vcpu, id)->priority;

			if (priority < best_priority) {
				best = id;
				best_priority = priority;
			}
		}
	}
	return best;
}

/* All list registers are taken: make room for `id` if one holds something pending that is less urgent. */
static bool evict_for(struct vcpu *vcpu, uint32_t id)
{
	uint32_t worst = VGIC_LR_MAX, worst_priority = vgic_irq(vcpu, id)->priority;

	for (uint32_t used = vcpu->vgic.lr_used; used; used &= used - 1U) {
		uint32_t lr = lowest_bit(used), priority = vgic_irq(vcpu, vcpu->vgic.lr_irq[lr])->priority;

		if (priority > worst_priority && (lr_read(lr) & GICH_LR_STATE) == GICH_LR_PENDING) {
			worst = lr;
			worst_priority = priority;
		}
	}
	if (worst == VGIC_LR_MAX)
		return false;
	withdraw(vcpu, worst, lr_read(worst));
	return true;
}

static void reclaim(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t empty;

	if (!cpu->lr_used)
		return;
	empty = io_read32(gic_gich + GICH_ELRSR0);
	if (cpu->lr_eoi)
		empty |= io_read32(gic_gich + GICH_EISR0);
	for (empty &= cpu->lr_used; empty; empty &= empty - 1U)
		retire(vcpu, lowest_bit(empty));
}

static void set_hcr(struct vcpu *vcpu, uint32_t hcr)
{
	if (vcpu->vgic.hcr != hcr) {
		vcpu->vgic.hcr = hcr;
		io_write32(gic_gich + GICH_HCR, hcr);
	}
}

/* Pending behind its own active: nobody would hear when it comes up; so let it queue again at the EOI. */
static void split_pending_active(struct vcpu *vcpu, uint32_t lr)
{
	uint32_t value = lr_read(lr);

	if ((value & GICH_LR_STATE) != GICH_LR_STATE)
		return;
	unpend(vcpu, lr, value);
	value &= ~GICH_LR_PENDING;
	lr_write(lr, value);
	ask_eoi(vcpu, lr, value);
}

/*
 * The list registers are full and more waits: come back when the guest has taken the last pending one (the best are
 * there), or, where all are active, when it ends one. Returns bits of GICH_HCR.
 */
static uint32_t ask_room(struct vcpu *vcpu)
{
	uint32_t hcr = 0;

	for (uint32_t used = vcpu->vgic.lr_used; used; used &= used - 1U) {
		split_pending_active(vcpu, lowest_bit(used));
		if (lr_read(lowest_bit(used)) & GICH_LR_PENDING)
			hcr = GICH_HCR_NPIE;
	}
	if (hcr)
		return hcr;
	for (uint32_t used = vcpu->vgic.lr_used; used; used &= used - 1U)
		ask_eoi(vcpu, lowest_bit(used), lr_read(lowest_bit(used)));
	return 0;
}

void vgic_flush(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	uint32_t hcr = GICH_HCR_EN;

	spin_lock(&vcpu->vm->vgic.lock);
	cpu->flushing = true;
	reclaim(vcpu);
	for (uint32_t lrs = cpu->resample; lrs; lrs &= lrs - 1U)
		resample(vcpu, lowest_bit(lrs));
	while (cpu->queued_words) {
		uint32_t id = best_queued(vcpu), space = lr_mask & ~cpu->lr_used;

		if (!space && !evict_for(vcpu, id)) {
			hcr |= ask_room(vcpu);
			break;
		}
		put(vcpu, lowest_bit(lr_mask & ~cpu->lr_used), id);
	}
	set_hcr(vcpu, hcr);
	cpu->flushing = false;
	spin_unlock(&vcpu->vm->vgic.lock);
}

uint32_t vgic_lr_state(struct vcpu *vcpu, const struct vgic_irq *irq)
{
	if (irq->lr == VGIC_NO_LR || irq->owner != vcpu->index)
		return 0;
	return lr_read(irq->lr) & GICH_LR_STATE;
}

void vgic_set_active(struct vcpu *vcpu, uint32_t id, bool active)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	if (irq->lr != VGIC_NO_LR && irq->owner == vcpu->index) {
		uint32_t value = lr_read(irq->lr);

		if (!active) {
			lr_write(irq->lr, value & ~GICH_LR_ACTIVE);
			if (irq->hw)
				gic_set_active(id, false);
		} else if (!(value & GICH_LR_ACTIVE)) {
			irq->active = true;
			if (value & GICH_LR_PENDING)
				withdraw(vcpu, irq->lr, value);
			else
				retire(vcpu, irq->lr);
		}
	} else {
		irq->active = active;
	}
	vgic_update(vcpu, id);
}

uint32_t vgic_sgi_sources(struct vcpu *vcpu, uint32_t id)
{
	const struct vgic_irq *irq = vgic_irq(vcpu, id);
	uint32_t sources = irq->sources;

	if (vgic_lr_state(vcpu, irq) & GICH_LR_PENDING)
		sources |= BIT(FIELD(lr_read(irq->lr), 10, 3));
	return sources;
}

void vgic_clear_sources(struct vcpu *vcpu, uint32_t id, uint32_t sources)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	irq->sources &= (uint8_t)~sources;
	if (vgic_lr_state(vcpu, irq) & GICH_LR_PENDING && sources & BIT(FIELD(lr_read(irq->lr), 10, 3)))
		lr_write(irq->lr, lr_read(irq->lr) & ~GICH_LR_PENDING);
}

void vgic_clear_pending(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	irq->latch = irq->soft = false;
	if (irq->lr != VGIC_NO_LR && irq->owner == vcpu->index && irq->edge)
		lr_write(irq->lr, lr_read(irq->lr) & ~GICH_LR_PENDING);
	vgic_update(vcpu, id);
}

void vgic_map_hw(struct vcpu *vcpu, uint32_t id, bool (*line)(void))
{
	vcpu->vgic.irq[id].hw = line;
}

bool vgic_has_pending(struct vcpu *vcpu)
{
	if (vcpu->vgic.queued_words)
		return true;
	for (uint32_t used = vcpu->vgic.lr_used; used; used &= used - 1U)
		if (lr_read(lowest_bit(used)) & GICH_LR_PENDING)
			return true;
	return false;
}

/* A hardware interrupt that waits here or in a list register keeps its physical twin active, on this CPU only. */
static void move_hw_active(struct vcpu *vcpu, bool load)
{
	for (uint32_t id = 16; id < VGIC_PRIVATE; id++) {
		const struct vgic_irq *irq = &vcpu->vgic.irq[id];

		if (irq->hw && (irq->lr == VGIC_NO_LR ? irq->line : (vcpu->vgic.lr[irq->lr] & GICH_LR_STATE) != 0))
			gic_set_active(id, load);
	}
}

void vgic_save(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;

	cpu->vmcr = io_read32(gic_gich + GICH_VMCR);
	cpu->apr = io_read32(gic_gich + GICH_APR);
	for (uint32_t used = cpu->lr_used; used; used &= used - 1U) {
		cpu->lr[lowest_bit(used)] = lr_read(lowest_bit(used));
		lr_write(lowest_bit(used), 0);
	}
	io_write32(gic_gich + GICH_HCR, 0);
	move_hw_active(vcpu, false);
}

void vgic_load(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;

	move_hw_active(vcpu, true);
	io_write32(gic_gich + GICH_VMCR, cpu->vmcr);
	io_write32(gic_gich + GICH_APR, cpu->apr);
	for (uint32_t lrs = lr_mask; lrs; lrs &= lrs - 1U)
		lr_write(lowest_bit(lrs), cpu->lr_used & lrs & (0U - lrs) ? cpu->lr[lowest_bit(lrs)] : 0);
	io_write32(gic_gich + GICH_HCR, cpu->hcr);
}

static void reset_irq(struct vgic_irq *irq, bool edge, bool enabled)
{
	*irq = (struct vgic_irq){.lr = VGIC_NO_LR, .edge = edge, .enabled = enabled, .hw = irq->hw, .line = irq->line};
}

/* All of the distributor, private interrupts and what waits for each vCPU included. No vCPU of the VM runs. */
void vgic_reset(struct vm *vm)
{
	struct vcpu *v;

	spin_lock(&vm->vgic.lock);
	vm->vgic.enabled = 0;
	vm->vgic.cpus = vm->vcpu_count;
	for (uint32_t i = 0; i < ARRAY_SIZE(vm->vgic.spi); i++)
		reset_irq(&vm->vgic.spi[i], false, false);
	vm_for_each_vcpu(v, vm) {
		for (uint32_t id = 0; id < VGIC_PRIVATE; id++) {
			reset_irq(&v->vgic.irq[id], id < 16, id < 16); /* SGIs are always enabled, as on QEMU's GIC */
			if (v->vgic.irq[id].hw)
				v->vgic.irq[id].line = false;
		}
		for (uint32_t w = 0; w < VGIC_WORDS; w++)
			v->vgic.queued[w] = 0;
		v->vgic.queued_words = v->vgic.lr_used = v->vgic.lr_eoi = v->vgic.resample = 0;
	}
	spin_unlock(&vm->vgic.lock);
}

/* What a list register holds is the distributor's again. */
static void give_back(struct vcpu *vcpu, uint32_t lr)
{
	struct vgic_irq *irq = vgic_irq(vcpu, vcpu->vgic.lr_irq[lr]);
	uint32_t value = lr_read(lr);

	if (value & GICH_LR_PENDING)
		unpend(vcpu, lr, value);
	irq->active = (value & GICH_LR_ACTIVE) != 0;
	lr_write(lr, 0);
	retire(vcpu, lr);
}

/* The CPU interface, as at power-on; the vCPU is the current one. The distributor is not the CPU's: what waits waits
 * on. */
void vgic_reset_cpu(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;

	spin_lock(&vcpu->vm->vgic.lock);
	for (uint32_t used = cpu->lr_used; used; used &= used - 1U)
		give_back(vcpu, lowest_bit(used));
	for (uint32_t id = 16; id < VGIC_PRIVATE; id++)
		if (cpu->irq[id].hw) {
			gic_set_active(id, false);
			cpu->irq[id].line = cpu->irq[id].active = false;
			vgic_update(vcpu, id);
		}
	cpu->hcr = GICH_HCR_EN;
	cpu->vmcr = cpu->apr = 0;
	spin_unlock(&vcpu->vm->vgic.lock);
}

int vgic_create(struct vm *vm, uint64_t gicv)
{
	int ret = s2_map_device(&vm->s2, ipa(MACHINE_GICC_BASE), pa(gicv), MACHINE_GICC_SIZE);

	if (ret)
		return ret;
	return mmio_add(&vm->bus, MACHINE_GICD_BASE, MACHINE_GICD_SIZE, vgic_dist_access, vm);
}
