/* SPDX-License-Identifier: BSD-2-Clause */
/* See balance.h. Loads of other CPUs are read without their locks: a choice by numbers of a moment ago does no harm. */
#include "hyp/run/balance.h"
#include "hyp/lib/bits.h"
#include "hyp/run/place.h"
#include "hyp/run/queue.h"

#define SHARE_MARGIN 32U /* 1/1024, by which a share has to be larger: more than what a slice adds */

/* threads on `cpu` that `thread` has to share it with, or to wait for. */
static uint32_t count_rivals(const struct percpu *cpu, const struct thread *thread)
{
	uint32_t n = 0;

	for (uint32_t p = thread->priority; p < SCHED_PRIORITIES; p++)
		n += cpu->load[p];
	return n - (thread->cpu == cpu ? 1U : 0U);
}

/*
 * Where `thread`, which waits on this CPU, would do better, or, after some turns here, as well; NULL: nowhere. Of
 * several the next by number, around the end: so each has its turn.
 */
static struct percpu *better_cpu(const struct thread *thread, bool as_well)
{
	uint32_t limit = count_rivals(thread->cpu, thread) + (as_well ? 1U : 0U), here = thread->cpu->head.id;
	uint32_t allowed = thread->affinity & ~dedicated_cpus;
	struct percpu *best = NULL;

	for (uint32_t i = 1; i < CPU_MAX; i++) {
		struct percpu *cpu = &percpu[(here + i) % CPU_MAX];
		uint32_t n;

		if (!(allowed & BIT((here + i) % CPU_MAX)))
			continue;
		n = count_rivals(cpu, thread);
		if (n < limit) {
			limit = n;
			best = cpu;
		}
	}
	return best;
}

/*
 * How much of the time that it wanted to run it had a CPU, over about the last second, in 1/1024. Called often enough
 * by those that wait, and by no other thread.
 */
static uint32_t share_of(struct thread *thread, uint64_t now)
{
	uint64_t ran = thread->ran - thread->ran_mark + (thread->running ? now : 0);
	uint64_t wanted = thread->wanted - thread->wanted_mark + now;
	uint32_t shift;

	if (wanted > timer_hz()) { /* half of it counts from now on */
		thread->ran_mark += ran / 2;
		thread->wanted_mark += wanted / 2;
	}
	shift = wanted >> 20 ? 44U - (uint32_t)__builtin_clzll(wanted) : 0;
	return wanted ? ((uint32_t)(ran >> shift) << 10) / (uint32_t)(wanted >> shift) : 0;
}

struct candidate {
	struct choice choice;
	uint32_t share;
};

/* Who has had the largest share goes: those who stay gain. */
static void consider_thread(struct candidate *best, struct thread *thread, bool as_well, uint64_t now)
{
	uint32_t share = share_of(thread, now);
	struct percpu *to;

	if (best->choice.thread && share <= best->share)
		return;
	to = better_cpu(thread, as_well);
	if (to)
		*best = (struct candidate){{.thread = thread, .to = to}, share};
}

/*
 * Of those that have a better CPU the most urgent, and of these the one with the largest share. Holder of rq_lock.
 */
static struct candidate best_to_give(struct percpu *cpu, bool as_well)
{
	struct candidate best = {0};
	uint64_t now = timer_now();

	for (uint32_t ready = cpu->ready; ready && !best.choice.thread;) {
		uint32_t p = 31U - (uint32_t)__builtin_clz(ready);

		ready &= ~BIT(p);
		for (struct list *node = cpu->queue[p].next; node != &cpu->queue[p]; node = node->next)
			consider_thread(&best, queue_thread(node), as_well, now);
	}
	return best;
}

/*
 * For fairness alone the running one should move, which it can when its slice has ended. It is not waited for where one
 * that waits would gain: its new CPU may be idle. Holder of rq_lock.
 */
static bool running_is_next(struct percpu *cpu, const struct candidate *best, uint32_t share)
{
	return share > best->share && share - best->share > SHARE_MARGIN && !better_cpu(best->choice.thread, false) &&
	       better_cpu(cpu->thread, true);
}

struct choice balance_choose(struct percpu *cpu)
{
	bool as_well = cpu->slices >= BALANCE_SLICES;
	struct candidate best = best_to_give(cpu, as_well);
	uint32_t share;

	if (best.choice.thread) {
		share = share_of(cpu->thread, timer_now());
		if (as_well && running_is_next(cpu, &best, share))
			return (struct choice){0};
		best.choice.had_more = best.share > share;
	}
	cpu->slices = 0;
	return best.choice;
}
