/*
 * Console multiplexer. Output goes through one ring to the host's UART, drained by its interrupt, so that no guest
 * waits for a slow line inside HYP. With one VM its output is raw; with several, each line starts with the VM's name.
 */
#include <string.h>

#include <arm/spinlock.h>

#include "hyp/console.h"
#include "hyp/dev/uart.h"
#include "hyp/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/vm.h"

#define TX_SIZE  4096U /* power of two */
#define TX_SPARE 64U   /* kept back from guests for a name and virt7's own lines */

static struct {
	struct spinlock lock;
	bool started, irq, panicked;
	uint32_t head, tail; /* free-running; head - tail characters wait */
	uint8_t ring[TX_SIZE];
	struct console_stream *focus;
	struct console_stream *last; /* whose line is unfinished */
	uint32_t streams;
	bool mid_line;
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

/* Move what the UART takes now; ask for an interrupt when it is full. */
static void drain(void)
{
	while (console.tail != console.head && uart_can_send())
		uart_send(console.ring[console.tail++ % TX_SIZE]);
	if (console.irq)
		uart_irq_enable(console.tail != console.head);
}

/* Room or not: waits for the UART when the ring is full. */
static void emit(uint8_t c)
{
	if (console.head == console.tail && uart_can_send()) {
		uart_send(c);
	} else {
		while (console.head - console.tail == TX_SIZE)
			drain();
		console.ring[console.head++ % TX_SIZE] = c;
		if (console.head - console.tail == 1 && console.irq)
			uart_irq_enable(true);
	}
	console.mid_line = c != '\n';
}

static void emit_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			emit('\r');
		emit((uint8_t)text[i]);
	}
}

bool console_has_room(void)
{
	return console.head - console.tail < TX_SIZE - TX_SPARE;
}

/* Another stream's line stands unfinished: end it before this one's. */
static void begin_line(struct console_stream *stream)
{
	if (console.mid_line && console.last != stream)
		emit_text("\n", 1);
	console.last = stream;
	if (stream && console.streams > 1) {
		emit_text(stream->vm->config.name, strlen(stream->vm->config.name));
		emit_text("| ", 2);
	}
}

bool console_putc(struct console_stream *stream, uint8_t c)
{
	bool room;

	lock();
	room = console_has_room();
	if (room) {
		if (stream->at_line_start || console.last != stream)
			begin_line(stream);
		emit(c);
		stream->at_line_start = c == '\n';
	}
	unlock();
	return room;
}

void console_write(const char *text, size_t len)
{
	if (!console.started)
		return;
	lock();
	if (console.mid_line)
		emit_text("\n", 1);
	console.last = NULL;
	emit_text(text, len);
	if (!console.irq)
		while (console.tail != console.head)
			drain();
	unlock();
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

/* Take what was typed; a VM that does not read keeps the first CONSOLE_INPUT characters. */
static struct console_stream *receive(void)
{
	struct console_stream *focus = console.focus;
	int c;

	while ((c = uart_receive()) >= 0)
		if (focus && focus->input_head - focus->input_tail < CONSOLE_INPUT)
			focus->input[focus->input_head++ % CONSOLE_INPUT] = (uint8_t)c;
	return focus;
}

static bool uart_irq(uint32_t id)
{
	struct console_stream *focus;
	bool was_full;

	(void)id;
	lock();
	was_full = !console_has_room();
	focus = receive();
	drain();
	was_full = was_full && console_has_room();
	unlock();
	if (focus && focus->input_ready)
		focus->input_ready(focus->vm);
	if (was_full)
		for (uint32_t i = 0; i < vm_count; i++)
			if (vms[i]->console.room)
				vms[i]->console.room(vms[i]);
	return true;
}

void console_attach(struct console_stream *stream)
{
	lock();
	stream->at_line_start = true;
	console.streams++;
	if (!console.focus)
		console.focus = stream;
	unlock();
}

void console_start(void)
{
	console.started = true;
}

void console_enable_irq(uint32_t irq)
{
	if (irq == 0)
		return;
	irq_register(irq, uart_irq);
	lock();
	console.irq = true;
	drain();
	unlock();
}

void console_panic(void)
{
	console.panicked = true;
	console.irq = false;
	while (console.tail != console.head)
		drain();
}
