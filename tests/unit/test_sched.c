/* SPDX-License-Identifier: BSD-2-Clause */
/* The scheduler's decisions on one CPU, or of one: who runs next, who is kicked, which time slice. */
#include "sched_rig.h"

static void test_attach(void **state)
{
	(void)state;
	assert_int_equal(sched_attach(&thread[0], BIT(5), false), -ENODEV); /* not online */
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(sched_attach(&thread[i], UINT32_MAX, false), 0);
	assert_int_equal(percpu[0].assigned, 2); /* spread */
	assert_int_equal(percpu[1].assigned, 2);
	assert_int_equal(sched_attach(&thread[4], BIT(1) | BIT(7), false), 0);
	assert_ptr_equal(thread[4].cpu, &percpu[1]);
	assert_int_equal(thread[4].affinity, BIT(1)); /* the other one is not online */
	assert_true(kicked & BIT(1));                 /* it sleeps */
	assert_false(kicked & BIT(0));                /* it is awake: this is it */
}

/* A CPU for one thread: it must be empty, and no other joins it. */
static void test_dedicated(void **state)
{
	(void)state;
	assert_int_equal(place_usable(UINT32_MAX), 3);
	assert_int_equal(sched_attach(&thread[0], UINT32_MAX, true), 0);
	assert_int_equal(thread[0].affinity, BIT(0));
	assert_int_equal(place_usable(UINT32_MAX), 2);
	assert_int_equal(sched_attach(&thread[1], UINT32_MAX, false), 0);
	assert_int_equal(sched_attach(&thread[2], UINT32_MAX, false), 0);
	assert_int_equal(percpu[1].assigned, 2);
	assert_ptr_equal(thread[2].cpu, &percpu[1]);
	assert_int_equal(sched_attach(&thread[3], BIT(0), false), -ENODEV);
	assert_int_equal(sched_attach(&thread[3], UINT32_MAX, true), -ENODEV); /* the other one is taken */
}

/*
 * VMs come and go in any order: who was there before a CPU became dedicated does not move to it, however idle it is,
 * and does when it is free again.
 */
static void test_dedicated_later(void **state)
{
	(void)state;
	assert_int_equal(sched_attach(&thread[0], UINT32_MAX, false), 0);
	idle();
	assert_int_equal(sched_attach(&thread[1], UINT32_MAX, true), 0);
	assert_int_equal(dedicated_cpus, BIT(1));
	assert_int_equal(sched_attach(&thread[2], UINT32_MAX, false), 0);
	on(1);
	idle();
	sched_block(); /* nothing runs there from now on */
	idle();
	on(0);
	percpu[0].slices = BALANCE_SLICES;
	sched_balance();
	assert_int_equal(percpu[0].assigned, 2);
	assert_ptr_equal(thread[2].cpu, &percpu[0]);
	on(1);
	sched_wake(&thread[1]);
	idle();
	if (!setjmp(idle_over))
		sched_exit();
	idle();
	on(0);
	percpu[0].slices = BALANCE_SLICES;
	sched_balance();
	assert_int_equal(dedicated_cpus, 0);
	assert_int_equal(percpu[0].assigned, 1);
	assert_int_equal(percpu[1].assigned, 1);
	assert_ptr_equal(thread[2].cpu, &percpu[1]);
}

/* One that is dedicated does not hide another that is idle; it may become so between the choice and the move. */
static void test_dedicated_is_passed_over(void **state)
{
	(void)state;
	percpu[2].online = true;
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(sched_attach(&thread[i], UINT32_MAX & ~(i * BIT(0)), i == 1), 0);
	assert_int_equal(dedicated_cpus, BIT(1));
	assert_int_equal(sched_attach(&thread[2], BIT(0) | BIT(1), false), 0);
	thread[2].affinity = 7;
	on(1);
	idle();
	sched_block();
	on(0);
	idle();
	sched_balance();
	assert_ptr_equal(thread[2].cpu, &percpu[2]);
	assert_false(place_change(&percpu[2], &percpu[1]));
	assert_int_equal(percpu[2].assigned, 1);
	assert_int_equal(percpu[1].assigned, 1);
}

