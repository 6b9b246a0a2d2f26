/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * World switch. The only place where a vCPU's state moves between the hardware and memory, and it runs only when a CPU
 * goes to another vCPU: an exit that returns to the same one never comes here. Compiled for speed.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "coproc/extra.h"
#include "hyp/arm/switch.h"
#include "hyp/run/world.h"
#include "hyp/vm/hcr.h"
#include "hyp/vm/switch.h"
#include "hyp/vm/vm.h"
#include "mm/tlb.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

/* The words that hyp/arm/context.S moves, one behind the other. */
struct moved {
#define BANKED(member, name)      uint32_t name;
#define BANKED2(member, from, to) uint32_t from;
#define CP15(member, ...)         uint32_t member;
#define CP15_64(member, ...)      uint64_t member;
#include "hyp/arm/context.def"
#undef BANKED
#undef BANKED2
#undef CP15
#undef CP15_64
};

#define CHECK(member, word)                                                                                    \
	static_assert(offsetof(struct vcpu_context, member) == offsetof(struct moved, word) &&                 \
			      sizeof(((struct vcpu_context *)0)->member) == sizeof(((struct moved *)0)->word), \
		      "hyp/arm/context.def is in the order of struct vcpu_context");
#define BANKED(member, name)      CHECK(member, name)
#define BANKED2(member, from, to) CHECK(member, from)
#define CP15(member, ...)         CHECK(member, member)
#define CP15_64(member, ...)      CHECK(member, member)
#include "hyp/arm/context.def"
#undef BANKED
#undef BANKED2
#undef CP15
#undef CP15_64
static_assert(sizeof(struct moved) % (12U * 4U) == 0, "hyp/arm/context.S moves twelve words at a time");
static_assert(offsetof(struct vcpu_context, sctlr) == sizeof(struct moved), "SCTLR goes by itself");

/*
 * What of a vCPU is in the hardware of the CPU where it is loaded. Each part has three functions: save_PART() and
 * load_PART(), which the world switch calls in this order, because what the vGIC has saved says whether a timer of
 * virt7's stands in for the guest's; and reset_PART(), in the other order: a timer's line falls before the vGIC forgets
 * its interrupt. One part more is a word in both lines.
 */
#define WORLD(of)          of(context) of(vgic) of(vtimer) of(coproc) of(vfp)
#define WORLD_REVERSED(of) of(vfp) of(coproc) of(vtimer) of(vgic) of(context)

static inline void save_context(struct vcpu *vcpu)
{
	vcpu->ctx.sctlr = read_sctlr();
	context_save(&vcpu->ctx);
}

/* SCTLR comes last: restore_world(). */
static inline void load_context(struct percpu *cpu, struct vcpu *vcpu)
{
	context_restore(&vcpu->ctx);
}

/* Everything the architecture defines at reset is set, the rest is zero: nothing of the last run shows (B1.9.1). */
static inline void reset_context(struct percpu *cpu, struct vcpu *vcpu, enum vcpu_start how)
{
	const uint32_t *args = vcpu->entry_args;

	*vcpu->regs = (struct regs){.r = {args[0], args[1], args[2]}};
	vcpu->ctx = (struct vcpu_context){
		.elr = vcpu->entry & ~1U,
		.spsr = PSR_MODE_SVC | PSR_A | PSR_I | PSR_F | (vcpu->entry & 1U ? PSR_T : 0) | vcpu->entry_psr_e,
		.sctlr = SCTLR_RESET,
	};
	vcpu->hcr &= ~HCR_VA;
}

/* The registers stay where they are until another vCPU uses its own there (coproc_hcptr()). */
static inline void save_vfp(struct vcpu *vcpu)
{
}

static inline void load_vfp(struct percpu *cpu, struct vcpu *vcpu)
{
	if (unlikely(cpu->vfp_owner == vcpu))
		write_hcptr(HCPTR_OPEN);
	else
		write_hcptr(HCPTR_CLOSED);
}

static inline void reset_vfp(struct percpu *cpu, struct vcpu *vcpu, enum vcpu_start how)
{
	vcpu->vfp = (struct vfp_context){0};
	if (cpu->vfp_owner == vcpu)
		cpu->vfp_owner = NULL;
}

static inline void save_coproc(struct vcpu *vcpu)
{
	if (unlikely(vcpu->coproc.extra))
		extra_save(vcpu);
}

static inline void load_coproc(struct percpu *cpu, struct vcpu *vcpu)
{
	if (unlikely(vcpu->coproc.extra))
		extra_load(vcpu);
}

static inline void reset_coproc(struct percpu *cpu, struct vcpu *vcpu, enum vcpu_start how)
{
	coproc_reset(vcpu);
}

static inline void save_vgic(struct vcpu *vcpu)
{
	vgic_save(vcpu);
}

static inline void load_vgic(struct percpu *cpu, struct vcpu *vcpu)
{
	vgic_load(vcpu);
}

static inline void reset_vgic(struct percpu *cpu, struct vcpu *vcpu, enum vcpu_start how)
{
	if (how == START_RESET)
		vgic_reset_cpu(vcpu, true);
}

