/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kicks: the interrupt by which a CPU is told to look at what it has to do (WORK_*, its run queue), out of its guest or
 * its sleep. `kicks` of struct percpu is its CPU's alone.
 */
#ifndef HYP_RUN_KICK_H
#define HYP_RUN_KICK_H

#include "hyp/host/gic.h"
#include "hyp/run/percpu.h"

/* Kick `cpu`, at once or at kick_send(). No other CPU: nothing happens. */
static inline void kick_cpu(const struct percpu *cpu)
{
	struct percpu *own = this_cpu();

	if (cpu == own)
		return;
	if (own->kicks)
		own->kicks |= BIT(cpu->head.id);
	else
		gic_send_sgi(cpu->head.id, GIC_SGI_KICK);
}

/*
 * Between the two, other CPUs that get something to do are not kicked at once: who holds locks which a vCPU there would
 * come to wait for gives them back first. Not nested; nothing between the two waits for what another CPU does, but for
 * locks.
 */
static inline void kick_hold(void)
{
	this_cpu()->kicks = KICKS_HELD;
}

void kick_send_held(struct percpu *cpu);

static inline void kick_send(void)
{
	struct percpu *cpu = this_cpu();

	if (unlikely(cpu->kicks != KICKS_HELD))
		kick_send_held(cpu);
	else
		cpu->kicks = 0;
}

#endif