/* A vCPU that ends leaves its CPU to the idle thread as if it had never lived there, and nothing wakes it any more. */
static void test_exit(void **state)
{
	(void)state;
	assert_int_equal(sched_attach(&thread[0], UINT32_MAX, true), 0);
	idle();
	assert_runs(&thread[0]);
	if (!setjmp(idle_over))
		sched_exit();
	assert_true(thread[0].gone);
	assert_ptr_equal(switched_to, percpu[0].idle_sp);
	assert_null(percpu[0].thread);
	assert_int_equal(percpu[0].assigned, 0);
	assert_int_equal(percpu[0].load[3], 0);
	assert_int_equal(place_usable(UINT32_MAX), 3);
	sched_wake(&thread[0]);
	assert_int_equal(percpu[0].ready, 0);
	assert_int_equal(sched_attach(&thread[1], BIT(0), true), 0);
	idle();
	assert_runs(&thread[1]);
}

/* A thread of virt7's own on the CPU of the caller. */
static void own(uint32_t i, uint32_t priority)
{
	thread[i].detached = true;
	thread[i].priority = priority;
	sched_attach_own(&thread[i]);
}

/* One of virt7's own is none of those that live on the CPU, and its end changes nothing for them. */
static void test_exit_of_own(void **state)
{
	(void)state;
	assert_int_equal(sched_attach(&thread[0], BIT(0), true), 0);
	own(1, SCHED_PRIORITY_OWN);
	assert_int_equal(percpu[0].assigned, 1);
	idle();
	assert_ptr_equal(percpu[0].thread, &thread[1]);
	assert_null(loaded[0]);
	if (!setjmp(idle_over))
		sched_exit();
	assert_true(thread[1].gone);
	assert_int_equal(percpu[0].assigned, 1);
	assert_int_equal(dedicated_cpus, BIT(0));
	assert_true(sched_forget(&thread[1]));
	sched_set_priority(&thread[1], 2); /* it is in no queue */
	assert_int_equal(percpu[0].ready, BIT(3));
	assert_int_equal(percpu[0].load[2] | percpu[0].load[SCHED_PRIORITY_OWN], 0);
	idle();
	assert_runs(&thread[0]);
}

/* Only a thread that is blocked, and whose stack no CPU can be on any more. Nothing makes it ready then. */
static void test_forget(void **state)
{
	(void)state;
	own(0, 3);
	assert_false(sched_forget(&thread[0])); /* it waits */
	idle();
	assert_false(sched_forget(&thread[0])); /* it runs */
	sched_block();
	on(1);
	assert_false(sched_forget(&thread[0])); /* it may be about to leave its stack */
	on(0);
	assert_true(sched_forget(&thread[0]));
	sched_wake(&thread[0]);
	assert_int_equal(percpu[0].ready | percpu[0].load[3], 0);
	assert_false(thread[0].wake_pending);
}

/* Of one that waits: it goes to the end of the other queue, and whoever runs hears of it as of a wake-up. */
static void test_set_priority_waiting(void **state)
{
	(void)state;
	start(2);
	own(2, 3);
	own(3, 5);
	own(4, 1);
	kicked = thread[0].work = 0;
	on(1);
	sched_set_priority(&thread[4], 3);
	assert_int_equal(percpu[0].ready, BIT(3) | BIT(5));
	assert_int_equal(thread[0].work, WORK_SLICE);
	sched_set_priority(&thread[2], 5);
	assert_int_equal(thread[0].work, WORK_SLICE | WORK_RESCHED);
	assert_int_equal(kicked, BIT(0));
	sched_set_priority(&thread[3], 5 - 4);
	assert_int_equal(percpu[0].load[5] * 100 + percpu[0].load[3] * 10 + percpu[0].load[1], 131);
	on(0);
	sched_give_way();
	assert_ptr_equal(percpu[0].thread, &thread[2]);
	sched_block();
	assert_runs(&thread[0]); /* its turn goes on */
	sched_block();
	assert_runs(&thread[1]);
	sched_block();
	assert_ptr_equal(percpu[0].thread, &thread[4]);
	sched_block();
	assert_ptr_equal(percpu[0].thread, &thread[3]);
	sched_block();
	assert_ptr_equal(percpu[0].thread, NULL);
	assert_int_equal(percpu[0].ready, 0);
	for (uint32_t p = 0; p < SCHED_PRIORITIES; p++)
		assert_int_equal(percpu[0].load[p], 0);
}

