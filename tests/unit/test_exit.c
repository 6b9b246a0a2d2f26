/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits: dispatch by class, conditions and ITSTATE, WFI and WFE, work on the way back, reads of cp15. */
#include "exit_rig.h"

static void test_dispatch(void **state)
{
	static const struct {
		uint32_t ec;
		const char *name;
	} classes[] = {
		{EC_CP15_32, "coproc_cp15_32"},
		{EC_CP15_64, "coproc_cp15_64"},
		{EC_CP14_32, "coproc_cp14_32"},
		{EC_CP14_64, "coproc_cp14_64"},
		{EC_HCPTR, "coproc_hcptr"},
		{EC_CP10_ID, "coproc_cp10_id"},
		{EC_PABT_GUEST, "abort_prefetch"},
		{EC_DABT_GUEST, "abort_data"},
		{EC_HVC, "psci_hvc"},
		{EC_SMC, "psci_smc"},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(classes); i++) {
		uint32_t before = vcpu.exits[classes[i].ec], hsr = HSR(classes[i].ec, true, COND(14) | 0x1234);

		trap(hsr, PSR_MODE_SVC);
		assert_string_equal(seen.name, classes[i].name);
		assert_int_equal(seen.handled, 1);
		assert_int_equal(vcpu.exits[classes[i].ec], before + 1);
		assert_int_equal(read_elr_hyp(), PC + 4);
		assert_int_equal(seen.hsr, hsr);
	}
}

/* Every class that has no handler ends in the guest, as UNDEF, and nowhere else. */
static void test_unknown(void **state)
{
	(void)state;
	for (uint32_t ec = 0; ec < EC_COUNT; ec++) {
		switch (ec) {
		case EC_WFI_WFE:
		case EC_CP15_32:
		case EC_CP15_64:
		case EC_CP14_32:
		case EC_CP14_64:
		case EC_HCPTR:
		case EC_CP10_ID:
		case EC_HVC:
		case EC_SMC:
		case EC_PABT_GUEST:
		case EC_DABT_GUEST:
			continue;
		default:
			break;
		}
		trap(HSR(ec, true, COND(14)), PSR_MODE_SVC | PSR_C);
		assert_int_equal(seen.handled, 0);
		assert_int_equal(read_elr_hyp(), 0x40008004);
		assert_int_equal(read_spsr_hyp(), PSR_MODE_UND | PSR_I | PSR_C);
		assert_int_equal(read_lr_und(), PC + 4);
		assert_int_equal(read_spsr_und(), PSR_MODE_SVC | PSR_C);
	}
}

/* EXIT_AGAIN: nothing moves. */
static void test_again(void **state)
{
	(void)state;
	seen.action = EXIT_AGAIN;
	trap(HSR(EC_CP15_32, true, COND(14)), PSR_MODE_SVC | PSR_T | it(0x1c));
	assert_int_equal(seen.handled, 1);
	assert_int_equal(read_elr_hyp(), PC);
	assert_int_equal(read_spsr_hyp(), PSR_MODE_SVC | PSR_T | it(0x1c));
}

/* ARM: all conditions with all flags, in each class that has a condition. */
static void test_condition_arm(void **state)
{
	static const uint32_t classes[] = {EC_CP15_32, EC_CP15_64, EC_CP14_32, EC_CP14_64, EC_HCPTR, EC_CP10_ID};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(classes); i++)
		for (uint32_t cond = 0; cond < 15; cond++)
			for (uint32_t flags = 0; flags < 16; flags++) {
				uint32_t spsr = PSR_MODE_SVC | flags << 28;

				trap(HSR(classes[i], true, COND(cond)), spsr);
				assert_int_equal(seen.handled, passes(cond, spsr));
				assert_int_equal(read_elr_hyp(), PC + 4); /* done or a NOP */
				assert_int_equal(read_spsr_hyp(), spsr);
			}
}

