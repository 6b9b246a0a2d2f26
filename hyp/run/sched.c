/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scheduling. The queues belong to cpu->rq_lock; the thread switch itself touches only this CPU's data. No two rq_locks
 * are held at once: a thread on its way to another CPU is in no queue, but says that it is queued, so that no CPU wakes
 * it. Compiled for speed.
 *
 * Fairness rests on turns. A thread's turn is one slice on the CPU, which ends early only by what that thread does
 * itself. A queue is in the order in which its threads began to wait for a turn: whoever wakes up or has had a turn
 * goes behind all others. So a thread waits for at most one turn of each rival, whatever these do. One that is moved to
 * another CPU keeps its place, or moves could keep it from running for ever. One that has had more than others begins
 * to wait anew, once: it would gain by being moved.
 */
#include <errno.h>

#include <arm/atomic.h>
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/arm/switch.h"
#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/run/balance.h"
#include "hyp/run/irq.h"
#include "hyp/run/kick.h"
#include "hyp/run/place.h"
#include "hyp/run/queue.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/run/world.h"
#include "hyp/vm/hcr.h"
#include "mm/zero.h"

#define SLICE_HZ     100U /* time slices a second where threads share a CPU */
#define SIBLINGS_MAX 8U   /* threads looked at for one of the same VM */

static volatile uint32_t idle_cpus; /* bit n: CPU n has nothing to run */
static uint32_t online_cpus;

/* Slices have the non-secure PL1 physical timer, CNTP, which guests do not reach: theirs is emulated. */
static inline void set_slice_end(struct percpu *cpu, uint64_t end)
{
	cpu->slice_end = end;
	write_cntp_cval(end);
	write_cntp_ctl(CNT_ENABLE);
}

static inline void begin_slice(struct percpu *cpu, uint64_t now)
{
	set_slice_end(cpu, now + cpu->slice_ticks);
}

static inline void end_slice(struct percpu *cpu)
{
	write_cntp_ctl(0);
	cpu->slice_end = 0;
}

void sched_check_slice(void)
{
	struct percpu *cpu = this_cpu();

	if (cpu->ready && cpu->thread && !cpu->slice_end)
		begin_slice(cpu, timer_now());
	if (cpu->thread)
		hcr_set_wait_traps(cpu->thread);
}

/* The running thread has had its time. It is still cpu->thread, until choose_thread() or rotate_thread(). */
static inline void stop_running(struct thread *thread, bool queued, uint64_t now)
{
	thread->queued = queued;
	thread->running = false;
	thread->ran += now;
}

static inline void begin_running(struct percpu *cpu, struct thread *thread, uint64_t now)
{
	thread->ran -= now;
	thread->queued = false;
	thread->running = true;
	cpu->thread = thread;
}

/* The next to run here, as all CPUs see it from now on; NULL: none. Holder of rq_lock; the switch follows at once. */
static struct thread *choose_thread(struct percpu *cpu, uint64_t now)
{
	struct thread *next = queue_take_best(cpu);

	cpu->thread = NULL;
	if (next)
		begin_running(cpu, next, now);
	return next;
}

/*
 * A thread of `thread`'s priority waits, and none of a higher one: it goes behind, the first of them comes. That one
 * has a whole turn before it: one with the rest of a turn goes on before any other of its priority runs.
 */
static struct thread *rotate_thread(struct percpu *cpu, struct thread *thread, uint64_t now)
{
	struct list *queue = &cpu->queue[thread->priority];
	struct thread *next = queue_thread(list_take_first(queue));

	list_append(queue, &thread->node);
	thread->waits_since = now;
	begin_running(cpu, next, now);
	return next;
}

/* Go from this thread, whose SP goes to *from, to that of `next`. Comes back when this thread is picked again. */
static inline void switch_thread(struct percpu *cpu, uint32_t **from, struct thread *next)
{
	world_switch(cpu, next);
	thread_switch(from, next->sp);
}

