/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exit dispatch: vectors -> here -> one handler an exception class -> back. The condition check and the advance of PC
 * and ITSTATE happen here and nowhere else. A guest's exit ends in exactly one of: handled, UNDEF injected, abort
 * injected, that VM stopped. Compiled for speed.
 */
#include <assert.h>

#include <arm/atomic.h>
#include <arm/hypregs.h>
#include <arm/nospec.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "coproc/setway.h"
#include "hyp/exit/abort.h"
#include "hyp/exit/exit.h"
#include "hyp/exit/offsets.h"
#include "hyp/arm/insn.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/exit/inject.h"
#include "hyp/exit/trap.h"
#include "hyp/virtio/virtio.h"
#include "hyp/vm/vcpu.h"
#include "hyp/vm/vmctl.h"
#include "psci/psci.h"
#include "psci/vcpu.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

/* Condition field valid, and "always". */
#define ISS_ALWAYS_MASK (ISS_CV | 0xfU << 20)
#define ISS_ALWAYS      (ISS_CV | 0xeU << 20)

/* HSR[31:20] of an MRC or MCR that is always executed; such an instruction has 32 bits. */
#define CP15_32_ALWAYS ((EC_CP15_32 << 26 | HSR_IL | ISS_ALWAYS) >> 20)

/* Above this the exception classes have no condition; below, all but EC_UNKNOWN may have one (DDI 0406C B3.13.6). */
#define HSR_UNCONDITIONAL (EC_SVC_HYP << 26)

/* The unit tests' pointers may have another size. */
#define VECTORS_FIND(type, member, offset)                                       \
	static_assert(offsetof(type, member) == (offset) || sizeof(void *) != 4, \
		      "hyp/exit/vectors.S looks for it there")
VECTORS_FIND(struct percpu, head.panic_sp, PERCPU_PANIC_SP);
VECTORS_FIND(struct percpu, head.fault_r1, PERCPU_FAULT_R1);
VECTORS_FIND(struct percpu, head.fault_sp, PERCPU_FAULT_SP);
VECTORS_FIND(struct percpu, thread, PERCPU_THREAD);
VECTORS_FIND(struct vcpu, thread.work, VCPU_WORK);
VECTORS_FIND(struct vcpu, exits[EC_HVC], VCPU_EXITS_HVC);

static enum exit_action unknown_exit(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	inject_undef(vcpu);
	return EXIT_AGAIN;
}

static enum exit_action wfx_exit(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	if (hsr & 1U)
		sched_yield_spin(); /* WFE: waits for another vCPU, which may need this CPU */
	else
		psci_standby(vcpu);
	return EXIT_NEXT;
}

static const exit_fn handlers[EC_COUNT] = {
	[0 ... EC_COUNT - 1] = unknown_exit,
	[EC_WFI_WFE] = wfx_exit,
	[EC_CP15_32] = coproc_cp15_32,
	[EC_CP15_64] = coproc_cp15_64,
	[EC_CP14_32] = coproc_cp14_32,
	[EC_CP14_64] = coproc_cp14_64,
	[EC_HCPTR] = coproc_hcptr,
	[EC_CP10_ID] = coproc_cp10_id,
	[EC_HVC] = psci_hvc,
	[EC_SMC] = psci_smc,
	[EC_PABT_GUEST] = abort_prefetch,
	[EC_DABT_GUEST] = abort_data,
};

/* False: the trapped instruction's condition fails and it is a NOP. Without a valid field Thumb's IT block tells. */
static bool condition_passed(uint32_t hsr)
{
	uint32_t spsr = read_spsr_hyp(), cond = ISS_COND(hsr);

	if (hsr >= HSR_UNCONDITIONAL || HSR_EC(hsr) == EC_UNKNOWN)
		return true;
	if (!(hsr & ISS_CV)) {
		uint32_t it = FIELD(spsr, 10, 6) << 2 | FIELD(spsr, 25, 2);

		if (!(spsr & PSR_T) || it == 0)
			return true;
		cond = it >> 4;
	}
	return insn_condition_passed(cond, spsr);
}

static inline void advance_pc(uint32_t hsr)
{
	uint32_t il = value_nospec(FIELD(hsr, 25, 1)); /* one instruction less than the compiler's own way */

	write_elr_hyp(read_elr_hyp() + 2U + (il << 1));
}

static inline void next_instruction(uint32_t hsr)
{
	uint32_t spsr = read_spsr_hyp();

	advance_pc(hsr);
	if (unlikely(spsr & PSR_IT_MASK))
		write_spsr_hyp(insn_advance_it(spsr));
}

/*
 * Devices' work in one exit, in steps (hyp/virtio/virtio.h). What is left then, or when an interrupt waits for the
 * guest, is for the next exit, and a timer's interrupt is that if the guest makes none in its turn: another vCPU may
 * put requests into a queue for as long as it likes, and neither they nor long ones keep this one from its guest.
 */
#define DEVICE_STEPS 64U    /* more than a request of 1 MiB takes */
#define GUEST_TURNS  10000U /* in a second */

