/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of hyp/load/foreign.def. */
#include <stdbool.h>
#include <string.h>

#include "hyp/lib/bits.h"
#include "hyp/load/foreign.h"
#include "hyp/load/words.h"

struct magic {
	uint16_t at;
	bool is_not;
	const char *hex; /* NULL: nothing is asked */
};

struct row {
	struct foreign foreign;
	struct magic magic[2];
};

#define IS(offset, bytes)                      \
	{                                      \
		.at = (offset), .hex = (bytes) \
	}
#define NOT(offset, bytes)                                     \
	{                                                      \
		.at = (offset), .is_not = true, .hex = (bytes) \
	}
#define FOREIGN(what, advice, ...) {{what, advice}, {__VA_ARGS__}},
#define GUEST(what, ...)           {{what, NULL}, {__VA_ARGS__}},
static const struct row rows[] = {
#include "hyp/load/foreign.def"
};

/* Of a digit 0-9 or a-f. */
static uint8_t hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static bool magic_fits(const struct magic *m, const uint8_t *head, size_t len)
{
	size_t count = m->hex ? strlen(m->hex) / 2U : 0;
	bool same = true;

	if (m->at + count > len)
		return false;
	for (size_t i = 0; i < count; i++)
		same = same && head[m->at + i] == (hex_digit(m->hex[2U * i]) << 4 | hex_digit(m->hex[2U * i + 1U]));
	return same != m->is_not;
}

static const struct foreign text = {WORDS_TEXT, WORDS_TEXT_KERNEL};

/* Printed ASCII and nothing else, which no program is: an A32 instruction that is always executed has its top bit set.
 */
static bool is_text(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((head[i] < ' ' || head[i] > '~') && head[i] != '\n' && head[i] != '\t' && head[i] != '\r')
			return false;
	return len >= sizeof(uint32_t);
}

const struct foreign *foreign_name(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (magic_fits(&rows[i].magic[0], head, len) && magic_fits(&rows[i].magic[1], head, len))
			return &rows[i].foreign;
	return is_text(head, MIN(len, FOREIGN_HEAD)) ? &text : NULL;
}

const struct foreign *foreign_find(const uint8_t *head, size_t len)
{
	const struct foreign *found = foreign_name(head, len);

	return found && found->advice ? found : NULL;
}