/*
 * `next` begins its turn, or goes on with one that was interrupted. It has a slice where another thread waits; of less
 * priority, too: that one may find another CPU.
 */
static inline void begin_turn(struct percpu *cpu, struct thread *next, uint64_t now)
{
	uint32_t left = next->turn_left;

	next->turn_left = 0;
	if (cpu->ready)
		set_slice_end(cpu, now + (unlikely(left) ? left : cpu->slice_ticks));
	else if (cpu->slice_end)
		end_slice(cpu);
}

/* Go from this thread, which blocks, to that of `next`; NULL: to the idle thread. */
static void __attribute__((noinline)) leave_to(struct percpu *cpu, uint32_t **from, struct thread *next, uint64_t now)
{
	if (next) {
		begin_turn(cpu, next, now);
		switch_thread(cpu, from, next);
	} else {
		if (cpu->slice_end)
			end_slice(cpu);
		thread_switch(from, cpu->idle_sp);
	}
}

int sched_attach(struct thread *thread, uint32_t affinity, bool dedicated)
{
	struct percpu *cpu = place_take(affinity, dedicated);

	if (!cpu)
		return -ENODEV;
	thread->cpu = cpu;
	thread->affinity = dedicated ? BIT(cpu->head.id) : place_present(affinity);
	list_init(&thread->node);
	sched_wake(thread);
	return 0;
}

void sched_attach_own(struct thread *thread)
{
	thread->cpu = this_cpu();
	list_init(&thread->node);
	sched_wake(thread);
}

/* A request to give a thread away is the CPU's, whichever runs there. Holder of rq_lock. */
static inline bool must_balance(const struct thread *leaving)
{
	return leaving->work & WORK_BALANCE;
}

void sched_block(void)
{
	struct percpu *cpu = this_cpu();
	struct thread *thread = cpu->thread, *next;
	uint64_t now;

	spin_lock(&cpu->rq_lock);
	if (thread->wake_pending) {
		thread->wake_pending = false;
		spin_unlock(&cpu->rq_lock);
		return;
	}
	now = timer_now();
	stop_running(thread, false, now);
	thread->wanted += now;
	thread->sleeps++;
	cpu->load[thread->priority]--;
	next = choose_thread(cpu, now);
	if (unlikely(must_balance(thread)) && next)
		atomic_or(&next->work, WORK_BALANCE);
	spin_unlock(&cpu->rq_lock);
	leave_to(cpu, &thread->sp, next, now);
}

/* To the idle thread, which looks who is next. `queued`, but in no queue: a late sched_wake() does nothing. */
void sched_exit(void)
{
	struct percpu *cpu = this_cpu();
	struct thread *thread = cpu->thread;
	uint64_t now;

	spin_lock(&cpu->rq_lock);
	now = timer_now();
	stop_running(thread, true, now);
	thread->wanted += now;
	cpu->load[thread->priority]--;
	if (thread->affinity)
		place_leave(cpu);
	list_init(&thread->node);
	cpu->thread = NULL;
	spin_unlock(&cpu->rq_lock);
	if (cpu->slice_end)
		end_slice(cpu);
	thread_leave(cpu->idle_sp, &thread->gone);
}

/* Threads that wait here are looked at when one of them, `thread` from now on, has a CPU to go to, and now and then. */
static inline bool time_to_balance(struct percpu *cpu, const struct thread *thread)
{
	if (unlikely(idle_cpus) && (idle_cpus & thread->affinity & ~dedicated_cpus))
		return true;
	if (likely(cpu->slices < BALANCE_SLICES))
		return false;
	if (online_cpus & (online_cpus - 1U))
		return true;
	cpu->slices = 0; /* there is no other */
	return false;
}

/* Leave to `next`, while others wait here. Holder of rq_lock, which is given back. */
static inline void hand_over(struct percpu *cpu, struct thread *thread, struct thread *next)
{
	if (unlikely(must_balance(thread)) || time_to_balance(cpu, thread))
		atomic_or(&next->work, WORK_BALANCE);
	spin_unlock(&cpu->rq_lock);
}