static void end_guest_turn(struct timer *timer)
{
	(void)timer; /* WORK_VIRTIO is set, and this is an exit */
}

static void begin_guest_turn(struct vcpu *vcpu)
{
	static struct timer turn[CPU_MAX];
	struct timer *timer = &turn[this_cpu()->head.id];

	atomic_or(&vcpu->thread.work, WORK_VIRTIO);
	timer->expired = end_guest_turn;
	timer_arm(timer, timer_now() + timer_hz() / GUEST_TURNS);
}

/* A step, if there were not enough of them; returns how many there have been, DEVICE_STEPS: no more. */
static uint32_t serve_devices(struct vcpu *vcpu, uint32_t steps)
{
	uint64_t began = timer_now();
	bool more;

	if (steps == DEVICE_STEPS)
		return steps;
	more = virtio_work(vcpu);
	vcpu_served_devices(vcpu, timer_now() - began);
	if (!more)
		return steps;
	while (irq_handle_one())
		;
	if (vgic_has_pending(vcpu))
		return DEVICE_STEPS;
	atomic_or(&vcpu->thread.work, WORK_VIRTIO); /* after what came meanwhile */
	return steps + 1U;
}

/*
 * The slow way back: bits in `work` say what is wanted of this vCPU. Loops, because what is done here may block. Others
 * get the CPU before the checkpoint, where this one may sleep or load an image: that lets go first only who comes
 * meanwhile.
 */
static void __attribute__((noinline)) do_work(struct vcpu *vcpu)
{
	uint32_t steps = 0;

	while (vcpu->thread.work) {
		uint32_t work = atomic_take(&vcpu->thread.work);

		if (work & WORK_BALANCE)
			sched_balance();
		if (work & WORK_RESCHED)
			sched_give_way();
		if (work & WORK_SLICE)
			sched_check_slice();
		if (work & WORK_VIRTIO)
			steps = serve_devices(vcpu, steps);
		if (work & WORK_STOP)
			vmctl_checkpoint(vcpu);
		if (work & WORK_TIMER)
			vtimer_sample(vcpu);
		if (work & WORK_FLUSH)
			setway_flush_some(vcpu);
		if (work & WORK_SGI)
			vgic_take_sgis(vcpu);
		if (work & WORK_VGIC)
			vgic_flush(vcpu);
	}
	if (steps == DEVICE_STEPS)
		begin_guest_turn(vcpu);
}

/* Mostly all of the work is to take SGIs of other vCPUs. */
static void __attribute__((noinline)) take_sgis_first(struct vcpu *vcpu)
{
	if (vcpu->thread.work == WORK_SGI && atomic_take_only(&vcpu->thread.work, WORK_SGI))
		vgic_take_sgis(vcpu);
	if (vcpu->thread.work)
		do_work(vcpu);
}

void exit_work(struct vcpu *vcpu)
{
	take_sgis_first(vcpu);
}

static inline void leave_to_guest(struct vcpu *vcpu)
{
	if (unlikely(vcpu->thread.work))
		take_sgis_first(vcpu);
}

/* A read of less than a word may extend the sign. */
static inline uint32_t extend_loaded(uint32_t hsr, uint32_t value)
{
	if (likely(!(hsr & ISS_DABT_SSE)))
		return value;
	return ISS_DABT_SAS(hsr) == 0 ? (uint32_t)(int8_t)value : (uint32_t)(int16_t)value;
}

/* HSR[24:19] of a load or store of a word with a syndrome, to or from one of r0-r7: ISV, SAS, SSE, SRT[3]. */
#define PLAIN_WORD         0x30U
#define WORD_SYNDROME(hsr) FIELD(hsr, 19, 6)
#define HIGH_REGISTER      1U /* SRT[3] */

/* Of the kinds of fault that come with a syndrome: a permission fault. */
#define FSC_NOT_TRANSLATION (FSC_PERMISSION & ~FSC_TRANSLATION)

/* What both below need of the guest: little-endian, outside of an IT block. */
#define PSR_NOT_PLAIN (PSR_E | PSR_IT_MASK)

/*
 * With the page's number and not HPFAR, which is the same: where the processor guesses so and is wrong, the offset is
 * still one of the region, which has that block of that page (arm/nospec.h).
 */
static inline uint32_t region_offset(const struct mmio_region *region, uint32_t number, uint32_t va)
{
	return (value_nospec(number) << 8 | (va & (PAGE_SIZE - 1U))) - (uint32_t)region->base;
}

