/* SPDX-License-Identifier: BSD-2-Clause */
/* Line editor. At the end of a line a character costs just itself on the terminal; anything else shows the line anew.
 */
#include <string.h>

#include "hyp/lib/bits.h"
#include "hyp/console/line.h"

#define CTRL(c) ((c)&0x1f)
#define ESC     0x1b
#define DEL     0x7f

/* A byte of the set C1 is as good as ESC and the character that much before it (ECMA-48 5.3). */
#define C1_FIRST  0x80U
#define C1_LAST   0x9fU
#define C1_TO_ESC 0x40U

/* UTF-8: the bytes behind the first, and the least first byte of two, three and four; C2 goes before a C1 only. */
#define UTF8_MORE_LAST 0xbfU
#define UTF8_TWO       0xc3U
#define UTF8_THREE     0xe0U
#define UTF8_FOUR      0xf0U

enum { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_BRACKET, ESCAPE_MODIFIER, ESCAPE_ANSWER, ESCAPE_STRING };

static void line_out(struct line *line, const char *text)
{
	line->out(text, strlen(text));
}

static void show_left(struct line *line, uint32_t columns)
{
	while (columns--)
		line_out(line, "\b");
}

void line_show(struct line *line)
{
	line_out(line, "\r");
	line_out(line, line->prompt);
	line->out(line->text, line->len);
	line_out(line, "\033[K");
	show_left(line, line->len - line->cursor);
}

static void line_clear(struct line *line)
{
	line->len = line->cursor = 0;
	line->text[0] = '\0';
}

void line_begin(struct line *line)
{
	line_clear(line);
	line->escape = ESCAPE_NONE;
	line->utf8_more = 0;
	line->history_at = line->history_count;
	line_out(line, line->prompt);
}

static void set_text(struct line *line, const char *text)
{
	line->len = line->cursor = (uint32_t)strlen(text);
	memcpy(line->text, text, line->len + 1U);
	line_show(line);
}

static void line_type(struct line *line, char c)
{
	if (line->len >= LINE_MAX - 1U)
		return;
	memmove(line->text + line->cursor + 1, line->text + line->cursor, line->len - line->cursor + 1U);
	line->text[line->cursor++] = c;
	line->len++;
	if (line->cursor == line->len)
		line->out(&c, 1);
	else
		line_show(line);
}

/* Take away the characters [from, to). */
static void line_cut(struct line *line, uint32_t from, uint32_t to)
{
	if (from == to)
		return;
	memmove(line->text + from, line->text + to, line->len - to + 1U);
	line->len -= to - from;
	line->cursor = from;
	line_show(line);
}

static uint32_t word_before(const struct line *line)
{
	uint32_t at = line->cursor;

	while (at > 0 && line->text[at - 1] == ' ')
		at--;
	while (at > 0 && line->text[at - 1] != ' ')
		at--;
	return at;
}

static void line_move(struct line *line, uint32_t to)
{
	line->cursor = MIN(to, line->len);
	line_show(line);
}

/* Kept are the last LINE_HISTORY lines, without repetitions. */
static void line_remember(struct line *line)
{
	const char *last = line->history[(line->history_count - 1U) % LINE_HISTORY];

	if (line->len == 0 || (line->history_count && strcmp(last, line->text) == 0))
		return;
	memcpy(line->history[line->history_count++ % LINE_HISTORY], line->text, line->len + 1U);
}

static void line_recall(struct line *line, bool older)
{
	uint32_t oldest = line->history_count - MIN(line->history_count, LINE_HISTORY);

	if (older ? line->history_at == oldest : line->history_at == line->history_count)
		return;
	if (line->history_at == line->history_count)
		memcpy(line->draft, line->text, LINE_MAX);
	line->history_at += older ? ~0U : 1U;
	if (line->history_at == line->history_count)
		set_text(line, line->draft);
	else
		set_text(line, line->history[line->history_at % LINE_HISTORY]);
}

/* Completion: the candidates that begin as the last word does, and what they have in common. */
struct candidates {
	struct line *line;
	const char *word;
	size_t len;
	uint32_t count;
	bool list;
	size_t common_len;
	char common[LINE_MAX];
};

static void add_candidate(void *context, const char *word)
{
	struct candidates *c = context;
	size_t n = 0;

	if (strncmp(word, c->word, c->len) != 0 || strlen(word) >= LINE_MAX)
		return;
	if (c->list) {
		line_out(c->line, "  ");
		line_out(c->line, word);
		return;
	}
	if (c->count++ == 0) {
		c->common_len = strlen(word);
		memcpy(c->common, word, c->common_len + 1U);
	}
	while (n < c->common_len && c->common[n] == word[n])
		n++;
	c->common_len = n;
}

/* Only at the end of the line. What is certain is typed; where nothing is, the possibilities are listed. */
static void line_complete(struct line *line)
{
	const char *space = strrchr(line->text, ' ');
	struct candidates c = {.line = line, .word = space ? space + 1 : line->text};

	c.len = strlen(c.word);
	if (line->cursor != line->len || !line->complete)
		return;
	line->complete(line->text, add_candidate, &c);
	if (c.count > 1 && c.common_len == c.len) {
		c.list = true;
		line_out(line, "\n");
		line->complete(line->text, add_candidate, &c);
		line_out(line, "\n");
		line_show(line);
		return;
	}
	for (size_t i = c.len; c.count && i < c.common_len; i++)
		line_type(line, c.common[i]);
	if (c.count == 1)
		line_type(line, ' ');
}

