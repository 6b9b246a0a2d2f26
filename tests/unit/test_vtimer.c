/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's timers (vtimer/): the emulated physical timer (DDI 0406C B8.1.5), and the virtual timer of a vCPU that is
 * not loaded.
 */
#include "timer_rig.h"

static void fire(uint64_t now)
{
	set_now(now);
	interrupts();
	if (vcpu.thread.work & WORK_TIMER)
		vtimer_sample(&vcpu);
	vcpu.thread.work = 0;
}

static void test_count(void **state)
{
	(void)state;
	assert_int_equal(vtimer_count(&vcpu), 0); /* a VM's time starts at 0 */
	set_now(1000123);
	assert_int_equal(vtimer_count(&vcpu), 123);
}

static void test_phys(void **state)
{
	(void)state;
	vtimer_set_phys_cval(&vcpu, 500);
	assert_int_equal(read_cnthp_ctl(), 0); /* disabled */
	vtimer_set_phys_ctl(&vcpu, 0xffffffff & ~CNT_IMASK);
	assert_int_equal(vtimer_phys_ctl(&vcpu), CNT_ENABLE); /* ISTATUS is read-only, the rest does not exist */
	assert_int_equal(read_cnthp_cval(), 1000500);
	assert_false(line[MACHINE_PPI_TIMER_PHYS]);
	fire(1000499);
	assert_false(line[MACHINE_PPI_TIMER_PHYS]);
	fire(1000500);
	assert_true(line[MACHINE_PPI_TIMER_PHYS]);
	assert_int_equal(vtimer_phys_ctl(&vcpu), CNT_ENABLE | CNT_ISTATUS);
	assert_int_equal(read_cnthp_ctl(), 0); /* it stands: nothing more to wait for */
	vtimer_set_phys_ctl(&vcpu, CNT_ENABLE | CNT_IMASK);
	assert_false(line[MACHINE_PPI_TIMER_PHYS]); /* masked, but the status shows */
	assert_int_equal(vtimer_phys_ctl(&vcpu), CNT_ENABLE | CNT_IMASK | CNT_ISTATUS);
	vtimer_set_phys_ctl(&vcpu, CNT_ENABLE);
	assert_true(line[MACHINE_PPI_TIMER_PHYS]);
	vtimer_set_phys_cval(&vcpu, 900); /* into the future: the line falls, the deadline counts */
	assert_false(line[MACHINE_PPI_TIMER_PHYS]);
	assert_int_equal(vtimer_phys_ctl(&vcpu), CNT_ENABLE);
	assert_int_equal(read_cnthp_cval(), 1000900);
	vtimer_set_phys_ctl(&vcpu, 0);
	fire(1002000);
	assert_false(line[MACHINE_PPI_TIMER_PHYS]);
	assert_int_equal(vtimer_phys_ctl(&vcpu), 0); /* no status while off */
	vtimer_set_phys_ctl(&vcpu, CNT_ENABLE);
	assert_true(line[MACHINE_PPI_TIMER_PHYS]); /* CVAL passed long ago: at once */
}

/* Masked: no deadline, no interrupt; the condition is met when the guest looks. */
static void test_phys_masked(void **state)
{
	(void)state;
	vtimer_set_phys_cval(&vcpu, 500);
	vtimer_set_phys_ctl(&vcpu, CNT_ENABLE | CNT_IMASK);
	assert_int_equal(read_cnthp_ctl(), 0);
	set_now(1000600);
	assert_int_equal(vtimer_phys_ctl(&vcpu), CNT_ENABLE | CNT_IMASK | CNT_ISTATUS);
}

/* The comparison is unsigned and 64 bits wide: a deadline behind the end of the host's count never comes. */
static void test_phys_far(void **state)
{
	(void)state;
	vtimer_set_phys_ctl(&vcpu, CNT_ENABLE);
	line[MACHINE_PPI_TIMER_PHYS] = false;
	vtimer_set_phys_cval(&vcpu, UINT64_MAX - 5);
	assert_false(line[MACHINE_PPI_TIMER_PHYS]);
	assert_int_equal(read_cnthp_cval(), UINT64_MAX);
	assert_int_equal(vtimer_phys_ctl(&vcpu), CNT_ENABLE);
}

static void test_phys_reset(void **state)
{
	(void)state;
	vtimer_set_phys_cval(&vcpu, 500);
	vtimer_set_phys_ctl(&vcpu, CNT_ENABLE);
	vtimer_reset_cpu(&vcpu);
	assert_int_equal(percpu[0].timers.count, 0);
	assert_int_equal(read_cnthp_ctl(), 0);
	assert_int_equal(vtimer_phys_ctl(&vcpu), 0);
}

