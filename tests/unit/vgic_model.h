/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of IHI 0048B that the vGIC is held against, and what its list registers say against it. */
#ifndef TESTS_UNIT_VGIC_MODEL_H
#define TESTS_UNIT_VGIC_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "vgic/internal.h"
#include "vgic_rig.h"

#define IRQS    256U
#define NONE    ~0U
#define IDLE    0x100U
#define NESTING 40U
#define ORPHAN  BIT(31) /* of an IAR kept: deactivated by ICACTIVER, its EOI drops the priority only */

struct model_irq {
	bool enabled, group1, edge, line, active;
	bool latch; /* edge seen, or ISPENDR written */
	uint8_t priority, targets, sources;
};

/* What a CPU has taken and not yet ended, innermost last; then what only waits for its deactivation. */
struct model_cpu {
	struct model_irq irq[32];
	uint32_t taken[NESTING], priority[NESTING], count;
	uint32_t dropped[NESTING], dropped_count;
	bool split; /* EOImode */
	bool away;  /* loaded nowhere: it does nothing itself */
};

static struct {
	uint32_t cpus, lrs, forwarded;
	bool settled; /* every CPU has done what the last steps asked of it */
	struct model_cpu cpu[MACHINE_MAX_CPUS];
	struct model_irq spi[IRQS - 32];
	uint32_t taken, spilled, recalled, shared; /* statistics */
} m;

#define TWIN 35U /* is the host's SPI HOST */
#define HOST 50U

/* Few of each kind, so that they meet. 27 is the hardware-backed one. */
static const uint32_t ids[] = {0, 1, 2, 15, 20, 22, 27, 30, 32, 33, 34, 35, 36, 47, 63, 64, 255};

static uint64_t seed;

static inline uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13; /* xorshift64 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* --- the model -------------------------------------------------------------------------------------------------- */

static inline struct model_irq *irq_of(uint32_t cpu, uint32_t id)
{
	return id < 32 ? &m.cpu[cpu].irq[id] : &m.spi[id - 32];
}

static inline bool pending(const struct model_irq *irq)
{
	return irq->latch || irq->sources || (irq->line && !irq->edge);
}

static inline bool is_shared(uint32_t id)
{
	return id >= 32 && m.cpus > 1 && (m.spi[id - 32].targets & (m.spi[id - 32].targets - 1U));
}

/* The vCPU that has an interrupt which waits; NONE. */
static inline uint32_t holder_of(uint32_t id)
{
	const struct vgic_irq *irq = vgic_irq(&rig.vcpu[0], id);

	return irq->queued || irq->lr != VGIC_NO_LR ? irq->owner : NONE;
}

/* May `cpu` acknowledge it, priorities aside? Of several targets each may. */
static inline bool candidate(uint32_t cpu, uint32_t id)
{
	const struct model_irq *irq = irq_of(cpu, id);

	if (!pending(irq) || irq->active || !irq->enabled || !(m.forwarded & BIT(irq->group1)))
		return false;
	return id < 32 || m.cpus == 1 || (irq->targets & BIT(cpu));
}

/* What check_cpu() asks for: one that several may have is its holder's (check_shared()). */
static inline bool waits_for(uint32_t cpu, uint32_t id)
{
	return candidate(cpu, id) && (!is_shared(id) || holder_of(id) == cpu);
}

