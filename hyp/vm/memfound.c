/* SPDX-License-Identifier: BSD-2-Clause */
/* See hyp/vm/memfound.h. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/run/timer.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/memerr.h"
#include "hyp/vm/memfound.h"
#include "mm/badpage.h"
#include "mm/ram.h"

#define FOUND_MAX    64U
#define RETRIES_A_S  10U /* for pages of a VM that is being started, reset or stopped */
#define SUSPECT_STEP 256U

static struct {
	struct spinlock lock;
	uint32_t count;
	uint64_t page[FOUND_MAX];
	struct thread *thread; /* NULL: not made yet */
} found;

static struct timer retry;

static void found_wake(void)
{
	if (found.thread)
		sched_wake(found.thread);
}

static void found_wake_again(struct timer *timer)
{
	found_wake();
}

/* Holder of found.lock. */
static bool found_is_noted(uint64_t page)
{
	uint32_t i = 0;

	while (i < found.count && found.page[i] != page)
		i++;
	return i < found.count;
}

static void found_add(uint64_t page)
{
	spin_lock(&found.lock);
	if (found.count < FOUND_MAX && !found_is_noted(page))
		found.page[found.count++] = page;
	spin_unlock(&found.lock);
}

void memerr_found(pa_t at)
{
	pa_t page = pa(align_down(at.v, PAGE_SIZE));

	if (!ram_is(page) || badpage_is(page))
		return;
	found_add(page.v);
	found_wake();
}

void memerr_suspect(struct vm *vm, ipa_t at)
{
	uint32_t piece[SUSPECT_STEP / sizeof(uint32_t)];

	at.v = align_down(at.v, PAGE_SIZE);
	for (uint32_t i = 0; i < PAGE_SIZE; i += SUSPECT_STEP)
		if (guest_read(vm, ipa_add(at, i), piece, sizeof(piece)))
			return; /* the copy has told memerr_found() where it met the error, or this is no RAM */
}

static bool found_take(uint64_t *page)
{
	bool any;

	spin_lock(&found.lock);
	any = found.count > 0;
	if (any)
		*page = found.page[--found.count];
	spin_unlock(&found.lock);
	return any;
}

/* One after the other; those whose owner is on its way somewhere wait together. */
static void found_take_all(void)
{
	uint64_t page, later[FOUND_MAX];
	uint32_t count = 0;

	while (count < FOUND_MAX && found_take(&page)) {
		if (memerr_page(pa(page), false) == -EBUSY)
			later[count++] = page;
		sched_preempt();
	}
	for (uint32_t i = 0; i < count; i++)
		found_add(later[i]);
	if (count)
		timer_arm(&retry, timer_now() + timer_hz() / RETRIES_A_S);
}

static void found_serve(void *arg)
{
	for (;;) {
		found_take_all();
		sched_block();
	}
}

int memfound_start(void)
{
	retry.expired = found_wake_again;
	found.thread = thread_create(found_serve, NULL, SCHED_PRIORITY_OWN);
	return found.thread ? 0 : -ENOMEM;
}
