/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose a bad page was, what that one loses, and the line that says so; no other VM notices. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/leaveout.h"
#include "hyp/vm/memerr.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"

#define HEAP_SIZE (2U * BLOCK_SIZE)
#define HEAP_BASE UINT64_C(0x880000000)
#define VM_PA     UINT64_C(0x90000000)
#define VM_IPA    UINT64_C(0x40000000)
#define DISK_PA   UINT64_C(0xa0000000)
#define OTHER_PA  UINT64_C(0xc0000000)
#define SPARE_PA  UINT64_C(0xb0000000)

void page_init_at(void *va, pa_t base, size_t size);

struct vm *vms[VM_MAX];
uint32_t vm_count;
struct spinlock vms_lock;

static struct vm *a, *b;
static uint32_t taken, unmapped, crashes;
static int take_result;
static uint64_t taken_at, unmapped_at, table;
static const struct vm *crashed;
static char why[80];

int s2_take_page(struct s2 *s2, ipa_t at)
{
	assert_ptr_equal(s2, &b->s2);
	taken++;
	taken_at = at.v;
	return take_result;
}

static uint64_t behind; /* a spare page that VM_IPA has; 0: its own */

bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	(void)s2;
	if (behind && at.v == VM_IPA)
		*out = pa(behind);
	return behind != 0;
}

bool s2_owns_table(const struct s2 *s2, pa_t page)
{
	return table && s2 == &b->s2 && page.v == table;
}

static bool gone; /* what the VM had when it was looked for */

bool vm_ram_pa(const struct vm *vm, ipa_t at, pa_t *out)
{
	if (gone || vm->extent_count == 0 || at.v - VM_IPA >= vm->extent[0].size)
		return false;
	*out = pa(vm->extent[0].pa + at.v - VM_IPA);
	return true;
}

/* The window's block. */
static uint8_t block[BLOCK_SIZE];

uint8_t *hyp_window_open_at(enum hyp_window window, pa_t address)
{
	assert_true(window == HYP_WINDOW && address.v == VM_PA + BLOCK_SIZE);
	return block;
}

void hyp_window_close_at(enum hyp_window window)
{
	(void)window;
}

static uint32_t forgets;

void guest_views_forget(void)
{
	forgets++;
}

void hyp_unmap_ring_page(pa_t page)
{
	unmapped++;
	unmapped_at = page.v;
}

void vmctl_crash(struct vm *vm, const struct vcpu *vcpu, const char *text)
{
	assert_null(vcpu);
	crashes++;
	crashed = vm;
	strncpy(why, text, sizeof(why) - 1U);
}

static uint64_t late; /* RAM that VM b gets while it is looked for whose it is */

static bool disk_owns(const struct device *device, pa_t page)
{
	(void)device;
	if (late) {
		b->extent[1] = (struct vm_extent){VM_IPA + 2U * BLOCK_SIZE, late, BLOCK_SIZE};
		b->extent_count = 2;
	}
	return page.v - DISK_PA < BLOCK_SIZE;
}

static uint32_t told;
static uint64_t told_of;

static void tell(struct device *device, ipa_t page, bool async)
{
	(void)device, (void)async;
	told++;
	told_of = page.v;
}

static const struct device_class early_class = {.bad_page = tell};
static struct device early = {.class = &early_class};

static uint32_t losses;

static void disk_lose(struct device *device, pa_t page)
{
	(void)device;
	assert_true(badpage_is(page));
	losses++;
}

static const struct device_class disk_class = {.owns = disk_owns, .lose = disk_lose},
				 other_class = {.size = sizeof(struct device)};
static struct device *other, disk = {.class = &disk_class, .name = "disk0"};

static struct vm *make_vm(const char *name)
{
	struct vm *vm = page_alloc(page_order(sizeof(*vm)));

	strcpy(vm->config.name, name);
	vm->state = VM_RUNNING;
	return vm;
}

static int setup(void **state)
{
	uint8_t *heap = aligned_alloc(BLOCK_SIZE, HEAP_SIZE);

	(void)state;
	page_init_at(heap, pa(HEAP_BASE), HEAP_SIZE);
	ram_add(HEAP_BASE, HEAP_SIZE);
	ram_add(DISK_PA, BLOCK_SIZE);
	ram_add(OTHER_PA, BLOCK_SIZE);
	ram_remove(0, UINT64_MAX); /* none of it is free */
	vms[1] = a = make_vm("a");
	vms[3] = b = make_vm("b");
	vm_count = 4;
	b->extent[0] = (struct vm_extent){VM_IPA, VM_PA, 2U * BLOCK_SIZE};
	b->extent_count = 1;
	other = page_alloc(0);
	*other = (struct device){.class = &other_class, .next = &disk, .vm = a};
	disk.vm = a;
	a->devices = other;
	b->devices = &early;
	return 0;
}

