/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PL061, driven through the MMIO bus, with a vGIC that keeps the line's level and a timer that this test
 * fires. Register values and rules are those of ARM DDI 0190, chapter 3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "fake_machine.h"
#include "fake_page.h"
#include "hyp/lib/bits.h"
#include "hyp/vm/machine.h"
#include "hyp/vdev/vpl061.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"

#define DATA  0x3fc
#define DIR   0x400
#define IS    0x404
#define IBE   0x408
#define IEV   0x40c
#define IE    0x410
#define RIS   0x414
#define MIS   0x418
#define IC    0x41c
#define AFSEL 0x420

#define KEY 0x08

static struct vm vm;
static struct vcpu vcpu;
static bool line;
static struct timer *armed;
static uint64_t due; /* when it is armed */

void vgic_set_line(struct vm *of, uint32_t cpu, uint32_t id, bool level)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(cpu, 0);
	assert_int_equal(id, MACHINE_SPI_GPIO);
	assert_int_not_equal(level, line); /* told only of changes */
	line = level;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	assert_int_equal(deadline, read_cntpct() + 100U); /* ms, at 1000 Hz */
	assert_null(timer->cpu);
	due = deadline;
	timer->cpu = (struct percpu *)timer;
	armed = timer;
}

void timer_drain(struct timer *timer)
{
	timer->cpu = NULL;
	armed = NULL;
}

uint32_t timer_hz(void)
{
	return 1000;
}

static void release(void)
{
	struct timer *timer = armed;

	assert_non_null(timer);
	fake_machine.reg[SYSREG_cntpct] = due;
	timer->cpu = NULL;
	armed = NULL;
	timer->expired(timer);
}

static int setup(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.vm = &vm;
	line = false;
	armed = NULL;
	return device_create(&vm, &vpl061_class);
}

static int teardown(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	return fake_page_live() == 0 ? 0 : -1;
}

static uint32_t read_sized(uint32_t offset, uint32_t size)
{
	struct mmio_access access = {.size = size};

	assert_int_equal(mmio_access(&vcpu, MACHINE_GPIO_BASE + offset, &access), MMIO_DONE);
	assert_true(access.value < 256);
	return access.value;
}

static uint32_t rd(uint32_t offset)
{
	return read_sized(offset, 4);
}

static void write_sized(uint32_t offset, uint32_t size, uint32_t value)
{
	struct mmio_access access = {.size = size, .write = true, .value = value};

	assert_int_equal(mmio_access(&vcpu, MACHINE_GPIO_BASE + offset, &access), MMIO_DONE);
	assert_int_equal(line, rd(MIS) != 0); /* whatever was written, the line follows MIS */
}

static void wr(uint32_t offset, uint32_t value)
{
	write_sized(offset, 4, value);
}

/* Table 3-1: all registers are 0 but the identification. */
static void check_reset_values(void)
{
	static const uint8_t id[8] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	for (uint32_t offset = 0; offset < 0xfe0; offset += 4)
		assert_int_equal(rd(offset), 0);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(rd(0xfe0 + 4 * i), id[i]);
}

static void test_reset_values(void **state)
{
	(void)state;
	check_reset_values();
}

static void test_read_write(void **state)
{
	static const uint32_t writable[] = {DIR, IS, IBE, IEV, IE, AFSEL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++) {
		setup(state);
		wr(writable[i], 0xffffff5a);
		assert_int_equal(rd(writable[i]), 0x5a);
		assert_int_equal(read_sized(writable[i], 1), 0x5a);
		assert_int_equal(read_sized(writable[i], 2), 0x5a);
		assert_int_equal(read_sized(writable[i] + 1, 1), 0);
		write_sized(writable[i] + 1, 1, 0xff); /* above the register */
		assert_int_equal(rd(writable[i]), 0x5a);
		write_sized(writable[i], 1, 0xa5);
		assert_int_equal(rd(writable[i]), 0xa5);
	}
	setup(state);
	wr(RIS, 0xff);
	wr(MIS, 0xff);
	wr(IC, 0xff);
	wr(0x424, 0xff);
	for (uint32_t i = 0; i < 8; i++)
		wr(0xfe0 + 4 * i, 0xff);
	check_reset_values();
}

