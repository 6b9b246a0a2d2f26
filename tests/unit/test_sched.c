/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's decisions: who runs next, who is kicked, which time slice. The thread switch itself is a note here:
 * after it the code goes on as if that thread had just been picked again, so each test looks at percpu.thread.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/atomic.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/host/gic.h"
#include "hyp/run/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/run/balance.h"
#include "hyp/run/place.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/run/world.h"
#include "hyp/vm/hcr.h"

#define VCPUS      16U
#define WORK_MINE  (1U << 0) /* bits that are not the scheduler's */
#define WORK_OTHER (1U << 3)

struct percpu percpu[CPU_MAX];
static struct thread thread[VCPUS];
static uint32_t stack[VCPUS], idle_stack[CPU_MAX];

/* --- what the code under test calls ---------------------------------------------------------------------------------
 */

static uint32_t switches, kicked; /* bit n: CPU n got an SGI */
static uint32_t *switched_to;
static uint8_t gicc[GICC_DIR + 4];
volatile uint8_t *gic_gicc = gicc;
static irq_fn slice_irq;
static bool in_slice_irq;
#define SLICE_PPI 30U
#define clock_now (fake_machine.reg[SYSREG_cntpct])
static uint32_t unloaded;
static struct thread *loaded[CPU_MAX]; /* whose guest's state is in the hardware */
static jmp_buf idle_over;

void thread_switch(uint32_t **from, uint32_t *to);

void thread_switch(uint32_t **from, uint32_t *to)
{
	for (uint32_t i = 0; i < CPU_MAX; i++)
		assert_int_equal(percpu[i].rq_lock.held, 0); /* held across a switch: never given back */
	switches++;
	switched_to = to;
	if (in_slice_irq) /* it is over before another one runs: this thread comes back who knows when */
		assert_int_equal(io_read32(gic_gicc + GICC_DIR), SLICE_PPI);
	if (from == &percpu[cpu_id()].idle_sp)
		longjmp(idle_over, 1); /* out of sched_idle(), which never returns */
}

void thread_leave(uint32_t *to, bool *gone);

/* The thread is over: only the idle thread comes next, and then the stack is free. */
void thread_leave(uint32_t *to, bool *gone)
{
	assert_int_equal(percpu[cpu_id()].rq_lock.held, 0);
	switched_to = to;
	*gone = true;
	longjmp(idle_over, 2);
}

void world_switch(struct percpu *cpu, struct thread *next)
{
	assert_ptr_equal(cpu, &percpu[cpu_id()]);
	assert_ptr_equal(next->cpu, cpu);
	if (next->detached || loaded[cpu_id()] == next)
		return;
	for (uint32_t i = 0; i < CPU_MAX; i++)
		assert_ptr_not_equal(loaded[i], next); /* its state is in one place, and not here */
	loaded[cpu_id()] = next;
}

/* By the CPU that it leaves, which is not the one that it belongs to any more. */
void world_unload(struct thread *leaving)
{
	assert_ptr_not_equal(leaving->cpu, &percpu[cpu_id()]);
	assert_true(leaving->queued && !leaving->running);
	if (loaded[cpu_id()] == leaving)
		loaded[cpu_id()] = NULL;
	unloaded++;
}

struct thread *hcr_take_abort(struct percpu *cpu)
{
	assert_true(read_isr() & ISR_A);
	fake_machine.reg[SYSREG_isr] = 0;
	return loaded[cpu->head.id];
}

void hcr_set_wait_traps(struct thread *running)
{
	assert_ptr_equal(running, percpu[cpu_id()].thread);
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

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	assert_null(arg);
	assert_int_equal(id, SLICE_PPI);
	slice_irq = fn;
}

/* Its time has come: the line goes down, then the interrupt is ended, then the next one runs. */
static void slice_expires(void)
{
	in_slice_irq = true;
	fake_machine.events = 0;
	io_write32(gic_gicc + GICC_DIR, 0);
	assert_false(slice_irq(SLICE_PPI, NULL));
	assert_int_equal(fake_machine.event[0].op, SYSREG_cntp_ctl);
	assert_int_equal(fake_machine.event[0].value, 0);
	assert_int_equal(fake_machine.event[1].op, FAKE_ISB);
	assert_int_equal(io_read32(gic_gicc + GICC_DIR), SLICE_PPI);
	in_slice_irq = false;
}

/* The timer of the CPU that acted last says what the scheduler believes. */
static void assert_slice(uint64_t end)
{
	assert_int_equal(percpu[cpu_id()].slice_end, end);
	assert_int_equal(read_cntp_ctl(), end ? CNT_ENABLE : 0);
	assert_true(!end || read_cntp_cval() == end);
}

