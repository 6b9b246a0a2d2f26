/* SPDX-License-Identifier: BSD-2-Clause */
/* Instruction fetch, and what else HYP looks up, through the guest's own stage 1: ATS1CPR/ATS1CUR give the IPA (DDI
 * 0406C B4.2.4). */
#include <string.h>

#include <arm/barrier.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/exit/fetch.h"
#include "hyp/exit/mmio.h"
#include "hyp/vm/guestmem.h"
#include "hyp/arm/insn.h"
#include "hyp/vm/vcpu.h"

#define PAR_F BIT64(0)

/* Stage 1 only, at the guest's privilege. PAR is the guest's: put back. */
bool fetch_translate(uint32_t va, uint64_t *at)
{
	uint64_t saved = read_par_64(), par;

	if ((read_spsr_hyp() & PSR_MODE_MASK) == PSR_MODE_USR)
		write_ats1cur(va);
	else
		write_ats1cpr(va);
	isb();
	par = read_par_64();
	write_par_64(saved);
	if (par & PAR_F)
		return false;
	*at = (par & 0xfffffff000ULL) | (va & (PAGE_SIZE - 1U));
	return true;
}

/* Code runs in flash, too: what can be shown to the guest is memory, and its device reads it. */
static enum fetch_result read_device(struct vcpu *vcpu, uint64_t at, void *to, uint32_t len)
{
	struct mmio_access access = {.size = len};

	if (!mmio_show(vcpu, at) || mmio_access(vcpu, at, &access) != MMIO_DONE)
		return FETCH_BAD;
	memcpy(to, &access.value, len);
	return FETCH_OK;
}

static enum fetch_result read_code(struct vcpu *vcpu, uint32_t va, void *to, uint32_t len)
{
	uint64_t at;

	if (!fetch_translate(va, &at))
		return FETCH_AGAIN;
	return guest_read(vcpu->vm, ipa(at), to, len) ? read_device(vcpu, at, to, len) : FETCH_OK;
}

enum fetch_result fetch_insn(struct vcpu *vcpu, uint32_t pc, bool thumb, uint32_t *opcode)
{
	enum fetch_result result;
	uint16_t half[2];

	if (!thumb)
		return read_code(vcpu, pc, opcode, 4);
	result = read_code(vcpu, pc, &half[0], 2);
	if (result != FETCH_OK)
		return result;
	*opcode = half[0];
	if (insn_length(half[0], true) == 2)
		return FETCH_OK;
	result = read_code(vcpu, pc + 2, &half[1], 2); /* may lie in another page */
	*opcode = (uint32_t)half[0] << 16 | half[1];
	return result;
}
