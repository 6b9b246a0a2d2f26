/*
 * The scheduler's decisions: who runs next, who is kicked, which time slice. The thread switch itself is a note here:
 * after it the code goes on as if that thread had just been picked again, so each test looks at percpu.vcpu.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/dev/gic.h"
#include "hyp/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/sched.h"
#include "hyp/vcpu.h"

#define VCPUS 6U

struct percpu percpu[CPU_MAX];
static struct vcpu vcpu[VCPUS];
static uint32_t stack[VCPUS], idle_stack[CPU_MAX];

/* --- what the code under test calls ---------------------------------------------------------------------------------
 */

static uint32_t switches, kicked; /* bit n: CPU n got an SGI */
static uint32_t *switched_to;
static bool slice_armed;
static uint64_t slice_deadline;
static jmp_buf idle_over;

void thread_switch(uint32_t **from, uint32_t *to);

void thread_switch(uint32_t **from, uint32_t *to)
{
	for (uint32_t i = 0; i < CPU_MAX; i++)
		assert_int_equal(percpu[i].rq_lock.held, 0); /* held across a switch: never given back */
	switches++;
	switched_to = to;
	if (from == &percpu[cpu_id()].idle_sp)
		longjmp(idle_over, 1); /* out of sched_idle(), which never returns */
}

void vcpu_load(struct vcpu *next)
{
	percpu[cpu_id()].loaded = next;
}

void gic_send_sgi(uint32_t cpu, uint32_t sgi)
{
	assert_int_equal(sgi, GIC_SGI_KICK);
	kicked |= BIT(cpu);
}

bool irq_handle_one(void)
{
	return false;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	assert_ptr_equal(timer, &percpu[cpu_id()].slice);
	slice_armed = true;
	slice_deadline = deadline;
}

void timer_disarm(struct timer *timer)
{
	assert_ptr_equal(timer, &percpu[cpu_id()].slice);
	slice_armed = false;
}

uint64_t timer_now(void)
{
	return 5000;
}

uint32_t timer_hz(void)
{
	return 100000;
}

/* --- driving it
 * -------------------------------------------------------------------------------------------------------- */

static void on(uint32_t cpu)
{
	write_htpidr((uintptr_t)&percpu[cpu]);
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	memset(percpu, 0, sizeof(percpu));
	memset(vcpu, 0, sizeof(vcpu));
	for (uint32_t i = 0; i < VCPUS; i++) {
		vcpu[i].sp = &stack[i];
		vcpu[i].index = i;
		vcpu[i].priority = 3;
	}
	for (uint32_t i = 0; i < 2; i++) {
		percpu[i].head.id = i;
		percpu[i].idle_sp = &idle_stack[i];
		sched_init_cpu(&percpu[i]);
	}
	on(0);
	switches = kicked = 0;
	slice_armed = false;
	return 0;
}

static void leave_idle(void)
{
	longjmp(idle_over, 1);
}

/* The idle thread of this CPU: until it has found somebody, or sleeps. */
static void idle(void)
{
	fake_machine.on_wait = leave_idle;
	if (setjmp(idle_over) == 0)
		sched_idle();
}

/* vCPUs 0 ... n - 1 live on CPU 0, which was idle: it runs the first of the best. */
static void start(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(sched_attach(&vcpu[i], BIT(0)), 0);
	idle();
}

static void assert_runs(const struct vcpu *expected)
{
	assert_ptr_equal(percpu[0].vcpu, expected);
	if (expected) {
		assert_ptr_equal(switched_to, expected->sp);
		assert_ptr_equal(percpu[0].loaded, expected);
		assert_true(expected->running);
		assert_false(expected->queued);
	} else {
		assert_ptr_equal(switched_to, &idle_stack[0]);
	}
}

static void test_attach(void **state)
{
	(void)state;
	assert_int_equal(sched_attach(&vcpu[0], BIT(5)), -ENODEV); /* not online */
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(sched_attach(&vcpu[i], 0), 0);
	assert_int_equal(percpu[0].assigned, 2); /* spread */
	assert_int_equal(percpu[1].assigned, 2);
	assert_int_equal(sched_attach(&vcpu[4], BIT(1) | BIT(7)), 0);
	assert_ptr_equal(vcpu[4].cpu, &percpu[1]);
	assert_true(kicked & BIT(1));  /* it sleeps */
	assert_false(kicked & BIT(0)); /* it is awake: this is it */
}

