/*
 * VM states. Who changes what, all of it under vm->lock:
 *
 *   from       to        by
 *   CREATED    RUNNING   vmctl_start()
 *   RUNNING    STOPPING  vmctl_request(), any vCPU (PSCI SYSTEM_*) or virt7 (crash)
 *   STOPPING   RUNNING   the last vCPU to reach the checkpoint, for a reset whose images load again
 *   STOPPING   OFF       likewise, for power-off or a reset that failed
 *   STOPPING   CRASHED   likewise, for a crash
 *   OFF        RUNNING   vmctl_start()
 */
#include <errno.h>
#include <string.h>

#include <arm/psr.h>
#include <arm/sysreg.h>

#include "coproc/coproc.h"
#include "hyp/image.h"
#include "hyp/irq.h"
#include "hyp/sched.h"
#include "hyp/vdev/vpl011.h"
#include "hyp/vmctl.h"
#include "psci/host.h"
#include "psci/smccc.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define STOP_SECONDS 5U

static void set_entry(struct vcpu *vcpu, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2)
{
	vcpu->entry = pc;
	vcpu->entry_args[0] = r0;
	vcpu->entry_args[1] = r1;
	vcpu->entry_args[2] = r2;
	vcpu->entry_psr_e = 0;
	vcpu->power = VCPU_ON;
	vcpu->start = START_RESET;
}

/* Devices as at power-on, memory as loaded, vCPU 0 about to start. No vCPU runs. */
static int prepare(struct vm *vm)
{
	struct image_entry entry;
	struct vcpu *v;
	int ret;

	s2_clear(&vm->s2);
	vgic_reset(vm);
	vpl011_reset(vm);
	vm->cntvoff = timer_now();
	ret = image_load_vm(vm, &vm->config, &entry);
	if (ret)
		return ret;
	vm_for_each_vcpu(v, vm)
		v->power = VCPU_OFF;
	set_entry(vm->vcpu[0], (uint32_t)entry.pc, 0, ~0U, (uint32_t)entry.dtb); /* Linux Documentation/arm/booting */
	return 0;
}

static void wake_all(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm)
		sched_wake(v);
}

int vmctl_start(struct vm *vm)
{
	int ret = prepare(vm);

	if (ret)
		return ret;
	spin_lock(&vm->lock);
	vm->state = VM_RUNNING;
	spin_unlock(&vm->lock);
	wake_all(vm);
	return 0;
}

/*
 * A vCPU that cannot be stopped is a bug of virt7's: say so, and go on waiting. Armed at the first request and left to
 * expire, as it may be armed on another CPU than the one that wants it off.
 */
static void stop_overdue(struct timer *timer)
{
	struct vm *vm = container_of(timer, struct vm, stop_watch);
	struct vcpu *v;

	if (vm->state != VM_STOPPING)
		return;
	vm_for_each_vcpu(v, vm)
		if (!v->parked)
			log_err("vm %s: vCPU %u on CPU %u has not stopped for %u s (work 0x%x): a bug, please report "
				"it",
				vm->config.name, (unsigned)v->index, (unsigned)v->cpu->head.id, STOP_SECONDS,
				(unsigned)v->work);
}

void vmctl_request(struct vm *vm, enum vm_request request)
{
	struct vcpu *v;

	spin_lock(&vm->lock);
	if (vm->state == VM_RUNNING) {
		vm->state = VM_STOPPING;
		vm->request = request;
		vm->stop_watch.expired = stop_overdue;
		if (!vm->stop_watch.cpu)
			timer_arm(&vm->stop_watch, timer_now() + (uint64_t)STOP_SECONDS * timer_hz());
	}
	spin_unlock(&vm->lock);
	vm_for_each_vcpu(v, vm)
		vcpu_request(v, WORK_STOP);
}

