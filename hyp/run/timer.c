/* SPDX-License-Identifier: BSD-2-Clause */
/* HYP timer: a binary heap of deadlines in front of CNTHP (DDI 0406C B8.1.5). Compiled for speed. */
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/run/irq.h"
#include "hyp/run/percpu.h"
#include "hyp/run/timer.h"

static void place_in_heap(struct timer_heap *heap, uint32_t index, struct timer *timer)
{
	heap->slot[index] = timer;
	timer->index = index;
}

static void sift_up(struct timer_heap *heap, uint32_t i, struct timer *timer)
{
	for (uint32_t parent; i > 0; i = parent) {
		parent = (i - 1) / 2;
		if (timer->deadline >= heap->slot[parent]->deadline)
			break;
		place_in_heap(heap, i, heap->slot[parent]);
	}
	place_in_heap(heap, i, timer);
}

static void sift_down(struct timer_heap *heap, uint32_t i, struct timer *timer)
{
	for (uint32_t child; (child = 2 * i + 1) < heap->count; i = child) {
		if (child + 1 < heap->count && heap->slot[child + 1]->deadline < heap->slot[child]->deadline)
			child++;
		if (timer->deadline <= heap->slot[child]->deadline)
			break;
		place_in_heap(heap, i, heap->slot[child]);
	}
	place_in_heap(heap, i, timer);
}

/* `timer` takes the place that is free, or goes up or down from it. */
static void __attribute__((noinline)) settle_in_heap(struct timer_heap *heap, uint32_t hole, struct timer *timer)
{
	sift_down(heap, hole, timer);
	sift_up(heap, timer->index, timer);
}

static inline void heap_remove(struct timer_heap *heap, struct timer *timer)
{
	struct timer *last = heap->slot[--heap->count];

	if (last != timer)
		settle_in_heap(heap, timer->index, last);
	__atomic_store_n(&timer->cpu, NULL, __ATOMIC_RELEASE); /* from now on another CPU may arm it */
}

/* Point CNTHP at the earliest deadline of this CPU. */
static inline void program_deadline(struct timer_heap *heap)
{
	if (heap->count == 0) {
		write_cnthp_ctl(0);
		return;
	}
	write_cnthp_cval(heap->slot[0]->deadline);
	write_cnthp_ctl(CNT_ENABLE);
}

/*
 * The first timer, if it is due, out of the heap; NULL: it is not. Its CPU says that the callback is under way before
 * others see the timer unarmed, for timer_drain(). Whoever arms it then has to be behind the loads here: the last one
 * of the timer's own is that of the deadline, on which all stores depend.
 */
static inline struct timer *take_due(struct timer_heap *heap, uint64_t now)
{
	struct timer *first = heap->slot[0], *last;

	if (unlikely(heap->count == 0 || first->deadline > now))
		return NULL;
	__atomic_store_n(&heap->running, first, __ATOMIC_RELAXED);
	last = heap->slot[--heap->count];
	if (last != first)
		sift_down(heap, 0, last);
	__atomic_store_n(&first->cpu, NULL, __ATOMIC_RELAXED);
	return first;
}

/* One timer an interrupt: where the next one is due, too, the line stays up. A count read early finds nothing due. */
static bool timer_irq(uint32_t id, void *arg)
{
	struct timer_heap *heap = &this_cpu()->timers;
	struct timer *timer;

	spin_lock(&heap->lock);
	timer = take_due(heap, read_cntpct());
	program_deadline(heap);
	spin_unlock(&heap->lock);
	if (likely(timer)) {
		timer->expired(timer);
		__atomic_store_n(&heap->running, NULL, __ATOMIC_RELEASE);
	}
	isb(); /* the line is as it was programmed before the interrupt is deactivated */
	return true;
}

void timer_init_cpu(uint32_t irq)
{
	write_cnthp_ctl(0);
	irq_register(irq, timer_irq, NULL);
}

/* Put the timer, which is in no heap, into this CPU's, or move it there. False: another CPU has it. */
static bool place_anew(struct percpu *cpu, struct timer *timer, uint64_t deadline)
{
	struct timer_heap *heap = &cpu->timers;
	struct percpu *none = NULL;

	if (timer->cpu == cpu) {
		timer->deadline = deadline;
		settle_in_heap(heap, timer->index, timer);
		return true;
	}
	/* Relaxed: what follows depends on it, and the lock is held. */
	if (!__atomic_compare_exchange_n(&timer->cpu, &none, cpu, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	timer->deadline = deadline;
	sift_up(heap, heap->count++, timer);
	return true;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	struct percpu *cpu = this_cpu();
	struct timer_heap *heap = &cpu->timers;
	const struct timer *first;
	bool placed;

	if (timer->cpu == cpu && timer->deadline == deadline)
		return;
	do {
		if (timer->cpu != cpu)
			timer_cancel(timer);
		spin_lock(&heap->lock);
		first = heap->count > 0 ? heap->slot[0] : NULL;
		placed = place_anew(cpu, timer, deadline);
		if (placed && (timer == first || timer == heap->slot[0]))
			program_deadline(heap);
		spin_unlock(&heap->lock);
	} while (unlikely(!placed));
}

/* Another CPU's CNTHP is left as it is: at worst its interrupt finds nothing due. */
static void take_from(struct percpu *cpu, struct timer *timer)
{
	struct timer_heap *heap = &cpu->timers;
	bool first = timer == heap->slot[0];

	heap_remove(heap, timer);
	if (first && cpu == this_cpu())
		program_deadline(heap);
}

void timer_take_out(struct timer *timer)
{
	struct percpu *cpu;
	bool taken = false;

	while (!taken && (cpu = __atomic_load_n(&timer->cpu, __ATOMIC_ACQUIRE))) {
		spin_lock(&cpu->timers.lock);
		taken = __atomic_load_n(&timer->cpu, __ATOMIC_RELAXED) == cpu;
		if (taken)
			take_from(cpu, timer);
		spin_unlock(&cpu->timers.lock);
	}
}

/* True: it is neither in the CPU's heap nor in a callback there, and only a callback there could change that. */
static bool leave_heap(struct percpu *cpu, struct timer *timer)
{
	struct timer_heap *heap = &cpu->timers;
	bool runs;

	spin_lock(&heap->lock);
	if (__atomic_load_n(&timer->cpu, __ATOMIC_RELAXED) == cpu)
		take_from(cpu, timer);
	runs = __atomic_load_n(&heap->running, __ATOMIC_RELAXED) == timer;
	spin_unlock(&heap->lock);
	return !runs;
}

void timer_drain(struct timer *timer)
{
	for (uint32_t i = 0; i < CPU_MAX; i++)
		while (!leave_heap(&percpu[i], timer))
			yield();
}

uint32_t timer_hz(void)
{
	return read_cntfrq();
}
