/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PL031, driven through the MMIO bus, with a counter of 1000 Hz that this test moves. Register values and
 * rules are those of ARM DDI 0224, chapter 3.
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
#include "hyp/run/percpu.h"
#include "hyp/vdev/vpl031.h"
#include "hyp/vm/vm.h"
#include "vgic/vgic.h"

#define DR   0x00
#define MR   0x04
#define LR   0x08
#define CR   0x0c
#define IMSC 0x10
#define RIS  0x14
#define MIS  0x18
#define ICR  0x1c

#define HZ    1000U
#define EPOCH 1700000000U

static struct vm vm;
static struct vcpu vcpu;
static struct percpu cpu[2];
static bool line;
static struct timer *armed[2]; /* by CPU */

void vgic_set_line(struct vm *of, uint32_t c, uint32_t id, bool level)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(c, 0);
	assert_int_equal(id, MACHINE_SPI_RTC);
	assert_int_not_equal(level, line);
	line = level;
}

uint32_t timer_hz(void)
{
	return HZ;
}

static uint32_t drained;

void timer_drain(struct timer *timer)
{
	timer_cancel(timer);
	drained++;
}

static void on_cpu(uint32_t id)
{
	fake_machine.reg[SYSREG_htpidr] = (uint64_t)(uintptr_t)&cpu[id];
}

void timer_take_out(struct timer *timer)
{
	armed[timer->cpu - cpu] = NULL;
	timer->cpu = NULL;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	uint32_t id = fake_machine.reg[SYSREG_htpidr] == (uint64_t)(uintptr_t)&cpu[1];

	timer_cancel(timer);
	timer->cpu = &cpu[id];
	timer->deadline = deadline;
	armed[id] = timer;
}

/* Time goes on, and CPUs' timers fire. */
static void pass(uint64_t ms)
{
	uint64_t end = fake_machine.reg[SYSREG_cntpct] + ms;

	for (;;) {
		struct timer *first = NULL;
		uint32_t id = 0;

		for (uint32_t i = 0; i < 2; i++)
			if (armed[i] && armed[i]->deadline <= end && (!first || armed[i]->deadline < first->deadline)) {
				first = armed[i];
				id = i;
			}
		if (!first)
			break;
		fake_machine.reg[SYSREG_cntpct] = MAX(first->deadline, (uint64_t)fake_machine.reg[SYSREG_cntpct]);
		armed[id] = NULL;
		first->cpu = NULL;
		on_cpu(id);
		first->expired(first);
	}
	fake_machine.reg[SYSREG_cntpct] = end;
	on_cpu(0);
}

static int setup(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.vm = &vm;
	line = false;
	armed[0] = armed[1] = NULL;
	cpu[1].head.id = 1;
	on_cpu(0);
	fake_machine.reg[SYSREG_cntpct] = 5 * HZ + 300;
	vpl031_set_clock(EPOCH);
	return device_create(&vm, &vpl031_class);
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

	assert_int_equal(mmio_access(&vcpu, MACHINE_RTC_BASE + offset, &access), MMIO_DONE);
	assert_true(size == 4 || access.value < BIT(8 * size));
	return access.value;
}

static uint32_t rd(uint32_t offset)
{
	return read_sized(offset, 4);
}

static void write_sized(uint32_t offset, uint32_t size, uint32_t value)
{
	struct mmio_access access = {.size = size, .write = true, .value = value};

	assert_int_equal(mmio_access(&vcpu, MACHINE_RTC_BASE + offset, &access), MMIO_DONE);
	assert_int_equal(line, rd(MIS) != 0);
}

static void wr(uint32_t offset, uint32_t value)
{
	write_sized(offset, 4, value);
}

static void check_reset_values(uint32_t now)
{
	static const uint8_t id[8] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	assert_int_equal(rd(DR), now);
	assert_int_equal(rd(CR), 1);
	for (uint32_t offset = MR; offset < 0xfe0; offset += 4)
		assert_int_equal(rd(offset), offset == CR ? 1 : 0);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(rd(0xfe0 + 4 * i), id[i]);
}

static void test_reset_values(void **state)
{
	(void)state;
	check_reset_values(EPOCH);
}

static void test_read_only(void **state)
{
	(void)state;
	wr(DR, 1);
	wr(CR, 0); /* once started it goes on (3.3.4) */
	wr(RIS, 1);
	wr(MIS, 1);
	wr(0x20, 1);
	wr(0xfe0, 1);
	check_reset_values(EPOCH);
}

static void test_it_counts_seconds(void **state)
{
	(void)state;
	pass(699);
	assert_int_equal(rd(DR), EPOCH);
	pass(1);
	assert_int_equal(rd(DR), EPOCH + 1);
	pass(1000 * 86400);
	assert_int_equal(rd(DR), EPOCH + 1 + 86400);
}

static void test_load(void **state)
{
	(void)state;
	wr(LR, 100);
	assert_int_equal(rd(LR), 100);
	assert_int_equal(rd(DR), 100);
	pass(10000);
	assert_int_equal(rd(LR), 100);
	assert_int_equal(rd(DR), 110);
	wr(LR, ~0U); /* and around */
	assert_int_equal(rd(DR), ~0U);
	pass(1000);
	assert_int_equal(rd(DR), 0);
}

