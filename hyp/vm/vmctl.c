/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM states. Who changes what, all of it under vm->lock:
 *
 *   from                       to        by
 *   CREATED                    RUNNING   vmctl_boot()
 *   CREATED                    OFF       vmctl_boot(): its images cannot be loaded
 *   CREATED                    BROKEN    vmctl_break(): no CPU is left for its vCPUs
 *   CREATED, OFF, CRASHED      STOPPING  vmctl_start()
 *   STOPPING to restart        STOPPING  vmctl_start(), vmctl_reset(): at once, without what is left of the wait
 *   RUNNING                    STOPPING  vmctl_request(): a vCPU (PSCI SYSTEM_*), virt7 (crash)
 *   RUNNING                    STOPPING  vmctl_reset(), vmctl_stop(), vmctl_pause()
 *   PAUSED                     STOPPING  vmctl_reset(), vmctl_stop()
 *   PAUSED, STOPPING to pause  RUNNING   vmctl_resume()
 *   STOPPING                   RUNNING   the last vCPU at the checkpoint: a start or reset whose images load
 *   STOPPING                   PAUSED    the last vCPU at the checkpoint: a pause
 *   STOPPING                   OFF       the last vCPU at the checkpoint: power-off, or a start or reset that failed
 *   STOPPING                   CRASHED   the last vCPU at the checkpoint: a crash
 *   CREATED, OFF, CRASHED,     ENDING    vmctl_end(): it is taken apart
 *   BROKEN
 *
 * A request of more weight replaces one that has not been performed yet: "performing" looks again when it has ended.
 * RAM belongs to a VM from vmctl_start() until it is OFF or CRASHED; then it is scrubbed and free.
 */
#include <errno.h>
#include <string.h>

#include <arm/atomic.h>
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "hyp/console/console.h"
#include "hyp/load/image.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/run/world.h"
#include "hyp/vm/switch.h"
#include "hyp/vdev/device.h"
#include "hyp/virtio/virtio.h"
#include "hyp/vm/crash.h"
#include "hyp/vm/lent.h"
#include "hyp/vm/silence.h"
#include "hyp/vm/vmctl.h"
#include "hyp/host/power.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define STOP_SECONDS 5U

void vmctl_set_entry(struct vcpu *vcpu, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2)
{
	vcpu->entry = pc;
	vcpu->entry_args[0] = r0;
	vcpu->entry_args[1] = r1;
	vcpu->entry_args[2] = r2;
	vcpu->entry_psr_e = 0;
	vcpu->power = VCPU_ON;
	vcpu->start = START_RESET;
}

static enum vm_request crash_request(const struct vm *vm)
{
	return vm->config.on_crash == VM_ACTION_RESTART ? VM_REQUEST_RESTART : VM_REQUEST_CRASH;
}

/* `to`, a device of the host's, has some of its RAM: what is under way cannot be done with that. */
static void crash_for_lent(struct vm *vm, const char *to)
{
	spin_lock(&vm->lock);
	crash_begin_lent(vm, to);
	if (vm->request == VM_REQUEST_RESET)
		vm->request = crash_request(vm);
	spin_unlock(&vm->lock);
}

/* Devices as at power-on, memory as loaded, vCPU 0 about to start. No vCPU runs. Others may have the CPU in between. */
static int prepare_vm(struct vm *vm)
{
	struct image_entry entry;
	const char *to;
	struct vcpu *v;
	int ret;

	device_quiesce_all(vm);
	to = lent_to(vm);
	if (to) {
		crash_for_lent(vm, to);
		return -EBUSY;
	}
	sched_preempt();
	s2_clear(&vm->s2);
	sched_preempt();
	vm_mend_ram(vm);
	if (vm_is_direct(vm) || vm->config.prefault)
		vm_map_all(vm);
	vgic_reset(vm);
	sched_preempt();
	device_reset_all(vm);
	vm->suspended = false;
	vm->fresh = true;
	crash_begin_anew(vm);
	vm->started_at = timer_now();
	ret = image_load_vm(vm, &vm->config, &entry);
	if (ret)
		return ret;
	vtimer_begin(vm);
	vm_for_each_vcpu(v, vm)
		v->power = VCPU_OFF;
	vm->uncached = 0;
	vmctl_set_entry(vm->vcpu[0], (uint32_t)entry.pc, 0, entry.r1, entry.r2);
	vm->raw_entry = entry.raw ? (uint32_t)entry.pc : 0;
	return 0;
}

