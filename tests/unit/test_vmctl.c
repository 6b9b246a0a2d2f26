/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a VM: races of an operator's commands with vCPUs at the checkpoint. vCPUs run one after the other here.
 * What others do meanwhile is a script: its next line runs whenever a vCPU blocks or takes its state out of the
 * hardware.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/atomic.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "fake_log.h"
#include "hyp/load/image.h"
#include "hyp/run/irq.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/run/world.h"
#include "hyp/vdev/device.h"
#include "hyp/virtio/virtio.h"
#include "hyp/vm/silence.h"
#include "hyp/vm/switch.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "mm/s2.h"
#include "hyp/host/power.h"
#include "psci/smccc.h"
#include "psci/vcpu.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define HZ      1000U
#define LOADING 7U
#define ENTRY   0x40010000U

struct percpu percpu[CPU_MAX];
struct vm *vms[VM_MAX];
uint32_t vm_count;
struct spinlock vms_lock;

static struct vm vm;
static struct vcpu vcpu[2];
static struct regs regs[2];
static jmp_buf asleep;
static uint32_t loads, power_offs, resets;
static bool pending[2];    /* an interrupt, of each vCPU */
static bool sampled[2];    /* its timers, since it was last loaded */
static uint64_t offset[2]; /* CNTVOFF when it was last loaded */

#define clock_now (fake_machine.reg[SYSREG_cntpct])

/* --- the script
 * --------------------------------------------------------------------------------------------------------
 */

typedef void (*line_fn)(void);

static struct {
	line_fn at_block[8], at_unload, at_give_ram;
	uint32_t next;
} script;

void sched_block(void)
{
	line_fn line = script.at_block[script.next];

	assert_int_equal(vm.lock.held, 0);
	if (!line)
		longjmp(asleep, 1);
	script.next++;
	line();
}

/* The vCPU's thread until it runs its guest (true) or sleeps with nothing to come. */
static bool runs(struct vcpu *v)
{
	if (setjmp(asleep))
		return false;
	if (v->parked)
		vm.parked_count--; /* it has slept there, and comes again */
	atomic_clear(&v->thread.work, WORK_STOP);
	vmctl_checkpoint(v);
	return true;
}

static uint32_t unloads;
static struct thread *leaves; /* the last of these */

/* --- what the code under test calls ----------------------------------------------------------------------------------
 */

/* On hardware: a VM's time is its own. */
void vtimer_begin(struct vm *begins)
{
	begins->cntvoff = clock_now;
}

void vtimer_end_pause(struct vm *resumed, uint64_t since)
{
	resumed->cntvoff += clock_now - since;
}

void vcpu_load(struct vcpu *next)
{
	line_fn line = script.at_unload;

	if (next) {
		loads++;
		offset[next->index] = vm.cntvoff;
		sampled[next->index] = false;
	} else if (line) {
		script.at_unload = NULL;
		line();
	}
}

/* A reset: nobody may be anywhere but at the checkpoint. */
void s2_clear(struct s2 *s2)
{
	(void)s2;
	resets++;
	for (uint32_t i = 0; vm.state != VM_CREATED && i < vm.vcpu_count; i++)
		assert_true(vcpu[i].parked);
}

/* Who waits for a VM's end is woken for each vCPU. */
static uint32_t ender_woken;
static struct thread ender;

void sched_wake(struct thread *thread)
{
	ender_woken += thread == &ender;
}

void world_unload(struct thread *thread)
{
	assert_int_equal(vm.lock.held, 0);
	assert_true(thread->detached);
	unloads++;
	leaves = thread;
}

void sched_exit(void)
{
	leaves->gone = true;
	longjmp(asleep, 1);
}

void timer_drain(struct timer *timer)
{
	timer->cpu = NULL;
}

void sched_request(struct thread *thread, uint32_t work)
{
	atomic_or(&thread->work, work);
}

bool irq_handle_one(void)
{
	return false;
}

/* Devices that want so many steps more of a vCPU. */
static uint32_t device_steps;
static bool raises; /* the last one is for an interrupt */

bool virtio_work(struct vcpu *v)
{
	assert_int_equal(vm.lock.held, 0);
	assert_int_equal(vm.state, VM_RUNNING);
	assert_false(v->parked);
	assert_true(device_steps > 0);
	device_steps--;
	v->virtio_slots = device_steps > 0;
	pending[0] |= raises && device_steps == 0;
	return device_steps > 0;
}

void sched_preempt(void)
{
	assert_int_equal(vm.lock.held, 0);
}

bool vgic_has_pending(struct vcpu *v)
{
	return pending[v->index];
}

bool vtimer_doze(struct vcpu *v)
{
	(void)v;
	return false;
}

void vtimer_sample(struct vcpu *v)
{
	sampled[v->index] = true;
}

static uint32_t silences; /* that the VM was to be looked at for one */

void silence_begin(struct vm *v)
{
	silences++;
	assert_int_not_equal(v->state, VM_RUNNING);
	assert_int_equal(v->raw_entry, ENTRY);
}

