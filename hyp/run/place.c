/* SPDX-License-Identifier: BSD-2-Clause */
/* See place.h. */
#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "hyp/run/place.h"

/* Who lives where: a vCPU moves, or a CPU becomes dedicated, and neither while the other one happens. */
static struct spinlock places_lock;
volatile uint32_t dedicated_cpus;

uint32_t place_present(uint32_t affinity)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (percpu[i].online)
			mask |= BIT(i);
	return mask & affinity;
}

uint32_t place_usable(uint32_t affinity)
{
	return place_present(affinity) & ~dedicated_cpus;
}

/* Holder of places_lock. */
static struct percpu *least_assigned(uint32_t mask)
{
	struct percpu *best = NULL;

	for (; mask; mask &= mask - 1U) {
		struct percpu *cpu = &percpu[lowest_bit(mask)];

		if (!best || cpu->assigned < best->assigned)
			best = cpu;
	}
	return best;
}

struct percpu *place_take(uint32_t affinity, bool dedicated)
{
	struct percpu *best;

	spin_lock(&places_lock);
	best = least_assigned(place_usable(affinity));
	if (best && dedicated && best->assigned)
		best = NULL;
	if (best) {
		best->assigned++;
		dedicated_cpus |= dedicated ? BIT(best->head.id) : 0;
	}
	spin_unlock(&places_lock);
	return best;
}

void place_leave(struct percpu *cpu)
{
	spin_lock(&places_lock);
	cpu->assigned--;
	dedicated_cpus &= ~BIT(cpu->head.id); /* if it was, it was to this one */
	spin_unlock(&places_lock);
}

bool place_change(struct percpu *from, struct percpu *to)
{
	bool open;

	spin_lock(&places_lock);
	open = !(dedicated_cpus & BIT(to->head.id));
	if (open) {
		from->assigned--;
		to->assigned++;
	}
	spin_unlock(&places_lock);
	return open;
}
