/* SPDX-License-Identifier: BSD-2-Clause */
/* The secure side's PSCI (boot/monitor_main.c) and its pen (boot/pen.c): slots, states, registers, who is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/cores.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "boot/monitor.h"
#include "hyp/host/gicregs.h"
#include "psci/smccc.h"

#define GICD 0x8000000U
#define GICC 0x8010000U
#define HZ   24000000U

struct monitor_power monitor_power;
char monitor_vectors[8], early_vectors[8];

static uint32_t gicd[0x1000 / 4]; /* what was written last */
static uint32_t gicc[0x1004 / 4];
static uint32_t acknowledged; /* what GICC_IAR says */
static struct {
	uint32_t address, value;
} poked[8];
static uint32_t pokes;
static jmp_buf asleep;

void monitor_sleep(void)
{
	longjmp(asleep, 1);
}

/* After the last write of a list of power's the CPU sleeps for ever. */
static void end_run(void)
{
	longjmp(asleep, 2);
}

static uint32_t io_read(const volatile void *at, size_t size)
{
	uintptr_t pa = (uintptr_t)at;

	assert_int_equal(size, 4);
	if (pa == GICC + GICC_IAR)
		return acknowledged;
	assert_int_equal(pa, GICD + GICD_TYPER);
	return 2; /* 96 interrupts */
}

static void io_write(volatile void *at, size_t size, uint32_t value)
{
	uintptr_t pa = (uintptr_t)at;

	if (pa >= GICD && pa < GICD + sizeof(gicd))
		memcpy((uint8_t *)gicd + (pa - GICD), &value, size);
	else if (pa >= GICC && pa < GICC + sizeof(gicc))
		memcpy((uint8_t *)gicc + (pa - GICC), &value, size);
	else {
		assert_true(pokes < 8);
		poked[pokes].address = (uint32_t)pa;
		poked[pokes++].value = (uint32_t)value;
	}
}

/* The boot CPU is in HYP, and the GIC is open. */
static int set_up(void **state)
{
	fake_machine_reset();
	fake_machine.io_read = io_read;
	fake_machine.io_write = io_write;
	memset((void *)(uintptr_t)&monitor_data, 0, sizeof(monitor_data));
	memset(&monitor_power, 0, sizeof(monitor_power));
	memset(gicd, 0, sizeof(gicd));
	memset(gicc, 0, sizeof(gicc));
	pokes = 0;
	fake_machine.reg[SYSREG_mpidr] = 0x80000000U;
	fake_machine.reg[SYSREG_midr] = MIDR_CORTEX_A15 | 0x2f0001U;
	assert_int_equal(monitor_begin(0x4000), 0x400000000000U);
	fake_machine.reg[SYSREG_spsr_mon] = PSR_MODE_HYP;
	assert_int_equal(monitor_call(MONITOR_OPEN, GICD, GICC, HZ), PSCI_SUCCESS);
	return 0;
}

static uint32_t call(uint32_t function, uint32_t a, uint32_t b, uint32_t c)
{
	return monitor_call(function, a, b, c);
}

static void run_as(uint32_t mpidr)
{
	fake_machine.reg[SYSREG_mpidr] = 0x80000000U | mpidr;
}

static void test_registers_of_a_cpu(void **state)
{
	assert_int_equal(monitor_data.installed, 1);
	assert_int_equal(fake_machine.reg[SYSREG_scr], 0x131);
	assert_int_equal(fake_machine.reg[SYSREG_nsacr], 0xc00);
	assert_int_equal(fake_machine.reg[SYSREG_mvbar], (uint32_t)(uintptr_t)monitor_vectors);
	assert_int_equal(fake_machine.reg[SYSREG_vbar], (uint32_t)(uintptr_t)early_vectors);
	assert_int_equal(fake_machine.reg[SYSREG_actlr], ACTLR_SMP | ACTLR_IBE);
	assert_int_equal(fake_machine.reg[SYSREG_hsctlr], HSCTLR_RES1);
	assert_int_equal(fake_machine.reg[SYSREG_cntfrq], HZ);
}

