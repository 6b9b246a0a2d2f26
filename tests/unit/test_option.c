/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot options: numbers, bounds, words that are not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_log.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/option.h"

static int setup(void **state)
{
	(void)state;
	memset(&options, 0, sizeof(options));
	fake_log_reset();
	return 0;
}

static void test_numbers(void **state)
{
	(void)state;
	option_parse("gic.lrs=2");
	assert_int_equal(options.list_registers, 2);
	option_parse("  console=ttyS0,115200\tgic.lrs=0x10 root=/dev/mmcblk0p2  ");
	assert_int_equal(options.list_registers, 16);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
}

static void test_wrong_values_have_no_effect(void **state)
{
	static const char *const wrong[] = {"gic.lrs",    "gic.lrs=",   "gic.lrs=0",          "gic.lrs=65",
					    "gic.lrs=0x", "gic.lrs=1g", "gic.lrs=4294967297", "gic.lrs=-1"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fake_log_reset();
		option_parse(wrong[i]);
		assert_int_equal(options.list_registers, 0);
		assert_non_null(strstr(fake_log_last(LOG_WARN), "option gic.lrs: expects a number"));
	}
}

static void test_page(void **state)
{
	(void)state;
	option_parse("s2.page=4k");
	assert_int_equal(options.stage2_page, OPTION_PAGE_4K);
	option_parse("s2.page=2m");
	assert_int_equal(options.stage2_page, OPTION_PAGE_2M);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	option_parse("s2.page=4");
	option_parse("s2.page=64k");
	assert_int_equal(options.stage2_page, OPTION_PAGE_2M);
	assert_int_equal(fake_log_count(LOG_WARN), 2);
}

static void test_harden(void **state)
{
	static const char *const wrong[] = {"harden", "harden=", "harden=exits", "harden=none", "harden=exi"};

	(void)state;
	option_parse("harden=exit");
	assert_int_equal(options.harden, OPTION_HARDEN_EXIT);
	option_parse("harden=force");
	assert_int_equal(options.harden, OPTION_HARDEN_FORCE);
	option_parse("harden=switch");
	assert_int_equal(options.harden, OPTION_HARDEN_SWITCH);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++)
		option_parse(wrong[i]);
	assert_int_equal(options.harden, OPTION_HARDEN_SWITCH);
	assert_int_equal(fake_log_count(LOG_WARN), ARRAY_SIZE(wrong));
	assert_string_equal(fake_log_last(LOG_WARN), "option harden: expects switch, exit or force; ignored");
}

static void test_error(void **state)
{
	(void)state;
	option_parse("on-error=poweroff");
	assert_int_equal(options.on_error, OPTION_ERROR_POWEROFF);
	option_parse("on-error=halt");
	assert_int_equal(options.on_error, OPTION_ERROR_HALT);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	option_parse("on-error on-error= on-error=reboot");
	assert_int_equal(options.on_error, OPTION_ERROR_HALT);
	assert_int_equal(fake_log_count(LOG_WARN), 3);
	assert_string_equal(fake_log_last(LOG_WARN), "option on-error: expects halt or poweroff; ignored");
}

/* As Linux has it, or with a value. */
static void test_quiet(void **state)
{
	(void)state;
	option_parse("console=ttyS0 quiet splash");
	assert_int_equal(options.quiet, 1);
	option_parse("quiet=0");
	assert_int_equal(options.quiet, 0);
	option_parse("quiet=1");
	assert_int_equal(options.quiet, 1);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	option_parse("quiet=yes");
	assert_string_equal(fake_log_last(LOG_WARN), "option quiet: expects 0 or 1, or nothing behind it; ignored");
}

static void test_offset(void **state)
{
	(void)state;
	option_parse("timer.offset=never");
	assert_int_equal(options.timer_offset, OPTION_OFFSET_NEVER);
	option_parse("timer.offset=paused");
	assert_int_equal(options.timer_offset, OPTION_OFFSET_PAUSED);
	option_parse("timer.offset=always");
	assert_int_equal(options.timer_offset, OPTION_OFFSET_ALWAYS);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	option_parse("timer.offset= timer.offset=pause timer.offset=neverx");
	assert_int_equal(options.timer_offset, OPTION_OFFSET_ALWAYS);
	assert_int_equal(fake_log_count(LOG_WARN), 3);
}