static int each(void **state)
{
	(void)state;
	taken = unmapped = crashes = told = 0;
	take_result = 0;
	behind = table = late = 0;
	gone = false;
	a->state = b->state = VM_RUNNING;
	fake_log_reset();
	return 0;
}

static struct bad_page *record(uint64_t page)
{
	uint32_t next = 0;

	return badpage_next(pa(page), PAGE_SIZE, &next);
}

static void test_guest(void **state)
{
	(void)state;
	assert_int_equal(memerr_guest_page(b, ipa(VM_IPA + 0x5678), true), 0);
	assert_true(told == 1 && told_of == VM_IPA + 0x5000);
	assert_true(taken == 1 && taken_at == VM_IPA + 0x5000 && unmapped == 1 && unmapped_at == VM_PA + 0x5000);
	assert_string_equal(fake_log_last(LOG_ERR),
			    "vm b: the host's RAM at 0x90005000, the guest's at 0x40005000, is bad: "
			    "4 KiB taken away");
	assert_true(record(VM_PA + 0x5000)->async && record(VM_PA + 0x5000)->ipa == VM_IPA + 0x5000);
	assert_string_equal(record(VM_PA + 0x5000)->owner, "b");
	assert_int_equal(record(VM_PA + 0x5000)->instead, 0);
	assert_int_equal(memerr_guest_page(b, ipa(VM_IPA + 0x5000), false), -EEXIST);
	assert_int_equal(memerr_page(pa(VM_PA + 0x5ff0), false), -EEXIST);
	assert_int_equal(memerr_page(pa(VM_PA + 0x6ff0), false), 0); /* the next page, by the host's address */
	assert_true(taken == 2 && taken_at == VM_IPA + 0x6000 && !record(VM_PA + 0x6000)->async);
	assert_int_equal(memerr_guest_page(b, ipa(VM_IPA + 2U * BLOCK_SIZE), false), -EFAULT);
	assert_int_equal(memerr_guest_page(a, ipa(VM_IPA), false), -EFAULT);
	assert_int_equal(taken, 2);
	assert_int_equal(crashes, 0);
}

/* Nothing is missed of a block that the guest has not touched: another page stands in at once. */
static void test_untouched(void **state)
{
	(void)state;
	take_result = -ENOENT;
	ram_add(SPARE_PA, BLOCK_SIZE);
	assert_int_equal(memerr_guest_page(b, ipa(VM_IPA + 0x8000), false), 0);
	assert_int_equal(record(VM_PA + 0x8000)->instead, SPARE_PA);
	assert_string_equal(fake_log_last(LOG_ERR),
			    "vm b: the host's RAM at 0x90008000, the guest's at 0x40008000, is bad: "
			    "another page stands in for it");
	/* For a spare page that is bad itself another one stands in. */
	assert_int_equal(memerr_page(pa(SPARE_PA), false), 0);
	assert_int_equal(record(VM_PA + 0x8000)->instead, SPARE_PA + PAGE_SIZE);
	assert_int_equal(memerr_guest_page(b, ipa(VM_IPA + 0x8000), false), -EEXIST);
	assert_int_equal(memerr_page(pa(SPARE_PA + PAGE_SIZE), false), 0);
	assert_int_equal(record(SPARE_PA + PAGE_SIZE)->ipa, VM_IPA + 0x8000);
	assert_int_equal(told, 0);
}

/* The page that stands in for another one: both are known, and by both addresses it is this VM's. */
static void test_spare(void **state)
{
	(void)state;
	take_result = -ENOENT;
	assert_int_equal(memerr_guest_page(b, ipa(VM_IPA), false), 0);
	behind = record(VM_PA)->instead;
	assert_int_not_equal(behind, 0);
	take_result = 0;
	assert_int_equal(memerr_page(pa(behind + 8U), true), 0);
	assert_int_equal(taken_at, VM_IPA);
	assert_true(record(behind)->guest && record(behind)->ipa == VM_IPA);
	assert_int_equal(record(VM_PA)->instead, 0);
	assert_true(record(VM_PA)->async);
	assert_int_equal(unmapped_at, behind);
}