/* ACTLR is left alone where the core is not known, and another core has other bits. */
static void test_cores(void **state)
{
	static const struct {
		uint32_t midr, actlr;
	} of[] = {{MIDR_CORTEX_A7 | 5U, ACTLR_SMP}, {MIDR_CORTEX_A57, 0}, {0x410fc090U, 0}};

	for (unsigned int i = 0; i < ARRAY_SIZE(of); i++) {
		fake_machine.reg[SYSREG_midr] = of[i].midr;
		fake_machine.reg[SYSREG_actlr] = 0x8000;
		monitor_begin(0);
		assert_int_equal(fake_machine.reg[SYSREG_actlr], 0x8000 | of[i].actlr);
	}
}

static void test_frequency_stays(void **state)
{
	assert_int_equal(call(MONITOR_OPEN, GICD, GICC, 1), PSCI_SUCCESS);
	assert_int_equal(fake_machine.reg[SYSREG_cntfrq], HZ);
	assert_int_equal(monitor_data.cntfrq, HZ);
}

static void test_gic_is_opened(void **state)
{
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(gicd[GICD_IGROUPR / 4 + i], i < 3 ? ~0U : 0);
	assert_int_equal(gicd[GICD_CTLR / 4], 1);
	assert_int_equal(gicc[GICC_PMR / 4], 0xff);
	assert_int_equal(gicc[GICC_CTLR / 4], 0);
}

