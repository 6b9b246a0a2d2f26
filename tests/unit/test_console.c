/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer between VMs that print and a UART that is slow: who gets the line, what waits, what is lost
 * and said to be. The state of hyp/console/console.c is static, so each test is a process's first user of it: main()
 * forks.
 */
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

static void pass(uint64_t ms)
{
	for (now += ms; armed && armed->deadline <= now;) {
		struct timer *timer = armed;

		armed = NULL;
		timer->cpu = NULL;
		timer->expired(timer);
	}
}

/* The UART has sent what it had, and takes `n` more, by interrupts of 16. */
static void flow(size_t n)
{
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

static void flow_all(void)
{
	space = 0;
	while (tx_wanted) {
		size_t before = sent_count;

		flow(16);
		if (sent_count == before)
			break;
	}
}

static void key(const char *keys)
{
	typed = keys;
	handler(IRQ_ID, NULL);
}

static struct vm vm[VMS];
static uint8_t log_of[VMS + 1][LOG];
static char heard[VMS][64]; /* what VMs read */
static uint32_t rooms[VMS], shell_calls;
static struct console_stream shell = {.log = log_of[VMS], .size = LOG};

static void input_ready(struct console_stream *of)
{
	char *to = heard[of->vm->id];
	size_t len = strlen(to);
	int c;

	while ((c = console_getc(of)) >= 0)
		to[len++] = (char)c;
}

static void room(struct console_stream *of)
{
	rooms[of->vm->id]++;
}

static void shell_event(struct console_stream *of)
{
	assert_ptr_equal(of, &shell);
	shell_calls++;
}

static void start(uint32_t count)
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

static bool put(struct console_stream *s, uint8_t c)
{
	return console_put(s, &c, 1);
}

/* True: all of it was taken. */
static bool say(struct console_stream *s, const char *text)
{
	while (*text && put(s, (uint8_t)*text))
		text++;
	return !*text;
}

static bool vm_says(uint32_t i, const char *text)
{
	return say(&vm[i].console, text);
}

static void expect(const char *text)
{
	assert_string_equal(sent, text);
	sent[sent_count = 0] = '\0';
}

/* --- one VM ------------------------------------------------------------------------------------------------------- */

static void test_one_vm_is_raw(void **state)
{
	(void)state;
	start(1);
	vm_says(0, "hello\r\nlogin: ");
	expect("hello\r\nlogin: ");
	key("ab\003\004c");
	assert_string_equal(heard[0], "ab\003\004c");
	console_write("virt7: x\n", 9);
	expect("\r\nvirt7: x\r\n");
	vm_says(0, "more");
	expect("more");
}

/* Full at its log's size, and never a character lost or twice; told once there is room. */
static void test_back_pressure(void **state)
{
	static char text[3000];
	const char *at = text;

	(void)state;
	start(1);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 23);
	space = 0;
	while (*at) {
		size_t taken = 0;

		rooms[0] = 0;
		while (*at && put(&vm[0].console, (uint8_t)*at)) {
			at++;
			taken++;
		}
		assert_true(taken <= LOG);
		assert_false(*at && put(&vm[0].console, '!'));
		assert_true(tx_wanted);
		flow(100);
		assert_true(!*at || rooms[0] == 1);
	}
	flow_all();
	expect(text);
	assert_false(tx_wanted);
}

static void test_own_lines_go_first(void **state)
{
	(void)state;
	start(1);
	space = 0;
	vm_says(0, "abc\r\n");
	console_write("virt7: now\n", 11);
	flow_all();
	expect("virt7: now\r\nabc\r\n");
}

#define OWN_LINE  "virt7: 23456789012345678901234567890123456789012345678901234567890123456789\n"
#define OWN_LINES (8191U / (strlen(OWN_LINE) + 1U)) /* in 8 KiB; room for a byte more than each takes is asked for */

/* As many as are asked for; each returns, whatever the UART does. */
static void write_lines(uint32_t count)
{
	while (count-- > 0)
		console_write(OWN_LINE, strlen(OWN_LINE));
}

