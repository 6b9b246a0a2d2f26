/* The world switch: what is written to the CPU, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "coproc/pmu.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

struct percpu percpu[CPU_MAX];

static struct vm vm[2];
static struct vcpu vcpu[2];
static struct regs regs[2];

void context_save(struct vcpu_context *context);
void context_restore(const struct vcpu_context *context);

/* Of hyp/arm/context.S one register stands for all, one that a walk depends on. */
void context_save(struct vcpu_context *context)
{
	context->ttbr0 = read_ttbr0();
}

void context_restore(const struct vcpu_context *context)
{
	write_ttbr0((uint32_t)context->ttbr0);
}

#define NOTHING(name)             \
	void name(struct vcpu *v) \
	{                         \
		(void)v;          \
	}
NOTHING(coproc_leave_cpu)
NOTHING(vgic_save)
NOTHING(vgic_load)
NOTHING(vtimer_stand_in)
NOTHING(vtimer_unload)
NOTHING(pmu_save)
NOTHING(pmu_load)

void vtimer_fired_before(void)
{
}

void timer_cancel(struct timer *timer)
{
	(void)timer;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	memset(percpu, 0, sizeof(percpu));
	memset(vcpu, 0, sizeof(vcpu));
	memset(vm, 0, sizeof(vm));
	for (uint32_t i = 0; i < 2; i++) {
		vm[i].s2.vttbr = (uint64_t)(i + 1) << 48;
		vcpu[i].vm = &vm[i];
		vcpu[i].regs = &regs[i];
		vcpu[i].hcr = HCR_VM;
		vcpu[i].ctx.sctlr = SCTLR_M | i;
	}
	write_htpidr((uintptr_t)&percpu[0]);
	return 0;
}

/* B3.10.5: no walk with the VMID of one guest and the tables of the other. */
static void no_walk_mixes_two_guests(void **state)
{
	uint32_t off, vttbr, ttbr, on;

	(void)state;
	vcpu_load(&vcpu[0]);
	fake_machine.events = 0;
	vcpu_load(&vcpu[1]);
	off = fake_find(SYSREG_sctlr, 0);
	vttbr = fake_find(SYSREG_vttbr, 0);
	ttbr = fake_find(SYSREG_ttbr0, 0);
	on = fake_find(SYSREG_sctlr, off + 1);
	assert_false(fake_machine.event[off].value & SCTLR_M);
	assert_int_equal(fake_machine.event[vttbr].value, vm[1].s2.vttbr);
	assert_int_equal(fake_machine.event[on].value, SCTLR_M | 1);
	assert_true(off < fake_find(FAKE_ISB, off) && fake_find(FAKE_ISB, off) < vttbr && vttbr < on);
	assert_true(fake_find(FAKE_ISB, off) < ttbr && ttbr < on);
	assert_true(fake_find(FAKE_ISB, vttbr) < on && fake_find(FAKE_ISB, ttbr) < on); /* all of it is there before */
	assert_true(fake_find(FAKE_ISB, on) < fake_machine.events);
}

/* Who has left may go on elsewhere and give its tables away: no walk of this CPU's starts there any more (B3.10.1). */
static void no_walk_for_who_has_left(void **state)
{
	uint32_t off;

	(void)state;
	vcpu_load(&vcpu[0]);
	fake_machine.reg[SYSREG_sctlr] = SCTLR_M | SCTLR_C; /* by the guest */
	fake_machine.events = 0;
	vcpu_unload(&vcpu[0]);
	off = fake_find(SYSREG_sctlr, 0);
	assert_int_equal(fake_machine.event[off].value, SCTLR_RESET);
	assert_true(fake_find(FAKE_ISB, off) < fake_find(FAKE_DSB, off));
	assert_true(fake_find(FAKE_DSB, off) < fake_machine.events); /* its own maintenance is complete */
	vcpu_load(&vcpu[0]);
	assert_int_equal(read_sctlr(), SCTLR_M | SCTLR_C);
}

static bool flushed(struct vcpu *next)
{
	uint32_t vttbr, flush, on;

	fake_machine.events = 0;
	vcpu_load(next);
	flush = fake_find(SYSREG_tlbiall, 0);
	if (flush >= fake_machine.events)
		return false;
	vttbr = fake_find(SYSREG_vttbr, 0);
	on = fake_find(SYSREG_sctlr, flush);
	assert_true(fake_find(FAKE_ISB, vttbr) < flush);
	assert_true(fake_find(FAKE_DSB_ISH, flush) < on && fake_find(FAKE_ISB, flush) < on);
	return true;
}

