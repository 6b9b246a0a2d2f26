/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests' output as plain text: every kind of byte, each of Unicode's characters, and random streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "hyp/console/plaintext.h"

#define RANDOM_BYTES 2000000U

static char shown[1024];
static size_t shown_len;
static bool in_line;

static void take(struct plaintext *p, uint8_t c)
{
	char out[PLAINTEXT_MAX];
	bool used = false;

	for (uint32_t tries = 0; !used; tries++) {
		size_t len = plaintext_take(p, c, in_line, out, &used);

		assert_true(tries < 2 && len <= sizeof(out) && shown_len + len < sizeof(shown));
		memcpy(shown + shown_len, out, len);
		shown_len += len;
		if (len)
			in_line = out[len - 1] != '\n';
	}
	shown[shown_len] = '\0';
}

/* What is shown of `bytes` at the start of a line, with a line feed behind it that shows what is held. */
static const char *plain(const void *bytes, size_t len)
{
	struct plaintext p = {0};
	const uint8_t *c = bytes;

	shown_len = 0;
	in_line = false;
	while (len--)
		take(&p, *c++);
	take(&p, '\n');
	return shown;
}

#define SHOWS(bytes, text) assert_string_equal(plain(bytes, sizeof(bytes) - 1), text "\r\n")

static void test_text(void **state)
{
	(void)state;
	SHOWS("", "");
	SHOWS(" hello, world ~\t|", " hello, world ~\t|");
	SHOWS("gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80",
	      "gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80");
	SHOWS("e\xcc\x81", "e\xcc\x81"); /* a combining mark */
	SHOWS("\\x1b", "\\x1b");
}

static void test_line_ends(void **state)
{
	(void)state;
	SHOWS("a\nb", "a\r\nb");
	SHOWS("a\r\nb\r\n\r\nc", "a\r\nb\r\n\r\nc");
	SHOWS("a\rb", "a\r\nb");
	SHOWS("a\r\r\nb", "a\r\nb");
	SHOWS("a\n\rb\n\r", "a\r\nb\r\n");
	SHOWS("\rb\r\r\rc", "b\r\nc");
	SHOWS("\r\nb", "\r\nb");
	SHOWS("a\r\x1b[2Kb", "a\r\n\\x1b[2Kb");
}

static void test_controls(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < ' '; c++) {
		const char byte = (char)c;
		char text[8];

		if (c == '\t' || c == '\n' || c == '\r')
			continue;
		snprintf(text, sizeof(text), "\\x%02x\r\n", (unsigned)c);
		assert_string_equal(plain(&byte, 1), text);
	}
	SHOWS("\x7f\x1b[31mred\x1b[0m", "\\x7f\\x1b[31mred\\x1b[0m");
	SHOWS("\x1b]0;title\x07\x1b\\", "\\x1b]0;title\\x07\\x1b\\");
	SHOWS("\x9b"
	      "2J",
	      "\\x9b2J");
	SHOWS("\xc2\x9b"
	      "2J",
	      "\\xc2\\x9b2J");
	SHOWS("\xc2\x85", "\\xc2\\x85");
}

