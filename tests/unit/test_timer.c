/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The deadline heap (hyp/run/timer.c) with hundreds of random timers, and the guest's timers on top of it (vtimer/):
 * the emulated physical timer (DDI 0406C B8.1.5), and the virtual timer of a vCPU that is not loaded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/host/gic.h"
#include "hyp/run/irq.h"
#include "hyp/lib/option.h"
#include "hyp/vm/hcr.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define TIMERS   300U
#define HYP_PPI  26U
#define VIRT_PPI 27U

struct percpu percpu[CPU_MAX];
static irq_fn handler[32];

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	assert_null(arg);
	handler[id] = fn;
}

bool gic_forgets_level;

static uint32_t looks;
static bool virt_active; /* the physical interrupt: the guest has not ended its twin */

void gic_look_again(void)
{
	looks++;
}

/* What ends vtimer_doze(): an interrupt of the guest's, which comes after a few of virt7's own. */
static uint32_t dozed, doze_until;

bool irq_handle_one(void)
{
	if (++dozed == doze_until)
		this_cpu()->loaded->vgic.injected++;
	return true;
}

bool gic_is_active(uint32_t id)
{
	assert_int_equal(id, VIRT_PPI);
	return virt_active;
}

void gic_probe_level(uint32_t id)
{
	assert_int_equal(id, VIRT_PPI);
}

static struct vm vm;
static struct vcpu vcpu;

void hcr_set_wait_traps(struct thread *running)
{
	assert_ptr_equal(running, &vcpu.thread);
}

static bool line[32];
static uint32_t line_calls;

void vgic_set_line(struct vm *of, uint32_t index, uint32_t id, bool level)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(index, vcpu.index);
	line[id] = level;
	line_calls++;
}

void vgic_raise_hw(struct vcpu *of, uint32_t id)
{
	assert_ptr_equal(of, &vcpu);
	line[id] = true;
	line_calls++;
}

void sched_request(struct thread *thread, uint32_t work)
{
	thread->work |= work;
}

static struct timer timer[TIMERS];
static uint64_t order[TIMERS * 2]; /* deadlines as they expired */
static uint32_t expired;
static uint32_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % below;
}

static struct {
	uint64_t ctl, cval;
} cnthp[CPU_MAX]; /* of the CPUs that are not this one */

static void on_cpu(uint32_t id)
{
	uint32_t old = (uint32_t)(this_cpu() - percpu);

	cnthp[old].ctl = read_cnthp_ctl();
	cnthp[old].cval = read_cnthp_cval();
	write_cnthp_ctl((uint32_t)cnthp[id].ctl);
	write_cnthp_cval(cnthp[id].cval);
	write_htpidr((uintptr_t)&percpu[id]);
}

static void set_now(uint64_t now)
{
	fake_machine.reg[SYSREG_cntpct] = now;
}

/* CPU takes HYP's timer interrupt for as long as the line is up. Returns how often. */
static uint32_t interrupts(void)
{
	uint32_t taken = 0;

	for (; read_cnthp_ctl() == CNT_ENABLE && read_cnthp_cval() <= fake_machine.reg[SYSREG_cntpct]; taken++)
		assert_true(handler[HYP_PPI](HYP_PPI, NULL));
	return taken;
}

static void on_expiry(struct timer *t)
{
	assert_null(t->cpu); /* may be armed again from here */
	assert_true(t->deadline <= fake_machine.reg[SYSREG_cntpct]);
	assert_in_range(expired, 0, ARRAY_SIZE(order) - 1);
	order[expired++] = t->deadline;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	memset(percpu, 0, sizeof(percpu));
	memset(cnthp, 0, sizeof(cnthp));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&vm, 0, sizeof(vm));
	memset(timer, 0, sizeof(timer));
	memset(line, 0, sizeof(line));
	line_calls = 0;
	write_htpidr((uintptr_t)&percpu[0]);
	for (uint32_t i = 0; i < TIMERS; i++)
		timer[i].expired = on_expiry;
	expired = 0;
	seed = 42;
	timer_init_cpu(HYP_PPI);
	vtimer_init_cpu(VIRT_PPI);
	vcpu.vm = &vm;
	vcpu.index = 3;
	vm.cntvoff = 1000000;
	set_now(vm.cntvoff);
	vtimer_reset_cpu(&vcpu);
	percpu[0].thread = &vcpu.thread;
	percpu[0].loaded = &vcpu;
	return 0;
}

