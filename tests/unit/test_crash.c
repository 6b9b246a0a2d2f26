/* SPDX-License-Identifier: BSD-2-Clause */
/* Crashes: the line that is said of one, word for word, and how restarts are held back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/vm/crash.h"
#include "hyp/vm/vm.h"

#define HZ 1000U
#define PC 0x40008000U
#define LR 0x40001234U

#define clock_now (fake_machine.reg[SYSREG_cntpct])

struct percpu percpu[CPU_MAX];

static struct regs regs;
static struct vm vm;
static struct vcpu vcpu = {.vm = &vm, .index = 1, .regs = &regs};
static bool shell_open;
static uint32_t blocks;
static void (*meanwhile)(void);

uint32_t timer_hz(void)
{
	return HZ;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
	timer->cpu = &percpu[0];
}

void timer_take_out(struct timer *timer)
{
	timer->cpu = NULL;
}

void sched_wake(struct thread *thread)
{
	assert_ptr_equal(thread, &vcpu.thread);
}

/* It sleeps until its timer expires, or something else happens. */
void sched_block(void)
{
	assert_int_equal(vm.lock.held, 0);
	blocks++;
	if (meanwhile) {
		meanwhile();
		return;
	}
	assert_non_null(vm.restart.cpu);
	clock_now = vm.restart.deadline;
	vm.restart.expired(&vm.restart);
}

bool console_shell_is_open(void)
{
	return shell_open;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	fake_log_reset();
	memset(&vm, 0, sizeof(vm));
	memcpy(vm.config.name, "test", 5);
	vm.config.restart_limit = 10;
	shell_open = false;
	blocks = 0;
	meanwhile = NULL;
	write_htpidr((uintptr_t)&percpu[0]);
	percpu[0].thread = &vcpu.thread;
	clock_now = 100 * HZ;
	vm.started_at = clock_now;
	write_elr_hyp(PC);
	write_spsr_hyp(0x60000100U | PSR_I | PSR_F | PSR_MODE_USR);
	regs.lr = LR;
	return 0;
}

static void test_line(void **state)
{
	(void)state;
	clock_now += 3 * HZ + 1;
	crash_begin(&vm, &vcpu, "no good");
	crash_begin(&vm, NULL, "what follows from it");
	crash_note(&vcpu);
	write_elr_hyp(0);
	crash_note(&vcpu); /* once */
	crash_end(&vm);
	fake_log_expect_error("vm test: crashed after 3 s: no good (vCPU 1, PC 0x40008000, LR 0x40001234, CPSR "
			      "0x600001d0, usr)");
	fake_log_reset();
	crash_begin(&vm, NULL, "all vCPUs are off");
	crash_note(&vcpu);
	crash_end(&vm);
	assert_string_equal(fake_log_last(LOG_ERR), "vm test: crashed after 3 s: all vCPUs are off");
}

static void test_modes(void **state)
{
	static const struct {
		uint32_t mode;
		const char *end;
	} modes[] = {{PSR_MODE_FIQ, ", fiq)"}, {PSR_MODE_IRQ, ", irq)"}, {PSR_MODE_SVC, ", svc)"},
		     {PSR_MODE_ABT, ", abt)"}, {PSR_MODE_UND, ", und)"}, {PSR_MODE_SYS, ", sys)"}};
	char text[CRASH_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		write_spsr_hyp(modes[i].mode);
		crash_begin(&vm, &vcpu, "x");
		crash_note(&vcpu);
		crash_end(&vm);
		assert_true(crash_describe(&vm, text));
		assert_string_equal(text + strlen(text) - 6, modes[i].end);
	}
}

/* It crashes as soon as it has begun; the seconds that it is held back, -1: it is not restarted. */
static int crash_again(void)
{
	uint32_t seconds;

	crash_begin(&vm, NULL, "x");
	if (!crash_may_restart(&vm, &seconds))
		return -1;
	vm.started_at = clock_now;
	return (int)seconds;
}

