/* SPDX-License-Identifier: BSD-2-Clause */
/* See watchdog.h. Timer callbacks look at a VM from whatever CPU they are on; they only ever ask for a crash. */
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/vm/vmctl.h"
#include "hyp/vm/watchdog.h"

#define LOOKS 4U /* in watchdog-ms */

static uint64_t ticks_of(uint32_t ms)
{
	return (uint64_t)ms * timer_hz() / 1000U;
}

/*
 * Has it slept, or has an interrupt reached it, or is there no reason to judge it? Then its time starts anew; also
 * where it has become less, for a step of devices' work under way counts as the guest's until it ends.
 */
static bool vcpu_hangs(struct vcpu *vcpu, uint64_t limit)
{
	uint64_t ran, waited;

	sched_times(&vcpu->thread, &ran, &waited);
	ran -= __atomic_load_n(&vcpu->device_ticks, __ATOMIC_RELAXED);
	if (vcpu->vm->fresh || vcpu->power != VCPU_ON || vcpu->thread.sleeps != vcpu->seen_sleeps ||
	    vcpu->vgic.injected != vcpu->seen_injected || ran < vcpu->seen_ran) {
		vcpu->seen_ran = ran;
		vcpu->seen_sleeps = vcpu->thread.sleeps;
		vcpu->seen_injected = vcpu->vgic.injected;
	}
	return ran - vcpu->seen_ran >= limit;
}

/* No vCPU is left that could switch another on. */
static bool all_off(struct vm *vm, uint64_t now, uint64_t limit)
{
	struct vcpu *v;
	bool off = true;

	vm_for_each_vcpu(v, vm)
		off = off && v->power == VCPU_OFF;
	if (!off || vm->fresh || vm->off_since == 0)
		vm->off_since = off ? now : 0;
	return off && now - vm->off_since >= limit;
}

static void look_for_hanging(struct timer *timer)
{
	struct vm *vm = container_of(timer, struct vm, watchdog);
	uint64_t now = timer_now(), limit = ticks_of(vm->config.watchdog_ms);
	struct vcpu *v, *hanging = NULL;
	bool off;

	timer_arm(timer, now + limit / LOOKS);
	if (vm->state != VM_RUNNING) {
		vm->fresh = true;
		return;
	}
	vm_for_each_vcpu(v, vm)
		if (vcpu_hangs(v, limit))
			hanging = v;
	off = all_off(vm, now, limit);
	vm->fresh = false;
	if (hanging)
		vmctl_crash(vm, hanging, "watchdog: neither sleeps nor takes interrupts");
	else if (off)
		vmctl_crash(vm, NULL, "watchdog: all vCPUs are off");
}

void watchdog_start(struct vm *vm)
{
	if (vm->config.watchdog_ms == 0)
		return;
	vm->watchdog.expired = look_for_hanging;
	vm->fresh = true;
	timer_arm(&vm->watchdog, timer_now() + ticks_of(vm->config.watchdog_ms) / LOOKS);
}

void watchdog_end(struct vm *vm)
{
	timer_drain(&vm->watchdog);
}
