/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RAM that a disk of the host's may still write to when its VM gives it back (hyp/vm/lent.c, and vm_give_ram() in
 * hyp/vm/vm.c): those blocks, and no others, are in quarantine until the disk has ended its requests, and are zeroed
 * only then. At each moment RAM is the VM's, free, or in quarantine.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_log.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/leaveout.h"
#include "hyp/vm/lent.h"
#include "hyp/vm/scrub.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"

#define FIRST  UINT64_C(0x80000000) /* the host's RAM: 8 blocks, */
#define SECOND UINT64_C(0x90000000) /* and 4 */
#define COUNT  12U

struct ram_use ram_use;
static struct vm vm;
static uint32_t scrubs[COUNT], frees[COUNT];
static struct thread thread;
static void (*body)(void *arg);
static bool woken, no_memory;
static jmp_buf asleep;
static void (*on_scrub)(uint32_t block);

static uint32_t number_of(uint64_t at)
{
	uint64_t n = at < SECOND ? (at - FIRST) / BLOCK_SIZE : 8U + (at - SECOND) / BLOCK_SIZE;

	assert_in_range(n, 0, COUNT - 1U);
	return (uint32_t)n;
}

static uint64_t block_at(uint32_t n)
{
	return n < 8U ? FIRST + (uint64_t)n * BLOCK_SIZE : SECOND + (uint64_t)(n - 8U) * BLOCK_SIZE;
}

void vm_scrub_block(pa_t block)
{
	uint32_t n = number_of(block.v);

	assert_int_equal(frees[n], 0);
	scrubs[n]++;
	if (on_scrub)
		on_scrub(n);
}

void ram_release(pa_t base, uint64_t size)
{
	for (uint64_t at = base.v; at < base.v + size; at += BLOCK_SIZE) {
		assert_int_equal(scrubs[number_of(at)], 1);
		assert_int_equal(frees[number_of(at)]++, 0);
	}
}

/* All of it is dirty. */
bool s2_next_dirty(const struct s2 *s2, ipa_t *at, pa_t *to)
{
	uint64_t ipa_at = at->v < MACHINE_RAM_BASE ? MACHINE_RAM_BASE : at->v,
		 n = (ipa_at - MACHINE_RAM_BASE) / BLOCK_SIZE;

	(void)s2;
	if (n >= COUNT)
		return false;
	*at = ipa(ipa_at);
	*to = pa(block_at((uint32_t)n));
	return true;
}

struct thread *thread_create(void (*of)(void *arg), void *arg, uint32_t priority)
{
	(void)arg;
	assert_int_equal(priority, SCHED_PRIORITY_OWN);
	body = of;
	return no_memory ? NULL : &thread;
}

void sched_wake(struct thread *of)
{
	assert_ptr_equal(of, &thread);
	woken = true;
}

void sched_block(void)
{
	longjmp(asleep, 1);
}

void sched_preempt(void)
{
}

/* What virt7's thread does, if it was woken. */
static void work(void)
{
	if (!woken)
		return;
	woken = false;
	if (!setjmp(asleep))
		body(NULL);
}

static struct lent one, two;

static int begin(void **state)
{
	(void)state;
	fake_log_reset();
	memset(&vm, 0, sizeof(vm));
	memset(scrubs, 0, sizeof(scrubs));
	memset(frees, 0, sizeof(frees));
	strcpy(vm.config.name, "web");
	vm.extent_count = 2;
	vm.extent[0] = (struct vm_extent){.ipa = MACHINE_RAM_BASE, .pa = FIRST, .size = 8U * BLOCK_SIZE};
	vm.extent[1] =
		(struct vm_extent){.ipa = MACHINE_RAM_BASE + 8U * BLOCK_SIZE, .pa = SECOND, .size = 4U * BLOCK_SIZE};
	one = two = (struct lent){.to = "host disk /d"};
	on_scrub = NULL;
	woken = false;
	ram_use.quarantine = 0;
	assert_int_equal(lent_start(), 0);
	return 0;
}

static void add_piece(struct lent *l, uint32_t block, uint32_t offset, uint32_t len)
{
	l->piece[l->count++] = (struct pa_piece){pa(block_at(block) + offset), len};
}

/* Bit n: block n. */
static void expect(uint32_t freed, uint32_t scrubbed)
{
	for (uint32_t n = 0; n < COUNT; n++) {
		assert_int_equal(frees[n], freed >> n & 1U);
		assert_int_equal(scrubs[n], scrubbed >> n & 1U);
	}
}

#define ALL (BIT(COUNT) - 1U)

static void expect_quarantine(uint32_t blocks)
{
	assert_int_equal(ram_use.quarantine, (uint64_t)blocks * BLOCK_SIZE);
}

