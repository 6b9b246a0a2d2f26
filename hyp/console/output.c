/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way out: output_drain() is called with what is printed, and by the UART's interrupt as long as more waits
 * than that takes. It asks who has the line whenever one is over or something may have changed; what goes on as it is
 * leaves in one piece. virt7's own lines go first, then the shell's; VMs that share the screen take turns by the line,
 * and what they print is made plain text on its way out (hyp/console/plaintext.h), so that the log holds it as it was
 * printed.
 */
#include <string.h>

#include "hyp/console/mux.h"
#include "hyp/host/uart/uart.h"
#include "hyp/lib/bits.h"

#define BURST 256U /* characters sent in one go; more than any UART's FIFO holds */
#define SLOW  16U  /* what has to be looked at counts for as many as are sent in its time */

/*
 * A go may end for that while the UART has room. An interrupt for room may come only where the FIFO has been fuller
 * than some mark, of half of it or less; after fewer characters than this a timer begins the next go.
 */
#define FILLED    64U
#define AGAIN_HZ  10000U
#define MISSED_HZ 20U /* after so long one does so anyway: a UART's interrupt may have been missed */

#define WALKED 8U /* streams passed over count for a character */

#define BELL 0x07

/*
 * A VM that had the screen to itself may have left the terminal in any state (ECMA-48, DEC's VT510 manual, xterm's
 * ctlseqs). Before a line of virt7's between its own: CAN and ST end a sequence or string that is open; then plain
 * characters of ASCII.
 */
#define TERMINAL_LINE "\x18\x1b\\\x1b[m\x0f\x1b(B"

/*
 * Before another stream has the screen, besides: the whole screen scrolls, and is the normal one; cursor keys send what
 * they do at the start, no mouse, focus or paste reports are typed in; the cursor is seen, lines wrap, the keyboard is
 * not locked, UTF-8 is read. DECSC and DECRC (ESC 7, ESC 8) keep the cursor where it is, because DECSTBM and leaving
 * the alternate screen move it.
 */
#define TERMINAL_SCREEN          \
	"\x18\x1b\\\x1b"         \
	"7\x1b[r\x1b[?1049l\x1b" \
	"8\x1b[?1;5;9;69;1000;1001;1002;1003;1004;2004l\x1b[?7;25h\x1b[2;4;20l\x1b>\x1b[m\x0f\x1b(B\x1b%G"

/* A VM may leave a line unfinished, as a prompt does. Others that wait end it after so much. */
#define HOLD_MS    200U  /* without another character */
#define HOLD_CHARS 1024U /* in one line */
#define HOLD_MAX_S 1U    /* since the line began */

bool output_is_visible(const struct console_stream *s)
{
	if (s == &console_own || s == console.shell)
		return true;
	return !console.shell_open && (!console.screen || console.screen == s);
}

/* As it is: one VM has the screen, or there is only one. */
static bool is_raw(const struct console_stream *s)
{
	return !s->vm || console.screen || console.streams->next == console.streams;
}

static void insert_bytes(const char *bytes, size_t len)
{
	len = MIN(len, (size_t)(MUX_INSERT_MAX - console.insert_len));
	memcpy(console.insert + console.insert_len, bytes, len);
	console.insert_len += (uint32_t)len;
}

void output_insert(const char *text)
{
	insert_bytes(text, strlen(text));
}

/* May `s`, whose line stands unfinished, keep it while others wait? A timer looks again where the answer is yes. */
static bool holds_line(const struct console_stream *s)
{
	uint64_t now = timer_now(), hz = timer_hz();

	if (!console.in_line || console.current != s || console.line_chars >= HOLD_CHARS ||
	    now - console.line_began >= hz * HOLD_MAX_S)
		return false;
	if (stream_has_output(s))
		return true;
	if (now - console.last_sent >= hz * HOLD_MS / 1000U)
		return false;
	if (!timer_armed(&console.hold))
		timer_arm(&console.hold, console.last_sent + hz * HOLD_MS / 1000U);
	return true;
}

/* Of the VMs that share the screen, the next in turn; NULL: none, or an unfinished line is waited for. */
static struct console_stream *next_in_turn(void)
{
	struct console_stream *first = console.turn, *s;

	if (!first)
		return NULL;
	s = console.waiting != first->head - first->shown ? first->next : first;
	while (s != first && !stream_has_output(s)) {
		s = s->next;
		console.walked++;
	}
	if (s != first && holds_line(first))
		return stream_has_output(first) ? first : NULL;
	return stream_has_output(s) ? s : NULL;
}

static struct console_stream *choose_stream(void)
{
	if (own_has_output() || console.panicked)
		return stream_has_output(&console_own) ? &console_own : NULL;
	if (stream_has_output(console.shell))
		return console.shell;
	if (console.shell_open)
		return NULL;
	if (console.screen)
		return stream_has_output(console.screen) ? console.screen : NULL;
	return next_in_turn();
}

void output_restore_terminal(const struct console_stream *s)
{
	const struct console_stream *from = console.steered;

	if (!from || from == s)
		return;
	if (s != &console_own || !output_is_visible(from) || console.panicked) {
		output_insert(TERMINAL_SCREEN);
		console.steered = NULL;
	} else if (console.steered_again) {
		output_insert(TERMINAL_LINE);
	} else {
		return;
	}
	console.steered_again = false;
	console.in_line = true; /* wherever the cursor is */
}

