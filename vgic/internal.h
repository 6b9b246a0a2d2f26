/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the vGIC's files share. All of it is called with vgic.lock held, but for
 *   what takes that lock itself, or runs before the VM does: vgic_look(), vgic_twin_claim(), vgic_end_twins(),
 *   vgic_dist_create(), vgic_dist_have_twins();
 *   what needs none, or not always: vgic_is_here(), vgic_has_mail(), vgic_read_sources(), and the inlines that only
 *   read, for the vCPU that runs here (put_again(), any_pending()).
 */
#ifndef VGIC_INTERNAL_H
#define VGIC_INTERNAL_H

#include <arm/atomic.h>
#include <arm/barrier.h>
#include <arm/io.h>
#include <arm/witness.h>

#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "vgic/vgic.h"

#define VGIC_HCR (GICH_HCR_EN | GICH_HCR_LRENPIE)

#define VGIC_BINARY_POINT_MIN 2U /* of GICV_BPR: five bits of priority, all of them for preemption */

/* What stands in GICH_APR for an active interrupt with this priority (five bits): its group priority (4.4.3). */
static inline uint32_t vgic_apr_bit(uint32_t vmcr, bool group1, uint32_t priority)
{
	bool own_point = group1 && !(vmcr & GICH_VMCR_CBPR); /* group 1's, which counts one more */
	uint32_t point = own_point ? FIELD(vmcr, 18, 3) : FIELD(vmcr, 21, 3) + 1U;
	uint32_t ignored = point > VGIC_BINARY_POINT_MIN + 1U ? point - VGIC_BINARY_POINT_MIN - 1U : 0;

	return priority & (~0U << ignored);
}

static inline bool vgic_has_several_targets(const struct vgic_irq *irq)
{
	return irq->targets & (irq->targets - 1U);
}

/* List registers that exist, as a mask. */
extern uint32_t vgic_lr_mask;

static inline struct vgic_irq *vgic_irq(struct vcpu *vcpu, uint32_t id)
{
	return id < VGIC_PRIVATE ? &vcpu->vgic.irq[id] : &vcpu->vm->vgic.spi[id - VGIC_PRIVATE];
}

/* After a change of its priority or group. */
static inline void vgic_set_rank(struct vgic_irq *irq)
{
	irq->rank = GICH_LR_PRIORITY(irq->priority) | (irq->group1 ? GICH_LR_GROUP1 : 0);
}

/*
 * The vCPU is to look at what it has before it goes back to its guest. One that is not the current is told when the
 * lock is free (vgic_unlock()): it would come only to wait for it.
 */
static inline void vgic_request(struct vcpu *vcpu)
{
	if (&vcpu->thread == this_cpu()->thread)
		atomic_or(&vcpu->thread.work, WORK_VGIC);
	else
		vcpu->vm->vgic.requests |= BIT(vcpu->index);
}

/* Out of line, so that a caller with no CPU to tell saves no registers for it. */
static __attribute__((noinline, unused)) void vgic_unlock_and_tell(struct vm *vm)
{
	uint32_t vcpus = vm->vgic.requests;

	vm->vgic.requests = 0;
	spin_unlock(&vm->vgic.lock);
	for (; vcpus; vcpus &= vcpus - 1U)
		vcpu_request(vm->vcpu[lowest_bit(vcpus)], WORK_VGIC);
}

static inline void vgic_unlock(struct vm *vm)
{
	if (unlikely(vm->vgic.requests))
		vgic_unlock_and_tell(vm);
	else
		spin_unlock(&vm->vgic.lock);
}

enum vgic_place { VGIC_NOWHERE, VGIC_QUEUED, VGIC_LISTED, VGIC_ACTIVE };

static inline enum vgic_place vgic_place(const struct vgic_irq *irq)
{
	if (irq->lr != VGIC_NO_LR)
		return VGIC_LISTED;
	return irq->active ? VGIC_ACTIVE : irq->queued ? VGIC_QUEUED : VGIC_NOWHERE;
}

/* The private interrupt that has a physical twin. */
static inline uint32_t vgic_hw_id(const struct vgic_cpu *cpu)
{
	return (uint32_t)(cpu->hw_irq - cpu->irq);
}

