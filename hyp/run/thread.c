/* Stacks of HYP's threads, and threads that virt7 has for itself. */
#include <errno.h>

#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "mm/hypmap.h"
#include "mm/page.h"

/* Stacks that a VM which could not be made has left, linked by their first words. They stay mapped. */
static uint32_t *free_stacks;

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
	uint8_t *base = new_stack();
	uint32_t *sp;

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
	*base = (uint32_t)(uintptr_t)free_stacks;
	free_stacks = base;
}

struct thread *thread_create(void (*body)(void))
{
	struct thread *thread = page_alloc(page_order(sizeof(*thread)));

	if (!thread || !thread_make_stack(thread, 0, body))
		return NULL;
	thread->priority = SCHED_PRIORITY_OWN;
	thread->detached = true; /* it has nothing to put into the hardware */
	sched_attach_own(thread);
	return thread;
}