static uint64_t ran(uint32_t i)
{
	uint64_t time, waited;

	sched_times(&thread[i], &time, &waited);
	return time;
}

static void assert_times(uint32_t i, uint64_t time, uint64_t waited)
{
	uint64_t ran_so_far, waited_so_far;

	sched_times(&thread[i], &ran_so_far, &waited_so_far);
	assert_int_equal(ran_so_far, time);
	assert_int_equal(waited_so_far, waited);
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
	memset(thread, 0, sizeof(thread));
	memset(loaded, 0, sizeof(loaded));
	for (uint32_t i = 0; i < VCPUS; i++) {
		thread[i].sp = &stack[i];
		thread[i].priority = 3;
	}
	clock_now = 5000;
	unloaded = 0;
	dedicated_cpus = 0;
	for (uint32_t i = 0; i < 4; i++) {
		percpu[i].head.id = i;
		percpu[i].idle_sp = &idle_stack[i];
		sched_init_cpu(&percpu[i], SLICE_PPI);
		percpu[i].online = i < 2;
	}
	on(0);
	switches = kicked = 0;
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
		assert_int_equal(sched_attach(&thread[i], BIT(0), false), 0);
	idle();
}

static void assert_runs(const struct thread *expected)
{
	assert_ptr_equal(percpu[0].thread, expected);
	if (expected) {
		assert_ptr_equal(switched_to, expected->sp);
		assert_ptr_equal(loaded[0], expected);
		assert_true(expected->running);
		assert_false(expected->queued);
	} else {
		assert_ptr_equal(switched_to, &idle_stack[0]);
	}
}

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

/* A CPU for itself: it must be empty, and nobody joins it. */
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

/* Only one that is blocked, and whose stack nobody can be on any more. Nothing makes it ready then. */
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
	assert_runs(&thread[2]); /* nobody of its rank */
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
	sched_hold_kicks();
	sched_request(&thread[0], WORK_OTHER);
	assert_int_equal(thread[0].work, WORK_OTHER);
	assert_true(thread[0].wake_pending);
	assert_int_equal(kicked, 0);
	sched_send_kicks();
	assert_int_equal(kicked, BIT(0));
	kicked = 0;
	sched_hold_kicks();
	sched_send_kicks();
	assert_int_equal(kicked, 0);
	sched_request(&thread[0], WORK_MINE);
	assert_int_equal(kicked, BIT(0)); /* at once again */
}

/* Time slices where somebody waits, none where nobody does: a CPU with one vCPU has no tick. */
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
	slice_expires(); /* nobody runs: nothing to do */
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
	assert_times(1, 10, 105); /* nobody runs yet */
	idle();
	clock_now += 7;
	assert_times(0, 101, 10);
	assert_times(1, 17, 105);
}

/* --- several CPUs, in simulated time ---------------------------------------------------------------------------------
 */

#define MS 100U /* ticks: timer_hz() is 100000 */

/* What each vCPU does; busy, idle: ms in turn, 0 busy: it only sleeps, 0 idle: it only runs. */
static struct {
	uint32_t busy, idle, left;
} habit[VCPUS];

static void online(uint32_t cpus)
{
	for (uint32_t i = 0; i < 4; i++)
		percpu[i].online = i < cpus;
}

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

/* A millisecond of everybody's life. */
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

/* WFE before anybody has said that the turn has an end now. */
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

/* Or about to leave the CPU to somebody more urgent. */
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

/* Two idle CPUs ask before anybody answers. */
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

/* Two come to a CPU where nobody is who could be asked. */
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
		cmocka_unit_test_setup(test_yield_alone, setup),
		cmocka_unit_test_setup(test_wake_pending, setup),
		cmocka_unit_test_setup(test_wake_decides, setup),
		cmocka_unit_test_setup(test_held_kicks, setup),
		cmocka_unit_test_setup(test_request, setup),
		cmocka_unit_test_setup(test_slice, setup),
		cmocka_unit_test_setup(test_slice_once, setup),
		cmocka_unit_test_setup(test_times, setup),
		cmocka_unit_test_setup(test_random, setup),
		cmocka_unit_test_setup(test_dedicated, setup),
		cmocka_unit_test_setup(test_dedicated_later, setup),
		cmocka_unit_test_setup(test_dedicated_is_passed_over, setup),
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
		cmocka_unit_test_setup(test_exit, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
