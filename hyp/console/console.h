/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer: one host UART, a stream of output and a log for each console of a VM, one for the shell and
 * one for virt7's own lines. A VM has one console, its UART, or several. What is shown depends on who has the screen
 * (docs/console.md): one console, raw; all of them, by whole lines with their names, as plain text; or the shell, while
 * which VMs write into their logs only.
 */
#ifndef HYP_CONSOLE_CONSOLE_H
#define HYP_CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/console/plaintext.h"

struct vm;

#define CONSOLE_INPUT  4096U /* a pasted text; the escape key has to be seen, so nothing can wait in the UART */
#define CONSOLE_ESCAPE 0x1dU /* Ctrl-] */

struct console_stream {
	struct vm *vm;               /* whose console it is; NULL: the shell */
	const char *name;            /* before its lines; NULL: none */
	struct console_stream *more; /* the VM's next console; NULL: none */

	/* Called when input arrives, and when output that was refused has room; no console lock is held. */
	void (*input_ready)(struct console_stream *stream);
	void (*room)(struct console_stream *stream);

	uint8_t *log;  /* ring: the last output, shown or not */
	uint32_t size; /* of it, a power of two */

	/* the rest is the console's, under its lock */
	struct console_stream *first; /* the VM's, itself for that one */
	uint8_t input[CONSOLE_INPUT]; /* ring; written by the console, read by the VM's device */
	uint32_t input_head, input_tail;
	uint32_t head, shown;   /* of the log */
	uint32_t lost;          /* characters that were overwritten before they were shown */
	bool in_line;           /* the next one shown does not begin a line */
	bool refused;           /* its owner waits for room() */
	struct plaintext plain; /* while it shares the screen */
	struct console_stream *next;
};

/*
 * Make a stream of `vm`, with a log as large as the options say, and no large part of the heap. `first`: the VM's
 * stream behind whose others this one comes; NULL: it is the first. 0 or -ENOMEM. console_free() gives the log back.
 */
int console_make(struct console_stream *stream, struct vm *vm, const char *name, struct console_stream *first);
void console_free(struct console_stream *stream);

/* Take a VM's streams into the multiplexer, whose functions are set. The first stream of all has screen and keyboard;
 * when there is a second one, all share the screen. */
void console_attach(struct console_stream *first);

/*
 * Take them out again: when this returns no CPU is in their functions or comes to them, and what they have not shown is
 * lost. From the shell's thread, which runs on the CPU that takes the UART's interrupt.
 */
void console_detach(struct console_stream *first);

/* The shell's stream: `escape` opens it (0: no key does). */
void console_attach_shell(struct console_stream *shell, uint8_t escape);

/* The next character typed for this stream, or -1. */
int console_getc(struct console_stream *stream);

/* Up to `len` characters at once. console_put() returns how many there was room for: where not for all, stream->room()
 * will say when there is. A VM that cannot be seen always has room: its oldest characters are lost, and counted.
 * console_get() returns how many had been typed. */
uint32_t console_put(struct console_stream *stream, const uint8_t *bytes, uint32_t len);
uint32_t console_get(struct console_stream *stream, uint8_t *bytes, uint32_t len);

/* Screen and keyboard to a stream; or, with NULL, the screen to all, and the keyboard where it was. Closes the
 * shell, and what it has not read yet counts as typed now. Not from a UART's emulation: calls input_ready(), room(). */
void console_show(struct console_stream *stream);

/* True while the shell has the screen. */
bool console_shell_is_open(void);

/* Who had screen and keyboard before the shell, or has them now. The screen is NULL for all. */
struct console_stream *console_screen(void);
struct console_stream *console_keyboard(void);

/* The shell runs a command from now on, during which Ctrl-C is not input: it drops what was typed ahead, and
 * console_interrupted() is true. Returns that as it was, and starts anew. */
bool console_set_busy(bool busy);
bool console_interrupted(void);

/* True once after another's line has broken into the shell's: what was typed should be shown again. */
bool console_take_disturbed(void);

/*
 * A stream's log (NULL: virt7's own), of which console_log_end() is the end as of now, a part at a time: up to `len`
 * bytes from `*at` to `end` into `buf`; `*at` moves on. 0: no more. Start with *at = 0. What has been overwritten
 * meanwhile is skipped.
 */
uint32_t console_log_end(const struct console_stream *stream);
size_t console_log_read(const struct console_stream *stream, uint32_t *at, uint32_t end, char *buf, size_t len);

/*
 * A line of virt7's own, with its line feed: to be shown, and kept in the log; or, by console_keep(), only kept. Does
 * not wait for the UART once boot is over: where the log is full of what has not been shown the line is dropped, and
 * how many were is said when there is room again.
 */
void console_write(const char *text, size_t len);
void console_keep(const char *text, size_t len);

/* After the host's UART is known; before that console_write() drops what it gets. */
void console_start(void);

/* Boot is over: from here on its CPU does not wait for room either. */
void console_end_boot(void);

/* Before the power goes: wait until what can be seen has been sent, or the UART takes nothing for a second. */
void console_flush(void);

/* Switch from polling to interrupts once the GIC is up; `irq` 0: polled by a timer of the calling CPU. */
void console_enable_irq(uint32_t irq);

/* A panic: no locks from here on, and each line is sent before the next. */
void console_panic(void);

#endif