/* `thread` is queued again, and a more urgent one is ready. Holder of rq_lock, which is given back. */
static void __attribute__((noinline)) leave_to_best(struct percpu *cpu, struct thread *thread, uint64_t now)
{
	struct thread *next = choose_thread(cpu, now);

	assume(next); /* a more urgent one is ready */
	hand_over(cpu, thread, next);
	begin_turn(cpu, next, now);
	switch_thread(cpu, &thread->sp, next);
}

/* The running thread's turn is over: the next one's begins. False: none of at least its priority waits, it goes on.
 */
static bool end_turn(struct percpu *cpu)
{
	struct thread *thread = cpu->thread, *next;
	uint32_t rivals_ready;
	uint64_t now;

	spin_lock(&cpu->rq_lock);
	rivals_ready = cpu->ready >> thread->priority;
	if (unlikely(!rivals_ready)) {
		spin_unlock(&cpu->rq_lock);
		return false;
	}
	now = timer_now();
	stop_running(thread, true, now);
	if (unlikely(rivals_ready != 1)) {
		queue_append(cpu, thread, now);
		leave_to_best(cpu, thread, now);
		return true;
	}
	next = rotate_thread(cpu, thread, now);
	hand_over(cpu, thread, next);
	begin_slice(cpu, now); /* `thread` waits */
	switch_thread(cpu, &thread->sp, next);
	return true;
}

/*
 * A slice has ended and no other thread gets the CPU. Those of less priority get nothing here, however long they wait,
 * so other CPUs are looked at now and then.
 */
static void __attribute__((noinline)) slice_unused(struct percpu *cpu)
{
	struct thread *thread = cpu->thread;

	cpu->slice_end = 0;
	if (!thread || !cpu->ready || !(online_cpus & (online_cpus - 1U)))
		return;
	if (time_to_balance(cpu, thread))
		atomic_or(&thread->work, WORK_BALANCE);
	begin_slice(cpu, timer_now());
}

/* The slice's end. Who runs here goes on from inside of its interrupt when its turn comes again. */
static bool slice_irq(uint32_t id, void *arg)
{
	struct percpu *cpu = this_cpu();

	write_cntp_ctl(0);
	isb(); /* the line is down before the interrupt is deactivated */
	gic_deactivate(id);
	cpu->slices++;
	if (!cpu->thread || !end_turn(cpu))
		slice_unused(cpu);
	return false;
}

void sched_init_cpu(struct percpu *cpu, uint32_t irq)
{
	for (uint32_t p = 0; p < SCHED_PRIORITIES; p++)
		list_init(&cpu->queue[p]);
	cpu->slice_ticks = timer_hz() / SLICE_HZ;
	end_slice(cpu);
	irq_register(irq, slice_irq, NULL);
	atomic_clear(&idle_cpus, BIT(cpu->head.id));
	atomic_or(&online_cpus, BIT(cpu->head.id));
	cpu->online = true;
}

/*
 * A turn that is interrupted goes on before any other of that priority, for as long as it would have lasted. Otherwise
 * one whose turns are met by a more urgent thread's wake-ups, and not those of its rivals, would have less than they,
 * or nothing. If one that has waited for longer has come from another CPU, that is next, and the turn begins anew.
 */
static void interrupt_turn(struct percpu *cpu, struct thread *thread, uint64_t now)
{
	if (cpu->slice_end && cpu->slice_end <= now) { /* it is over */
		queue_append(cpu, thread, now);
		return;
	}
	queue_insert(cpu, thread);
	if (cpu->queue[thread->priority].next == &thread->node)
		thread->turn_left = cpu->slice_end ? (uint32_t)(cpu->slice_end - now) : cpu->slice_ticks;
}