void silence_end(struct vm *v)
{
	(void)v;
	silences = 0;
}

int image_load_vm(struct vm *v, const struct vm_config *cfg, struct image_entry *entry)
{
	(void)v, (void)cfg;
	*entry = (struct image_entry){.pc = ENTRY, .raw = true};
	clock_now += LOADING;
	return 0;
}

static unsigned int direct_maps;

void vm_mend_ram(struct vm *v)
{
	(void)v;
}

void vm_map_all(struct vm *v)
{
	(void)v;
	direct_maps++;
}

bool vm_ram_pa(const struct vm *v, ipa_t at, pa_t *out)
{
	(void)v;
	*out = pa(at.v);
	return at.v >= 0x40000000U;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
	timer->cpu = &percpu[0];
}

uint32_t timer_hz(void)
{
	return HZ;
}

void power_off(void)
{
	power_offs++;
}

void console_flush(void)
{
}

bool console_shell_is_open(void)
{
	return false;
}

static bool has_ram;

int vm_take_ram(struct vm *v)
{
	(void)v;
	has_ram = true;
	return 0;
}

void vm_give_ram(struct vm *v)
{
	line_fn line = script.at_give_ram;

	(void)v;
	has_ram = false;
	if (line) {
		script.at_give_ram = NULL;
		line();
	}
}

void timer_take_out(struct timer *timer)
{
	timer->cpu = NULL;
}

#define NOTHING(name, type)     \
	void name(type *object) \
	{                       \
		(void)object;   \
	}
NOTHING(vtimer_reset_cpu, struct vcpu)
NOTHING(vgic_reset, struct vm)
NOTHING(vgic_end, struct vm)
NOTHING(vgic_silence, struct vm)
NOTHING(vgic_save, struct vcpu)
NOTHING(vtimer_stand_in, struct vcpu)
NOTHING(device_reset_all, struct vm)
NOTHING(device_quiesce_all, struct vm)

static uint32_t settled;

/* Who looks whether the VM runs finds that it does not. */
void device_settle_all(struct vm *object)
{
	assert_int_equal(object->state, VM_PAUSED);
	settled++;
}

void vgic_reset_cpu(struct vcpu *v, bool online)
{
	(void)v, (void)online;
}

void vcpu_start_over(struct vcpu *v, enum vcpu_start how)
{
	(void)v, (void)how;
}

/* --- driving it ------------------------------------------------------------------------------------------------------
 */

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	fake_log_reset();
	memset(&vm, 0, sizeof(vm));
	memset(vcpu, 0, sizeof(vcpu));
	memset(&script, 0, sizeof(script));
	memset(pending, 0, sizeof(pending));
	loads = power_offs = resets = silences = 0;
	write_htpidr((uintptr_t)&percpu[0]);
	clock_now = 100 * HZ;
	for (uint32_t i = 0; i < 2; i++) {
		vcpu[i].vm = &vm;
		vcpu[i].index = i;
		vcpu[i].regs = &regs[i];
		vcpu[i].thread.cpu = &percpu[0];
		vm.vcpu[i] = &vcpu[i];
	}
	vm.vcpu_count = 1;
	vm.config.on_reset = VM_ACTION_RESTART;
	memcpy(vm.config.name, "test", 5);
	vms[0] = &vm;
	vm_count = 1;
	return 0;
}

/* Running, with `count` vCPUs on and in their guest. */
static void start(uint32_t count)
{
	vm.vcpu_count = count;
	assert_int_equal(vmctl_boot(&vm), 0);
	assert_true(runs(&vcpu[0]));
	for (uint32_t i = 1; i < count; i++) {
		assert_int_equal(psci_cpu_on(&vcpu[0], i, ENTRY, 0), PSCI_SUCCESS);
		assert_true(runs(&vcpu[i]));
	}
	vm.stop_watch.cpu = NULL;
}

static void pause_vm(void)
{
	assert_int_equal(vmctl_pause(&vm), 0);
}

static void resume(void)
{
	assert_int_equal(vmctl_resume(&vm), 0);
}

static void resume_a_second_later(void)
{
	assert_int_equal(vm.state, VM_PAUSED);
	assert_true(settled > 0);
	settled = 0;
	clock_now += HZ;
	resume();
}

static void resume_at_once(void)
{
	clock_now += 1;
	resume();
}

static void nothing(void)
{
}

static void wake(void)
{
	for (uint32_t i = 0; i < vm.vcpu_count; i++)
		pending[i] = true;
}

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
/* The threads' last steps, while somebody waits for them. */
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

/* One that nobody has given a place needs nobody, and does not keep the host on. */
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
		cmocka_unit_test_setup(standby_ends, setup),
		cmocka_unit_test_setup(stop_outweighs_a_restart, setup),
		cmocka_unit_test_setup(prefault_maps_all, setup),
		cmocka_unit_test_setup(silence_is_looked_for_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