static void test_restarts(void **state)
{
	static const int waits[] = {0, 1, 2, 4, 8, 16, 32, 60, 60, 60, -1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		assert_int_equal(crash_again(), waits[i]);
		assert_int_equal(fake_log_count(LOG_ERR), i + 1);
		if (i == 0)
			assert_string_equal(fake_log_last(LOG_ERR), "vm test: crashed after 0 s: x: restart 1 of 10");
		if (i == 2)
			assert_string_equal(fake_log_last(LOG_ERR),
					    "vm test: crashed after 0 s: x: restart 3 of 10 in 2 s");
	}
	assert_string_equal(fake_log_last(LOG_ERR), "vm test: crashed after 0 s: x: restart-limit 10 is reached");
	assert_int_equal(fake_log_count(LOG_INFO), 0);
	crash_forget(&vm);
	assert_int_equal(crash_again(), 0);
}

static void test_calm_minute(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		crash_again();
	clock_now += 59 * HZ;
	assert_int_equal(crash_again(), 4);
	clock_now += 60 * HZ;
	assert_int_equal(crash_again(), 0);
	assert_int_equal(crash_again(), 1);
	clock_now += 60 * HZ; /* it ends by a reset of its own */
	crash_begin_anew(&vm);
	vm.started_at = clock_now;
	assert_int_equal(crash_again(), 0);
}

static void test_without_limit(void **state)
{
	(void)state;
	vm.config.restart_limit = 0;
	for (int i = 0; i < 100; i++)
		crash_again();
	assert_int_equal(crash_again(), 60);
	assert_string_equal(fake_log_last(LOG_ERR), "vm test: crashed after 0 s: x: restart 101 in 60 s");
}

/* Restarts are in the log and in `vm list`; that it will not run again is worth a line. */
static void test_open_shell(void **state)
{
	char text[CRASH_TEXT_MAX];

	(void)state;
	assert_false(crash_describe(&vm, text));
	vm.config.restart_limit = 1;
	shell_open = true;
	assert_int_equal(crash_again(), 0);
	assert_int_equal(fake_log_count(LOG_ERR), 0);
	assert_string_equal(fake_log_kept(), "vm test: crashed after 0 s: x: restart 1 of 1");
	assert_true(crash_describe(&vm, text));
	assert_string_equal(text, "crashed after 0 s: x: restart 1 of 1");
	assert_int_equal(crash_again(), -1);
	fake_log_expect_error("vm test: crashed after 0 s: x: restart-limit 1 is reached");
}

static void other_request(void)
{
	vm.request = VM_REQUEST_OFF;
}

static void test_hold_back(void **state)
{
	(void)state;
	vm.request = VM_REQUEST_RESTART;
	crash_hold_back(&vm, 0);
	assert_int_equal(blocks, 0);
	crash_hold_back(&vm, 4);
	assert_int_equal(blocks, 1);
	assert_int_equal(clock_now, 104 * HZ);
	assert_null(vm.restart.cpu);
	meanwhile = other_request;
	crash_hold_back(&vm, 60);
	assert_int_equal(blocks, 2);
	assert_int_equal(clock_now, 104 * HZ);
	assert_null(vm.restart.cpu);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

/* From one start by an operator to the next. */
static void test_hint_once(void **state)
{
	(void)state;
	fake_log_reset();
	crash_forget(&vm);
	for (uint32_t i = 0; i < 3; i++)
		crash_hint_aborts(&vcpu, 0xc);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	crash_forget(&vm);
	crash_hint_aborts(&vcpu, 0xc);
	assert_int_equal(fake_log_count(LOG_WARN), 2);
	crash_forget(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hint_once), TEST(test_line),          TEST(test_modes),      TEST(test_restarts),
		TEST(test_calm_minute),           TEST(test_without_limit), TEST(test_open_shell), TEST(test_hold_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