/* A VM that is on its way somewhere has to be waited for; one that is off and keeps its RAM is not. */
static void test_busy(void **state)
{
	static const enum vm_state settled[] = {VM_CREATED, VM_RUNNING, VM_PAUSED, VM_OFF, VM_CRASHED};
	uint64_t at = VM_IPA + 0x20000;

	(void)state;
	for (enum vm_state s = VM_CREATED; s <= VM_ENDING; s++) {
		bool ok = false;

		for (uint32_t i = 0; i < ARRAY_SIZE(settled); i++)
			ok |= s == settled[i];
		b->state = s;
		assert_int_equal(memerr_guest_page(b, ipa(at), false), ok ? 0 : -EBUSY);
		assert_int_equal(record(at - VM_IPA + VM_PA) != NULL, ok);
		at += PAGE_SIZE;
	}
}

/* A VM that has given its RAM back since an error was met there: whose it is will be found next time. */
static void test_gone(void **state)
{
	(void)state;
	b->state = VM_STOPPING;
	assert_int_equal(memerr_page(pa(VM_PA + 0x18000), false), -EBUSY);
	gone = true;
	assert_int_equal(memerr_page(pa(VM_PA + 0x18000), false), -EBUSY);
	b->state = VM_RUNNING;
	assert_int_equal(memerr_page(pa(VM_PA + 0x18000), false), -EBUSY);
	assert_int_equal(memerr_guest_page(b, ipa(VM_IPA + 0x18000), false), -EFAULT);
	assert_null(record(VM_PA + 0x18000));
}

/* No VM had it when that was asked; one has it, and has touched it, before it is in quarantine. */
static void test_late(void **state)
{
	(void)state;
	late = OTHER_PA;
	assert_int_equal(memerr_page(pa(OTHER_PA + 0x3010), false), 0);
	assert_true(taken == 1 && taken_at == VM_IPA + 2U * BLOCK_SIZE + 0x3000);
	assert_true(unmapped == 1 && unmapped_at == OTHER_PA + 0x3000);
	b->extent_count = 1;
	take_result = -ENOMEM;
	assert_int_equal(memerr_page(pa(OTHER_PA + 0x4000), false), 0);
	assert_true(crashes == 1 && crashed == b);
	b->extent_count = 1;
}

/* No room for a table: the page cannot go alone. */
static void test_no_table(void **state)
{
	(void)state;
	take_result = -ENOMEM;
	assert_int_equal(memerr_page(pa(VM_PA + 0x10000), false), -ENOMEM);
	assert_true(crashes == 1 && crashed == b);
	assert_non_null(strstr(why, "0x90010000"));
}

/*
 * Before the VM sees a block for the first time: those of its pages that do not answer are replaced, and it is told
 * nothing; if they are many, none is.
 */
static void test_leave_out(void **state)
{
	ipa_t at = ipa(VM_IPA + BLOCK_SIZE);
	pa_t to = pa(VM_PA + BLOCK_SIZE);
	uint32_t before = badpage_count();

	(void)state;
	ram_add(SPARE_PA + BLOCK_SIZE, BLOCK_SIZE);
	assert_int_equal(leaveout_silent(b, at, to), -EIO); /* all of it answers by now */
	fake_machine.bad = block + 3U * PAGE_SIZE + 8U;
	fake_machine.bad_size = 16U * PAGE_SIZE;
	assert_int_equal(leaveout_silent(b, at, to), -EIO);
	assert_int_equal(badpage_count(), before);
	fake_machine.bad_size = 15U * PAGE_SIZE;
	assert_int_equal(leaveout_silent(b, at, to), 0);
	assert_int_equal(badpage_count(), before + 16U);
	for (uint32_t i = 3; i < 19; i++) {
		const struct bad_page *bad = record(to.v + i * PAGE_SIZE);

		assert_true(bad->guest && bad->instead && bad->ipa == at.v + i * PAGE_SIZE);
	}
	assert_non_null(strstr(fake_log_last(LOG_ERR), "is bad: another page stands in for it"));
	assert_int_equal(told + taken + crashes, 0);
	fake_machine.bad_size = 0;
}

/* RAM that devices of the host reach by themselves: an operator's error is refused, one that is found cannot be
 * contained. */