/* The output of a timer that is off is low: a reset must not leave it standing in the vGIC. */
static void test_phys_reset_line(void **state)
{
	(void)state;
	vtimer_set_phys_ctl(&vcpu, CNT_ENABLE);
	assert_true(line[MACHINE_PPI_TIMER_PHYS]);
	vtimer_reset_cpu(&vcpu);
	assert_false(line[MACHINE_PPI_TIMER_PHYS]);
}

/* --- the virtual timer
 * -------------------------------------------------------------------------------------------------- */

static void test_virt_line(void **state)
{
	(void)state;
	for (uint32_t ctl = 0; ctl < 8; ctl++) {
		write_cntv_ctl(ctl);
		assert_int_equal(vtimer_virt_line(), ctl == (CNT_ENABLE | CNT_ISTATUS));
	}
}

/* The interrupt goes to the loaded vCPU and stays active for it; one that comes while none is loaded is ended at once.
 */
static void test_virt_irq(void **state)
{
	(void)state;
	assert_false(handler[VIRT_PPI](VIRT_PPI, NULL));
	assert_true(line[MACHINE_PPI_TIMER_VIRT]);
	percpu[0].loaded = NULL;
	line_calls = 0;
	assert_true(handler[VIRT_PPI](VIRT_PPI, NULL));
	assert_int_equal(line_calls, 0);
}

static void test_switch(void **state)
{
	(void)state;
	write_cntkctl(0x3);
	write_cntv_cval(700);
	write_cntv_ctl(CNT_ENABLE);
	vtimer_save(&vcpu);
	assert_int_equal(read_cntv_ctl(), 0); /* the next vCPU does not take it */
	assert_int_equal(read_cnthp_cval(), 1000700);
	write_cntkctl(0);
	write_cntv_cval(1);
	set_now(1000700);
	interrupts();
	assert_int_equal(vcpu.thread.work, WORK_TIMER); /* wakes it up */
	vtimer_load(&vcpu);
	assert_int_equal(read_cntvoff(), 1000000);
	assert_int_equal(read_cntkctl(), 0x3);
	assert_int_equal(read_cntv_cval(), 700);
	assert_int_equal(read_cntv_ctl(), CNT_ENABLE);
	assert_int_equal(percpu[0].timers.count, 0);
}

/* On an emulator no VM has an offset unless it was told so, and then not before a pause. */
static void test_offset(void **state)
{
	static const struct {
		uint32_t option;
		bool emulated;
		uint64_t begins, resumed;
	} rows[] = {
		{0, false, 500, 800},
		{0, true, 0, 0},
		{OPTION_OFFSET_NEVER, false, 0, 0},
		{OPTION_OFFSET_PAUSED, false, 0, 300},
		{OPTION_OFFSET_PAUSED, true, 0, 300},
		{OPTION_OFFSET_ALWAYS, true, 500, 800},
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		vtimer_choose_offset(rows[i].option, rows[i].emulated);
		set_now(500);
		vtimer_begin(&vm);
		assert_int_equal(vm.cntvoff, rows[i].begins);
		set_now(1000);
		vtimer_end_pause(&vm, 700);
		assert_int_equal(vm.cntvoff, rows[i].resumed);
		set_now(2000);
		vtimer_begin(&vm); /* a reset: the pause is forgotten */
		assert_int_equal(vm.cntvoff, rows[i].begins ? 2000 : 0);
	}
}

/* It has fired, and the guest has not ended it, or does not want it: no stand-in, which would be due at once. */
static void test_switch_fired(void **state)
{
	(void)state;
	write_cntv_cval(1);
	write_cntv_ctl(CNT_ENABLE | CNT_ISTATUS);
	vcpu.vgic.hw_waits = true;
	vtimer_save(&vcpu);
	assert_int_equal(percpu[0].timers.count, 0);
	vtimer_load(&vcpu);
	assert_int_equal(read_cntv_ctl(), CNT_ENABLE);
	vcpu.vgic.hw_waits = false;
	vtimer_save(&vcpu);
	assert_int_equal(percpu[0].timers.count, 1);
	vtimer_load(&vcpu);
}