/* `s` gets the line: end another's, say what was lost, put its name in front. */
static void begin_stream(struct console_stream *s)
{
	char number[MUX_NUMBER_MAX];

	output_restore_terminal(s);
	if (console.in_line && console.current != s) {
		output_insert("\r\n");
		plaintext_cut_line(&console.current->plain);
		console.disturbed |= console.current == console.shell;
		console.in_line = false;
	}
	if (s->lost) {
		output_insert(s->in_line ? "\r\n[" : "[");
		output_insert(mux_number(number, s->lost));
		output_insert(" characters of this VM are lost: its log is too small]\r\n");
		s->lost = 0;
	}
	if (!console.screen && s->name && console.streams->next != console.streams) {
		output_insert(s->name);
		output_insert("| ");
	}
	console.current = s;
	if (s->vm)
		console.turn = s;
	console.line_chars = 0;
	console.line_began = timer_now();
}

/* Is this more than text and the keys that move in it? Half a character in UTF-8 may be a control code (C1). */
static bool steers_terminal(uint8_t c)
{
	return c >= PLAINTEXT_DEL || (c < ' ' && (c < BELL || c > '\r'));
}

static void note_steering(struct console_stream *s)
{
	console.steered = s;
	console.steered_again = true;
}

/* To be sent: what `s` shows next. */
static void show_text(struct console_stream *s, const char *text, size_t len)
{
	if (s != console.current || !s->in_line)
		begin_stream(s);
	insert_bytes(text, len);
	s->in_line = text[len - 1] != '\n';
	console.line_chars += (uint32_t)len;
	console.last_sent = timer_now();
}

/* The next byte of `s`, which may show nothing. */
static void advance_stream(struct console_stream *s)
{
	uint8_t c = s->log[s->shown & (s->size - 1U)];
	char text[PLAINTEXT_MAX] = {(char)c};
	bool used = true;
	size_t len = 1;

	if (!is_raw(s))
		len = plaintext_take(&s->plain, c, s == console.current && s->in_line, text, &used);
	s->shown += used;
	stream_count(s, -(uint32_t)used);
	console.room |= s->refused;
	if (len)
		show_text(s, text, len);
	else if (c < ' ') /* carriage returns without end are a turn as well; half a character is not */
		console.turn = s;
	if (is_raw(s) && s->vm && steers_terminal(c))
		note_steering(s);
}

/* Is what `s` shows next more of a line that it has, and to be shown as it is? */
static bool goes_on(const struct console_stream *s)
{
	return s == console.current && s->in_line &&
	       (is_raw(s) || plaintext_passes(&s->plain, s->log[s->shown & (s->size - 1U)]));
}

/*
 * As much of that as the UART takes, up to the end of the line and of `left`; of a line that others may end, up to
 * there. The UART takes one character at least.
 */
static uint32_t send_run(struct console_stream *s, uint32_t left)
{
	uint32_t n = 0, end = MIN(s->head - s->shown, left);
	bool raw = is_raw(s), steered = false, more;
	uint8_t c;

	if (!raw && console.line_chars < HOLD_CHARS)
		end = MIN(end, HOLD_CHARS - console.line_chars);
	do {
		c = s->log[(s->shown + n) & (s->size - 1U)];
		uart_send(c);
		steered |= steers_terminal(c);
		more = ++n < end && c != '\n' &&
		       (raw || plaintext_passes(&s->plain, s->log[(s->shown + n) & (s->size - 1U)]));
	} while (more && uart_can_send());
	s->shown += n;
	stream_count(s, -n);
	console.sent += n;
	s->in_line = console.in_line = c != '\n';
	console.room |= s->refused;
	console.line_chars += n;
	console.last_sent = timer_now();
	if (steered && s->vm)
		note_steering(s);
	return n;
}

static uint32_t send_inserted(uint32_t left)
{
	uint32_t n = 0, end = MIN(console.insert_len - console.inserted, left);

	do
		uart_send((uint8_t)console.insert[console.inserted + n]);
	while (++n < end && uart_can_send());
	console.inserted += n;
	console.sent += n;
	console.in_line = console.insert[console.inserted - 1U] != '\n';
	return n;
}

/*
 * What the UART takes now of whoever is next, or a step towards it: at most `left` characters, of which one has room.
 * Returns how many characters' time that took; 0: no stream is next.
 */
static uint32_t send_bytes(uint32_t left)
{
	uint32_t looked = 0;
	struct console_stream *s;

	if (console.inserted == console.insert_len) {
		console.inserted = console.insert_len = console.walked = 0;
		s = choose_stream();
		if (!s)
			return 0;
		looked = console.walked / WALKED;
		if (goes_on(s))
			return looked + send_run(s, left);
		advance_stream(s);
		looked += SLOW;
	}
	return looked + (console.inserted < console.insert_len ? send_inserted(left) : 0);
}

/* The next go is the UART's interrupt's; a timer's where none comes, because little was sent, or one was missed. */
static void expect_next_go(bool little)
{
	uint64_t now = timer_now(), hz = timer_hz();

	if (little)
		timer_arm(&console.hold, now + hz / AGAIN_HZ);
	else if (!timer_armed(&console.hold))
		timer_arm(&console.hold, now + hz / MISSED_HZ);
}

bool output_drain(void)
{
	uint32_t taken = 0, steps = 1, before = console.sent;
	bool more, tx_irq;

	own_tell_dropped();
	while (taken < BURST && steps > 0 && uart_can_send()) {
		steps = send_bytes(BURST - taken);
		if (steps == 0)
			steps = own_tell_dropped();
		taken += steps;
	}
	console.steps += taken;
	more = steps > 0;
	console.more = more && console.irq && !console.panicked;
	if (console.more)
		expect_next_go(taken >= BURST && console.sent - before < FILLED);
	tx_irq = more || console.room;
	if (console.irq && tx_irq != console.tx_irq) {
		console.tx_irq = tx_irq;
		uart_irq_enable(tx_irq);
	}
	return more;
}
