/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's promises over simulated time: hyp/run/sched.c and hyp/run/balance.c on 1 to 4 CPUs whose slice timers
 * fire, under vCPUs of several VMs that spin, wait in WFE, sleep and wake each other at random. Looked at after every
 * event:
 *
 * - Who waits while others of its priority run waits for one slice of each of them at most.
 * - A turn that is taken away has lasted a whole slice, and one that a more urgent vCPU interrupts goes on before
 * others.
 * - The most urgent one that is ready runs, and no CPU is idle that a vCPU which waits may use.
 * - No thread that was woken sleeps.
 *
 * 100 runs; 5,000 with SOAK in the environment. SEED repeats one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arm/atomic.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/run/world.h"
#include "hyp/vm/hcr.h"
#include "mm/zero.h"

#define CPUS      4U
#define VCPUS     14U
#define VMS       4U
#define SLICE     1000U /* ticks: a hundredth of timer_hz() */
#define STEPS     3000U
#define EQUAL     3U /* the priority of most */
#define SLICE_PPI 30U
#define clock_now (fake_machine.reg[SYSREG_cntpct])

struct percpu percpu[CPU_MAX];

enum habit {
	SPINS,
	WAITS_IN_WFE,
	SLEEPS_AT_THE_END, /* of its turn, and wakes at once */
	COMES_AND_GOES,
	DOES_ANYTHING,
	HABITS,
};

static struct guest {
	struct thread thread;
	enum habit habit;
	bool asleep;
	uint64_t wake_at;  /* its timer; 0: none */
	uint64_t ran;      /* since it exists */
	uint64_t turn_ran; /* in the turn that it has */
	bool interrupted;  /* in it, by a more urgent one */
	uint64_t waited;   /* for a turn, while others of its priority ran */
	uint32_t rivals;   /* mask of these, and of those that waited beside it */
	uint32_t more;     /* slices that interrupted turns of these may take again, on another CPU */
	const void *last_cpu;
	uint64_t moved_at; /* as last seen */
} guest[VCPUS];

static struct {
	uint64_t at; /* UINT64_MAX: off */
	uint64_t cval;
} slice_timer[CPUS];

static uint32_t cpus, vcpus, kicked;
static struct thread *loaded[CPUS]; /* whose guest's state is in the hardware */
static uint64_t seed, start_seed;
static uint32_t stack[VCPUS], idle_stack[CPUS];
static uint8_t vm_of[VMS];
static uint8_t gicc[GICC_DIR + 4];
volatile uint8_t *gic_gicc = gicc;
static irq_fn slice_irq;
static jmp_buf idle_over;

/* --- what the code under test calls ---------------------------------------------------------------------------------
 */

/* No vCPU of this test ends. */
void thread_leave(uint32_t *to, bool *gone);
void thread_leave(uint32_t *to, bool *gone)
{
	(void)to, (void)gone;
	abort();
}

void thread_switch(uint32_t **from, uint32_t *to);

void thread_switch(uint32_t **from, uint32_t *to)
{
	(void)to;
	if (from == &percpu[cpu_id()].idle_sp)
		longjmp(idle_over, 1); /* out of sched_idle(), which never returns */
}

void world_switch(struct percpu *cpu, struct thread *next)
{
	for (uint32_t i = 0; i < CPUS; i++)
		assert_true(&percpu[i] == cpu || loaded[i] != next); /* its state is in one place, and not elsewhere */
	loaded[cpu->head.id] = next;
}

void world_unload(struct thread *leaving)
{
	if (loaded[cpu_id()] == leaving)
		loaded[cpu_id()] = NULL;
}

struct thread *hcr_take_abort(struct percpu *cpu)
{
	(void)cpu;
	return NULL;
}

void hcr_set_wait_traps(struct thread *running)
{
	assert_ptr_equal(running, percpu[cpu_id()].thread);
}

void gic_send_sgi(uint32_t cpu, uint32_t sgi)
{
	assert_int_equal(sgi, GIC_SGI_KICK);
	kicked |= BIT(cpu);
}

bool zero_step(void)
{
	return false;
}

bool irq_handle_one(void)
{
	return false;
}

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	assert_null(arg);
	assert_int_equal(id, SLICE_PPI);
	slice_irq = fn;
}

