/* SPDX-License-Identifier: BSD-2-Clause */
/* Zeroing while a CPU is idle (mm/zero.c): part by part of what mm/ram.c says, and what speaks against a block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "fake_machine.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/option.h"
#include "mm/badpage.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "mm/ram.h"
#include "mm/zero.h"

#define HOST UINT64_C(0x880000000)

struct options options;
static pa_t work;
static uint32_t done;
static bool has_work, busy, window_open, bad, shown, fails;
static struct bad_page bad_page;
static uint8_t window[1];

bool ram_claim_part(uint32_t cpu, pa_t *block, uint32_t *at)
{
	assert_int_equal(cpu, 0);
	assert_false(busy);
	busy = has_work && work.v != RAM_NO_BLOCK;
	*block = work;
	*at = done;
	return has_work;
}

void ram_end_part(uint32_t cpu, uint32_t now)
{
	assert_int_equal(cpu, 0);
	assert_true(busy);
	assert_false(window_open);
	busy = false;
	done = now;
}

struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next)
{
	assert_int_equal(base.v, HOST);
	assert_int_equal(size, BLOCK_SIZE);
	assert_int_equal(*next, 0);
	return bad ? &bad_page : NULL;
}

bool hyp_window_shows(pa_t block)
{
	assert_int_equal(block.v, HOST);
	return shown;
}

uint8_t *hyp_window_open_at(enum hyp_window which, pa_t address)
{
	assert_int_equal(which, HYP_WINDOW);
	assert_int_equal(address.v, HOST);
	window_open = true;
	return window;
}

void hyp_window_close_at(enum hyp_window which)
{
	assert_int_equal(which, HYP_WINDOW);
	window_open = false;
}

int cache_scrub(void *start, size_t len)
{
	assert_true(busy && window_open);
	assert_ptr_equal(start, window + done);
	assert_int_equal(len, KIB(32));
	return fails ? -EIO : 0;
}

static int begin(void **state)
{
	static struct cpu_head head;

	(void)state;
	fake_machine_reset();
	fake_machine.reg[SYSREG_htpidr] = (uintptr_t)&head;
	work = pa(HOST);
	done = 0;
	has_work = true;
	options.zero_idle = 1;
	busy = window_open = bad = shown = fails = false;
	return 0;
}

static void test_parts(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= BLOCK_SIZE / KIB(32); i++) {
		assert_true(zero_step());
		assert_int_equal(done, i * KIB(32));
	}
	work = pa(RAM_NO_BLOCK);
	assert_true(zero_step());
	has_work = false;
	assert_false(zero_step());
	has_work = true;
	options.zero_idle = 0;
	assert_false(zero_step());
}

static void refused(void)
{
	assert_true(zero_step());
	assert_int_equal(done, 0);
}

/* A page is bad; a guest still sees it; it aborts, at once or later. */
static void test_refused(void **state)
{
	bad = true;
	refused();
	begin(state);
	shown = true;
	refused();
	begin(state);
	fails = true;
	refused();
	begin(state);
	fake_machine.reg[SYSREG_isr] = ISR_A;
	refused();
	assert_true(zero_will_stay(pa(HOST)));
	assert_false(zero_will_stay(pa(HOST | HYP_WINDOW_TABLE)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_parts, begin),
		cmocka_unit_test_setup(test_refused, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
