/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest smp, of three files: CPUs that come and go (smp.c), interrupts (smp-irq.c), memory (smp-memory.c). */
#ifndef GUESTS_SMP_RIG_H
#define GUESTS_SMP_RIG_H

#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define ON         0U
#define OFF        1U
#define ON_PENDING 2U

extern uint32_t count, rounds; /* of CPUs, and how often */
extern struct barrier barrier;

/* AFFINITY_INFO of a CPU. */
uint32_t affinity(uint32_t cpu);

/* A test that waits for another CPU for ever ends in one line with its name: CPU 0 takes hang_irq() until watch_end().
 */
extern const char *volatile phase;
void hang_irq(void);
void watch(const char *name);
void watch_end(void);

/* What a CPU is started for, and whether it has begun. */
struct work {
	void (*fn)(void *arg);
	void *arg;
	volatile uint32_t up;
};

extern struct work work[GUEST_CPUS];

/* Start a CPU for fn(arg); PSCI's result. finish() waits until it is off again. */
uint32_t start(uint32_t cpu, void (*fn)(void *arg), void *arg);
void finish(uint32_t cpu);

/* Run fn on every CPU at once, this one included, and wait until the others are off again. */
void on_all(const char *name, void (*fn)(void *arg));

/* smp-irq.c */
void test_sgis(void);
void test_sgi_filter(void);
void test_sgi_to_off(void);
void test_off_quietly(void);
void test_spi_of_off(void);
void test_spi_of_off_and_on(void);

/* smp-memory.c */
void test_tlb(void);
void test_icache(void);
void test_exclusives(void);

#endif