static void test_round_robin(void **state)
{
	(void)state;
	start(3);
	for (uint32_t n = 0; n < 12; n++) {
		assert_runs(&vcpu[n % 3]);
		sched_yield();
	}
}

static void test_priority(void **state)
{
	(void)state;
	vcpu[0].priority = 0;
	vcpu[1].priority = 7;
	vcpu[2].priority = 7;
	vcpu[3].priority = 5;
	start(4);
	assert_runs(&vcpu[1]);
	sched_yield();
	assert_runs(&vcpu[2]);
	sched_yield();
	assert_runs(&vcpu[1]); /* the lower ones wait as long as these two want to run */
	sched_block();
	assert_runs(&vcpu[2]);
	sched_yield();
	assert_runs(&vcpu[2]); /* nobody of its rank */
	sched_block();
	assert_runs(&vcpu[3]);
	sched_block();
	assert_runs(&vcpu[0]);
	sched_block();
	assert_runs(NULL);
	assert_ptr_equal(percpu[0].loaded, &vcpu[0]); /* idle takes nothing out of the hardware */
}

static void test_yield_alone(void **state)
{
	(void)state;
	start(1);
	switches = 0;
	sched_yield();
	assert_int_equal(switches, 0);
	assert_runs(&vcpu[0]);
}

/* A wake-up between the look and the block is not lost, and counts once. */
static void test_wake_pending(void **state)
{
	(void)state;
	start(1);
	switches = 0;
	sched_wake(&vcpu[0]);
	sched_wake(&vcpu[0]);
	assert_true(vcpu[0].wake_pending);
	sched_block();
	assert_int_equal(switches, 0);
	assert_runs(&vcpu[0]);
	assert_false(vcpu[0].wake_pending);
	sched_block();
	assert_runs(NULL);
	sched_wake(&vcpu[0]);
	sched_wake(&vcpu[0]); /* queued once */
	assert_false(vcpu[0].wake_pending);
	idle();
	assert_runs(&vcpu[0]);
	assert_int_equal(percpu[0].ready, 0);
}

/* Who is told that a vCPU has woken up: a better one preempts, an equal one gets its turn, a lesser one waits. */
static void test_wake_decides(void **state)
{
	static const struct {
		uint32_t priority, work;
		bool kick;
	} rows[] = {{2, 0, false}, {3, WORK_SLICE, true}, {4, WORK_RESCHED, true}};

	(void)state;
	start(1);
	assert_int_equal(sched_attach(&vcpu[1], BIT(0)), 0);
	sched_yield();
	sched_block(); /* vCPU 1 sleeps, 0 runs */
	assert_runs(&vcpu[0]);
	for (uint32_t remote = 0; remote < 2; remote++)
		for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
			on(remote);
			kicked = 0;
			vcpu[0].work = 0;
			vcpu[1].priority = rows[i].priority;
			sched_wake(&vcpu[1]);
			assert_int_equal(vcpu[0].work, rows[i].work);
			assert_int_equal(kicked, remote && rows[i].kick ? BIT(0) : 0);
			on(0);
			sched_block(); /* 0 sleeps: 1 runs, and sleeps; 0 wakes */
			assert_runs(&vcpu[1]);
			sched_wake(&vcpu[0]);
			sched_block();
			assert_runs(&vcpu[0]);
		}
}

static void test_request(void **state)
{
	(void)state;
	start(2);
	kicked = 0;
	vcpu_request(&vcpu[0], WORK_VGIC); /* by itself: it is in HYP and will see it */
	assert_int_equal(vcpu[0].work, WORK_VGIC);
	assert_false(vcpu[0].wake_pending);
	on(1);
	vcpu_request(&vcpu[0], WORK_TIMER); /* from elsewhere: out of the guest, and not to sleep */
	assert_int_equal(vcpu[0].work, WORK_VGIC | WORK_TIMER);
	assert_true(vcpu[0].wake_pending);
	assert_int_equal(kicked, BIT(0));
	kicked = 0;
	vcpu_request(&vcpu[1], WORK_TIMER); /* queued already: the running one goes on */
	assert_int_equal(kicked, 0);
	on(0);
	sched_block(); /* takes the wake-up */
	assert_runs(&vcpu[0]);
	sched_block();
	sched_block();
	assert_runs(NULL);
	on(1);
	vcpu_request(&vcpu[1], WORK_VGIC);
	assert_int_equal(kicked, BIT(0));
	on(0);
	idle();
	assert_runs(&vcpu[1]);
}

