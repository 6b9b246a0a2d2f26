/* SPDX-License-Identifier: BSD-2-Clause */
/* The scheduler on several CPUs, in simulated time: shares, latency, who moves, and random steps. */
#include "sched_rig.h"

/* --- several CPUs, in simulated time ---------------------------------------------------------------------------------
 */

#define MS 100U /* ticks: timer_hz() is 100000 */

/* What each vCPU does; busy, idle: ms in turn, 0 busy: it only sleeps, 0 idle: it only runs. */
static struct {
	uint32_t busy, idle, left;
} habit[VCPUS];

/* As hyp/exit/exit.c on the way back into the guest, or the idle thread. */
static void serve(uint32_t cpu)
{
	uint32_t work;

	on(cpu);
	if (percpu[cpu].slice_end && percpu[cpu].slice_end <= clock_now)
		slice_irq(SLICE_PPI, NULL);
	while (percpu[cpu].thread && (work = atomic_take(&percpu[cpu].thread->work)) != 0) {
		if (work & WORK_BALANCE)
			sched_balance();
		if (work & WORK_RESCHED)
			sched_give_way();
		if (work & WORK_SLICE)
			sched_check_slice();
	}
	if (!percpu[cpu].thread)
		idle();
}

/* A millisecond of the life of all CPUs. */
static void step(uint32_t vcpus, uint32_t cpus)
{
	for (uint32_t i = 0; i < cpus; i++) {
		struct thread *v;

		serve(i);
		v = percpu[i].thread;
		if (!v || !habit[v - thread].idle || --habit[v - thread].left > 0)
			continue;
		habit[v - thread].left = habit[v - thread].idle;
		sched_block();
		serve(i);
	}
	for (uint32_t i = 0; i < vcpus; i++)
		if (!thread[i].running && !thread[i].queued && habit[i].idle && --habit[i].left == 0) {
			habit[i].left = habit[i].busy;
			on(i % cpus);
			sched_wake(&thread[i]);
		}
	for (uint32_t i = 0; i < 3 * cpus; i++)
		serve(i % cpus); /* they kick each other */
	clock_now += MS;
}

/* vCPUs that only spin, all of one priority, share what there is. */
static void shares(uint32_t vcpus, uint32_t cpus)
{
	uint64_t time, waited, each = (uint64_t)10000 * MS * cpus / vcpus, sum = 0;

	setup(NULL);
	memset(habit, 0, sizeof(habit));
	online(cpus);
	for (uint32_t i = 0; i < vcpus; i++)
		assert_int_equal(sched_attach(&thread[i], UINT32_MAX, false), 0);
	for (uint32_t t = 0; t < 10000; t++)
		step(vcpus, cpus);
	for (uint32_t i = 0; i < vcpus; i++) {
		sched_times(&thread[i], &time, &waited);
		assert_in_range(time, each - each / 20, each + each / 20);
		assert_int_equal(time + waited, 10000 * MS);
		sum += time;
	}
	assert_int_equal(sum, (uint64_t)10000 * MS * cpus);
}

static void test_shares(void **state)
{
	(void)state;
	for (uint32_t cpus = 1; cpus <= 4; cpus++)
		for (uint32_t vcpus = cpus + 1; vcpus <= VCPUS; vcpus++)
			shares(vcpus, cpus);
}

