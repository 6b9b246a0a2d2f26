/*
 * Stage-2 faults. RAM is touched and the instruction runs again; a device is emulated from the syndrome, or from the
 * instruction where there is none; anything else is the synchronous external abort that a bus with nothing there gives.
 */
#include <errno.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/abort.h"
#include "hyp/fetch.h"
#include "hyp/insn.h"
#include "hyp/mmio.h"
#include "hyp/vm.h"
#include "hyp/vmctl.h"

/* HPFAR holds IPA[39:12] at [31:4] (B4.1.66). */
static uint64_t fault_ipa(uint32_t va)
{
	return (uint64_t)(read_hpfar() >> 4) << PAGE_SHIFT | (va & (PAGE_SIZE - 1U));
}

/* First touch. False: not this VM's RAM. */
static bool touch(struct vcpu *vcpu, uint64_t at)
{
	int ret = vm_touch(vcpu->vm, ipa(at));

	if (ret == -ENOMEM)
		vmctl_crash(vcpu->vm, "virt7's heap is empty: no table for guest address", at);
	return ret != -EFAULT;
}

static uint32_t swap(uint32_t value, uint32_t size)
{
	return size == 4 ? __builtin_bswap32(value) : size == 2 ? __builtin_bswap16((uint16_t)value) : value;
}

/* One element of a load or store that the bus serves. */
static enum mmio_result transfer(struct vcpu *vcpu, struct regs *regs, uint64_t at, uint32_t size, bool write,
				 bool sign, unsigned int reg)
{
	struct mmio_access access = {.size = size, .write = write};
	uint32_t spsr = 0;
	enum mmio_result result;

	if (unlikely(reg > 12) || unlikely(read_spsr_hyp() & PSR_E) ||
	    unlikely((read_spsr_hyp() & PSR_MODE_MASK) == PSR_MODE_FIQ))
		spsr = read_spsr_hyp();
	if (write) {
		access.value = spsr ? regs_read(regs, spsr, reg) : regs->r[reg];
		if (spsr & PSR_E)
			access.value = swap(access.value, size);
		if (size < 4)
			access.value &= BIT(8U * size) - 1U;
	}
	result = mmio_access(vcpu, at, &access);
	if (result != MMIO_DONE || write)
		return result;
	if (spsr & PSR_E)
		access.value = swap(access.value, size);
	if (sign)
		access.value = size == 1 ? (uint32_t)(int8_t)access.value : (uint32_t)(int16_t)access.value;
	if (spsr)
		regs_write(regs, spsr, reg, access.value);
	else
		regs->r[reg] = access.value;
	return result;
}

struct insn_context {
	const struct regs *regs;
	uint32_t spsr;
};

static uint32_t read_reg(void *arg, unsigned int n)
{
	const struct insn_context *context = arg;

	return regs_read(context->regs, context->spsr, n);
}

/* Without a syndrome: fetch and decode. Elements go in order; one that faults leaves the base register as it was. */
static enum exit_action emulate(struct vcpu *vcpu, struct regs *regs, uint32_t va, uint64_t at)
{
	uint32_t spsr = read_spsr_hyp(), opcode;
	struct insn_access insn;
	struct insn_context context = {regs, spsr};

	switch (fetch_insn(vcpu, read_elr_hyp(), spsr & PSR_T, &opcode)) {
	case FETCH_OK:
		break;
	case FETCH_AGAIN: /* its page has gone since: the guest takes that fault itself */
		return EXIT_AGAIN;
	default:
		goto abort;
	}
	if (insn_decode(opcode, spsr & PSR_T, read_reg, &context, &insn))
		goto abort;
	for (uint32_t i = 0; i < insn.count; i++) {
		uint32_t element = insn.va + i * insn.size;

		/* The fault may be any element's; all of them lie in its page, or the rest is not ours to guess. */
		if ((element ^ va) & ~(PAGE_SIZE - 1U))
			goto abort;
		if (transfer(vcpu, regs, at - va + element, insn.size, insn.write, insn.sign_extend, insn.reg[i]) !=
		    MMIO_DONE)
			goto abort;
	}
	if (insn.write_back >= 0)
		regs_write(regs, spsr, (unsigned int)insn.write_back, insn.write_back_value);
	write_elr_hyp(read_elr_hyp() + insn.length);
	if (spsr & PSR_IT_MASK)
		write_spsr_hyp(insn_advance_it(spsr));
	return EXIT_AGAIN;
abort:
	inject_data_abort(vcpu, va);
	return EXIT_AGAIN;
}

enum exit_action abort_data(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	uint32_t va = read_hdfar();
	uint64_t at = fault_ipa(va);
	enum mmio_result result;

	if (likely(FSC_TYPE(hsr) == FSC_TRANSLATION) && likely(hsr & ISS_DABT_ISV)) {
		const struct mmio_region *region = vcpu->mmio_hint;

		if (unlikely(at - region->base >= region->size) && touch(vcpu, at))
			return EXIT_AGAIN;
		result = transfer(vcpu, regs, at, 1U << ISS_DABT_SAS(hsr), hsr & ISS_DABT_WNR, hsr & ISS_DABT_SSE,
				  ISS_DABT_SRT(hsr));
		if (likely(result == MMIO_DONE))
			return EXIT_NEXT;
		if (result == MMIO_RETRY)
			return EXIT_AGAIN;
	} else if (FSC_TYPE(hsr) == FSC_TRANSLATION) {
		if (touch(vcpu, at))
			return EXIT_AGAIN;
		if (hsr & ISS_S1PTW) {
			inject_walk_abort(vcpu, va, ipa(align_down(at, PAGE_SIZE)), false);
			return EXIT_AGAIN;
		}
		if (hsr & ISS_DABT_CM)
			return EXIT_NEXT; /* maintenance of an address without memory */
		return emulate(vcpu, regs, va, at);
	} else if (ISS_FSC(hsr) == FSC_ASYNC) {
		write_hcr(read_hcr() | HCR_VA); /* taken from this guest: its own, when it unmasks them (B1.9.12) */
		return EXIT_AGAIN;
	}
	inject_data_abort(vcpu, va);
	return EXIT_AGAIN;
}

enum exit_action abort_prefetch(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	uint32_t va = read_hifar();
	uint64_t at = fault_ipa(va);

	(void)regs;
	if (FSC_TYPE(hsr) == FSC_TRANSLATION && touch(vcpu, at))
		return EXIT_AGAIN;
	if (hsr & ISS_S1PTW)
		inject_walk_abort(vcpu, va, ipa(align_down(at, PAGE_SIZE)), true);
	else
		inject_prefetch_abort(vcpu, va);
	return EXIT_AGAIN;
}