/* Time slices where somebody waits, none where nobody does: a CPU with one vCPU has no tick. */
static void test_slice(void **state)
{
	(void)state;
	start(1);
	assert_false(slice_armed);
	assert_int_equal(sched_attach(&vcpu[1], BIT(0)), 0);
	assert_int_equal(vcpu[0].work, WORK_SLICE);
	sched_check_slice();
	assert_true(slice_armed);
	assert_int_equal(slice_deadline, 5000 + 1000);
	vcpu[0].work = 0;
	percpu[0].slice.expired(&percpu[0].slice);
	assert_int_equal(vcpu[0].work, WORK_RESCHED);
	slice_armed = false;
	sched_yield();
	assert_runs(&vcpu[1]);
	assert_true(slice_armed); /* now 0 waits */
	sched_block();
	assert_runs(&vcpu[0]);
	assert_false(slice_armed);
	vcpu[1].priority = 2; /* a lesser one gets no slice of a better one's time */
	sched_wake(&vcpu[1]);
	sched_check_slice();
	assert_false(slice_armed);
	sched_block();
	sched_block();
	assert_runs(NULL);
	percpu[0].slice.expired(&percpu[0].slice); /* nobody runs: nothing to do */
	assert_false(slice_armed);
}

/* A slice that runs is not started over by each one that begins to wait. */
static void test_slice_once(void **state)
{
	(void)state;
	start(2);
	percpu[0].slice.cpu = &percpu[0]; /* armed, as hyp/timer.c leaves it */
	slice_armed = false;
	assert_int_equal(sched_attach(&vcpu[2], BIT(0)), 0);
	sched_check_slice();
	assert_false(slice_armed);
}

/* Random wakes, blocks and yields: one that is ready is never forgotten, and the best one runs. */
static void test_random(void **state)
{
	bool asleep[VCPUS] = {false};
	uint32_t seed = 7;

	(void)state;
	for (uint32_t i = 0; i < VCPUS; i++)
		vcpu[i].priority = i / 2;
	start(VCPUS);
	for (uint32_t step = 0; step < 20000; step++) {
		struct vcpu *now = percpu[0].vcpu;
		uint32_t i = (seed = seed * 1664525U + 1013904223U) >> 16;

		fake_machine.events = 0;
		if (i % 3 == 0 && now) {
			asleep[now->index] = !now->wake_pending;
			sched_block();
		} else if (i % 3 == 1 && now) {
			sched_yield();
		} else {
			sched_wake(&vcpu[i / 3 % VCPUS]);
			asleep[i / 3 % VCPUS] = false;
			if (percpu[0].vcpu && (percpu[0].vcpu->work & WORK_RESCHED))
				sched_yield(); /* hyp/exit.c */
			for (uint32_t v = 0; v < VCPUS; v++)
				vcpu[v].work = 0;
		}
		if (!percpu[0].vcpu)
			idle();
		now = percpu[0].vcpu;
		for (uint32_t v = 0; v < VCPUS; v++) {
			assert_int_equal(vcpu[v].running, &vcpu[v] == now);
			assert_int_equal(vcpu[v].queued, &vcpu[v] != now && !asleep[v]);
			assert_true(asleep[v] || now->priority >= vcpu[v].priority);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_attach, setup),       cmocka_unit_test_setup(test_round_robin, setup),
		cmocka_unit_test_setup(test_priority, setup),     cmocka_unit_test_setup(test_yield_alone, setup),
		cmocka_unit_test_setup(test_wake_pending, setup), cmocka_unit_test_setup(test_wake_decides, setup),
		cmocka_unit_test_setup(test_request, setup),      cmocka_unit_test_setup(test_slice, setup),
		cmocka_unit_test_setup(test_slice_once, setup),   cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