uint32_t timer_hz(void)
{
	return SLICE * 100U;
}

static void set_cval(uint32_t reg, uint64_t value)
{
	(void)reg;
	slice_timer[cpu_id()].cval = value;
}

static void set_ctl(uint32_t reg, uint64_t value)
{
	(void)reg;
	slice_timer[cpu_id()].at = value & CNT_ENABLE ? slice_timer[cpu_id()].cval : UINT64_MAX;
}

/* --- the machine and its guests --------------------------------------------------------------------------------------
 */

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(seed >> 33) % below;
}

#define expect(condition, what)                                                                  \
	do {                                                                                     \
		if (!(condition))                                                                \
			fail_msg("SEED=%llu: %s, at %llu", (unsigned long long)start_seed, what, \
				 (unsigned long long)clock_now);                                 \
	} while (0)

static struct guest *of_thread(struct thread *thread)
{
	return container_of(thread, struct guest, thread);
}

static void on(uint32_t cpu)
{
	write_htpidr((uintptr_t)&percpu[cpu]);
}

static void reset(uint64_t with_seed)
{
	fake_machine_reset();
	memset(percpu, 0, sizeof(percpu));
	memset(guest, 0, sizeof(guest));
	memset(loaded, 0, sizeof(loaded));
	kicked = 0;
	seed = start_seed = with_seed;
	clock_now = 5000;
	fake_machine.on_write[SYSREG_cntp_cval] = set_cval;
	fake_machine.on_write[SYSREG_cntp_ctl] = set_ctl;
	for (uint32_t i = 0; i < CPUS; i++) {
		percpu[i].head.id = i;
		percpu[i].idle_sp = &idle_stack[i];
		on(i);
		sched_init_cpu(&percpu[i], SLICE_PPI);
		percpu[i].online = i < cpus;
	}
	vcpus = 0;
}

static struct guest *add(enum habit habit, uint32_t vm, uint32_t priority, uint32_t affinity)
{
	struct guest *g = &guest[vcpus];

	g->thread.sp = &stack[vcpus];
	g->thread.group = &vm_of[vm];
	g->thread.priority = priority;
	g->habit = habit;
	vcpus++;
	assert_int_equal(sched_attach(&g->thread, affinity, false), 0);
	return g;
}

static void leave_idle(void)
{
	longjmp(idle_over, 1);
}

static void idle(void)
{
	fake_machine.on_wait = leave_idle;
	if (setjmp(idle_over) == 0)
		sched_idle();
}

static void new_wait(struct guest *g)
{
	g->waited = 0;
	g->rivals = 0;
	g->more = 0;
}

static void new_turn(struct guest *g)
{
	g->turn_ran = 0;
	g->interrupted = false;
	new_wait(g);
}

/* A turn that has begun begins anew, later. Others may wait for both. */
static void begins_anew(struct guest *g)
{
	for (uint32_t i = 0; i < vcpus; i++)
		guest[i].more++;
	g->interrupted = false;
	g->turn_ran = 0;
}

enum why { TIMER, REQUEST, WFE, BLOCK };

/* `before` ran on this CPU until it did, or met, `why`; the slice ended at `end`. */
static void note_switch(struct thread *before, enum why why, uint64_t end)
{
	struct thread *after = this_cpu()->thread;
	struct guest *from, *to = after ? of_thread(after) : NULL;

	if (before == after)
		return;
	from = before ? of_thread(before) : NULL;
	if (to)
		new_wait(to);
	if (from)
		new_wait(from);
	if (to && to->interrupted) {
		to->interrupted = false;
	} else if (why == WFE && to && after->group == before->group && slice_timer[cpu_id()].at == end) {
		to->turn_ran = from->turn_ran; /* they have changed places */
		from->turn_ran = 0;
		return;
	}
	if (!from)
		return;
	if (why == REQUEST && end <= clock_now)
		why = TIMER; /* its interrupt would have come now */
	if (why == TIMER)
		expect(from->turn_ran >= SLICE, "a turn was too short");
	if (why == REQUEST && after->priority > before->priority) {
		from->interrupted = true;
		return;
	}
	if (why == REQUEST) {
		expect(after->waits_since < before->waits_since, "a turn was taken away");
		begins_anew(from);
	}
	from->turn_ran = 0;
}