/* The most urgent interrupt that it may; NONE. */
static inline uint32_t best_candidate(uint32_t cpu)
{
	uint32_t best = NONE;

	for (uint32_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (waits_for(cpu, ids[i]) &&
		    (best == NONE || irq_of(cpu, ids[i])->priority < irq_of(cpu, best)->priority))
			best = ids[i];
	return best;
}

static inline void model_reset(void)
{
	for (uint32_t c = 0; c < m.cpus; c++) {
		bool phys = m.cpu[c].irq[30].line, line20 = m.cpu[c].irq[20].line, line22 = m.cpu[c].irq[22].line;
		bool hw = m.cpu[c].irq[27].line;

		m.cpu[c] = (struct model_cpu){.away = m.cpu[c].away};
		for (uint32_t id = 0; id < 16; id++)
			m.cpu[c].irq[id] = (struct model_irq){.edge = true, .enabled = true};
		m.cpu[c].irq[30].line = phys;
		m.cpu[c].irq[20].line = line20;
		m.cpu[c].irq[22].line = line22;
		m.cpu[c].irq[27].line = hw;
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(m.spi); i++)
		m.spi[i] = (struct model_irq){.line = m.spi[i].line};
	m.forwarded = 0;
}

static inline void model_ack(uint32_t cpu, uint32_t iar)
{
	uint32_t id = iar & 0x3ffU;
	struct model_irq *irq = irq_of(cpu, id);
	struct model_cpu *c = &m.cpu[cpu];

	if (id < 16)
		irq->sources &= (uint8_t)~BIT(iar >> 10);
	irq->latch = false;
	irq->active = true;
	assert_in_range(c->count, 0, NESTING - 1);
	c->taken[c->count] = iar;
	c->priority[c->count++] = irq->priority;
	m.taken++;
}

static inline void model_deactivate(uint32_t cpu, uint32_t iar)
{
	irq_of(cpu, iar & 0x3ffU)->active = false;
}

/* --- what the list registers say against it ------------------------------------------------------------------------
 */

static inline void check_lr(uint32_t cpu, uint32_t lr)
{
	uint32_t value = fake_gich[cpu].lr[lr], id = FIELD(value, 0, 10);
	const struct model_irq *irq = irq_of(cpu, id);

	if (value & GICH_LR_ACTIVE) {
		if (!irq->active)
			fail_msg("cpu %u: %u is active in list register %u only", cpu, id, lr);
		return;
	}
	if (vgic_irq(&rig.vcpu[cpu], id)->held)
		fail_msg("%u is held for ever", id);
	if (!candidate(cpu, id))
		fail_msg("cpu %u: %u is offered (0x%08x), and is not to be: enabled %d, line %d, latch %d, active %d",
			 cpu, id, value, irq->enabled, irq->line, irq->latch, irq->active);
	if (FIELD(value, 23, 5) << 3 != irq->priority || !(value & GICH_LR_GROUP1) == irq->group1)
		fail_msg("cpu %u: %u is offered as 0x%08x", cpu, id, value);
	if (id < 16 && !(irq->sources & BIT(FIELD(value, 10, 3))))
		fail_msg("cpu %u: SGI %u is offered from %u", cpu, id, FIELD(value, 10, 3));
}

static inline void check_cpu(uint32_t cpu)
{
	const struct fake_gich *g = &fake_gich[cpu];
	const struct vgic_irq *hw = &rig.vcpu[cpu].vgic.irq[RIG_HW_ID];
	uint32_t best = best_candidate(cpu), priority;
	int offered = fake_gich_best(g);

	if (m.cpu[cpu].away)
		return;
	for (uint32_t lr = 0; lr < m.lrs; lr++)
		if (g->lr[lr] & GICH_LR_STATE)
			check_lr(cpu, lr);
	if (g->phys_active && hw->lr == VGIC_NO_LR && !hw->line && !hw->active)
		fail_msg("cpu %u: the timer's physical interrupt is active for ever", cpu);
	if (best == NONE)
		return;
	priority = irq_of(cpu, best)->priority;
	if (offered < 0)
		fail_msg("cpu %u: nothing is offered, but %u waits", cpu, best);
	if (FIELD(g->lr[offered], 23, 5) << 3 != priority)
		fail_msg("cpu %u: 0x%08x is offered, but %u with priority 0x%02x waits", cpu, g->lr[offered], best,
			 priority);
}

/* What the host's GIC has of the twin, when all have done what was asked of them. */
static inline void check_twin(void)
{
	const struct vgic_irq *irq = vgic_irq(&rig.vcpu[0], TWIN);
	const struct fake_spi *host = &fake_spi[HOST];
	bool there = irq->lr != VGIC_NO_LR || irq->active || irq->line || irq->latch;
	bool taken = irq->taken && !rig_has_ended(irq);

	if (host->active != taken || host->enabled != irq_of(0, TWIN)->enabled || host->edge != irq_of(0, TWIN)->edge ||
	    (irq->taken && !there))
		fail_msg("the twin: active %d, taken %d, enabled %d, edge %d, the guest's is there %d", host->active,
			 taken, host->enabled, host->edge, there);
}

static inline uint32_t running_priority(uint32_t cpu)
{
	uint32_t running = IDLE;

	for (uint32_t i = 0; i < m.cpu[cpu].count; i++)
		running = MIN(running, m.cpu[cpu].priority[i]);
	return running;
}

/* Would its CPU interface signal an interrupt of this priority? */
static inline bool signals(uint32_t cpu, uint32_t priority)
{
	return !m.cpu[cpu].away && priority < running_priority(cpu) &&
	       priority < FIELD(fake_gich[cpu].vmcr, 27, 5) << 3;
}

/*
 * An SPI with several targets, after the millisecond's look: it is with one of them, and with none that would not
 * signal it while another would.
 */
static inline void check_shared(uint32_t id)
{
	const struct model_irq *irq = irq_of(0, id);
	uint32_t holder = holder_of(id);

	if (!is_shared(id) || !candidate(lowest_bit(irq->targets), id))
		return;
	if (holder == NONE || !(irq->targets & BIT(holder)))
		fail_msg("%u, with targets 0x%02x, is with CPU %u", id, irq->targets, holder);
	for (uint32_t c = 0; c < m.cpus; c++)
		if (irq->targets & BIT(c) && signals(c, irq->priority) && !signals(holder, irq->priority))
			fail_msg("%u is with CPU %u (away %d, %s), which does not take it, and CPU %u would", id,
				 holder, m.cpu[holder].away, vgic_irq(&rig.vcpu[0], id)->queued ? "queued" : "offered",
				 c);
	m.shared++;
}

/* A CPU that is away comes back some time. */
static inline bool sleeps(uint32_t cpu)
{
	rig_on(cpu);
	return !m.cpu[cpu].away && !rig.vcpu[cpu].thread.work && !vgic_has_pending(&rig.vcpu[cpu]);
}

/* WFI now, before anything else is done: no vCPU is to sleep that has an interrupt to take, or to give up. */
static inline void check_sleep(uint32_t cpu)
{
	if (!sleeps(cpu))
		return;
	for (uint32_t i = 0; i < ARRAY_SIZE(ids); i++) {
		const struct vgic_irq *irq = vgic_irq(&rig.vcpu[cpu], ids[i]);
		bool here = ids[i] < 32 || (irq->lr == VGIC_NO_LR && !irq->acked);

		if (ids[i] == TWIN && !fake_spi[HOST].active)
			continue; /* the host's interrupt wakes it */
		if (ids[i] != RIG_HW_ID && waits_for(cpu, ids[i]) && (here || sleeps(irq->owner)))
			fail_msg("cpu %u: sleeps though %u waits", cpu, ids[i]);
	}
}

#endif
