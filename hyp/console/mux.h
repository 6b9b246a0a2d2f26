/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the multiplexer share, for hyp/console/ only: its state, under its lock. hyp/console/output.c
 * decides who has the line and sends; hyp/console/own.c has virt7's own lines; hyp/console/console.c is the rest, and
 * what others call.
 */
#ifndef HYP_CONSOLE_MUX_H
#define HYP_CONSOLE_MUX_H

#include <arm/spinlock.h>

#include "hyp/console/console.h"
#include "hyp/run/timer.h"

#define MUX_INSERT_MAX 256U
#define OWN_HIDDEN     0U /* the first byte of a line of virt7's that is for its log only */

struct console_mux {
	struct spinlock lock;
	bool started, panicked;
	bool served;                     /* what waits is sent by the UART's interrupt, or by a timer */
	bool booted;                     /* and the boot CPU waits for it no more */
	bool irq, tx_irq;                /* the UART has one; wanted for room */
	struct console_stream *streams;  /* the VMs', in a ring by `next`; points to the last */
	struct console_stream *screen;   /* of the VM's console that has it; NULL: all */
	struct console_stream *keyboard; /* of the one that gets what is typed */
	struct console_stream *turn;     /* of the one that had the line last */
	struct console_stream *shell;
	uint32_t waiting; /* characters of all in the ring that have not been shown */
	bool room;        /* a stream waits for it, and is to be told */
	bool more; /* waits for an interrupt or a timer that is on its way, and what is printed meanwhile with it */
	uint8_t escape;
	bool shell_open, disturbed, busy, interrupted;

	struct console_stream *steered; /* has had the screen, and sent more than text; NULL: none has */
	bool steered_again;             /* since the last line of virt7's */

	struct console_stream *current; /* who has the line */
	bool in_line;                   /* the line is unfinished */
	uint32_t line_chars;
	uint64_t line_began, last_sent; /* CNTPCT */
	struct timer hold, poll;
	uint32_t sent;    /* characters */
	uint32_t walked;  /* streams that were passed over in the search for the next */
	uint32_t steps;   /* it goes on as long as this does */
	uint32_t dropped; /* lines of virt7's since this was said last */

	char insert[MUX_INSERT_MAX]; /* ours, to be sent before all else: names, ends of lines, remarks */
	uint32_t insert_len, inserted;
};

#define OWN_LOG 8192U /* bytes, a power of two */

extern struct console_mux console;
extern struct console_stream console_own; /* virt7's own lines */

static inline void mux_lock(void)
{
	if (!console.panicked)
		spin_lock(&console.lock);
}

static inline void mux_unlock(void)
{
	if (!console.panicked)
		spin_unlock(&console.lock);
}

static inline bool stream_has_output(const struct console_stream *s)
{
	return s && s->head != s->shown;
}

/* It has `more` characters to show, or fewer. Who shares the screen asks for the sum, and not each of many. */
static inline void stream_count(const struct console_stream *s, uint32_t more)
{
	if (s->vm)
		console.waiting += more;
}

static inline bool stream_has_room(const struct console_stream *s)
{
	return s->head - s->shown < s->size;
}

#define MUX_NUMBER_MAX 11U

/* `value` in decimal. Returns `text`. */
char *mux_number(char text[MUX_NUMBER_MAX], uint32_t value);

/* All of the following: holder of the lock. */

bool output_is_visible(const struct console_stream *s);

/* Ours, to be sent before all else. */
void output_insert(const char *text);

/* `s` has something to show: the terminal is to show it, whatever another did to it, from the begin of a line. */
void output_restore_terminal(const struct console_stream *s);

/* Move what the UART takes now, and ask for an interrupt where something is left: true. */
bool output_drain(void);

/* Has virt7 a line to show? Those that are for the log only are passed over. */
bool own_has_output(void);

/* Say, if there are any and there is room again, how many lines were dropped; true: that is to be sent. */
bool own_tell_dropped(void);

#endif
