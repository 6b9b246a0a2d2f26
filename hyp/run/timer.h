/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deadlines in CNTPCT ticks on the HYP physical timer (CNTHP), per CPU, in a binary heap. A timer is armed on the CPU
 * that asks, whatever heap it was in before, and can be cancelled from any CPU. Callbacks run in HYP with interrupts
 * masked, from the timer's interrupt, on the CPU that armed the timer last; they may arm or cancel any timer and take
 * any lock. A heap's own lock is held while a timer goes in or out, never during a callback; it is the lowest in the
 * order of hyp/run/percpu.h.
 */
#ifndef HYP_RUN_TIMER_H
#define HYP_RUN_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arm/barrier.h>
#include <arm/spinlock.h>
#include <arm/sysreg.h>

struct percpu;

struct timer {
	uint64_t deadline; /* CNTPCT */
	void (*expired)(struct timer *timer);
	/* timer.c's: NULL becomes a CPU, and a CPU becomes NULL, only under the lock of that CPU's heap */
	struct percpu *cpu; /* in whose heap it is, NULL: it is not armed */
	uint32_t index;     /* there */
};

#define TIMER_HEAP_MAX   3072U /* two a vCPU, five a VM, devices', and virt7's own (hyp/vm/vm.h has the limits) */
#define TIMER_DEVICE_MAX 752U  /* of the devices of all VMs: hyp/vdev/device.c counts them */
#define TIMER_OWN        16U   /* virt7's own, at most */

struct timer_heap {
	struct spinlock lock;
	uint32_t count;
	struct timer *running; /* whose callback is under way on this CPU */
	struct timer *slot[TIMER_HEAP_MAX];
};

/* Each CPU as it comes up: CNTHP off, its interrupt on. `irq`: its PPI. */
void timer_init_cpu(uint32_t irq);

/*
 * Arm (or move) `timer`: it expires on this CPU. Never fails: each heap has room for all timers. Of two CPUs that arm
 * one timer at a time either may win; a callback under way elsewhere is not waited for.
 */
void timer_arm(struct timer *timer, uint64_t deadline);

/* For timer_cancel() and timer_drain(). */
void timer_take_out(struct timer *timer);

/*
 * Disarm, from any CPU; a timer that is not armed stays so. After the return its callback does not begin, unless
 * it is armed again; one that has begun on another CPU may still be under way, and may find out by the lock that
 * guards its data that it is not wanted any more.
 */
static inline void timer_cancel(struct timer *timer)
{
	if (timer->cpu)
		timer_take_out(timer);
}

/*
 * Cancel, and wait until no CPU is in the callback: then the timer's memory may go. No other CPU may arm it any more,
 * though the callback itself may. Not from the callback, and without any lock that it takes.
 */
void timer_drain(struct timer *timer);

/* Is it armed, on whatever CPU? It may expire at any time. */
static inline bool timer_armed(const struct timer *timer)
{
	return __atomic_load_n(&timer->cpu, __ATOMIC_RELAXED);
}

/* The machine's counter, ticks of CNTFRQ. */
static inline uint64_t timer_now(void)
{
	isb();
	return read_cntpct();
}

/* Ticks a second. */
uint32_t timer_hz(void);

#endif
