/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vCPUs live on which physical CPU: how many, and whether it is dedicated to one. The numbers are `assigned` of
 * struct percpu, and they change here only.
 */
#ifndef HYP_RUN_PLACE_H
#define HYP_RUN_PLACE_H

#include <stdbool.h>

#include "hyp/run/percpu.h"

/* Bit n: CPU n is dedicated to the vCPU that lives there, and no other may. Comes and goes with VMs. */
extern volatile uint32_t dedicated_cpus;

/* The CPUs of mask `affinity` that are online, and those of them that are not dedicated. */
uint32_t place_present(uint32_t affinity);
uint32_t place_usable(uint32_t affinity);

/*
 * A place for a new vCPU, which counts there from now on: the CPU of `affinity` with the fewest. `dedicated`: one where
 * no thread lives, and no other will. NULL: there is none.
 */
struct percpu *place_take(uint32_t affinity, bool dedicated);

/* A vCPU that lives there is no more. */
void place_leave(struct percpu *cpu);

/* A vCPU moves. False: `to` has become dedicated since it was chosen, and the vCPU stays. */
bool place_change(struct percpu *from, struct percpu *to);

#endif