static void test_malformed(void **state)
{
	(void)state;
	SHOWS("\xc0\x8d", "\\xc0\\x8d");                   /* overlong CR, */
	SHOWS("\xe0\x80\x9b", "\\xe0\\x80\\x9b");          /* overlong C1, */
	SHOWS("\xe0\x80\x8d", "\\xe0\\x80\\x8d");          /* CR in three */
	SHOWS("\xf0\x80\x80\x9b", "\\xf0\\x80\\x80\\x9b"); /* and four */
	SHOWS("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* surrogates */
	SHOWS("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* U+110000 */
	SHOWS("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
	SHOWS("\xff\xfe", "\\xff\\xfe");
	SHOWS("\xe2\x82", "\\xe2\\x82");              /* cut, */
	SHOWS("\xe2\x82\x1b[m", "\\xe2\\x82\\x1b[m"); /* by a control, */
	SHOWS("\xe2\x82\rx", "\\xe2\\x82\r\nx");
	SHOWS("\xf0\x9f\x98\xe2\x82\xac", "\\xf0\\x9f\\x98\xe2\x82\xac"); /* by another */
	SHOWS("\x80\xbf", "\\x80\\xbf");                                  /* without a beginning */
}

static void test_hidden(void **state)
{
	(void)state;
	SHOWS("\xe2\x80\xae:7triv", "\\xe2\\x80\\xae:7triv"); /* U+202E */
	SHOWS("\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
	SHOWS("\xe2\x80\x8b\xe2\x80\x8f", "\\xe2\\x80\\x8b\\xe2\\x80\\x8f");
	SHOWS("\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
	SHOWS("\xef\xbb\xbf", "\\xef\\xbb\\xbf");
	SHOWS("\xf3\xa0\x81\xb6", "\\xf3\\xa0\\x81\\xb6");
}

static size_t encode(uint32_t code, uint8_t out[4])
{
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = len; --i > 0; code >>= 6)
		out[i] = (uint8_t)(0x80 | (code & 0x3f));
	out[0] = (uint8_t)(code | lead[len]);
	return len;
}

/* Shown as they are or byte by byte as \xNN, nothing between; and how many of each, so that no range is lost or added.
 */
static void test_every_character(void **state)
{
	uint32_t escaped = 0, passed = 0;

	(void)state;
	for (uint32_t code = 0x80; code < 0x110000; code++) {
		uint8_t bytes[4];
		size_t len = encode(code, bytes);

		plain(bytes, len);
		if (shown_len == len + 2 && memcmp(shown, bytes, len) == 0) {
			passed++;
			continue;
		}
		assert_int_equal(shown_len, 4 * len + 2);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(strtoul((char[]){shown[4 * i + 2], shown[4 * i + 3], 0}, NULL, 16), bytes[i]);
		escaped++;
	}
	/* 2048 surrogates, 66 that are not characters, 32 C1, 4096 tags and so on. */
	assert_int_equal(escaped, 2048 + 66 + 32 + 4096 + 1 + 1 + 2 + 2 + 1 + 5 + 7 + 16 + 1 + 1 + 1 + 12 + 4 + 8);
	assert_int_equal(passed + escaped, 0x110000 - 0x80);
}

/* Is this the one way to write a character? By decoding without any check and encoding again. */
static bool well_formed(const uint8_t *bytes, size_t len)
{
	uint32_t code = bytes[0] & (0x7fU >> len);
	uint8_t again[4];

	for (size_t i = 1; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return false;
		code = code << 6 | (bytes[i] & 0x3fU);
	}
	return code < 0x110000 && (code < 0xd800 || code > 0xdfff) && encode(code, again) == len &&
	       memcmp(again, bytes, len) == 0;
}

/* What may stand on the screen: returns how long the next piece is, 0: what may not. */
static size_t piece(const char *text, size_t left)
{
	uint8_t c = (uint8_t)text[0];
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if ((c >= ' ' && c <= '~') || c == '\t')
		return 1;
	if (c == '\r')
		return left >= 2 && text[1] == '\n' ? 2 : 0;
	if (c < 0xc2 || len > left || !well_formed((const uint8_t *)text, len) ||
	    (c == 0xc2 && (uint8_t)text[1] < 0xa0))
		return 0;
	return len;
}

static void check_screen(void)
{
	size_t len;

	for (size_t at = 0; at < shown_len; at += len) {
		len = piece(shown + at, shown_len - at);
		assert_true(len != 0);
	}
}

static void test_random(void **state)
{
	static const uint8_t likely[] = {'\r', '\n', 0x1b, 0xc2, 0xe0, 0xe2, 0xed,
					 0xf0, 0xf4, 0x80, 0x9b, 0xa0, 0xbf, 'a'};
	struct plaintext p = {0};
	uint32_t seed = 7;

	(void)state;
	in_line = false;
	for (uint32_t n = 0; n < RANDOM_BYTES; n++) {
		seed = seed * 1664525U + 1013904223U;
		shown_len = 0;
		take(&p, seed >> 31 ? (uint8_t)(seed >> 16) : likely[(seed >> 16) % ARRAY_SIZE(likely)]);
		check_screen();
		if (seed % 64 == 0) {
			plaintext_cut_line(&p);
			in_line = false;
		}
	}
}

/* Who reads has ended the line between its carriage return and its line feed: that one has been shown. */
static void test_cut_line(void **state)
{
	struct plaintext p = {0};

	(void)state;
	for (uint32_t with_feed = 0; with_feed < 2; with_feed++) {
		shown_len = 0;
		in_line = false;
		take(&p, 'a');
		take(&p, '\r');
		plaintext_cut_line(&p);
		in_line = false;
		if (with_feed)
			take(&p, '\n');
		take(&p, 'b');
		take(&p, '\n');
		assert_string_equal(shown, "ab\r\n");
		plaintext_cut_line(&p); /* no carriage return: nothing to do */
		take(&p, '\n');
		assert_string_equal(shown, "ab\r\n\r\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),     cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_controls), cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_hidden),   cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_random),   cmocka_unit_test(test_cut_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
