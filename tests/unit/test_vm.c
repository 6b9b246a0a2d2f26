/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First touches of a VM's RAM (hyp/vm/vm.c): a block is zeroed as a whole before a guest has it, in turns with
 * others where a vCPU does it for itself, and never once a guest has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "fake_log.h"
#include "hyp/run/sched.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/leaveout.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"
#include "mm/zero.h"

#define BASE  UINT64_C(0x40000000)
#define HOST  UINT64_C(0x80000000)
#define PARTS 16U

struct ram_use ram_use;
static struct vm vm;
static uint8_t ram[BLOCK_SIZE]; /* the block's */
static bool late;               /* another vCPU maps the block when it has been looked for without the lock */
static bool second;             /* the VM's other block is mapped; what is in it does not count */
static bool mapped, hole, window_open;
static uint32_t maps, parts, turns, left_out, prepared;
static uint32_t aborts_in;    /* the part that aborts, from 1; 0: none does */
static void (*on_turn)(void); /* what others do meanwhile */
static struct bad_page bad_page;
static bool zero, stays, lost,
	dirty; /* the block: is known to be zero; can stay so; a write was lost; is to be scrubbed */
static uint32_t uses, released;

bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out)
{
	(void)s2, (void)out;
	return at.v >= BASE + BLOCK_SIZE ? second : mapped;
}

bool s2_show(const struct s2 *s2, ipa_t at, pa_t *show)
{
	(void)show;
	if (late && !s2->lock.held) {
		late = false;
		mapped = true;
		return false;
	}
	return at.v >= BASE + BLOCK_SIZE ? second : mapped;
}

int s2_map_block(struct s2 *s2, ipa_t at, pa_t to)
{
	assert_int_equal(at.v, BASE);
	assert_int_equal(to.v, HOST);
	assert_false(mapped);
	assert_int_equal(s2->lock.held, 1);
	for (uint32_t i = 0; i < BLOCK_SIZE; i++)
		assert_true(ram[i] == 0 || aborts_in || hole);
	mapped = true;
	maps++;
	return 0;
}

int s2_prepare(struct s2 *s2, ipa_t at, pa_t to, pa_t *show)
{
	(void)s2, (void)at, (void)to, (void)show;
	prepared++;
	return 0;
}

int leaveout_silent(struct vm *of, ipa_t block, pa_t to)
{
	(void)of, (void)block, (void)to;
	left_out++;
	hole = true;
	return 0;
}

struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next)
{
	(void)base, (void)size, (void)next;
	return hole ? &bad_page : NULL;
}

uint8_t *hyp_window_open_at(enum hyp_window window, pa_t address)
{
	assert_int_equal(window, HYP_WINDOW);
	assert_int_equal(address.v, HOST);
	assert_false(window_open);
	window_open = true;
	return ram;
}

void hyp_window_close_at(enum hyp_window window)
{
	(void)window;
	window_open = false;
}

int cache_scrub(void *start, size_t len)
{
	assert_true(window_open);
	assert_false(mapped);
	parts++;
	if (parts == aborts_in)
		return -EIO;
	memset(start, 0, len);
	return 0;
}

int cache_scrub_block(void *block)
{
	assert_false(mapped);
	memset(block, 0, BLOCK_SIZE);
	return hole || !aborts_in ? 0 : -EIO;
}

void sched_preempt(void)
{
	assert_int_equal(vm.s2.lock.held, 0);
	assert_false(window_open);
	turns++;
	if (on_turn)
		on_turn();
}

bool ram_begin_use(pa_t block)
{
	bool was = zero;

	assert_int_equal(block.v, HOST);
	assert_false(mapped);
	zero = false;
	uses++;
	return was;
}

void ram_set_zero(pa_t block)
{
	assert_int_equal(block.v, HOST);
	assert_false(window_open);
	zero = true;
}

/* Before the first byte is written. */
bool zero_will_stay(pa_t block)
{
	assert_int_equal(block.v, HOST);
	assert_int_equal(parts, 0);
	return stays;
}

bool zero_is_written(void)
{
	return !lost || parts != 3;
}

void guest_views_forget(void)
{
	assert_int_equal(parts, 0);
}

