/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest PSCI (DEN 0022) and SMCCC (DEN 0028): which functions there are. The caller's r1-r3 are untouched, as SMCCC 1.1
 * has it. Compiled for speed.
 */
#include <assert.h>

#include "coproc/model.h"
#include "hyp/lib/bits.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"
#include "psci/calls.h"
#include "psci/psci.h"
#include "psci/smccc.h"
#include "psci/vcpu.h"

static uint32_t psci_version(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c)
{
	return PSCI_VERSION_1_1;
}

static uint32_t smccc_version(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c)
{
	return SMCCC_VERSION_1_1;
}

/* Warm reset is the only architectural type; vendor types have bit 31 set (DEN 0022 5.13). */
static uint32_t system_reset2(struct vcpu *vcpu, uint32_t type, uint32_t b, uint32_t c)
{
	if (type & BIT(31))
		return PSCI_NOT_SUPPORTED;
	if (type != 0)
		return PSCI_INVALID_PARAMETERS;
	vmctl_request(vcpu->vm, VM_REQUEST_RESET);
	return PSCI_SUCCESS;
}

static uint32_t system_off(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c)
{
	vmctl_request(vcpu->vm, VM_REQUEST_OFF);
	return PSCI_SUCCESS;
}

static uint32_t system_reset(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c)
{
	vmctl_request(vcpu->vm, VM_REQUEST_RESET);
	return PSCI_SUCCESS;
}

static uint32_t migrate_info_type(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c)
{
	return PSCI_MIGRATE_NOT_PRESENT;
}

/* WORKAROUND_1 and 3 are what virt7 does itself between two VMs; the guest may ask for it too (DEN 0070A). */
static uint32_t apply_workaround(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c)
{
	if (this_cpu()->harden)
		this_cpu()->harden();
	return this_cpu()->harden ? SMCCC_SUCCESS : PSCI_NOT_SUPPORTED;
}

static uint32_t arch_features(struct vcpu *vcpu, uint32_t id, uint32_t b, uint32_t c)
{
	switch (id) {
	case SMCCC_VERSION:
	case SMCCC_ARCH_FEATURES:
		return SMCCC_SUCCESS;
	case SMCCC_ARCH_WORKAROUND_1:
	case SMCCC_ARCH_WORKAROUND_2:
	case SMCCC_ARCH_WORKAROUND_3:
		return model_workaround(vcpu->coproc.model, id);
	default:
		return PSCI_NOT_SUPPORTED;
	}
}

static uint32_t no_call(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c)
{
	return PSCI_NOT_SUPPORTED;
}

static uint32_t psci_features(struct vcpu *vcpu, uint32_t id, uint32_t b, uint32_t c);

#define PSCI_CALLS(_)                                \
	_(PSCI_VERSION, psci_version)                \
	_(PSCI_CPU_SUSPEND, psci_cpu_suspend)        \
	_(PSCI_CPU_OFF, psci_cpu_off)                \
	_(PSCI_CPU_ON, psci_cpu_on)                  \
	_(PSCI_AFFINITY_INFO, psci_affinity_info)    \
	_(PSCI_MIGRATE_INFO_TYPE, migrate_info_type) \
	_(PSCI_SYSTEM_OFF, system_off)               \
	_(PSCI_SYSTEM_RESET, system_reset)           \
	_(PSCI_FEATURES, psci_features)              \
	_(PSCI_SYSTEM_SUSPEND, psci_system_suspend)  \
	_(PSCI_SYSTEM_RESET2, system_reset2)
#define SMCCC_CALLS(_)                               \
	_(SMCCC_VERSION, smccc_version)              \
	_(SMCCC_ARCH_FEATURES, arch_features)        \
	_(SMCCC_ARCH_WORKAROUND_1, apply_workaround) \
	_(SMCCC_ARCH_WORKAROUND_3, apply_workaround)

/* Of its own size and aligned to it, so that the vectors put a place into its address. */
#define ROW(number, function) [PSCI_PLACE(number)] = {.id = (number), .call = (function)},
const struct psci_call __attribute__((aligned(sizeof(psci_calls))))
psci_calls[PSCI_PLACES] = {[0 ... PSCI_PLACES - 1] = {.id = ~0U, .call = no_call}, PSCI_CALLS(ROW) SMCCC_CALLS(ROW)};

#define ADD(number, function) +BIT(PSCI_PLACE(number))
#define OR(number, function)  | BIT(PSCI_PLACE(number))
static_assert((0U PSCI_CALLS(ADD) SMCCC_CALLS(ADD)) == (0U PSCI_CALLS(OR) SMCCC_CALLS(OR)), "one place each");
static_assert(sizeof(struct psci_call) == 1U << PSCI_CALL_BITS || sizeof(void *) > 4, "the vectors count so");

/* Bit n: PSCI has no function n. */
#define KNOWN(number, function) | BIT((number)-PSCI_VERSION)
static const uint32_t psci_lacks = ~(0U PSCI_CALLS(KNOWN));

/* PSCI_FEATURES is asked about PSCI's own functions and SMCCC_VERSION (DEN 0022, 5.15). */
static uint32_t psci_features(struct vcpu *vcpu, uint32_t id, uint32_t b, uint32_t c)
{
	uint32_t number = id - PSCI_VERSION;

	if (unlikely(number >= 32U))
		return id == SMCCC_VERSION ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
	return -(psci_lacks >> number & 1U); /* PSCI_SUCCESS, PSCI_NOT_SUPPORTED */
}

static void call_by_id(struct vcpu *vcpu, struct regs *regs)
{
	const struct psci_call *row = &psci_calls[PSCI_PLACE(regs->r[0])];

	regs->r[0] = row->id == regs->r[0] ? row->call(vcpu, regs->r[1], regs->r[2], regs->r[3]) : PSCI_NOT_SUPPORTED;
}

enum exit_action psci_hvc(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	call_by_id(vcpu, regs);
	return EXIT_AGAIN; /* ELR_hyp is behind an HVC already (B1.9.3) */
}

enum exit_action psci_smc(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	call_by_id(vcpu, regs);
	return EXIT_NEXT; /* a trapped SMC is still to be skipped */
}
