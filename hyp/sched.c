/* Scheduling. The queues belong to cpu->rq_lock; the thread switch itself touches only this CPU's data. */
#include <errno.h>

#include <arm/atomic.h>
#include <arm/barrier.h>
#include <arm/sysreg.h>

#include "hyp/dev/gic.h"
#include "hyp/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/sched.h"
#include "hyp/vcpu.h"

#define SLICE_HZ 100U /* time slices a second where vCPUs share a CPU */

/* hyp/vectors.S: save the callee-saved registers and SP there, go on with those of `to`. */
void thread_switch(uint32_t **from, uint32_t *to);

static void enqueue(struct percpu *cpu, struct vcpu *vcpu)
{
	list_append(&cpu->queue[vcpu->priority], &vcpu->node);
	cpu->ready |= BIT(vcpu->priority);
	vcpu->queued = true;
}

/* Take the best ready vCPU; NULL: none. */
static struct vcpu *pick(struct percpu *cpu)
{
	struct vcpu *vcpu;
	uint32_t p;

	if (!cpu->ready)
		return NULL;
	p = 31U - (uint32_t)__builtin_clz(cpu->ready);
	vcpu = container_of(cpu->queue[p].next, struct vcpu, node);
	list_remove(&vcpu->node);
	if (list_empty(&cpu->queue[p]))
		cpu->ready &= ~BIT(p);
	vcpu->queued = false;
	vcpu->running = true;
	return vcpu;
}

static void slice_expired(struct timer *timer)
{
	struct vcpu *vcpu = container_of(timer, struct percpu, slice)->vcpu;

	if (vcpu)
		atomic_or(&vcpu->work, WORK_RESCHED);
}

void sched_check_slice(void)
{
	struct percpu *cpu = this_cpu();

	if (cpu->vcpu && cpu->ready >= BIT(cpu->vcpu->priority) && !cpu->slice.cpu)
		timer_arm(&cpu->slice, timer_now() + timer_hz() / SLICE_HZ);
}

/* The next to run here, as everybody sees it from now on. Holder of rq_lock; switch_to() follows at once. */
static struct vcpu *choose(struct percpu *cpu)
{
	cpu->vcpu = pick(cpu);
	return cpu->vcpu;
}

/* Go from `prev`'s thread to that of `next`, NULL: the idle thread. Comes back when this thread is picked again. */
static void switch_to(struct percpu *cpu, struct vcpu *prev, struct vcpu *next)
{
	uint32_t **from = prev ? &prev->sp : &cpu->idle_sp;

	if (next == prev)
		return;
	timer_disarm(&cpu->slice);
	sched_check_slice();
	if (next)
		vcpu_load(next);
	thread_switch(from, next ? next->sp : cpu->idle_sp);
}

void sched_init_cpu(struct percpu *cpu)
{
	for (uint32_t p = 0; p < SCHED_PRIORITIES; p++)
		list_init(&cpu->queue[p]);
	cpu->slice.expired = slice_expired;
	cpu->online = true;
}

bool sched_can_run(uint32_t affinity)
{
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (percpu[i].online && (affinity == 0 || (affinity & BIT(i))))
			return true;
	return false;
}

int sched_attach(struct vcpu *vcpu, uint32_t affinity)
{
	struct percpu *best = NULL;

	for (uint32_t i = 0; i < CPU_MAX; i++) {
		struct percpu *cpu = &percpu[i];

		if (!cpu->online || (affinity && !(affinity & BIT(i))))
			continue;
		if (!best || cpu->assigned < best->assigned)
			best = cpu;
	}
	if (!best)
		return -ENODEV;
	vcpu->cpu = best;
	list_init(&vcpu->node);
	best->assigned++;
	sched_wake(vcpu);
	return 0;
}

void sched_block(void)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu->vcpu, *next;

	spin_lock(&cpu->rq_lock);
	if (vcpu->wake_pending) {
		vcpu->wake_pending = false;
		spin_unlock(&cpu->rq_lock);
		return;
	}
	vcpu->running = false;
	next = choose(cpu);
	spin_unlock(&cpu->rq_lock);
	switch_to(cpu, vcpu, next);
}

void sched_yield(void)
{
	struct percpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu->vcpu, *next;

	spin_lock(&cpu->rq_lock);
	if (cpu->ready < BIT(vcpu->priority)) {
		spin_unlock(&cpu->rq_lock);
		return;
	}
	vcpu->running = false;
	enqueue(cpu, vcpu);
	next = choose(cpu);
	spin_unlock(&cpu->rq_lock);
	switch_to(cpu, vcpu, next);
}

void sched_wake(struct vcpu *vcpu)
{
	struct percpu *cpu = vcpu->cpu;
	struct vcpu *current;
	bool kick = false;

	spin_lock(&cpu->rq_lock);
	if (vcpu->running) {
		vcpu->wake_pending = true;
		kick = true; /* it may be in the guest */
	} else if (!vcpu->queued) {
		enqueue(cpu, vcpu);
		current = cpu->vcpu;
		kick = !current || current->priority <= vcpu->priority;
		if (kick && current)
			atomic_or(&current->work, current->priority < vcpu->priority ? WORK_RESCHED : WORK_SLICE);
	}
	spin_unlock(&cpu->rq_lock);
	if (kick && cpu != this_cpu())
		gic_send_sgi(cpu->head.id, GIC_SGI_KICK);
}

void vcpu_request(struct vcpu *vcpu, uint32_t work)
{
	atomic_or(&vcpu->work, work);
	if (vcpu == this_cpu()->vcpu)
		return;
	sched_wake(vcpu);
}

void sched_idle(void)
{
	struct percpu *cpu = this_cpu();

	for (;;) {
		struct vcpu *next;

		spin_lock(&cpu->rq_lock);
		next = choose(cpu);
		spin_unlock(&cpu->rq_lock);
		if (next)
			switch_to(cpu, NULL, next);
		else if (!irq_handle_one())
			wfi(); /* wakes for masked interrupts too (B1.8.13); the next round takes them */
	}
}