static void test_direct(void **state)
{
	uint64_t at = VM_IPA + 0x80000;

	(void)state;
	b->config.trusted_dma = true;
	assert_int_equal(memerr_guest_page(b, ipa(at), false), -EPERM);
	assert_int_equal(taken, 0);
	assert_int_equal(memerr_page(pa(VM_PA + 0x80000), false), 0);
	assert_true(taken == 1 && told == 1);
	assert_non_null(strstr(fake_log_last(LOG_ERR), "the error cannot be contained"));
	/* Nothing stands in for it: its devices know the host's addresses. */
	take_result = -ENOENT;
	assert_int_equal(memerr_page(pa(VM_PA + 0x81000), false), 0);
	assert_true(record(VM_PA + 0x81000)->instead == 0 && told == 2);
	b->config.trusted_dma = false;
}

static void test_device(void **state)
{
	(void)state;
	assert_int_equal(memerr_page(pa(DISK_PA + 0x1234), false), 0);
	assert_string_equal(fake_log_last(LOG_ERR),
			    "vm a: disk0: the host's RAM at 0xa0001000 is bad: 4 KiB of the device's data are lost");
	assert_int_equal(taken + crashes, 0);
	assert_true(losses == 1 && forgets > 0);
	assert_false(record(DISK_PA + 0x1000)->guest);
	assert_string_equal(record(DISK_PA + 0x1000)->owner, "a");
}

static void test_nobody(void **state)
{
	(void)state;
	assert_int_equal(memerr_page(pa(OTHER_PA), false), 0);
	assert_string_equal(fake_log_last(LOG_ERR), "host: RAM at 0xc0000000 is bad: 4 KiB that no VM has, nor gets");
	assert_int_equal(taken + crashes, 0);
	assert_int_equal(memerr_page(pa(OTHER_PA + BLOCK_SIZE), false), -EFAULT);
	assert_null(record(OTHER_PA + BLOCK_SIZE));
}

/* virt7's own: who lives there stops, where that is known; the page is not used again. */
static void test_heap(void **state)
{
	void *page = page_alloc(0), *free_page = page_alloc(0);
	size_t before;

	(void)state;
	assert_int_equal(memerr_page(pa(page_pa(page).v + 4U), false), 0);
	assert_non_null(strstr(fake_log_last(LOG_ERR), "it is not used again once it is free"));
	before = page_available();
	page_free(page, 0);
	assert_int_equal(page_available(), before);
	page_free(free_page, 0);
	before = page_available();
	assert_int_equal(memerr_page(page_pa(free_page), false), 0);
	assert_non_null(strstr(fake_log_last(LOG_ERR), "it was free"));
	assert_int_equal(page_available(), before - PAGE_SIZE);
	for (void *p; (p = page_alloc(0)) != NULL;)
		assert_true(p != page && p != free_page);
	assert_int_equal(crashes, 0);
	assert_int_equal(memerr_page(pa(page_pa(a).v + 64U), false), 0);
	assert_true(crashes == 1 && crashed == a);
	table = HEAP_BASE + HEAP_SIZE - PAGE_SIZE;
	assert_int_equal(memerr_page(pa(table), false), 0);
	assert_true(crashes == 2 && crashed == b);
	assert_int_equal(memerr_page(page_pa(other), false), 0);
	assert_true(crashes == 3 && crashed == a);
}

/* The list's next page is not to be had: that is said, and nothing else happens. Last, for the heap is empty. */
static void test_no_record(void **state)
{
	uint64_t at = VM_PA + 0x100000;
	int ret;

	(void)state;
	while (page_alloc(0))
		;
	while ((ret = memerr_page(pa(at), false)) == 0)
		at += PAGE_SIZE;
	assert_int_equal(ret, -ENOMEM);
	assert_int_equal(memerr_guest_page(b, ipa(at - VM_PA + VM_IPA), false), -ENOMEM);
	assert_non_null(strstr(fake_log_last(LOG_ERR), "virt7's heap has no room to note that"));
	assert_int_equal(memerr_page(pa(OTHER_PA + 0x10000), false), -ENOMEM);
	assert_null(record(at));
	assert_int_equal(crashes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_guest, each),     cmocka_unit_test_setup(test_untouched, each),
		cmocka_unit_test_setup(test_spare, each),     cmocka_unit_test_setup(test_busy, each),
		cmocka_unit_test_setup(test_device, each),    cmocka_unit_test_setup(test_nobody, each),
		cmocka_unit_test_setup(test_no_table, each),  cmocka_unit_test_setup(test_heap, each),
		cmocka_unit_test_setup(test_leave_out, each), cmocka_unit_test_setup(test_direct, each),
		cmocka_unit_test_setup(test_gone, each),      cmocka_unit_test_setup(test_late, each),
		cmocka_unit_test_setup(test_no_record, each),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