/* How often `text` is in what was sent. */
static uint32_t times_sent(const char *text)
{
	uint32_t n = 0;

	for (const char *at = sent; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	return n;
}

static const char own_line[] = "virt7: 2345678901234567890";

/* A full log costs lines, not time; how many is said before the next one. */
static void test_lines_dropped(void **state)
{
	(void)state;
	start(1);
	space = 0;
	write_lines(OWN_LINES + 7);
	assert_int_equal(sent_count, 0);
	flow(3000); /* not for each line that there is room for */
	write_lines(2);
	assert_null(strstr(sent, "dropped"));
	flow_all();
	assert_int_equal(times_sent(own_line), OWN_LINES);
	assert_string_equal(sent + OWN_LINES * (strlen(OWN_LINE) + 1U),
			    "virt7: warning: 9 lines dropped: more than the console takes\r\n");
	sent[sent_count = 0] = '\0';
	space = 1000;
	write_lines(1);
	assert_int_equal(times_sent(own_line), 1);
	assert_false(tx_wanted);
}

/* The boot CPU waits, because a bundle may be wrong in many places; another does not. */
static void test_lines_of_boot(void **state)
{
	struct cpu_head cpu = {.id = 0};

	(void)state;
	console_start();
	write_htpidr((uintptr_t)&cpu);
	clock_runs = true;
	pace = 3;
	write_lines(3); /* nobody sends for it yet */
	assert_int_equal(times_sent(own_line), 3);
	console_enable_irq(IRQ_ID);
	write_lines(300);
	assert_in_range(times_sent(own_line), 303 - OWN_LINES, 302);
	cpu.id = 1;
	clock_runs = false;
	space = 0;
	write_lines(OWN_LINES);
	cpu.id = 0;
	clock_runs = true;
	write_lines(1);
	console_end_boot();
	clock_runs = false;
	flow_all();
	assert_int_equal(times_sent("dropped"), 1);
	assert_string_equal(strrchr(sent, 'v'),
			    "virt7: 23456789012345678901234567890123456789012345678901234567890123456789\r\n");
}

/* Nobody waits for ever for a UART that has stopped. */
static void test_dead_uart(void **state)
{
	(void)state;
	console_start();
	clock_runs = true;
	write_lines(2);
	assert_in_range(now, 2 * HZ, 5 * HZ);
	assert_int_equal(sent_count, 0);
	console_flush();
	console_panic();
	assert_in_range(now, 4 * HZ, 9 * HZ);
}

/* What was dropped is said, and all that is kept comes, and then the panic's lines, each at once. */
static void test_panic_behind_a_full_log(void **state)
{
	(void)state;
	start(1);
	space = 0;
	write_lines(OWN_LINES + 3);
	clock_runs = true;
	pace = 2;
	console_panic();
	assert_int_equal(times_sent(own_line), OWN_LINES);
	assert_string_equal(strrchr(sent, 'v'), "virt7: warning: 3 lines dropped: more than the console takes\r\n");
	console_write("virt7: PANIC\n", 13);
	assert_string_equal(boxed, "virt7: PANIC\n");
	assert_string_equal(strrchr(sent, 'v'), "virt7: PANIC\r\n");
}

/* Before the power goes what VMs have printed is to be seen as well. */
static void test_flush(void **state)
{
	(void)state;
	start(1);
	space = 0;
	vm_says(0, "last words\r\n");
	console_write("virt7: off\n", 11);
	clock_runs = true;
	pace = 2;
	console_flush();
	expect("virt7: off\r\nlast words\r\n");
}

/* In the log, and never on the screen. */
static void test_kept_lines(void **state)
{
	char log[100];
	uint32_t at = 0;
	size_t n;

	(void)state;
	start(1);
	console_keep("virt7: a\n", 9);
	expect("");
	space = 0;
	console_keep("virt7: b\n", 9);
	console_write("virt7: c\n", 9);
	console_keep("virt7: d\n", 9);
	console_keep("virt7: e\n", 9);
	vm_says(0, "guest\r\n");
	flow_all();
	expect("virt7: c\r\nguest\r\n");
	n = console_log_read(NULL, &at, console_log_end(NULL), log, sizeof(log));
	log[n] = '\0';
	assert_string_equal(log, "virt7: a\r\nvirt7: b\r\nvirt7: c\r\nvirt7: d\r\nvirt7: e\r\n");
}

/* Under the option quiet, until boot is over. */
static void test_quiet_boot(void **state)
{
	struct cpu_head cpu = {.id = 0};

	(void)state;
	write_htpidr((uintptr_t)&cpu);
	start(1);
	options.quiet = true;
	console.booted = false;
	log_sink(LOG_INFO, true, "virt7: a\n", 9);
	log_sink(LOG_WARN, true, "virt7: b\n", 9);
	log_sink(LOG_ERR, false, "virt7: c\n", 9);
	console.booted = true;
	log_sink(LOG_INFO, true, "virt7: d\n", 9);
	options.quiet = false;
	console.booted = false;
	log_sink(LOG_DEBUG, true, "virt7: e\n", 9);
	flow_all();
	expect("virt7: b\r\nvirt7: d\r\nvirt7: e\r\n");
}

/* --- several ------------------------------------------------------------------------------------------------------ */

static void test_whole_lines(void **state)
{
	(void)state;
	start(2);
	vm_says(0, "one\r\n");
	vm_says(1, "two\r\n");
	expect("a| one\r\nbee| two\r\n");
	vm_says(0, "be"); /* begins a line */
	vm_says(1, "other\r\n");
	vm_says(0, "gin\r\n");
	vm_says(1, "last\r\n");
	expect("a| begin\r\nbee| other\r\nbee| last\r\n");
}

/* A prompt is seen at once, and gives way to others after a while; then it is not repeated. */
static void test_prompt(void **state)
{
	(void)state;
	start(2);
	vm_says(0, "$ ");
	expect("a| $ ");
	vm_says(1, "news\r\n");
	expect("");
	pass(199);
	expect("");
	pass(2);
	expect("\r\nbee| news\r\n");
	vm_says(0, "x");
	expect("a| x");
	pass(1000);
	vm_says(1, "y\r\n");
	expect("\r\nbee| y\r\n");
}

/* One that prints a character now and then cannot keep the line for ever. */
static void test_trickle(void **state)
{
	uint32_t n = 0;

	(void)state;
	start(2);
	vm_says(0, "x");
	vm_says(1, "waits\r\n");
	for (; !strstr(sent, "waits") && n < 1000; n++) {
		pass(40);
		vm_says(0, "x");
	}
	assert_in_range(n, 2, 1040 / 40);
}

static void test_endless_line(void **state)
{
	(void)state;
	start(2);
	vm_says(0, "x");
	vm_says(1, "waits\r\n");
	for (uint32_t n = 0; n < 1200; n++)
		vm_says(0, "x");
	assert_non_null(strstr(sent, "x\r\nbee| waits\r\na| x"));
}

/* What is sent in one go is no longer than what others have to wait for. */
static void test_endless_run(void **state)
{
	const char *end;

	(void)state;
	start(2);
	vm_says(0, "x");
	vm_says(1, "waits\r\n");
	for (uint32_t n = 0; n < 5; n++) {
		space = 0;
		for (uint32_t i = 0; i < 250; i++)
			assert_true(vm_says(0, "x"));
		space = SIZE_MAX;
		handler(IRQ_ID, NULL);
	}
	end = strstr(sent, "\r\nbee| waits\r\na| ");
	assert_non_null(end);
	assert_int_equal(end - sent, strlen("a| ") + 1024);
}

/* Floods: everybody gets the same share of the line, a quiet one is heard at once, and nothing is lost. */
static void test_flood(void **state)
{
	uint32_t lines[2] = {0}, quiet = 0;

	(void)state;
	start(3);
	space = 0;
	/* Two VMs keep their logs full. */
	for (uint32_t n = 0; n < 5000; n++) {
		static uint32_t at[2];

		for (uint32_t i = 0; i < 2; i++)
			while (put(&vm[i].console, (uint8_t) "0123456789\n"[at[i] % 11]))
				at[i]++;
		if (n % 100 == 50)
			assert_true(vm_says(2, "quiet\r\n"));
		flow(37);
		if (n % 100 == 60)
			assert_non_null(strstr(sent, "c| quiet\r\n"));
		if (n % 100 != 99)
			continue;
		for (char *line = strtok(sent, "\n"); line; line = strtok(NULL, "\n")) {
			lines[0] += strncmp(line, "a| ", 3) == 0;
			lines[1] += strncmp(line, "bee| ", 5) == 0;
			quiet += strcmp(line, "c| quiet\r") == 0;
		}
		sent[sent_count = 0] = '\0';
	}
	assert_in_range(quiet, 49, 50);
	assert_in_range(lines[0], lines[1] - lines[1] / 20, lines[1] + lines[1] / 20);
	assert_true(lines[0] > 1000);
}

static void test_keyboard(void **state)
{
	(void)state;
	start(2);
	key("1");
	console_show(&vm[1].console);
	key("2");
	console_show(NULL);
	key("3");
	assert_string_equal(heard[0], "1");
	assert_string_equal(heard[1], "23");
}

static void not_yet(struct console_stream *of)
{
	(void)of;
}

/* A guest that is slow finds all of a page that was pasted; of more than CONSOLE_INPUT the end is lost. */
static void test_paste(void **state)
{
	char text[CONSOLE_INPUT + 100];

	(void)state;
	start(1);
	vm[0].console.input_ready = not_yet;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 26);
	text[sizeof(text) - 1] = '\0';
	key(text);
	while (*typed)
		handler(IRQ_ID, NULL);
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(console_getc(&vm[0].console), text[i]);
	assert_int_equal(console_getc(&vm[0].console), -1);
}

