/*
 * A thread of HYP: a stack and what the scheduler (hyp/run/sched.h) knows of it. Each vCPU begins with one
 * (hyp/vm/vcpu.h); others are virt7's own.
 */
#ifndef HYP_RUN_THREAD_H
#define HYP_RUN_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/list.h"

struct percpu;

/* Bits of thread.work that are the scheduler's; the others belong to whoever has the thread. */
#define WORK_RESCHED (1U << 1) /* a thread that goes before it waits */
#define WORK_SLICE   (1U << 4) /* another thread of its priority waits: it has a time slice from now on */
#define WORK_BALANCE (1U << 6) /* who waits on this CPU may do better on another */

struct thread {
	struct list node;
	volatile uint32_t work; /* set by any CPU (sched_request()), cleared by the thread */

	/* under cpu->rq_lock */
	uint32_t priority;
	struct percpu *cpu; /* where it lives; changed by that CPU only, while the thread is queued there */
	bool queued, running, wake_pending;
	bool detached;        /* its own: no guest's state is to be loaded into the hardware while it runs */
	bool gone;            /* it has ended and left its stack */
	uint32_t affinity;    /* physical CPUs that it may live on, bit n is CPU n; 0: it stays where it is */
	uint32_t sleeps;      /* times that it gave the CPU up by itself */
	uint32_t turn_left;   /* ticks of a turn that a more urgent thread interrupts; 0: a whole one */
	uint64_t waits_since; /* CNTPCT at which it began to wait for the turn that it has or waits for */
	uint64_t moved_at;    /* equal: because it was moved to another CPU then */
	/* Ticks of CNTPCT that it ran, and that it was ready or ran: while it does, less CNTPCT at which that began. */
	uint64_t ran, wanted;
	uint64_t ran_mark, wanted_mark; /* what does not count for its share any more */
	uint32_t *sp;                   /* while it is switched out */

	/* constant */
	const void *group; /* threads that may wait for each other in WFE: those of this VM; NULL: none */
	void *stack;       /* its lowest address */
};

/*
 * Give `thread` a stack, on which it begins at `entry`. Returns `room` bytes at the stack's top, a multiple of 8, above
 * all that the thread uses; NULL: no memory.
 */
void *thread_make_stack(struct thread *thread, size_t room, void (*entry)(void));

/* Undo that, if it has been done; the stack's next user may be any thread. */
void thread_free_stack(struct thread *thread);

/*
 * A thread of virt7's own on the calling CPU, ready to run `body`, which never returns. It never enters a guest, and
 * runs before all vCPUs (SCHED_PRIORITY_OWN), so it has to block soon (sched_block()). NULL: no memory.
 */
struct thread *thread_create(void (*body)(void));

#endif