static void test_cpu_on(void **state)
{
	volatile struct monitor_slot *slot;

	assert_int_equal(call(PSCI_AFFINITY_INFO, 0x101, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(call(PSCI_CPU_ON, 0x101, 0x8000, 77), PSCI_SUCCESS);
	assert_int_equal(gicd[GICD_SGIR / 4], 1U << 24 | MONITOR_SGI);
	assert_int_equal(call(PSCI_CPU_ON, 0x101, 0x9000, 78), PSCI_ON_PENDING);
	assert_int_equal(call(PSCI_AFFINITY_INFO, 0x101, 0, 0), MONITOR_PENDING);

	run_as(0x101);
	fake_machine.reg[SYSREG_cntfrq] = 0;
	fake_machine.reg[SYSREG_actlr] = 0;
	slot = monitor_pen();
	assert_ptr_equal(slot, &monitor_data.slot[1]);
	assert_int_equal(monitor_release(slot), 0x800000000000U | 77U);
	assert_int_equal(fake_machine.reg[SYSREG_cntfrq], HZ);
	assert_int_equal(fake_machine.reg[SYSREG_actlr], ACTLR_SMP | ACTLR_IBE);
	assert_int_equal(gicd[GICD_IGROUPR / 4], ~0U);
	assert_int_equal(gicc[GICC_CTLR / 4], 0);
	assert_int_equal(((uint8_t *)gicd)[GICD_CPENDSGIR + MONITOR_SGI], 0xff);
	assert_int_equal(call(PSCI_AFFINITY_INFO, 0x101, 0, 0), PSCI_AFFINITY_ON);
	assert_int_equal(call(PSCI_CPU_ON, 0x101, 0x9000, 78), PSCI_ALREADY_ON);
	assert_int_equal(call(PSCI_CPU_ON, 0, 0x9000, 78), PSCI_ALREADY_ON);
}

static void test_cpu_off_and_on(void **state)
{
	call(PSCI_CPU_ON, 1, 0x8000, 0);
	run_as(1);
	monitor_release(monitor_pen());
	if (!setjmp(asleep)) {
		call(PSCI_CPU_OFF, 0, 0, 0);
		fail();
	}
	run_as(0);
	assert_int_equal(call(PSCI_AFFINITY_INFO, 1, 0, 0), PSCI_AFFINITY_OFF);
	assert_int_equal(call(PSCI_CPU_ON, 1, 0xa000, 5), PSCI_SUCCESS);
	run_as(1);
	assert_int_equal(monitor_release(monitor_pen()), 0xa00000000005U);
}

/* More CPUs than there are slots. */
static void test_too_many(void **state)
{
	for (uint32_t mpidr = 1; mpidr < CPU_MAX; mpidr++)
		assert_int_equal(call(PSCI_CPU_ON, mpidr, 0, 0), PSCI_SUCCESS);
	assert_int_equal(call(PSCI_CPU_ON, CPU_MAX, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(call(PSCI_CPU_ON, 1, 0, 0), PSCI_ON_PENDING);
}

/* The third time that it wakes, HYP has asked for it; the SGI of another CPU's and a spurious interrupt come before. */
static uint32_t wakes;

static void wake_up(void)
{
	acknowledged = wakes == 0 ? 1023 : 2U << 10 | MONITOR_SGI;
	gicc[GICC_EOIR / 4] = 0;
	if (++wakes == 3)
		monitor_data.slot[1].state = MONITOR_PENDING;
}

static void test_pen(void **state)
{
	monitor_data.slot[1].mpidr = 2;
	run_as(2);
	wakes = 0;
	fake_machine.on_wait = wake_up;
	assert_ptr_equal(monitor_pen(), &monitor_data.slot[1]);
	fake_machine.on_wait = NULL;
	assert_int_equal(wakes, 3);
	assert_int_equal(gicc[GICC_EOIR / 4], 2U << 10 | MONITOR_SGI);
	assert_int_equal(gicd[GICD_IGROUPR / 4], ~(1U << MONITOR_SGI));
	assert_int_equal(gicd[GICD_ISENABLER / 4], 1U << MONITOR_SGI);
	assert_int_equal(gicd[GICD_ICENABLER / 4], ~(1U << MONITOR_SGI));
	for (unsigned int id = 0; id < 32; id++)
		assert_int_equal(((uint8_t *)gicd)[GICD_IPRIORITYR + id], id == MONITOR_SGI ? 0 : 0xff);
	assert_int_equal(gicc[GICC_CTLR / 4], 1);
}

static void test_power(void **state)
{
	assert_int_equal(call(PSCI_SYSTEM_OFF, 0, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(call(PSCI_SYSTEM_RESET, 0, 0, 0), PSCI_NOT_SUPPORTED);
	monitor_power.reset[0] = (struct monitor_write){0x9030000, 1};
	monitor_power.reset[1] = (struct monitor_write){0x9030004, 2};
	fake_machine.on_wait = end_run;
	if (!setjmp(asleep)) {
		call(PSCI_SYSTEM_RESET, 0, 0, 0);
		fail();
	}
	fake_machine.on_wait = NULL;
	assert_int_equal(pokes, 2);
	assert_int_equal(poked[0].address, 0x9030000);
	assert_int_equal(poked[1].address, 0x9030004);
	assert_int_equal(poked[1].value, 2);
}

static void test_actlr(void **state)
{
	assert_int_equal(call(MONITOR_ACTLR, ACTLR_NO_LOOP_BUFFER, 0, 0), PSCI_SUCCESS);
	assert_int_equal(fake_machine.reg[SYSREG_actlr], ACTLR_SMP | ACTLR_IBE | ACTLR_NO_LOOP_BUFFER);
}

static void test_others_are_refused(void **state)
{
	assert_int_equal(call(PSCI_VERSION, 0, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(call(PSCI_CPU_ON + 0x40000000U, 1, 0, 0), PSCI_NOT_SUPPORTED);
	fake_machine.reg[SYSREG_spsr_mon] = PSR_MODE_SVC;
	assert_int_equal(call(PSCI_CPU_ON, 1, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(call(MONITOR_ACTLR, ~0U, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(fake_machine.reg[SYSREG_actlr], ACTLR_SMP | ACTLR_IBE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_registers_of_a_cpu, set_up),
		cmocka_unit_test_setup(test_cores, set_up),
		cmocka_unit_test_setup(test_frequency_stays, set_up),
		cmocka_unit_test_setup(test_gic_is_opened, set_up),
		cmocka_unit_test_setup(test_cpu_on, set_up),
		cmocka_unit_test_setup(test_cpu_off_and_on, set_up),
		cmocka_unit_test_setup(test_too_many, set_up),
		cmocka_unit_test_setup(test_pen, set_up),
		cmocka_unit_test_setup(test_power, set_up),
		cmocka_unit_test_setup(test_actlr, set_up),
		cmocka_unit_test_setup(test_others_are_refused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
