/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM that is paused, and vCPUs that sleep, are off or suspended: time, timers and devices meanwhile. */
#include "vmctl_rig.h"

static void time_begins_with_the_guest(void **state)
{
	(void)state;
	start(1);
	assert_int_equal(vm.cntvoff, clock_now);
	clock_now += HZ;
	vmctl_request(&vm, VM_REQUEST_RESET);
	assert_true(runs(&vcpu[0]));
	assert_int_equal(vm.cntvoff, clock_now);
}

static void pause_stops_time(void **state)
{
	uint64_t before;

	(void)state;
	start(1);
	before = vm.cntvoff;
	pause_vm();
	script.at_block[0] = resume_a_second_later;
	assert_true(runs(&vcpu[0]));
	assert_int_equal(vm.state, VM_RUNNING);
	assert_int_equal(vm.cntvoff, before + HZ);
	assert_int_equal(offset[0], before + HZ);
	assert_true(sampled[0]);
}

static void powered_down_vcpu_hears_its_timer_after_a_pause(void **state)
{
	(void)state;
	start(1);
	assert_int_equal(psci_cpu_suspend(&vcpu[0], PSCI_POWER_DOWN, ENTRY, 0), PSCI_SUCCESS);
	script.at_block[0] = pause_vm;
	script.at_block[1] = resume_a_second_later;
	assert_false(runs(&vcpu[0])); /* asleep, powered down */
	assert_false(vcpu[0].thread.detached);
	assert_true(sampled[0]); /* else its physical timer, due in the pause, would not wake it */
}

/* vCPU 1 is powered down and gets no CPU between pause and resume. */
static void pause_and_resume_at_once(void)
{
	jmp_buf outer;

	memcpy(&outer, &asleep, sizeof(asleep));
	pause_vm();
	assert_true(runs(&vcpu[0])); /* the next line resumes */
	memcpy(&asleep, &outer, sizeof(asleep));
	assert_int_equal(vm.state, VM_RUNNING);
}

static void powered_down_vcpu_has_the_time_after_a_pause(void **state)
{
	(void)state;
	start(2);
	assert_int_equal(psci_cpu_suspend(&vcpu[1], PSCI_POWER_DOWN, ENTRY, 0), PSCI_SUCCESS);
	script.at_block[0] = pause_and_resume_at_once;
	script.at_block[1] = resume_a_second_later;
	script.at_block[2] = nothing;
	assert_false(runs(&vcpu[1]));
	assert_int_equal(offset[1], vm.cntvoff);
}

static void power_down_holds_over_a_pause(void **state)
{
	(void)state;
	start(1);
	pause_vm();
	assert_int_equal(psci_system_suspend(&vcpu[0], ENTRY, 0, 0), PSCI_SUCCESS);
	script.at_block[0] = resume_a_second_later;
	script.at_block[1] = wake;
	assert_true(runs(&vcpu[0]));
	assert_int_equal(script.next, 2); /* it did wait for the interrupt */
}

/* A vCPU that is switched off with devices' work left does it before it sleeps. */
static void off_serves_what_is_left(void **state)
{
	(void)state;
	start(2);
	assert_int_equal(psci_cpu_on(&vcpu[0], 1, ENTRY, 0), (uint32_t)PSCI_ALREADY_ON);
	vm.uncached = 3;
	psci_cpu_off(&vcpu[1], 0, 0, 0);
	assert_int_equal(vm.uncached, 1);
	device_steps = 3;
	vcpu[1].virtio_slots = 1;
	assert_false(runs(&vcpu[1]));
	assert_int_equal(device_steps, 0);
	assert_true(vcpu[1].parked);
	assert_int_equal(vm.parked_count, 1);
}

static void device_asks(void)
{
	device_steps = 2;
	raises = true;
	vcpu[0].virtio_slots = 1; /* and wakes it: virtio_wake() */
}

