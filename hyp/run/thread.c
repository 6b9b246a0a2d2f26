/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks of HYP's threads, and threads that virt7 has for itself. */
#include <assert.h>
#include <errno.h>

#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "mm/hypmap.h"
#include "mm/page.h"

/* Stacks of threads that are gone, linked by their first words; they stay mapped. Under `stacks_lock`, as new_stack()
 * is.
 */
static uint32_t *free_stacks;
static struct spinlock stacks_lock;

/* A thread of virt7's own, at the top of its stack. */
struct own_thread {
	struct thread thread;
	void (*body)(void *arg);
	void *arg;
};

static_assert(sizeof(struct own_thread) % 8U == 0, "the stack below is aligned");

/* A new stack, above a guard page; NULL: no memory or no addresses. */
static void *new_stack(void)
{
	static uint32_t next = LAYOUT_STACKS;
	uint32_t base = next + PAGE_SIZE, *reused = free_stacks; /* the page below stays unmapped: the guard */
	void *pages;

	if (reused) {
		free_stacks = (uint32_t *)(uintptr_t)*reused;
		return reused;
	}
	if (base + HYP_STACK_SIZE > LAYOUT_STACKS_END)
		return NULL;
	pages = page_alloc(page_order(HYP_STACK_SIZE));
	if (!pages)
		return NULL;
	if (hyp_map(base, page_pa(pages), HYP_STACK_SIZE, HYP_MEM_RW)) {
		page_free(pages, page_order(HYP_STACK_SIZE));
		return NULL;
	}
	next = base + HYP_STACK_SIZE;
	return (void *)(uintptr_t)base;
}

void *thread_make_stack(struct thread *thread, size_t room, void (*entry)(void))
{
	uint8_t *base;
	uint32_t *sp;

	spin_lock(&stacks_lock);
	base = new_stack();
	spin_unlock(&stacks_lock);
	if (!base)
		return NULL;
	thread->stack = base;
	sp = (uint32_t *)(void *)(base + HYP_STACK_SIZE - room);
	sp[-1] = (uint32_t)(uintptr_t)entry; /* the return address thread_switch() pops, above r3-r11 */
	thread->sp = sp - 10;
	return sp;
}

void thread_free_stack(struct thread *thread)
{
	uint32_t *base = thread->stack;

	if (!base)
		return;
	spin_lock(&stacks_lock);
	*base = (uint32_t)(uintptr_t)free_stacks;
	free_stacks = base;
	spin_unlock(&stacks_lock);
}

static void run_body(void)
{
	struct own_thread *own = container_of(this_cpu()->thread, struct own_thread, thread);

	own->body(own->arg);
	sched_exit();
}

struct thread *thread_create(void (*body)(void *arg), void *arg, uint32_t priority)
{
	struct thread made = {.priority = priority, .detached = true}; /* it has nothing to put into the hardware */
	struct own_thread *own = thread_make_stack(&made, sizeof(*own), run_body);

	if (!own)
		return NULL;
	*own = (struct own_thread){made, body, arg};
	sched_attach_own(&own->thread);
	return &own->thread;
}

void thread_set_priority(struct thread *thread, uint32_t priority)
{
	if (thread->priority != priority)
		sched_set_priority(thread, priority);
}

int thread_free(struct thread *thread)
{
	if (!sched_forget(thread))
		return -EBUSY;
	thread_free_stack(thread);
	return 0;
}