/* The enable bits of interrupts 32 * w and on. */
static inline uint32_t *vgic_enabled(struct vcpu *vcpu, uint32_t w)
{
	return w == 0 ? &vcpu->vgic.enabled : &vcpu->vm->vgic.enabled[w];
}

static inline uint32_t *vgic_group1(struct vcpu *vcpu, uint32_t w)
{
	return w == 0 ? &vcpu->vgic.group1 : &vcpu->vm->vgic.group1[w];
}

/* Interrupts 32 * w and on that are not idle; and perhaps others. */
static inline uint32_t *vgic_busy(struct vcpu *vcpu, uint32_t w)
{
	return w == 0 ? &vcpu->vgic.busy : &vcpu->vm->vgic.busy[w % VGIC_WORDS];
}

/* Enabled, and its group is forwarded. */
static inline bool vgic_is_forwarded(const struct vm *vm, const struct vgic_irq *irq)
{
	return irq->forward && (vm->vgic.forwarded >> irq->group1 & 1U);
}

static inline bool vgic_irq_pending(const struct vgic_irq *irq)
{
	return irq->latch || irq->sources || (irq->line && !irq->edge);
}

static inline uint32_t vgic_lr_read(uint32_t lr)
{
	return io_read32(gic_gich + GICH_LR0 + 4U * lr);
}

static inline void vgic_lr_write(uint32_t lr, uint32_t value)
{
	io_write32(gic_gich + GICH_LR0 + 4U * lr, value);
}

/* vgic_lr_write() where other vCPUs must know: what is pending from now on was elsewhere before. */
static inline void vgic_lr_note(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	vgic_lr_write(lr, value);
	vcpu->vgic.lr[lr] = value;
}

/*
 * The CPU whose list registers are the vCPU's; NULL: none, and lr[] has what was in them. vgic_save() says so without
 * the lock, when all of them are written down.
 */
static inline const struct percpu *vgic_where(const struct vcpu *vcpu)
{
	const struct percpu *on = __atomic_load_n(&vcpu->vgic.on, __ATOMIC_RELAXED);

	if (!on)
		dmb_ish();
	return on;
}

/* A list register of a vCPU that is loaded on this CPU, or on none. */
static inline uint32_t vgic_lr_get(const struct vcpu *vcpu, uint32_t lr)
{
	return vcpu->vgic.on ? vgic_lr_read(lr) : vcpu->vgic.lr[lr];
}

static inline void vgic_lr_set(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	if (vcpu->vgic.on)
		vgic_lr_write(lr, value);
	else
		vcpu->vgic.lr[lr] = value;
}

/* EOIs of a vCPU, loaded here or nowhere, that have met no list register and have not been counted yet. */
static inline uint32_t vgic_eoi_count(const struct vcpu *vcpu)
{
	return (vcpu->vgic.on ? io_read32(gic_gich + GICH_HCR) : vcpu->vgic.hcr) >> GICH_HCR_EOI_COUNT_SHIFT;
}

/* The vCPU runs on this CPU: its list registers are at hand, and it looks at its work before it goes on. */
static inline bool vgic_is_here(const struct vcpu *vcpu)
{
	return this_cpu()->thread == &vcpu->thread && vcpu->vgic.on;
}

#define VGIC_LR_PRIORITY GICH_LR_PRIORITY(0xf8)

/* The list register has the interrupt's priority and group. */
static inline bool vgic_same_rank(const struct vgic_irq *irq, uint32_t value)
{
	return (value & (VGIC_LR_PRIORITY | GICH_LR_GROUP1)) == irq->rank;
}

static inline void vgic_count_injected(struct vgic_cpu *cpu, uint32_t id)
{
	cpu->injected_id[cpu->injected++ % ARRAY_SIZE(cpu->injected_id)] = (uint8_t)id;
}

static inline bool vgic_has_mail(const struct vgic_cpu *cpu)
{
	return cpu->mail[0] | cpu->mail[1] | cpu->mail[2] | cpu->mail[3];
}

