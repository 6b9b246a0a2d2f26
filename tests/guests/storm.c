/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All CPUs send each other SGIs of four priorities and take both timers' interrupts, handlers preempting each other. An
 * SGI that is sent again while it is pending is one (IHI 0048B 3.2.3), so a sender waits until the handler of its last
 * one has begun; then what was sent and what was taken must agree, one by one. "deliveries=N" in the boot arguments:
 * how many in all.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define SGIS       4U /* SGI i has priority 0x20 + 0x40 * i */
#define LONGEST_US 400U
#define PATIENCE_S 60U

static uint32_t count, wanted;
static struct barrier barrier;
static volatile bool stop;

/* By receiver and sender. The sender writes `sent`, the receiver the rest. */
static struct pair {
	volatile uint32_t sent, taken;
} pairs[GUEST_CPUS][GUEST_CPUS][SGIS];

static struct storm_cpu {
	volatile uint32_t deliveries; /* all that this CPU has taken */
	volatile uint32_t armed[2], fired[2], wrong, strange;
	uint32_t seed, depth, deepest;
	uint32_t pad[6];
} storm[GUEST_CPUS] __attribute__((aligned(64)));

static const struct timer *const timers[2] = {&timer_virt, &timer_phys};

static uint32_t rnd(struct storm_cpu *c, uint32_t below)
{
	c->seed = c->seed * UINT32_C(1664525) + UINT32_C(1013904223);
	return (uint32_t)((uint64_t)c->seed * below >> 32);
}

static void arm(struct storm_cpu *c, uint32_t which)
{
	if (stop)
		return;
	c->armed[which]++;
	timers[which]->set_tval((uint32_t)timer_ticks(rnd(c, LONGEST_US)));
	timers[which]->set_ctl(TIMER_ENABLE);
}

static void take_timer(struct storm_cpu *c, uint32_t which)
{
	c->wrong += !(timers[which]->ctl() & TIMER_ISTATUS);
	timers[which]->set_ctl(0);
	c->fired[which]++;
	arm(c, which);
}

static void take_sgi(struct storm_cpu *c, uint32_t iar)
{
	struct pair *p = &pairs[this_cpu()->index][FIELD(iar, 10, 3)][iar & 0x3ff];
	uint32_t taken = p->taken + 1;

	c->wrong += taken != p->sent; /* one was out: this is it, or it comes twice */
	dmb();
	p->taken = taken; /* from here on it may be sent again */
}

static void storm_irq(void)
{
	struct storm_cpu *c = &storm[this_cpu()->index];
	uint32_t iar = read32(CPUIF_IAR), id = iar & 0x3ff;

	if (id == GIC_SPURIOUS)
		return;
	if (++c->depth > c->deepest)
		c->deepest = c->depth;
	irq_enable(); /* what is more urgent comes in between */
	if (id < SGIS)
		take_sgi(c, iar);
	else if (id == timer_virt.irq || id == timer_phys.irq)
		take_timer(c, id == timer_phys.irq);
	else
		c->strange++;
	irq_disable();
	c->depth--;
	c->deliveries++;
	write32(CPUIF_EOIR, iar);
}

/* False: the last one is still on its way. */
static bool send(uint32_t self, uint32_t to, uint32_t sgi)
{
	struct pair *p = &pairs[to][self][sgi];

	if (p->sent != p->taken)
		return false;
	p->sent = p->sent + 1;
	dsb();
	write32(DIST_SGIR, BIT(16 + to) | sgi);
	return true;
}

/* Everything that was sent or armed has been taken. */
static bool is_quiet(uint32_t self)
{
	for (uint32_t from = 0; from < count; from++)
		for (uint32_t sgi = 0; sgi < SGIS; sgi++)
			if (pairs[self][from][sgi].sent != pairs[self][from][sgi].taken)
				return false;
	return storm[self].armed[0] == storm[self].fired[0] && storm[self].armed[1] == storm[self].fired[1];
}

static uint32_t all_deliveries(void)
{
	uint32_t all = 0;

	for (uint32_t cpu = 0; cpu < count; cpu++)
		all += storm[cpu].deliveries;
	return all;
}

static void storm_cpu(void *arg)
{
	uint32_t self = this_cpu()->index;
	struct storm_cpu *c = &storm[self];
	uint64_t end;

	(void)arg;
	gic_cpu_init();
	for (uint32_t sgi = 0; sgi < SGIS; sgi++)
		gic_set_priority(sgi, 0x20 + 0x40 * sgi);
	gic_set_priority(timer_virt.irq, 0x40);
	gic_set_priority(timer_phys.irq, 0x80);
	write32(DIST_ISENABLER(0), BIT(timer_virt.irq) | BIT(timer_phys.irq) | 0xffff);
	irq_set_handler(storm_irq);
	c->seed = self * UINT32_C(77777) + 1;
	barrier_wait(&barrier, count);
	for (uint32_t which = 0; which < 2; which++)
		arm(c, which);
	irq_enable();
	while (!stop) {
		if (!send(self, rnd(c, count), rnd(c, SGIS)) && rnd(c, 4) == 0) {
			irq_disable();
			if (!stop)
				wfi(); /* a timer wakes it, if nothing else */
			irq_enable();
		}
		if (self == 0 && all_deliveries() >= wanted)
			stop = true;
	}
	barrier_wait(&barrier, count); /* no CPU sends any more */
	end = timer_virt.count() + timer_ticks(1000000) * PATIENCE_S;
	while (!is_quiet(self) && timer_virt.count() < end)
		;
	irq_disable();
	barrier_wait(&barrier, count);
}

static void judge(void)
{
	uint32_t sent = 0, taken = 0, armed = 0, fired = 0, wrong = 0, strange = 0, deepest = 0;

	for (uint32_t cpu = 0; cpu < count; cpu++) {
		for (uint32_t from = 0; from < count; from++)
			for (uint32_t sgi = 0; sgi < SGIS; sgi++) {
				sent += pairs[cpu][from][sgi].sent;
				taken += pairs[cpu][from][sgi].taken;
				wrong += pairs[cpu][from][sgi].sent != pairs[cpu][from][sgi].taken;
			}
		armed += storm[cpu].armed[0] + storm[cpu].armed[1];
		fired += storm[cpu].fired[0] + storm[cpu].fired[1];
		wrong += storm[cpu].wrong;
		strange += storm[cpu].strange;
		deepest = storm[cpu].deepest > deepest ? storm[cpu].deepest : deepest;
	}
	printf("storm: %u SGIs sent, %u taken; %u timers armed, %u taken; %u deep\n", (unsigned int)sent,
	       (unsigned int)taken, (unsigned int)armed, (unsigned int)fired, (unsigned int)deepest);
	report_eq(taken, sent, "every SGI was taken once");
	report_eq(fired, armed, "every timer fired once");
	report_eq(wrong, 0, "each by each");
	report_eq(strange, 0, "and nothing else");
	report(all_deliveries() >= wanted, "%u deliveries", (unsigned int)wanted);
}

void guest_main(void)
{
	wanted = param("deliveries=", 20000);
	count = smp_count();
	printf("storm: %u CPUs, deliveries=%u\n", (unsigned int)count, (unsigned int)wanted);
	mmu_short_init();
	mmu_short_on();
	gic_init();
	smp_run_all(storm_cpu, NULL);
	judge();
}
