/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions into the current vCPU, as the hardware takes them to PL1 (DDI 0406C B1.9): the mode's LR and SPSR, the new
 * CPSR from SCTLR, PC from the vector base.
 */
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/vm/crash.h"
#include "hyp/vm/guestmem.h"
#include "hyp/exit/inject.h"
#include "hyp/vm/vm.h"

#define ABORTS_HINT 1000U /* at one PC, none elsewhere in between: what a guest without vectors does */

#define VECTOR_UNDEF    0x04U
#define VECTOR_PREFETCH 0x0cU
#define VECTOR_DATA     0x10U

#define TTBCR_EAE BIT(31)

/* Synchronous external abort, not on a walk: FSR encodings of both table formats (B4.1.51, B4.1.96). ExT (bit 12): 0.
 */
#define FSR_EXTERNAL_SHORT 0x008U
#define FSR_EXTERNAL_LONG  0x210U
#define FSR_WALK_SHORT_1   0x00cU
#define FSR_WALK_SHORT_2   0x00eU
#define FSR_WALK_LONG      0x214U /* plus the level */
#define FSR_WNR            BIT(11)

static void enter_exception(uint32_t mode, uint32_t vector, uint32_t psr_set)
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

	write_spsr_und(spsr);
	write_lr_und(read_elr_hyp() + (spsr & PSR_T ? 2U : 4U));
	enter_exception(PSR_MODE_UND, VECTOR_UNDEF, 0);
}

static uint32_t external_fsr(void)
{
	return read_ttbcr() & TTBCR_EAE ? FSR_EXTERNAL_LONG : FSR_EXTERNAL_SHORT;
}

static void count_abort(struct vcpu *vcpu)
{
	uint32_t pc = read_elr_hyp();

	vcpu->aborts = pc == vcpu->abort_pc ? vcpu->aborts + 1U : 0;
	vcpu->abort_pc = pc;
	if (unlikely(vcpu->aborts == ABORTS_HINT))
		crash_hint_aborts(vcpu, pc);
}

static void data_abort(struct vcpu *vcpu, uint32_t va, uint32_t fsr)
{
	count_abort(vcpu);
	write_dfar(va);
	write_dfsr(fsr | (read_hsr() & ISS_DABT_WNR ? FSR_WNR : 0));
	write_spsr_abt(read_spsr_hyp());
	write_lr_abt(read_elr_hyp() + 8U);
	enter_exception(PSR_MODE_ABT, VECTOR_DATA, PSR_A);
}

static void prefetch_abort(struct vcpu *vcpu, uint32_t va, uint32_t fsr)
{
	count_abort(vcpu);
	write_ifar(va);
	write_ifsr(fsr);
	write_spsr_abt(read_spsr_hyp());
	write_lr_abt(read_elr_hyp() + 4U);
	enter_exception(PSR_MODE_ABT, VECTOR_PREFETCH, PSR_A);
}

void inject_data_abort(struct vcpu *vcpu, uint32_t va)
{
	data_abort(vcpu, va, external_fsr());
}

void inject_prefetch_abort(struct vcpu *vcpu, uint32_t va)
{
	prefetch_abort(vcpu, va, external_fsr());
}

/* Short descriptors (B3.5): level 1 lies at TTBR0 or TTBR1, up to 16 KiB; anything else is level 2. */
static uint32_t short_level(uint64_t table)
{
	uint32_t n = FIELD(read_ttbcr(), 0, 3), size = 16384U >> n;
	uint64_t base0 = read_ttbr0() & ~(size - 1U), base1 = read_ttbr1() & ~16383U;

	return ranges_overlap(table, PAGE_SIZE, base0, size) || (n && ranges_overlap(table, PAGE_SIZE, base1, 16384))
		       ? 1
		       : 2;
}

/*
 * Long descriptors (B3.6): follow the walk as far as its pages show. A table of level 1 has 4 entries, or 2 where a bit
 * of the address says which of the two tables it is.
 */
static uint32_t long_level(struct vcpu *vcpu, uint32_t va, uint64_t table)
{
	uint32_t ttbcr = read_ttbcr(), t0sz = FIELD(ttbcr, 0, 3), t1sz = FIELD(ttbcr, 16, 3);
	bool high = (t1sz && va >> (32 - t1sz) == BIT(t1sz) - 1U) || (!t1sz && t0sz && va >> (32 - t0sz) != 0);
	uint32_t size = high ? t1sz : t0sz, start = size > 1 ? 2 : 1;
	uint64_t ttbr = high ? read_ttbr1_64() : read_ttbr0_64(), entry;
	uint64_t base = align_down(ttbr & (BIT64(ADDR_BITS) - 1U), size ? 16U : 32U);

	if (align_down(base, PAGE_SIZE) == table)
		return start;
	if (start == 2)
		return 3;
	if (guest_read(vcpu->vm, ipa(base + (va << size >> size >> 30) * 8U), &entry, sizeof(entry)))
		return 2;
	return (entry & DESC_ADDR_MASK) == table ? 2 : 3;
}

void inject_walk_abort(struct vcpu *vcpu, uint32_t va, ipa_t table, bool prefetch)
{
	uint32_t fsr;

	if (read_ttbcr() & TTBCR_EAE)
		fsr = FSR_WALK_LONG | long_level(vcpu, va, table.v);
	else
		fsr = short_level(table.v) == 1 ? FSR_WALK_SHORT_1 : FSR_WALK_SHORT_2;
	if (prefetch)
		prefetch_abort(vcpu, va, fsr);
	else
		data_abort(vcpu, va, fsr);
}