/* vgic/vgic.c: call it after any change to an interrupt's state. `vcpu`: whose, for a private one. */
void vgic_update(struct vcpu *vcpu, uint32_t id);
/* After a change of GICD_CTLR; of the interrupt's enable bit or group. */
void vgic_update_all(struct vm *vm);
void vgic_update_forward(struct vcpu *vcpu, uint32_t id);
/* The vCPU that gets an SPI; NULL: none. */
struct vcpu *vgic_spi_target(struct vm *vm, const struct vgic_irq *irq);
/* Take a pending interrupt out of the list register again. The vCPU is loaded on this CPU, or on none. */
void vgic_withdraw(struct vcpu *vcpu, uint32_t lr, uint32_t value);
/* Take whatever is in the list register out: its state is the distributor's again. */
void vgic_give_back(struct vcpu *vcpu, uint32_t lr);
/* Into an empty list register, if there is one, so that the hardware sees the EOI; of the current vCPU. */
void vgic_put_active(struct vcpu *vcpu, uint32_t id);
/* The list register is empty: its interrupt is on its own again. */
void vgic_retire(struct vcpu *vcpu, uint32_t lr);
/* Bring list registers in line with what has changed (vgic_cpu.resample). */
void vgic_resample(struct vcpu *vcpu);
/* It waits for no list register any more. */
void vgic_unqueue(struct vm *vm, struct vgic_irq *irq, uint32_t id);
/* Into a list register of this CPU that is empty. */
void vgic_lr_put(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t id, uint32_t lr);
/* What is pending in a list register, which has this value, becomes the latch's again. */
void vgic_lr_unpend(struct vcpu *vcpu, uint32_t lr, uint32_t value);
/* Have the list register, which has this value, ask for an interrupt at its EOI. */
void vgic_ask_eoi(struct vcpu *vcpu, uint32_t lr, uint32_t value);
/*
 * The list register, which has this value and is not empty, is about to change: if its EOI would have ended a twin, an
 * interrupt asks for that instead. What it has then. Only an interrupt without GICH_LR.HW may be pending behind its own
 * active (IHI 0048B, GICH_LRn.State).
 */
static inline uint32_t vgic_keep_twin(struct vcpu *vcpu, uint32_t lr, uint32_t value)
{
	if (likely(!(vcpu->vgic.lr_lent & BIT(lr))))
		return value;
	vgic_ask_eoi(vcpu, lr, value);
	return vgic_lr_read(lr);
}

/*
 * Has the guest taken the interrupt, which is active in a list register with this value, and will its EOI deactivate
 * it? Then *bit is what stands for it in GICH_APR.
 */
bool vgic_is_taken(const struct vcpu *vcpu, const struct vgic_irq *irq, uint32_t value, uint8_t *bit);
/* An interrupt that the vCPU has waits, or will: see that it is looked at if it is such an SPI. */
void vgic_shares(struct vcpu *vcpu, const struct vgic_irq *irq);
/* Such an SPI waits: look in a while. */
void vgic_look_later(struct vm *vm);
/*
 * A hardware interrupt waits with its physical twin active, so no interrupt says when its line falls again: look. True
 * when it has fallen; the physical interrupt is ready to fire anew.
 */
bool vgic_drop_fallen(struct vcpu *vcpu, uint32_t id);

/* It is in no list register any more: to where it belongs now. */
static inline void vgic_leave_lr(struct vcpu *vcpu, struct vgic_irq *irq, uint32_t id)
{
	irq->lr = VGIC_NO_LR;
	irq->soft = irq->manual = false;
	witness(irq, __func__);
	if (vgic_irq_pending(irq)) {
		vgic_update(vcpu, id);
	} else { /* as that would */
		irq->asked = false;
		irq->claimant = VGIC_NO_CPU;
	}
}

/*
 * vgic/raise.c. vgic_set_pending(): the guest has written to GICD_ISPENDR. vgic_open_mail(): before the vCPU, which is
 * the current one, looks at the state of its SGIs; what has come by mail is part of it.
 */
void vgic_set_pending(struct vcpu *vcpu, uint32_t id);
void vgic_open_mail(struct vcpu *vcpu);