/* Does a thread go before `thread`, which runs: a more urgent one, or one that has waited for longer, elsewhere? */
static bool must_give_way(const struct percpu *cpu, const struct thread *thread)
{
	uint32_t ready = cpu->ready >> thread->priority;

	return ready > 1 || (ready && queue_is_before(queue_thread(cpu->queue[thread->priority].next), thread));
}

void sched_give_way(void)
{
	struct percpu *cpu = this_cpu();
	struct thread *thread = cpu->thread;
	uint64_t now;

	spin_lock(&cpu->rq_lock);
	if (!must_give_way(cpu, thread)) { /* that one has been served, or has gone elsewhere */
		spin_unlock(&cpu->rq_lock);
		return;
	}
	now = timer_now();
	stop_running(thread, true, now);
	interrupt_turn(cpu, thread, now);
	leave_to_best(cpu, thread, now);
}

/*
 * The first thread of the same VM, behind the places where this turn has found one already; NULL: none. So each is
 * tried once, and a VM that only spins comes to the end of its turn.
 */
static struct thread *untried_sibling(struct percpu *cpu, const struct thread *thread)
{
	struct list *queue = &cpu->queue[thread->priority], *node = queue->next;

	if (cpu->tried_in != cpu->slice_end) {
		cpu->tried_in = cpu->slice_end;
		cpu->tried = 0;
	}
	for (uint32_t place = 0; place < SIBLINGS_MAX && node != queue; place++, node = node->next)
		if (place >= cpu->tried && queue_thread(node)->group == thread->group) {
			cpu->tried = place + 1U;
			return queue_thread(node);
		}
	return NULL;
}

/*
 * `thread` and its sibling change places: the sibling has the rest of the turn, and `thread` the sibling's place in the
 * queue. To all others nothing has happened: their places and the end of this turn are as before.
 */
static void change_places(struct percpu *cpu, struct thread *thread, struct thread *sibling, uint64_t now)
{
	uint64_t since = thread->waits_since;

	stop_running(thread, true, now);
	list_append(&sibling->node, &thread->node);
	list_remove(&sibling->node);
	thread->waits_since = sibling->waits_since;
	sibling->waits_since = since;
	begin_running(cpu, sibling, now);
}

void sched_yield_spin(void)
{
	struct percpu *cpu = this_cpu();
	struct thread *thread = cpu->thread, *sibling = NULL;
	uint64_t now = timer_now();

	spin_lock(&cpu->rq_lock);
	if (cpu->ready >> thread->priority == 1) {
		if (!cpu->slice_end) /* who waits has only just come */
			begin_slice(cpu, now);
		sibling = untried_sibling(cpu, thread);
	}
	if (sibling) {
		change_places(cpu, thread, sibling, now);
		hand_over(cpu, thread, sibling);
		switch_thread(cpu, &thread->sp, sibling);
	} else {
		spin_unlock(&cpu->rq_lock);
		end_turn(cpu);
	}
}

/* Tell the CPU that a thread has become ready there. Holder of its rq_lock; returns whether it has to be kicked. */
static bool announce_thread(struct percpu *cpu, const struct thread *thread)
{
	struct thread *current = cpu->thread;
	uint32_t work = WORK_SLICE;

	if (!current)
		return true;
	if (current->priority < thread->priority)
		work = WORK_RESCHED;
	dmb_ish(); /* a CPU that goes idle now sees who is ready here, or is seen: ask_for_work() */
	if (idle_cpus & thread->affinity & ~dedicated_cpus & ~BIT(cpu->head.id))
		work |= WORK_BALANCE;
	else if (current->priority > thread->priority && cpu->slice_end)
		return false;
	atomic_or(&current->work, work);
	return true;
}

/* `thread` begins to wait anew on its way to another CPU, unless it has done so and has had no turn since. */
static void lose_place(struct thread *thread)
{
	if (thread->moved_at < thread->waits_since)
		thread->moved_at = thread->waits_since = timer_now();
}