/* --- the screen --------------------------------------------------------------------------------------------------- */

static void test_screen(void **state)
{
	(void)state;
	start(2);
	console_show(&vm[1].console);
	vm_says(0, "hidden\r\nmore\r\n");
	vm_says(1, "raw\r\n$ ");
	expect("raw\r\n$ ");
	console_show(&vm[0].console);
	expect("\r\nhidden\r\nmore\r\n");
	vm_says(1, "ls\r\n");
	console_show(NULL);
	expect("bee| ls\r\n");
}

/* A hidden VM is never stopped by its log; how much of it is lost is said. */
static void test_overflow(void **state)
{
	char *shown;

	(void)state;
	start(2);
	console_show(&vm[1].console);
	for (uint32_t i = 0; i < 100; i++)
		assert_true(vm_says(0, "0123456789\n"));
	assert_int_equal(sent_count, 0);
	console_show(&vm[0].console);
	flow_all();
	space = SIZE_MAX;
	shown = strstr(sent, "lost: its log is too small]\r\n");
	assert_non_null(shown);
	assert_int_equal(strtoul(sent + 1, NULL, 10), 1100 - LOG);
	shown = strchr(shown, '\n') + 1;
	assert_int_equal(strlen(shown), LOG);
	assert_string_equal(shown + LOG - 11, "0123456789\n");
	vm_says(0, "x");
	assert_int_equal(sent[sent_count - 1], 'x');
}

