/* Copies into and out of a guest's RAM: bounds, block by block, and nothing of it in a data cache afterwards. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_machine.h"
#include "hyp/vm/guestmem.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/vm/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"

#define BASE ((uint64_t)MACHINE_RAM_BASE)
#define RAM  (2U * BLOCK_SIZE)

static struct vm vm = {.config = {.ram_size = RAM}};
static uint8_t ram[RAM], buffer[RAM];
static uint8_t cached[RAM / 64U]; /* a line of the guest's that HYP's accesses may have left in a data cache */
static uint32_t windows, touches, preempted;

void sched_preempt(void)
{
	assert_int_equal(windows, 0);
	preempted++;
}

int vm_touch(struct vm *v, ipa_t at)
{
	(void)v;
	touches++;
	return at.v - BASE < RAM ? 0 : -EFAULT;
}

/* The second block lies before the first. */
bool vm_ram_pa(const struct vm *v, ipa_t at, pa_t *out)
{
	(void)v;
	*out = pa(RAM - BLOCK_SIZE - (at.v - BASE));
	return true;
}

uint8_t *hyp_window_open(pa_t address)
{
	windows++;
	return ram + address.v;
}

void hyp_window_close(void)
{
	windows--;
}

void cache_clean_invalidate(const void *start, size_t len)
{
	size_t at = (size_t)((const uint8_t *)start - ram);

	assert_int_equal(windows, 1);
	for (size_t i = at / 64U; i <= (at + len - 1U) / 64U; i++)
		cached[i] = 0;
}

void cache_invalidate_icache(void)
{
}

/* What the test is about to copy. */
static void mark(uint64_t at, size_t len)
{
	for (uint64_t i = at; i < at + len; i++)
		cached[(i ^ BLOCK_SIZE) % RAM / 64U] = 1;
}

static void expect_nothing_cached(void)
{
	for (size_t i = 0; i < sizeof(cached); i++)
		assert_int_equal(cached[i], 0);
}

/* Over the border of two blocks, unaligned at both ends. */
static void test_copies(void **state)
{
	const uint64_t at = BLOCK_SIZE - KIB(100) - 7U;
	const size_t len = KIB(300) + 11U;
	static uint8_t back[KIB(300) + 11U];

	(void)state;
	for (size_t i = 0; i < len; i++)
		buffer[i] = (uint8_t)(i * 7U);
	mark(at, len);
	assert_int_equal(guest_load(&vm, ipa(BASE + at), buffer, len), 0);
	expect_nothing_cached();
	assert_true(preempted >= 5);
	assert_int_equal(ram[BLOCK_SIZE + at], buffer[0]);
	assert_int_equal(ram[0], buffer[BLOCK_SIZE - at]);
	mark(at, len);
	preempted = 0;
	assert_int_equal(guest_read(&vm, ipa(BASE + at), back, len), 0);
	expect_nothing_cached();
	assert_memory_equal(back, buffer, len);
	assert_int_equal(preempted, 0); /* in an exit: nobody else runs */
	assert_int_equal(windows, 0);
}

/* Not a byte moves, nor is a block touched. */
static void test_bounds(void **state)
{
	static const struct {
		uint64_t at;
		size_t len;
	} bad[] = {{BASE - 1U, 2}, {BASE + RAM - 1U, 2}, {BASE + RAM, 1}, {BASE, RAM + 1U}, {UINT64_MAX, 1}, {0, 1}};

	(void)state;
	touches = 0;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(guest_read(&vm, ipa(bad[i].at), buffer, bad[i].len), -EFAULT);
		assert_int_equal(guest_load(&vm, ipa(bad[i].at), buffer, bad[i].len), -EFAULT);
	}
	assert_int_equal(touches, 0);
	assert_int_equal(guest_read(&vm, ipa(BASE + RAM), buffer, 0), 0);
	assert_int_equal(guest_read(&vm, ipa(BASE + RAM - 1U), buffer, 1), 0);
}

/* Memory that aborts: an error, the window closed, the rest of the range left alone. */
static void test_abort(void **state)
{
	(void)state;
	fake_machine.bad = ram + 100;
	fake_machine.bad_size = 1;
	memset(ram, 0x11, RAM);
	memset(buffer, 0x22, RAM);
	assert_int_equal(guest_read(&vm, ipa(BASE + BLOCK_SIZE), buffer, 200), -EIO);
	assert_int_equal(guest_load(&vm, ipa(BASE + BLOCK_SIZE), buffer, KIB(128)), -EIO);
	assert_int_equal(windows, 0);
	assert_int_equal(ram[KIB(64)], 0x11);
	assert_int_equal(guest_read(&vm, ipa(BASE + BLOCK_SIZE + 101U), buffer, 200), 0);
	fake_machine_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