void vmctl_crash(struct vm *vm, const char *why, uint64_t at)
{
	log_err("vm %s: stopped: %s (0x%llx)", vm->config.name, why, (unsigned long long)at);
	vmctl_request(vm, VM_REQUEST_CRASH);
}

/* The machine has nothing left to do. */
static void power_off_if_last(void)
{
	for (uint32_t i = 0; i < vm_count; i++)
		if (vms[i]->state == VM_RUNNING || vms[i]->state == VM_STOPPING || vms[i]->state == VM_CREATED)
			return;
	log_info("no VM is running: power off");
	psci_host_system_off();
	log_warn("this host cannot be switched off by software; it is safe to cut the power");
}

/* Every vCPU is at the checkpoint. Called without the lock by the one that came last; nobody else can change anything.
 */
static void perform(struct vm *vm)
{
	enum vm_state state = vm->request == VM_REQUEST_CRASH ? VM_CRASHED : VM_OFF;

	if (vm->request == VM_REQUEST_RESET) {
		vm->config.quiet = !log_ratelimit(&vm->log_budget);
		if (!vm->config.quiet)
			log_info("vm %s: reset", vm->config.name);
		if (!prepare(vm))
			state = VM_RUNNING;
	} else {
		log_info("vm %s: %s", vm->config.name, state == VM_OFF ? "off" : "crashed");
	}
	spin_lock(&vm->lock);
	vm->request = VM_REQUEST_NONE;
	vm->state = state;
	spin_unlock(&vm->lock);
	if (state == VM_RUNNING)
		wake_all(vm);
	else
		power_off_if_last();
}

/*
 * A vCPU that was switched on, or that comes out of a power-down, resets itself, on its own CPU: after this nothing
 * writes to it but itself. A power-down keeps the interrupt controller and the timers, or nothing could wake it.
 */
static void start_over(struct vcpu *vcpu, enum vcpu_start start)
{
	if (start == START_RESET) {
		vtimer_reset_cpu(vcpu);
		vgic_reset_cpu(vcpu);
	} else { /* alive in the hardware, and about to be loaded from memory */
		vgic_save(vcpu);
		vtimer_save(vcpu);
	}
	coproc_reset(vcpu);
	vcpu_reset_context(vcpu, vcpu->entry, vcpu->entry_args[0], vcpu->entry_args[1], vcpu->entry_args[2]);
}

/* May the vCPU leave the checkpoint? Holder of vm->lock. A suspended one comes back to life here. */
static bool may_run(struct vcpu *vcpu)
{
	if (vcpu->vm->state != VM_RUNNING)
		return false;
	if (vcpu->power == VCPU_SUSPENDED && vgic_has_pending(vcpu))
		vcpu->power = VCPU_ON;
	return vcpu->power == VCPU_ON;
}

/*
 * Sleep at the checkpoint. What is suspended stays in the hardware, where its timer may wake it: the interrupt is taken
 * here, because HYP runs with interrupts masked. Anything else leaves the hardware, so that nothing of it can fire.
 */
static void wait_parked(struct vcpu *vcpu)
{
	if (vcpu->power != VCPU_SUSPENDED)
		vcpu_load(NULL);
	sched_block();
	while (vcpu->power == VCPU_SUSPENDED && irq_handle_one())
		;
}

void vmctl_checkpoint(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	enum vcpu_start start;

	spin_lock(&vm->lock);
	vcpu->parked = true;
	vm->parked_count++;
	while (!may_run(vcpu)) {
		bool last = vm->state == VM_STOPPING && vm->parked_count == vm->vcpu_count;

		if (last)
			vm->parked_count = 0; /* nobody else performs */
		spin_unlock(&vm->lock);
		if (last)
			perform(vm);
		else
			wait_parked(vcpu);
		if (vcpu->power == VCPU_SUSPENDED && (vcpu->work & WORK_TIMER))
			vtimer_sample(vcpu); /* its deadline may be what wakes it */
		spin_lock(&vm->lock);
		if (last)
			vm->parked_count += vm->vcpu_count;
	}
	vm->parked_count--;
	vcpu->parked = false;
	start = vcpu->start;
	vcpu->start = START_NONE;
	spin_unlock(&vm->lock);
	vcpu_load(vcpu);
	if (start != START_NONE)
		start_over(vcpu, start);
}

