/*
 * Exceptions into the current vCPU, as the hardware takes them to PL1 (DDI 0406C B1.9): the mode's LR and SPSR, the new
 * CPSR from SCTLR, PC from the vector base.
 */
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/vcpu.h"

#define VECTOR_UNDEF    0x04U
#define VECTOR_PREFETCH 0x0cU
#define VECTOR_DATA     0x10U

#define TTBCR_EAE BIT(31)

/* Synchronous external abort, not on a walk: FSR encodings of both table formats (B4.1.51, B4.1.96). ExT (bit 12): 0. */
#define FSR_EXTERNAL_SHORT 0x008U
#define FSR_EXTERNAL_LONG  0x210U

static void enter(uint32_t mode, uint32_t vector, uint32_t psr_set)
{
	uint32_t sctlr = read_sctlr(), psr = read_spsr_hyp();

	psr &= ~(PSR_MODE_MASK | PSR_IT_MASK | PSR_J | PSR_T | PSR_E);
	psr |= mode | PSR_I | psr_set;
	if (sctlr & SCTLR_TE)
		psr |= PSR_T;
	if (sctlr & SCTLR_EE)
		psr |= PSR_E;
	write_spsr_hyp(psr);
	write_elr_hyp((sctlr & SCTLR_V ? 0xffff0000U : read_vbar()) + vector);
}

/* LR_und: the next instruction, by the state it was in (Thumb +2, ARM +4). */
void inject_undef(struct vcpu *vcpu)
{
	uint32_t spsr = read_spsr_hyp();

	(void)vcpu;
	write_spsr_und(spsr);
	write_lr_und(read_elr_hyp() + (spsr & PSR_T ? 2U : 4U));
	enter(PSR_MODE_UND, VECTOR_UNDEF, 0);
}

static uint32_t external_fsr(void)
{
	return read_ttbcr() & TTBCR_EAE ? FSR_EXTERNAL_LONG : FSR_EXTERNAL_SHORT;
}

void inject_data_abort(struct vcpu *vcpu, uint32_t va)
{
	uint32_t write = read_hsr() & ISS_DABT_WNR ? BIT(11) : 0; /* DFSR.WnR */

	(void)vcpu;
	write_dfar(va);
	write_dfsr(external_fsr() | write);
	write_spsr_abt(read_spsr_hyp());
	write_lr_abt(read_elr_hyp() + 8U);
	enter(PSR_MODE_ABT, VECTOR_DATA, PSR_A);
}

void inject_prefetch_abort(struct vcpu *vcpu, uint32_t va)
{
	(void)vcpu;
	write_ifar(va);
	write_ifsr(external_fsr());
	write_spsr_abt(read_spsr_hyp());
	write_lr_abt(read_elr_hyp() + 4U);
	enter(PSR_MODE_ABT, VECTOR_PREFETCH, PSR_A);
}
