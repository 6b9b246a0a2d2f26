/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line editor for a VT100-like terminal: cursor, history, completion. Plain C: characters in, what the terminal needs
 * to show the result out.
 *
 * Keys: printable ASCII, Backspace, Delete, arrows, Home, End, Tab, Ctrl-A (begin), -E (end), -B, -F (left, right), -P,
 * -N (history), -D (delete), -K, -U (delete to the end, to the begin), -W (delete the word before), -L (show again), -C
 * (give up).
 */
#ifndef HYP_CONSOLE_LINE_H
#define HYP_CONSOLE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_MAX     128U /* with the terminating 0 */
#define LINE_HISTORY 16U  /* a power of two */

enum line_event {
	LINE_MORE,  /* go on */
	LINE_DONE,  /* text is the line; line_begin() next */
	LINE_ABORT, /* Ctrl-C; line_begin() next */
	LINE_END,   /* Ctrl-D in an empty line */
};

struct line {
	const char *prompt;
	void (*out)(const char *text, size_t len);
	/*
	 * What may stand where `text` ends, as far as it is typed: call add() for each candidate, which completes the
	 * last word. `context` is add()'s.
	 */
	void (*complete)(const char *text, void (*add)(void *context, const char *word), void *context);

	char text[LINE_MAX];
	uint32_t len, cursor;
	uint8_t escape; /* state of an escape sequence */
	uint8_t escape_number;
	uint8_t utf8_more;                  /* bytes that a character in UTF-8 still has */
	uint32_t history_count, history_at; /* lines ever kept; the one shown */
	char history[LINE_HISTORY][LINE_MAX];
	char draft[LINE_MAX]; /* what was being typed before history was looked at */
};

/* Show the prompt and start with an empty line. */
void line_begin(struct line *line);

/* Show prompt and text again, after something else was printed. */
void line_show(struct line *line);

/* One character of input. */
enum line_event line_key(struct line *line, char c);

#endif