/* As hyp/exit/exit.c on the way back into the guest, or the idle thread. */
static void serve(uint32_t cpu)
{
	struct thread *thread;
	uint32_t work;
	uint64_t end;

	on(cpu);
	kicked &= ~BIT(cpu);
	while ((thread = percpu[cpu].thread) != NULL && (work = atomic_take(&thread->work)) != 0) {
		if (work & WORK_BALANCE)
			sched_balance();
		if (work & WORK_RESCHED) {
			end = slice_timer[cpu].at;
			sched_give_way();
			note_switch(thread, REQUEST, end);
		}
		if (work & WORK_SLICE)
			sched_check_slice();
	}
	if (!percpu[cpu].thread) {
		idle();
		note_switch(NULL, REQUEST, 0);
	}
}

/* Moves made meanwhile: whoever was interrupted, or overtaken then by one that has waited for longer, begins anew. */
static void note_moves(void)
{
	for (uint32_t i = 0; i < vcpus; i++) {
		struct guest *g = &guest[i];

		if (g->last_cpu == g->thread.cpu)
			continue;
		g->last_cpu = g->thread.cpu;
		if (g->thread.moved_at != g->moved_at) { /* it begins to wait anew, once in a turn */
			g->moved_at = g->thread.moved_at;
			new_wait(g);
		}
		g->more++; /* whoever ran there alone has a slice from now on */
		if (g->interrupted)
			begins_anew(g);
		for (uint32_t j = 0; j < vcpus; j++)
			if (guest[j].interrupted && guest[j].thread.cpu == g->thread.cpu &&
			    guest[j].thread.priority == g->thread.priority && !guest[j].thread.turn_left)
				begins_anew(&guest[j]);
	}
}

/* Until every CPU has seen what was sent to it, and is in a guest, or idle. */
static void settle(uint32_t cpu)
{
	serve(cpu);
	for (uint32_t i = 0; kicked; i++) {
		expect(i < 1000, "CPUs kick each other without end");
		serve(lowest_bit(kicked));
	}
	note_moves();
}

static void wake(uint32_t cpu, struct guest *g)
{
	on(cpu);
	sched_wake(&g->thread);
	g->wake_at = 0;
	g->asleep = false;
	expect(g->thread.running ? g->thread.wake_pending : g->thread.queued, "a wake-up was lost");
	settle(cpu);
}

static void block(uint32_t cpu, struct guest *g, uint64_t ticks)
{
	g->wake_at = clock_now + ticks;
	g->asleep = true;
	sched_block();
	note_switch(&g->thread, BLOCK, 0);
	if (percpu[cpu].thread == &g->thread)
		g->asleep = false;
}

/* WFE traps where a thread waits. */
static void wait_for_event(uint32_t cpu, struct guest *g)
{
	uint64_t end = slice_timer[cpu].at;

	if (!(percpu[cpu].ready >> g->thread.priority))
		return;
	sched_yield_spin();
	note_switch(&g->thread, WFE, end);
}

/* SGIs to any of its VM, hypercalls that let others run, WFI with an interrupt that comes meanwhile. */
static void anything(uint32_t cpu, struct guest *g)
{
	struct guest *other = &guest[rnd(vcpus)];
	uint64_t end = slice_timer[cpu].at;

	switch (rnd(6)) {
	case 0:
		wait_for_event(cpu, g);
		break;
	case 1:
		block(cpu, g, 1 + rnd(3 * SLICE));
		break;
	case 2:
		if (other->thread.group == g->thread.group && other != g)
			wake(cpu, other);
		break;
	case 3:
		sched_preempt();
		note_switch(&g->thread, REQUEST, end);
		break;
	case 4:
		sched_wake(&g->thread);
		block(cpu, g, 1);
		break;
	default:
		sched_check_slice();
	}
}

