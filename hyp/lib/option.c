/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot options: one table of them, and a parser of NAME=VALUE words. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"

struct options options = {.hstr = 1, .zero_idle = 1, .console_escape = 0x1d, .console_log = 16};

/* Decimal, or hexadecimal after 0x. */
static bool parse_number(const char *text, size_t length, uint32_t *value)
{
	uint32_t base = 10;
	uint64_t number = 0;

	if (length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
		length -= 2;
	}
	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		char lower = (char)(text[i] | 0x20);
		uint32_t digit = lower >= 'a' ? (uint32_t)(lower - 'a') + 10U : (uint32_t)(text[i] - '0');

		number = number * base + digit;
		if (digit >= base || number > UINT32_MAX)
			return false;
	}
	*value = (uint32_t)number;
	return true;
}

static int list_registers_parse(const char *text, size_t length, uint32_t *value)
{
	uint32_t number;

	if (!parse_number(text, length, &number) || number < 1 || number > 64)
		return -EINVAL;
	*value = number;
	return 0;
}

static int yes_parse(const char *text, size_t length, uint32_t *value)
{
	if (length != 1 || (*text != '0' && *text != '1'))
		return -EINVAL;
	*value = *text == '1';
	return 0;
}

static int page_parse(const char *text, size_t length, uint32_t *value)
{
	if (length != 2 || (memcmp(text, "4k", 2) != 0 && memcmp(text, "2m", 2) != 0))
		return -EINVAL;
	*value = *text == '4' ? OPTION_PAGE_4K : OPTION_PAGE_2M;
	return 0;
}

/* One of `words`, each at the place of its value; a value that has no word is NULL. */
static int word_parse(const char *const words[], uint32_t count, const char *text, size_t length, uint32_t *value)
{
	for (uint32_t i = 0; i < count; i++)
		if (words[i] && strlen(words[i]) == length && !memcmp(words[i], text, length)) {
			*value = i;
			return 0;
		}
	return -EINVAL;
}

const uint32_t option_erratum[ERRATUM_COUNT] = {
	[ERRATUM_766422] = 766422, [ERRATUM_773022] = 773022, [ERRATUM_798181] = 798181};

/* The bit of one erratum; 0: none that virt7 works around. */
static uint32_t erratum_parse_one(const char *text, size_t length)
{
	uint32_t number;

	if (!parse_number(text, length, &number))
		return 0;
	for (uint32_t i = 0; i < ERRATUM_COUNT; i++)
		if (option_erratum[i] == number)
			return BIT(i);
	return 0;
}

static int errata_parse(const char *text, size_t length, uint32_t *value)
{
	uint32_t errata = 0;

	for (;;) {
		const char *comma = memchr(text, ',', length);
		size_t used = comma ? (size_t)(comma - text) : length;
		uint32_t bit = erratum_parse_one(text, used);

		if (bit == 0)
			return -EINVAL;
		errata |= bit;
		if (!comma)
			break;
		text += used + 1U;
		length -= used + 1U;
	}
	*value = errata;
	return 0;
}

static int harden_parse(const char *text, size_t length, uint32_t *value)
{
	static const char *const when[] = {
		[OPTION_HARDEN_SWITCH] = "switch", [OPTION_HARDEN_EXIT] = "exit", [OPTION_HARDEN_FORCE] = "force"};

	return word_parse(when, ARRAY_SIZE(when), text, length, value);
}

static int offset_parse(const char *text, size_t length, uint32_t *value)
{
	static const char *const when[] = {
		[OPTION_OFFSET_NEVER] = "never", [OPTION_OFFSET_PAUSED] = "paused", [OPTION_OFFSET_ALWAYS] = "always"};

	return word_parse(when, ARRAY_SIZE(when), text, length, value);
}

