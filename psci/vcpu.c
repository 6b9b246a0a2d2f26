/* SPDX-License-Identifier: BSD-2-Clause */
/* See vcpu.h. A vCPU's power is under vm->lock. Compiled for speed. */
#include <arm/atomic.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "psci/smccc.h"
#include "psci/vcpu.h"

/*
 * The vCPU of affinity `target`, which is below vm->vcpu_count. Where the processor only guesses that it is, the place
 * is still one of the array.
 */
static struct vcpu *vcpu_by_affinity(const struct vm *vm, uint32_t target)
{
	static_assert((MACHINE_MAX_CPUS & (MACHINE_MAX_CPUS - 1U)) == 0, "the remainder is a mask");
	return vm->vcpu[target % MACHINE_MAX_CPUS];
}

static bool is_valid_entry(const struct vm *vm, uint32_t entry)
{
	pa_t unused;

	return vm_ram_pa(vm, ipa(entry & ~1U), &unused);
}

uint32_t psci_affinity_info(struct vcpu *caller, uint32_t target, uint32_t level, uint32_t c)
{
	if (unlikely(level != 0))
		return PSCI_INVALID_PARAMETERS;
	if (unlikely(target >= caller->vm->vcpu_count))
		return PSCI_INVALID_PARAMETERS;
	return vcpu_by_affinity(caller->vm, target)->power == VCPU_OFF ? PSCI_AFFINITY_OFF : PSCI_AFFINITY_ON;
}

uint32_t psci_cpu_on(struct vcpu *caller, uint32_t target, uint32_t entry, uint32_t context)
{
	struct vm *vm = caller->vm;
	uint32_t result = PSCI_ALREADY_ON;
	struct vcpu *vcpu;

	if (target >= vm->vcpu_count)
		return PSCI_INVALID_PARAMETERS;
	if (!is_valid_entry(vm, entry))
		return PSCI_INVALID_ADDRESS;
	vcpu = vcpu_by_affinity(vm, target);
	spin_lock(&vm->lock);
	if (vcpu->power == VCPU_OFF) {
		vmctl_set_entry(vcpu, entry, context, 0, 0);
		vcpu->entry_psr_e = read_spsr_hyp() & PSR_E; /* the caller's, DEN 0022 6.4 */
		result = PSCI_SUCCESS;
	}
	spin_unlock(&vm->lock);
	if (result == PSCI_SUCCESS)
		sched_wake(&vcpu->thread);
	return result;
}

uint32_t psci_cpu_off(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c)
{
	vtimer_reset_cpu(vcpu);
	vgic_reset_cpu(vcpu, false);
	spin_lock(&vcpu->vm->lock);
	vcpu->power = VCPU_OFF;
	spin_unlock(&vcpu->vm->lock);
	atomic_clear(&vcpu->vm->uncached, BIT(vcpu->index));
	vcpu_request(vcpu, WORK_STOP);
	return PSCI_DENIED; /* the guest does not see it: the vCPU stops at the checkpoint */
}

/* Power down with a wake-up: the checkpoint holds the vCPU until an interrupt is pending, then starts it at `entry`. */
static uint32_t power_down(struct vcpu *vcpu, uint32_t entry, uint32_t context, bool system)
{
	if (!is_valid_entry(vcpu->vm, entry))
		return PSCI_INVALID_ADDRESS;
	spin_lock(&vcpu->vm->lock);
	vmctl_set_entry(vcpu, entry, context, 0, 0);
	vcpu->entry_psr_e = read_spsr_hyp() & PSR_E;
	vcpu->power = VCPU_SUSPENDED;
	vcpu->start = START_RESUME;
	vcpu->vm->suspended = system;
	spin_unlock(&vcpu->vm->lock);
	vcpu_request(vcpu, WORK_STOP);
	return PSCI_SUCCESS; /* the guest does not see it */
}

/* Any power state that fits the original format; state ids and power levels make no difference here. */
uint32_t psci_cpu_suspend(struct vcpu *vcpu, uint32_t power_state, uint32_t entry, uint32_t context)
{
	if (power_state & ~0x0301ffffU)
		return PSCI_INVALID_PARAMETERS;
	if (power_state & PSCI_POWER_DOWN)
		return power_down(vcpu, entry, context, false);
	psci_standby(vcpu);
	return PSCI_SUCCESS;
}

uint32_t psci_system_suspend(struct vcpu *vcpu, uint32_t entry, uint32_t context, uint32_t c)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vcpu->vm)
		if (v != vcpu && v->power != VCPU_OFF)
			return PSCI_DENIED;
	return power_down(vcpu, entry, context, true);
}