static void test_errata(void **state)
{
	static const char *const wrong[] = {"errata",         "errata=",        "errata=798180",
					    "errata=798181,", "errata=,798181", "errata=798181;766422"};

	(void)state;
	option_parse("errata=798181");
	assert_int_equal(options.errata, BIT(ERRATUM_798181));
	option_parse("errata=766422,773022");
	assert_int_equal(options.errata, BIT(ERRATUM_766422) | BIT(ERRATUM_773022));
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++)
		option_parse(wrong[i]);
	assert_int_equal(options.errata, BIT(ERRATUM_766422) | BIT(ERRATUM_773022));
	assert_int_equal(fake_log_count(LOG_WARN), ARRAY_SIZE(wrong));
	assert_string_equal(fake_log_last(LOG_WARN),
			    "option errata: expects 766422, 773022 or 798181, more with commas between; ignored");
}

static void test_fake_cpus(void **state)
{
	static const char *const wrong[] = {"cpu.fake=",      "cpu.fake=a7",    "cpu.fake=8:a7",
					    "cpu.fake=1:a9",  "cpu.fake=1:a7,", "cpu.fake=1:a7;2:a7",
					    "cpu.fake=,1:a7", "cpu.fake=1:",    "cpu.fake=1:a77"};

	(void)state;
	options.cpu_fake = 0;
	option_parse("cpu.fake=0:a15");
	assert_int_equal(options.cpu_fake, OPTION_FAKE_A15);
	option_parse("cpu.fake=2:a7,3:unknown,7:a15");
	assert_int_equal(options.cpu_fake,
			 OPTION_FAKE_A7 << 8 | OPTION_FAKE_UNKNOWN << 12 | (uint32_t)OPTION_FAKE_A15 << 28);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	options.cpu_fake = 0;
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		option_parse(wrong[i]);
		assert_int_equal(options.cpu_fake, 0);
		assert_int_equal(fake_log_count(LOG_WARN), i + 1);
	}
}

static void test_yes_and_no(void **state)
{
	(void)state;
	option_parse("coproc.hstr=1");
	assert_int_equal(options.hstr, 1);
	option_parse("coproc.hstr=0");
	assert_int_equal(options.hstr, 0);
	option_parse("coproc.t7=1 setway.log=1");
	assert_int_equal(options.trap_c7, 1);
	assert_int_equal(options.log_setway, 1);
	option_parse("coproc.t7=0 setway.log=10");
	assert_int_equal(options.trap_c7, 0);
	assert_int_equal(options.log_setway, 1);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
}

static void test_other_words_are_left_alone(void **state)
{
	(void)state;
	option_parse("gic.lrs22=1 gic=1 =3 console=ttyS0 ro debug rootwait loglevel=7 panic=1 earlycon trace_event=x");
	option_parse("");
	assert_int_equal(options.list_registers, 0);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
}

/* Of Linux's words none is so near. */
static void test_slips(void **state)
{
	static const char *const slips[][2] = {
		{"on-eror=poweroff", "option on-eror: unknown, ignored; did you mean on-error?"},
		{"on-errror=halt", "option on-errror: unknown, ignored; did you mean on-error?"},
		{"on_error=halt", "option on_error: unknown, ignored; did you mean on-error?"},
		{"no-error=halt", "option no-error: unknown, ignored; did you mean on-error?"},
		{"quite", "option quite: unknown, ignored; did you mean quiet?"},
		{"gic.lrs2=1", "option gic.lrs2: unknown, ignored; did you mean gic.lrs?"},
		{"tracE=1", "option tracE: unknown, ignored; did you mean trace?"},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(slips); i++) {
		option_parse(slips[i][0]);
		assert_string_equal(fake_log_last(LOG_WARN), slips[i][1]);
		assert_int_equal(fake_log_count(LOG_WARN), i + 1);
	}
	assert_int_equal(options.on_error, OPTION_ERROR_HALT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_numbers, setup),
		cmocka_unit_test_setup(test_wrong_values_have_no_effect, setup),
		cmocka_unit_test_setup(test_page, setup),
		cmocka_unit_test_setup(test_slips, setup),
		cmocka_unit_test_setup(test_harden, setup),
		cmocka_unit_test_setup(test_error, setup),
		cmocka_unit_test_setup(test_quiet, setup),
		cmocka_unit_test_setup(test_offset, setup),
		cmocka_unit_test_setup(test_errata, setup),
		cmocka_unit_test_setup(test_fake_cpus, setup),
		cmocka_unit_test_setup(test_yes_and_no, setup),
		cmocka_unit_test_setup(test_other_words_are_left_alone, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