static inline void save_vtimer(struct vcpu *vcpu)
{
	vtimer_save(vcpu);
}

static inline void load_vtimer(struct percpu *cpu, struct vcpu *vcpu)
{
	vtimer_load(vcpu);
}

static inline void reset_vtimer(struct percpu *cpu, struct vcpu *vcpu, enum vcpu_start how)
{
	if (how == START_RESET)
		vtimer_reset_cpu(vcpu);
}

static inline void save_world(struct vcpu *vcpu)
{
	if (unlikely(vcpu->hcr & HCR_VA))
		vcpu->hcr &= read_hcr() | ~HCR_VA; /* it may have taken the abort */
#define SAVE(part) save_##part(vcpu);
	WORLD(SAVE)
#undef SAVE
}

/*
 * vCPUs of a VM share its VMID, and may have tables of their own under the same ASID, or none yet: what one has left in
 * this CPU's TLB is not for the other (B3.9.1). VTTBR is the VM's.
 */
static inline void take_tlb(const struct percpu *cpu, struct vcpu *vcpu)
{
	uint8_t *last = &vcpu->vm->tlb_vcpu[cpu->head.id];

	if (likely(*last == vcpu->index))
		return;
	*last = (uint8_t)vcpu->index;
	tlb_forget_loaded_here();
}

/*
 * With the old VMID no walk may start from the new tables, nor the other way round (B3.10.5): the stage-1 MMU is off
 * until all of it is new. At reset it is the vCPU's own that is replaced.
 */
static inline void restore_world(struct percpu *cpu, struct vcpu *vcpu)
{
	uint32_t hcr = vcpu_wait_traps(vcpu->hcr, cpu, vcpu);

	vcpu->hcr = hcr;
	write_sctlr(SCTLR_RESET);
	isb();
	write_hcr(hcr);
	write_vpidr(vcpu->vpidr);
	write_vmpidr(vcpu->vmpidr);
	write_vttbr(vcpu->vm->s2.vttbr);
	take_tlb(cpu, vcpu);
#define LOAD(part) load_##part(cpu, vcpu);
	WORLD(LOAD)
#undef LOAD
	clrex();
	isb();
	write_sctlr(vcpu->ctx.sctlr);
	isb();
}

/*
 * What the guest has begun here is complete (DSB) before another one comes, and if it was told so by then that this has
 * failed (ISR.A), the abort is its own: on the way into the next guest it would be that one's (HCR.AMO, B1.8.7).
 */
static void switch_vcpu(struct percpu *cpu, struct vcpu *next)
{
	dsb();
	if (unlikely(read_isr() & ISR_A))
		hcr_take_abort(cpu);
	if (likely(cpu->loaded))
		save_world(cpu->loaded);
	cpu->loaded = next;
	if (likely(next)) {
		coproc_switch_vm(cpu, next->vm);
		restore_world(cpu, next);
		return;
	}
	/*
	 * It may go on elsewhere, and change its tables, or those of stage 2 may go: no walk may start here from the
	 * old ones. Nor when restore_world() sets HCR.VM, because VTTBR follows without an ISB in between: until then
	 * it has VMID 0, which is no VM's, so that no guest finds in a TLB what such a walk has read.
	 */
	write_sctlr(SCTLR_RESET);
	write_hcr(read_hcr() & ~HCR_VM);
	isb();
	write_vttbr(0);
}

void world_switch(struct percpu *cpu, struct thread *next)
{
	struct vcpu *vcpu = vcpu_of(next);

	if (unlikely(cpu->loaded == vcpu))
		hcr_update_wait_traps(cpu, vcpu);
	else if (likely(!next->detached))
		switch_vcpu(cpu, vcpu);
}

void vcpu_load(struct vcpu *next)
{
	struct percpu *cpu = this_cpu();

	if (cpu->loaded != next)
		switch_vcpu(cpu, next);
}

/*
 * DSB: what the guest has begun here (TLB and cache maintenance by VA, stores) is complete before it may wait for that
 * on another CPU.
 */
void world_unload(struct thread *thread)
{
	struct vcpu *vcpu = vcpu_of(thread);

	if (this_cpu()->loaded == vcpu)
		vcpu_load(NULL);
	coproc_leave_cpu(vcpu);
	vtimer_unload(vcpu);
	dsb();
}

void vcpu_start_over(struct vcpu *vcpu, enum vcpu_start how)
{
	struct percpu *cpu = this_cpu();

	if (how == START_RESUME) { /* alive in the hardware, and about to be loaded from memory */
		vgic_save(vcpu);
		vtimer_save(vcpu);
	}
#define RESET(part) reset_##part(cpu, vcpu, how);
	WORLD_REVERSED(RESET)
#undef RESET
	memset(vcpu->vm->tlb_vcpu, UINT8_MAX, sizeof(vcpu->vm->tlb_vcpu)); /* nor does a translation outlive a reset */
	if (cpu->loaded == vcpu)
		restore_world(cpu, vcpu);
}
