/*
 * Console multiplexer. Output waits in a ring for each source, which is its log as well, and leaves by one function,
 * drain(), that is called with every character and by the UART's interrupt. One source at a time has the line: virt7's
 * own lines go first, then the shell's; VMs that share the screen take turns by the line, and what they print is made
 * plain text on its way out (hyp/console/plaintext.h), so that the log holds it as it was printed.
 */
#include <string.h>

#include <arm/spinlock.h>

#include "hyp/console/console.h"
#include "hyp/host/uart/uart.h"
#include "hyp/run/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/run/timer.h"

#define SYSTEM_LOG  8192U /* bytes, a power of two */
#define INSERT_MAX  256U
#define BURST       256U /* characters sent in one go; more than any UART's FIFO holds */
#define TYPED_BURST 64U
#define LINE_AGAIN  256U
#define INTERRUPT   0x03 /* Ctrl-C */
#define BELL        0x07
#define DEL         0x7fU
#define POLL_HZ     200U /* where the UART has no interrupt */

/*
 * A VM that had the screen to itself may have left the terminal in any state (ECMA-48, DEC's VT510 manual, xterm's
 * ctlseqs). Before a line of virt7's between its own: CAN and ST end a sequence or string that is open; then plain
 * characters of ASCII.
 */
#define TERMINAL_LINE "\x18\x1b\\\x1b[m\x0f\x1b(B"

/*
 * Before somebody else has the screen, besides: the whole screen scrolls, and is the normal one; cursor keys send what
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

static uint8_t system_log[SYSTEM_LOG];
static struct console_stream virt7 = {.log = system_log, .size = SYSTEM_LOG};

static struct {
	struct spinlock lock;
	bool started, irq, tx_irq, panicked;
	struct console_stream *streams;  /* the VMs', in a ring by `next`; points to the last */
	struct console_stream *screen;   /* the VM that has it; NULL: all */
	struct console_stream *keyboard; /* the VM that gets what is typed */
	struct console_stream *turn;     /* the VM that had the line last */
	struct console_stream *shell;
	bool room; /* of somebody who waits for it: to be told */
	uint8_t escape;
	bool shell_open, disturbed, busy, interrupted;

	struct console_stream *steered; /* has had the screen, and sent more than text; NULL: nobody has */
	bool steered_again;             /* since the last line of virt7's */

	struct console_stream *current; /* who has the line */
	bool in_line;                   /* the line is unfinished */
	uint32_t line_chars;
	uint64_t line_began, last_sent; /* CNTPCT */
	struct timer hold, poll;

	char insert[INSERT_MAX]; /* ours, to be sent before all else: names, ends of lines, remarks */
	uint32_t insert_len, inserted;
} console;

static void lock(void)
{
	if (!console.panicked)
		spin_lock(&console.lock);
}

static void unlock(void)
{
	if (!console.panicked)
		spin_unlock(&console.lock);
}

static bool has_output(const struct console_stream *s)
{
	return s && s->head != s->shown;
}

static bool has_room(const struct console_stream *s)
{
	return s->head - s->shown < s->size;
}

static bool is_visible(const struct console_stream *s)
{
	if (s == &virt7 || s == console.shell)
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
	len = MIN(len, (size_t)(INSERT_MAX - console.insert_len));
	memcpy(console.insert + console.insert_len, bytes, len);
	console.insert_len += (uint32_t)len;
}

static void insert(const char *text)
{
	insert_bytes(text, strlen(text));
}

static void insert_number(uint32_t value)
{
	char text[11], *p = text + sizeof(text) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + value % 10U);
	while (value /= 10U);
	insert(p);
}

static void hold_over(struct timer *timer);

/* May `s`, whose line stands unfinished, keep it while others wait? A timer looks again where the answer is yes. */
static bool holds_line(const struct console_stream *s)
{
	uint64_t now = timer_now(), hz = timer_hz();

	if (!console.in_line || console.current != s || console.line_chars >= HOLD_CHARS ||
	    now - console.line_began >= hz * HOLD_MAX_S)
		return false;
	if (has_output(s))
		return true;
	if (now - console.last_sent >= hz * HOLD_MS / 1000U)
		return false;
	if (!timer_armed(&console.hold)) {
		console.hold.expired = hold_over;
		timer_arm(&console.hold, console.last_sent + hz * HOLD_MS / 1000U);
	}
	return true;
}

/* Of the VMs that share the screen, the next in turn; NULL: none, or an unfinished line is waited for. */
static struct console_stream *next_in_turn(void)
{
	struct console_stream *first = console.turn, *s;

	if (!first)
		return NULL;
	for (s = first->next; s != first && !has_output(s); s = s->next)
		;
	if (s != first && holds_line(first))
		return has_output(first) ? first : NULL;
	return has_output(s) ? s : NULL;
}

static struct console_stream *choose(void)
{
	if (has_output(&virt7) || console.panicked)
		return has_output(&virt7) ? &virt7 : NULL;
	if (has_output(console.shell))
		return console.shell;
	if (console.shell_open)
		return NULL;
	if (console.screen)
		return has_output(console.screen) ? console.screen : NULL;
	return next_in_turn();
}

