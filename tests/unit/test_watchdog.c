/* SPDX-License-Identifier: BSD-2-Clause */
/* Which vCPU the watchdog takes for one that hangs (hyp/vm/watchdog.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "fake_machine.h"
#include "hyp/run/sched.h"
#include "hyp/vm/vmctl.h"
#include "hyp/vm/watchdog.h"

#define HZ   1000U
#define LOOK 250U /* ticks between two looks */

struct percpu percpu[CPU_MAX];
static struct vcpu vcpu = {.power = VCPU_ON};
static struct vm vm = {.vcpu_count = 1, .vcpu = {&vcpu}, .config = {.watchdog_ms = 1000}};
static uint64_t ran;
static const char *crashed;

void sched_times(struct thread *thread, uint64_t *has_run, uint64_t *waited)
{
	(void)thread;
	*has_run = ran;
	*waited = 0;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

void timer_drain(struct timer *timer)
{
	(void)timer;
}

uint32_t timer_hz(void)
{
	return HZ;
}

void vmctl_crash(struct vm *of, const struct vcpu *v, const char *why)
{
	assert_ptr_equal(of, &vm);
	assert_ptr_equal(v, &vcpu);
	crashed = why;
}

static void begin(void)
{
	fake_machine_reset();
	vcpu.vm = &vm;
	vcpu.power = VCPU_ON;
	vcpu.device_ticks = 0;
	vm.state = VM_RUNNING;
	crashed = NULL;
	watchdog_start(&vm);
	vm.watchdog.expired(&vm.watchdog);
}

/* So many looks with the CPU all the time, of which `share` ticks serve devices. */
static void run(uint32_t looks, uint32_t share)
{
	for (uint32_t i = 0; i < looks; i++) {
		fake_write(SYSREG_cntpct, fake_read(SYSREG_cntpct) + LOOK);
		ran += LOOK;
		vcpu.device_ticks += share;
		vm.watchdog.expired(&vm.watchdog);
	}
}

static void test_hangs(void **state)
{
	(void)state;
	begin();
	run(3, 0);
	assert_null(crashed);
	run(1, 0);
	assert_string_equal(crashed, "watchdog: neither sleeps nor takes interrupts");
	begin();
	run(3, 0);
	vcpu.vgic.injected++;
	run(3, 0);
	assert_null(crashed);
	vcpu.thread.sleeps++;
	run(3, 0);
	assert_null(crashed);
}

/* The time that virt7 takes from it for its devices is not the guest's. */
static void test_devices(void **state)
{
	(void)state;
	begin();
	run(100, LOOK);
	assert_null(crashed);
	run(7, LOOK / 2U);
	assert_null(crashed);
	run(1, LOOK / 2U);
	assert_non_null(crashed);
}

/* A look while another CPU is in the middle of a step; then a more urgent VM has that CPU. */
static void test_look_in_step(void **state)
{
	(void)state;
	begin();
	vcpu.vgic.injected++;
	ran += 20; /* 5 of them are the step's, which count only when it ends */
	run(0, 0);
	vm.watchdog.expired(&vm.watchdog);
	vcpu.device_ticks += 5;
	fake_write(SYSREG_cntpct, fake_read(SYSREG_cntpct) + LOOK);
	vm.watchdog.expired(&vm.watchdog);
	assert_null(crashed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_look_in_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
