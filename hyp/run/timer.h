/*
 * Deadlines in CNTPCT ticks on the HYP physical timer (CNTHP), per CPU, in a binary heap. Callbacks run in HYP with
 * interrupts masked on the CPU that owns the timer, from the timer's interrupt.
 */
#ifndef HYP_RUN_TIMER_H
#define HYP_RUN_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arm/barrier.h>
#include <arm/sysreg.h>

struct percpu;

struct timer {
	uint64_t deadline; /* CNTPCT */
	void (*expired)(struct timer *timer);
	struct percpu *cpu; /* where it is armed, NULL: not armed */
	uint32_t index;     /* in the heap of that CPU */
};

#define TIMER_HEAP_MAX 2560U /* two a vCPU, six a VM, and a CPU's own (hyp/vm/vm.h has the limits) */

struct timer_heap {
	uint32_t count;
	struct timer *slot[TIMER_HEAP_MAX];
};

/* Each CPU as it comes up: CNTHP off, its interrupt on. `irq`: its PPI. */
void timer_init_cpu(uint32_t irq);

/* Arm (or move) `timer` on this CPU. Never fails for the timers of vCPUs and scheduler: the heap holds them all. */
void timer_arm(struct timer *timer, uint64_t deadline);

/* Disarm; the timer must be armed on this CPU or not at all. After the return it does not fire. */
void timer_cancel(struct timer *timer);

static inline void timer_disarm(struct timer *timer)
{
	if (timer->cpu)
		timer_cancel(timer);
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