/* Nor does the UART interrupt meanwhile, with nothing to send: another VM has the line, and lets it stand unfinished.
 */
static void test_refused_behind_a_held_line(void **state)
{
	(void)state;
	start(2);
	vm_says(0, "x");
	while (put(&vm[1].console, 'y'))
		;
	handler(IRQ_ID, NULL);
	assert_false(tx_wanted);
	assert_int_equal(rooms[1], 0);
	pass(300);
	assert_int_equal(rooms[1], 1);
	assert_true(put(&vm[1].console, 'y'));
}

/* Who waits for room when the screen is taken from it must not wait for ever. */
static void test_hidden_while_refused(void **state)
{
	(void)state;
	start(2);
	space = 0;
	while (put(&vm[0].console, 'x'))
		;
	assert_int_equal(rooms[0], 0);
	console_show(&vm[1].console);
	assert_int_equal(rooms[0], 1);
	assert_true(put(&vm[0].console, 'x'));
}

/* Its unfinished line is seen again, once. */
static void test_prompt_again(void **state)
{
	(void)state;
	start(2);
	console_show(&vm[0].console);
	vm_says(0, "old\r\n$ ls");
	console_show(&vm[1].console);
	sent[sent_count = 0] = '\0';
	console_show(&vm[0].console);
	expect("$ ls");
	vm_says(0, "\r\n");
	expect("\r\n");
}

/* A line that the shell has cut between its carriage return and its line feed has been seen. */
static void test_whole_line_once(void **state)
{
	(void)state;
	start(2);
	console_show(&vm[0].console);
	space = 9;
	vm_says(0, "one\r\ntwo\r\nthree\r\n");
	expect("one\r\ntwo\r");
	space = SIZE_MAX;
	key("\035");
	say(&shell, "> ");
	expect("\r\n> ");
	console_show(&vm[0].console);
	expect("\r\nthree\r\n");
	vm_says(0, "four\r");
	console_show(&vm[1].console);
	console_show(&vm[0].console);
	vm_says(0, "\nfive\r\n");
	expect("four\r\nfive\r\n");
}

/* --- the shell ---------------------------------------------------------------------------------------------------- */