void ram_release(pa_t base, uint64_t size)
{
	assert_int_equal(base.v, HOST);
	assert_int_equal(size, BLOCK_SIZE);
	released++;
}

bool s2_next_dirty(const struct s2 *s2, ipa_t *at, pa_t *to)
{
	(void)s2;
	if (!dirty || at->v > BASE)
		return false;
	*at = ipa(BASE);
	*to = pa(HOST);
	return true;
}

void s2_forget(struct s2 *s2)
{
	(void)s2;
	assert_true(!dirty || parts == PARTS);
}

static int begin(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	vm.s2.generation = 1;
	vm.config.ram_size = BLOCK_SIZE;
	vm.extent_count = 1;
	vm.extent[0] = (struct vm_extent){.ipa = BASE, .pa = HOST, .size = BLOCK_SIZE};
	memset(ram, 0x5a, sizeof(ram));
	mapped = hole = window_open = zero = lost = dirty = false;
	stays = true;
	uses = released = 0;
	maps = parts = turns = left_out = prepared = aborts_in = 0;
	on_turn = NULL;
	return 0;
}

static void test_in_turns(void **state)
{
	(void)state;
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE + 0x12345U)), 0);
	assert_int_equal(maps, 1);
	assert_int_equal(parts, PARTS);
	assert_int_equal(turns, PARTS);
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE)), 0);
	assert_int_equal(parts, PARTS);
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE + BLOCK_SIZE)), -EFAULT);
}

/* Another vCPU has the block in the middle, and writes to it. */
static void have_it(void)
{
	if (turns == 7)
		assert_int_equal(vm_touch(&vm, ipa(BASE)), 0);
	if (turns == 7)
		memset(ram, 0xc3, sizeof(ram));
}

static void test_who_is_first(void **state)
{
	(void)state;
	on_turn = have_it;
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE)), 0);
	assert_int_equal(maps, 1);
	assert_int_equal(parts, 7);
	for (uint32_t i = 0; i < BLOCK_SIZE; i++)
		assert_int_equal(ram[i], 0xc3);
}

/* A part that aborts, and a page that is known to be bad before: all of it is done at once, and the page left out. */
static void test_aborts(void **state)
{
	(void)state;
	aborts_in = 5;
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE)), 0);
	assert_int_equal(turns, 4);
	assert_int_equal(left_out, 1);
	assert_int_equal(maps, 1);
	begin(state);
	hole = true;
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE)), 0);
	assert_int_equal(turns, 0);
	assert_int_equal(maps, 1);
}

/* One that becomes bad behind its zeroes is not mapped as it was. */
static void go_bad(void)
{
	hole = turns == PARTS;
}

static void test_bad_late(void **state)
{
	(void)state;
	on_turn = go_bad;
	memset(ram, 0x5a, sizeof(ram));
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE)), 0);
	assert_int_equal(turns, PARTS);
	assert_int_equal(prepared, 1);
	assert_int_equal(maps, 1);
	assert_int_equal(left_out, 0);
}

/* What is zero is mapped as it is, once; no CPU writes to it before ram_begin_use() has said so. */
static void test_zeroed_before(void **state)
{
	memset(ram, 0, sizeof(ram));
	zero = true;
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE)), 0);
	assert_int_equal(parts + turns, 0);
	assert_int_equal(maps, 1);
	assert_int_equal(uses, 1);
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE)), 0);
	assert_int_equal(vm_touch(&vm, ipa(BASE)), 0);
	assert_int_equal(uses, 1);
	begin(state);
	memset(ram, 0, sizeof(ram));
	zero = true;
	assert_int_equal(vm_touch(&vm, ipa(BASE)), 0);
	assert_int_equal(uses + maps, 2);
	begin(state); /* it was not: vm_touch() zeroes all of it at once */
	assert_int_equal(vm_touch(&vm, ipa(BASE)), 0);
	assert_int_equal(uses + maps, 2);
	begin(state); /* a page is bad: others stand in, which are not zero */
	zero = hole = true;
	assert_int_equal(vm_touch_in_turns(&vm, ipa(BASE)), 0);
	assert_int_equal(prepared, 1);
	assert_int_equal(ram[0], 0);
}