/* The vCPU whose MPIDR affinity is `target`, NULL: none. */
static struct vcpu *by_affinity(struct vm *vm, uint32_t target)
{
	return target < vm->vcpu_count ? vm->vcpu[target] : NULL;
}

static bool valid_entry(const struct vm *vm, uint32_t entry)
{
	pa_t unused;

	return vm_ram_pa(vm, ipa(entry & ~1U), &unused);
}

uint32_t vmctl_cpu_on(struct vm *vm, uint32_t target, uint32_t entry, uint32_t context)
{
	struct vcpu *vcpu = by_affinity(vm, target);
	uint32_t result = PSCI_ALREADY_ON;

	if (!vcpu)
		return PSCI_INVALID_PARAMETERS;
	if (!valid_entry(vm, entry))
		return PSCI_INVALID_ADDRESS;
	spin_lock(&vm->lock);
	if (vcpu->power == VCPU_OFF) {
		set_entry(vcpu, entry, context, 0, 0);
		vcpu->entry_psr_e = read_spsr_hyp() & PSR_E; /* the caller's, DEN 0022 6.4 */
		result = PSCI_SUCCESS;
	}
	spin_unlock(&vm->lock);
	if (result == PSCI_SUCCESS)
		sched_wake(vcpu);
	return result;
}

void vmctl_cpu_off(struct vcpu *vcpu)
{
	vtimer_reset_cpu(vcpu);
	vgic_reset_cpu(vcpu);
	spin_lock(&vcpu->vm->lock);
	vcpu->power = VCPU_OFF;
	spin_unlock(&vcpu->vm->lock);
	vcpu_request(vcpu, WORK_STOP);
}

void vmctl_standby(struct vcpu *vcpu)
{
	/* A request (vcpu->work) is served at the boundary; PSCI allows a return without cause. */
	if (!vcpu->work && !vgic_has_pending(vcpu))
		sched_block();
}

/* Power down with a wake-up: the checkpoint holds the vCPU until an interrupt is pending, then starts it at `entry`. */
static uint32_t power_down(struct vcpu *vcpu, uint32_t entry, uint32_t context)
{
	if (!valid_entry(vcpu->vm, entry))
		return PSCI_INVALID_ADDRESS;
	spin_lock(&vcpu->vm->lock);
	if (vcpu->vm->state == VM_RUNNING) {
		set_entry(vcpu, entry, context, 0, 0);
		vcpu->entry_psr_e = read_spsr_hyp() & PSR_E;
		vcpu->power = VCPU_SUSPENDED;
		vcpu->start = START_RESUME;
	}
	spin_unlock(&vcpu->vm->lock);
	vcpu_request(vcpu, WORK_STOP);
	return PSCI_SUCCESS; /* seen by nobody */
}

uint32_t vmctl_cpu_suspend(struct vcpu *vcpu, uint32_t entry, uint32_t context)
{
	return power_down(vcpu, entry, context);
}

uint32_t vmctl_system_suspend(struct vcpu *vcpu, uint32_t entry, uint32_t context)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vcpu->vm)
		if (v != vcpu && v->power != VCPU_OFF)
			return PSCI_DENIED;
	return power_down(vcpu, entry, context);
}

uint32_t vmctl_affinity_info(struct vm *vm, uint32_t target, uint32_t level)
{
	struct vcpu *vcpu = by_affinity(vm, target);

	if (level != 0 || !vcpu)
		return PSCI_INVALID_PARAMETERS;
	return vcpu->power == VCPU_OFF ? 1 : 0;
}