static void test_widths(void **state)
{
	(void)state;
	wr(MR, 0x12345678);
	assert_int_equal(read_sized(MR, 1), 0x78);
	assert_int_equal(read_sized(MR, 2), 0x5678);
	assert_int_equal(read_sized(MR + 1, 1), 0x56);
	assert_int_equal(read_sized(MR + 2, 2), 0x1234);
	write_sized(MR, 1, 0xab); /* the other bytes are not brought, and 0 */
	assert_int_equal(rd(MR), 0xab);
}

static void test_match(void **state)
{
	(void)state;
	wr(IMSC, 0xffffffff);
	assert_int_equal(rd(IMSC), 1);
	wr(MR, EPOCH + 3);
	assert_int_equal(rd(MR), EPOCH + 3);
	pass(2699);
	assert_false(line);
	pass(1);
	assert_true(line);
	assert_int_equal(rd(RIS), 1);
	assert_int_equal(rd(MIS), 1);
	assert_int_equal(rd(DR), EPOCH + 3);
	wr(ICR, 0);
	assert_true(line);
	wr(ICR, 1);
	assert_false(line);
	assert_int_equal(rd(RIS), 0);
	pass(100000);
	assert_false(line);
}

static void test_match_masked(void **state)
{
	(void)state;
	wr(MR, EPOCH + 1);
	pass(1000);
	assert_int_equal(rd(RIS), 1);
	assert_int_equal(rd(MIS), 0);
	assert_false(line);
	wr(IMSC, 1);
	assert_true(line);
	wr(IMSC, 0);
	assert_false(line);
}

static void test_match_now_and_past(void **state)
{
	(void)state;
	wr(IMSC, 1);
	wr(MR, EPOCH);
	assert_true(line);
	wr(ICR, 1);
	wr(MR, EPOCH - 1); /* comes when the counter has gone round */
	assert_false(line);
	pass(1000);
	assert_false(line);
	wr(LR, EPOCH - 2); /* or sooner */
	pass(1000);
	assert_true(line);
}

/* The alarm is moved, on another CPU: the last one counts. */
static void test_match_moved(void **state)
{
	(void)state;
	wr(IMSC, 1);
	wr(MR, EPOCH + 10);
	on_cpu(1);
	wr(MR, EPOCH + 5);
	on_cpu(0);
	pass(4700);
	assert_true(line);
	wr(ICR, 1);
	pass(10000);
	assert_false(line);
	wr(MR, EPOCH + 20);
	on_cpu(1);
	wr(MR, EPOCH + 30);
	pass(10000);
	assert_false(line);
	pass(10000);
	assert_true(line);
}

/* The callback was under way when another CPU moved the alarm: it is not time. */
static void test_match_moved_too_late(void **state)
{
	struct timer *alarm;

	(void)state;
	wr(IMSC, 1);
	wr(MR, EPOCH + 5);
	alarm = armed[0];
	alarm->cpu = NULL;
	armed[0] = NULL;
	on_cpu(1);
	wr(MR, EPOCH + 10);
	on_cpu(0);
	alarm->expired(alarm);
	assert_false(line);
	pass(10000);
	assert_true(line);
}

/* The memory of the device goes behind its last use by a timer. */
static void test_destroy(void **state)
{
	(void)state;
	wr(MR, EPOCH + 5);
	drained = 0;
	device_destroy_all(&vm);
	assert_int_equal(drained, 1);
	assert_null(armed[0]);
}

static void test_reset(void **state)
{
	(void)state;
	wr(IMSC, 1);
	wr(MR, EPOCH);
	assert_true(line);
	wr(MR, EPOCH + 5);
	wr(LR, 77);
	device_reset_all(&vm);
	assert_false(line);
	check_reset_values(EPOCH);
	pass(10700);
	check_reset_values(EPOCH + 11);
	assert_false(line);
}

/* An alarm that was set then comes in its time, unless that has passed meanwhile. */
static void test_save_and_restore(void **state)
{
	struct device *device = device_find(&vm, &vpl031_class);
	uint8_t saved[64];

	(void)state;
	assert_in_range(device_saved_size(device), 1, sizeof(saved));
	wr(IMSC, 1);
	wr(LR, 1000);
	wr(MR, 1010);
	device_save(device, saved);
	device_reset_all(&vm);
	pass(3000);
	assert_int_equal(rd(DR), EPOCH + 3);
	device_restore(device, saved);
	assert_int_equal(rd(DR), 1003);
	assert_int_equal(rd(MR), 1010);
	assert_false(line);
	pass(6000);
	assert_false(line);
	pass(1000);
	assert_true(line);
	device_save(device, saved);
	device_reset_all(&vm);
	assert_false(line);
	device_restore(device, saved);
	assert_true(line);
}

#define RTC_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RTC_TEST(test_reset_values),
		RTC_TEST(test_read_only),
		RTC_TEST(test_it_counts_seconds),
		RTC_TEST(test_load),
		RTC_TEST(test_widths),
		RTC_TEST(test_match),
		RTC_TEST(test_match_masked),
		RTC_TEST(test_match_now_and_past),
		RTC_TEST(test_match_moved),
		RTC_TEST(test_match_moved_too_late),
		RTC_TEST(test_destroy),
		RTC_TEST(test_reset),
		RTC_TEST(test_save_and_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
