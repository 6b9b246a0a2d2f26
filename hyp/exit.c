/*
 * Exit dispatch: vectors -> here -> one handler an exception class -> back. The condition check and the advance of PC
 * and ITSTATE happen here and nowhere else. A guest's exit ends in exactly one of: handled, UNDEF injected, abort
 * injected, that VM stopped.
 */
#include <arm/atomic.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "hyp/abort.h"
#include "hyp/exit.h"
#include "hyp/insn.h"
#include "hyp/irq.h"
#include "hyp/sched.h"
#include "hyp/trap.h"
#include "hyp/vcpu.h"
#include "hyp/vmctl.h"
#include "psci/psci.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

/* Exception classes whose ISS holds a condition (DDI 0406C B3.13.6): the instruction may have been one that fails it.
 */
#define CONDITIONAL                                                                                                 \
	(BIT(EC_WFI_WFE) | BIT(EC_CP15_32) | BIT(EC_CP15_64) | BIT(EC_CP14_32) | BIT(EC_CP14_LDC) | BIT(EC_HCPTR) | \
	 BIT(EC_CP10_ID) | BIT(EC_BXJ) | BIT(EC_CP14_64))

/* Condition field valid, and "always". */
#define ISS_ALWAYS_MASK (ISS_CV | 0xfU << 20)
#define ISS_ALWAYS      (ISS_CV | 0xeU << 20)

static enum exit_action unknown_exit(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	(void)regs, (void)hsr;
	inject_undef(vcpu);
	return EXIT_AGAIN;
}

static enum exit_action wfx_exit(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	(void)regs;
	if (hsr & 1U)
		sched_yield(); /* WFE: waits for somebody, who may need this CPU */
	else if (!vgic_has_pending(vcpu))
		sched_block();
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

	if (!(hsr & ISS_CV)) {
		uint32_t it = FIELD(spsr, 10, 6) << 2 | FIELD(spsr, 25, 2);

		if (!(spsr & PSR_T) || it == 0)
			return true;
		cond = it >> 4;
	}
	return insn_condition_passed(cond, spsr);
}

static void next_instruction(uint32_t hsr)
{
	uint32_t spsr = read_spsr_hyp();

	write_elr_hyp(read_elr_hyp() + (hsr & HSR_IL ? 4U : 2U));
	if (spsr & PSR_IT_MASK)
		write_spsr_hyp(insn_advance_it(spsr));
}

/* The slow way back: somebody wants something of this vCPU. Loops, because what is done here may block. */
static void __attribute__((noinline)) do_work(struct vcpu *vcpu)
{
	uint32_t work;

	while ((work = atomic_take(&vcpu->work)) != 0) {
		if (work & WORK_STOP)
			vmctl_checkpoint(vcpu);
		if (work & WORK_RESCHED)
			sched_yield();
		if (work & WORK_SLICE)
			sched_check_slice();
		if (work & WORK_TIMER)
			vtimer_sample(vcpu);
		if (work & WORK_VGIC)
			vgic_flush(vcpu);
	}
}

static inline void leave(struct vcpu *vcpu)
{
	if (unlikely(vcpu->work))
		do_work(vcpu);
}

void exit_trap(struct regs *regs)
{
	struct vcpu *vcpu = current_vcpu();
	uint32_t hsr = read_hsr(), ec = HSR_EC(hsr);

	vcpu->exits[ec]++;
	if (ec < 32 && (CONDITIONAL >> ec & 1U) && (hsr & ISS_ALWAYS_MASK) != ISS_ALWAYS && !condition_passed(hsr))
		next_instruction(hsr);
	else if (handlers[ec](vcpu, regs, hsr) == EXIT_NEXT)
		next_instruction(hsr);
	leave(vcpu);
}

void exit_irq(void)
{
	struct vcpu *vcpu = current_vcpu();

	vcpu->irq_exits++;
	irq_handle_one();
	leave(vcpu);
}

void exit_first(void)
{
	do_work(current_vcpu());
}