static void test_escape(void **state)
{
	(void)state;
	start(2);
	key("a\035bc");
	assert_true(console_shell_is_open());
	assert_string_equal(heard[0], "a");
	assert_int_equal(console_getc(&shell), 'b');
	assert_int_equal(console_getc(&shell), 'c');
	key("\035");
	assert_int_equal(console_getc(&shell), CONSOLE_ESCAPE);
	vm_says(0, "held\r\n");
	expect("");
	say(&shell, "prompt> ");
	expect("prompt> ");
	console_show(console_screen());
	assert_false(console_shell_is_open());
	expect("\r\na| held\r\n");
	key("z");
	assert_string_equal(heard[0], "az");
}

/* Typed ahead of the end of the shell: for who has the keyboard then, and behind the key that opens it the shell's. */
static void test_typed_ahead_of_leaving(void **state)
{
	uint32_t calls;

	(void)state;
	start(2);
	key("\035!to bee\035to shell");
	assert_int_equal(console_getc(&shell), '!');
	calls = shell_calls;
	console_show(&vm[1].console);
	assert_string_equal(heard[1], "to bee");
	assert_true(console_shell_is_open());
	assert_int_equal(shell_calls, calls + 1);
	for (const char *c = "to shell"; *c; c++)
		assert_int_equal(console_getc(&shell), *c);
	assert_int_equal(console_getc(&shell), -1);
	console_show(NULL);
	assert_false(console_shell_is_open());
	assert_string_equal(heard[1], "to bee");
}

static void test_shell_before_vms(void **state)
{
	(void)state;
	start(1);
	space = 0;
	vm_says(0, "guest\r\n");
	say(&shell, "shell\r\n");
	flow_all();
	expect("shell\r\nguest\r\n");
}

static void test_disturbed(void **state)
{
	uint32_t calls;

	(void)state;
	start(1);
	key("\035");
	say(&shell, "> typ");
	assert_false(console_take_disturbed());
	calls = shell_calls;
	console_write("virt7: x\n", 9);
	expect("> typ\r\nvirt7: x\r\n");
	assert_int_equal(shell_calls, calls + 1);
	assert_true(console_take_disturbed());
	assert_false(console_take_disturbed());
}

static void test_interrupt(void **state)
{
	(void)state;
	start(1);
	key("\003"); /* the VM's */
	assert_string_equal(heard[0], "\003");
	key("\035\003");
	assert_int_equal(console_getc(&shell), 3);
	assert_false(console_set_busy(true));
	key("ahead\003");
	assert_true(console_interrupted());
	assert_int_equal(console_getc(&shell), -1);
	assert_true(console_set_busy(false));
	assert_false(console_interrupted());
}

static void test_log(void **state)
{
	char part[100];
	uint32_t at = 0, end;
	size_t n, total = 0;

	(void)state;
	start(2);
	console_write("virt7: first\n", 13);
	end = console_log_end(NULL);
	n = console_log_read(NULL, &at, end, part, sizeof(part));
	assert_int_equal(n, 14);
	assert_memory_equal(part, "virt7: first\r\n", n);
	assert_int_equal(console_log_read(NULL, &at, end, part, sizeof(part)), 0);
	for (uint32_t i = 0; i < 100; i++)
		vm_says(0, "0123456789\n");
	at = 0;
	end = console_log_end(&vm[0].console);
	while ((n = console_log_read(&vm[0].console, &at, end, part, sizeof(part))) != 0)
		total += n;
	assert_int_equal(total, LOG);
	/* It ends where the log did, whatever is printed meanwhile. */
	at = 0;
	for (total = 0; (n = console_log_read(&vm[0].console, &at, end, part, sizeof(part))) != 0; total += n)
		vm_says(0, "01234567890123456789\n");
	assert_int_equal(total, LOG);
}

static void test_panic(void **state)
{
	(void)state;
	start(2);
	space = SIZE_MAX;
	vm_says(0, "text");
	key("\035");
	console_panic();
	console_write("virt7: PANIC\n", 13);
	expect("a| text\r\nvirt7: PANIC\r\n");
}

/* --- what a guest cannot do --------------------------------------------------------------------------------------- */

#define TERMINAL_LINE "\x18\x1b\\\x1b[m\x0f\x1b(B"
#define TERMINAL_SCREEN                                                                                                \
	"\x18\x1b\\\x1b\x37\x1b[r\x1b[?1049l\x1b\x38\x1b[?1;5;9;69;1000;1001;1002;1003;1004;2004l\x1b[?7;25h\x1b[2;4;" \
	"20l"                                                                                                          \
	"\x1b>\x1b[m\x0f\x1b(B\x1b%G"