static void wake_all(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm)
		sched_wake(&v->thread);
}

int vmctl_boot(struct vm *vm)
{
	int ret = vm_take_ram(vm);

	if (!ret)
		ret = prepare_vm(vm);
	if (ret)
		vm_give_ram(vm);
	else
		silence_begin(vm);
	spin_lock(&vm->lock);
	vm->state = ret ? VM_OFF : VM_RUNNING;
	spin_unlock(&vm->lock);
	if (!ret)
		wake_all(vm);
	return ret;
}

void vmctl_break(struct vm *vm)
{
	spin_lock(&vm->lock);
	vm->state = VM_BROKEN;
	spin_unlock(&vm->lock);
	vm_give_ram(vm);
}

static void report_late(const struct vcpu *vcpu)
{
	const char *vm = vcpu->vm->config.name;
	unsigned int index = vcpu->index, cpu = vcpu->thread.cpu->head.id;

	if (vcpu->thread.queued)
		log_warn("vm %s: vCPU %u waits for CPU %u, which others do not leave to it", vm, index, cpu);
	else
		log_err("vm %s: vCPU %u on CPU %u has not stopped for %u s (work 0x%x): a bug, please report it", vm,
			index, cpu, STOP_SECONDS, (unsigned)vcpu->thread.work);
}

static void wake_placed(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm)
		if (v->thread.cpu)
			vcpu_request(v, WORK_STOP);
}

/* Each says that it is about to leave, under vm->lock, and is gone when its CPU has left its stack, moments later. */
static void wait_for_threads(struct vm *vm)
{
	struct vcpu *v;
	uint32_t placed = 0;

	vm_for_each_vcpu(v, vm)
		placed += v->thread.cpu != NULL;
	while (__atomic_load_n(&vm->left_count, __ATOMIC_RELAXED) < placed)
		sched_block();
	vm_for_each_vcpu(v, vm)
		while (v->thread.cpu && !__atomic_load_n(&v->thread.gone, __ATOMIC_ACQUIRE))
			yield();
}

int vmctl_end(struct vm *vm)
{
	const uint32_t from = BIT(VM_CREATED) | BIT(VM_OFF) | BIT(VM_CRASHED) | BIT(VM_BROKEN);
	int ret = 0;

	spin_lock(&vm->lock);
	if (vm->state == VM_STOPPING)
		ret = -EBUSY;
	else if (!(from & BIT(vm->state)))
		ret = -EINVAL;
	else
		vm->state = VM_ENDING;
	vm->ender = this_cpu()->thread;
	spin_unlock(&vm->lock);
	if (ret)
		return ret;
	wake_placed(vm);
	wait_for_threads(vm);
	timer_drain(&vm->stop_watch);
	timer_drain(&vm->restart);
	silence_end(vm);
	vgic_end(vm);
	return 0;
}

static uint64_t stop_limit(void)
{
	return (uint64_t)STOP_SECONDS * timer_hz();
}

/* A vCPU that cannot be stopped is a bug of virt7's: say so, and go on waiting. */
static void stop_overdue(struct timer *timer)
{
	struct vm *vm = container_of(timer, struct vm, stop_watch);
	struct vcpu *v;

	spin_lock(&vm->lock);
	/* It may have run since the request that the timer was armed for. */
	if (vm->state == VM_STOPPING && timer_now() - vm->stop_began >= stop_limit())
		vm_for_each_vcpu(v, vm)
			if (!v->parked)
				report_late(v);
	spin_unlock(&vm->lock);
}

