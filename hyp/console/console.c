/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Console multiplexer. Output waits in a ring for each source, which is its log as well, and leaves by
 * hyp/console/output.c. Here is what fills the rings, what is typed, and who has screen and keyboard.
 */
#include "hyp/console/mux.h"
#include "hyp/host/uart/uart.h"
#include "hyp/run/irq.h"
#include "hyp/lib/bits.h"

#define TYPED_BURST 64U
#define LINE_AGAIN  256U
#define INTERRUPT   0x03 /* Ctrl-C */
#define POLL_HZ     200U /* where the UART has no interrupt */

/* Holder of the lock, who has what waits sent, unless that goes on by itself (console.more). */
static inline bool put_char(struct console_stream *stream, uint8_t c)
{
	bool room = stream_has_room(stream);

	if (!room && !output_is_visible(stream)) {
		stream->shown++;
		stream_count(stream, -1U);
		stream->lost++;
		stream->plain = (struct plaintext){0};
		room = true;
	}
	if (room) {
		stream->log[stream->head++ & (stream->size - 1U)] = c;
		stream_count(stream, 1U);
	} else {
		stream->refused = true;
	}
	return room;
}

uint32_t console_put(struct console_stream *stream, const uint8_t *bytes, uint32_t len)
{
	uint32_t n = 0;

	mux_lock();
	while (n < len && put_char(stream, bytes[n]))
		n++;
	if (!console.more)
		output_drain();
	mux_unlock();
	return n;
}

uint32_t console_get(struct console_stream *stream, uint8_t *bytes, uint32_t len)
{
	uint32_t n = 0;

	mux_lock();
	while (n < len && stream->input_tail != stream->input_head)
		bytes[n++] = stream->input[stream->input_tail++ % CONSOLE_INPUT];
	mux_unlock();
	return n;
}

int console_getc(struct console_stream *stream)
{
	uint8_t c;

	return console_get(stream, &c, 1) ? c : -1;
}

/* What was typed goes to the VM with the keyboard or to the shell; who does not read keeps the first CONSOLE_INPUT
 * characters. */
static void take_typed(uint8_t c)
{
	struct console_stream *to = console.shell_open ? console.shell : console.keyboard;

	if (c == console.escape && c && console.shell && !console.shell_open) {
		console.shell_open = true;
	} else if (c == INTERRUPT && console.shell_open && console.busy) {
		console.interrupted = true;
		to->input_tail = to->input_head;
	} else if (to && to->input_head - to->input_tail < CONSOLE_INPUT) {
		to->input[to->input_head++ % CONSOLE_INPUT] = c;
	}
}

/* Returns whether anything came. */
static bool receive_typed(void)
{
	uint32_t n = 0;
	int c;

	while (n < TYPED_BURST && (c = uart_receive()) >= 0) {
		take_typed((uint8_t)c);
		n++;
	}
	return n > 0;
}

static void tell_room(struct console_stream *s)
{
	bool tell;

	mux_lock();
	tell = s->refused && (stream_has_room(s) || !output_is_visible(s));
	if (tell)
		s->refused = false;
	mux_unlock();
	if (tell && s->room)
		s->room(s);
}

static void tell_all_room(void)
{
	struct console_stream *s = console.streams;

	mux_lock();
	console.room = false;
	mux_unlock();
	if (console.shell)
		tell_room(console.shell);
	if (!s)
		return;
	do {
		tell_room(s);
		s = s->next;
	} while (console.streams && s != console.streams); /* the last of them may be taken off meanwhile */
}

/* Something has been typed: those that it may be for look. */
static void tell_input(void)
{
	struct console_stream *keyboard = console.keyboard;

	if (keyboard)
		keyboard->input_ready(keyboard);
	if (console.shell_open)
		console.shell->input_ready(console.shell);
}

static bool uart_irq(uint32_t id, void *arg)
{
	bool typed;

	mux_lock();
	typed = receive_typed();
	output_drain();
	mux_unlock();
	if (typed)
		tell_input();
	tell_all_room();
	return true;
}

/* The line that others waited for is theirs now; or the UART has room, and does not say so. */
static void hold_over(struct timer *timer)
{
	mux_lock();
	output_drain();
	mux_unlock();
	tell_all_room();
}

static void poll_uart(struct timer *timer)
{
	uart_irq(0, NULL);
	timer_arm(timer, timer_now() + timer_hz() / POLL_HZ);
}

/* Holder of the lock. */
static void add_stream(struct console_stream *stream)
{
	if (console.streams) {
		stream->next = console.streams->next;
		console.streams->next = stream;
		console.screen = NULL;
	} else {
		stream->next = stream;
		console.screen = console.keyboard = console.turn = stream;
	}
	console.streams = stream;
}

void console_attach(struct console_stream *first)
{
	mux_lock();
	for (struct console_stream *s = first; s; s = s->more) {
		s->first = first;
		add_stream(s);
	}
	mux_unlock();
}