static void test_shared_is_plain(void **state)
{
	(void)state;
	start(2);
	vm_says(0, "ok\rvirt7: error: forged\r\n");
	expect("a| ok\r\na| virt7: error: forged\r\n");
	vm_says(0, "\x1b[1Gvirt7> \x1b[6n\n");
	expect("a| \\x1b[1Gvirt7> \\x1b[6n\r\n");
	vm_says(0, "\n\rx\n");
	expect("a| \r\na| x\r\n");
	console_show(&vm[0].console); /* its log has them as they were; alone on the screen it is as it is */
	vm_says(0, "\x1b[1mx\r\n");
	expect("\x1b[1mx\r\n");
}

/* A character that comes in parts while others print is whole when it is shown, and nobody else's. */
static void test_half_a_character(void **state)
{
	(void)state;
	start(2);
	vm_says(0, "\xe2");
	vm_says(1, "\xac\n");
	vm_says(0, "\x82");
	vm_says(1, "\x82\xac\n");
	vm_says(0, "\xac\n");
	expect("bee| \\xac\r\nbee| \\x82\\xac\r\na| \xe2\x82\xac\r\n");
	vm_says(0, "x\xe2");
	vm_says(1, "y\n");
	expect("a| x");
	pass(300);
	vm_says(0, "\x82\xac\n");
	expect("\r\nbee| y\r\na| \xe2\x82\xac\r\n");
}

/* A line that was ended for others while its line feed was under way is not followed by an empty one. */
static void test_line_ended_once(void **state)
{
	(void)state;
	start(2);
	vm_says(0, "x\r");
	vm_says(1, "y\n");
	pass(300);
	vm_says(0, "\nz\n");
	expect("a| x\r\nbee| y\r\na| z\r\n");
}

/* Bytes that show nothing are a turn too, and what others say comes through. */
static void test_nothing_without_end(void **state)
{
	(void)state;
	start(2);
	space = 0;
	while (put(&vm[0].console, '\r'))
		;
	for (uint32_t n = 0; n < 4; n++)
		assert_true(vm_says(1, "heard\r\n"));
	space = 100;
	handler(IRQ_ID, NULL);
	pass(0);
	expect("bee| heard\r\nbee| heard\r\nbee| heard\r\nbee| heard\r\n");
}

/* What takes long to look at ends a go, and the UART, which has been filled, calls for the next one. */
static void test_go_ends(void **state)
{
	(void)state;
	start(2);
	space = 0;
	while (put(&vm[0].console, '\n'))
		;
	space = SIZE_MAX;
	handler(IRQ_ID, NULL);
	assert_int_equal(sent_count, 12 * strlen("a| \r\n") + strlen("a| \r"));
	assert_true(tx_wanted);
	assert_null(armed);
	while (tx_wanted)
		handler(IRQ_ID, NULL);
	assert_int_equal(sent_count, LOG * strlen("a| \r\n"));
}

/* A go has ended with little in the UART, which calls for nothing then: a timer does, though another is armed already.
 */
static void test_go_without_interrupt(void **state)
{
	(void)state;
	start(2);
	vm_says(0, "prompt");
	vm_says(1, "waits\n");
	assert_ptr_equal(armed, &console.hold);
	space = 0;
	for (uint32_t n = 0; n < 100; n++)
		assert_true(vm_says(0, "\r"));
	vm_says(0, "b");
	space = SIZE_MAX;
	handler(IRQ_ID, NULL);
	expect("a| prompt");
	pass(0);
	expect("\r\nbee| waits\r\na| b");
	assert_false(tx_wanted);
}

/* Four characters for one: the line is still given up after so many, and no other's waits longer. */
static void test_escaped_line_is_not_longer(void **state)
{
	const char *end;

	(void)state;
	start(2);
	vm_says(0, "\x1b");
	vm_says(1, "waits\n");
	for (uint32_t n = 0; n < 1200; n++)
		vm_says(0, "\x1b");
	end = strstr(sent, "\r\nbee| waits\r\na| ");
	assert_non_null(end);
	assert_int_equal(end - sent, strlen("a| ") + 1024);
}