/* The rest of a turn is one of the queue that it was taken in. */
static void test_set_priority_interrupted(void **state)
{
	(void)state;
	start(2);
	clock_now += 300;
	own(2, 5);
	sched_give_way();
	assert_int_equal(thread[0].turn_left, 700);
	sched_set_priority(&thread[0], 2);
	assert_int_equal(thread[0].turn_left, 0);
	sched_block();
	assert_runs(&thread[1]);
}

/* Of one that runs: it gives way where that is due, at its next point for it; of one that sleeps: when it wakes up. */
static void test_set_priority_running(void **state)
{
	(void)state;
	start(1);
	own(1, 6);
	own(2, 4);
	sched_give_way();
	assert_ptr_equal(percpu[0].thread, &thread[1]);
	thread[1].work = 0;
	sched_set_priority(&thread[1], 5);
	assert_int_equal(thread[1].work, 0); /* it is still the most urgent one */
	sched_set_priority(&thread[1], 2);
	assert_int_equal(thread[1].work, WORK_RESCHED);
	assert_int_equal(percpu[0].load[2], 1);
	assert_int_equal(percpu[0].load[5] | percpu[0].load[6], 0);
	sched_preempt();
	assert_ptr_equal(percpu[0].thread, &thread[2]);
	sched_block();
	sched_set_priority(&thread[2], 3);
	assert_runs(&thread[0]);
	sched_block();
	assert_ptr_equal(percpu[0].thread, &thread[1]);
	sched_wake(&thread[2]);
	assert_int_equal(percpu[0].ready, BIT(3));
	assert_int_equal(percpu[0].load[3], 1);
}

/*
 * Where the last one that waited goes elsewhere, the slice ends. Otherwise one of less priority that comes meanwhile
 * would not be told of, and WFI of the guest would keep the CPU from it.
 */
static void test_slice_of_nobody(void **state)
{
	(void)state;
	start(2);
	thread[1].affinity = BIT(0) | BIT(1);
	assert_slice(5000 + 1000);
	on(1);
	idle();
	on(0);
	sched_balance();
	assert_ptr_equal(thread[1].cpu, &percpu[1]);
	assert_slice(0);
	thread[0].work = 0;
	own(2, 1);
	assert_int_equal(thread[0].work, WORK_SLICE);
}

static void test_round_robin(void **state)
{
	(void)state;
	start(3);
	for (uint32_t n = 0; n < 12; n++) {
		assert_runs(&thread[n % 3]);
		slice_expires();
	}
}

static void test_priority(void **state)
{
	(void)state;
	thread[0].priority = 0;
	thread[1].priority = 7;
	thread[2].priority = 7;
	thread[3].priority = 5;
	start(4);
	assert_runs(&thread[1]);
	slice_expires();
	assert_runs(&thread[2]);
	slice_expires();
	assert_runs(&thread[1]); /* the lower ones wait as long as these two want to run */
	sched_block();
	assert_runs(&thread[2]);
	slice_expires();
	assert_runs(&thread[2]); /* no other is of its rank */
	sched_block();
	assert_runs(&thread[3]);
	sched_block();
	assert_runs(&thread[0]);
	sched_block();
	assert_runs(NULL);
	assert_ptr_equal(loaded[0], &thread[0]); /* idle takes nothing out of the hardware */
}

/* It would end every WFI at once. Whose it is may sleep until it comes. */
static void test_abort_while_idle(void **state)
{
	(void)state;
	start(1);
	sched_block();
	fake_machine.reg[SYSREG_isr] = ISR_A;
	fake_machine.events = 0;
	idle();
	assert_true(fake_find(FAKE_WFI, 0) == fake_machine.events);
	assert_runs(&thread[0]);
	sched_block();
	loaded[0] = NULL;
	fake_machine.reg[SYSREG_isr] = ISR_A;
	idle();
	assert_runs(NULL);
}

