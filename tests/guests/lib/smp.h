/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several CPUs: starting them, a spinlock, a barrier.
 *
 * LDREX and STREX need Normal memory on real cores (DDI 0406C A3.4.5: on other memory, IMPLEMENTATION DEFINED), so an
 * SMP guest turns the MMU on first; the others then come up with the same tables. While one CPU runs and its MMU is
 * off, the lock is not taken with exclusives at all.
 */
#ifndef GUEST_SMP_H
#define GUEST_SMP_H

#include <stdint.h>

struct spinlock {
	uint32_t held;
};

struct barrier {
	struct spinlock lock;
	uint32_t arrived;
	uint32_t generation;
};

void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);

/* Wait until `count` CPUs have called it. The barrier can be used again at once. */
void barrier_wait(struct barrier *barrier, uint32_t count);

/*
 * Start a CPU by PSCI CPU_ON and run fn(arg) on it, interrupts masked; when fn returns the CPU powers itself off.
 * Returns PSCI's result. The MMU state is copied from the caller's CPU.
 */
uint32_t smp_boot(uint32_t cpu, void (*fn)(void *arg), void *arg);

/* Run fn(arg) on every CPU at once, this one included; returns when the others are off again. fn must meet the others
 * at a barrier. */
void smp_run_all(void (*fn)(void *arg), void *arg);

/* How many CPUs the machine has, from GICD_TYPER (IHI 0048B 4.3.2). */
uint32_t smp_count(void);

/* Wait until PSCI AFFINITY_INFO says that the CPU is off. */
void smp_wait_off(uint32_t cpu);

#endif