/* `s` has something to show: the terminal is to show it, whatever another did to it, from the begin of a line. */
static void restore_terminal(const struct console_stream *s)
{
	const struct console_stream *from = console.steered;

	if (!from || from == s)
		return;
	if (s != &virt7 || !is_visible(from) || console.panicked) {
		insert(TERMINAL_SCREEN);
		console.steered = NULL;
	} else if (console.steered_again) {
		insert(TERMINAL_LINE);
	} else {
		return;
	}
	console.steered_again = false;
	console.in_line = true; /* wherever the cursor is */
}

/* `s` gets the line: end another's, say what was lost, put its name in front. */
static void begin(struct console_stream *s)
{
	restore_terminal(s);
	if (console.in_line && console.current != s) {
		insert("\r\n");
		plaintext_cut_line(&console.current->plain);
		console.disturbed |= console.current == console.shell;
		console.in_line = false;
	}
	if (s->lost) {
		insert(s->in_line ? "\r\n[" : "[");
		insert_number(s->lost);
		insert(" characters of this VM are lost: its log is too small]\r\n");
		s->lost = 0;
	}
	if (!console.screen && s->name && console.streams->next != console.streams) {
		insert(s->name);
		insert("| ");
	}
	console.current = s;
	if (s->vm)
		console.turn = s;
	console.line_chars = 0;
	console.line_began = timer_now();
}

static void send(uint8_t c)
{
	uart_send(c);
	console.in_line = c != '\n';
}

/* Is this more than text and the keys that move in it? Half a character in UTF-8 may be a control code (C1). */
static bool steers(uint8_t c)
{
	return c >= DEL || (c < ' ' && (c < BELL || c > '\r'));
}

/* To be sent: what `s` shows next. */
static void show_text(struct console_stream *s, const char *text, size_t len)
{
	if (s != console.current || !s->in_line)
		begin(s);
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
	console.room |= s->refused;
	if (len)
		show_text(s, text, len);
	else if (c < ' ') /* carriage returns without end are a turn as well; half a character is not */
		console.turn = s;
	if (is_raw(s) && s->vm && steers(c)) {
		console.steered = s;
		console.steered_again = true;
	}
}

/* One character, or a step towards one, of whoever is next. False: nobody is. */
static bool send_next(void)
{
	struct console_stream *s;

	if (console.inserted == console.insert_len) {
		console.inserted = console.insert_len = 0;
		s = choose();
		if (!s)
			return false;
		advance_stream(s);
	}
	if (console.inserted < console.insert_len)
		send((uint8_t)console.insert[console.inserted++]);
	return true;
}

/* Move what the UART takes now, and ask for an interrupt where something is left. */
static void drain(void)
{
	bool more = true, tx_irq;

	for (uint32_t i = 0; more && i < BURST && uart_can_send(); i++)
		more = send_next();
	if (!console.irq)
		return;
	tx_irq = more || console.room;
	if (tx_irq != console.tx_irq) {
		console.tx_irq = tx_irq;
		uart_irq_enable(tx_irq);
	}
}

bool console_putc(struct console_stream *stream, uint8_t c)
{
	bool room;

	lock();
	room = has_room(stream);
	if (!room && !is_visible(stream)) {
		stream->shown++;
		stream->lost++;
		stream->plain = (struct plaintext){0};
		room = true;
	}
	if (room) {
		stream->log[stream->head++ & (stream->size - 1U)] = c;
	} else {
		stream->refused = true;
	}
	drain();
	unlock();
	return room;
}

/* Into the log whole; waits for the UART where that is full. */
void console_write(const char *text, size_t len)
{
	struct console_stream *shell = NULL;

	if (!console.started)
		return;
	lock();
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			virt7.log[virt7.head++ & (virt7.size - 1U)] = '\r';
		virt7.log[virt7.head++ & (virt7.size - 1U)] = (uint8_t)text[i];
		while (virt7.size - (virt7.head - virt7.shown) < 2U)
			drain();
	}
	do
		drain();
	while (!console.irq && has_output(&virt7));
	if (console.disturbed && console.shell_open)
		shell = console.shell;
	unlock();
	if (shell && !console.panicked)
		shell->input_ready(NULL);
}

int console_getc(struct console_stream *stream)
{
	int c = -1;

	lock();
	if (stream->input_tail != stream->input_head)
		c = stream->input[stream->input_tail++ % CONSOLE_INPUT];
	unlock();
	return c;
}

/* What was typed goes to the VM with the keyboard or to the shell; who does not read keeps the first CONSOLE_INPUT
 * characters. */
static void take(uint8_t c)
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
static bool receive(void)
{
	uint32_t n = 0;
	int c;

	while (n < TYPED_BURST && (c = uart_receive()) >= 0) {
		take((uint8_t)c);
		n++;
	}
	return n > 0;
}

