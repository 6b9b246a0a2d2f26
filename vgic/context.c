/* SPDX-License-Identifier: BSD-2-Clause */
/* The vGIC's beginnings: creation, reset, and the world switch. Compiled for speed. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include <arm/barrier.h>

#include "hyp/vm/machine.h"
#include "vgic/internal.h"

void vgic_map_hw(struct vcpu *vcpu, uint32_t id, bool (*line)(void))
{
	vcpu->vgic.irq[id].hw = line;
	vcpu->vgic.hw_irq = &vcpu->vgic.irq[id];
}

/*
 * The hardware's interrupt is the guest's, in a list register or out of one; *ended: the guest has ended it in one that
 * has not been looked at. Then, and while it waits (`line`), its physical twin is active.
 */
static inline bool hw_taken(const struct vgic_cpu *cpu, bool *ended)
{
	const struct vgic_irq *irq = cpu->hw_irq;
	uint32_t lr = __atomic_load_n(&irq->lr, __ATOMIC_RELAXED); /* vgic_reset() may be at work elsewhere */

	*ended = false;
	if (lr == VGIC_NO_LR)
		return irq->active;
	*ended = cpu->lr_eoi >> lr & 1U;
	return cpu->lr[lr] & GICH_LR_STATE;
}

void vgic_save(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	volatile uint8_t *gich = gic_gich;
	bool taken, ended;

	cpu->vmcr = io_read32(gich + GICH_VMCR);
	cpu->apr = io_read32(gich + GICH_APR);
	/* What a reset has left in the hardware belongs to no vCPU, and must not become the next vCPU's. */
	for (uint32_t used = cpu->lr_used | (vgic_lr_mask & ~io_read32(gich + GICH_ELRSR0)); used; used &= used - 1U) {
		volatile uint8_t *at = gich + GICH_LR0 + 4U * lowest_bit(used);

		cpu->lr[lowest_bit(used)] = io_read32(at);
		io_write32(at, 0);
	}
	cpu->hcr = io_read32(gich + GICH_HCR); /* with EOIs that have not been counted yet */
	io_write32(gich + GICH_HCR, 0);
	taken = hw_taken(cpu, &ended);
	cpu->hw_waits = taken || cpu->hw_irq->line;
	dmb_ish(); /* who sees that it is nowhere sees all of lr[]; and hw_left, if vgic_reset() has hidden the rest */
	cpu->hw_active = cpu->hw_waits || ended || cpu->hw_left;
	if (unlikely(cpu->hw_active))
		gic_set_active(vgic_hw_id(cpu), false); /* on this CPU only while the vCPU is here */
	cpu->on = NULL;
	dmb_ish(); /* who has asked for them before, and sent an SGI here, gets an answer here: see ask_vcpu() */
	if (unlikely(cpu->recall)) {
		spin_lock(&vcpu->vm->vgic.lock);
		if (!cpu->on)
			vgic_serve_recall(vcpu);
		vgic_unlock(vcpu->vm);
	}
}

void vgic_load(struct vcpu *vcpu)
{
	struct vgic_cpu *cpu = &vcpu->vgic;
	volatile uint8_t *gich = gic_gich;
	bool ended;

	spin_lock(&vcpu->vm->vgic.lock);
	if (unlikely(cpu->recall))
		vgic_serve_recall(vcpu);
	cpu->on = this_cpu();
	if (unlikely(vcpu->vm->vgic.shared))
		vgic_look_later(vcpu->vm); /* perhaps it takes what waits elsewhere */
	vgic_unlock(vcpu->vm);
	if (unlikely(cpu->hw_active) && (hw_taken(cpu, &ended) || ended || cpu->hw_irq->line))
		gic_set_active(vgic_hw_id(cpu), true);
	io_write32(gich + GICH_VMCR, cpu->vmcr);
	io_write32(gich + GICH_APR, cpu->apr);
	for (uint32_t used = cpu->lr_used; used; used &= used - 1U) /* the others are empty */
		io_write32(gich + GICH_LR0 + 4U * lowest_bit(used), cpu->lr[lowest_bit(used)]);
	io_write32(gich + GICH_HCR, cpu->hcr);
}

/*
 * An input is its device's, which may change it meanwhile (vgic_set_line()): it stands, but for the hardware's. False:
 * the interrupt is idle now.
 */
static bool reset_irq(struct vgic_irq *irq, bool edge)
{
	static const struct vgic_irq fresh = {.lr = VGIC_NO_LR, .claimant = VGIC_NO_CPU};

	static_assert(offsetof(struct vgic_irq, asked) % 4U == 0 &&
			      offsetof(struct vgic_irq, line) == offsetof(struct vgic_irq, asked) + 1U,
		      "words, and a byte");
	__builtin_memcpy(__builtin_assume_aligned(irq, 4), &fresh, offsetof(struct vgic_irq, asked)); /* no call, so */
	irq->asked = false;
	irq->edge = edge;
	irq->forward = edge;
	if (irq->hw)
		irq->line = false;
	witness(irq, "vgic_reset");
	return irq->line || irq->hw || irq->twin;
}

/* SPIs of one word of the distributor. */
static void reset_spis(struct vgic *vgic, uint32_t w)
{
	uint32_t busy = 0;

	for (uint32_t i = 0; i < 32U; i++)
		if (reset_irq(&vgic->spi[w * 32U - VGIC_PRIVATE + i], false))
			busy |= BIT(i);
	vgic->busy[w] = busy;
}

