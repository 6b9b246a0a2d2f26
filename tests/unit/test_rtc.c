/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks of hosts: what their registers say, as seconds since 1970. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_machine.h"
#include "hyp/host/rtc.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"

static uint32_t regs[RTC_SIZE / 4];
static bool mapped;

void *hyp_map_device(uint64_t base, size_t size)
{
	assert_int_equal(base, 0x1000);
	assert_int_equal(size, RTC_SIZE);
	return mapped ? regs : NULL;
}

static bool read_clock(const struct rtc_model *model, uint32_t *seconds)
{
	return rtc_read(&(struct host_rtc){"a-clock", 0x1000, model}, seconds);
}

static void expect(const struct rtc_model *model, uint32_t seconds)
{
	uint32_t got = 0;

	assert_true(read_clock(model, &got));
	assert_int_equal(got, seconds);
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	memset(regs, 0, sizeof(regs));
	mapped = true;
	return 0;
}

static void test_pl031(void **state)
{
	(void)state;
	regs[0] = 1700000000;
	expect(&rtc_pl031, 1700000000);
}

static uint32_t date_of(uint32_t year, uint32_t month, uint32_t day)
{
	return (year - 1970U) << 16 | month << 8 | day;
}

/* Seconds are those of date(1). */
static void test_sunxi(void **state)
{
	static const struct {
		uint32_t year, month, day, seconds;
	} days[] = {
		{1970, 1, 1, 0},           {1972, 2, 29, 68169600},    {1972, 3, 1, 68256000},
		{2000, 12, 31, 978220800}, {2026, 11, 29, 1795910400}, {2033, 1, 1, 1988150400},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(days); i++) {
		regs[0x10 / 4] = regs[0x04 / 4] = date_of(days[i].year, days[i].month, days[i].day);
		regs[0x14 / 4] = regs[0x08 / 4] = 23U << 16 | 59U << 8 | 58U;
		expect(&rtc_sun6i, days[i].seconds + 86398U);
		expect(&rtc_sun4i, days[i].seconds + 86398U);
	}
	regs[0x04 / 4] = date_of(2100, 2, 28); /* beyond the six bits of the newer one */
	expect(&rtc_sun4i, 4107456000U + 86398U);
}

static void test_no_such_day(void **state)
{
	static const uint32_t wrong[] = {0, 13U << 8 | 1, 1U << 8, 2U << 8 | 29, 4U << 8 | 31, 1U << 8 | 31};
	uint32_t seconds;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		regs[0x10 / 4] = wrong[i];
		assert_int_equal(read_clock(&rtc_sun6i, &seconds), i + 1U == ARRAY_SIZE(wrong));
	}
}

static void test_snvs(void **state)
{
	uint32_t seconds;

	(void)state;
	regs[0x50 / 4] = 1700000000U >> 17;
	regs[0x54 / 4] = 1700000000U << 15 | 0x7fff;
	assert_false(read_clock(&rtc_snvs, &seconds)); /* stands still: it has not been set */
	regs[0x38 / 4] = 1;
	expect(&rtc_snvs, 1700000000);
}

static void test_none(void **state)
{
	const struct rtc_model *const all[] = {&rtc_pl031, &rtc_sun4i, &rtc_sun6i, &rtc_snvs};
	uint32_t seconds;

	(void)state;
	assert_false(rtc_read(&(struct host_rtc){0}, &seconds));
	fake_machine.bad = regs;
	fake_machine.bad_size = sizeof(regs);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_false(read_clock(all[i], &seconds));
	mapped = false;
	assert_false(read_clock(&rtc_pl031, &seconds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pl031, setup),       cmocka_unit_test_setup(test_sunxi, setup),
		cmocka_unit_test_setup(test_no_such_day, setup), cmocka_unit_test_setup(test_snvs, setup),
		cmocka_unit_test_setup(test_none, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
