/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM some of whose RAM a disk of the host's still has, since it was waited for in vain (hyp/vm/lent.h): it crashes,
 * whatever was wanted of it, and no run of it has that RAM again.
 */
#include "vmctl_rig.h"

#define DISK "host disk /d"
#define LINE DISK " has not ended a request within 5 s"

/* Beside another VM, so that the host stays on. */
static int begin(void **state)
{
	static struct vm other = {.state = VM_RUNNING};

	setup(state);
	vms[1] = &other;
	vm_count = 2;
	return 0;
}

/* It has had its RAM, and not begun another run. */
static void expect_crashed(void)
{
	assert_int_equal(vm.state, VM_CRASHED);
	assert_false(has_ram);
	assert_false(vm.crash.open);
	assert_int_equal(resets, 1);
	fake_log_expect_error(LINE);
}

static void reset_crashes(void **state)
{
	(void)state;
	start(2);
	stuck = DISK;
	assert_int_equal(vmctl_reset(&vm), 0);
	assert_false(runs(&vcpu[0]));
	assert_false(runs(&vcpu[1]));
	expect_crashed();
	assert_int_equal(vmctl_start(&vm), 0); /* with other RAM */
	runs(&vcpu[1]);
	assert_true(runs(&vcpu[0]));
	assert_int_equal(vm.state, VM_RUNNING);
	assert_true(has_ram);
}

/* The guest's own reset or power-off, and an operator's stop. */
static void off_crashes(void **state)
{
	for (uint32_t i = 0; i < 3; i++) {
		begin(state);
		start(1);
		stuck = DISK;
		if (i == 2)
			assert_int_equal(vmctl_stop(&vm), 0);
		else
			vmctl_request(&vm, i ? VM_REQUEST_OFF : VM_REQUEST_RESET);
		assert_false(runs(&vcpu[0]));
		expect_crashed();
	}
}

/* As a VM that is to restart after a crash, which has other RAM then. */
static void restarts_with_other_ram(void **state)
{
	for (uint32_t i = 0; i < 3; i++) {
		begin(state);
		vm.config.on_crash = VM_ACTION_RESTART;
		start(1);
		if (i == 2)
			fake_lent.to = DISK;
		else
			stuck = DISK;
		if (i == 0)
			assert_int_equal(vmctl_reset(&vm), 0);
		else if (i == 1)
			vmctl_crash(&vm, NULL, "something else");
		assert_true(runs(&vcpu[0]));
		assert_int_equal(vm.state, VM_RUNNING);
		assert_int_equal(vm.restarts, 1);
		assert_true(has_ram);
		assert_int_equal(resets, 2);
		fake_log_expect_error(i == 1 ? "something else" : LINE);
	}
}

static void operator_starts(void)
{
	assert_int_equal(vmctl_start(&vm), 0);
}

/* An operator's start takes the place of a restart that is held back. */
static void starts_with_other_ram(void **state)
{
	(void)state;
	vm.config.on_crash = VM_ACTION_RESTART;
	start(1);
	vm.crash.in_a_row = 3;
	vm.crash.at = clock_now;
	fake_lent.to = DISK;
	script.next = 0;
	script.at_block[0] = operator_starts;
	assert_true(runs(&vcpu[0]));
	assert_int_equal(script.next, 1);
	assert_int_equal(vm.state, VM_RUNNING);
	assert_true(has_ram);
	fake_log_expect_error(LINE);
}

/* A device was reset by its driver, and the vCPU comes to the checkpoint. */
static void running_vm_crashes(void **state)
{
	(void)state;
	start(2);
	fake_lent.to = DISK;
	assert_false(runs(&vcpu[1]));
	assert_false(runs(&vcpu[0]));
	expect_crashed();
}

/* A stop that finds it crashing already, and one whose restart is what is under way. */
static void stop_of_one_that_crashes(void **state)
{
	(void)state;
	start(2);
	fake_lent.to = DISK;
	assert_int_equal(vmctl_stop(&vm), 0);
	assert_false(runs(&vcpu[1]));
	assert_false(runs(&vcpu[0]));
	expect_crashed();
	begin(state);
	vm.config.on_crash = VM_ACTION_RESTART;
	start(1);
	fake_lent.to = DISK;
	assert_int_equal(vmctl_stop(&vm), 0);
	assert_false(runs(&vcpu[0]));
	expect_crashed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reset_crashes, begin),
		cmocka_unit_test_setup(off_crashes, begin),
		cmocka_unit_test_setup(restarts_with_other_ram, begin),
		cmocka_unit_test_setup(starts_with_other_ram, begin),
		cmocka_unit_test_setup(running_vm_crashes, begin),
		cmocka_unit_test_setup(stop_of_one_that_crashes, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
