/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the console's tests share: a UART that is slow, VMs that print, and a main() that forks. The state of
 * hyp/console/console.c is static, so each test is a process's first user of it.
 */
#ifndef TESTS_UNIT_CONSOLE_RIG_H
#define TESTS_UNIT_CONSOLE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "fake_machine.h"
#include "hyp/console/blackbox.h"
#include "hyp/console/console.h"
#include "hyp/console/mux.h"
#include "hyp/host/uart/uart.h"
#include "hyp/run/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"
#include "hyp/run/timer.h"
#include "hyp/vm/vm.h"

#define VMS    3U
#define LOG    256U
#define HZ     1000U
#define IRQ_ID 33U

/* The UART: `space` characters fit now; an interrupt comes when it is wanted and there is room, or input. */
static char sent[1 << 20];
static size_t sent_count, space;
static uint64_t pace; /* of a UART that is waited for: a character has gone each so many ms; 0: it is dead */
static bool clock_runs;
static const char *typed = "";
static bool tx_wanted;
static irq_fn handler;
struct options options;
#define now fake_machine.reg[SYSREG_cntpct]
static struct timer *armed;

bool uart_can_send(void)
{
	if (clock_runs && ++now && pace && now % pace == 0)
		space = 1;
	return space > 0;
}

void uart_send(uint8_t c)
{
	assert_true(space > 0 && sent_count < sizeof(sent) - 1);
	space--;
	sent[sent_count++] = (char)c;
	sent[sent_count] = '\0';
}

int uart_receive(void)
{
	return *typed ? (uint8_t)*typed++ : -1;
}

void uart_irq_enable(bool tx)
{
	tx_wanted = tx;
}

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	assert_null(arg);
	assert_int_equal(id, IRQ_ID);
	handler = fn;
}

uint32_t timer_hz(void)
{
	return HZ;
}

static char boxed[512]; /* the last line for the next run */

void blackbox_start(void)
{
	boxed[0] = '\0';
}

void blackbox_line(const char *text, size_t len)
{
	snprintf(boxed, sizeof(boxed), "%.*s", (int)len, text);
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	assert_true(!timer->cpu || timer == armed);
	timer->cpu = (struct percpu *)timer;
	timer->deadline = deadline;
	armed = timer;
}

void timer_drain(struct timer *timer)
{
	if (timer->cpu)
		armed = NULL;
	timer->cpu = NULL;
}

/* What is said to wait is what waits. */
static inline void expect_waiting(void)
{
	const struct console_stream *s = console.streams;
	uint32_t waiting = 0;

	while (s) {
		waiting += s->head - s->shown;
		s = s->next == console.streams ? NULL : s->next;
	}
	assert_int_equal(console.waiting, waiting);
}

static inline void pass(uint64_t ms)
{
	expect_waiting();
	for (now += ms; armed && armed->deadline <= now;) {
		struct timer *timer = armed;

		armed = NULL;
		timer->cpu = NULL;
		timer->expired(timer);
	}
}

/* The UART has sent what it had, and takes `n` more, by interrupts of 16. */
static inline void flow(size_t n)
{
	expect_waiting();
	while (n > 0 && tx_wanted) {
		size_t before = sent_count, part = MIN(n, (size_t)16);

		space = part;
		handler(IRQ_ID, NULL);
		if (sent_count == before)
			break;
		n -= MIN(n, sent_count - before);
	}
	space = 0;
}

static inline void flow_all(void)
{
	space = 0;
	while (tx_wanted) {
		size_t before = sent_count;

		flow(16);
		if (sent_count == before)
			break;
	}
}

static inline void key(const char *keys)
{
	expect_waiting();
	typed = keys;
	handler(IRQ_ID, NULL);
}

static struct vm vm[VMS];
static uint8_t log_of[VMS + 1][LOG];
static char heard[VMS][64]; /* what VMs read */
static uint32_t rooms[VMS], shell_calls;
static struct console_stream shell = {.log = log_of[VMS], .size = LOG};

static inline void input_ready(struct console_stream *of)
{
	char *to = heard[of->vm->id];
	size_t len = strlen(to);
	int c;

	while ((c = console_getc(of)) >= 0)
		to[len++] = (char)c;
}

static inline void room(struct console_stream *of)
{
	rooms[of->vm->id]++;
}

static inline void shell_event(struct console_stream *of)
{
	assert_ptr_equal(of, &shell);
	shell_calls++;
}

static inline void start(uint32_t count)
{
	static const char *const names[] = {"a", "bee", "c"};

	console_start();
	console_enable_irq(IRQ_ID);
	console_end_boot();
	shell.input_ready = shell.room = shell_event;
	console_attach_shell(&shell, CONSOLE_ESCAPE);
	for (uint32_t i = 0; i < count; i++) {
		vm[i].id = i;
		vm[i].console = (struct console_stream){.vm = &vm[i],
							.name = names[i],
							.log = log_of[i],
							.size = LOG,
							.input_ready = input_ready,
							.room = room};
		console_attach(&vm[i].console);
	}
	space = SIZE_MAX;
	handler(IRQ_ID, NULL); /* for the room */
}

static inline bool put(struct console_stream *s, uint8_t c)
{
	return console_put(s, &c, 1);
}

/* True: all of it was taken. */
static inline bool say(struct console_stream *s, const char *text)
{
	while (*text && put(s, (uint8_t)*text))
		text++;
	return !*text;
}

static inline bool vm_says(uint32_t i, const char *text)
{
	return say(&vm[i].console, text);
}

static inline void expect(const char *text)
{
	assert_string_equal(sent, text);
	sent[sent_count = 0] = '\0';
}

#define TERMINAL_LINE "\x18\x1b\\\x1b[m\x0f\x1b(B"
#define TERMINAL_SCREEN                                                                                                \
	"\x18\x1b\\\x1b\x37\x1b[r\x1b[?1049l\x1b\x38\x1b[?1;5;9;69;1000;1001;1002;1003;1004;2004l\x1b[?7;25h\x1b[2;4;" \
	"20l"                                                                                                          \
	"\x1b>\x1b[m\x0f\x1b(B\x1b%G"

/* What failed. */
static inline int run_each(const struct CMUnitTest *tests, size_t count)
{
	int failed = 0, status;

	for (size_t i = 0; i < count; i++) {
		const struct CMUnitTest one[] = {tests[i]};
		pid_t child = fork();

		if (child == 0)
			exit(cmocka_run_group_tests(one, NULL, NULL));
		if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
			failed++;
	}
	return failed;
}

#endif