static void wake_first(void)
{
	if (parts_done == 3)
		assert_int_equal(sched_attach(&thread[0], BIT(0), false), 0);
}

/* A CPU without a vCPU zeroes RAM before it sleeps, and leaves that at once for one that comes; with one it sleeps. */
static void test_zero_while_idle(void **state)
{
	(void)state;
	parts_left = 5;
	parts_done = 0;
	on_part = wake_first;
	idle();
	assert_int_equal(parts_done, 3);
	assert_runs(&thread[0]);
	sched_block();
	idle();
	assert_int_equal(parts_done, 3);
	on(1);
	idle();
	assert_int_equal(parts_done, 5);
	on_part = NULL;
}

static void test_yield_alone(void **state)
{
	(void)state;
	start(1);
	switches = 0;
	slice_expires();
	assert_int_equal(switches, 0);
	assert_runs(&thread[0]);
}

/* A wake-up between the look and the block is not lost, and counts once. */
static void test_wake_pending(void **state)
{
	(void)state;
	start(1);
	switches = 0;
	sched_wake(&thread[0]);
	sched_wake(&thread[0]);
	assert_true(thread[0].wake_pending);
	sched_block();
	assert_int_equal(switches, 0);
	assert_runs(&thread[0]);
	assert_false(thread[0].wake_pending);
	sched_block();
	assert_runs(NULL);
	sched_wake(&thread[0]);
	sched_wake(&thread[0]); /* queued once */
	assert_false(thread[0].wake_pending);
	idle();
	assert_runs(&thread[0]);
	assert_int_equal(percpu[0].ready, 0);
}

/* Who is told that a vCPU has woken up: a better one preempts, an equal one gets its turn, a lesser one waits. */
static void test_wake_decides(void **state)
{
	static const struct {
		uint32_t priority, work;
		bool kick;
	} rows[] = {{2, WORK_SLICE, true}, {3, WORK_SLICE, true}, {4, WORK_RESCHED, true}};

	(void)state;
	start(1);
	assert_int_equal(sched_attach(&thread[1], BIT(0), false), 0);
	slice_expires();
	sched_block(); /* vCPU 1 sleeps, 0 runs */
	assert_runs(&thread[0]);
	for (uint32_t remote = 0; remote < 2; remote++)
		for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
			on(remote);
			kicked = 0;
			thread[0].work = 0;
			thread[1].priority = rows[i].priority;
			sched_wake(&thread[1]);
			assert_int_equal(thread[0].work, rows[i].work);
			assert_int_equal(kicked, remote && rows[i].kick ? BIT(0) : 0);
			on(0);
			sched_block(); /* 0 sleeps: 1 runs, and sleeps; 0 wakes */
			assert_runs(&thread[1]);
			sched_wake(&thread[0]);
			sched_block();
			assert_runs(&thread[0]);
		}
}

static void test_request(void **state)
{
	(void)state;
	start(2);
	kicked = 0;
	sched_request(&thread[0], WORK_MINE); /* by itself: it is in HYP and will see it */
	assert_int_equal(thread[0].work, WORK_MINE);
	assert_false(thread[0].wake_pending);
	on(1);
	sched_request(&thread[0], WORK_OTHER); /* from elsewhere: out of the guest, and not to sleep */
	assert_int_equal(thread[0].work, WORK_MINE | WORK_OTHER);
	assert_true(thread[0].wake_pending);
	assert_int_equal(kicked, BIT(0));
	kicked = 0;
	sched_request(&thread[1], WORK_OTHER); /* queued already: the running one goes on */
	assert_int_equal(kicked, 0);
	on(0);
	sched_block(); /* takes the wake-up */
	assert_runs(&thread[0]);
	sched_block();
	sched_block();
	assert_runs(NULL);
	on(1);
	sched_request(&thread[1], WORK_MINE);
	assert_int_equal(kicked, BIT(0));
	on(0);
	idle();
	assert_runs(&thread[1]);
}