static void step(uint64_t at, int expected, uint32_t parts_then)
{
	assert_int_equal(vm_touch_part(&vm, ipa(at)), expected);
	assert_int_equal(parts, parts_then);
	assert_false(window_open);
	assert_int_equal(turns, 0);
}

/* In steps, in the end of which it is mapped; one step is enough where it is zero. */
static void test_in_steps(void **state)
{
	for (uint32_t n = 1; n < VM_TOUCH_STEPS; n++)
		step(BASE + 0x12345U, -EAGAIN, n);
	assert_false(mapped);
	assert_int_equal(vm_touch_part(&vm, ipa(BASE + BLOCK_SIZE)), -EFAULT);
	step(BASE, 0, VM_TOUCH_STEPS - 1U);
	step(BASE, 0, VM_TOUCH_STEPS - 1U);
	assert_int_equal(uses + maps, 2);
	begin(state);
	memset(ram, 0, sizeof(ram));
	zero = true;
	step(BASE, 0, 0);
	assert_int_equal(uses + maps, 2);
}

/* Whoever asks for another block, the one that is under way comes to its end. */
static void test_steps_end(void **state)
{
	(void)state;
	vm.config.ram_size = vm.extent[0].size = 2U * BLOCK_SIZE;
	step(BASE, -EAGAIN, 1);
	for (uint32_t n = 2; n < VM_TOUCH_STEPS; n++)
		step(BASE + BLOCK_SIZE, -EAGAIN, n);
	step(BASE + BLOCK_SIZE, -EAGAIN, VM_TOUCH_STEPS - 1U);
	assert_true(mapped);
	assert_int_equal(uses, 1);
	begin(state);
	late = true;
	step(BASE, -EAGAIN, 0);
	step(BASE, 0, 0);
}

/* What has been mapped meanwhile, and taken away again, is not zero as far as it was. */
static void test_steps_anew(void **state)
{
	(void)state;
	step(BASE, -EAGAIN, 1);
	assert_int_equal(vm_touch(&vm, ipa(BASE)), 0);
	step(BASE, 0, 1);
	mapped = false;
	memset(ram, 0x5a, sizeof(ram));
	vm.s2.generation++;
	parts = 0;
	for (uint32_t n = 1; n < VM_TOUCH_STEPS; n++)
		step(BASE, -EAGAIN, n);
	step(BASE, 0, VM_TOUCH_STEPS - 1U);
	assert_int_equal(maps, 2);
}

/* A page that is bad, or does not answer: the rest in one go. */
static void test_steps_abort(void **state)
{
	aborts_in = 5;
	for (uint32_t n = 1; n < 5; n++)
		step(BASE, -EAGAIN, n);
	step(BASE, 0, 5);
	assert_int_equal(left_out, 1);
	assert_int_equal(maps, 1);
	begin(state);
	zero = hole = true;
	step(BASE, 0, 0);
	assert_int_equal(prepared, 1);
	assert_int_equal(maps, 1);
	assert_int_equal(vm.touching.generation, 0);
}

static void give(bool expected)
{
	dirty = true;
	vm_give_ram(&vm);
	assert_int_equal(parts, PARTS);
	assert_int_equal(released, 1);
	assert_int_equal(zero, expected);
}

/* The end of a VM leaves its blocks zero, and they are known to be so unless something speaks against it. */
static void test_end(void **state)
{
	give(true);
	begin(state);
	stays = false;
	give(false);
	begin(state);
	aborts_in = 16;
	give(false);
	begin(state);
	lost = true;
	give(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_in_turns, begin),      cmocka_unit_test_setup(test_who_is_first, begin),
		cmocka_unit_test_setup(test_aborts, begin),        cmocka_unit_test_setup(test_bad_late, begin),
		cmocka_unit_test_setup(test_zeroed_before, begin), cmocka_unit_test_setup(test_in_steps, begin),
		cmocka_unit_test_setup(test_steps_end, begin),     cmocka_unit_test_setup(test_steps_anew, begin),
		cmocka_unit_test_setup(test_steps_abort, begin),   cmocka_unit_test_setup(test_end, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
