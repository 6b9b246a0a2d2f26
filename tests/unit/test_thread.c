/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks of threads, and threads of virt7's own: made, run to their end, and given back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fake/fake_page.h"
#include "mm/layout.h"

/* Where the host has room: stacks are at addresses of 32 bits. Three of them. */
#undef LAYOUT_STACKS
#undef LAYOUT_STACKS_END
#define LAYOUT_STACKS     0x50000000U
#define LAYOUT_STACKS_END (LAYOUT_STACKS + 3U * (PAGE_SIZE + HYP_STACK_SIZE))
#include "hyp/run/thread.c"

struct percpu percpu[CPU_MAX];
static struct thread *attached, *changed;
static uint32_t priority_now;
static bool forgets, map_fails;
static jmp_buf thread_over;

int hyp_map(uint32_t va, pa_t base, size_t size, enum hyp_mem kind)
{
	(void)base;
	assert_int_equal(size, HYP_STACK_SIZE);
	assert_int_equal(kind, HYP_MEM_RW);
	if (map_fails)
		return -ENOMEM;
	assert_ptr_equal(mmap((void *)(uintptr_t)va, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 (void *)(uintptr_t)va);
	return 0;
}

/* Pages of stacks are never freed: these are found by the leak check. */
pa_t page_pa(const void *page)
{
	static const void *kept[8];
	static uint32_t count;

	kept[count++ % ARRAY_SIZE(kept)] = page;
	return pa((uintptr_t)page);
}

void sched_attach_own(struct thread *thread)
{
	attached = thread;
}

void sched_set_priority(struct thread *thread, uint32_t priority)
{
	changed = thread;
	priority_now = priority;
}

bool sched_forget(struct thread *thread)
{
	assert_ptr_equal(thread, attached);
	return forgets;
}

void sched_exit(void)
{
	longjmp(thread_over, 1);
}

static uint32_t bodies;

static void body(void *arg)
{
	assert_ptr_equal(arg, &bodies);
	bodies++;
}

static uint8_t *top_of(const struct thread *thread)
{
	return (uint8_t *)thread->stack + HYP_STACK_SIZE;
}

/* thread_switch() pops ten words, the last of which is where it goes on. */
static void assert_begins_at(const struct thread *thread, const void *room, void (*entry)(void))
{
	assert_ptr_equal(thread->sp + 10, room);
	assert_int_equal((uintptr_t)room % 8U, 0);
	assert_int_equal(thread->sp[9], (uint32_t)(uintptr_t)entry);
}

static void entry(void)
{
}

/* A vCPU's: the guest's registers end where the stack does. Given back, it is the next one's; never had, nothing is. */
static void test_stacks(void **state)
{
	struct thread vcpu = {0}, next = {0}, none = {0};
	uint8_t *regs = thread_make_stack(&vcpu, 56, entry);

	(void)state;
	assert_ptr_equal(regs + 56, top_of(&vcpu));
	assert_begins_at(&vcpu, regs, entry);
	assert_int_equal((uintptr_t)vcpu.stack, LAYOUT_STACKS + PAGE_SIZE); /* above its guard page */
	thread_free_stack(&none);
	thread_free_stack(&vcpu);
	assert_non_null(thread_make_stack(&next, 56, entry));
	assert_ptr_equal(next.stack, vcpu.stack);
	assert_non_null(thread_make_stack(&none, 56, entry));
	assert_int_equal((uintptr_t)none.stack, LAYOUT_STACKS + 2U * PAGE_SIZE + HYP_STACK_SIZE);
	thread_free_stack(&next);
	thread_free_stack(&none);
}

/* It is all on its stack, whose last owner has left something there. */
static void test_own_thread(void **state)
{
	struct thread *thread, last = {0};

	(void)state;
	assert_non_null(thread_make_stack(&last, 0, entry));
	memset(last.stack, 0xff, HYP_STACK_SIZE);
	thread_free_stack(&last);
	thread = thread_create(body, &bodies, 5);
	assert_ptr_equal(thread, attached);
	assert_int_equal(thread->priority, 5);
	assert_true(thread->detached);
	assert_false(thread->queued || thread->running || thread->wake_pending || thread->gone);
	assert_int_equal(thread->affinity | thread->work, 0);
	assert_null(thread->group);
	assert_ptr_equal(thread->stack, last.stack);
	assert_ptr_equal((struct own_thread *)(void *)thread + 1, top_of(thread));
	assert_begins_at(thread, thread, run_body);
	forgets = true;
	assert_int_equal(thread_free(thread), 0);
}

/* When its body returns it ends. */
static void test_end_of_body(void **state)
{
	static struct thread *thread;

	(void)state;
	thread = thread_create(body, &bodies, SCHED_PRIORITY_OWN);
	percpu[0].thread = thread;
	write_htpidr((uintptr_t)&percpu[0]);
	bodies = 0;
	if (!setjmp(thread_over))
		run_body();
	assert_int_equal(bodies, 1);
	forgets = true;
	assert_int_equal(thread_free(thread), 0);
}

/* One that may run keeps its stack: the next one has another. */
static void test_given_back(void **state)
{
	struct thread *thread = thread_create(body, NULL, 0), *other;

	(void)state;
	forgets = false;
	assert_int_equal(thread_free(thread), -EBUSY);
	other = thread_create(body, NULL, 0);
	assert_ptr_not_equal(other, thread);
	forgets = true;
	assert_int_equal(thread_free(other), 0);
	attached = thread;
	assert_int_equal(thread_free(thread), 0);
	assert_ptr_equal(thread_create(body, NULL, 0), thread);
	assert_int_equal(thread_free(thread), 0);
}

/* The scheduler is asked where something changes. */
static void test_new_priority(void **state)
{
	struct thread thread = {.priority = 3};

	(void)state;
	changed = NULL;
	thread_set_priority(&thread, 3);
	assert_null(changed);
	thread_set_priority(&thread, 7);
	assert_ptr_equal(changed, &thread);
	assert_int_equal(priority_now, 7);
}

/* No page, no room in the tables, no address: a refusal that keeps nothing. Ends with all stacks in use. */
static void test_nothing_left(void **state)
{
	struct thread *made[2];
	unsigned int live;

	(void)state;
	made[0] = thread_create(body, NULL, 0);
	made[1] = thread_create(body, NULL, 0);
	live = fake_page_live();
	attached = NULL;
	fake_page_set_empty(true);
	assert_null(thread_create(body, NULL, 0));
	fake_page_set_empty(false);
	map_fails = true;
	assert_null(thread_create(body, NULL, 0));
	map_fails = false;
	assert_int_equal(fake_page_live(), live);
	assert_null(attached);
	assert_non_null(thread_create(body, NULL, 0));
	assert_null(thread_create(body, NULL, 0));
	attached = made[0];
	assert_int_equal(thread_free(made[0]), 0);
	assert_ptr_equal(thread_create(body, NULL, 0), made[0]);
	assert_non_null(made[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks),       cmocka_unit_test(test_own_thread),
		cmocka_unit_test(test_end_of_body),  cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_new_priority), cmocka_unit_test(test_nothing_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
