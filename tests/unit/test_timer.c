/* SPDX-License-Identifier: BSD-2-Clause */
/* The deadline heap (hyp/run/timer.c) with hundreds of random timers. */
#include "timer_rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_order, setup),          cmocka_unit_test_setup(test_random, setup),
		cmocka_unit_test_setup(test_disarm_unarmed, setup), cmocka_unit_test_setup(test_random_cpus, setup),
		cmocka_unit_test_setup(test_moved_away, setup),     cmocka_unit_test_setup(test_drain, setup),
		cmocka_unit_test_setup(test_running, setup),        cmocka_unit_test_setup(test_rearm, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
