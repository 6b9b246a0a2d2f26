/* SPDX-License-Identifier: BSD-2-Clause */
/* virt7's own lines: before those of VMs, dropped rather than waited for, kept, at boot, and in a panic. */
#include "console_rig.h"

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
	write_lines(3); /* no interrupt sends for it yet */
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

/* No CPU waits for ever for a UART that has stopped. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_lines_go_first),
		cmocka_unit_test(test_lines_dropped),
		cmocka_unit_test(test_lines_of_boot),
		cmocka_unit_test(test_dead_uart),
		cmocka_unit_test(test_panic_behind_a_full_log),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_kept_lines),
		cmocka_unit_test(test_quiet_boot),
		cmocka_unit_test(test_panic),
	};

	return run_each(tests, ARRAY_SIZE(tests));
}