static void tell_room(struct console_stream *s)
{
	bool tell;

	lock();
	tell = s->refused && (has_room(s) || !is_visible(s));
	if (tell)
		s->refused = false;
	unlock();
	if (tell && s->room)
		s->room(s->vm);
}

static void tell_all_room(void)
{
	struct console_stream *s = console.streams;

	lock();
	console.room = false;
	unlock();
	if (console.shell)
		tell_room(console.shell);
	if (!s)
		return;
	do {
		tell_room(s);
		s = s->next;
	} while (s != console.streams);
}

/* Something has been typed: those that it may be for look. */
static void tell_input(void)
{
	struct console_stream *keyboard = console.keyboard;

	if (keyboard)
		keyboard->input_ready(keyboard->vm);
	if (console.shell_open)
		console.shell->input_ready(NULL);
}

static bool uart_irq(uint32_t id, void *arg)
{
	bool typed;

	(void)id, (void)arg;
	lock();
	typed = receive();
	drain();
	unlock();
	if (typed)
		tell_input();
	tell_all_room();
	return true;
}

/* The line that others waited for is theirs now. */
static void hold_over(struct timer *timer)
{
	(void)timer;
	lock();
	drain();
	unlock();
	tell_all_room();
}

static void poll_uart(struct timer *timer)
{
	uart_irq(0, NULL);
	timer_arm(timer, timer_now() + timer_hz() / POLL_HZ);
}

void console_attach(struct console_stream *stream)
{
	lock();
	if (console.streams) {
		stream->next = console.streams->next;
		console.streams->next = stream;
		console.screen = NULL;
	} else {
		stream->next = stream;
		console.screen = console.keyboard = console.turn = stream;
	}
	console.streams = stream;
	unlock();
}

/* Who had a part of the console gives it to whoever is left. Holder of the lock. */
static void forget_stream(const struct console_stream *stream, struct console_stream *left)
{
	console.streams = left;
	if (console.screen == stream)
		console.screen = NULL;
	if (console.keyboard == stream)
		console.keyboard = left;
	if (console.turn == stream)
		console.turn = left;
	if (console.steered == stream)
		restore_terminal(NULL);
	if (console.current != stream)
		return;
	if (console.in_line)
		insert("\r\n");
	console.current = &virt7;
	console.in_line = false;
}

void console_detach(struct console_stream *stream)
{
	struct console_stream *before = stream;

	lock();
	while (before->next != stream)
		before = before->next;
	before->next = stream->next;
	forget_stream(stream, before == stream ? NULL : before);
	unlock();
	timer_drain(&console.hold); /* it may be on its way round the streams, on another CPU */
	lock();
	drain();
	unlock();
}

void console_attach_shell(struct console_stream *shell, uint8_t escape)
{
	lock();
	console.shell = shell;
	console.escape = escape;
	unlock();
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
		if (has_output(s) && s->log[start & (s->size - 1U)] == '\n')
			start++;
	} else {
		while (start != oldest && s->shown - start < LINE_AGAIN && char_before(s, start) != '\n')
			start--;
	}
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
		take(shell->input[shell->input_tail++ % CONSOLE_INPUT]);
}

void console_show(struct console_stream *stream)
{
	lock();
	console.shell_open = false;
	console.screen = stream;
	if (stream) {
		console.keyboard = stream;
		show_line_again(stream);
	}
	if (console.shell)
		take_what_shell_left(console.shell);
	drain();
	unlock();
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

	lock();
	interrupted = console.interrupted;
	console.interrupted = false;
	console.busy = busy;
	unlock();
	return interrupted;
}

bool console_interrupted(void)
{
	return console.interrupted;
}

bool console_take_disturbed(void)
{
	bool disturbed;

	lock();
	disturbed = console.disturbed;
	console.disturbed = false;
	unlock();
	return disturbed;
}

static const struct console_stream *stream_or_own(const struct console_stream *stream)
{
	return stream ? stream : &virt7;
}

uint32_t console_log_end(const struct console_stream *stream)
{
	return stream_or_own(stream)->head;
}

size_t console_log_read(const struct console_stream *stream, uint32_t *at, uint32_t end, char *buf, size_t len)
{
	const struct console_stream *s = stream_or_own(stream);
	size_t n = 0;

	lock();
	if (s->head - *at > s->size)
		*at = s->head - s->size;
	while (n < len && (int32_t)(end - *at) > 0)
		buf[n++] = (char)s->log[(*at)++ & (s->size - 1U)];
	unlock();
	return n;
}

void console_start(void)
{
	console.started = true;
}

void console_enable_irq(uint32_t irq)
{
	if (irq == 0) {
		console.poll.expired = poll_uart;
		poll_uart(&console.poll);
		return;
	}
	irq_register(irq, uart_irq, NULL);
	lock();
	console.irq = console.tx_irq = true;
	uart_irq_enable(true);
	drain();
	unlock();
}

void console_panic(void)
{
	console.panicked = true;
	console.irq = false;
	while (has_output(&virt7))
		drain();
}