/* Masked or off: no stand-in. Loaded before its time: the stand-in is off again. */
static void test_switch_quiet(void **state)
{
	static const uint32_t ctls[] = {0, CNT_IMASK, CNT_ENABLE | CNT_IMASK, CNT_ENABLE | CNT_IMASK | CNT_ISTATUS};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(ctls); i++) {
		write_cntv_ctl(ctls[i]);
		vtimer_save(&vcpu);
		assert_int_equal(percpu[0].timers.count, 0);
		vtimer_load(&vcpu);
		assert_int_equal(read_cntv_ctl(), ctls[i] & ~CNT_ISTATUS);
	}
	write_cntv_cval(700);
	write_cntv_ctl(CNT_ENABLE);
	vtimer_save(&vcpu);
	vtimer_load(&vcpu);
	fire(1000800);
	assert_int_equal(vcpu.thread.work, 0);
}

/* On a GIC that forgets levels: looked after until the guest has ended the interrupt and the line is down. */
static void test_forgotten_level(void **state)
{
	uint64_t now = 2000000;

	(void)state;
	write_cntfrq(1000000); /* 5 ms are 5000 ticks */
	gic_forgets_level = true;
	virt_active = true;
	looks = 0;
	set_now(now);
	write_cntv_ctl(CNT_ENABLE | CNT_ISTATUS);
	assert_false(handler[VIRT_PPI](VIRT_PPI, NULL));
	assert_true(vcpu.trap_wfi);
	write_cntv_ctl(CNT_ENABLE); /* the guest has set it anew, but has not come to the EOI */
	for (uint32_t i = 1; i <= 10; i++) {
		set_now(now += 5000);
		assert_int_equal(interrupts(), 1);
		assert_int_equal(looks, i);
		assert_int_equal(read_cnthp_ctl(), CNT_ENABLE);
	}
	set_now(now += 500000); /* the CPU was held up: no look is made up for */
	assert_int_equal(interrupts(), 1);
	assert_int_equal(looks, 11);
	virt_active = false;
	set_now(now += 5000);
	interrupts();
	assert_int_equal(looks, 11);
	assert_false(vcpu.trap_wfi);
	assert_int_equal(read_cnthp_ctl(), 0); /* no more */
	write_cntv_ctl(CNT_ENABLE | CNT_ISTATUS);
	handler[VIRT_PPI](VIRT_PPI, NULL);
	for (uint32_t i = 12; i <= 14; i++) { /* ended, and up again: QEMU says nothing until it is made to look */
		set_now(now += 5000);
		interrupts();
		assert_int_equal(looks, i);
	}
	write_cntv_ctl(CNT_ENABLE);
	set_now(now += 5000);
	interrupts();
	assert_int_equal(read_cnthp_ctl(), 0);
	vcpu.vgic.hw_active = true; /* comes from another CPU, in its handler */
	vtimer_load(&vcpu);
	assert_int_equal(read_cnthp_ctl(), CNT_ENABLE);
	gic_forgets_level = false;
}

/* A guest in WFI sees its own interrupts and its vCPU's work, and not virt7's looks. */
static void test_doze(void **state)
{
	(void)state;
	assert_false(vtimer_doze(&vcpu)); /* hardware: it waits in the guest */
	gic_forgets_level = true;
	looks = dozed = 0;
	doze_until = 5;
	assert_true(vtimer_doze(&vcpu));
	assert_int_equal(dozed, 5);
	assert_int_equal(looks, 1);
	vcpu.thread.work = WORK_VGIC;
	assert_true(vtimer_doze(&vcpu));
	assert_int_equal(dozed, 6);
	vcpu.thread.work = 0;
	percpu[0].assigned = 2; /* others want the CPU */
	assert_false(vtimer_doze(&vcpu));
	percpu[0].assigned = 1;
	vm.config.watchdog_ms = 1000; /* the scheduler counts its sleeps */
	assert_false(vtimer_doze(&vcpu));
	vm.config.watchdog_ms = 0;
	gic_forgets_level = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_count, setup),
		cmocka_unit_test_setup(test_phys, setup),
		cmocka_unit_test_setup(test_phys_masked, setup),
		cmocka_unit_test_setup(test_phys_far, setup),
		cmocka_unit_test_setup(test_phys_reset, setup),
		cmocka_unit_test_setup(test_phys_reset_line, setup),
		cmocka_unit_test_setup(test_virt_line, setup),
		cmocka_unit_test_setup(test_virt_irq, setup),
		cmocka_unit_test_setup(test_offset, setup),
		cmocka_unit_test_setup(test_switch, setup),
		cmocka_unit_test_setup(test_switch_fired, setup),
		cmocka_unit_test_setup(test_switch_quiet, setup),
		cmocka_unit_test_setup(test_forgotten_level, setup),
		cmocka_unit_test_setup(test_doze, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
