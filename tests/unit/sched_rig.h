/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the scheduler's tests share: the thread switch is a note here. After it the code goes on as if that thread had
 * just been picked again, so each test looks at percpu.thread.
 */
#ifndef TESTS_UNIT_SCHED_RIG_H
#define TESTS_UNIT_SCHED_RIG_H

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
#include "hyp/run/kick.h"
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

/* Free RAM is to be zeroed in so many parts; so many have been; what happens in each. */
static uint32_t parts_left, parts_done;
static void (*on_part)(void);

bool zero_step(void);
bool zero_step(void)
{
	assert_int_equal(percpu[cpu_id()].rq_lock.held, 0);
	if (!parts_left)
		return false;
	parts_left--;
	parts_done++;
	if (on_part)
		on_part();
	return true;
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
static inline void slice_expires(void)
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
static inline void assert_slice(uint64_t end)
{
	assert_int_equal(percpu[cpu_id()].slice_end, end);
	assert_int_equal(read_cntp_ctl(), end ? CNT_ENABLE : 0);
	assert_true(!end || read_cntp_cval() == end);
}

static inline uint64_t ran(uint32_t i)
{
	uint64_t time, waited;

	sched_times(&thread[i], &time, &waited);
	return time;
}

static inline void assert_times(uint32_t i, uint64_t time, uint64_t waited)
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

static inline void on(uint32_t cpu)
{
	write_htpidr((uintptr_t)&percpu[cpu]);
}

static inline int setup(void **state)
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

static inline void leave_idle(void)
{
	longjmp(idle_over, 1);
}

/* The idle thread of this CPU: until it has found a thread, or sleeps. */
static inline void idle(void)
{
	fake_machine.on_wait = leave_idle;
	if (setjmp(idle_over) == 0)
		sched_idle();
}

/* vCPUs 0 ... n - 1 live on CPU 0, which was idle: it runs the first of the best. */
static inline void start(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(sched_attach(&thread[i], BIT(0), false), 0);
	idle();
}

static inline void assert_runs(const struct thread *expected)
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

static inline void online(uint32_t cpus)
{
	for (uint32_t i = 0; i < 4; i++)
		percpu[i].online = i < cpus;
}

#endif