/* Holder of vm->lock; call_vcpus() follows when that is given back. */
static void begin_stopping(struct vm *vm, enum vm_request request)
{
	if (vm->state != VM_STOPPING)
		vm->stop_began = timer_now();
	vm->state = VM_STOPPING;
	vm->request = request;
	vm->stop_watch.expired = stop_overdue;
	timer_arm(&vm->stop_watch, vm->stop_began + stop_limit()); /* and left to expire */
}

/* All vCPUs come to the checkpoint; those that sleep there look again. */
static void call_vcpus(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm)
		vcpu_request(v, WORK_STOP);
}

void vmctl_request(struct vm *vm, enum vm_request request)
{
	if (request == VM_REQUEST_RESET && vm->config.on_reset == VM_ACTION_STOP)
		request = VM_REQUEST_OFF;
	if (request == VM_REQUEST_CRASH)
		request = crash_request(vm); /* a restart is of less weight: what else is wanted of the VM happens */
	spin_lock(&vm->lock);
	if (vm->state == VM_RUNNING || (vm->state == VM_STOPPING && vm->request < request))
		begin_stopping(vm, request);
	spin_unlock(&vm->lock);
	call_vcpus(vm);
}

/* An operator's request, from the states in mask `from`; STOPPING among them: instead of what is under way. */
static int command_request(struct vm *vm, uint32_t from, enum vm_request request)
{
	int ret = -EINVAL;

	spin_lock(&vm->lock);
	if (vm->state == VM_STOPPING)
		ret = (from & BIT(VM_STOPPING)) && vm->request < request ? 0 : -EBUSY;
	else if (from & BIT(vm->state))
		ret = request == VM_REQUEST_START ? vm_take_ram(vm) : 0;
	if (!ret) {
		begin_stopping(vm, request);
		vm->host_stays_on = request == VM_REQUEST_OFF || request == VM_REQUEST_START;
	}
	spin_unlock(&vm->lock);
	if (!ret)
		call_vcpus(vm);
	return ret;
}

/*
 * A restart after a crash, which may have to wait for a minute, becomes an operator's start: crash_hold_back() sees
 * another request. False: nothing is to be restarted.
 */
static bool start_instead(struct vm *vm)
{
	bool done;

	spin_lock(&vm->lock);
	done = vm->state == VM_STOPPING && vm->request == VM_REQUEST_RESTART;
	if (done) {
		begin_stopping(vm, VM_REQUEST_START);
		vm->host_stays_on = true;
	}
	spin_unlock(&vm->lock);
	if (done)
		call_vcpus(vm);
	return done;
}

int vmctl_start(struct vm *vm)
{
	if (start_instead(vm))
		return 0;
	return command_request(vm, BIT(VM_CREATED) | BIT(VM_OFF) | BIT(VM_CRASHED), VM_REQUEST_START);
}

int vmctl_stop(struct vm *vm)
{
	return command_request(vm, BIT(VM_RUNNING) | BIT(VM_PAUSED) | BIT(VM_STOPPING), VM_REQUEST_OFF);
}

int vmctl_reset(struct vm *vm)
{
	if (start_instead(vm))
		return 0;
	return command_request(vm, BIT(VM_RUNNING) | BIT(VM_PAUSED), VM_REQUEST_RESET);
}

int vmctl_pause(struct vm *vm)
{
	return command_request(vm, BIT(VM_RUNNING), VM_REQUEST_PAUSE);
}

/*
 * The guest's time goes on where it stopped, if it may have an offset: CNTVOFF grows by the pause. All vCPUs are at the
 * checkpoint and take it over when they go back into the hardware, which also sets their timers anew.
 */
