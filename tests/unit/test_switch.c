/* SPDX-License-Identifier: BSD-2-Clause */
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
#include "coproc/extra.h"
#include "coproc/pmu.h"
#include "hyp/lib/log.h"
#include "hyp/host/merrsr.h"
#include "hyp/run/world.h"
#include "hyp/vm/hcr.h"
#include "hyp/vm/switch.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

struct percpu percpu[CPU_MAX];

static struct vm vm[2];
static struct vcpu vcpu[2];
static struct regs regs[2];

static uint32_t windows, window_at, lines;
static bool window_shut;

bool abort_window(void);
void context_save(struct vcpu_context *context);
void context_restore(const struct vcpu_context *context);

/* Of hyp/arm/context.def one register stands for all, one that a walk depends on. */
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
NOTHING(vtimer_stand_in)
NOTHING(vtimer_unload)
NOTHING(pmu_save)
NOTHING(pmu_load)

static char steps[200]; /* of the parts that are fakes here, one behind the other */

#define STEP(name)                                                            \
	void name(struct vcpu *v)                                             \
	{                                                                     \
		(void)v;                                                      \
		strncat(steps, #name " ", sizeof(steps) - strlen(steps) - 1); \
	}
STEP(vgic_save)
STEP(vgic_load)
STEP(coproc_reset)
STEP(vtimer_reset_cpu)

void vgic_reset_cpu(struct vcpu *v, bool online)
{
	(void)v;
	assert_true(online);
	strcat(steps, "vgic_reset_cpu ");
}

void vtimer_fired_before(void)
{
}

void timer_take_out(struct timer *timer)
{
	(void)timer;
}

bool log_ratelimit(struct log_budget *budget)
{
	(void)budget;
	return true;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	(void)level, (void)fmt;
	lines++;
}

/* Of hyp/arm/switch.S: the abort that waits comes, unless the test says that it takes longer. */
static uint32_t errors_said;

void merrsr_say(void)
{
	errors_said++;
}

bool abort_window(void)
{
	windows++;
	window_at = fake_machine.events;
	if (window_shut)
		return false;
	assert_true(fake_machine.reg[SYSREG_isr] & ISR_A);
	fake_machine.reg[SYSREG_isr] &= ~(uint64_t)ISR_A;
	return true;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	windows = lines = 0;
	steps[0] = '\0';
	window_shut = false;
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

static void start_over(struct vcpu *v, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2)
{
	v->entry = pc;
	v->entry_args[0] = r0;
	v->entry_args[1] = r1;
	v->entry_args[2] = r2;
	vcpu_start_over(v, START_RESET);
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
	world_unload(&vcpu[0].thread);
	off = fake_find(SYSREG_sctlr, 0);
	assert_int_equal(fake_machine.event[off].value, SCTLR_RESET);
	assert_true(fake_find(FAKE_ISB, off) < fake_find(FAKE_DSB, off));
	assert_true(fake_find(FAKE_DSB, off) < fake_machine.events); /* its own maintenance is complete */
	vcpu_load(&vcpu[0]);
	assert_int_equal(read_sctlr(), SCTLR_M | SCTLR_C);
}

/*
 * A VM's root may be freed, and its VMID another's, while this CPU has no vCPU: VTTBR has neither before HCR.VM is set
 * again, and changes only when no walk uses it (B3.10.5).
 */
static void no_walk_from_a_dead_root(void **state)
{
	uint32_t hcr, vttbr, on;

	(void)state;
	vcpu_load(&vcpu[0]);
	fake_machine.events = 0;
	vcpu_load(NULL);
	hcr = fake_find(SYSREG_hcr, 0);
	vttbr = fake_find(SYSREG_vttbr, 0);
	assert_false(fake_machine.event[hcr].value & HCR_VM);
	assert_true(hcr < fake_find(FAKE_ISB, hcr) && fake_find(FAKE_ISB, hcr) < vttbr);
	assert_true(vttbr < fake_machine.events);
	assert_int_equal(read_vttbr(), 0);
	vcpu_load(&vcpu[1]);
	on = fake_find(SYSREG_hcr, vttbr);
	assert_true(fake_machine.event[on].value & HCR_VM);
	assert_true(fake_find(FAKE_ISB, vttbr) < on);
	assert_int_equal(read_vttbr(), vm[1].s2.vttbr);
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
	start_over(&vcpu[0], 0x40008000U, 0, 0, 0);
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

/* An asynchronous abort that the guest masks goes with it (B1.9.9); once taken, the hardware clears HCR.VA. */
static void pending_abort_moves_along(void **state)
{
	(void)state;
	vcpu_load(&vcpu[0]);
	vcpu_pend_abort(&vcpu[0]);
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
	vcpu_pend_abort(&vcpu[0]);
	vcpu_load(NULL);
	vcpu_load(&vcpu[0]);
	start_over(&vcpu[0], 0x40000001U, 1, 2, 3);
	assert_false(read_hcr() & HCR_VA);
	assert_true(read_hcr() & HCR_VM);
	assert_int_equal(regs[0].r[0], 1);
	assert_int_equal(vcpu[0].ctx.elr, 0x40000000U);
	assert_int_equal(vcpu[0].ctx.spsr, PSR_MODE_SVC | PSR_A | PSR_I | PSR_F | PSR_T);
	vcpu_load(&vcpu[1]);
	vcpu_load(&vcpu[0]);
	assert_false(read_hcr() & HCR_VA);
}

static void async_abort(void)
{
	fake_machine.reg[SYSREG_isr] = ISR_A;
	fake_machine.events = 0;
}

/* One that comes while HYP is about to switch is that guest's whose accesses it may be of: it leaves with it. */
static void abort_stays_with_who_leaves(void **state)
{
	(void)state;
	vcpu_load(&vcpu[0]);
	async_abort();
	vcpu_load(&vcpu[1]);
	assert_int_equal(windows, 1);
	assert_true(fake_find(FAKE_DSB, 0) < window_at && window_at <= fake_find(SYSREG_vttbr, 0));
	assert_true((vcpu[0].hcr & HCR_VA) && !(vcpu[1].hcr & HCR_VA) && !(read_hcr() & HCR_VA));
	vcpu_load(&vcpu[0]);
	assert_true(read_hcr() & HCR_VA);
	assert_int_equal(windows, 1);
}

static uint32_t isr_read_at;

static uint64_t note_isr(uint32_t reg)
{
	isr_read_at = fake_machine.events;
	return fake_machine.reg[reg];
}

/* The accesses of the vCPU that leaves are complete before their outcome is asked for. */
static void accesses_end_before_the_look(void **state)
{
	(void)state;
	vcpu_load(&vcpu[0]);
	isr_read_at = UINT32_MAX;
	fake_machine.on_read[SYSREG_isr] = note_isr;
	fake_machine.events = 0;
	vcpu_load(&vcpu[1]);
	assert_true(fake_find(FAKE_DSB, 0) < isr_read_at && isr_read_at <= fake_find(SYSREG_sctlr, 0));
	assert_int_equal(windows, 0);
}

/* world_unload() of one that goes elsewhere, stops or is paused, and one that is not loaded has none. */
static void abort_goes_along_elsewhere(void **state)
{
	(void)state;
	vcpu_load(&vcpu[0]);
	async_abort();
	world_unload(&vcpu[1].thread);
	assert_int_equal(windows, 0);
	world_unload(&vcpu[0].thread);
	assert_int_equal(windows, 1);
	assert_true(vcpu[0].hcr & HCR_VA);
	write_htpidr((uintptr_t)&percpu[1]);
	vcpu_load(&vcpu[0]);
	assert_true(read_hcr() & HCR_VA);
}

/* No vCPU is loaded: whichever comes next has nothing to do with it. */
static void abort_of_nobody(void **state)
{
	(void)state;
	async_abort();
	vcpu_load(&vcpu[1]);
	assert_int_equal(windows, 1);
	assert_int_equal(lines, 1);
	assert_false(read_hcr() & HCR_VA);
}

/* WFI gives the CPU to any thread that waits, of whatever priority; WFE to none of less. */
static void wait_traps_by_who_waits(void **state)
{
	static const struct {
		uint32_t assigned, ready, traps;
		bool watched;
	} rows[] = {
		{1, 0, 0, false},
		{1, 0, HCR_TWI, true},
		{2, 0, HCR_TWI, false},
		{1, BIT(2), HCR_TWI, false}, /* virt7's own, of less priority */
		{1, BIT(3), HCR_TWI | HCR_TWE, false},
		{2, BIT(8), HCR_TWI | HCR_TWE, false},
		{1, 0, 0, false},
	};

	(void)state;
	vcpu[0].thread.priority = 3;
	vcpu_load(&vcpu[0]);
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		percpu[0].assigned = rows[i].assigned;
		percpu[0].ready = rows[i].ready;
		vcpu[0].trap_wfi = rows[i].watched;
		hcr_set_wait_traps(&vcpu[0].thread);
		assert_int_equal(read_hcr() & (HCR_TWI | HCR_TWE), rows[i].traps);
		hcr_set_wait_traps(&vcpu[1].thread); /* it is not in the hardware */
		assert_int_equal(vcpu[1].hcr, HCR_VM);
	}
}

/* A thread that has no guest, or does not want it loaded, leaves the hardware to the last one. */
static void detached_leaves_the_hardware(void **state)
{
	struct thread own = {.detached = true};

	(void)state;
	vcpu_load(&vcpu[0]);
	fake_machine.events = 0;
	world_switch(&percpu[0], &own);
	vcpu[1].thread.detached = true;
	world_switch(&percpu[0], &vcpu[1].thread);
	assert_ptr_equal(percpu[0].loaded, &vcpu[0]);
	assert_int_equal(fake_machine.events, 0);
	world_switch(&percpu[0], &vcpu[0].thread);
	assert_int_equal(fake_find(SYSREG_sctlr, 0), fake_machine.events); /* it goes on as it is */
	vcpu[1].thread.detached = false;
	world_switch(&percpu[0], &vcpu[1].thread);
	assert_ptr_equal(percpu[0].loaded, &vcpu[1]);
}

/* The idle loop asks whom it is to wake; the vCPU stays loaded. */
static void abort_in_idle(void **state)
{
	(void)state;
	async_abort();
	assert_null(hcr_take_abort(&percpu[0]));
	vcpu_load(&vcpu[0]);
	async_abort();
	window_shut = true;
	assert_null(hcr_take_abort(&percpu[0]));
	assert_false((vcpu[0].hcr | read_hcr()) & HCR_VA);
	window_shut = false;
	assert_ptr_equal(hcr_take_abort(&percpu[0]), &vcpu[0].thread);
	assert_true(vcpu[0].hcr & read_hcr() & HCR_VA);
	assert_ptr_equal(percpu[0].loaded, &vcpu[0]);
}

static const uint32_t extra_registers[] = {SYSREG_fcseidr, SYSREG_vdisr, SYSREG_teecr, SYSREG_teehbr};

/* Each where the core has it and only there, with the stage-1 MMU off; nothing of it outlives a reset. */
static void extra_registers_move_where_they_are(void **state)
{
	static const uint32_t extra[] = {EXTRA_fcseidr, EXTRA_disr, EXTRA_THUMBEE, EXTRA_THUMBEE};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(extra); i++) {
		setup(state);
		vcpu[0].coproc.extra = vcpu[1].coproc.extra = extra[i];
		vcpu_load(&vcpu[0]);
		fake_machine.reg[extra_registers[i]] = 0x10000000U; /* by the guest */
		fake_machine.events = 0;
		vcpu_load(&vcpu[1]);
		assert_int_equal(fake_machine.reg[extra_registers[i]], 0);
		assert_true(fake_find(SYSREG_sctlr, 0) < fake_find(extra_registers[i], 0));
		assert_true(fake_find(extra_registers[i], 0) < fake_find(SYSREG_sctlr, fake_find(SYSREG_sctlr, 0) + 1));
		for (uint32_t other = 0; other < ARRAY_SIZE(extra); other++)
			if (extra[other] != extra[i])
				assert_int_equal(fake_find(extra_registers[other], 0), fake_machine.events);
		vcpu_load(&vcpu[0]);
		assert_int_equal(fake_machine.reg[extra_registers[i]], 0x10000000U);
		start_over(&vcpu[0], 0x40000000U, 0, 0, 0);
		assert_int_equal(fake_machine.reg[extra_registers[i]], 0);
		vcpu_load(&vcpu[1]);
		vcpu_load(&vcpu[0]);
		assert_int_equal(fake_machine.reg[extra_registers[i]], 0);
	}
}

/* VDISR would be UNDEFINED in HYP mode. */
static void extra_registers_are_left_alone(void **state)
{
	(void)state;
	vcpu_load(&vcpu[0]);
	vcpu_load(&vcpu[1]);
	start_over(&vcpu[1], 0x40000000U, 0, 0, 0);
	world_unload(&vcpu[1].thread);
	for (uint32_t i = 0; i < ARRAY_SIZE(extra_registers); i++)
		assert_int_equal(fake_find(extra_registers[i], 0), fake_machine.events);
}

/* The timer's line falls before the vGIC forgets its interrupt; out of a power-down both live on. */
static void parts_start_over_in_order(void **state)
{
	(void)state;
	vcpu_load(&vcpu[0]);
	steps[0] = '\0';
	start_over(&vcpu[0], 0x40000000U, 0, 0, 0);
	assert_string_equal(steps, "coproc_reset vtimer_reset_cpu vgic_reset_cpu vgic_load ");
	steps[0] = '\0';
	fake_machine.reg[SYSREG_cntv_cval] = 77;
	vcpu_start_over(&vcpu[0], START_RESUME);
	assert_string_equal(steps, "vgic_save coproc_reset vgic_load ");
	assert_int_equal(fake_machine.reg[SYSREG_cntv_cval], 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(parts_start_over_in_order, setup),
		cmocka_unit_test_setup(no_walk_mixes_two_guests, setup),
		cmocka_unit_test_setup(no_walk_for_who_has_left, setup),
		cmocka_unit_test_setup(no_walk_from_a_dead_root, setup),
		cmocka_unit_test_setup(wait_traps_by_who_waits, setup),
		cmocka_unit_test_setup(detached_leaves_the_hardware, setup),
		cmocka_unit_test_setup(vcpus_of_a_vm_share_no_translations, setup),
		cmocka_unit_test_setup(reset_walks_no_old_tables, setup),
		cmocka_unit_test_setup(pending_abort_moves_along, setup),
		cmocka_unit_test_setup(reset_forgets_the_abort, setup),
		cmocka_unit_test_setup(abort_stays_with_who_leaves, setup),
		cmocka_unit_test_setup(accesses_end_before_the_look, setup),
		cmocka_unit_test_setup(abort_goes_along_elsewhere, setup),
		cmocka_unit_test_setup(abort_of_nobody, setup),
		cmocka_unit_test_setup(abort_in_idle, setup),
		cmocka_unit_test_setup(extra_registers_move_where_they_are, setup),
		cmocka_unit_test_setup(extra_registers_are_left_alone, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