static void act(uint32_t cpu)
{
	struct thread *thread = percpu[cpu].thread;
	struct guest *g;

	if (!thread)
		return;
	g = of_thread(thread);
	on(cpu);
	switch (g->habit) {
	case WAITS_IN_WFE:
		wait_for_event(cpu, g);
		break;
	case SLEEPS_AT_THE_END:
		if (slice_timer[cpu].at - clock_now < SLICE / 4)
			block(cpu, g, 1 + rnd(5));
		break;
	case COMES_AND_GOES:
		if (rnd(4) == 0)
			block(cpu, g, 1 + rnd(3 * SLICE));
		break;
	case DOES_ANYTHING:
		anything(cpu, g);
		break;
	default:
		break;
	}
	settle(cpu);
}

/* --- what is promised ------------------------------------------------------------------------------------------------
 */

static uint32_t idle_ones(void)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < cpus; i++) {
		mask |= percpu[i].thread ? 0 : BIT(i);
		expect(percpu[i].thread || slice_timer[i].at == UINT64_MAX, "a CPU is idle and ticks");
	}
	return mask;
}

/* `g` waits, and everything is as it will be for `ticks`. */
static void check_waiting(struct guest *g, uint32_t idle_mask, uint64_t ticks)
{
	const struct percpu *cpu = g->thread.cpu;

	expect(!(g->thread.affinity & idle_mask), "one waits and a CPU is idle");
	expect(cpu->thread->priority >= g->thread.priority, "a more urgent one waits");
	for (uint32_t i = 0; i < vcpus; i++) {
		const struct thread *v = &guest[i].thread;

		if (&guest[i] != g && v->cpu == cpu && v->priority == g->thread.priority && (v->queued || v->running))
			g->rivals |= BIT(i);
	}
	if (cpu->thread->priority > g->thread.priority)
		return;
	expect(!g->interrupted, "an interrupted turn does not go on");
	g->waited += ticks;
	expect(g->waited <= ((uint32_t)__builtin_popcount(g->rivals) + g->more) * SLICE,
	       "one waits for more than its turn");
}

static void check(uint64_t ticks)
{
	uint32_t idle_mask = idle_ones();

	for (uint32_t i = 0; i < vcpus; i++) {
		struct guest *g = &guest[i];

		if (g->thread.queued) {
			check_waiting(g, idle_mask, ticks);
		} else if (g->thread.running) {
			expect(percpu[g->thread.cpu->head.id].thread == &g->thread, "two CPUs run one");
			g->ran += ticks;
			g->turn_ran += ticks;
		} else {
			expect(g->asleep, "one that is awake is nowhere");
		}
	}
}

/* To the next event, or less far. */
static void advance(void)
{
	uint64_t to = clock_now + 1 + rnd(SLICE / 3), step;

	for (uint32_t i = 0; i < cpus; i++)
		to = MIN(to, slice_timer[i].at);
	for (uint32_t i = 0; i < vcpus; i++)
		if (guest[i].wake_at)
			to = MIN(to, guest[i].wake_at);
	step = to > clock_now ? to - clock_now : 0;
	check(step);
	clock_now += step;
}

static void step(void)
{
	uint32_t first = rnd(cpus);

	fake_machine.events = 0;
	advance();
	for (uint32_t i = 0; i < cpus; i++) {
		uint32_t cpu = (first + i) % cpus;
		struct thread *before = percpu[cpu].thread;

		if (slice_timer[cpu].at > clock_now)
			continue;
		on(cpu);
		slice_irq(SLICE_PPI, NULL);
		note_switch(before, TIMER, 0);
		settle(cpu);
	}
	for (uint32_t i = 0; i < vcpus; i++)
		if (guest[i].wake_at && guest[i].wake_at <= clock_now)
			wake(rnd(cpus), &guest[i]);
	for (uint32_t i = 0; i < cpus; i++)
		if (rnd(2))
			act((first + i) % cpus);
}

static void start(void)
{
	for (uint32_t i = 0; i < cpus; i++)
		settle(i);
	for (uint32_t i = 0; i < vcpus; i++)
		new_turn(&guest[i]);
}

/* --- the tests -------------------------------------------------------------------------------------------------------
 */

