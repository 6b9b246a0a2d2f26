/* SPDX-License-Identifier: BSD-2-Clause */
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
	bool detached;     /* its own: no guest's state is to be loaded into the hardware while it runs */
	bool gone;         /* it has ended and left its stack */
	uint32_t affinity; /* physical CPUs that it may live on, bit n is CPU n; 0: virt7's own, it stays where it is */
	uint32_t sleeps;   /* times that it gave the CPU up by itself */
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
 * Threads of virt7's own. Each lives on the CPU that made it, for ever, and never enters a guest. Interrupts are masked
 * in it, so it blocks soon (sched_block()) or lets others in between (sched_preempt()). It holds no lock while it does.
 *
 * Its priority is that of whom it serves. The work of a VM's device is done at that VM's priority (0-7), or a VM could
 * have it done in the time of more urgent ones; where several wait, at the highest of theirs. SCHED_PRIORITY_OWN,
 * before all vCPUs, is for what serves the operator.
 */

/* One that is ready to run `body`, and has ended when that returns. NULL: no memory. Not from interrupts. */
struct thread *thread_create(void (*body)(void *arg), void *arg, uint32_t priority);

/*
 * From now on `thread` has `priority`, whatever it does: it goes to the end of that queue if it waits for a CPU, and
 * gives way to those before it if it runs. From any CPU, context and thread, its own too. Locks: as sched_wake().
 */
void thread_set_priority(struct thread *thread, uint32_t priority);

/*
 * Give back all that `thread` has, and no pointer to it may be left. Either it has ended, or it is blocked and lives
 * on the calling CPU: only then is it certain that no CPU is on its stack. -EBUSY: neither, and nothing has happened;
 * make its body return, and try again. Not from interrupts.
 */
int thread_free(struct thread *thread);

#endif
