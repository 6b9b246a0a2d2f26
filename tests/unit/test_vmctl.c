/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a VM: races of an operator's commands with vCPUs at the checkpoint, its crashes, restarts and its end. */
#include "vmctl_rig.h"

static void stop_watch_expires(void)
{
	vm.stop_watch.cpu = NULL;
	vm.stop_watch.expired(&vm.stop_watch);
}

static void stop_watch_reports_what_it_says(void **state)
{
	uint64_t first;

	(void)state;
	start(1);
	pause_vm();
	resume_at_once();
	first = vm.stop_watch.deadline;
	clock_now += 4 * HZ;
	pause_vm();
	assert_int_equal(vm.stop_watch.deadline, vm.stop_began + 5 * HZ); /* moved */
	clock_now = first;                                                /* it was under way as it was moved */
	stop_watch_expires();
	assert_int_equal(fake_log_count(LOG_ERR), 0); /* one second is no reason */
	clock_now = vm.stop_watch.deadline;
	stop_watch_expires();
	fake_log_expect_error("vCPU 0 on CPU 0 has not stopped for 5 s");
}

static void stop_watch_knows_who_waits(void **state)
{
	(void)state;
	start(1);
	pause_vm();
	vcpu[0].thread.queued = true; /* of a low priority */
	clock_now = vm.stop_watch.deadline;
	stop_watch_expires();
	assert_int_equal(fake_log_count(LOG_ERR), 0);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
}

/* docs/console.md, The end */
/* The threads' last steps, while vmctl_end() waits for them. */
static void first_leaves(void)
{
	assert_int_equal(vcpu[0].thread.work & WORK_STOP, WORK_STOP);
	assert_false(runs(&vcpu[0]));
	assert_true(vcpu[0].thread.gone);
}

static void second_leaves(void)
{
	assert_int_equal(ender_woken, 1);
	assert_false(runs(&vcpu[1]));
}

/* Two vCPUs with a place and one that never got one; it is over when both have left. */
static void end_of_a_vm(void **state)
{
	(void)state;
	ender_woken = unloads = 0;
	percpu[0].thread = &ender;
	start(2);
	assert_int_equal(vmctl_end(&vm), -EINVAL);
	vmctl_request(&vm, VM_REQUEST_OFF);
	assert_int_equal(vmctl_end(&vm), -EBUSY);
	assert_false(runs(&vcpu[0]));
	assert_false(runs(&vcpu[1]));
	assert_int_equal(vm.state, VM_OFF);
	vm.vcpu[2] = &(struct vcpu){.vm = &vm, .index = 2};
	vm.vcpu_count = 3;
	vm.stop_watch.cpu = &percpu[0];
	memset(&script, 0, sizeof(script));
	script.at_block[0] = first_leaves;
	script.at_block[1] = second_leaves;
	assert_int_equal(vmctl_end(&vm), 0);
	assert_int_equal(script.next, 2);
	assert_int_equal(unloads, 2);
	assert_int_equal(ender_woken, 2);
	assert_true(vcpu[1].thread.gone);
	assert_null(vm.stop_watch.cpu);
	assert_string_equal(vmctl_state_name(&vm), "ending");
	assert_int_equal(vmctl_start(&vm), -EINVAL);
	assert_int_equal(vmctl_end(&vm), -EINVAL);
	percpu[0].thread = NULL;
}

/* A VM that has got no place needs no thread's last step, and does not keep the host on. */
static void end_of_a_broken_vm(void **state)
{
	(void)state;
	vcpu[0].thread.cpu = NULL;
	vmctl_break(&vm);
	assert_int_equal(vmctl_end(&vm), 0);
	vmctl_power_off_if_last();
	assert_int_equal(power_offs, 1);
}

static void last_vm_switches_the_host_off(void **state)
{
	(void)state;
	start(1);
	assert_int_equal(vmctl_stop(&vm), 0);
	assert_false(runs(&vcpu[0]));
	assert_int_equal(vm.state, VM_OFF);
	assert_int_equal(power_offs, 0); /* an operator's wish */
	assert_int_equal(vmctl_start(&vm), 0);
	assert_true(runs(&vcpu[0]));
	vmctl_request(&vm, VM_REQUEST_OFF); /* the guest's */
	assert_false(runs(&vcpu[0]));
	assert_int_equal(power_offs, 1);
	assert_string_equal(fake_log_last(LOG_INFO), "no VM is running: power off");
}

