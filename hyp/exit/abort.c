/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage-2 faults, but for the plain device access that hyp/exit/exit.c has done already. RAM is touched and the
 * instruction runs again; a device is emulated from the syndrome, or from the instruction where there is none; anything
 * else is the synchronous external abort that a bus with nothing there gives. Compiled for speed.
 */
#include <errno.h>

#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "hyp/exit/abort.h"
#include "hyp/exit/fetch.h"
#include "hyp/host/merrsr.h"
#include "hyp/arm/insn.h"
#include "hyp/exit/inject.h"
#include "hyp/exit/mmio.h"
#include "hyp/run/sched.h"
#include "hyp/vm/memfound.h"
#include "hyp/vm/vm.h"
#include "hyp/vm/vmctl.h"

/* HPFAR holds IPA[39:12] at [31:4] (B4.1.66). */
static uint64_t fault_ipa(uint32_t va)
{
	return (uint64_t)(read_hpfar() >> 4) << PAGE_SHIFT | (va & (PAGE_SIZE - 1U));
}

/* First touch. False: not this VM's RAM, or RAM that does not answer, of which the guest is told by its own syndrome.
 */
static bool touch_ram(struct vcpu *vcpu, uint32_t hsr, uint64_t at)
{
	int ret = vm_touch_in_turns(vcpu->vm, ipa(at));
	char why[64];

	if (ret == -ENOMEM) {
		log_format(why, sizeof(why), "virt7's heap is empty: no table for guest address 0x%llx",
			   (unsigned long long)at);
		vmctl_crash(vcpu->vm, vcpu, why);
	}
	if (ret)
		write_hsr(hsr); /* others may have trapped meanwhile */
	return ret == 0 || ret == -ENOMEM;
}

static uint32_t swap_bytes(uint32_t value, uint32_t size)
{
	return size == 4 ? __builtin_bswap32(value) : size == 2 ? __builtin_bswap16((uint16_t)value) : value;
}

/* One element of a load or store: what goes where. */
struct element {
	uint64_t at;   /* IPA */
	uint32_t size; /* bytes */
	unsigned int reg;
	uint32_t *word; /* instead of reg */
	bool write, sign;
};

static uint32_t value_out(const struct regs *regs, uint32_t spsr, const struct element *e)
{
	uint32_t value = e->word ? *e->word : regs_read(regs, spsr, e->reg);

	return spsr & PSR_E ? swap_bytes(value, e->size) : value;
}

static void value_in(struct regs *regs, uint32_t spsr, const struct element *e, uint32_t value)
{
	if (spsr & PSR_E)
		value = swap_bytes(value, e->size);
	if (e->sign)
		value = e->size == 1 ? (uint32_t)(int8_t)value : (uint32_t)(int16_t)value;
	if (e->word)
		*e->word = value;
	else
		regs_write(regs, spsr, e->reg, value);
}

/* False: no device answers. */
static bool transfer_element(struct vcpu *vcpu, struct regs *regs, const struct element *e)
{
	struct mmio_access access = {.size = e->size, .write = e->write};
	uint32_t spsr = read_spsr_hyp();

	if (e->write)
		access.value = value_out(regs, spsr, e);
	if (mmio_access(vcpu, e->at, &access) != MMIO_DONE)
		return false;
	if (!e->write)
		value_in(regs, spsr, e, access.value);
	return true;
}

struct insn_context {
	const struct regs *regs;
	uint32_t spsr;
};

static uint32_t trapped_read_reg(void *arg, unsigned int n)
{
	const struct insn_context *context = arg;

	return regs_read(context->regs, context->spsr, n);
}

/*
 * Between the registers and `words`, for a load the other way. The registers of VFP are in this CPU where the vCPU was
 * the last to use them (coproc/coproc.c); else in its context.
 */
static void move_words(struct vcpu *vcpu, struct regs *regs, const struct insn_access *insn, uint32_t *words)
{
	bool here = insn->vfp && this_cpu()->vfp_owner == vcpu;
	uint32_t spsr = read_spsr_hyp(), swapped = insn->vfp_double && spsr & PSR_E ? 1U : 0;

	if (here)
		vfp_save(&vcpu->vfp);
	for (uint32_t i = 0; i < insn->count; i++) {
		uint32_t *vfp = insn->vfp ? &vcpu->vfp.word[insn->vfp_first + (i ^ swapped)] : NULL;

		if (insn->write)
			words[i] = vfp ? *vfp : regs_read(regs, spsr, insn->reg[i]);
		else if (vfp)
			*vfp = words[i];
		else
			regs_write(regs, spsr, insn->reg[i], words[i]);
	}
	if (here && !insn->write)
		vfp_load(&vcpu->vfp);
}