/* Aborts have no condition: those bits mean something else. */
static void test_abort_is_unconditional(void **state)
{
	(void)state;
	trap(HSR(EC_DABT_GUEST, true, ISS_DABT_ISV | 0x00000000), PSR_MODE_SVC);
	assert_string_equal(seen.name, "abort_data");
	trap(HSR(EC_PABT_GUEST, true, 0), PSR_MODE_SVC | PSR_T | it(0x08));
	assert_string_equal(seen.name, "abort_prefetch");
}

/* Thumb in an IT block: 2 or 4 bytes, ITSTATE one on, whether it was executed or not (A2.5.2). */
static void test_it_advance(void **state)
{
	(void)state;
	for (uint32_t itstate = 0; itstate < 0x100; itstate++)
		for (uint32_t il = 0; il < 2; il++) {
			uint32_t cond = itstate >> 4, next, spsr = PSR_MODE_USR | PSR_T | PSR_Z | PSR_E | it(itstate);

			if ((itstate & 0xf) == 0 && itstate != 0)
				continue; /* no state of an IT block */
			if (itstate == 0)
				cond = 14;
			next = (itstate & 7) ? (itstate & 0xe0) | (itstate << 1 & 0x1f) : 0;
			trap(HSR(EC_CP15_32, il, COND(cond == 15 ? 14 : cond)), spsr);
			assert_int_equal(seen.handled, passes(cond, spsr));
			assert_int_equal(read_elr_hyp(), PC + (il ? 4 : 2));
			assert_int_equal(read_spsr_hyp(), PSR_MODE_USR | PSR_T | PSR_Z | PSR_E | it(next));
		}
}

/* Without a valid condition in HSR the IT block tells (B3.13.6). */
static void test_it_condition(void **state)
{
	(void)state;
	for (uint32_t cond = 0; cond < 15; cond++)
		for (uint32_t flags = 0; flags < 16; flags++) {
			uint32_t spsr = PSR_MODE_SVC | PSR_T | flags << 28 | it(cond << 4 | 8);

			trap(HSR(EC_CP15_32, true, 0), spsr);
			assert_int_equal(seen.handled, passes(cond, spsr));
			assert_int_equal(read_elr_hyp(), PC + 4);
			assert_int_equal(read_spsr_hyp(), PSR_MODE_SVC | PSR_T | flags << 28);
		}
	trap(HSR(EC_CP15_32, true, 0), PSR_MODE_SVC | PSR_T); /* no IT block: always */
	assert_int_equal(seen.handled, 1);
	trap(HSR(EC_CP15_32, true, 0), PSR_MODE_SVC);
	assert_int_equal(seen.handled, 1);
}

/* ... and then the condition field is UNKNOWN: 0b1110 there says nothing. */
static void test_it_condition_unknown(void **state)
{
	(void)state;
	trap(HSR(EC_CP15_32, true, 14U << 20), PSR_MODE_SVC | PSR_T | it(0x08)); /* EQ, Z clear */
	assert_int_equal(seen.handled, 0);
	assert_int_equal(read_elr_hyp(), PC + 4);
}

static void test_wfx(void **state)
{
	(void)state;
	trap(HSR(EC_WFI_WFE, true, COND(14)), PSR_MODE_SVC);
	assert_int_equal(seen.standbys, 1);
	assert_int_equal(read_elr_hyp(), PC + 4);
	trap(HSR(EC_WFI_WFE, false, COND(14)), PSR_MODE_SVC | PSR_T);
	assert_int_equal(seen.standbys, 2);
	assert_int_equal(read_elr_hyp(), PC + 2);
	trap(HSR(EC_WFI_WFE, true, COND(14) | 1), PSR_MODE_SVC);
	assert_int_equal(seen.spins, 1);
	trap(HSR(EC_WFI_WFE, true, COND(0)), PSR_MODE_SVC); /* WFIEQ, Z clear: does not wait */
	assert_int_equal(seen.standbys, 2);
	assert_int_equal(read_elr_hyp(), PC + 4);
}

