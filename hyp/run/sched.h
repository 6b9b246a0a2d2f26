/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: per-CPU run queues, fixed priorities, round robin inside one. A thread lives on one CPU at a time. The
 * CPU's idle thread runs when nothing else can; it leaves the last vCPU's state in the hardware.
 *
 * A thread that waits moves to another CPU of its affinity that is idle, and, so that no thread is the one that always
 * shares, from time to time to one with less to do. Only the CPU that it waits on gives it away, because only that one
 * can take its state out of the hardware.
 */
#ifndef HYP_RUN_SCHED_H
#define HYP_RUN_SCHED_H

#include "hyp/run/percpu.h"

struct thread;

/* This CPU's run queue, idle thread and slice timer. `irq`: the PPI of the non-secure PL1 physical timer. */
void sched_init_cpu(struct percpu *cpu, uint32_t irq);

/*
 * Let `thread` live on the least loaded usable CPU of `affinity` and make it ready. `dedicated`: on one where no thread
 * lives, and no other will. 0, or -ENODEV: there is none.
 */
int sched_attach(struct thread *thread, uint32_t affinity, bool dedicated);

/* Let a thread of virt7's own (hyp/run/thread.h) live on this CPU and make it ready. */
void sched_attach_own(struct thread *thread);

/* thread_set_priority(), where it is another one. */
void sched_set_priority(struct thread *thread, uint32_t priority);

/*
 * True: `thread` has ended, or is blocked on this CPU, where its stack has been left for certain, and sched_wake() does
 * not make it ready any more. False: it may run.
 */
bool sched_forget(struct thread *thread);

/*
 * The running thread ends, out of the hardware (world_unload()): its CPU is as if it had never lived there, and no CPU
 * can wake it. Its .gone becomes true when the CPU has left its stack, from when on both may be freed.
 */
void sched_exit(void) __attribute__((noreturn));

/* Give up the CPU until sched_wake(); returns at once if that came since the last block. May wake without cause. */
void sched_block(void);

/* Make it ready, on any CPU and in any context. Locks: takes the rq_lock of its CPU. */
void sched_wake(struct thread *thread);

/*
 * Make the thread do `work` (WORK_*) before it next runs guest code, or at its next sched_preempt(), wherever it is
 * now: kicks it out of the guest or wakes it.
 */
void sched_request(struct thread *thread, uint32_t work);

/* Let a thread that goes before the running one have this CPU, if one waits here (WORK_RESCHED). */
void sched_give_way(void);

/*
 * The thread spins for another one, which may wait for this CPU: each of its VM that waits here, in the first places of
 * the queue, gets the rest of this turn once. When all have had it, the turn ends.
 */
void sched_yield_spin(void);

/*
 * A point in long work of HYP's at which others may take the CPU, as if the thread were in its guest: interrupts are
 * served, and whoever is due runs first. No lock held, no window open; the state in the hardware may be another's
 * meanwhile, and the CPU another one afterwards. Nothing happens on a CPU that boots.
 */
void sched_preempt(void);

/* Start a time slice for the running thread if another one waits and none runs yet (WORK_SLICE). */
void sched_check_slice(void);

/* Give a thread that waits here to a CPU where it does better, if there is one (WORK_BALANCE). */
void sched_balance(void);

/* Ticks of CNTPCT that the thread has had a physical CPU, WFI without an exit included, and that it was ready without.
 */
void sched_times(struct thread *thread, uint64_t *ran, uint64_t *waited);

/* The idle thread of this CPU: never returns. */
void sched_idle(void) __attribute__((noreturn));

#endif
