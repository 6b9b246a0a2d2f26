/*
 * The console multiplexer: one host UART, a stream of output for each VM, the keyboard to one of them. virt7's own
 * lines pass through it too.
 */
#ifndef HYP_CONSOLE_H
#define HYP_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

#define CONSOLE_INPUT 256U

struct console_stream {
	struct vm *vm;
	void (*input_ready)(struct vm *vm); /* called when input arrives, and */
	void (*room)(struct vm *vm);        /* when output has room again; no console lock is held */
	uint8_t input[CONSOLE_INPUT];       /* ring; written by the console, read by the VM's UART */
	uint32_t input_head, input_tail;
	bool at_line_start;
};

/* Take a VM's stream into the multiplexer; the first one gets the keyboard. */
void console_attach(struct console_stream *stream);

/* One character of a VM's output. False when there is no room now: stream->room() will say when. */
bool console_putc(struct console_stream *stream, uint8_t c);

/* True where console_putc() would have room. */
bool console_has_room(void);

/* The next character typed for this VM, or -1. */
int console_getc(struct console_stream *stream);

/* virt7's own output: waits for the UART, never loses a character. */
void console_write(const char *text, size_t len);

/* After the host's UART is known; before that console_write() drops what it gets. */
void console_start(void);

/* Switch from polling to interrupts once the GIC is up; `irq` 0: stays polled. */
void console_enable_irq(uint32_t irq);

/* A panic: no locks from here on. */
void console_panic(void);

#endif
