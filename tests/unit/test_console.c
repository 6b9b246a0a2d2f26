/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer between VMs that print and a UART that is slow: who gets the line, what waits, what is lost
 * and said to be.
 */
#include "console_rig.h"

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

/* Floods: all VMs get an equal share of the line, a quiet one is heard at once, and nothing is lost. */
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
	space = 1;
	vm_says(0, "def");
	expect("d");
	space = 1;
	vm_says(0, "g"); /* does not wait for the next look at the UART */
	expect("e");
}

/* The UART has room, and its interrupt was missed, or never comes. */
static void test_missed_interrupt(void **state)
{
	(void)state;
	start(1);
	space = 2;
	vm_says(0, "abcd");
	expect("ab");
	space = 1;
	vm_says(0, "e");
	expect("");
	pass(50);
	expect("c");
	space = 10;
	pass(50);
	expect("de");
	pass(1000);
	assert_null(armed);
}

/* A VM goes while others are told that there is room: none of those that are left is passed over. */
static void test_room_at_detach(void **state)
{
	(void)state;
	start(2);
	space = 0;
	while (vm_says(0, "x"))
		;
	vm[0].console.shown =
		vm[0].console.head; /* as if all of it had been sent, and the way round had ended before it */
	console.waiting = 0;
	assert_int_equal(rooms[0], 0);
	console_detach(&vm[1].console);
	assert_int_equal(rooms[0], 1);
}

/* Whoever is left gets what it had: its turn, the keyboard; its unfinished line ends, and no VM waits for it. */
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
	expect_waiting();
	memset(&vm[1].console, 0xa5, sizeof(vm[1].console)); /* its memory is another's */
	expect(TERMINAL_SCREEN "\r\nc| c waits\r\n");
	assert_null(console_screen());
	assert_ptr_not_equal(console_keyboard(), &vm[1].console);
	vm_says(0, "a\r\n");
	expect("a| a\r\n");
	console_detach(&vm[0].console);
	expect_waiting();
	vm_says(2, "alone\r\n");
	expect("alone\r\n");
	key("x");
	assert_string_equal(heard[2], "x");
	console_detach(&vm[2].console);
	expect_waiting();
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

/* What one had to show goes with it. */
static void test_detach_unseen(void **state)
{
	(void)state;
	start(2);
	console_show(&vm[0].console);
	vm_says(1, "never seen\r\n");
	assert_int_not_equal(console.waiting, 0);
	console_detach(&vm[1].console);
	assert_int_equal(console.waiting, 0);
	vm_says(0, "alone\r\n");
	expect("alone\r\n");
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
	expect_waiting();
	assert_null(console_keyboard());
	assert_null(console_screen());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_vm_is_raw),  cmocka_unit_test(test_detach),
		cmocka_unit_test(test_detach_unseen),  cmocka_unit_test(test_consoles_of_a_vm),
		cmocka_unit_test(test_many_at_once),   cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_whole_lines),    cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_trickle),        cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_endless_run),    cmocka_unit_test(test_flood),
		cmocka_unit_test(test_keyboard),       cmocka_unit_test(test_paste),
		cmocka_unit_test(test_polled),         cmocka_unit_test(test_missed_interrupt),
		cmocka_unit_test(test_room_at_detach),
	};

	return run_each(tests, ARRAY_SIZE(tests));
}
