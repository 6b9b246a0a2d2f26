/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-CPU data. HTPIDR points to the CPU's own.
 *
 * Lock order, outermost first; a lock is taken only while holding locks above it:
 *   vms_lock  ->  vm->lock  ->  a device's  ->  s2.lock  ->  bad pages  ->  a twin's  ->  vgic.lock  ->  console, a
 *   host's disk's  ->  cpu->rq_lock  ->  places, stacks  ->  heap, ram, map, cpu->timers, random, found pages, lent RAM
 * A device's is that of an emulated one (hyp/vdev/device.h), and where one has two its header has their order; no code
 * holds those of two devices, but who sends from one network card to another (hyp/virtio/switch.h). No lock is held
 * when a guest is entered. HYP runs with interrupts masked, so none needs an interrupt-safe form.
 */
#ifndef HYP_RUN_PERCPU_H
#define HYP_RUN_PERCPU_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/spinlock.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/list.h"
#include "hyp/run/timer.h"
#include "mm/layout.h"

#define SCHED_PRIORITIES   9U /* vCPUs have 0 to 7, */
#define SCHED_PRIORITY_OWN 8U /* and what serves the operator this (hyp/run/thread.h) */

#define KICKS_HELD BIT(31)

struct thread;
struct vcpu;
struct vm;

struct percpu {
	struct cpu_head head;
	/* this CPU's only */
	struct thread *thread; /* that runs here; NULL: idle */
	struct vcpu *loaded;   /* whose state is in the hardware */
	struct vcpu *vfp_owner;
	uint32_t kicks;           /* CPUs to kick at kick_send(), and KICKS_HELD; 0: they are kicked at once */
	const struct vm *last_vm; /* that ran here */
	void (*harden)(void); /* empty the branch predictor between VMs; NULL: nothing to do, or nothing that helps */
	uint32_t *idle_sp;
	uint64_t slice_end; /* CNTPCT; 0: no slice runs */
	uint32_t slice_ticks;
	uint32_t tried;    /* places of the queue that a vCPU in WFE has looked at in the turn */
	uint64_t tried_in; /* that ends at this slice_end */
	/* others may read */
	uint32_t mpidr, midr;
	uint32_t timer_hz;
	uint32_t clock_khz; /* of the CPU itself when it came up; 0: its cycle counter stands still */
	uint32_t hstr;      /* with the substitutes for traps that it does not take */
	bool online;
	const char *unfit;          /* why it was left out */
	volatile uint32_t assigned; /* vCPUs that live here; changed by hyp/run/place.c only */
	/* under rq_lock; others may look without it, and see what was */
	struct spinlock rq_lock;
	uint32_t ready; /* bit p: queue[p] is not empty */
	struct list queue[SCHED_PRIORITIES];
	uint32_t load[SCHED_PRIORITIES]; /* threads that are ready or running, by priority */
	uint32_t slices;                 /* that have ended here since the last look at other CPUs */
	/* constant */
	uint32_t at_exit; /* how an exit empties the branch predictor: enum harden_kind (coproc/harden.h) */
	const uint32_t *vectors, *vectors_traced; /* HVBAR, without and with the trace */
	/* this CPU's only, and large: the rest is within reach of short offsets */
	struct timer_heap timers;
};

extern struct percpu percpu[CPU_MAX];

static inline struct percpu *this_cpu(void)
{
	return (struct percpu *)(uintptr_t)read_htpidr();
}

#endif
