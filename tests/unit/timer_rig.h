/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of timers share: CPUs, hundreds of timers, one vCPU, and lines to its interrupt controller. */
#ifndef TESTS_UNIT_TIMER_RIG_H
#define TESTS_UNIT_TIMER_RIG_H

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

static inline uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % below;
}

static struct {
	uint64_t ctl, cval;
} cnthp[CPU_MAX]; /* of the CPUs that are not this one */

static inline void on_cpu(uint32_t id)
{
	uint32_t old = (uint32_t)(this_cpu() - percpu);

	cnthp[old].ctl = read_cnthp_ctl();
	cnthp[old].cval = read_cnthp_cval();
	write_cnthp_ctl((uint32_t)cnthp[id].ctl);
	write_cnthp_cval(cnthp[id].cval);
	write_htpidr((uintptr_t)&percpu[id]);
}

static inline void set_now(uint64_t now)
{
	fake_machine.reg[SYSREG_cntpct] = now;
}

/* CPU takes HYP's timer interrupt for as long as the line is up. Returns how often. */
static inline uint32_t interrupts(void)
{
	uint32_t taken = 0;

	for (; read_cnthp_ctl() == CNT_ENABLE && read_cnthp_cval() <= fake_machine.reg[SYSREG_cntpct]; taken++)
		assert_true(handler[HYP_PPI](HYP_PPI, NULL));
	return taken;
}

static inline void on_expiry(struct timer *t)
{
	assert_null(t->cpu); /* may be armed again from here */
	assert_true(t->deadline <= fake_machine.reg[SYSREG_cntpct]);
	assert_in_range(expired, 0, ARRAY_SIZE(order) - 1);
	order[expired++] = t->deadline;
}

static inline int setup(void **state)
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
static inline void assert_programmed(void)
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

#endif