int vmctl_resume(struct vm *vm)
{
	int ret = 0;

	spin_lock(&vm->lock);
	if (vm->state == VM_PAUSED)
		vtimer_end_pause(vm, vm->paused_at);
	else if (vm->state != VM_STOPPING)
		ret = -EINVAL;
	else if (vm->request != VM_REQUEST_PAUSE)
		ret = -EBUSY;
	if (!ret) {
		vm->state = VM_RUNNING;
		vm->request = VM_REQUEST_NONE;
	}
	spin_unlock(&vm->lock);
	if (!ret)
		wake_all(vm);
	return ret;
}

void vmctl_expect_off(struct vm *vm)
{
	vm->host_stays_on = true;
}

const char *vmctl_state_name(const struct vm *vm)
{
	static const char *const state[] = {
		[VM_CREATED] = "created", [VM_RUNNING] = "running", [VM_STOPPING] = "stopping", [VM_PAUSED] = "paused",
		[VM_OFF] = "off",         [VM_CRASHED] = "crashed", [VM_BROKEN] = "broken",     [VM_ENDING] = "ending",
	};
	static const char *const request[] = {
		[VM_REQUEST_NONE] = "stopping",      [VM_REQUEST_PAUSE] = "pausing",   [VM_REQUEST_START] = "starting",
		[VM_REQUEST_RESTART] = "restarting", [VM_REQUEST_RESET] = "resetting", [VM_REQUEST_OFF] = "stopping",
		[VM_REQUEST_CRASH] = "stopping",
	};

	if (vm->state == VM_STOPPING)
		return request[vm->request];
	return vm->state == VM_RUNNING && vm->suspended ? "suspended" : state[vm->state];
}

void vmctl_crash(struct vm *vm, const struct vcpu *vcpu, const char *why)
{
	spin_lock(&vm->lock);
	if (vm->state == VM_RUNNING || vm->state == VM_STOPPING)
		crash_begin(vm, vcpu, why);
	spin_unlock(&vm->lock);
	vmctl_request(vm, VM_REQUEST_CRASH);
}

/* Is a VM in one of the states in mask `states`? */
static bool any_vm_is(uint32_t states)
{
	bool any = false;
	struct vm *vm;

	spin_lock(&vms_lock);
	vm_for_each(vm) any |= (BIT(vm->state) & states) != 0;
	spin_unlock(&vms_lock);
	return any;
}

/* The host's end is an error where it is one that a VM has come to: what watches the console is told (power_end()). */
static void say_last_line(void)
{
	if (any_vm_is(BIT(VM_CRASHED)))
		log_err("stopped: no VM is running, and one has crashed: power off");
	else
		log_info("no VM is running: power off");
}

void vmctl_power_off_if_last(void)
{
	if (any_vm_is(~(BIT(VM_OFF) | BIT(VM_CRASHED) | BIT(VM_BROKEN) | BIT(VM_ENDING))))
		return;
	if (console_shell_is_open()) {
		log_info("no VM is running; the shell is open: `vm start` one, or `poweroff`");
		return;
	}
	console_flush(); /* the log has room for what follows, which must not be dropped */
	say_last_line();
	power_off();
	log_warn("this host cannot be switched off by software; it is safe to cut the power");
}

/* Load and be ready to run, with the RAM that it has; or give that back. One line, or none (NULL). */
static enum vm_state bring_up(struct vm *vm, const char *what)
{
	vm->config.quiet = !what || !log_ratelimit(&vm->log_budget);
	if (!vm->config.quiet)
		log_info("vm %s: %s", vm->config.name, what);
	if (!prepare_vm(vm))
		return VM_RUNNING;
	vm_give_ram(vm);
	return VM_OFF;
}

/* Others in place of RAM that is lent, and if it has none. 0 or -ENOMEM. */
static int renew_ram(struct vm *vm)
{
	int ret;

	device_quiesce_all(vm);
	if (lent_to(vm))
		vm_give_ram(vm);
	spin_lock(&vm->lock);
	ret = vm_take_ram(vm);
	spin_unlock(&vm->lock);
	return ret;
}

