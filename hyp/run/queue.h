/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU's run queues: a list for each priority, in the order in which its threads began to wait (hyp/run/sched.c). For
 * the holder of its rq_lock.
 */
#ifndef HYP_RUN_QUEUE_H
#define HYP_RUN_QUEUE_H

#include "hyp/lib/bits.h"
#include "hyp/run/percpu.h"
#include "hyp/run/thread.h"

static inline struct thread *queue_thread(struct list *node)
{
	return container_of(node, struct thread, node);
}

/* Put `thread`, which begins to wait now, behind all others of its priority. */
static inline void queue_append(struct percpu *cpu, struct thread *thread, uint64_t now)
{
	list_append(&cpu->queue[thread->priority], &thread->node);
	cpu->ready |= BIT(thread->priority);
	thread->queued = true;
	thread->waits_since = now;
}

/* Has `thread` waited for longer than `other`, of its priority, has or had? */
static inline bool queue_is_before(const struct thread *thread, const struct thread *other)
{
	return thread->waits_since < other->waits_since;
}

/* Put `thread` where it belongs by its wait so far. Whoever is next behind it has a whole turn, even if that had begun.
 */
static inline void queue_insert(struct percpu *cpu, struct thread *thread)
{
	struct list *queue = &cpu->queue[thread->priority], *next = queue->next;

	while (next != queue && queue_is_before(queue_thread(next), thread))
		next = next->next;
	if (next != queue)
		queue_thread(next)->turn_left = 0;
	list_append(next, &thread->node);
	cpu->ready |= BIT(thread->priority);
}

static inline void queue_remove(struct percpu *cpu, struct thread *thread)
{
	list_remove(&thread->node);
	if (list_empty(&cpu->queue[thread->priority]))
		cpu->ready &= ~BIT(thread->priority);
}

/* Take the best ready thread; NULL: none. */
static inline struct thread *queue_take_best(struct percpu *cpu)
{
	struct list *queue, *node;
	uint32_t p;

	if (!cpu->ready)
		return NULL;
	p = 31U - (uint32_t)__builtin_clz(cpu->ready);
	queue = &cpu->queue[p];
	node = list_take_first(queue);
	if (list_empty(queue))
		cpu->ready &= ~BIT(p);
	return queue_thread(node);
}

#endif