/* What watches the console learns that this was no good end. */
static void last_vm_crashes(void **state)
{
	(void)state;
	start(1);
	vmctl_crash(&vm, &vcpu[0], "no good");
	vmctl_crash(&vm, NULL, "what follows from it");
	write_elr_hyp(ENTRY);
	write_spsr_hyp(PSR_MODE_USR);
	assert_false(runs(&vcpu[0]));
	assert_int_equal(vm.state, VM_CRASHED);
	assert_int_equal(power_offs, 1);
	assert_string_equal(fake_log_last(LOG_ERR), "stopped: no VM is running, and one has crashed: power off");
	assert_int_equal(fake_log_count(LOG_ERR), 2);
	assert_non_null(strstr(vm.crash.why, "no good"));
	assert_int_equal(vm.crash.pc, ENTRY);
}

static void a_second_passes(void)
{
	assert_string_equal(vmctl_state_name(&vm), "restarting");
	clock_now += HZ;
}

/* One line each, the first at once; a crash that something weightier overtook does not hide the next one. */
static void crashes_in_a_row(void **state)
{
	(void)state;
	start(1);
	vm.config.on_crash = VM_ACTION_RESTART;
	vm.config.restart_limit = 2;
	vmctl_crash(&vm, NULL, "overtaken");
	assert_int_equal(vmctl_stop(&vm), 0);
	assert_false(runs(&vcpu[0]));
	assert_int_equal(vmctl_start(&vm), 0);
	assert_true(runs(&vcpu[0]));
	fake_log_reset();
	vmctl_crash(&vm, NULL, "first");
	assert_true(runs(&vcpu[0]));
	assert_string_equal(fake_log_last(LOG_ERR), "vm test: crashed after 0 s: first: restart 1 of 2");
	vmctl_crash(&vm, NULL, "second");
	script.at_block[0] = a_second_passes;
	assert_true(runs(&vcpu[0]));
	assert_string_equal(fake_log_last(LOG_ERR), "vm test: crashed after 0 s: second: restart 2 of 2 in 1 s");
	assert_int_equal(vm.restarts, 2);
	assert_int_equal(fake_log_count(LOG_ERR), 2);
	assert_int_equal(fake_log_count(LOG_INFO), 0);
	vmctl_crash(&vm, NULL, "third");
	assert_false(runs(&vcpu[0]));
	assert_int_equal(vm.state, VM_CRASHED);
	assert_int_equal(fake_log_count(LOG_ERR), 4);
	assert_int_equal(power_offs, 1);
}

static void operator_starts(void)
{
	assert_string_equal(vmctl_state_name(&vm), "restarting");
	assert_int_equal(vmctl_pause(&vm), -EBUSY);
	assert_int_equal(vmctl_start(&vm), 0);
}

static void operator_resets(void)
{
	assert_string_equal(vmctl_state_name(&vm), "restarting");
	assert_int_equal(vmctl_reset(&vm), 0);
}

/* The wait ends at once, and the crashes before it are forgotten: those that follow are counted anew. */
static void operator_ends_the_wait(void **state)
{
	(void)state;
	start(1);
	vm.config.on_crash = VM_ACTION_RESTART;
	vm.config.restart_limit = 2;
	for (int round = 0; round < 2; round++) {
		uint64_t before = clock_now;

		vmctl_crash(&vm, NULL, "first");
		assert_true(runs(&vcpu[0]));
		vmctl_crash(&vm, NULL, "second");
		script.next = 0;
		script.at_block[0] = round == 0 ? operator_starts : operator_resets;
		assert_true(runs(&vcpu[0]));
		assert_int_equal(script.next, 1);
		assert_int_equal(vm.state, VM_RUNNING);
		assert_true(clock_now - before < HZ);
		assert_int_equal(vm.crash.in_a_row, 0);
		assert_int_equal(vm.crash.at, 0);
	}
	assert_int_equal(power_offs, 0);
}

/*
 * A restart that is given up is still one for an operator until its end is entered: started in that moment the VM has
 * RAM of its own again.
 */
