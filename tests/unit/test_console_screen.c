/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has the screen and the keyboard: one VM, all of them, or the shell; and what was said meanwhile. */
#include "console_rig.h"

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

/* The UART does not interrupt while it has nothing to send: another VM has the line, and lets it stand unfinished. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return run_each(tests, ARRAY_SIZE(tests));
}
