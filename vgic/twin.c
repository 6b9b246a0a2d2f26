/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPIs of a VM that are the host's: those of a device that the VM has been given.
 *
 * The host's interrupt, the twin, is taken by virt7 and stays active, so that it cannot come again, until the guest has
 * ended its own (`taken`): a guest that never does blocks no other VM, and a line that stays up is no storm. The list
 * register has GICH_LR.HW: the guest's EOI deactivates the twin, and virt7 hears of it when it looks at the list
 * register or when the twin fires again (`lr_lent`). On a GIC that forgets levels with that (hyp/host/gic.h), and after
 * any change of the interrupt while it is in a list register, that asks for a maintenance interrupt at the EOI instead
 * (GICH_LR.EOI); then the twin is deactivated, unless its line is still up: then the guest's is pending again at once.
 *
 * The twin is enabled while the guest's is, is edge-triggered or level-sensitive as the guest's is, and interrupts the
 * CPU on which the vCPU lived that the guest's last one went to.
 */
#include <errno.h>

#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "vgic/internal.h"

static struct twin {
	struct spinlock lock; /* of `vm`, so that it stays: outside that VM's vgic.lock */
	struct vm *vm;        /* NULL: free */
	uint16_t id, host;    /* constant while there is a VM, as is */
	bool reset_edge;
	/* under vgic.lock */
	bool edge;   /* as the host's GIC has it */
	bool silent; /* the guest has not enabled it since its reset */
	uint8_t cpu; /* which it interrupts */
} twins[VGIC_TWINS];

static struct spinlock claims; /* held while a twin gets its VM or loses it: outside all others here */

static struct twin *twin_of(const struct vgic_irq *irq)
{
	return &twins[irq->twin - 1U];
}

static struct vgic_irq *irq_of(const struct twin *twin)
{
	return &twin->vm->vgic.spi[twin->id - VGIC_PRIVATE];
}

void vgic_twin_aim(struct vgic_irq *irq)
{
	struct twin *twin = twin_of(irq);
	const struct vcpu *target = vgic_spi_target(twin->vm, irq);
	const struct percpu *cpu = target ? __atomic_load_n(&target->thread.cpu, __ATOMIC_RELAXED) : NULL;

	if (irq->taken || !cpu || cpu->head.id == twin->cpu)
		return;
	twin->cpu = (uint8_t)cpu->head.id;
	gic_set_target(twin->host, twin->cpu);
}

/* One of them is edge-triggered: what has come is kept in `latch`. Else the guest's follows the twin's line. */
static bool is_edge(const struct twin *twin, const struct vgic_irq *irq)
{
	return irq->edge || twin->edge;
}

void vgic_twin_settle(struct vgic_irq *irq)
{
	const struct twin *twin = twin_of(irq);

	if (!irq->taken || irq->active)
		return;
	irq->line = !is_edge(twin, irq) && gic_spi_is_pending(twin->host);
	if (irq->line || (is_edge(twin, irq) && irq->latch))
		return;
	irq->taken = false;
	vgic_twin_aim(irq);
	gic_end_spi(twin->host);
}

void vgic_twin_ended(struct vgic_irq *irq)
{
	irq->taken = irq->line = false; /* it comes again if its line is up */
	vgic_twin_aim(irq);
}

uint32_t vgic_twin_host(const struct vgic_irq *irq)
{
	return twin_of(irq)->host;
}

static void settle_outside(struct vgic_irq *irq)
{
	if (irq->lr == VGIC_NO_LR)
		vgic_twin_settle(irq);
}

static void follow_enabled(struct vgic_irq *irq)
{
	struct twin *twin = twin_of(irq);

	settle_outside(irq);
	if (!irq->forward) {
		gic_disable_spi(twin->host);
		return;
	}
	twin->silent = false;
	vgic_twin_aim(irq);
	gic_enable(twin->host);
}

void vgic_twin_update_forward(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);

	irq->forward = *vgic_enabled(vcpu, id / 32) >> id % 32 & 1U;
	if (irq->twin)
		follow_enabled(irq);
	vgic_update(vcpu, id);
}

static void configure_twin(struct twin *twin, const struct vgic_irq *irq)
{
	gic_disable_spi(twin->host);
	twin->edge = gic_set_edge(twin->host, irq->edge);
	if (irq->forward)
		gic_enable(twin->host);
}

void vgic_twin_configure(struct vgic_irq *irq)
{
	configure_twin(twin_of(irq), irq);
	settle_outside(irq);
}

void vgic_twin_clear(struct vgic_irq *irq)
{
	gic_clear_pending_spi(twin_of(irq)->host);
	settle_outside(irq);
}

bool vgic_twin_pending(struct vcpu *vcpu, uint32_t id)
{
	struct vgic_irq *irq = vgic_irq(vcpu, id);
	bool pending = gic_spi_is_pending(twin_of(irq)->host);

	if (irq->line && !pending) {
		irq->line = false; /* the device's has fallen before the guest has taken it, or ended it */
		settle_outside(irq);
		vgic_update(vcpu, id);
	}
	return pending;
}

/* It can fire again because the guest has ended its own; the list register that did it was not looked at since. */
static void hear_of_end(struct vm *vm, struct vgic_irq *irq)
{
	struct vgic_cpu *owner = &vm->vcpu[irq->owner]->vgic;

	if (irq->lr == VGIC_NO_LR || !(owner->lr_lent & BIT(irq->lr)))
		return;
	owner->lr_lent &= ~BIT(irq->lr);
	vgic_twin_ended(irq);
}

