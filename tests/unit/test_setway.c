/* SPDX-License-Identifier: BSD-2-Clause */
/* The states of maintenance by set and way (coproc/setway.c), transition by transition. */
#include "coproc_rig.h"

/* As hyp/exit/exit.c does on the way back into the guest. */
static void finish_flush(void)
{
	while (vcpu.thread.work & WORK_FLUSH) {
		vcpu.thread.work &= ~WORK_FLUSH;
		setway_flush_some(&vcpu);
	}
}

static void assert_state(enum setway_state expected, uint32_t times)
{
	finish_flush();
	assert_int_equal(vcpu.coproc.setway.state, expected);
	assert_int_equal(!!(vcpu.hcr & HCR_TVM), expected != SETWAY_OFF);
	assert_int_equal(vcpu.hcr & ~HCR_TVM, HCR_VM | HCR_TSW);
	assert_int_equal(flushes, times * ARRAY_SIZE(blocks)); /* every touched block, and no other */
	for (uint32_t i = 0; i < flushes; i++)
		assert_int_equal(flushed[i], 0x800000000 + blocks[i % ARRAY_SIZE(blocks)]);
	assert_int_equal(vcpu.coproc.setway.flushes, times);
}

static int setup_setway(void **state)
{
	setup(state);
	setway_reset(&vcpu);
	write_sctlr(SCTLR_RESET);
	return 0;
}

static void operation(void)
{
	assert_int_equal(access15(CP_KEY(7, 0, 14, 2), 0, false), EXIT_NEXT);
}

static void sctlr(uint32_t set, uint32_t clear)
{
	regs.r[0] = (read_sctlr() & ~clear) | set;
	assert_int_equal(access15(CP_KEY(1, 0, 0, 0), 0, false), EXIT_NEXT);
	assert_int_equal(read_sctlr(), regs.r[0]);
}

/* A guest without set/way: no flush ever, and no traps once its caches are on. */
static void test_setway_none(void **state)
{
	(void)state;
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_I, 0);
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_M, 0);
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_C, 0);
	assert_state(SETWAY_OFF, 0);
	assert_int_equal(read_hcr(), HCR_VM | HCR_TSW);
}

/* Before the caches are on: any number of operations are one flush, when they go on. */
static void test_setway_deferred(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		operation();
	assert_state(SETWAY_WAIT, 0);
	assert_int_equal(vcpu.coproc.setway.ops, 1000);
	sctlr(SCTLR_I, 0);
	assert_state(SETWAY_WAIT, 0);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 1);
	assert_int_equal(read_hcr() & HCR_TVM, 0);
	assert_false(vcpu.coproc.setway.deferred);
}

/* The traps change: an asynchronous abort that the guest has taken does not come again, one that it has not stays. */
static void test_setway_keeps_abort(void **state)
{
	(void)state;
	vcpu.hcr |= HCR_VA;
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_int_equal(read_hcr() & (HCR_TVM | HCR_VA), 0);
	write_hcr(read_hcr() | HCR_VA);
	operation();
	assert_int_equal(read_hcr() & (HCR_TVM | HCR_VA), HCR_TVM | HCR_VA);
}

static void test_setway_when_on(void **state)
{
	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	operation();
	assert_state(SETWAY_ON, 1);
	assert_true(read_hcr() & HCR_TVM);
	for (uint32_t i = 0; i < 1000; i++)
		operation();
	assert_state(SETWAY_ON, 1);
	sctlr(0, SCTLR_C);
	assert_state(SETWAY_ON, 2);
	sctlr(0, SCTLR_C);
	assert_state(SETWAY_ON, 2);
	sctlr(SCTLR_V, 0); /* neither C nor M */
	assert_state(SETWAY_ON, 2);
	sctlr(0, SCTLR_M);
	assert_state(SETWAY_ON, 3);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 4);
	assert_int_equal(read_hcr() & HCR_TVM, 0);
	operation(); /* and again */
	assert_state(SETWAY_ON, 5);
}

/* Any memory register: with the caches on the guest goes on as it is, with them off it is still on its way. */
static void test_setway_ends_on_any_write(void **state)
{
	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	operation();
	assert_state(SETWAY_ON, 1);
	sctlr(0, SCTLR_C);
	assert_state(SETWAY_ON, 2);
	write15(CP_KEY(13, 0, 0, 1), 5); /* CONTEXTIDR */
	assert_state(SETWAY_ON, 2);
	sctlr(SCTLR_C, 0);
	assert_state(SETWAY_OFF, 3);
	operation();
	assert_state(SETWAY_ON, 4);
	assert_int_equal(coproc_cp15_64(&vcpu, &regs, iss64(CP_KEY64(0, 2), 3, 4, false)), EXIT_NEXT); /* TTBR0 */
	assert_state(SETWAY_OFF, 4); /* nothing changed: no flush */
	assert_int_equal(read_hcr() & HCR_TVM, 0);
}

/* The new SCTLR is in force before the flush: nothing is allocated behind it. */
static void test_setway_order(void **state)
{
	uint32_t hcr;

	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	fake_machine.events = 0;
	operation();
	hcr = fake_find(SYSREG_hcr, 0);
	assert_true(hcr < fake_machine.events);
	assert_int_equal(fake_machine.event[hcr].value, HCR_VM | HCR_TSW | HCR_TVM);
}