/* One VMID, and maybe one ASID with two meanings (B3.9.1). VMs do not meet, nor a vCPU and itself. */
static void vcpus_of_a_vm_share_no_translations(void **state)
{
	struct vcpu second = {.vm = &vm[0], .regs = &regs[1], .index = 1};

	(void)state;
	vcpu_load(&vcpu[0]);
	assert_true(flushed(&second));
	assert_false(flushed(&vcpu[1]));
	assert_false(flushed(&second));
	vcpu_load(NULL);
	assert_false(flushed(&second));
	assert_true(flushed(&vcpu[0]));
}

/* A reset takes its own tables from under it: all as in a switch. An exit to the same vCPU writes nothing. */
static void reset_walks_no_old_tables(void **state)
{
	uint32_t off, ttbr, on;

	(void)state;
	vcpu[0].ctx.ttbr0 = 0x40004000U;
	vcpu_load(&vcpu[0]);
	fake_machine.events = 0;
	vcpu_load(&vcpu[0]);
	assert_int_equal(fake_machine.events, 0);
	vcpu_reset_context(&vcpu[0], 0x40008000U, 0, 0, 0);
	off = fake_find(SYSREG_sctlr, 0);
	ttbr = fake_find(SYSREG_ttbr0, 0);
	on = fake_find(SYSREG_sctlr, off + 1);
	assert_false(fake_machine.event[off].value & SCTLR_M);
	assert_true(fake_find(FAKE_ISB, off) < ttbr && fake_find(FAKE_ISB, ttbr) < on && on < fake_machine.events);
	assert_int_equal(read_ttbr0(), 0);
	assert_int_equal(read_sctlr(), SCTLR_RESET);
	assert_int_equal(read_vttbr(), vm[0].s2.vttbr);
	assert_true(off < fake_find(SYSREG_tlbiall, 0) &&
		    fake_find(SYSREG_tlbiall, 0) < on); /* nor their translations */
	write_htpidr((uintptr_t)&percpu[1]);            /* where it was before */
	percpu[1].head.id = 1;
	vcpu_load(NULL);
	assert_true(flushed(&vcpu[0]));
}

/* As hyp/exit/abort.c. */
static void pend_abort(struct vcpu *v)
{
	v->hcr |= HCR_VA;
	write_hcr(read_hcr() | HCR_VA);
}

/* An asynchronous abort that the guest masks goes with it (B1.9.12); once taken, the hardware clears HCR.VA. */
static void pending_abort_moves_along(void **state)
{
	(void)state;
	vcpu_load(&vcpu[0]);
	pend_abort(&vcpu[0]);
	vcpu_load(&vcpu[1]);
	assert_false(read_hcr() & HCR_VA);
	vcpu_load(&vcpu[0]);
	assert_true(read_hcr() & HCR_VA);
	write_hcr(read_hcr() & ~HCR_VA);
	vcpu_load(&vcpu[1]);
	vcpu_load(&vcpu[0]);
	assert_false(read_hcr() & HCR_VA);
}

/* Nothing of the last run shows after a reset: not its pending abort either, taken before in the hardware or not. */
static void reset_forgets_the_abort(void **state)
{
	(void)state;
	vcpu_load(&vcpu[0]);
	pend_abort(&vcpu[0]);
	vcpu_load(NULL);
	vcpu_load(&vcpu[0]);
	vcpu_reset_context(&vcpu[0], 0x40000001U, 1, 2, 3);
	assert_false(read_hcr() & HCR_VA);
	assert_true(read_hcr() & HCR_VM);
	assert_int_equal(regs[0].r[0], 1);
	assert_int_equal(vcpu[0].ctx.elr, 0x40000000U);
	assert_int_equal(vcpu[0].ctx.spsr, PSR_MODE_SVC | PSR_A | PSR_I | PSR_F | PSR_T);
	vcpu_load(&vcpu[1]);
	vcpu_load(&vcpu[0]);
	assert_false(read_hcr() & HCR_VA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_walk_mixes_two_guests, setup),
		cmocka_unit_test_setup(no_walk_for_who_has_left, setup),
		cmocka_unit_test_setup(vcpus_of_a_vm_share_no_translations, setup),
		cmocka_unit_test_setup(reset_walks_no_old_tables, setup),
		cmocka_unit_test_setup(pending_abort_moves_along, setup),
		cmocka_unit_test_setup(reset_forgets_the_abort, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