static void random_run(uint64_t with_seed)
{
	uint32_t number, all;

	cpus = 1 + (uint32_t)(with_seed % CPUS);
	all = BIT(cpus) - 1U;
	reset(with_seed);
	number = cpus + 1 + rnd(VCPUS - cpus);
	for (uint32_t i = 0; i < number; i++) {
		uint32_t kind = rnd(8), affinity = rnd(3) ? all : BIT(rnd(cpus));

		if (kind == 0) /* these leave something to the others */
			add(COMES_AND_GOES, rnd(VMS), EQUAL + 1 + rnd(2), affinity);
		else if (kind == 1)
			add(SPINS, rnd(VMS), EQUAL - 1, affinity);
		else
			add((enum habit)rnd(HABITS), rnd(VMS), EQUAL, affinity);
	}
	start();
	for (uint32_t i = 0; i < STEPS; i++)
		step();
}

static void test_turns(void **state)
{
	const char *only = getenv("SEED");
	uint64_t runs = getenv("SOAK") ? 5000 : 100;

	(void)state;
	if (only) {
		random_run(strtoull(only, NULL, 0));
		return;
	}
	for (uint64_t i = 1; i <= runs; i++)
		random_run(i);
}

static void run_for(uint64_t slices)
{
	uint64_t from = clock_now;

	start();
	while (clock_now - from < slices * SLICE)
		step();
}

/* What `g` had of `slices` of one CPU, in 1/1000. */
static uint32_t share_of_time(const struct guest *g, uint64_t slices)
{
	return (uint32_t)(g->ran / slices);
}

/*
 * Three that never sleep, each in a VM of its own, beside a VM of 1 to 6 vCPUs that do whatever its habit is: of the
 * CPUs that they share each of the three has what it would have beside as many that spin, less a fiftieth. So the VM
 * has no more than its share and that.
 */
static void share_beside(enum habit habit, uint32_t others)
{
	uint32_t fair = MIN(1000 * cpus / (3 + others), 1000);

	reset(habit * 100 + others);
	for (uint32_t i = 0; i < 3 + others; i++)
		add(i < 3 ? SPINS : habit, MIN(i, 3), EQUAL, BIT(cpus) - 1U);
	run_for(2000);
	for (uint32_t i = 0; i < 3; i++)
		expect(share_of_time(&guest[i], 2000) >= fair - fair / 50,
		       "one that never sleeps has less than its share");
}

static void test_shares(void **state)
{
	(void)state;
	for (cpus = 1; cpus <= CPUS; cpus++)
		for (uint32_t habit = SPINS; habit < HABITS; habit++)
			for (uint32_t others = 1; others <= 6; others++)
				share_beside((enum habit)habit, others);
}

/* Two that spin in WFE for a third of their VM that does not run, and one of another VM. */
static void test_two_in_wfe(void **state)
{
	(void)state;
	cpus = 1;
	reset(1);
	add(WAITS_IN_WFE, 0, EQUAL, BIT(0));
	add(WAITS_IN_WFE, 0, EQUAL, BIT(0));
	add(SPINS, 1, EQUAL, BIT(0));
	run_for(1000);
	expect(share_of_time(&guest[2], 1000) >= 333, "one that never sleeps has less than its share");
}

/* The only one that may move, between CPUs where more wait than have turns between two looks for a better CPU. */
static void test_moved_for_ever(void **state)
{
	(void)state;
	cpus = 2;
	reset(1);
	for (uint32_t i = 0; i < 12; i++)
		add(SPINS, 0, EQUAL, BIT(i / 6));
	add(SPINS, 1, EQUAL, BIT(0) | BIT(1));
	run_for(2000);
	expect(share_of_time(&guest[12], 2000) >= 1000 / 7 - 20, "one that moves has less than its share");
}

/* A more urgent one that never sleeps has come to where one waits that could share another CPU. */
static void test_lesser(void **state)
{
	(void)state;
	cpus = 2;
	reset(1);
	add(SPINS, 0, EQUAL, BIT(0) | BIT(1));
	add(SPINS, 0, EQUAL, BIT(1));
	add(SPINS, 1, EQUAL + 1, BIT(0));
	run_for(2000);
	expect(share_of_time(&guest[0], 2000) >= 300, "one behind a more urgent one never moves");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),          cmocka_unit_test(test_shares), cmocka_unit_test(test_two_in_wfe),
		cmocka_unit_test(test_moved_for_ever), cmocka_unit_test(test_lesser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