/* CNTHP says the earliest deadline, or is off. */
static void assert_programmed(void)
{
	uint64_t earliest = UINT64_MAX;
	uint32_t armed = 0;

	for (uint32_t i = 0; i < TIMERS; i++)
		if (timer[i].cpu) {
			assert_ptr_equal(percpu[0].timers.slot[timer[i].index], &timer[i]);
			earliest = MIN(earliest, timer[i].deadline);
			armed++;
		}
	assert_int_equal(percpu[0].timers.count, armed);
	assert_int_equal(read_cnthp_ctl(), armed ? CNT_ENABLE : 0);
	if (armed)
		assert_int_equal(read_cnthp_cval(), earliest);
}

static void test_order(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < TIMERS; i++) {
		timer_arm(&timer[i], 2000000 + rnd(1000)); /* many alike */
		assert_programmed();
	}
	set_now(1999999);
	assert_true(handler[HYP_PPI](HYP_PPI, NULL)); /* too early */
	assert_int_equal(expired, 0);                 /* none early */
	set_now(2000500);
	interrupts();
	for (uint32_t i = 0; i < TIMERS; i++)
		assert_int_equal(timer[i].cpu == NULL, timer[i].deadline <= 2000500);
	assert_programmed();
	set_now(3000000);
	interrupts();
	assert_int_equal(expired, TIMERS);
	for (uint32_t i = 1; i < TIMERS; i++)
		assert_true(order[i - 1] <= order[i]);
	assert_programmed();
}

static void test_random(void **state)
{
	uint64_t now = 2000000;

	(void)state;
	set_now(now);
	for (uint32_t step = 0; step < 20000; step++) {
		struct timer *t = &timer[rnd(TIMERS)];

		fake_machine.events = 0;
		switch (rnd(8)) {
		case 0:
			timer_cancel(t);
			assert_null(t->cpu);
			break;
		case 1:
			set_now(now += rnd(2000));
			expired = 0;
			interrupts();
			for (uint32_t i = 0; i < TIMERS; i++)
				assert_true(!timer[i].cpu || timer[i].deadline > now); /* none lost */
			for (uint32_t i = 1; i < expired; i++)
				assert_true(order[i - 1] <= order[i]);
			break;
		default: /* arm, or move */
			timer_arm(t, now + rnd(100000));
			assert_ptr_equal(t->cpu, &percpu[0]);
			break;
		}
		assert_programmed();
	}
}

static void test_disarm_unarmed(void **state)
{
	(void)state;
	timer_cancel(&timer[0]);
	timer_arm(&timer[1], 5);
	timer_cancel(&timer[0]);
	assert_programmed();
	timer_cancel(&timer[1]);
	timer_cancel(&timer[1]);
	assert_programmed();
}

/* On each CPU: all of its timers are in their slots, and CNTHP fires in time for the earliest. */
static void assert_heaps(void)
{
	uint32_t armed[CPU_MAX] = {0};
	uint32_t here = (uint32_t)(this_cpu() - percpu);

	for (uint32_t i = 0; i < TIMERS; i++) {
		uint32_t on = (uint32_t)(timer[i].cpu - percpu);

		if (!timer[i].cpu)
			continue;
		assert_ptr_equal(percpu[on].timers.slot[timer[i].index], &timer[i]);
		armed[on]++;
		on_cpu(on);
		assert_int_equal(read_cnthp_ctl(), CNT_ENABLE);
		assert_in_range(read_cnthp_cval(), 0, timer[i].deadline);
		on_cpu(here);
	}
	for (uint32_t i = 0; i < CPU_MAX; i++)
		assert_int_equal(percpu[i].timers.count, armed[i]);
}