/* `thread` is in no queue, though it says that it is; its state leaves this CPU and it joins the queue of `to`. */
static void give_thread(struct thread *thread, struct percpu *to)
{
	bool must_kick;

	world_unload(thread);
	thread->turn_left = 0; /* it gets a whole one */
	spin_lock(&to->rq_lock);
	to->slices = 0;
	to->load[thread->priority]++;
	queue_insert(to, thread);
	must_kick = announce_thread(to, thread);
	if (to->thread && to->thread->priority == thread->priority && queue_is_before(thread, to->thread))
		atomic_or(&to->thread->work, WORK_RESCHED); /* it is kicked already */
	spin_unlock(&to->rq_lock);
	if (must_kick)
		kick_cpu(to);
}

void sched_balance(void)
{
	struct percpu *cpu = this_cpu();
	struct choice best;

	spin_lock(&cpu->rq_lock);
	best = balance_choose(cpu);
	if (best.thread && !place_change(cpu, best.to))
		best.thread = NULL;
	if (best.thread) {
		queue_remove(cpu, best.thread);
		cpu->load[best.thread->priority]--;
		best.thread->cpu = best.to;
	}
	spin_unlock(&cpu->rq_lock);
	if (!best.thread)
		return;
	if (best.had_more)
		lose_place(best.thread);
	give_thread(best.thread, best.to);
	if (!cpu->ready && cpu->slice_end)
		end_slice(cpu);
	if (cpu->ready && idle_cpus)
		atomic_or(&cpu->thread->work, WORK_BALANCE); /* two may have asked for one each */
	sched_check_slice();
}

void sched_preempt(void)
{
	struct thread *thread = this_cpu()->thread;

	if (!thread)
		return;
	while (irq_handle_one())
		;
	if (thread->work & WORK_SLICE) {
		atomic_clear(&thread->work, WORK_SLICE);
		sched_check_slice();
	}
	if (thread->work & WORK_BALANCE) {
		atomic_clear(&thread->work, WORK_BALANCE);
		sched_balance();
	}
	if (thread->work & WORK_RESCHED) {
		atomic_clear(&thread->work, WORK_RESCHED);
		sched_give_way();
	}
}

/* The thread may move to another CPU until the lock of its CPU is held. */
static inline struct percpu *lock_cpu_of(const struct thread *thread)
{
	for (;;) {
		struct percpu *cpu = __atomic_load_n(&thread->cpu, __ATOMIC_RELAXED);

		spin_lock(&cpu->rq_lock);
		if (likely(cpu == thread->cpu))
			return cpu;
		spin_unlock(&cpu->rq_lock);
	}
}

void sched_wake(struct thread *thread)
{
	struct percpu *cpu = lock_cpu_of(thread);
	bool must_kick = false;

	if (thread->running) {
		thread->wake_pending = true;
		must_kick = true; /* it may be in the guest */
	} else if (!thread->queued) {
		uint64_t now = timer_now();

		queue_append(cpu, thread, now);
		cpu->load[thread->priority]++;
		thread->wanted -= now;
		must_kick = announce_thread(cpu, thread);
	}
	spin_unlock(&cpu->rq_lock);
	if (must_kick)
		kick_cpu(cpu);
}

/* `queued` alone does not tell: one that has ended, or is on its way to another CPU, is in no queue. */
static bool waits_in_queue(const struct thread *thread)
{
	return thread->queued && !list_empty(&thread->node);
}

/* `thread`, which is ready or runs, counts for `priority` on its CPU. Returns whether that has to be kicked. */
static bool change_queue(struct percpu *cpu, struct thread *thread, uint32_t priority)
{
	cpu->load[thread->priority]--;
	cpu->load[priority]++;
	if (!thread->running)
		queue_remove(cpu, thread);
	thread->priority = priority;
	if (!thread->running) {
		queue_append(cpu, thread, timer_now());
		return announce_thread(cpu, thread);
	}
	if (!must_give_way(cpu, thread))
		return false;
	atomic_or(&thread->work, WORK_RESCHED);
	return true;
}