/* It has fired, here. If the guest's is gone meanwhile, or starts anew, it is not waited for. */
static bool twin_irq(uint32_t host, void *arg)
{
	struct twin *twin = arg;
	bool ended = true;

	spin_lock(&twin->lock);
	if (twin->vm && twin->host == host) {
		struct vm *vm = twin->vm;
		struct vgic_irq *irq = irq_of(twin);

		spin_lock(&vm->vgic.lock);
		ended = twin->silent;
		if (!ended) {
			hear_of_end(vm, irq);
			irq->taken = true;
			irq->latch |= is_edge(twin, irq);
			irq->line = !is_edge(twin, irq);
			vgic_update(vm->vcpu[0], twin->id);
		}
		vgic_unlock(vm);
	}
	spin_unlock(&twin->lock);
	return ended;
}

/* Nothing is left of it but its device's line. Holder of vgic.lock. */
static void silence_twin(struct twin *twin)
{
	struct vgic_irq *irq = irq_of(twin);

	twin->silent = true;
	gic_disable_spi(twin->host);
	gic_clear_pending_spi(twin->host);
	gic_end_spi(twin->host);
	irq->taken = irq->line = false;
}

/* The guest's as after a reset. Holder of vgic.lock. */
static void reset_twin(struct twin *twin)
{
	struct vgic_irq *irq = irq_of(twin);

	silence_twin(twin);
	irq->edge = twin->reset_edge;
	if (irq->edge)
		twin->vm->vgic.edge[twin->id / 16] |= BIT(twin->id % 16 * 2 + 1);
	configure_twin(twin, irq);
}

/* One after the other, so that others may have the CPU in between: no vCPU of the VM runs. */
static void for_twins_of(struct vm *vm, void (*apply)(struct twin *twin))
{
	for (uint32_t i = 0; vm->vgic.twins > 0 && i < VGIC_TWINS; i++) {
		if (twins[i].vm != vm)
			continue;
		spin_lock(&vm->vgic.lock);
		apply(&twins[i]);
		vgic_unlock(vm);
		sched_preempt();
	}
}

void vgic_reset_twins(struct vm *vm)
{
	for_twins_of(vm, reset_twin);
}

void vgic_silence(struct vm *vm)
{
	for_twins_of(vm, silence_twin);
}

/* Holder of `claims`. */
static int claim_twin(struct twin *twin, struct vm *vm, uint32_t id, uint32_t host, bool edge)
{
	int ret = irq_claim(host, twin_irq, twin);

	if (ret)
		return ret;
	spin_lock(&twin->lock);
	twin->vm = vm;
	twin->id = (uint16_t)id;
	twin->host = (uint16_t)host;
	twin->reset_edge = edge;
	twin->cpu = (uint8_t)cpu_id();
	spin_lock(&vm->vgic.lock);
	vm->vgic.twins++;
	irq_of(twin)->twin = (uint8_t)(twin - twins + 1);
	*vgic_busy(vm->vcpu[0], id / 32) |= BIT(id % 32);
	gic_set_target(host, twin->cpu);
	reset_twin(twin);
	vgic_unlock(vm);
	spin_unlock(&twin->lock);
	return 0;
}

int vgic_twin_claim(struct vm *vm, uint32_t id, uint32_t host_id, enum vgic_trigger trigger)
{
	uint32_t i = 0;
	int ret = -ENOSPC;

	if (id < VGIC_PRIVATE || id >= VGIC_IRQS || host_id < VGIC_PRIVATE || host_id >= MIN(gic_lines(), GIC_SPURIOUS))
		return -EINVAL;
	if (vm->vgic.spi[id - VGIC_PRIVATE].twin)
		return -EEXIST;
	spin_lock(&claims);
	while (i < VGIC_TWINS && twins[i].vm)
		i++;
	if (i < VGIC_TWINS)
		ret = claim_twin(&twins[i], vm, id, host_id, trigger == VGIC_EDGE);
	spin_unlock(&claims);
	return ret;
}

/* Holder of `claims`. A CPU that has just taken it finds no VM and ends it. */
static void release_twin(struct twin *twin)
{
	struct vm *vm = twin->vm;

	spin_lock(&twin->lock);
	spin_lock(&vm->vgic.lock);
	silence_twin(twin);
	irq_of(twin)->twin = 0;
	vm->vgic.twins--;
	vgic_unlock(vm);
	irq_give_up(twin->host);
	twin->vm = NULL;
	spin_unlock(&twin->lock);
}

int vgic_unforward(struct vm *vm, uint32_t id)
{
	uint32_t twin = id >= VGIC_PRIVATE && id < VGIC_IRQS ? vm->vgic.spi[id - VGIC_PRIVATE].twin : 0;

	if (!twin)
		return -ENOENT;
	spin_lock(&claims);
	release_twin(&twins[twin - 1U]);
	spin_unlock(&claims);
	return 0;
}

void vgic_end_twins(struct vm *vm)
{
	for (uint32_t id = VGIC_PRIVATE; vm->vgic.twins > 0 && id < VGIC_IRQS; id++) {
		vgic_unforward(vm, id);
		sched_preempt();
	}
}