/*
 * An operator's start. The VM has its RAM, unless the request took the place of a restart that had just been given up
 * (restart_vm(): it crashes too often), and with it the RAM; of one that was held back some may be lent.
 */
static enum vm_state start_vm(struct vm *vm)
{
	enum vm_state state;

	crash_forget(vm);
	state = renew_ram(vm) ? VM_OFF : bring_up(vm, "start");
	if (state == VM_RUNNING)
		silence_begin(vm);
	return state;
}

static enum vm_state shut_down(struct vm *vm, enum vm_state state)
{
	const char *to;

	device_quiesce_all(vm);
	vgic_silence(vm);
	to = lent_to(vm);
	if (to && state == VM_OFF) {
		crash_for_lent(vm, to);
		crash_end(vm);
		state = VM_CRASHED;
	}
	vm_give_ram(vm);
	return state;
}

static enum vm_state restart_vm(struct vm *vm)
{
	uint32_t seconds;

	if (!crash_may_restart(vm, &seconds))
		return shut_down(vm, VM_CRASHED);
	crash_hold_back(vm, seconds);
	if (vm->request != VM_REQUEST_RESTART)
		return VM_OFF; /* not seen from outside */
	if (renew_ram(vm))
		return VM_OFF;
	vm->restarts++;
	return bring_up(vm, NULL);
}

static enum vm_state perform_request(struct vm *vm, enum vm_request request)
{
	switch (request) {
	case VM_REQUEST_START:
		return start_vm(vm);
	case VM_REQUEST_RESET:
		return bring_up(vm, "reset");
	case VM_REQUEST_RESTART:
		return restart_vm(vm);
	case VM_REQUEST_OFF:
		if (vm->crash.open) /* it was stopped meanwhile */
			crash_forget(vm);
		log_info("vm %s: off", vm->config.name);
		return shut_down(vm, VM_OFF);
	default: /* a crash */
		crash_end(vm);
		return shut_down(vm, VM_CRASHED);
	}
}

/*
 * Every vCPU is at the checkpoint. Called without the lock by the one that came last; no other CPU can change anything
 * but the request. It may be preempted meanwhile.
 */
static void perform_all(struct vm *vm)
{
	enum vm_request request;
	enum vm_state state;

	spin_lock(&vm->lock);
	while (vm->state == VM_STOPPING) {
		request = vm->request;
		spin_unlock(&vm->lock);
		state = perform_request(vm, request);
		spin_lock(&vm->lock);
		if (vm->state == VM_STOPPING && vm->request == request) {
			vm->request = VM_REQUEST_NONE;
			vm->state = state;
		}
	}
	state = vm->state;
	if (state == VM_RUNNING)
		vm->host_stays_on = false;
	spin_unlock(&vm->lock);
	if (state == VM_RUNNING)
		wake_all(vm);
	else if (!vm->host_stays_on)
		vmctl_power_off_if_last();
}

/*
 * Is every vCPU at the checkpoint, and something to perform? A pause can be taken back, by vmctl_resume(), so that is
 * done here and now. Holder of vm->lock.
 */
static bool must_perform(struct vm *vm)
{
	if (vm->state != VM_STOPPING || vm->parked_count != vm->vcpu_count)
		return false;
	if (vm->request != VM_REQUEST_PAUSE)
		return true;
	vm->paused_at = timer_now();
	vm->state = VM_PAUSED;
	device_settle_all(vm);
	vm->request = VM_REQUEST_NONE;
	return false;
}

/* May the vCPU leave the checkpoint? Holder of vm->lock. A suspended one comes back to life here. */
static bool may_run(struct vcpu *vcpu)
{
	if (vcpu->vm->state != VM_RUNNING)
		return false;
	if (vcpu->power == VCPU_SUSPENDED && !vcpu->thread.detached && vgic_has_pending(vcpu)) {
		vcpu->power = VCPU_ON;
		vcpu->vm->suspended = false;
	}
	return vcpu->power == VCPU_ON;
}

