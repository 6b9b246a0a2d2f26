/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random deadlines on both timers of every CPU at once, by CVAL and by TVAL, slept for by WFI or waited for, some of
 * them past already: each comes, once, and not before its time (DDI 0406C B8.1.5). How late is said, not judged: that
 * depends on the machine. "deadlines=N" in the boot arguments: how many for each timer and CPU. Nothing here minds a
 * vCPU that moves, waits for its CPU, or is paused meanwhile.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define LONGEST_US 2000U
#define PATIENCE_S 60U

static uint32_t count, wanted;
static struct barrier barrier;

static struct track {
	volatile uint32_t fired;
	uint32_t armed, early, twice, lost;
	uint64_t due, late_sum, late_max; /* ticks */
} tracks[GUEST_CPUS][2] __attribute__((aligned(64)));

static const struct timer *const timers[2] = {&timer_virt, &timer_phys};

static void deadline_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR), which = iar == timer_phys.irq;
	struct track *k = &tracks[this_cpu()->index][which];
	uint64_t now, late;

	if (iar == GIC_SPURIOUS)
		return;
	now = timers[which]->count();
	timers[which]->set_ctl(0);
	late = now - k->due;
	k->early += now < k->due;
	k->twice += k->fired == k->armed;
	if (now >= k->due) {
		k->late_sum += late;
		k->late_max = late > k->late_max ? late : k->late_max;
	}
	k->fired++;
	write32(CPUIF_EOIR, iar);
}

static uint32_t rnd(uint32_t *seed, uint32_t below)
{
	*seed = *seed * UINT32_C(1664525) + UINT32_C(1013904223);
	return (uint32_t)((uint64_t)*seed * below >> 32);
}

/* Interrupts are masked: the deadline is written down before it can come. */
static void arm(struct track *k, const struct timer *t, uint32_t *seed)
{
	uint32_t ahead = (uint32_t)timer_ticks(rnd(seed, LONGEST_US)), kind = rnd(seed, 8);

	k->armed++;
	if (kind < 4)
		t->set_cval(t->count() + ahead);
	else if (kind < 7)
		t->set_tval(ahead);
	else
		t->set_cval(t->count() - ahead); /* past */
	k->due = t->cval();
	t->set_ctl(TIMER_ENABLE);
}

static void wait_for_last(uint32_t self)
{
	uint64_t limit = timer_virt.count() + timer_ticks(1000000) * PATIENCE_S;

	irq_enable();
	for (uint32_t which = 0; which < 2; which++) {
		while (tracks[self][which].fired != wanted && timer_virt.count() < limit)
			;
		tracks[self][which].lost += tracks[self][which].fired != wanted;
	}
	irq_disable();
}

static void run(void *arg)
{
	uint32_t self = this_cpu()->index, seed = self * UINT32_C(77777) + 1;

	(void)arg;
	gic_cpu_init();
	for (uint32_t which = 0; which < 2; which++) {
		gic_set_priority(timers[which]->irq, which ? 0x40 : 0x80);
		gic_enable(timers[which]->irq);
	}
	irq_set_handler(deadline_irq);
	barrier_wait(&barrier, count);
	while (tracks[self][0].armed < wanted || tracks[self][1].armed < wanted) {
		uint32_t which = rnd(&seed, 2), sleep = rnd(&seed, 4);
		struct track *k = &tracks[self][which];
		uint64_t limit = timer_virt.count() + timer_ticks(1000000) * PATIENCE_S;

		if (k->armed == wanted)
			continue;
		if (k->fired == k->armed)
			arm(k, timers[which], &seed);
		do { /* the other timer's goes on */
			if (sleep > 1 && k->fired != k->armed)
				wfi(); /* masked, or what comes in between is slept over */
			irq_enable();
			isb();
			irq_disable();
		} while (sleep && k->fired != k->armed && timer_virt.count() < limit);
		if (timer_virt.count() >= limit) {
			k->lost++;
			k->fired = k->armed;
		}
	}
	wait_for_last(self);
	barrier_wait(&barrier, count);
}

static unsigned int microseconds(uint64_t ticks)
{
	return (unsigned int)(ticks * 1000000U / read_cntfrq());
}

void guest_main(void)
{
	wanted = param("deadlines=", 100);
	count = smp_count();
	printf("deadlines: %u CPUs, deadlines=%u\n", (unsigned int)count, (unsigned int)wanted);
	mmu_short_init();
	mmu_short_on();
	gic_init();
	smp_run_all(run, NULL);
	for (uint32_t which = 0; which < 2; which++) {
		struct track all = {0};

		for (uint32_t cpu = 0; cpu < count; cpu++) {
			const struct track *k = &tracks[cpu][which];

			all.fired += k->fired;
			all.early += k->early;
			all.twice += k->twice;
			all.lost += k->lost;
			all.late_sum += k->late_sum;
			all.late_max = k->late_max > all.late_max ? k->late_max : all.late_max;
		}
		report_eq(all.fired, wanted * count, timers[which]->name);
		report_eq(all.early, 0, "none early");
		report_eq(all.lost, 0, "none lost");
		report_eq(all.twice, 0, "none twice");
		printf("%s timer: late by %u us on average, %u us at most\n", timers[which]->name,
		       microseconds(all.late_sum / all.fired), microseconds(all.late_max));
	}
}