/* One N:KIND; the length of it, 0: wrong. */
static size_t fake_parse_one(const char *text, size_t length, uint32_t *value)
{
	static const char *const kinds[] = {
		[OPTION_FAKE_A7] = "a7", [OPTION_FAKE_A15] = "a15", [OPTION_FAKE_UNKNOWN] = "unknown"};
	const char *comma = memchr(text, ',', length);
	uint32_t cpu;

	if (comma)
		length = (size_t)(comma - text);
	if (length < 3 || text[0] < '0' || text[0] > '7' || text[1] != ':')
		return 0;
	cpu = (uint32_t)(text[0] - '0');
	for (uint32_t i = OPTION_FAKE_A7; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i]) == length - 2 && !memcmp(kinds[i], text + 2, length - 2)) {
			*value = (*value & ~(0xfU << 4U * cpu)) | i << 4U * cpu;
			return length;
		}
	return 0;
}

/* CPU number and kind, with commas between: 2:a7,3:a7 */
static int fake_parse(const char *text, size_t length, uint32_t *value)
{
	uint32_t fake = 0;
	size_t used;

	for (size_t at = 0;; at += used + 1U) {
		used = at < length ? fake_parse_one(text + at, length - at, &fake) : 0;
		if (used == 0)
			return -EINVAL;
		if (at + used == length)
			break;
	}
	*value = fake;
	return 0;
}

static int escape_parse(const char *text, size_t length, uint32_t *value)
{
	uint32_t number;

	if (!parse_number(text, length, &number) || number > 0x1f)
		return -EINVAL;
	*value = number;
	return 0;
}

static int log_parse(const char *text, size_t length, uint32_t *value)
{
	uint32_t number;

	if (!parse_number(text, length, &number) || number < 4 || number > 1024 || (number & (number - 1U)))
		return -EINVAL;
	*value = number;
	return 0;
}

static int cycle_parse(const char *text, size_t length, uint32_t *value)
{
	uint32_t number;

	if (!parse_number(text, length, &number) || number > 1000)
		return -EINVAL;
	*value = number;
	return 0;
}

static int error_parse(const char *text, size_t length, uint32_t *value)
{
	static const char *const ends[] = {[OPTION_ERROR_HALT] = "halt", [OPTION_ERROR_POWEROFF] = "poweroff"};

	return word_parse(ends, ARRAY_SIZE(ends), text, length, value);
}

#define OPTION(option_name, parser, field, text) {option_name, parser, &options.field, text},
static const struct option_row rows[] = {
#include "hyp/lib/option.def"
};

/* Is one made of the other by a character too many, too few or wrong, or by two that have changed places? */
static bool is_slip(const char *a, size_t a_len, const char *b, size_t b_len)
{
	while (a_len && b_len && *a == *b)
		a++, b++, a_len--, b_len--;
	while (a_len && b_len && a[a_len - 1] == b[b_len - 1])
		a_len--, b_len--;
	if (a_len == 2 && b_len == 2)
		return a[0] == b[1] && a[1] == b[0];
	return a_len <= 1 && b_len <= 1;
}

static void warn_slip(const char *word, size_t name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is_slip(word, name, rows[i].name, strlen(rows[i].name))) {
			log_warn("option %.*s: unknown, ignored; did you mean %s?", (int)name, word, rows[i].name);
			return;
		}
}

static void parse_word(const char *word, size_t length)
{
	const char *equals = memchr(word, '=', length);
	size_t name = equals ? (size_t)(equals - word) : length;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].name) != name || memcmp(rows[i].name, word, name) != 0)
			continue;
		if (rows[i].value == &options.quiet && !equals)
			options.quiet = 1; /* as Linux has it, whose bootargs these may be */
		else if (!equals || rows[i].parse(equals + 1, length - name - 1, rows[i].value))
			log_warn("option %s: expects %s; ignored", rows[i].name, rows[i].expects);
		return;
	}
	warn_slip(word, name);
}

void option_parse(const char *bootargs)
{
	while (*bootargs) {
		size_t length = strcspn(bootargs, " \t\n");

		if (length > 0)
			parse_word(bootargs, length);
		bootargs += length + (bootargs[length] != '\0');
	}
}