/*
 * False: no device answers, or part of it is beyond the page `at` is in, which is not ours to guess. No register has
 * changed then: a load may have its own base among them, which an abort leaves as it was (B1.9.8). An access may take
 * as long as one exit may (an erase of flash), so others may have the CPU between two.
 */
static bool transfer_all(struct vcpu *vcpu, struct regs *regs, const struct insn_access *insn, uint64_t first,
			 uint64_t at)
{
	uint32_t words[INSN_ELEMENTS_MAX];

	if (insn->write)
		move_words(vcpu, regs, insn, words);
	for (uint32_t i = 0; i < insn->count; i++) {
		struct element e = {.at = first + i * insn->size,
				    .size = insn->size,
				    .word = &words[i],
				    .write = insn->write,
				    .sign = insn->sign_extend};

		if (i)
			sched_preempt();
		if ((e.at ^ at) & ~(PAGE_SIZE - 1ULL) || !transfer_element(vcpu, regs, &e))
			return false;
	}
	if (!insn->write)
		move_words(vcpu, regs, insn, words);
	return true;
}

/*
 * Without a syndrome: fetch and decode. Elements go in order; one that faults leaves the base register as it was. `va`
 * is the guest's, which HDFAR has no more where touch_ram() met memory that aborts.
 */
static enum exit_action emulate_insn(struct vcpu *vcpu, struct regs *regs, uint32_t hsr, uint32_t va, uint64_t at)
{
	uint32_t spsr = read_spsr_hyp(), opcode;
	struct insn_access insn;
	struct insn_context context = {regs, spsr};
	uint64_t first;

	switch (fetch_insn(vcpu, read_elr_hyp(), spsr & PSR_T, &opcode)) {
	case FETCH_OK:
		break;
	case FETCH_AGAIN: /* its page has gone since: the guest takes that fault itself */
		return EXIT_AGAIN;
	default:
		goto abort;
	}
	if (insn_decode(opcode, spsr & PSR_T, trapped_read_reg, &context, &insn))
		goto abort;
	/* Another vCPU has put a store where a load was, which the guest's own tables may not allow: let it run. */
	if (insn.write != !!(hsr & ISS_DABT_WNR))
		return EXIT_AGAIN;
	/* The fault may be any element's. */
	first = at - va + insn.va;
	if (!transfer_all(vcpu, regs, &insn, first, at))
		goto abort;
	if (insn.write_back >= 0)
		regs_write(regs, spsr, (unsigned int)insn.write_back, insn.write_back_value);
	write_elr_hyp(read_elr_hyp() + insn.length);
	if (spsr & PSR_IT_MASK)
		write_spsr_hyp(insn_advance_it(spsr));
	return EXIT_AGAIN;
abort:
	write_hsr(hsr); /* others may have trapped meanwhile, and the guest is told whether it was a store */
	inject_data_abort(vcpu, va);
	return EXIT_AGAIN;
}

/* By the syndrome (B3.13.6). */
static bool transfer_one(struct vcpu *vcpu, struct regs *regs, uint32_t hsr, uint64_t at)
{
	struct element e = {.at = at,
			    .size = 1U << ISS_DABT_SAS(hsr),
			    .reg = ISS_DABT_SRT(hsr),
			    .write = hsr & ISS_DABT_WNR,
			    .sign = hsr & ISS_DABT_SSE};

	return transfer_element(vcpu, regs, &e);
}

/* Cortex-A15 erratum 766422. */
static bool is_misreported(const struct vcpu *vcpu, uint32_t hsr)
{
	return unlikely(vcpu->decode_stores) && hsr & ISS_DABT_WNR && read_spsr_hyp() & PSR_T;
}

/*
 * Where the fault is. Of memory that may only be read it is a store's, with which HPFAR does not come (B4.1.66). False:
 * the guest's tables have changed since, and it takes that fault itself.
 */
static bool find_fault(uint32_t hsr, uint32_t va, uint64_t *at)
{
	if (FSC_TYPE(hsr) == FSC_PERMISSION && !(hsr & ISS_S1PTW))
		return fetch_translate(va, at);
	*at = fault_ipa(va);
	return true;
}