/* As many CPUs as vCPUs: each has one, nothing moves, nothing ticks. */
static void test_alone(void **state)
{
	(void)state;
	memset(habit, 0, sizeof(habit));
	online(4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(sched_attach(&thread[i], UINT32_MAX, false), 0);
	for (uint32_t t = 0; t < 1000; t++)
		step(4, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_ptr_equal(thread[i].cpu, &percpu[i]);
		assert_int_equal(thread[i].ran, -5000ULL); /* has never left it */
		assert_int_equal(percpu[i].slice_end, 0);
	}
	assert_int_equal(unloaded, 0);
}

/* Who comes and goes at its own pace never waits while a CPU that it may use is idle; affinity is kept. */
static void test_work_conserving(void **state)
{
	uint32_t seed = 1;

	(void)state;
	online(3);
	for (uint32_t i = 0; i < 9; i++) {
		seed = seed * 1664525U + 1013904223U;
		habit[i].busy = habit[i].left = 1 + (seed >> 16) % 17;
		habit[i].idle = 1 + (seed >> 24) % 29;
		thread[i].priority = 2 + i % 3;
		assert_int_equal(sched_attach(&thread[i],
					      i == 8  ? BIT(2)
					      : i < 6 ? UINT32_MAX
						      : BIT(0) | BIT(1),
					      false),
				 0);
	}
	for (uint32_t t = 0; t < 20000; t++) {
		uint32_t idle_ones = 0;

		step(9, 3);
		for (uint32_t i = 0; i < 3; i++) {
			idle_ones |= percpu[i].thread ? 0 : BIT(i);
			assert_true(!percpu[i].thread || percpu[i].thread->affinity & BIT(i));
		}
		for (uint32_t i = 0; i < 9; i++)
			if (thread[i].queued)
				assert_int_equal(thread[i].affinity & idle_ones, 0);
	}
	assert_true(unloaded > 100);
	for (uint32_t i = 0; i < 9; i++)
		assert_true(ran(i) > 0);
}

/* One exit after it has become ready, the one of higher priority runs, and lesser ones get what it leaves. */
static void test_latency(void **state)
{
	(void)state;
	memset(habit, 0, sizeof(habit));
	online(1);
	thread[2].priority = 5;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(sched_attach(&thread[i], UINT32_MAX, false), 0);
	serve(0);
	assert_ptr_equal(percpu[0].thread, &thread[2]);
	sched_block();
	for (uint32_t t = 0; t < 1000; t++) {
		step(3, 1);
		assert_ptr_not_equal(percpu[0].thread, &thread[2]);
		on(0);
		sched_wake(&thread[2]);
		serve(0); /* the exit */
		assert_ptr_equal(percpu[0].thread, &thread[2]);
		sched_block();
	}
	assert_in_range(ran(0), 450 * MS, 550 * MS);
}

/* WFE: each sibling that waits has the rest of the turn once, and the others' turns come when they would have come. */
static void test_spin(void **state)
{
	static const uint8_t groups[2];

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		thread[i].group = i == 1 || i == 4 ? &groups[1] : &groups[0];
	start(5);
	clock_now += 400;
	sched_yield_spin();
	assert_runs(&thread[2]);
	assert_slice(5000 + 1000);
	clock_now += 400;
	sched_yield_spin(); /* 1, 0, 3, 4 wait, and 0 for 3 or 2 */
	assert_runs(&thread[3]);
	assert_slice(5000 + 1000);
	clock_now += 100;
	sched_yield_spin(); /* 1, 0, 2, 4: all of this VM have had it */
	assert_runs(&thread[1]);
	assert_slice(5900 + 1000);
	clock_now = 6900;
	slice_expires();
	assert_runs(&thread[0]); /* in the place of 2, which it has let run */
	assert_slice(6900 + 1000);
}

/* WFE before a CPU has said that the turn has an end now. */
static void test_spin_before_slice(void **state)
{
	(void)state;
	start(1);
	sched_block();
	sched_wake(&thread[0]);
	idle();
	assert_slice(0);
	assert_int_equal(sched_attach(&thread[1], BIT(0), false), 0);
	sched_yield_spin();
	assert_runs(&thread[1]);
	assert_slice(5000 + 1000);
}

/* A more urgent one does not cost the one that it interrupts the rest of its turn, nor give it a new one. */
static void test_interrupted_turn(void **state)
{
	(void)state;
	thread[2].priority = 5;
	start(3);
	assert_runs(&thread[2]);
	sched_block();
	for (uint32_t i = 0; i < 3; i++) {
		assert_runs(&thread[0]);
		assert_slice(6000 + i * 50);
		clock_now += 300;
		sched_wake(&thread[2]);
		sched_give_way();
		assert_runs(&thread[2]);
		clock_now += 50;
		sched_block();
	}
	clock_now = 6150;
	slice_expires();
	assert_runs(&thread[1]);
	assert_slice(6150 + 1000);
	sched_give_way(); /* asked for too late: its turn goes on */
	assert_runs(&thread[1]);
}

/* A turn that was over when it was interrupted does not go on. */
static void test_interrupted_late(void **state)
{
	(void)state;
	thread[2].priority = 5;
	start(3);
	sched_block();
	clock_now += 1000;
	sched_wake(&thread[2]);
	sched_give_way();
	sched_block();
	assert_runs(&thread[1]);
	assert_slice(6000 + 1000);
}

/* An idle CPU asks once. Who was asked may be about to sleep: then the next one there is. */
static void test_asked_before_sleep(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		thread[i].priority = i < 2; /* the one that could go waits for the others for ever */
		assert_int_equal(sched_attach(&thread[i], BIT(0), false), 0);
	}
	serve(0);
	serve(1);
	assert_ptr_equal(percpu[0].thread, &thread[0]);
	assert_int_equal(thread[0].work & WORK_BALANCE, WORK_BALANCE);
	on(0);
	sched_block();
	assert_ptr_equal(percpu[0].thread, &thread[1]);
	assert_int_equal(thread[1].work & WORK_BALANCE, WORK_BALANCE);
}