/* Timers are armed, moved and cancelled from CPUs that are not those they are armed on. */
static void test_random_cpus(void **state)
{
	uint64_t now = 2000000;

	(void)state;
	set_now(now);
	for (uint32_t step = 0; step < 20000; step++) {
		struct timer *t = &timer[rnd(TIMERS)];

		fake_machine.events = 0;
		on_cpu(rnd(3));
		switch (rnd(8)) {
		case 0:
			timer_cancel(t);
			assert_false(timer_armed(t));
			break;
		case 1:
			timer_drain(t);
			assert_false(timer_armed(t));
			break;
		case 2:
			set_now(now += rnd(2000));
			expired = 0;
			interrupts();
			for (uint32_t i = 0; i < TIMERS; i++)
				assert_true(timer[i].cpu != this_cpu() || timer[i].deadline > now);
			break;
		default:
			timer_arm(t, now + rnd(100000));
			assert_ptr_equal(t->cpu, this_cpu());
			break;
		}
		assert_heaps();
	}
	on_cpu(0);
}

/* The CPU that a timer has gone from has one interrupt too many, and then none. */
static void test_moved_away(void **state)
{
	(void)state;
	timer_arm(&timer[0], 1000010);
	on_cpu(1);
	timer_arm(&timer[0], 1000020);
	assert_int_equal(read_cnthp_cval(), 1000020);
	on_cpu(0);
	set_now(1000030);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(expired, 0);
	assert_int_equal(read_cnthp_ctl(), 0);
	on_cpu(1);
	interrupts();
	assert_int_equal(expired, 1);
	on_cpu(0);
}

static uint32_t waits;

/* CPU 1's callback arms the timer once more at the first wait, and ends at the second. */
static void callback_ends(void)
{
	struct timer_heap *heap = &percpu[1].timers;

	assert_int_equal(heap->lock.held, 0);
	if (waits++ > 0) {
		heap->running = NULL;
		return;
	}
	on_cpu(1);
	timer_arm(&timer[0], 5);
	on_cpu(0);
}

/* Drained: neither armed nor in a callback, even one that arms it again. */
static void test_drain(void **state)
{
	(void)state;
	waits = 0;
	fake_machine.on_wait = callback_ends;
	percpu[1].timers.running = &timer[1];
	timer_arm(&timer[0], 10);
	timer_drain(&timer[0]); /* another timer's callback is not waited for */
	assert_int_equal(waits, 0);
	percpu[1].timers.running = &timer[0];
	timer_drain(&timer[0]);
	assert_int_equal(waits, 2);
	assert_false(timer_armed(&timer[0]));
	assert_int_equal(percpu[1].timers.count, 0);
	fake_machine.on_wait = NULL;
}

static const struct timer *under_way;

static void note_callback(struct timer *t)
{
	under_way = this_cpu()->timers.running;
	assert_int_equal(this_cpu()->timers.lock.held, 0);
	assert_false(timer_armed(t));
}

/* While a callback runs its CPU says so, and not afterwards. */
static void test_running(void **state)
{
	(void)state;
	under_way = NULL;
	timer[0].expired = note_callback;
	timer_arm(&timer[0], 10);
	interrupts();
	assert_ptr_equal(under_way, &timer[0]);
	assert_null(percpu[0].timers.running);
}

static uint32_t periods;

static void periodic(struct timer *t)
{
	periods++;
	timer_arm(t, t->deadline + 10);
}

/* A timer that arms itself again, and one due at the end of time. */
static void test_rearm(void **state)
{
	(void)state;
	periods = 0;
	timer[0].expired = periodic;
	timer_arm(&timer[0], 1000010);
	timer_arm(&timer[1], UINT64_MAX);
	set_now(1000055);
	interrupts();
	assert_int_equal(periods, 5);
	assert_int_equal(read_cnthp_cval(), 1000060);
	assert_int_equal(expired, 0);
}

/* --- the guest's physical timer
 * --------------------------------------------------------------------------------------- */

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

/* Masked: no deadline, no interrupt; the condition is met when somebody looks. */
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

/* The interrupt goes to the loaded vCPU and stays active for it; nobody's is ended at once. */
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
		cmocka_unit_test_setup(test_order, setup),
		cmocka_unit_test_setup(test_random, setup),
		cmocka_unit_test_setup(test_disarm_unarmed, setup),
		cmocka_unit_test_setup(test_random_cpus, setup),
		cmocka_unit_test_setup(test_moved_away, setup),
		cmocka_unit_test_setup(test_drain, setup),
		cmocka_unit_test_setup(test_running, setup),
		cmocka_unit_test_setup(test_rearm, setup),
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