#define PARTS 16U /* of a block */

/* Between two parts: interrupts are served, whatever they ask of the vCPU comes before the next part. */
static void test_setway_preemption(void **state)
{
	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	operation();
	assert_int_equal(flushes, 0); /* nothing happens inside the trap itself */
	for (uint32_t i = 0; i < PARTS * ARRAY_SIZE(blocks); i++) {
		assert_int_equal(vcpu.thread.work, WORK_FLUSH);
		vcpu.thread.work = 0;
		irqs = 3;
		setway_flush_some(&vcpu);
		assert_int_equal(irqs, 0);
		assert_int_equal(flushes, (i + 1) / PARTS);
		assert_int_equal(flushed[i / PARTS], 0x800000000 + blocks[i / PARTS]);
	}
	vcpu.thread.work = 0;
	setway_flush_some(&vcpu); /* finds the end */
	assert_int_equal(vcpu.thread.work, 0);
	assert_state(SETWAY_ON, 1);
}

/* A reset at the checkpoint between two parts: the rest of the flush was the last life's. */
static void test_setway_reset_in_flush(void **state)
{
	(void)state;
	sctlr(SCTLR_M | SCTLR_C, 0);
	operation();
	vcpu.thread.work = 0;
	setway_flush_some(&vcpu);
	assert_int_equal(flushed_of_block, BLOCK_SIZE / PARTS);
	setway_reset(&vcpu);
	setway_flush_some(&vcpu);
	assert_int_equal(flushed_of_block, BLOCK_SIZE / PARTS);
	assert_int_equal(vcpu.coproc.setway.state, SETWAY_WAIT);
}

/* Each vCPU goes its own way; the memory is one. */
static void test_setway_two_vcpus(void **state)
{
	struct vcpu other = {.vm = &vm, .index = 1, .hcr = HCR_VM | HCR_TSW, .coproc.model = &model};
	uint32_t before;

	(void)state;
	vm.uncached = 0;
	setway_reset(&vcpu);
	setway_reset(&other);
	assert_int_equal(vm.uncached, BIT(1) | BIT(2));
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_int_equal(vm.uncached, BIT(1));
	operation();
	assert_int_equal(vm.uncached, BIT(1) | BIT(2));
	assert_state(SETWAY_ON, 1);
	assert_int_equal(other.coproc.setway.state, SETWAY_WAIT);
	assert_true(other.hcr & HCR_TVM);
	before = flushes;
	write_sctlr(SCTLR_RESET); /* the other's hardware state */
	setway_operation(&other);
	assert_int_equal(other.thread.work, 0); /* its caches are off: deferred */
	setway_write_sctlr(&other, SCTLR_RESET | SCTLR_M | SCTLR_C);
	setway_after_write(&other);
	assert_int_equal(other.thread.work, WORK_FLUSH);
	while (other.thread.work & WORK_FLUSH) {
		other.thread.work = 0;
		setway_flush_some(&other);
	}
	assert_int_equal(flushes, before + ARRAY_SIZE(blocks));
	assert_int_equal(other.coproc.setway.state, SETWAY_OFF);
	assert_int_equal(vm.uncached, BIT(2));
	assert_int_equal(other.coproc.setway.flushes, 1);
	assert_int_equal(vcpu.coproc.setway.state, SETWAY_ON);
	assert_true(vcpu.hcr & HCR_TVM);
}

/* The counters: operations, changes, flushes, and TVM's way. */
static void test_setway_counters(void **state)
{
	const struct setway_cpu *sw = &vcpu.coproc.setway;

	(void)state;
	operation();
	sctlr(SCTLR_M | SCTLR_C, 0);
	finish_flush();
	operation();
	finish_flush();
	operation();
	sctlr(0, SCTLR_C);
	finish_flush();
	sctlr(SCTLR_C, 0);
	assert_state(SETWAY_OFF, 4);
	assert_int_equal(sw->ops, 3);
	assert_int_equal(sw->changes, 3);
	assert_int_equal(sw->tvm_on, 1);
	assert_int_equal(sw->tvm_off, 2);
}

static void test_setway_reset(void **state)
{
	(void)state;
	operation();
	setway_reset(&vcpu);
	sctlr(SCTLR_M | SCTLR_C, 0);
	assert_state(SETWAY_OFF, 0); /* the operation was the last life's */
	operation();
	setway_reset(&vcpu);
	assert_int_equal(vcpu.coproc.setway.state, SETWAY_WAIT);
	assert_true(vcpu.hcr & HCR_TVM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_setway_none, setup_setway),
		cmocka_unit_test_setup(test_setway_deferred, setup_setway),
		cmocka_unit_test_setup(test_setway_when_on, setup_setway),
		cmocka_unit_test_setup(test_setway_keeps_abort, setup_setway),
		cmocka_unit_test_setup(test_setway_order, setup_setway),
		cmocka_unit_test_setup(test_setway_ends_on_any_write, setup_setway),
		cmocka_unit_test_setup(test_setway_preemption, setup_setway),
		cmocka_unit_test_setup(test_setway_reset_in_flush, setup_setway),
		cmocka_unit_test_setup(test_setway_two_vcpus, setup_setway),
		cmocka_unit_test_setup(test_setway_counters, setup_setway),
		cmocka_unit_test_setup(test_setway_reset, setup_setway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