/* Work is done on the way back, also what comes up meanwhile; without any the way back does nothing. */
static void test_work(void **state)
{
	(void)state;
	trap(HSR(EC_HVC, true, 0), PSR_MODE_SVC);
	exit_irq();
	assert_int_equal(seen.irqs, 1);
	assert_int_equal(seen.flushes + seen.samples + seen.checkpoints + seen.yields + seen.slices, 0);
	vcpu.thread.work = WORK_VGIC | WORK_TIMER | WORK_SLICE | WORK_FLUSH | WORK_VIRTIO | WORK_SGI;
	seen.raise = WORK_STOP | WORK_RESCHED;
	exit_irq();
	assert_int_equal(seen.flushes, 1);
	assert_int_equal(seen.sgis, 1);
	assert_int_equal(seen.blocks_flushed, 1);
	assert_int_equal(seen.device_steps, 1);
	assert_int_equal(seen.samples, 1);
	assert_int_equal(seen.checkpoints, 1);
	assert_int_equal(seen.yields, 1);
	assert_int_equal(seen.slices, 1);
	assert_int_equal(vcpu.thread.work, 0);
	vcpu.thread.work = WORK_BALANCE;
	exit_irq();
	assert_int_equal(seen.balances, 1);
	vcpu.thread.work = WORK_STOP;
	exit_first();
	assert_int_equal(seen.checkpoints, 2);
	/* It may sleep there, or load an image, and others wait for the CPU. */
	vcpu.thread.work = WORK_STOP | WORK_BALANCE | WORK_RESCHED | WORK_SLICE;
	exit_first();
	assert_int_equal(seen.let_others, 2 + 2 + 2);
}

#define TURN 64U /* steps of devices' work in one exit */

/* Devices' work takes turns with the guest, and counts for neither sleep nor hang. */
static void test_devices(void **state)
{
	(void)state;
	vcpu.device_ticks = 0;
	device_work = 2 * TURN + 4;
	vcpu.thread.work = WORK_VIRTIO;
	exit_first();
	assert_int_equal(seen.device_steps, TURN);
	assert_int_equal(vcpu.thread.work, WORK_VIRTIO); /* at the next exit, */
	assert_non_null(armed);                          /* which there will be */
	assert_int_equal(armed->deadline, read_cntpct() + 100U);
	assert_int_equal(vcpu.device_ticks, TURN * 3);
	armed->expired(armed);
	armed = NULL;
	trap(HSR(EC_HVC, true, 0), PSR_MODE_SVC);
	assert_int_equal(seen.device_steps, 2 * TURN);
	assert_int_equal(vcpu.thread.work, WORK_VIRTIO);
	armed = NULL;
	exit_irq();
	assert_int_equal(seen.device_steps, 2 * TURN + 4);
	assert_int_equal(vcpu.thread.work, 0);
	assert_null(armed);
	/* An interrupt for the guest goes before what is left. */
	seen.device_steps = 0;
	device_work = 20;
	interrupt_after = 2;
	vcpu.thread.work = WORK_VIRTIO;
	exit_first();
	assert_int_equal(seen.device_steps, 2);
	assert_int_equal(vcpu.thread.work, WORK_VIRTIO);
	assert_non_null(armed);
	/* No end of work of another kind brings it back earlier. */
	vcpu.thread.work = WORK_VIRTIO | WORK_VGIC;
	seen.raise = WORK_VIRTIO | WORK_TIMER;
	exit_first();
	assert_int_equal(seen.device_steps, 3);
	assert_int_equal(vcpu.thread.work, WORK_VIRTIO);
	device_work = interrupt_after = 0;
	exit_first();
	assert_int_equal(vcpu.thread.work, 0);
}

#define READ(row, rt) ((row)->key | (uint32_t)(rt) << 5 | 1U)