/* virt7's line among those of a VM that has the screen: on a line of its own, not in the VM's colours or string. */
static void test_line_on_a_steered_screen(void **state)
{
	(void)state;
	start(1);
	vm_says(0, "plain\tx\b\a\r\n");
	console_write("virt7: x\n", 9);
	expect("plain\tx\b\a\r\nvirt7: x\r\n");
	vm_says(0, "\x1b]0;");
	console_write("virt7: x\n", 9);
	console_write("virt7: y\n", 9);
	expect("\x1b]0;" TERMINAL_LINE "\r\nvirt7: x\r\nvirt7: y\r\n");
	vm_says(0, "b\n");
	console_write("virt7: x\n", 9);
	expect("b\nvirt7: x\r\n");
	vm_says(0, "\x9b");
	console_write("virt7: x\n", 9);
	expect("\x9b" TERMINAL_LINE "\r\nvirt7: x\r\n");
}

/* Whoever has the screen next finds a terminal in order: once, and only if it may be in disorder. */
static void test_screen_after_a_steered_one(void **state)
{
	(void)state;
	start(2);
	console_show(&vm[0].console);
	vm_says(0, "\x1b[?1049h\x1b[8m");
	console_write("virt7: x\n", 9);
	expect("\x1b[?1049h\x1b[8m" TERMINAL_LINE "\r\nvirt7: x\r\n");
	key("\035");
	say(&shell, "> ");
	say(&shell, "\r\n");
	expect(TERMINAL_SCREEN "\r\n> \r\n");
	console_show(&vm[1].console);
	vm_says(1, "\x0e");
	console_show(&vm[0].console);
	vm_says(0, "z");
	expect("\x0e" TERMINAL_SCREEN "\r\n\x1b[?1049h\x1b[8mz");
	key("\035");
	console_write("virt7: y\n", 9); /* before the shell has said a word */
	say(&shell, "> ");
	expect(TERMINAL_SCREEN "\r\nvirt7: y\r\n> ");
	console_show(NULL);
	vm_says(1, "\x1b");
	expect("\r\nbee| \\x1b");
}

static void test_panic_on_a_steered_screen(void **state)
{
	(void)state;
	start(1);
	vm_says(0, "\x1b[8m");
	console_panic();
	console_write("virt7: PANIC\n", 13);
	expect("\x1b[8m" TERMINAL_SCREEN "\r\nvirt7: PANIC\r\n");
}

/* Without an interrupt the UART is looked at by the clock. */
static void test_polled(void **state)
{
	(void)state;
	console_start();
	console_enable_irq(0);
	handler = NULL;
	vm[0].console =
		(struct console_stream){.vm = &vm[0], .log = log_of[0], .size = LOG, .input_ready = input_ready};
	console_attach(&vm[0].console);
	vm_says(0, "abc");
	assert_int_equal(sent_count, 0);
	space = 100;
	typed = "k";
	now += 10;
	armed->cpu = NULL;
	armed->expired(armed);
	expect("abc");
	assert_string_equal(heard[0], "k");
}

/* Whoever is left gets what it had: its turn, the keyboard; its unfinished line ends, and nobody waits for it. */
static void test_detach(void **state)
{
	(void)state;
	start(3);
	vm_says(1, "bee has no end");
	vm_says(2, "c waits\r\n");
	expect("bee| bee has no end");
	console_show(&vm[1].console);
	assert_ptr_equal(console_keyboard(), &vm[1].console);
	vm_says(1, "\x1b[8m");
	expect("bee has no end\x1b[8m");
	console_detach(&vm[1].console);
	memset(&vm[1].console, 0xa5, sizeof(vm[1].console)); /* its memory is somebody else's */
	expect(TERMINAL_SCREEN "\r\nc| c waits\r\n");
	assert_null(console_screen());
	assert_ptr_not_equal(console_keyboard(), &vm[1].console);
	vm_says(0, "a\r\n");
	expect("a| a\r\n");
	console_detach(&vm[0].console);
	vm_says(2, "alone\r\n");
	expect("alone\r\n");
	key("x");
	assert_string_equal(heard[2], "x");
	console_detach(&vm[2].console);
	key("y");
	assert_null(console_keyboard());
	console_write("virt7: on\n", 10);
	expect("virt7: on\r\n");
	vm[0].console.input_head = vm[0].console.input_tail = 0;
	console_attach(&vm[0].console);
	assert_ptr_equal(console_screen(), &vm[0].console);
	vm_says(0, "again\r\n");
	expect("again\r\n");
}