/* Who holds its kicks does all else at once, and forgets none. */
static void test_held_kicks(void **state)
{
	(void)state;
	start(2);
	on(1);
	kicked = 0;
	kick_hold();
	sched_request(&thread[0], WORK_OTHER);
	assert_int_equal(thread[0].work, WORK_OTHER);
	assert_true(thread[0].wake_pending);
	assert_int_equal(kicked, 0);
	kick_send();
	assert_int_equal(kicked, BIT(0));
	kicked = 0;
	kick_hold();
	kick_send();
	assert_int_equal(kicked, 0);
	sched_request(&thread[0], WORK_MINE);
	assert_int_equal(kicked, BIT(0)); /* at once again */
}

/* Time slices where a thread waits, none where none does: a CPU with one vCPU has no tick. */
static void test_slice(void **state)
{
	(void)state;
	start(1);
	assert_slice(0);
	assert_int_equal(sched_attach(&thread[1], BIT(0), false), 0);
	assert_int_equal(thread[0].work, WORK_SLICE);
	sched_check_slice();
	assert_slice(5000 + 1000);
	clock_now = 6001;
	slice_expires();
	assert_runs(&thread[1]);
	assert_slice(6001 + 1000); /* now 0 waits */
	sched_block();
	assert_runs(&thread[0]);
	assert_slice(0);
	thread[1].priority = 2; /* a lesser one gets nothing of a better one's time, but may find another CPU */
	sched_wake(&thread[1]);
	sched_check_slice();
	assert_slice(6001 + 1000);
	slice_expires();
	assert_runs(&thread[0]);
	sched_check_slice();
	sched_block();
	assert_runs(&thread[1]);
	sched_block();
	assert_runs(NULL);
	assert_slice(0);
	slice_expires(); /* no thread runs: nothing to do */
	assert_slice(0);
}

/* A slice that runs is not started over by each one that begins to wait. */
static void test_slice_once(void **state)
{
	(void)state;
	start(2);
	assert_slice(5000 + 1000);
	clock_now = 5500;
	assert_int_equal(sched_attach(&thread[2], BIT(0), false), 0);
	sched_check_slice();
	assert_slice(5000 + 1000);
}

/* Run and waiting time, at every moment; asleep neither goes on. */
static void test_times(void **state)
{
	(void)state;
	start(2);
	assert_times(0, 0, 0);
	clock_now += 100;
	assert_times(0, 100, 0);
	assert_times(1, 0, 100);
	slice_expires();
	clock_now += 10;
	assert_times(0, 100, 10);
	assert_times(1, 10, 100);
	sched_block();
	clock_now += 1;
	assert_times(0, 101, 10);
	assert_times(1, 10, 100); /* asleep */
	sched_block();
	clock_now += 1000;
	sched_wake(&thread[1]);
	clock_now += 5;
	assert_times(1, 10, 105); /* no thread runs yet */
	idle();
	clock_now += 7;
	assert_times(0, 101, 10);
	assert_times(1, 17, 105);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_attach, setup),
		cmocka_unit_test_setup(test_exit_of_own, setup),
		cmocka_unit_test_setup(test_forget, setup),
		cmocka_unit_test_setup(test_set_priority_waiting, setup),
		cmocka_unit_test_setup(test_set_priority_interrupted, setup),
		cmocka_unit_test_setup(test_set_priority_running, setup),
		cmocka_unit_test_setup(test_slice_of_nobody, setup),
		cmocka_unit_test_setup(test_round_robin, setup),
		cmocka_unit_test_setup(test_priority, setup),
		cmocka_unit_test_setup(test_abort_while_idle, setup),
		cmocka_unit_test_setup(test_zero_while_idle, setup),
		cmocka_unit_test_setup(test_yield_alone, setup),
		cmocka_unit_test_setup(test_wake_pending, setup),
		cmocka_unit_test_setup(test_wake_decides, setup),
		cmocka_unit_test_setup(test_held_kicks, setup),
		cmocka_unit_test_setup(test_request, setup),
		cmocka_unit_test_setup(test_slice, setup),
		cmocka_unit_test_setup(test_slice_once, setup),
		cmocka_unit_test_setup(test_times, setup),
		cmocka_unit_test_setup(test_dedicated, setup),
		cmocka_unit_test_setup(test_dedicated_later, setup),
		cmocka_unit_test_setup(test_dedicated_is_passed_over, setup),
		cmocka_unit_test_setup(test_exit, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