/* Who had a part of the console gives it to whoever is left. Holder of the lock. */
static void forget_stream(const struct console_stream *stream, struct console_stream *left)
{
	console.streams = left;
	if (console.screen == stream)
		console.screen = NULL;
	if (console.keyboard == stream)
		console.keyboard = left ? left->first : NULL;
	if (console.turn == stream)
		console.turn = left;
	if (console.steered == stream)
		output_restore_terminal(NULL);
	if (console.current != stream)
		return;
	if (console.in_line)
		output_insert("\r\n");
	console.current = &console_own;
	console.in_line = false;
}

/* Holder of the lock. */
static void remove_stream(struct console_stream *stream)
{
	struct console_stream *before = stream;

	while (before->next != stream)
		before = before->next;
	before->next = stream->next;
	stream_count(stream, stream->shown - stream->head);
	forget_stream(stream, before == stream ? NULL : before);
}

/* The first one last: what the others had goes to it before it goes to another VM's. */
void console_detach(struct console_stream *first)
{
	mux_lock();
	for (struct console_stream *s = first->more; s; s = s->more)
		remove_stream(s);
	remove_stream(first);
	mux_unlock();
	/*
	 * A callback may be on its way round the streams, on another CPU: it is waited for. Others may arm the timer
	 * meanwhile, though timer_drain() forbids that: a callback that begins from now on does not find these streams.
	 */
	timer_drain(&console.hold);
	mux_lock();
	output_drain();
	mux_unlock();
	tell_all_room(); /* whoever was on the way round may have ended at a stream that is gone */
}

void console_attach_shell(struct console_stream *shell, uint8_t escape)
{
	mux_lock();
	console.shell = shell;
	console.escape = escape;
	mux_unlock();
}

static uint8_t char_before(const struct console_stream *s, uint32_t at)
{
	return s->log[(at - 1U) & (s->size - 1U)];
}

/* Its unfinished line, a prompt mostly, is to be seen again; not one that lacks its line feed only. */
static void show_line_again(struct console_stream *s)
{
	uint32_t start = s->shown, oldest = s->head - MIN(s->head, s->size);

	if (start != oldest && char_before(s, start) == '\r') {
		if (stream_has_output(s) && s->log[start & (s->size - 1U)] == '\n')
			start++;
	} else {
		while (start != oldest && s->shown - start < LINE_AGAIN && char_before(s, start) != '\n')
			start--;
	}
	stream_count(s, s->shown - start);
	s->shown = start;
	s->in_line = false;
	s->plain = (struct plaintext){0};
}

/*
 * The shell is closed. What was typed ahead of that goes where it would have gone if it had been typed now: a key that
 * opens the shell must not lie unseen in the shell's own input. Behind that key it is the shell's again.
 */
static void take_what_shell_left(struct console_stream *shell)
{
	while (!console.shell_open && shell->input_tail != shell->input_head)
		take_typed(shell->input[shell->input_tail++ % CONSOLE_INPUT]);
}

void console_show(struct console_stream *stream)
{
	mux_lock();
	console.shell_open = false;
	console.screen = stream;
	if (stream) {
		console.keyboard = stream;
		show_line_again(stream);
	}
	if (console.shell)
		take_what_shell_left(console.shell);
	output_drain();
	mux_unlock();
	tell_input();
	tell_all_room();
}

bool console_shell_is_open(void)
{
	return console.shell_open;
}

struct console_stream *console_screen(void)
{
	return console.screen;
}

struct console_stream *console_keyboard(void)
{
	return console.keyboard;
}

bool console_set_busy(bool busy)
{
	bool interrupted;

	mux_lock();
	interrupted = console.interrupted;
	console.interrupted = false;
	console.busy = busy;
	mux_unlock();
	return interrupted;
}

bool console_interrupted(void)
{
	return console.interrupted;
}

bool console_take_disturbed(void)
{
	bool disturbed;

	mux_lock();
	disturbed = console.disturbed;
	console.disturbed = false;
	mux_unlock();
	return disturbed;
}

static const struct console_stream *stream_or_own(const struct console_stream *stream)
{
	return stream ? stream : &console_own;
}

uint32_t console_log_end(const struct console_stream *stream)
{
	return stream_or_own(stream)->head;
}

size_t console_log_read(const struct console_stream *stream, uint32_t *at, uint32_t end, char *buf, size_t len)
{
	const struct console_stream *s = stream_or_own(stream);
	size_t n = 0;

	mux_lock();
	if (s->head - *at > s->size)
		*at = s->head - s->size;
	while (n < len && (int32_t)(end - *at) > 0) {
		uint8_t c = s->log[(*at)++ & (s->size - 1U)];

		if (s != &console_own || c != OWN_HIDDEN)
			buf[n++] = (char)c;
	}
	mux_unlock();
	return n;
}

void console_enable_irq(uint32_t irq)
{
	console.hold.expired = hold_over;
	console.served = true;
	if (irq == 0) {
		console.poll.expired = poll_uart;
		poll_uart(&console.poll);
		return;
	}
	irq_register(irq, uart_irq, NULL);
	mux_lock();
	console.irq = console.tx_irq = true;
	uart_irq_enable(true);
	output_drain();
	mux_unlock();
}