/*
 * All of the distributor, private interrupts and what waits for each vCPU included. No vCPU of the VM runs. Those of
 * the host's that the VM has go one by one, before and behind all others: none of them comes in between.
 */
void vgic_reset(struct vm *vm)
{
	struct vcpu *v;

	vgic_silence(vm);
	spin_lock(&vm->vgic.lock);
	vm->vgic.forwarded = vm->vgic.online = vm->vgic.shared = 0;
	for (uint32_t w = 0; w < VGIC_WORDS; w++)
		vm->vgic.enabled[w] = vm->vgic.several[w] = vm->vgic.group1[w] = 0;
	memset(vm->vgic.edge, 0, sizeof(vm->vgic.edge));
	vm->vgic.edge[0] = 0xaaaaaaaaU; /* SGIs */
	for (uint32_t w = VGIC_PRIVATE / 32U; w < VGIC_WORDS; w++)
		reset_spis(&vm->vgic, w);
	vm_for_each_vcpu(v, vm) {
		v->vgic.hw_left = true;
		dmb_ish(); /* it may not be out of the hardware yet: vgic_save() looks at the rest first */
		for (uint32_t id = 0; id < VGIC_PRIVATE; id++)
			reset_irq(&v->vgic.irq[id], id < 16);
		memset(v->vgic.queued, 0, sizeof(v->vgic.queued));
		memset(v->vgic.queued_words, 0, sizeof(v->vgic.queued_words));
		memset(v->vgic.mail, 0, sizeof(v->vgic.mail));
		v->vgic.group1 = 0;
		v->vgic.busy = ~0U;        /* lines stand */
		v->vgic.enabled = 0xffffU; /* SGIs are always enabled, as on QEMU's GIC */
		v->vgic.queued_levels = v->vgic.lr_used = v->vgic.lr_eoi = v->vgic.lr_lent = v->vgic.resample = 0;
		v->vgic.shares = v->vgic.look_late = v->vgic.asked = false;
	}
	vgic_unlock(vm);
	vgic_reset_twins(vm);
}

/* Its running priority is gone: no EOI belongs to them any more. */
static void forget_acked(struct vcpu *vcpu)
{
	for (uint32_t id = 0; id < VGIC_IRQS; id++)
		if (vgic_irq(vcpu, id)->owner == vcpu->index)
			vgic_irq(vcpu, id)->acked = false;
	vcpu->vgic.spilled = false;
}

/* The vCPU has come or gone: SPIs that have other targets, too. */
static void retarget_spis(struct vcpu *vcpu)
{
	uint32_t self = BIT(vcpu->index);

	for (uint32_t id = VGIC_PRIVATE; vcpu->vm->vgic.shared && id < VGIC_IRQS; id++) {
		struct vgic_irq *irq = vgic_irq(vcpu, id);

		if (irq->targets & self && irq->targets != self) {
			irq->claimant = VGIC_NO_CPU;
			vgic_update(vcpu, id);
		}
	}
}

/* The CPU interface as at power-on; the vCPU is the current one. What waits in the distributor, or is active, stays. */
void vgic_reset_cpu(struct vcpu *vcpu, bool online)
{
	struct vgic_cpu *cpu = &vcpu->vgic;

	spin_lock(&vcpu->vm->vgic.lock);
	if (online)
		vcpu->vm->vgic.online |= BIT(vcpu->index);
	else
		vcpu->vm->vgic.online &= ~BIT(vcpu->index);
	cpu->shares = cpu->look_late = cpu->asked = false;
	cpu->flushing = true; /* nothing goes into a list register now: the vCPU may be about to go off */
	for (uint32_t used = cpu->lr_used; used; used &= used - 1U)
		vgic_give_back(vcpu, lowest_bit(used));
	for (uint32_t lrs = cpu->on ? vgic_lr_mask : 0; lrs; lrs &= lrs - 1U)
		vgic_lr_write(lowest_bit(lrs), 0); /* what vgic_reset() has forgotten about */
	gic_set_active(vgic_hw_id(cpu), false);
	cpu->hw_irq->line = cpu->hw_irq->active = cpu->hw_irq->acked = false;
	witness(cpu->hw_irq, __func__);
	vgic_update(vcpu, vgic_hw_id(cpu));
	if (cpu->spilled)
		forget_acked(vcpu);
	cpu->hcr = VGIC_HCR;
	cpu->vmcr = cpu->apr = cpu->orphans = 0;
	cpu->hw_left = false;
	if (cpu->on)
		io_write32(gic_gich + GICH_HCR, cpu->hcr);
	retarget_spis(vcpu);
	cpu->flushing = false;
	if (cpu->queued_levels)
		vgic_request(vcpu);
	vgic_unlock(vcpu->vm);
}

int vgic_create(struct vm *vm, uint64_t gicv)
{
	int ret;

	vm->vgic.look.expired = vgic_look;
	/* Only the first page of GICV: GICC_DIR is emulated, because the hardware forgets which ID it could not find.
	 */
	ret = s2_map_device(&vm->s2, ipa(MACHINE_GICC_BASE), pa(gicv), PAGE_SIZE);

	return ret ? ret : vgic_dist_create(vm);
}

void vgic_end(struct vm *vm)
{
	timer_drain(&vm->vgic.look);
	vgic_end_twins(vm);
}

int vgic_forward(struct vm *vm, uint32_t id, uint32_t host_id, enum vgic_trigger trigger)
{
	int ret = vgic_twin_claim(vm, id, host_id, trigger);

	if (!ret)
		vgic_dist_have_twins(vm);
	return ret;
}
