/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB maintenance: every operation of virt7's is one of these functions. Each begins with the DSB that lets walks see
 * the table entries written before, and those that are broadcast end when all CPUs have done it (DDI 0406C B3.10.1).
 */
#ifndef MM_TLB_H
#define MM_TLB_H

#include <stdbool.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"

/*
 * Cortex-A15 erratum 798181 (docs/errata.md): the DSB may end before another CPU has done the maintenance; one more
 * operation behind it, of any address, makes it wait. Set before a VM runs.
 */
extern bool tlb_repeat;

/* Behind a broadcast operation: all CPUs have done it. */
static inline void tlb_complete(void)
{
	dsb_ish();
	if (unlikely(tlb_repeat)) {
		write_tlbimvais(0);
		dsb_ish();
	}
	isb();
}

/* HYP's own: what is behind one address, or all of it. On all CPUs. */
static inline void tlb_forget_hyp(uint32_t va)
{
	dsb_ish();
	write_tlbimvahis(va);
	tlb_complete();
}

static inline void tlb_forget_hyp_all(void)
{
	dsb_ish();
	write_tlbiallhis(0);
	tlb_complete();
}

/*
 * A guest's, both stages, on all CPUs. There is no operation by IPA in ARMv7, and TLBIALLIS works on the current VMID,
 * so VTTBR is borrowed for it (B4.2.2). Meanwhile no walk starts from the tables of the guest that is loaded here: its
 * stage 1 is off.
 */
static inline void tlb_forget_guest(uint64_t vttbr)
{
	uint64_t current = read_vttbr();
	uint32_t sctlr = read_sctlr();

	dsb_ish();
	write_sctlr(SCTLR_RESET);
	isb();
	write_vttbr(vttbr);
	isb();
	write_tlbiallis(0);
	tlb_complete();
	write_vttbr(current);
	isb();
	write_sctlr(sctlr);
	isb();
}

/* On this CPU only: of the guest whose VMID is in VTTBR, or of all guests. No entry has been made invalid. */
static inline void tlb_forget_loaded_here(void)
{
	isb();
	write_tlbiall(0);
	dsb_ish();
}

static inline void tlb_forget_guests_here(void)
{
	isb();
	write_tlbiallnsnh(0);
	dsb();
	isb();
}

/* What a reset or a loader has left on this CPU: of PL1 in the current security state; of HYP and its guests. */
static inline void tlb_forget_old_pl1(void)
{
	write_tlbiall(0);
	dsb();
	isb();
}

/* HYP's own, on this CPU only: it goes over to other tables. */
static inline void tlb_forget_hyp_here(void)
{
	write_tlbiallh(0);
	dsb();
	isb();
}

static inline void tlb_forget_old_hyp(void)
{
	write_tlbiallh(0);
	tlb_forget_guests_here();
}

#endif