/* 3.3.1: bits 9:2 of the address are a mask for reads and writes. */
static void test_data_mask(void **state)
{
	(void)state;
	wr(DIR, 0xff);
	wr(DATA, 0xff);
	assert_int_equal(rd(DATA), 0xff);
	wr(0x0f0 << 2, 0);
	assert_int_equal(rd(DATA), 0x0f);
	wr(0x081 << 2, 0xfe);
	assert_int_equal(rd(DATA), 0x8e);
	for (uint32_t mask = 0; mask < 256; mask++)
		assert_int_equal(rd(mask << 2), 0x8e & mask);
	wr(0, 0xff);
	assert_int_equal(rd(DATA), 0x8e);
}

/* 3.3.1, 3.3.2: an input shows its pin, an output what was written, also before it was one. */
static void test_direction(void **state)
{
	(void)state;
	wr(DATA, 0xff);
	assert_int_equal(rd(DATA), 0);
	wr(DIR, 0xf0);
	assert_int_equal(rd(DATA), 0xf0);
	vpl061_press_power(&vm);
	assert_int_equal(rd(DATA), 0xf0 | KEY);
	wr(DIR, KEY);
	wr(DATA, 0);
	assert_int_equal(rd(DATA), 0);
	wr(DIR, 0);
	assert_int_equal(rd(DATA), KEY);
	release();
	assert_int_equal(rd(DATA), 0);
}

/* GPIOIS, GPIOIBE, GPIOIEV: which of pressing and releasing is an interrupt, and what GPIOIC does to it. */
static void test_edges(void **state)
{
	static const struct {
		uint32_t both, event;
		bool rise, fall;
	} rows[] = {{0, 0, false, true}, {0, KEY, true, false}, {KEY, 0, true, true}, {KEY, KEY, true, true}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(state);
		wr(IBE, rows[i].both);
		wr(IEV, rows[i].event);
		wr(IE, KEY);
		vpl061_press_power(&vm);
		assert_int_equal(rd(RIS), rows[i].rise ? KEY : 0);
		assert_int_equal(line, rows[i].rise);
		wr(IC, 0xff & ~KEY);
		assert_int_equal(rd(RIS), rows[i].rise ? KEY : 0);
		wr(IC, KEY);
		assert_int_equal(rd(RIS), 0);
		release();
		assert_int_equal(rd(RIS), rows[i].fall ? KEY : 0);
		assert_int_equal(line, rows[i].fall);
		wr(IC, KEY);
		assert_false(line);
	}
}

static void test_levels(void **state)
{
	(void)state;
	wr(IS, KEY);
	wr(IEV, KEY);
	wr(IE, KEY);
	assert_false(line);
	vpl061_press_power(&vm);
	assert_true(line);
	wr(IC, KEY); /* a level stands until it falls */
	assert_true(line);
	release();
	assert_false(line);
	wr(IEV, 0); /* low */
	assert_true(line);
	assert_int_equal(rd(RIS), KEY);
	vpl061_press_power(&vm);
	assert_false(line);
	release();
}

static void test_mask(void **state)
{
	(void)state;
	wr(IEV, KEY);
	vpl061_press_power(&vm);
	assert_int_equal(rd(RIS), KEY);
	assert_int_equal(rd(MIS), 0);
	wr(IE, 0xff & ~KEY);
	assert_false(line);
	wr(IE, KEY);
	assert_true(line);
	assert_int_equal(rd(MIS), KEY);
	wr(IE, 0);
	assert_false(line);
	release();
}

