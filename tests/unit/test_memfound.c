/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that the hardware says are bad: written down wherever that is, and put into quarantine by a thread. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_machine.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/run/timer.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/memerr.h"
#include "hyp/vm/memfound.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/ram.h"

#define RAM_BASE UINT64_C(0x40000000)
#define RAM_SIZE UINT64_C(0x10000000)
#define KNOWN    (RAM_BASE + 0x7000)
#define MANY     100U

static uint32_t wakes, count, timers;
static uint64_t taken[MANY];
static bool busy;
static struct thread thread;
static void (*body)(void *arg);
static struct timer *armed;
static jmp_buf blocked;

bool ram_is(pa_t at)
{
	return at.v - RAM_BASE < RAM_SIZE;
}

bool badpage_is(pa_t page)
{
	return page.v == KNOWN;
}

struct thread *thread_create(void (*fn)(void *arg), void *arg, uint32_t priority)
{
	assert_null(arg);
	assert_int_equal(priority, SCHED_PRIORITY_OWN);
	body = fn;
	return &thread;
}

void sched_wake(struct thread *t)
{
	assert_ptr_equal(t, &thread);
	wakes++;
}

void sched_block(void)
{
	longjmp(blocked, 1);
}

void sched_preempt(void)
{
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	(void)deadline;
	armed = timer;
	timers++;
}

uint32_t timer_hz(void)
{
	return 1000;
}

int memerr_page(pa_t at, bool async)
{
	assert_false(async);
	assert_true(count < MANY);
	taken[count++] = at.v;
	return busy ? -EBUSY : 0;
}

static uint64_t read_from, fails_at;
static uint32_t bytes;

int guest_read(struct vm *vm, ipa_t from, void *to, size_t len)
{
	(void)vm;
	memset(to, 0, len);
	read_from = from.v;
	bytes += (uint32_t)len;
	return fails_at && from.v + len > fails_at ? -EIO : 0;
}

static void run(void)
{
	count = 0;
	if (!setjmp(blocked))
		body(NULL);
}

/* What comes before the thread is there waits for it. */
static void test_early(void **state)
{
	(void)state;
	memerr_found(pa(RAM_BASE + 0x1234));
	assert_int_equal(wakes, 0);
	assert_int_equal(memfound_start(), 0);
	run();
	assert_true(count == 1 && taken[0] == RAM_BASE + 0x1000);
	run();
	assert_int_equal(count, 0);
}

/* Devices' registers, what is known, and what is noted already. */
static void test_nothing_new(void **state)
{
	(void)state;
	wakes = 0;
	memerr_found(pa(RAM_BASE - 1));
	memerr_found(pa(RAM_BASE + RAM_SIZE));
	memerr_found(pa(KNOWN + 4));
	assert_int_equal(wakes, 0);
	for (uint32_t i = 0; i < MANY; i++)
		memerr_found(pa(RAM_BASE + i));
	run();
	assert_true(count == 1 && taken[0] == RAM_BASE);
}

/* Others than fit are said again by whoever touches them. */
static void test_many(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		memerr_found(pa(RAM_BASE + 0x100000 + i * PAGE_SIZE));
	run();
	assert_int_equal(count, 64);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(taken[i], RAM_BASE + 0x100000 + (63U - i) * PAGE_SIZE);
}

/* A VM on its way somewhere: later, and not in a circle. */
static void test_busy(void **state)
{
	(void)state;
	busy = true;
	memerr_found(pa(RAM_BASE));
	memerr_found(pa(RAM_BASE + PAGE_SIZE));
	timers = 0;
	run();
	assert_true(count == 2 && timers == 1);
	wakes = 0;
	armed->expired(armed);
	assert_int_equal(wakes, 1);
	busy = false;
	timers = 0;
	run();
	assert_true(count == 2 && timers == 0);
	run();
	assert_int_equal(count, 0);
}

/* All of the page, up to what does not answer. */
static void test_suspect(void **state)
{
	struct vm *vm = (struct vm *)&thread;

	(void)state;
	memerr_suspect(vm, ipa(0x48001234));
	assert_true(bytes == PAGE_SIZE && read_from == 0x48002000 - 256);
	bytes = 0;
	fails_at = 0x48001300;
	memerr_suspect(vm, ipa(0x48001ffc));
	assert_int_equal(bytes, 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_early), cmocka_unit_test(test_nothing_new), cmocka_unit_test(test_many),
		cmocka_unit_test(test_busy),  cmocka_unit_test(test_suspect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
