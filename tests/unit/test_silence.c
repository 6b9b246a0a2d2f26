/* SPDX-License-Identifier: BSD-2-Clause */
/* The word about a guest that says nothing (hyp/vm/silence.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "hyp/run/sched.h"
#include "hyp/vm/silence.h"
#include "hyp/vm/vm.h"

#define HZ 1000U

struct percpu percpu[CPU_MAX];
static struct console_stream second;
static struct vm vm;

void timer_arm(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
	timer->cpu = &percpu[0];
}

void timer_drain(struct timer *timer)
{
	timer->cpu = NULL;
}

uint32_t timer_hz(void)
{
	return HZ;
}

uint32_t console_log_end(const struct console_stream *stream)
{
	return stream->head;
}

/* A VM with two consoles, that had said something before this start. */
static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	fake_log_reset();
	fake_write(SYSREG_cntpct, 77);
	second = (struct console_stream){.head = 5};
	vm = (struct vm){.state = VM_RUNNING, .raw_entry = 0x40010000U};
	vm.console.head = UINT32_MAX;
	vm.console.more = &second;
	strcpy(vm.config.name, "a");
	silence_begin(&vm);
	return 0;
}

/* The lines that there are once the time is over. */
static unsigned int lines(void)
{
	assert_true(timer_armed(&vm.silence));
	assert_int_equal(vm.silence.deadline, 77 + 10 * HZ);
	fake_write(SYSREG_cntpct, vm.silence.deadline);
	vm.silence.cpu = NULL;
	vm.silence.expired(&vm.silence);
	assert_false(timer_armed(&vm.silence));
	return fake_log_count(LOG_INFO);
}

static void test_silent(void **state)
{
	(void)state;
	assert_int_equal(lines(), 1);
	assert_string_equal(
		fake_log_last(LOG_INFO),
		"vm a: nothing on its console for 10 s: its kernel, a raw image, was started at 0x40010000; "
		"firmware (EDK2, U-Boot) starts in flash instead (docs/firmware.md)");
	fake_write(SYSREG_cntpct, 77);
	silence_begin(&vm);
	assert_int_equal(lines(), 2);
}

static void test_printed(void **state)
{
	(void)state;
	vm.console.head++;
	assert_int_equal(lines(), 0);
}

static void test_printed_elsewhere(void **state)
{
	(void)state;
	second.head++;
	assert_int_equal(lines(), 0);
}

static void test_not_running(void **state)
{
	const enum vm_state states[] = {VM_STOPPING, VM_PAUSED, VM_OFF, VM_CRASHED};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(states); i++) {
		setup(NULL);
		vm.state = states[i];
		assert_int_equal(lines(), 0);
	}
	setup(NULL);
	vm.suspended = true;
	assert_int_equal(lines(), 0);
}

/* It has had a better line. */
static void test_aborts_told(void **state)
{
	(void)state;
	vm.crash.aborts_told = true;
	assert_int_equal(lines(), 0);
}

static void test_other_kernels(void **state)
{
	(void)state;
	silence_end(&vm);
	assert_false(timer_armed(&vm.silence));
	vm.raw_entry = 0;
	silence_begin(&vm);
	assert_false(timer_armed(&vm.silence));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_silent),      TEST(test_printed),     TEST(test_printed_elsewhere),
		TEST(test_not_running), TEST(test_aborts_told), TEST(test_other_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