static void test_output_has_no_interrupt(void **state)
{
	(void)state;
	wr(DIR, KEY);
	wr(IBE, KEY);
	wr(IE, KEY);
	assert_false(vpl061_listens(&vm));
	vpl061_press_power(&vm);
	release();
	assert_int_equal(rd(RIS), 0);
	wr(IS, KEY);
	assert_int_equal(rd(RIS), 0);
}

static void test_listens(void **state)
{
	(void)state;
	assert_false(vpl061_listens(&vm));
	wr(IE, 0xff & ~KEY);
	assert_false(vpl061_listens(&vm));
	wr(IE, KEY);
	assert_true(vpl061_listens(&vm));
}

/* A key that is down holds no memory of a VM that goes. */
static void test_destroyed_while_pressed(void **state)
{
	(void)state;
	vpl061_press_power(&vm);
	assert_non_null(armed);
	device_destroy_all(&vm);
	assert_null(armed);
}

/* Pressed again while pressed: one press, one release. Reset in between: it is over. */
static void test_press_twice_and_reset(void **state)
{
	(void)state;
	wr(IBE, KEY);
	wr(IE, KEY);
	vpl061_press_power(&vm);
	wr(IC, KEY);
	vpl061_press_power(&vm);
	assert_int_equal(rd(RIS), 0);
	wr(DIR, 0xf0);
	wr(DATA, 0xff);
	device_reset_all(&vm);
	assert_false(line);
	check_reset_values();
	release();
	check_reset_values();
}

/* Its time is over and another CPU waits for the lock with that, when it is pressed again: for as long as ever. */
static void test_press_as_it_goes_up(void **state)
{
	struct timer *timer;

	(void)state;
	vpl061_press_power(&vm);
	timer = armed;
	fake_machine.reg[SYSREG_cntpct] = due;
	timer->cpu = NULL;
	vpl061_press_power(&vm);
	timer->expired(timer);
	assert_int_equal(rd(DATA), KEY);
	release();
	assert_int_equal(rd(DATA), 0);
}

/* Saved with the key down: it goes up in its time, which is an edge. */
static void test_save_and_restore(void **state)
{
	struct device *device = device_find(&vm, &vpl061_class);
	uint8_t saved[64];

	(void)state;
	assert_in_range(device_saved_size(device), 1, sizeof(saved));
	wr(IEV, 0);
	wr(IE, KEY);
	wr(DIR, 0xf0);
	wr(DATA, 0xff);
	vpl061_press_power(&vm);
	device_save(device, saved);
	release();
	assert_true(line);
	device_reset_all(&vm);
	assert_false(line);
	device_restore(device, saved);
	assert_int_equal(rd(DATA), 0xf0 | KEY);
	assert_false(line);
	release();
	assert_int_equal(rd(DATA), 0xf0);
	assert_true(line);
}

static void test_random(void **state)
{
	uint32_t x = 0x2545f491;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t size;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		size = BIT(x % 3);
		if (x & BIT(20))
			vpl061_press_power(&vm);
		else if (x & BIT(21) && armed)
			release();
		if (x & BIT(22))
			write_sized((x >> 4) % (i % 8 ? 0x440 : 0x1000) & ~(size - 1U), size, x >> 8);
		else
			read_sized((x >> 4) % 0x1000 & ~(size - 1U), size);
		assert_int_equal(line, rd(MIS) != 0);
		assert_int_equal(rd(MIS), rd(RIS) & rd(IE));
	}
}

#define GPIO_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPIO_TEST(test_reset_values),
		GPIO_TEST(test_read_write),
		GPIO_TEST(test_data_mask),
		GPIO_TEST(test_direction),
		GPIO_TEST(test_edges),
		GPIO_TEST(test_levels),
		GPIO_TEST(test_mask),
		GPIO_TEST(test_output_has_no_interrupt),
		GPIO_TEST(test_listens),
		GPIO_TEST(test_press_twice_and_reset),
		GPIO_TEST(test_press_as_it_goes_up),
		GPIO_TEST(test_destroyed_while_pressed),
		GPIO_TEST(test_save_and_restore),
		GPIO_TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