static void operator_comes_late(void **state)
{
	(void)state;
	start(1);
	vm.config.on_crash = VM_ACTION_RESTART;
	vm.config.restart_limit = 1;
	vmctl_crash(&vm, NULL, "first");
	assert_true(runs(&vcpu[0]));
	vmctl_crash(&vm, NULL, "second");
	script.at_give_ram = operator_starts;
	assert_true(runs(&vcpu[0]));
	assert_null(script.at_give_ram);
	assert_int_equal(vm.state, VM_RUNNING);
	assert_true(has_ram);
	assert_int_equal(power_offs, 0);
}

static void weightier_requests_win(void **state)
{
	(void)state;
	start(1);
	pause_vm();
	vmctl_request(&vm, VM_REQUEST_RESET);
	assert_int_equal(vmctl_resume(&vm), -EBUSY);
	assert_int_equal(vmctl_pause(&vm), -EBUSY);
	assert_true(runs(&vcpu[0]));
	assert_int_equal(resets, 2);
	assert_int_equal(vm.state, VM_RUNNING);
}

/* A crash that restarts the VM does not undo a stop that was promised before. */
static void stop_outweighs_a_restart(void **state)
{
	(void)state;
	start(1);
	vm.config.on_crash = VM_ACTION_RESTART;
	assert_int_equal(vmctl_stop(&vm), 0);
	vmctl_request(&vm, VM_REQUEST_CRASH);
	assert_false(runs(&vcpu[0]));
	assert_int_equal(vm.state, VM_OFF);
	assert_int_equal(resets, 1);
	assert_int_equal(vmctl_start(&vm), 0);
	assert_true(runs(&vcpu[0]));
	vmctl_request(&vm, VM_REQUEST_CRASH);
	assert_true(runs(&vcpu[0]));
	assert_int_equal(vm.restarts, 1);
}

/* Of a VM with prefault, before each of its starts; of others it is not. */
static void prefault_maps_all(void **state)
{
	(void)state;
	direct_maps = 0;
	start(1);
	assert_int_equal(direct_maps, 0);
	assert_int_equal(vmctl_stop(&vm), 0);
	assert_false(runs(&vcpu[0]));
	vm.config.prefault = true;
	assert_int_equal(vmctl_start(&vm), 0);
	assert_true(runs(&vcpu[0]));
	assert_int_equal(direct_maps, 1);
	vm.config.prefault = false;
}

/* Looked for after a start by boot or an operator; a guest that goes round in circles is not told of each time. */
static void silence_is_looked_for_once(void **state)
{
	(void)state;
	start(1);
	vm.config.on_crash = VM_ACTION_RESTART;
	assert_int_equal(silences, 1);
	vmctl_request(&vm, VM_REQUEST_RESET);
	assert_true(runs(&vcpu[0]));
	vmctl_request(&vm, VM_REQUEST_CRASH);
	assert_true(runs(&vcpu[0]));
	assert_int_equal(vm.restarts, 1);
	assert_int_equal(silences, 1);
	assert_int_equal(vmctl_stop(&vm), 0);
	assert_false(runs(&vcpu[0]));
	assert_int_equal(vmctl_start(&vm), 0);
	assert_true(runs(&vcpu[0]));
	assert_int_equal(silences, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(stop_watch_reports_what_it_says, setup),
		cmocka_unit_test_setup(stop_watch_knows_who_waits, setup),
		cmocka_unit_test_setup(last_vm_switches_the_host_off, setup),
		cmocka_unit_test_setup(last_vm_crashes, setup),
		cmocka_unit_test_setup(crashes_in_a_row, setup),
		cmocka_unit_test_setup(end_of_a_vm, setup),
		cmocka_unit_test_setup(end_of_a_broken_vm, setup),
		cmocka_unit_test_setup(operator_ends_the_wait, setup),
		cmocka_unit_test_setup(operator_comes_late, setup),
		cmocka_unit_test_setup(weightier_requests_win, setup),
		cmocka_unit_test_setup(stop_outweighs_a_restart, setup),
		cmocka_unit_test_setup(prefault_maps_all, setup),
		cmocka_unit_test_setup(silence_is_looked_for_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
