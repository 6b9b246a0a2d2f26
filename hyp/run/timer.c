/* HYP timer: a binary heap of deadlines in front of CNTHP (DDI 0406C B8.1.5). Compiled for speed. */
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/run/irq.h"
#include "hyp/run/percpu.h"
#include "hyp/run/timer.h"

static void place(struct timer_heap *heap, uint32_t index, struct timer *timer)
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
		place(heap, i, heap->slot[parent]);
	}
	place(heap, i, timer);
}

static void sift_down(struct timer_heap *heap, uint32_t i, struct timer *timer)
{
	for (uint32_t child; (child = 2 * i + 1) < heap->count; i = child) {
		if (child + 1 < heap->count && heap->slot[child + 1]->deadline < heap->slot[child]->deadline)
			child++;
		if (timer->deadline <= heap->slot[child]->deadline)
			break;
		place(heap, i, heap->slot[child]);
	}
	place(heap, i, timer);
}

static void __attribute__((noinline)) fill_hole(struct timer_heap *heap, uint32_t hole, struct timer *last)
{
	sift_down(heap, hole, last);
	sift_up(heap, last->index, last);
}

static inline void heap_remove(struct timer_heap *heap, struct timer *timer)
{
	struct timer *last = heap->slot[--heap->count];

	if (last != timer)
		fill_hole(heap, timer->index, last);
	__atomic_store_n(&timer->cpu, NULL, __ATOMIC_RELEASE); /* from now on another CPU may arm it */
}

/* Point CNTHP at the earliest deadline. */
static inline void program(struct timer_heap *heap)
{
	if (heap->count == 0) {
		write_cnthp_ctl(0);
		return;
	}
	write_cnthp_cval(heap->slot[0]->deadline);
	write_cnthp_ctl(CNT_ENABLE);
}

static bool timer_irq(uint32_t id)
{
	struct timer_heap *heap = &this_cpu()->timers;

	(void)id;
	while (heap->count > 0 && heap->slot[0]->deadline <= timer_now()) {
		struct timer *timer = heap->slot[0];

		heap_remove(heap, timer);
		timer->expired(timer);
	}
	program(heap);
	isb(); /* the line is down before the interrupt is deactivated */
	return true;
}

void timer_init_cpu(uint32_t irq)
{
	write_cnthp_ctl(0);
	irq_register(irq, timer_irq);
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	struct percpu *cpu = this_cpu();
	struct timer_heap *heap = &cpu->timers;

	if (timer->cpu)
		heap_remove(heap, timer);
	timer->deadline = deadline;
	timer->cpu = cpu;
	sift_up(heap, heap->count++, timer);
	program(heap);
}

void timer_cancel(struct timer *timer)
{
	struct timer_heap *heap = &this_cpu()->timers;

	heap_remove(heap, timer);
	program(heap);
}

uint32_t timer_hz(void)
{
	return read_cntfrq();
}