void sched_set_priority(struct thread *thread, uint32_t priority)
{
	struct percpu *cpu = lock_cpu_of(thread);
	bool must_kick = false;

	thread->turn_left = 0; /* that was a turn in the other queue */
	if (thread->running || waits_in_queue(thread))
		must_kick = change_queue(cpu, thread, priority);
	else
		thread->priority = priority;
	spin_unlock(&cpu->rq_lock);
	if (must_kick)
		kick_cpu(cpu);
}

bool sched_forget(struct thread *thread)
{
	struct percpu *cpu;
	bool blocked;

	if (__atomic_load_n(&thread->gone, __ATOMIC_ACQUIRE))
		return true;
	cpu = lock_cpu_of(thread);
	blocked = cpu == this_cpu() && !thread->running && !thread->queued;
	if (blocked)
		thread->queued = true; /* in no queue: as one that has ended */
	spin_unlock(&cpu->rq_lock);
	return blocked;
}

void sched_times(struct thread *thread, uint64_t *ran, uint64_t *waited)
{
	struct percpu *cpu = lock_cpu_of(thread);
	uint64_t now = timer_now();

	*ran = thread->ran + (thread->running ? now : 0);
	*waited = thread->wanted + (thread->running || thread->queued ? now : 0) - *ran;
	spin_unlock(&cpu->rq_lock);
}

void sched_request(struct thread *thread, uint32_t work)
{
	atomic_or(&thread->work, work);
	if (thread == this_cpu()->thread)
		return;
	sched_wake(thread);
}

/* A CPU without a vCPU zeroes free RAM, a part at a time. */
static bool idle_work(const struct percpu *cpu)
{
	return !cpu->assigned && !cpu->loaded && zero_step();
}

/* Nothing to run until an interrupt comes: others may give us something. */
static void idle_wait(struct percpu *cpu)
{
	struct thread *owner;

	if (cpu->ready || irq_handle_one())
		return;
	if (likely(!(read_isr() & ISR_A))) {
		if (idle_work(cpu))
			return;
		wfi(); /* wakes for masked interrupts too (B1.8.14); the next round takes them */
		return;
	}
	owner = hcr_take_abort(cpu); /* or it would wake every WFI, and at last be another guest's */
	if (owner)
		sched_wake(owner);
}

/* Where threads wait, they are asked to be given away. This CPU is in idle_cpus before it looks. */
static void ask_for_work(const struct percpu *idle)
{
	for (uint32_t i = 0; i < CPU_MAX; i++) {
		struct percpu *cpu = &percpu[i];
		struct thread *current;

		if (cpu == idle || !cpu->ready)
			continue;
		spin_lock(&cpu->rq_lock);
		current = cpu->ready ? cpu->thread : NULL;
		if (current)
			atomic_or(&current->work, WORK_BALANCE);
		spin_unlock(&cpu->rq_lock);
		if (current)
			kick_cpu(cpu);
	}
}

/* Run what waits here; false: nothing does. Who queues something later kicks this CPU, and so ends its WFI. */
static bool idle_run(struct percpu *cpu)
{
	struct thread *next;
	uint64_t now;

	if (!cpu->ready)
		return false;
	spin_lock(&cpu->rq_lock);
	now = timer_now();
	next = choose_thread(cpu, now);
	if (cpu->ready && (idle_cpus & ~BIT(cpu->head.id)))
		atomic_or(&next->work, WORK_BALANCE); /* no thread was here to be asked */
	spin_unlock(&cpu->rq_lock);
	if (!next)
		return false;
	atomic_clear(&idle_cpus, BIT(cpu->head.id));
	leave_to(cpu, &cpu->idle_sp, next, now);
	return true;
}

void sched_idle(void)
{
	struct percpu *cpu = this_cpu();

	for (;;) {
		while (idle_run(cpu))
			;
		if (!(idle_cpus & BIT(cpu->head.id))) {
			atomic_or(&idle_cpus, BIT(cpu->head.id));
			ask_for_work(cpu);
		}
		idle_wait(cpu);
	}
}