/* Several characters at once: as many as there is room for, and as many as there are. */
static void test_many_at_once(void **state)
{
	static uint8_t text[LOG + 100], got[8];

	(void)state;
	start(1);
	memset(text, 'x', sizeof(text));
	space = 10;
	assert_int_equal(console_put(&vm[0].console, text, sizeof(text)), LOG);
	assert_int_equal(sent_count, 10);
	assert_int_equal(console_put(&vm[0].console, text, 20), 10);
	assert_int_equal(rooms[0], 0);
	flow(16);
	assert_int_equal(rooms[0], 1);
	vm[0].console.input_ready = not_yet;
	key("abcde");
	assert_int_equal(console_get(&vm[0].console, got, 3), 3);
	assert_int_equal(console_get(&vm[0].console, got + 3, 5), 2);
	assert_int_equal(console_get(&vm[0].console, got, 1), 0);
	assert_memory_equal(got, "abcde", 5);
}

static char heard_more[8];

static void more_input(struct console_stream *of)
{
	int c;

	while ((c = console_getc(of)) >= 0)
		heard_more[strlen(heard_more)] = (char)c;
}

/* A VM with two consoles, beside another VM: each has its name, screen, keyboard and log; they go all at once. */
static void test_consoles_of_a_vm(void **state)
{
	static uint8_t log_more[LOG];
	static struct console_stream more = {
		.vm = &vm[0], .name = "a.con1", .log = log_more, .size = LOG, .input_ready = more_input, .room = room};
	char text[16];
	uint32_t at = 0;

	(void)state;
	start(0);
	vm[0].console = (struct console_stream){
		.vm = &vm[0], .name = "a", .log = log_of[0], .size = LOG, .more = &more, .input_ready = input_ready};
	vm[1].id = 1;
	vm[1].console = (struct console_stream){
		.vm = &vm[1], .name = "bee", .log = log_of[1], .size = LOG, .input_ready = input_ready};
	console_attach(&vm[0].console);
	assert_null(console_screen());
	vm_says(0, "of UART\r\n");
	say(&more, "of con1\r\n");
	expect("a| of UART\r\na.con1| of con1\r\n");
	key("u");
	console_show(&more);
	key("c");
	assert_string_equal(heard[0], "u");
	assert_string_equal(heard_more, "c");
	say(&more, "\x1b[1m");
	expect("\x1b[1m");
	assert_int_equal(console_log_read(&more, &at, console_log_end(&more), text, sizeof(text)), 13);
	assert_memory_equal(text, "of con1\r\n\x1b[1m", 13);

	console_attach(&vm[1].console);
	console_show(&vm[1].console);
	console_detach(
		&vm[1].console); /* a.con1 is before it in the ring, and the VM's first is who gets the keyboard */
	assert_ptr_equal(console_keyboard(), &vm[0].console);
	console_show(&more);
	console_detach(&vm[0].console);
	assert_null(console_keyboard());
	assert_null(console_screen());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_vm_is_raw),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_consoles_of_a_vm),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_own_lines_go_first),
		cmocka_unit_test(test_lines_dropped),
		cmocka_unit_test(test_lines_of_boot),
		cmocka_unit_test(test_dead_uart),
		cmocka_unit_test(test_panic_behind_a_full_log),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_kept_lines),
		cmocka_unit_test(test_quiet_boot),
		cmocka_unit_test(test_whole_lines),
		cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_trickle),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_endless_run),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_keyboard),
		cmocka_unit_test(test_paste),
		cmocka_unit_test(test_screen),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_hidden_while_refused),
		cmocka_unit_test(test_refused_behind_a_held_line),
		cmocka_unit_test(test_prompt_again),
		cmocka_unit_test(test_whole_line_once),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_typed_ahead_of_leaving),
		cmocka_unit_test(test_shell_before_vms),
		cmocka_unit_test(test_disturbed),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_panic),
		cmocka_unit_test(test_polled),
		cmocka_unit_test(test_shared_is_plain),
		cmocka_unit_test(test_half_a_character),
		cmocka_unit_test(test_line_ended_once),
		cmocka_unit_test(test_nothing_without_end),
		cmocka_unit_test(test_go_ends),
		cmocka_unit_test(test_go_without_interrupt),
		cmocka_unit_test(test_escaped_line_is_not_longer),
		cmocka_unit_test(test_line_on_a_steered_screen),
		cmocka_unit_test(test_screen_after_a_steered_one),
		cmocka_unit_test(test_panic_on_a_steered_screen),
	};
	int failed = 0, status;

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		const struct CMUnitTest one[] = {tests[i]};
		pid_t child = fork();

		if (child == 0)
			exit(cmocka_run_group_tests(one, NULL, NULL));
		if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
			failed++;
	}
	return failed;
}