/* Behind ESC: what begins here. A string is an answer of the terminal's (ECMA-48 5.6: APC, DCS, OSC, PM, SOS). */
static uint8_t escape_kind(char c)
{
	if (c == '[' || c == 'O')
		return ESCAPE_BRACKET;
	return c && strchr("]PX^_", c) ? ESCAPE_STRING : ESCAPE_NONE;
}

/* The final character of ESC [, of a key that has none of its own. */
static void named_key(struct line *line, char c)
{
	static const char keys[][2] = {{'A', CTRL('P')}, {'B', CTRL('N')}, {'C', CTRL('F')},
				       {'D', CTRL('B')}, {'H', CTRL('A')}, {'F', CTRL('E')}};
	static const char numbered[] = "\0H\0\0F\0\0HF"; /* Home is 1 or 7, End 4 or 8 */

	if (c == '~' && line->escape_number == 3 && line->cursor < line->len)
		line_cut(line, line->cursor, line->cursor + 1U);
	if (c == '~')
		c = line->escape_number < sizeof(numbered) ? numbered[line->escape_number] : '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i][0] == c)
			line_key(line, keys[i][1]);
}

/*
 * A key is ESC [ letter, or ESC [ number ~; behind the number may be ; and a modifier. What else is built as
 * ECMA-48 5.4 says is the answer to a question that a guest put to the terminal while it had the screen: no part of it
 * is typed in.
 */
static void escape_key(struct line *line, char c)
{
	uint8_t before = line->escape;

	line->escape = ESCAPE_NONE;
	if (before == ESCAPE_SEEN) {
		line->escape = escape_kind(c);
		line->escape_number = 0;
	} else if (before == ESCAPE_STRING) {
		if (c == ESC)
			line->escape = ESCAPE_SEEN;
		else if ((uint8_t)c >= ' ')
			line->escape = ESCAPE_STRING;
	} else if (c >= '0' && c <= '9') {
		line->escape = before;
		if (before == ESCAPE_BRACKET)
			line->escape_number = (uint8_t)(10 * line->escape_number + c - '0');
	} else if (c >= ' ' && c < '@') {
		line->escape = c == ';' && before != ESCAPE_ANSWER ? ESCAPE_MODIFIER : ESCAPE_ANSWER;
	} else if (before != ESCAPE_ANSWER) {
		named_key(line, c);
	}
}

/* A key that changes the line or moves in it. */
static void line_edit(struct line *line, char c)
{
	switch (c) {
	case '\b':
	case DEL:
		if (line->cursor > 0)
			line_cut(line, line->cursor - 1U, line->cursor);
		break;
	case CTRL('A'):
		line_move(line, 0);
		break;
	case CTRL('E'):
		line_move(line, line->len);
		break;
	case CTRL('B'):
		line_move(line, line->cursor ? line->cursor - 1U : 0);
		break;
	case CTRL('F'):
		line_move(line, line->cursor + 1U);
		break;
	case CTRL('K'):
		line_cut(line, line->cursor, line->len);
		break;
	case CTRL('U'):
		line_cut(line, 0, line->cursor);
		break;
	case CTRL('W'):
		line_cut(line, word_before(line), line->cursor);
		break;
	default:
		break;
	}
}

static enum line_event line_control(struct line *line, char c)
{
	switch (c) {
	case '\r':
	case '\n':
		line_out(line, "\n");
		line_remember(line);
		return LINE_DONE;
	case CTRL('C'):
		line_out(line, "^C\n");
		return LINE_ABORT;
	case CTRL('D'):
		if (line->len == 0)
			return LINE_END;
		if (line->cursor < line->len)
			line_cut(line, line->cursor, line->cursor + 1U);
		break;
	case CTRL('P'):
	case CTRL('N'):
		line_recall(line, c == CTRL('P'));
		break;
	case CTRL('L'):
		line_show(line);
		break;
	case '\t':
		line_complete(line);
		break;
	case ESC:
		line->escape = ESCAPE_SEEN;
		break;
	default:
		line_edit(line, c);
		break;
	}
	return LINE_MORE;
}

/*
 * A terminal sends C1 instead of ESC and a character if it has been told to (S8C1T), which a guest can do while it has
 * the screen. Within a character in UTF-8 the same byte is a part of that.
 */
static bool is_c1(struct line *line, uint8_t c)
{
	if (c >= C1_FIRST && c <= UTF8_MORE_LAST && line->utf8_more) {
		line->utf8_more--;
		return false;
	}
	line->utf8_more = (uint8_t)((c >= UTF8_TWO) + (c >= UTF8_THREE) + (c >= UTF8_FOUR));
	return c >= C1_FIRST && c <= C1_LAST;
}

enum line_event line_key(struct line *line, char c)
{
	bool c1 = is_c1(line, (uint8_t)c);

	if (c1 && line->escape == ESCAPE_NONE) {
		line->escape = ESCAPE_SEEN;
		c = (char)((uint8_t)c - C1_TO_ESC);
	}
	if (line->escape != ESCAPE_NONE) {
		escape_key(line, c);
		return LINE_MORE;
	}
	if (c >= ' ' && c < DEL) {
		line_type(line, c);
		return LINE_MORE;
	}
	return line_control(line, c);
}