/* A thread that is about to leave the CPU to a more urgent one. */
static void test_asked_before_yield(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		thread[i].priority = i;
		assert_int_equal(sched_attach(&thread[i], BIT(0), false), 0);
	}
	serve(0);
	on(0);
	sched_block();
	assert_ptr_equal(percpu[0].thread, &thread[1]);
	serve(1);
	assert_int_equal(thread[1].work & WORK_BALANCE, WORK_BALANCE);
	on(0);
	sched_wake(&thread[2]);
	sched_give_way();
	assert_ptr_equal(percpu[0].thread, &thread[2]);
	assert_int_equal(thread[2].work & WORK_BALANCE, WORK_BALANCE);
}

/* Two idle CPUs ask before another answers. */
static void test_asked_twice(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		thread[i].priority = i == 0;
		assert_int_equal(sched_attach(&thread[i], BIT(0), false), 0);
		thread[i].affinity = i ? ~0U : BIT(0);
	}
	serve(0);
	serve(1);
	serve(2);
	serve(0);
	serve(1);
	serve(2);
	assert_true(percpu[0].thread == &thread[0] && percpu[1].thread && percpu[2].thread);
}

/* Two threads come to a CPU where there is none that could be asked. */
static void test_two_for_an_idle_cpu(void **state)
{
	(void)state;
	online(2);
	serve(0);
	serve(1);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(sched_attach(&thread[i], BIT(0), false), 0);
		thread[i].affinity = BIT(0) | BIT(1);
	}
	on(0);
	idle();
	assert_int_equal(percpu[0].thread->work & WORK_BALANCE, WORK_BALANCE);
}

/* Woken, on its way: it is told nothing twice, and loses nothing. */
static void test_wake_while_given(void **state)
{
	(void)state;
	assert_int_equal(sched_attach(&thread[0], BIT(0), false), 0);
	assert_int_equal(sched_attach(&thread[1], BIT(0), false), 0);
	serve(0);
	thread[1].affinity = BIT(0) | BIT(1);
	serve(1); /* idle, and asks */
	assert_int_equal(thread[0].work & WORK_BALANCE, WORK_BALANCE);
	on(0);
	atomic_clear(&thread[0].work, WORK_BALANCE);
	kicked = 0;
	sched_balance();
	assert_int_equal(unloaded, 1);
	assert_ptr_equal(thread[1].cpu, &percpu[1]);
	assert_int_equal(kicked, BIT(1));
	assert_int_equal(percpu[0].assigned, 1);
	assert_int_equal(percpu[1].assigned, 1);
	sched_wake(&thread[1]); /* queued already */
	assert_false(thread[1].wake_pending);
	serve(1);
	assert_ptr_equal(percpu[1].thread, &thread[1]);
	assert_int_equal(percpu[1].slice_end, 0);
}

/* Random wakes, blocks and yields: one that is ready is never forgotten, and the best one runs. */
static void test_random(void **state)
{
	bool asleep[VCPUS] = {false};
	uint32_t seed = 7;

	(void)state;
	for (uint32_t i = 0; i < VCPUS; i++)
		thread[i].priority = i / 2;
	start(VCPUS);
	for (uint32_t step = 0; step < 20000; step++) {
		struct thread *now = percpu[0].thread;
		uint32_t i = (seed = seed * 1664525U + 1013904223U) >> 16;

		fake_machine.events = 0;
		if (i % 3 == 0 && now) {
			asleep[now - thread] = !now->wake_pending;
			sched_block();
		} else if (i % 3 == 1 && now) {
			slice_expires();
		} else {
			sched_wake(&thread[i / 3 % VCPUS]);
			asleep[i / 3 % VCPUS] = false;
			if (percpu[0].thread && (percpu[0].thread->work & WORK_RESCHED))
				sched_give_way(); /* hyp/exit/exit.c */
			for (uint32_t v = 0; v < VCPUS; v++)
				thread[v].work = 0;
		}
		if (!percpu[0].thread)
			idle();
		now = percpu[0].thread;
		for (uint32_t v = 0; v < VCPUS; v++) {
			assert_int_equal(thread[v].running, &thread[v] == now);
			assert_int_equal(thread[v].queued, &thread[v] != now && !asleep[v]);
			assert_true(asleep[v] || now->priority >= thread[v].priority);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random, setup),
		cmocka_unit_test(test_shares),
		cmocka_unit_test_setup(test_alone, setup),
		cmocka_unit_test_setup(test_work_conserving, setup),
		cmocka_unit_test_setup(test_latency, setup),
		cmocka_unit_test_setup(test_spin, setup),
		cmocka_unit_test_setup(test_spin_before_slice, setup),
		cmocka_unit_test_setup(test_interrupted_turn, setup),
		cmocka_unit_test_setup(test_interrupted_late, setup),
		cmocka_unit_test_setup(test_asked_before_sleep, setup),
		cmocka_unit_test_setup(test_asked_before_yield, setup),
		cmocka_unit_test_setup(test_asked_twice, setup),
		cmocka_unit_test_setup(test_two_for_an_idle_cpu, setup),
		cmocka_unit_test_setup(test_wake_while_given, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
