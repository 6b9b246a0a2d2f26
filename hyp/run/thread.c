/* Stacks of HYP's threads, and threads that virt7 has for itself. */
#include <errno.h>

#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/vm/vcpu.h"
#include "mm/hypmap.h"
#include "mm/page.h"

/* Stacks that a VM which could not be made has left, linked by their first words. They stay mapped. */
static uint32_t *free_stacks;

/* The top of a new stack, above a guard page; NULL: no memory or no addresses. */
static uint32_t *new_stack(void)
{
	static uint32_t next = LAYOUT_STACKS;
	uint32_t base = next + PAGE_SIZE; /* the page below stays unmapped: the guard */
	void *pages;

	if (free_stacks) {
		base = (uint32_t)(uintptr_t)free_stacks;
		free_stacks = (uint32_t *)(uintptr_t)*free_stacks;
		return (uint32_t *)(uintptr_t)(base + HYP_STACK_SIZE);
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
	return (uint32_t *)(uintptr_t)(base + HYP_STACK_SIZE);
}

int thread_make_stack(struct vcpu *vcpu, void (*entry)(void))
{
	uint32_t *sp = new_stack();

	if (!sp)
		return -ENOMEM;
	vcpu->regs = (struct regs *)(void *)((uint8_t *)sp - sizeof(struct regs));
	sp = (uint32_t *)(void *)vcpu->regs;
	*--sp = (uint32_t)(uintptr_t)entry; /* the return address thread_switch() pops, above r3-r11 */
	vcpu->sp = sp - 9;
	return 0;
}

void thread_free_stack(struct vcpu *vcpu)
{
	uint32_t *base;

	if (!vcpu->regs)
		return;
	base = (uint32_t *)(void *)((uint8_t *)(vcpu->regs + 1) - HYP_STACK_SIZE);
	*base = (uint32_t)(uintptr_t)free_stacks;
	free_stacks = base;
}

struct vcpu *thread_create(void (*body)(void))
{
	struct vcpu *thread = page_alloc(page_order(sizeof(*thread)));

	if (!thread || thread_make_stack(thread, body))
		return NULL;
	thread->priority = SCHED_PRIORITY_OWN;
	thread->detached = true; /* it has nothing to put into the hardware */
	sched_attach_own(thread);
	return thread;
}
