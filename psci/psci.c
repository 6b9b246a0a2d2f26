/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest PSCI (DEN 0022): one row a function. The caller's r1-r3 are untouched, as SMCCC 1.1 has it.
 * Compiled for speed.
 */
#include "coproc/model.h"
#include "hyp/lib/bits.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "psci/psci.h"
#include "psci/smccc.h"

struct row {
	uint32_t id;
	uint32_t (*call)(struct vcpu *vcpu, const struct regs *regs);
};

static uint32_t psci_version(struct vcpu *vcpu, const struct regs *regs)
{
	return PSCI_VERSION_1_1;
}

static uint32_t smccc_version(struct vcpu *vcpu, const struct regs *regs)
{
	return SMCCC_VERSION_1_1;
}

/* Any power state that fits the original format; state ids and power levels make no difference here. */
static uint32_t cpu_suspend(struct vcpu *vcpu, const struct regs *regs)
{
	if (regs->r[1] & ~0x0301ffffU)
		return PSCI_INVALID_PARAMETERS;
	if (regs->r[1] & PSCI_POWER_DOWN)
		return vmctl_cpu_suspend(vcpu, regs->r[2], regs->r[3]);
	vmctl_standby(vcpu);
	return PSCI_SUCCESS;
}

static uint32_t system_suspend(struct vcpu *vcpu, const struct regs *regs)
{
	return vmctl_system_suspend(vcpu, regs->r[1], regs->r[2]);
}

/* Warm reset is the only architectural type; vendor types have bit 31 set (DEN 0022 5.13). */
static uint32_t system_reset2(struct vcpu *vcpu, const struct regs *regs)
{
	if (regs->r[1] & BIT(31))
		return PSCI_NOT_SUPPORTED;
	if (regs->r[1] != 0)
		return PSCI_INVALID_PARAMETERS;
	vmctl_request(vcpu->vm, VM_REQUEST_RESET);
	return PSCI_SUCCESS;
}

static uint32_t system_off(struct vcpu *vcpu, const struct regs *regs)
{
	vmctl_request(vcpu->vm, VM_REQUEST_OFF);
	return PSCI_SUCCESS;
}

static uint32_t system_reset(struct vcpu *vcpu, const struct regs *regs)
{
	vmctl_request(vcpu->vm, VM_REQUEST_RESET);
	return PSCI_SUCCESS;
}

static uint32_t cpu_on(struct vcpu *vcpu, const struct regs *regs)
{
	return vmctl_cpu_on(vcpu->vm, regs->r[1], regs->r[2], regs->r[3]);
}

static uint32_t cpu_off(struct vcpu *vcpu, const struct regs *regs)
{
	vmctl_cpu_off(vcpu);
	return PSCI_DENIED; /* seen by nobody: the vCPU stops at the checkpoint */
}

static uint32_t affinity_info(struct vcpu *vcpu, const struct regs *regs)
{
	return vmctl_affinity_info(vcpu->vm, regs->r[1], regs->r[2]);
}

static uint32_t migrate_info_type(struct vcpu *vcpu, const struct regs *regs)
{
	return PSCI_MIGRATE_NOT_PRESENT;
}

static uint32_t psci_features(struct vcpu *vcpu, const struct regs *regs);

/* WORKAROUND_1 and 3 are what virt7 does itself between two VMs; the guest may ask for it too (DEN 0070A). */
static uint32_t apply_workaround(struct vcpu *vcpu, const struct regs *regs)
{
	if (this_cpu()->harden)
		this_cpu()->harden();
	return this_cpu()->harden ? SMCCC_SUCCESS : PSCI_NOT_SUPPORTED;
}

static uint32_t arch_features(struct vcpu *vcpu, const struct regs *regs)
{
	switch (regs->r[1]) {
	case SMCCC_VERSION:
	case SMCCC_ARCH_FEATURES:
		return SMCCC_SUCCESS;
	case SMCCC_ARCH_WORKAROUND_1:
	case SMCCC_ARCH_WORKAROUND_2:
	case SMCCC_ARCH_WORKAROUND_3:
		return model_workaround(vcpu->coproc.model, regs->r[1]);
	default:
		return PSCI_NOT_SUPPORTED;
	}
}

static const struct row rows[] = {
	{SMCCC_VERSION, smccc_version},
	{SMCCC_ARCH_FEATURES, arch_features},
	{SMCCC_ARCH_WORKAROUND_1, apply_workaround},
	{SMCCC_ARCH_WORKAROUND_3, apply_workaround},
	{PSCI_VERSION, psci_version},
	{PSCI_CPU_SUSPEND, cpu_suspend},
	{PSCI_CPU_OFF, cpu_off},
	{PSCI_CPU_ON, cpu_on},
	{PSCI_AFFINITY_INFO, affinity_info},
	{PSCI_MIGRATE_INFO_TYPE, migrate_info_type},
	{PSCI_SYSTEM_OFF, system_off},
	{PSCI_SYSTEM_RESET, system_reset},
	{PSCI_FEATURES, psci_features},
	{PSCI_SYSTEM_SUSPEND, system_suspend},
	{PSCI_SYSTEM_RESET2, system_reset2},
};

static const struct row *find_call(uint32_t id)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].id == id)
			return &rows[i];
	return NULL;
}

/* PSCI_FEATURES is asked about PSCI's own functions and SMCCC_VERSION (DEN 0022, 5.15). */
static uint32_t psci_features(struct vcpu *vcpu, const struct regs *regs)
{
	uint32_t id = regs->r[1];

	return find_call(id) && (id == SMCCC_VERSION || id >= PSCI_VERSION) ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

static void __attribute__((noinline)) call_by_id(struct vcpu *vcpu, struct regs *regs)
{
	const struct row *row = find_call(regs->r[0]);

	regs->r[0] = row ? row->call(vcpu, regs) : PSCI_NOT_SUPPORTED;
}

enum exit_action psci_hvc(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	if (likely(regs->r[0] == PSCI_VERSION))
		regs->r[0] = PSCI_VERSION_1_1; /* the call that benchmarks count */
	else
		call_by_id(vcpu, regs);
	return EXIT_AGAIN; /* ELR_hyp is behind an HVC already (B1.9.3) */
}

enum exit_action psci_smc(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	call_by_id(vcpu, regs);
	return EXIT_NEXT; /* a trapped SMC is still to be skipped */
}