/* vgic/state.c: interrupts that the guest has ended while they were in no list register (GICH_HCR.EOICount). */
void vgic_count_eois(struct vcpu *vcpu);
/*
 * Before pending or active state of interrupts `first` + the bits in `mask` is looked at by `vcpu`, the current one:
 * other vCPUs write down what is in their list registers. Before a `write`: what they hold of it is given back, and
 * stays out of list registers until vgic_release() of the bits that are returned. Lets go of the lock while it waits
 * for their CPUs, and may lose the CPU to another vCPU.
 */
uint32_t vgic_collect(struct vcpu *vcpu, uint32_t first, uint32_t mask, bool write);
void vgic_release(struct vcpu *vcpu, uint32_t first, uint32_t held);
/* A vCPU that another one waits for, loaded on this CPU or on none. */
void vgic_serve_recall(struct vcpu *vcpu);

/* A bit of *vgic_busy(), looked at: it is idle, and need not be looked at again. */
bool vgic_is_idle(const struct vgic_irq *irq);

/* No interrupt says when the line of a hardware interrupt falls: look. What is pending because of it then is no more.
 */
void vgic_look_at_line(struct vcpu *vcpu, uint32_t id);

/* State as the guest reads and writes it, list register included; another vCPU's has been collected. */
bool vgic_read_pending(struct vcpu *vcpu, uint32_t id);
bool vgic_read_active(struct vcpu *vcpu, uint32_t id);
uint32_t vgic_read_sources(struct vcpu *vcpu, uint32_t id);
void vgic_clear_pending(struct vcpu *vcpu, uint32_t id);
void vgic_clear_sources(struct vcpu *vcpu, uint32_t id, uint32_t sources);
void vgic_set_active(struct vcpu *vcpu, uint32_t id, bool active);

/*
 * vgic/share.c: look at the SPIs of several targets that the vCPU has and no vCPU has acknowledged: what its CPU
 * interface would not signal goes on to another. The vCPU is loaded on this CPU, or on none.
 */
void vgic_share(struct vcpu *vcpu);
/* GICH_HCR bits by which the current vCPU's guest says that it disables a group that one of these is in. */
uint32_t vgic_share_hcr(const struct vcpu *vcpu);
/* The look that vgic_look_later() has asked for. */
void vgic_look(struct timer *timer);

/*
 * vgic/twin.c; all of them for an interrupt that has a twin. vgic_twin_settle(): an interrupt whose twin is `taken` is
 * in no list register, or about to leave it: where it is neither active nor pending any more the twin may fire again.
 * Before vgic_update(). vgic_twin_configure(): `edge` has changed. vgic_twin_aim(): its targets
 * have. vgic_twin_ended(): a list register has ended the twin. vgic_twin_clear(): the guest has written to
 * GICD_ICPENDR. vgic_twin_pending(): of the twin; where that tells a line, `line` follows it.
 */
void vgic_twin_settle(struct vgic_irq *irq);
void vgic_twin_ended(struct vgic_irq *irq);
uint32_t vgic_twin_host(const struct vgic_irq *irq);
void vgic_twin_configure(struct vgic_irq *irq);
void vgic_twin_aim(struct vgic_irq *irq);
void vgic_twin_clear(struct vgic_irq *irq);
bool vgic_twin_pending(struct vcpu *vcpu, uint32_t id);
/* vgic_update_forward() in a VM that has twins, of whatever interrupt. */
void vgic_twin_update_forward(struct vcpu *vcpu, uint32_t id);
/* As vgic_forward(), but for the distributor's registers. */
int vgic_twin_claim(struct vm *vm, uint32_t id, uint32_t host_id, enum vgic_trigger trigger);
/* Of the VM's, at a reset. */
void vgic_reset_twins(struct vm *vm);
void vgic_end_twins(struct vm *vm);

/* vgic/dist.c: put the distributor's registers and GICC_DIR on the bus. 0 or -Exxx. */
int vgic_dist_create(struct vm *vm);
/* The VM, of which no vCPU runs, has SPIs of the host's from now on. */
void vgic_dist_have_twins(struct vm *vm);

#endif
