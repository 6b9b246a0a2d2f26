/* SPDX-License-Identifier: BSD-2-Clause */
/* The line editor: keys in, the text and what a terminal would show out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "hyp/console/line.h"

/* A terminal of one endless row, as far as the editor uses it. */
static char screen[512], above[512];
static size_t column;

static void terminal(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\r') {
			column = 0;
		} else if (text[i] == '\b') {
			assert_true(column > 0);
			column--;
		} else if (text[i] == '\n') {
			memcpy(above, screen, sizeof(above));
			memset(screen, 0, sizeof(screen));
			column = 0;
		} else if (text[i] == '\033') {
			assert_true(i + 2 < len && text[i + 1] == '[' && text[i + 2] == 'K');
			memset(screen + column, 0, sizeof(screen) - column);
			i += 2;
		} else {
			assert_true(column < sizeof(screen) - 1);
			screen[column++] = text[i];
		}
	}
}

static const char *const words[] = {"vm", "stat", "star", "log"};

static void candidates(const char *text, void (*add)(void *context, const char *word), void *context)
{
	(void)text;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		add(context, words[i]);
}

static struct line line;

static int setup(void **state)
{
	(void)state;
	memset(screen, 0, sizeof(screen));
	column = 0;
	line = (struct line){.prompt = "> ", .out = terminal, .complete = candidates};
	line_begin(&line);
	return 0;
}

static enum line_event type(const char *keys)
{
	enum line_event event = LINE_MORE;

	for (; *keys; keys++) {
		assert_int_equal(event, LINE_MORE);
		event = line_key(&line, *keys);
		assert_int_equal(strlen(line.text), line.len);
		assert_true(line.cursor <= line.len);
	}
	return event;
}

static void expect(const char *text, uint32_t cursor)
{
	char shown[256] = "> ";

	strcat(shown, text);
	assert_string_equal(line.text, text);
	assert_int_equal(line.cursor, cursor);
	assert_string_equal(screen, shown);
	assert_int_equal(column, cursor + 2);
}

static void test_keys(void **state)
{
	static const struct {
		const char *keys, *text;
		uint32_t cursor;
	} rows[] = {
		{"abc", "abc", 3},
		{"abc\177", "ab", 2},
		{"abc\b\b\b\b", "", 0},
		{"abc\001x", "xabc", 1},
		{"abc\001\005x", "abcx", 4},
		{"abc\002\002x", "axbc", 2},
		{"abc\001\002", "abc", 0},
		{"abc\001\006x", "axbc", 2},
		{"abc\006", "abc", 3},
		{"abc\033[D\033[Dx", "axbc", 2},
		{"abc\033[D\033[C\033[C", "abc", 3},
		{"abc\033[Hx\033[Fy", "xabcy", 5},
		{"abc\033OHx", "xabc", 1},
		{"abc\001\004", "bc", 0},
		{"abc\004", "abc", 3},
		{"abc\001\033[3~", "bc", 0},
		{"abc\033[3~", "abc", 3},
		{"abc\033[5~\033[1;5Ax", "abcx", 4},
		{"abc\033[1~x\033[4~y", "xabcy", 5},
		{"abc\033[7~x\033[8~y", "xabcy", 5},
		{"abc\001\033[13~\033[3;5~", "bc", 0},
		{"abc def\002\013", "abc de", 6},
		{"abc def\001\013", "", 0},
		{"abc def\002\002\025", "ef", 0},
		{"abc def\027", "abc ", 4},
		{"abc def  \027", "abc ", 4},
		{"abc def\027\027\027", "", 0},
		{"abc def\002\027", "abc f", 4},
		{"abc\014", "abc", 3},
		{"a\001\002\037\036b", "ba", 1},
		{"\200\377", "", 0},
		{"abc\233D\302\233Dx", "axbc", 2},
		{"abc\217Hx", "xabc", 1},
		{"\303\233a\342\202\235b\360\237\230\200c", "abc", 3}, /* letters, not C1 */
		{"\303\033[C\233Ab", "b", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(state);
		assert_int_equal(type(rows[i].keys), LINE_MORE);
		expect(rows[i].text, rows[i].cursor);
	}
}

static void test_events(void **state)
{
	(void)state;
	assert_int_equal(type("abc\r"), LINE_DONE);
	assert_string_equal(line.text, "abc");
	line_begin(&line);
	assert_int_equal(type("abc\003"), LINE_ABORT);
	line_begin(&line);
	assert_string_equal(line.text, "");
	assert_int_equal(type("\004"), LINE_END);
	assert_int_equal(type("\n"), LINE_DONE);
	assert_string_equal(line.text, "");
}

/* The cursor may stand anywhere when Enter is pressed, and the terminal shows the whole line. */
static void test_enter_in_the_middle(void **state)
{
	(void)state;
	assert_int_equal(type("abc\001\r"), LINE_DONE);
	assert_string_equal(line.text, "abc");
	assert_string_equal(above, "> abc");
}

static void enter(const char *text)
{
	assert_int_equal(type(text), LINE_MORE);
	assert_int_equal(type("\r"), LINE_DONE);
	line_begin(&line);
}

static void test_history(void **state)
{
	(void)state;
	assert_int_equal(type("\020\016"), LINE_MORE); /* nothing there */
	expect("", 0);
	enter("one");
	enter("two");
	enter("two");
	enter("");
	type("dra");
	type("\020");
	expect("two", 3);
	type("\033[A");
	expect("one", 3);
	type("\033[A");
	expect("one", 3);
	type("\033[B");
	expect("two", 3);
	type("\016");
	expect("dra", 3);
	type("\016");
	expect("dra", 3);
	type("\020x");
	expect("twox", 4);
	enter("");
	type("\020");
	expect("twox", 4);
	type("\020");
	expect("two", 3); /* as it was */
}

static void test_long_history(void **state)
{
	char text[] = "aa";

	(void)state;
	for (text[0] = 'a'; text[0] <= 'z'; text[0]++)
		enter(text);
	for (uint32_t i = 0; i < 40; i++)
		type("\020");
	expect("ka", 2); /* the last 16 */
	for (uint32_t i = 0; i < 40; i++)
		type("\016");
	expect("", 0);
}

static void test_completion(void **state)
{
	(void)state;
	type("l\t");
	expect("log ", 4);
	type("s\t");
	expect("log sta", 7);
	type("\t");
	expect("log sta", 7);
	assert_string_equal(above, "  stat  star");
	type("t\t");
	expect("log stat ", 9);
	type("x\t");
	expect("log stat x", 10);
	type("\002\t"); /* only at the end */
	expect("log stat x", 9);
}

static void test_full(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LINE_MAX + 20; i++)
		type("x");
	assert_int_equal(line.len, LINE_MAX - 1);
	type("\001y\t");
	assert_int_equal(line.len, LINE_MAX - 1);
	assert_int_equal(type("\005\r"), LINE_DONE);
	line_begin(&line);
	type("\020");
	assert_int_equal(line.len, LINE_MAX - 1);
}