/* A width that the device has, aligned, and any register. */
static __attribute__((noinline)) bool mmio_odd(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	uint32_t hpfar = read_hpfar(), va = read_hdfar(), spsr = read_spsr_hyp();
	uint32_t size = 1U << ISS_DABT_SAS(hsr), reg = ISS_DABT_SRT(hsr);
	const struct mmio_page *page = mmio_page(vcpu->bus, hpfar);
	const struct mmio_region *region = mmio_block(vcpu->bus, page, va);
	uint32_t number = page->number;
	uint64_t value;

	if (number != hpfar || (va & (size - 1U)) || !(hsr & ISS_DABT_ISV) || (spsr & PSR_NOT_PLAIN) ||
	    !(region->ops.widths & size))
		return false;
	if (hsr & ISS_DABT_WNR) {
		uint32_t unused = 32U - 8U * size; /* bits of the value */

		if (unlikely(hsr & FSC_NOT_TRANSLATION))
			return false;
		return region->ops.write(vcpu, region->device, region_offset(region, number, va),
					 regs_read(regs, spsr, reg) << unused >> unused, size);
	}
	value = region->ops.read(vcpu, region->device, region_offset(region, number, va), size);
	if (value & MMIO_ABORT)
		return false;
	regs_write(regs, spsr, reg, extend_loaded(hsr, (uint32_t)value));
	return true;
}

/* A word to or from LR_svc, in `region`: kernels are compiled so. As mmio_fast(). */
static __attribute__((noinline)) bool mmio_link(struct vcpu *vcpu, uint32_t hsr, const struct mmio_region *region,
						uint32_t offset)
{
	uint64_t value;

	if (hsr & ISS_DABT_WNR)
		return likely(!(hsr & FSC_NOT_TRANSLATION)) &&
		       region->ops.write(vcpu, region->device, offset, read_lr_svc(), MMIO_WORD);
	value = region->ops.read(vcpu, region->device, offset, MMIO_WORD);
	if (value & MMIO_ABORT)
		return false;
	write_lr_svc((uint32_t)value);
	return true;
}

/*
 * A load or store in a page of the bus. Nothing but devices is in such a page, so with a syndrome this is a translation
 * fault; unless it is a store to memory that may only be read, with whose fault HPFAR does not come (B4.1.66). False:
 * nothing has happened, abort_data() shall see to it. What is not a plain aligned word takes a few instructions more.
 */
static inline bool mmio_fast(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	const struct mmio_bus *bus = vcpu->bus;
	uint32_t hpfar = read_hpfar(), va = read_hdfar(), spsr = read_spsr_hyp(), mode = spsr & PSR_MODE_MASK;
	const struct mmio_page *page = mmio_page(bus, hpfar);
	const struct mmio_region *region;
	uint32_t number = page->number, odd;
	uint64_t value;

	odd = (number ^ hpfar) | (spsr & PSR_NOT_PLAIN) | va << 30 | (WORD_SYNDROME(hsr) ^ PLAIN_WORD);
	if (unlikely(odd) && (odd != HIGH_REGISTER || !regs_in_frame(mode, FIELD(hsr, 16, 4)))) {
		if (odd == HIGH_REGISTER && FIELD(hsr, 16, 4) == 14 && mode == PSR_MODE_SVC) {
			region = mmio_block(bus, page, va);
			return mmio_link(vcpu, hsr, region, region_offset(region, number, va));
		}
		return mmio_odd(vcpu, regs, hsr);
	}
	region = mmio_block(bus, page, va);
	if (hsr & ISS_DABT_WNR)
		return likely(!(hsr & FSC_NOT_TRANSLATION)) &&
		       region->ops.write(vcpu, region->device, region_offset(region, number, va),
					 regs->r[FIELD(hsr, 16, 4)], MMIO_WORD);
	value = region->ops.read(vcpu, region->device, region_offset(region, number, va), MMIO_WORD);
	if (value & MMIO_ABORT)
		return false;
	regs->r[FIELD(hsr, 16, 4)] = (uint32_t)value;
	return true;
}

/* To the handler of the class, and behind the instruction where it says so. */
static inline void handle_trap(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	if (handlers[HSR_EC(hsr)](vcpu, regs, hsr) == EXIT_NEXT)
		next_instruction(hsr);
	leave_to_guest(vcpu);
}

void exit_data(struct regs *regs)
{
	struct vcpu *vcpu = current_vcpu();
	uint32_t hsr = read_hsr();

	vcpu->exits[EC_DABT_GUEST]++;
	if (likely(mmio_fast(vcpu, regs, hsr))) {
		advance_pc(hsr);
		leave_to_guest(vcpu);
		return;
	}
	handle_trap(vcpu, regs, hsr);
}

void exit_trap(struct regs *regs)
{
	struct vcpu *vcpu = current_vcpu();
	uint32_t hsr = read_hsr();

	vcpu->exits[HSR_EC(hsr)]++;
	if (hsr >> 20 == CP15_32_ALWAYS) {
		if (coproc_read_fast(vcpu, regs, hsr)) {
			next_instruction(hsr);
			leave_to_guest(vcpu);
			return;
		}
	} else if ((hsr & ISS_ALWAYS_MASK) != ISS_ALWAYS && !condition_passed(hsr)) {
		next_instruction(hsr);
		leave_to_guest(vcpu);
		return;
	}
	handle_trap(vcpu, regs, hsr);
}

void exit_irq(void)
{
	struct vcpu *vcpu = current_vcpu();

	vcpu->irq_exits++;
	irq_handle_one();
	leave_to_guest(vcpu);
}

void exit_first(void)
{
	do_work(current_vcpu());
}
