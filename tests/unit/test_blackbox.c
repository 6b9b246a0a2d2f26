/* SPDX-License-Identifier: BSD-2-Clause */
/* What the last run has left in memory, and what this one tells of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_log.h"

#include "hyp/console/blackbox.c" /* with its memory, which the next start finds */

static uint32_t cleaned;

void cache_clean(const void *start, size_t len)
{
	assert_true((const char *)start >= (const char *)&box && (const char *)start + len <= (const char *)(&box + 1));
	cleaned += (uint32_t)len;
}

static void say(const char *text)
{
	cleaned = 0;
	blackbox_line(text, strlen(text));
	assert_int_equal(cleaned, strlen(text) + offsetof(struct blackbox, text)); /* it is in memory */
}

/* The machine is reset, and virt7 starts again. */
static uint32_t start(void)
{
	memset(&last, 0, sizeof(last)); /* .bss */
	fake_log_reset();
	blackbox_start();
	blackbox_tell();
	return fake_log_count(LOG_WARN);
}

static void power_on(uint8_t fill)
{
	memset(&box, fill, sizeof(box));
	assert_int_equal(start(), 0);
}

static void expect_all(const char *text)
{
	char got[2U * BLACKBOX_BYTES];
	uint32_t at = 0;
	size_t n = 0, part;

	while ((part = blackbox_read(&at, got + n, 7)) != 0)
		n += part;
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, n);
}

static void test_power_on(void **state)
{
	(void)state;
	power_on(0);
	power_on(0xff);
	expect_all("");
}

static void test_in_order(void **state)
{
	(void)state;
	power_on(0);
	say("one\n");
	blackbox_end();
	say("two\n");
	assert_int_equal(start(), 0);
	expect_all("one\ntwo\n");
	assert_int_equal(start(), 1); /* that one was reset, without a line: nothing but the remark */
}

static void test_reset(void **state)
{
	(void)state;
	power_on(0x55);
	for (char line[] = "0\n"; line[0] <= '9'; line[0]++)
		say(line);
	assert_int_equal(start(), 1 + TELL_LINES);
	assert_string_equal(fake_log_last(LOG_WARN), "last run: 9");
	expect_all("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
}

static void test_panic(void **state)
{
	(void)state;
	power_on(0);
	say("before\n");
	blackbox_panic();
	say("PANIC\n");
	say("  [0]\n");
	blackbox_panic(); /* within the first: its lines begin where they did */
	blackbox_end();
	assert_int_equal(start(), 3);
	assert_string_equal(fake_log_last(LOG_WARN), "last run:   [0]");
	expect_all("before\nPANIC\n  [0]\n");
}

/* More than it holds, and a line longer than one of the log. */
static void test_long(void **state)
{
	char line[TELL_LINE + 100U];

	(void)state;
	power_on(0);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 2U] = '\n';
	line[sizeof(line) - 1U] = '\0';
	for (uint32_t i = 0; i < 3U * BLACKBOX_BYTES / sizeof(line); i++)
		say(line);
	assert_int_equal(start(), 1 + TELL_LINES);
	assert_int_equal(strlen(fake_log_last(LOG_WARN)), strlen("last run: ") + TELL_LINE - 1U);
	blackbox_panic();
	for (uint32_t i = 0; i < 3U * BLACKBOX_BYTES / sizeof(line); i++)
		say(line);
	assert_in_range(start(), 2, 1 + TELL_PANIC);
	say("end\n");
	assert_int_equal(start(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_on), cmocka_unit_test(test_in_order), cmocka_unit_test(test_reset),
		cmocka_unit_test(test_panic),    cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