/* Its state out of the hardware, so that nothing of it can fire, or back, with the VM's time as it is now. */
static void detach_vcpu(struct vcpu *vcpu, bool detached)
{
	vcpu->thread.detached = detached;
	vcpu_load(detached ? NULL : vcpu);
	if (!detached)
		vtimer_sample(vcpu);
}

/*
 * Sleep at the checkpoint. What is suspended stays in the hardware, where its timer may wake it: the interrupt is taken
 * here, because HYP runs with interrupts masked. Anything else leaves the hardware. Returns early where that changes.
 */
static void wait_parked(struct vcpu *vcpu)
{
	bool live = vcpu->power == VCPU_SUSPENDED && vcpu->vm->state == VM_RUNNING;

	if (vcpu->thread.detached == live) {
		detach_vcpu(vcpu, !live);
		return;
	}
	sched_block();
	if (!live)
		return;
	while (irq_handle_one())
		;
	if (vcpu->thread.work & WORK_TIMER)
		vtimer_sample(vcpu); /* its deadline may be what wakes it */
	if (vcpu->thread.work & WORK_STOP) {
		atomic_clear(&vcpu->thread.work, WORK_STOP);
		detach_vcpu(vcpu,
			    true); /* a pause may have come and gone, and with it the time that it was loaded with */
	}
}

/* The VM is taken apart: nothing of the vCPU stays in this CPU. Holder of vm->lock. */
static void __attribute__((noreturn)) leave_for_good(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	vm->left_count++;
	spin_unlock(&vm->lock);
	vcpu->thread.detached = true;
	world_unload(&vcpu->thread);
	sched_wake(vm->ender);
	sched_exit();
}

/*
 * A vCPU that is off or suspended has devices to serve: it was asked before, or is the one that is left to be asked. It
 * is not at the checkpoint meanwhile. Holder of vm->lock, which it gives up.
 */
static void serve_while_parked(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	vm->parked_count--;
	vcpu->parked = false;
	spin_unlock(&vm->lock);
	virtio_work(vcpu);
	sched_preempt();
	spin_lock(&vm->lock);
	vm->parked_count++;
	vcpu->parked = true;
}

/* A device of its has been reset with a request of the host's disk under way, which went on for too long. */
static void crash_if_lent(struct vm *vm)
{
	const char *to = lent_to(vm);

	if (likely(!to))
		return;
	spin_lock(&vm->lock);
	crash_begin_lent(vm, to);
	spin_unlock(&vm->lock);
	vmctl_request(vm, VM_REQUEST_CRASH);
}

void vmctl_checkpoint(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	enum vcpu_start start;

	crash_if_lent(vm);
	spin_lock(&vm->lock);
	crash_note(vcpu);
	vcpu->parked = true;
	vm->parked_count++;
	while (!may_run(vcpu)) {
		bool last = must_perform(vm);

		if (vm->state == VM_RUNNING && vcpu->virtio_slots) {
			serve_while_parked(vcpu);
			continue;
		}
		if (vm->state == VM_ENDING)
			leave_for_good(vcpu);
		if (last)
			vm->parked_count = 0; /* no other vCPU performs */
		spin_unlock(&vm->lock);
		if (last) {
			detach_vcpu(vcpu, true);
			perform_all(vm);
		} else {
			wait_parked(vcpu);
		}
		spin_lock(&vm->lock);
		if (last)
			vm->parked_count += vm->vcpu_count;
	}
	vm->parked_count--;
	vcpu->parked = false;
	start = vcpu->start;
	vcpu->start = START_NONE;
	spin_unlock(&vm->lock);
	detach_vcpu(vcpu, false);
	if (start != START_NONE)
		vcpu_start_over(vcpu, start);
}