/* What a device has for a VM whose vCPUs are all suspended wakes it. */
static void suspended_serves_and_wakes(void **state)
{
	(void)state;
	start(1);
	assert_int_equal(psci_system_suspend(&vcpu[0], ENTRY, 0, 0), PSCI_SUCCESS);
	script.at_block[0] = device_asks;
	assert_true(runs(&vcpu[0]));
	assert_int_equal(device_steps, 0);
	assert_int_equal(vcpu[0].power, VCPU_ON);
	raises = false;
}

/* Paused, it serves nothing until it is resumed; stopped, nothing at all. */
static void paused_serves_nothing(void **state)
{
	(void)state;
	start(1);
	device_steps = 1;
	vcpu[0].virtio_slots = 1;
	psci_cpu_off(&vcpu[0], 0, 0, 0);
	pause_vm();
	script.at_block[0] = resume_a_second_later; /* virtio_work() looks at the state */
	assert_false(runs(&vcpu[0]));
	assert_int_equal(device_steps, 0);
	assert_int_equal(script.next, 1);
	assert_int_equal(vmctl_stop(&vm), 0);
	vcpu[0].virtio_slots = 1;
	device_steps = 0;
	assert_false(runs(&vcpu[0]));
	assert_int_equal(vm.state, VM_OFF);
}

/* What another CPU does while the vCPU that came last puts its state away: the VM goes on, and its other vCPU resets
 * it. */
static void resume_and_reset(void)
{
	if (vm.state != VM_PAUSED) /* it is not too late to take the pause back */
		assert_int_equal(vm.request, VM_REQUEST_PAUSE);
	resume();
	vcpu[0].parked = false; /* it leaves the checkpoint, */
	vm.parked_count--;
	vmctl_request(&vm, VM_REQUEST_RESET); /* and calls SYSTEM_RESET */
}

static void pause_taken_back_at_the_last_moment(void **state)
{
	(void)state;
	start(2);
	pause_vm();
	assert_false(runs(&vcpu[0]));
	script.at_unload = resume_and_reset;
	assert_false(runs(&vcpu[1]));
	assert_int_equal(resets, 1); /* the boot's: vCPU 0 has not come yet */
	assert_int_equal(vm.state, VM_STOPPING);
}

static void cancelled_pause(void **state)
{
	(void)state;
	start(1);
	pause_vm();
	resume_at_once();
	assert_true(runs(&vcpu[0]));
	assert_int_equal(vm.cntvoff, 100 * HZ + LOADING);
	assert_int_equal(vmctl_resume(&vm), -EINVAL);
}

/* B1.8.14: what it waits for, or has already. */
static void standby_ends(void **state)
{
	(void)state;
	start(1);
	script.at_block[0] = nothing;
	psci_standby(&vcpu[0]);
	assert_int_equal(script.next, 1);
	pending[0] = true;
	psci_standby(&vcpu[0]);
	pending[0] = false;
	vcpu[0].thread.work = WORK_TIMER;
	psci_standby(&vcpu[0]);
	vcpu[0].thread.work = 0;
	write_hcr(HCR_VA); /* an asynchronous abort, also where the guest masks it */
	psci_standby(&vcpu[0]);
	assert_int_equal(script.next, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(time_begins_with_the_guest, setup),
		cmocka_unit_test_setup(pause_stops_time, setup),
		cmocka_unit_test_setup(powered_down_vcpu_hears_its_timer_after_a_pause, setup),
		cmocka_unit_test_setup(powered_down_vcpu_has_the_time_after_a_pause, setup),
		cmocka_unit_test_setup(off_serves_what_is_left, setup),
		cmocka_unit_test_setup(suspended_serves_and_wakes, setup),
		cmocka_unit_test_setup(paused_serves_nothing, setup),
		cmocka_unit_test_setup(power_down_holds_over_a_pause, setup),
		cmocka_unit_test_setup(pause_taken_back_at_the_last_moment, setup),
		cmocka_unit_test_setup(cancelled_pause, setup),
		cmocka_unit_test_setup(standby_ends, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