/* Memory that is there once it has been touched, or that its device shows; a walk only reads. */
static bool make_present(struct vcpu *vcpu, uint32_t hsr, uint64_t at)
{
	if (FSC_TYPE(hsr) != FSC_TRANSLATION)
		return false;
	if (at - vmcfg_ram_base(&vcpu->vm->config) < vcpu->vm->config.ram_size)
		return touch_ram(vcpu, hsr, at);
	return (!(hsr & ISS_DABT_WNR) || (hsr & ISS_S1PTW)) && mmio_show(vcpu, at);
}

/*
 * A page whose errors are asynchronous, by the operator's wish: the access is done, a load gets zeroes and a store is
 * lost, and the abort is pending. False: no such page, or an access that is no plain one, which aborts by itself.
 */
static bool abort_later(struct vcpu *vcpu, struct regs *regs, uint32_t hsr, uint64_t at)
{
	bool async = false;

	if (!s2_is_hole(&vcpu->vm->s2, ipa(at), &async) || !async || !(hsr & ISS_DABT_ISV))
		return false;
	if (!(hsr & ISS_DABT_WNR))
		regs_write(regs, read_spsr_hyp(), ISS_DABT_SRT(hsr), 0);
	vcpu_pend_abort(vcpu);
	return true;
}

/* virt7's own tables do not answer the hardware's walk (B3.13.3): this VM cannot go on, and only this one. */
static enum exit_action table_lost(struct vcpu *vcpu)
{
	vmctl_crash(vcpu->vm, vcpu, "external abort on a walk of its stage-2 tables: virt7's heap has bad memory");
	return EXIT_AGAIN;
}

/*
 * An external abort that comes to HYP though its cause is no walk, as where Secure software has it so. HPFAR means
 * nothing then (B4.1.66): what the guest's tables have for `va` is only looked at, and no device's registers are.
 */
static void suspect_page(struct vcpu *vcpu, uint32_t hsr, uint32_t va)
{
	uint64_t at;
	pa_t page;

	if ((ISS_FSC(hsr) & ~FSC_PARITY) == FSC_EXTERNAL && !(hsr & ISS_FNV) && fetch_translate(va, &at) &&
	    vm_ram_pa(vcpu->vm, ipa(at), &page))
		memerr_suspect(vcpu->vm, ipa(at));
}

static bool is_table_lost(uint32_t hsr)
{
	return (FSC_TYPE(hsr) & ~FSC_PARITY) == FSC_EXTERNAL_WALK;
}

enum exit_action abort_data(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	uint32_t va = read_hdfar();
	uint64_t at;

	if (FSC_TYPE(hsr) == FSC_TRANSLATION || FSC_TYPE(hsr) == FSC_PERMISSION) {
		if (!find_fault(hsr, va, &at) || make_present(vcpu, hsr, at))
			return EXIT_AGAIN;
		if (hsr & ISS_S1PTW) {
			inject_walk_abort(vcpu, va, ipa(align_down(at, PAGE_SIZE)), false);
			return EXIT_AGAIN;
		}
		if (abort_later(vcpu, regs, hsr, at))
			return EXIT_NEXT;
		/* Cache maintenance of an address without memory does nothing. */
		if (!(hsr & ISS_DABT_ISV) || is_misreported(vcpu, hsr))
			return hsr & ISS_DABT_CM ? EXIT_NEXT : emulate_insn(vcpu, regs, hsr, va, at);
		if (transfer_one(vcpu, regs, hsr, at))
			return EXIT_NEXT;
	} else if ((ISS_FSC(hsr) & ~FSC_PARITY) == FSC_ASYNC) {
		vcpu_pend_abort(vcpu); /* taken from this guest: its own, as others' are taken where they leave */
		merrsr_say();
		return EXIT_AGAIN;
	} else if (is_table_lost(hsr)) {
		return table_lost(vcpu);
	} else {
		suspect_page(vcpu, hsr, va);
	}
	inject_data_abort(vcpu, va);
	return EXIT_AGAIN;
}

enum exit_action abort_prefetch(struct vcpu *vcpu, struct regs *regs, uint32_t hsr)
{
	uint32_t va = read_hifar();
	uint64_t at = fault_ipa(va);

	if (FSC_TYPE(hsr) == FSC_TRANSLATION && (touch_ram(vcpu, hsr, at) || mmio_show(vcpu, at)))
		return EXIT_AGAIN;
	if (is_table_lost(hsr))
		return table_lost(vcpu);
	suspect_page(vcpu, hsr, va);
	if (hsr & ISS_S1PTW)
		inject_walk_abort(vcpu, va, ipa(align_down(at, PAGE_SIZE)), true);
	else
		inject_prefetch_abort(vcpu, va);
	return EXIT_AGAIN;
}
