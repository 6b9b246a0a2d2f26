/* SPDX-License-Identifier: BSD-2-Clause */
/* The performance monitors: taken from the host at the first access, limits, and the clock that is measured by them. */
#include "coproc_rig.h"

#define PMCR       CP_KEY(9, 0, 12, 0)
#define PMCNTENSET CP_KEY(9, 0, 12, 1)
#define PMSELR     CP_KEY(9, 0, 12, 5)
#define PMCCNTR    CP_KEY(9, 0, 13, 0)
#define PMXEVTYPER CP_KEY(9, 0, 13, 1)
#define PMXEVCNTR  CP_KEY(9, 0, 13, 2)
#define PMUSERENR  CP_KEY(9, 0, 14, 0)

static void test_pmu_lazy(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_pmcr] = 0x410f3000; /* six event counters */
	fake_machine.events = 0;
	assert_int_equal(read15(PMUSERENR), 0);
	assert_int_equal(fake_machine.events, 0); /* nothing to count yet */
	assert_false(vcpu.coproc.extra & EXTRA_PMU);
	read15(PMCNTENSET);
	assert_true(vcpu.coproc.extra & EXTRA_PMU);
	fake_machine.reg[SYSREG_pmcr] = 0x410f3000;
	write15(PMCR, 0xffffffff);
	assert_int_equal(read_pmcr(), 0x3f); /* E P C D X DP: the rest is not the guest's */
	coproc_reset(&vcpu);
	assert_false(vcpu.coproc.extra & EXTRA_PMU);
	assert_true(fake_find(SYSREG_pmcntenclr, 0) < fake_machine.events);
}

/* Both counters go on when they are read. The first look at them is disturbed: the other counter has gone on meanwhile.
 */
static uint32_t looks;

static uint64_t count_cycles(uint32_t reg)
{
	return 0xfffff000U + 50U * looks; /* it wraps */
}

static uint64_t count_ticks(uint32_t reg)
{
	looks++;
	return looks == 2 ? 1000000 : looks;
}

static void test_pmu_clock(void **state)
{
	struct pmu_clock clock;

	(void)state;
	fake_machine.reg[SYSREG_cntfrq] = 24000000;
	looks = 0;
	fake_machine.on_read[SYSREG_pmccntr] = count_cycles;
	fake_machine.on_read[SYSREG_cntpct] = count_ticks;
	pmu_clock_begin(&clock);
	assert_int_equal(looks, 4);
	assert_int_equal(read_pmxevtyper(), 1U << 27);
	assert_int_equal(read_pmcr(), 5);
	assert_int_equal(read_pmcntenset(), 1U << 31);
	looks = 1000;
	assert_int_equal(pmu_clock_end(&clock), 1200000); /* 50 cycles a tick */
	assert_int_equal(fake_machine.reg[SYSREG_pmcntenclr], 1U << 31);
	assert_int_equal(read_pmcr() | read_pmxevtyper(), 0);
	fake_machine.on_read[SYSREG_pmccntr] = NULL; /* it stands still */
	pmu_clock_begin(&clock);
	assert_int_equal(pmu_clock_end(&clock), 0);
}

/* Counters that do not exist: RAZ/WI, and HYP's own counting (NSH) cannot be asked for. */
static void test_pmu_limits(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_pmcr] = 0x410f1000; /* two */
	write15(PMCNTENSET, 0xffffffff);
	fake_machine.reg[SYSREG_pmcr] = 0x410f1000; /* the first access wrote it */
	write15(PMCNTENSET, 0xffffffff);
	assert_int_equal(read_pmcntenset(), 0x80000003);
	fake_machine.reg[SYSREG_pmcntenset] = 0xffffffff;
	assert_int_equal(read15(PMCNTENSET), 0x80000003);
	write15(PMSELR, 1);
	write15(PMXEVTYPER, 0xffffffff);
	assert_int_equal(read_pmselr(), 1);
	assert_int_equal(read_pmxevtyper(), 0xf00000ff);
	write15(PMSELR, 2);
	write15(PMXEVCNTR, 7);
	assert_int_equal(read_pmxevcntr(), 0);
	assert_int_equal(read15(PMXEVTYPER), 0);
	write15(PMSELR, 31); /* the cycle counter has a type and no PMXEVCNTR */
	assert_int_equal(read15(PMXEVTYPER), 0xf00000ff);
	assert_int_equal(read15(PMXEVCNTR), 0);
}

static void test_pmu_user(void **state)
{
	(void)state;
	write_spsr_hyp(PSR_MODE_USR);
	assert_int_equal(access15(PMCCNTR, 1, true), EXIT_AGAIN);
	write_spsr_hyp(PSR_MODE_SVC);
	write15(PMUSERENR, 0xffffffff);
	assert_int_equal(read15(PMUSERENR), 1);
	write_spsr_hyp(PSR_MODE_USR);
	assert_int_equal(access15(PMCCNTR, 1, true), EXIT_NEXT);
	assert_int_equal(access15(PMUSERENR, 1, true), EXIT_NEXT);
	assert_int_equal(access15(PMUSERENR, 1, false), EXIT_AGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pmu_lazy, setup),
		cmocka_unit_test_setup(test_pmu_limits, setup),
		cmocka_unit_test_setup(test_pmu_clock, setup),
		cmocka_unit_test_setup(test_pmu_user, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