/* A read of cp15 into r0-r7 is done without its handler, as the condition has it, and PC and ITSTATE move. */
static void test_cp15_read(void **state)
{
	(void)state;
	for (uint32_t rt = 0; rt < 8; rt++) {
		memset(&regs, 0, sizeof(regs));
		trap(HSR(EC_CP15_32, true, COND(14) | READ(&readable, rt)), PSR_MODE_SVC | PSR_T | it(0x1c));
		assert_int_equal(seen.handled, 0);
		for (uint32_t i = 0; i < 13; i++)
			assert_int_equal(regs.r[i], i == rt ? 0xfeedf00d : 0);
		assert_int_equal(read_elr_hyp(), PC + 4);
		assert_int_equal(read_spsr_hyp(), PSR_MODE_SVC | PSR_T | it(0x18));
	}
	memset(&regs, 0, sizeof(regs));
	trap(HSR(EC_CP15_32, true, COND(0) | READ(&readable, 3)), PSR_MODE_SVC);
	assert_int_equal(regs.r[3], 0);
	assert_int_equal(read_elr_hyp(), PC + 4);
	seen.action = EXIT_NEXT;
	trap(HSR(EC_CP15_32, true, COND(0) | READ(&readable, 3)), PSR_MODE_SVC | PSR_Z); /* in the slow way */
	assert_int_equal(seen.handled, 1);
	assert_string_equal(seen.name, "coproc_cp15_32");
	assert_int_equal(read_elr_hyp(), PC + 4);
}

/* All else of cp15 is for the handler, untouched. */
static void test_cp15_slow(void **state)
{
	static const struct {
		uint32_t iss, mode;
	} traps[] = {
		{READ(&readable, 8), PSR_MODE_SVC},       {READ(&readable, 14), PSR_MODE_SVC},
		{READ(&readable, 3) & ~1U, PSR_MODE_SVC}, {READ(&readable, 3), PSR_MODE_USR},
		{READ(&denied, 3), PSR_MODE_SVC},         {READ(&crowded, 3), PSR_MODE_SVC},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(traps); i++) {
		trap(HSR(EC_CP15_32, true, COND(14) | traps[i].iss), traps[i].mode);
		assert_int_equal(seen.handled, 1);
		assert_string_equal(seen.name, "coproc_cp15_32");
		assert_int_equal(regs.r[3], 0);
	}
	trap(HSR(EC_CP14_32, true, COND(14) | READ(&readable, 3)), PSR_MODE_SVC);
	assert_string_equal(seen.name, "coproc_cp14_32");
}

/* A guest without vectors: the abort's vector aborts, for ever. One that goes on in between is none. */
static void test_aborts_in_a_row(void **state)
{
	(void)state;
	write_sctlr(0);
	hints = 0;
	for (uint32_t i = 0; i < 3000; i++) {
		write_elr_hyp(PC + i % 2U * 4U);
		data_abort();
	}
	assert_int_equal(hints, 0);
	write_elr_hyp(PC);
	for (uint32_t i = 0; i < 3000; i++)
		prefetch_abort();
	assert_int_equal(hints, 1);
	assert_int_equal(hint_pc, read_elr_hyp());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_dispatch, setup),
		cmocka_unit_test_setup(test_unknown, setup),
		cmocka_unit_test_setup(test_again, setup),
		cmocka_unit_test_setup(test_condition_arm, setup),
		cmocka_unit_test_setup(test_abort_is_unconditional, setup),
		cmocka_unit_test_setup(test_it_advance, setup),
		cmocka_unit_test_setup(test_it_condition, setup),
		cmocka_unit_test_setup(test_it_condition_unknown, setup),
		cmocka_unit_test_setup(test_cp15_read, setup),
		cmocka_unit_test_setup(test_cp15_slow, setup),
		cmocka_unit_test_setup(test_wfx, setup),
		cmocka_unit_test_setup(test_work, setup),
		cmocka_unit_test_setup(test_devices, setup),
		cmocka_unit_test_setup(test_aborts_in_a_row, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