/* What ended in time, or belongs to another VM, keeps nothing. */
static void test_nothing_lent(void **state)
{
	(void)state;
	assert_null(lent_to(&vm));
	add_piece(&one, 3, 0, 512);
	lent_leave(&one);
	assert_string_equal(lent_to(&vm), "host disk /d");
	assert_false(lent_is_idle(&one));
	lent_end(&one);
	assert_null(lent_to(&vm));
	assert_true(lent_is_idle(&one) && !woken);
	two.count = 1;
	two.piece[0] = (struct pa_piece){pa(FIRST - BLOCK_SIZE), 512};
	lent_leave(&two);
	assert_null(lent_to(&vm));
	vm_give_ram(&vm);
	expect(ALL, ALL);
	expect_quarantine(0);
	lent_end(&two);
	assert_true(lent_is_idle(&two) && !woken);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
}

static void test_quarantine(void **state)
{
	const uint32_t kept = BIT(0) | BIT(7) | BIT(10);

	(void)state;
	add_piece(&one, 0, 0, 512);
	add_piece(&one, 7, BLOCK_SIZE - 512U, 512);
	add_piece(&one, 7, 4096, 4096);
	add_piece(&one, 10, 4096, 4096);
	lent_leave(&one);
	vm_give_ram(&vm);
	expect(ALL & ~kept, ALL & ~kept);
	expect_quarantine(3);
	assert_int_equal(vm.extent_count, 0);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm web: 6 MiB of its RAM are in quarantine, for host disk /d may "
			    "still read or write there: they are free when it has ended its requests");
	work();
	expect(ALL & ~kept, ALL & ~kept);
	assert_null(lent_to(&vm));
	lent_end(&one);
	assert_false(lent_is_idle(&one));
	expect(ALL & ~kept, ALL & ~kept); /* not here: who ends it may be an interrupt */
	work();
	expect(ALL, ALL);
	expect_quarantine(0);
	assert_true(lent_is_idle(&one));
	assert_string_equal(fake_log_last(LOG_INFO),
			    "host: 6 MiB of RAM are out of quarantine: host disk /d has ended its requests there");
}

/* Two disks' requests in one block: the last one gives it back, whatever the order. */
static void test_shared_block(void **state)
{
	(void)state;
	for (uint32_t order = 0; order < 2; order++) {
		begin(state);
		add_piece(&one, 4, 0, 512);
		add_piece(&one, 5, 0, 512);
		add_piece(&two, 5, 512, 512);
		lent_leave(&one);
		lent_leave(&two);
		vm_give_ram(&vm);
		expect_quarantine(2);
		lent_end(order ? &one : &two);
		work();
		expect(ALL & ~(order ? BIT(5) : BIT(4) | BIT(5)), ALL & ~(order ? BIT(5) : BIT(4) | BIT(5)));
		expect_quarantine(order ? 1 : 2);
		lent_end(order ? &two : &one);
		work();
		expect(ALL, ALL);
		expect_quarantine(0);
	}
	begin(state);
	add_piece(&one, 5, 0, 512);
	add_piece(&two, 5, 512, 512);
	lent_leave(&one);
	lent_leave(&two);
	vm_give_ram(&vm);
	lent_end(&one);
	lent_end(&two); /* before the thread has had its turn */
	work();
	expect(ALL, ALL);
	expect_quarantine(0);
}

static void end_meanwhile(uint32_t block)
{
	on_scrub = NULL;
	assert_int_equal(block, 0);
	lent_end(&one);
	work();
}

/* The disk ends it while the VM's RAM is on its way: the block is given back once, and zeroed behind that. */
static void test_ends_meanwhile(void **state)
{
	(void)state;
	add_piece(&one, 6, 0, 512);
	lent_leave(&one);
	on_scrub = end_meanwhile;
	vm_give_ram(&vm);
	expect(ALL & ~BIT(6), ALL & ~BIT(6));
	expect_quarantine(1);
	work();
	expect(ALL, ALL);
	expect_quarantine(0);
	assert_true(lent_is_idle(&one));
}

/* RAM that its VM keeps is given to no other. */
static void test_kept_by_vm(void **state)
{
	(void)state;
	add_piece(&one, 6, 0, 512);
	lent_leave(&one);
	vm.keeps_ram = true;
	vm_give_ram(&vm);
	expect(0, 0);
	lent_end(&one);
	assert_true(lent_is_idle(&one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_lent, begin), cmocka_unit_test_setup(test_quarantine, begin),
		cmocka_unit_test_setup(test_shared_block, begin), cmocka_unit_test_setup(test_ends_meanwhile, begin),
		cmocka_unit_test_setup(test_kept_by_vm, begin),
	};

	no_memory = true;
	assert_int_equal(lent_start(), -ENOMEM);
	no_memory = false;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
