/*
 * The scheduler: per-CPU run queues, fixed priorities, round robin inside one. A vCPU lives on one CPU. The CPU's idle
 * thread runs when nothing else can; it leaves the last vCPU's state in the hardware.
 */
#ifndef HYP_SCHED_H
#define HYP_SCHED_H

#include "hyp/percpu.h"

struct vcpu;

/* This CPU's run queue and idle thread. */
void sched_init_cpu(struct percpu *cpu);

/* Is a CPU of `affinity` (0: any) online? */
bool sched_can_run(uint32_t affinity);

/* Let `vcpu` live on the least loaded online CPU in `affinity` (0: any) and make it ready. 0, or -ENODEV: none is
 * online. */
int sched_attach(struct vcpu *vcpu, uint32_t affinity);

/* Give up the CPU until sched_wake(); returns at once if that came since the last block. May wake without cause. */
void sched_block(void);
void sched_wake(struct vcpu *vcpu);

/* Let others of at least the same priority run first. */
void sched_yield(void);

/* Start a time slice for the running vCPU if another one of its priority waits and none runs yet (WORK_SLICE). */
void sched_check_slice(void);

/* The idle thread of this CPU: never returns. */
void sched_idle(void) __attribute__((noreturn));

#endif
