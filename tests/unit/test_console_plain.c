/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM that prints cannot do: forge a line, take more of the UART than its share, or leave the terminal in
 * disorder. */
#include "console_rig.h"

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

/* A character that comes in parts while others print is whole when it is shown, and no other VM's. */
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
	assert_int_equal(armed->deadline, now + 50);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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

	return run_each(tests, ARRAY_SIZE(tests));
}