/* What a guest has asked the terminal may be answered when the shell reads: nothing of it is typed, nor runs. */
static void test_answers(void **state)
{
	static const char *const answers[] = {
		"\033[24;80R",                      /* where the cursor is */
		"\033[?1;2c\033[>0;276;0c",         /* what it is */
		"\033[?2026;2$y",                   /* its modes */
		"\033]10;rgb:ffff/ffff/ffff\033\\", /* colours, */
		"\033]11;rgb:0/0/0\007",
		"\033]lpoweroff\033\\",                /* title, */
		"\033P1$r0m\033\\",                    /* settings, */
		"\033P>|XTerm(378)\033\\\033_a\033\\", /* version */
		"\033[?A\033[I\033[O",
		"\23324;80R", /* by a terminal that was told to send C1 in one byte, */
		"\303\251\23324;80R",
		"\302\233?1;2c", /* or as UTF-8 */
		"\220>|XTerm(378)\033\\",
		"\302\235lpoweroff\302\234\r",
	};

	(void)state;
	type("stat w");
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		type(answers[i]);
		expect("stat w", 6);
	}
	assert_int_equal(type("\033]poweroff\r"), LINE_MORE); /* a string has no end of a line; this one ends it */
	type("eb");
	expect("stat web", 8);
}

/* Any bytes at all: the text stays inside its bounds, and the terminal shows it. */
static void test_random(void **state)
{
	uint32_t x = 0x2545f491;

	(void)state;
	for (uint32_t i = 0; i < 300000; i++) {
		char c;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		c = (char)(x >> 8);
		if (x % 3 == 0)
			c = (char)(c & 0x1f);
		switch (line_key(&line, c)) {
		case LINE_END:
			terminal("\n", 1);
			line_begin(&line);
			break;
		case LINE_DONE:
		case LINE_ABORT:
			line_begin(&line);
			break;
		default:
			break;
		}
		expect(line.text, line.cursor);
		assert_int_equal(strlen(line.text), line.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_keys, setup),
		cmocka_unit_test_setup(test_events, setup),
		cmocka_unit_test_setup(test_enter_in_the_middle, setup),
		cmocka_unit_test_setup(test_history, setup),
		cmocka_unit_test_setup(test_long_history, setup),
		cmocka_unit_test_setup(test_completion, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_answers, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
