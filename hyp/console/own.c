/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virt7's own lines: each goes into their log whole or not at all, and from there as all output does (output.c). Who
 * writes one does not wait for the UART, but where nothing else would send it: before the UART is served, and after a
 * panic; and the boot CPU, until boot is over, because what is wrong with a bundle may take many lines.
 */
#include <string.h>

#include "hyp/console/blackbox.h"
#include "hyp/console/mux.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"

#define LINE_MORE   2U /* bytes of a line in the log beside its text: OWN_HIDDEN, carriage return */
#define FLUSH_MAX_S 5U /* console_flush(), while others go on printing */

static uint32_t own_room(void)
{
	return console_own.size - (console_own.head - console_own.shown);
}

bool own_has_output(void)
{
	while (stream_has_output(&console_own) && !console_own.in_line &&
	       console_own.log[console_own.shown & (OWN_LOG - 1U)] == OWN_HIDDEN)
		while (console_own.log[console_own.shown++ & (OWN_LOG - 1U)] != '\n')
			;
	return stream_has_output(&console_own);
}

static void put_byte(uint8_t c)
{
	console_own.log[console_own.head++ & (OWN_LOG - 1U)] = c;
}

/* One line, with its line feed; false: there is no room. */
static bool own_put_line(const char *text, size_t len, bool hidden)
{
	if (own_room() < len + LINE_MORE)
		return false;
	if (hidden)
		put_byte(OWN_HIDDEN);
	for (size_t i = 0; i + 1 < len; i++)
		put_byte((uint8_t)text[i]);
	put_byte('\r');
	put_byte('\n');
	return true;
}

/* Not for each line that there is room for again: only when half of the log has been sent. */
bool own_tell_dropped(void)
{
	char text[80];

	if (console.dropped == 0 || own_room() < OWN_LOG / 2U)
		return false;
	strcpy(text, "virt7: warning: ");
	strcat(mux_number(text + strlen(text), console.dropped), " lines dropped: more than the console takes\n");
	console.dropped = 0;
	return own_put_line(text, strlen(text), false);
}

/* Polled, until the log has room for so much, or the UART has taken nothing for a second. */
static void wait_for_room(uint32_t want)
{
	uint64_t last = timer_now();
	uint32_t steps = console.steps;

	while (own_room() < want && timer_now() - last <= timer_hz()) {
		output_drain();
		if (console.steps != steps)
			last = timer_now();
		steps = console.steps;
	}
}

static bool waits_for_room(void)
{
	return !console.served || (!console.booted && cpu_id() == 0);
}

static void own_write_line(const char *text, size_t len, bool hidden)
{
	struct console_stream *shell = NULL;

	if (!console.started)
		return;
	mux_lock();
	blackbox_line(text, len);
	if (waits_for_room())
		wait_for_room(console.dropped > 0 ? OWN_LOG : (uint32_t)len + LINE_MORE);
	if (console.dropped > 0 || !own_put_line(text, len, hidden))
		console.dropped++;
	output_drain();
	if (!console.served)
		wait_for_room(OWN_LOG);
	if (console.disturbed && console.shell_open)
		shell = console.shell;
	mux_unlock();
	if (shell && !console.panicked)
		shell->input_ready(shell);
}

void console_write(const char *text, size_t len)
{
	own_write_line(text, len, false);
}

void console_keep(const char *text, size_t len)
{
	own_write_line(text, len, true);
}

void console_start(void)
{
	if (!console.started)
		blackbox_start();
	console.started = true;
}

void console_end_boot(void)
{
	console.booted = true;
}

void log_sink(enum log_level level, bool show, const char *line, size_t len)
{
	if (show && (level < LOG_INFO || !options.quiet || console.booted))
		console_write(line, len);
	else
		console_keep(line, len);
}

/* With the lock given back now and then: others may print as well, and wait for it. */
void console_flush(void)
{
	uint64_t start = timer_now(), last = start;
	uint32_t steps = console.steps;
	bool more = true;

	while (more && timer_now() - last <= timer_hz() && timer_now() - start <= timer_hz() * (uint64_t)FLUSH_MAX_S) {
		mux_lock();
		more = output_drain();
		if (console.steps != steps)
			last = timer_now();
		steps = console.steps;
		mux_unlock();
	}
}

void console_panic(void)
{
	console.panicked = true;
	console.irq = console.served = false;
	wait_for_room(OWN_LOG);
}
