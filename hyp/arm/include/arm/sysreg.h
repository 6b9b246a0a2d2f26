/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coprocessor and special registers: one typed accessor each way, named by the register. The host build replaces this
 * file by tests/unit/fake/arm/sysreg.h. Encodings: DDI 0406C B3.17, B4.1, B8.1.
 */
#ifndef ARM_SYSREG_H
#define ARM_SYSREG_H

#include <stdbool.h>
#include <stdint.h>

#define CP15_READ32(name, opc1, crn, crm, opc2)                                                              \
	static inline uint32_t read_##name(void)                                                             \
	{                                                                                                    \
		uint32_t v_;                                                                                 \
		__asm__ volatile("mrc p15, " #opc1 ", %0, " #crn ", " #crm ", " #opc2 : "=r"(v_)::"memory"); \
		return v_;                                                                                   \
	}
#define CP15_WRITE32(name, opc1, crn, crm, opc2)                                                             \
	static inline void write_##name(uint32_t v_)                                                         \
	{                                                                                                    \
		__asm__ volatile("mcr p15, " #opc1 ", %0, " #crn ", " #crm ", " #opc2 ::"r"(v_) : "memory"); \
	}
#define CP15_RW32(name, opc1, crn, crm, opc2)   \
	CP15_READ32(name, opc1, crn, crm, opc2) \
	CP15_WRITE32(name, opc1, crn, crm, opc2)
#define CP15_READ64(name, opc1, crm)                                                           \
	static inline uint64_t read_##name(void)                                               \
	{                                                                                      \
		uint64_t v_;                                                                   \
		__asm__ volatile("mrrc p15, " #opc1 ", %Q0, %R0, " #crm : "=r"(v_)::"memory"); \
		return v_;                                                                     \
	}
#define CP15_RW64(name, opc1, crm)                                                             \
	CP15_READ64(name, opc1, crm)                                                           \
	static inline void write_##name(uint64_t v_)                                           \
	{                                                                                      \
		__asm__ volatile("mcrr p15, " #opc1 ", %Q0, %R0, " #crm ::"r"(v_) : "memory"); \
	}
#define CP14_RW32(name, opc1, crn, crm, opc2)                                                                \
	static inline uint32_t read_##name(void)                                                             \
	{                                                                                                    \
		uint32_t v_;                                                                                 \
		__asm__ volatile("mrc p14, " #opc1 ", %0, " #crn ", " #crm ", " #opc2 : "=r"(v_)::"memory"); \
		return v_;                                                                                   \
	}                                                                                                    \
	static inline void write_##name(uint32_t v_)                                                         \
	{                                                                                                    \
		__asm__ volatile("mcr p14, " #opc1 ", %0, " #crn ", " #crm ", " #opc2 ::"r"(v_) : "memory"); \
	}
#define SPECIAL_RW(name, reg) SPECIAL_RW2(name, reg, reg)
#define SPECIAL_RW2(name, reg, write_reg)                                        \
	static inline uint32_t read_##name(void)                                 \
	{                                                                        \
		uint32_t v_;                                                     \
		__asm__ volatile("mrs %0, " #reg : "=r"(v_)::"memory");          \
		return v_;                                                       \
	}                                                                        \
	static inline void write_##name(uint32_t v_)                             \
	{                                                                        \
		__asm__ volatile("msr " #write_reg ", %0" ::"r"(v_) : "memory"); \
	}

/* Identification */
CP15_READ32(midr, 0, c0, c0, 0)
CP15_READ32(ctr, 0, c0, c0, 1)
CP15_READ32(tcmtr, 0, c0, c0, 2)
CP15_READ32(tlbtr, 0, c0, c0, 3)
CP15_READ32(mpidr, 0, c0, c0, 5)
CP15_READ32(revidr, 0, c0, c0, 6)
CP15_READ32(id_pfr0, 0, c0, c1, 0)
CP15_READ32(id_pfr1, 0, c0, c1, 1)
CP15_READ32(id_dfr0, 0, c0, c1, 2)
CP15_READ32(id_afr0, 0, c0, c1, 3)
CP15_READ32(id_mmfr0, 0, c0, c1, 4)
CP15_READ32(id_mmfr1, 0, c0, c1, 5)
CP15_READ32(id_mmfr2, 0, c0, c1, 6)
CP15_READ32(id_mmfr3, 0, c0, c1, 7)
CP15_READ32(id_isar0, 0, c0, c2, 0)
CP15_READ32(id_isar1, 0, c0, c2, 1)
CP15_READ32(id_isar2, 0, c0, c2, 2)
CP15_READ32(id_isar3, 0, c0, c2, 3)
CP15_READ32(id_isar4, 0, c0, c2, 4)
CP15_READ32(id_isar5, 0, c0, c2, 5)
CP15_READ32(ccsidr, 1, c0, c0, 0)
CP15_READ32(clidr, 1, c0, c0, 1)
CP15_READ32(aidr, 1, c0, c0, 7)
CP15_RW32(csselr, 2, c0, c0, 0)
CP15_RW32(vpidr, 4, c0, c0, 0)
CP15_RW32(vmpidr, 4, c0, c0, 5)

/* PL1 system control and memory: the guest's */
CP15_RW32(sctlr, 0, c1, c0, 0)
CP15_RW32(actlr, 0, c1, c0, 1)
CP15_RW32(cpacr, 0, c1, c0, 2)
CP15_RW32(ttbr0, 0, c2, c0, 0)
CP15_RW32(ttbr1, 0, c2, c0, 1)
CP15_RW64(ttbr0_64, 0, c2)
CP15_RW64(ttbr1_64, 1, c2)
CP15_RW32(ttbcr, 0, c2, c0, 2)
CP15_RW32(dacr, 0, c3, c0, 0)
CP15_RW32(dfsr, 0, c5, c0, 0)
CP15_RW32(ifsr, 0, c5, c0, 1)
CP15_RW32(adfsr, 0, c5, c1, 0)
CP15_RW32(aifsr, 0, c5, c1, 1)
CP15_RW32(dfar, 0, c6, c0, 0)
CP15_RW32(ifar, 0, c6, c0, 2)
CP15_RW64(par_64, 0, c7)
CP15_RW32(prrr, 0, c10, c2, 0)
CP15_RW32(nmrr, 0, c10, c2, 1)
CP15_RW32(amair0, 0, c10, c3, 0)
CP15_RW32(amair1, 0, c10, c3, 1)
CP15_RW32(vbar, 0, c12, c0, 0)
CP15_READ32(isr, 0, c12, c1, 0)
CP15_RW32(fcseidr, 0, c13, c0, 0)
CP15_RW32(contextidr, 0, c13, c0, 1)
CP15_RW32(tpidrurw, 0, c13, c0, 2)
CP15_RW32(tpidruro, 0, c13, c0, 3)
CP15_RW32(tpidrprw, 0, c13, c0, 4)

/* ThumbEE */
CP14_RW32(teecr, 6, c0, c0, 0)
CP14_RW32(teehbr, 6, c1, c0, 0)

/* HYP */
CP15_RW32(hsctlr, 4, c1, c0, 0)
CP15_RW32(hactlr, 4, c1, c0, 1)
CP15_RW32(hcr, 4, c1, c1, 0)
CP15_RW32(hdcr, 4, c1, c1, 1)
CP15_RW32(hcptr, 4, c1, c1, 2)
CP15_RW32(hstr, 4, c1, c1, 3)
CP15_RW32(htcr, 4, c2, c0, 2)
CP15_RW32(vtcr, 4, c2, c1, 2)
CP15_RW64(httbr, 4, c2)
CP15_RW64(vttbr, 6, c2)
CP15_RW32(hadfsr, 4, c5, c1, 0)
CP15_RW32(hsr, 4, c5, c2, 0)
CP15_RW32(vdfsr, 4, c5, c2, 3) /* and VDISR: with the RAS Extension (ARMv8) */
CP15_RW32(hdfar, 4, c6, c0, 0)
CP15_RW32(hifar, 4, c6, c0, 2)
CP15_RW32(hpfar, 4, c6, c0, 4)
CP15_RW32(hmair0, 4, c10, c2, 0)
CP15_RW32(hmair1, 4, c10, c2, 1)
CP15_RW32(hvbar, 4, c12, c0, 0)
CP15_RW32(vdisr, 4, c12, c1, 1)
CP15_RW32(htpidr, 4, c13, c0, 2)

/* Secure state (B4.1.129, B4.1.111, B4.1.108) */
CP15_RW32(scr, 0, c1, c1, 0)
CP15_RW32(nsacr, 0, c1, c1, 2)
CP15_RW32(mvbar, 0, c12, c0, 1)

/* Generic timer */
CP15_RW32(cntfrq, 0, c14, c0, 0)
CP15_RW32(cntkctl, 0, c14, c1, 0)
CP15_RW32(cntp_ctl, 0, c14, c2, 1)
CP15_RW32(cntv_ctl, 0, c14, c3, 1)
CP15_RW32(cnthctl, 4, c14, c1, 0)
CP15_RW32(cnthp_ctl, 4, c14, c2, 1)
CP15_READ64(cntpct, 0, c14)
CP15_READ64(cntvct, 1, c14)
CP15_RW64(cntp_cval, 2, c14)
CP15_RW64(cntv_cval, 3, c14)
CP15_RW64(cntvoff, 4, c14)
CP15_RW64(cnthp_cval, 6, c14)

/* Performance monitors, C12.8 */
CP15_RW32(pmcr, 0, c9, c12, 0)
CP15_RW32(pmcntenset, 0, c9, c12, 1)
CP15_RW32(pmcntenclr, 0, c9, c12, 2)
CP15_RW32(pmovsr, 0, c9, c12, 3)
CP15_WRITE32(pmswinc, 0, c9, c12, 4)
CP15_RW32(pmselr, 0, c9, c12, 5)
CP15_READ32(pmceid0, 0, c9, c12, 6)
CP15_READ32(pmceid1, 0, c9, c12, 7)
CP15_RW32(pmccntr, 0, c9, c13, 0)
CP15_RW32(pmxevtyper, 0, c9, c13, 1)
CP15_RW32(pmxevcntr, 0, c9, c13, 2)
CP15_RW32(pmuserenr, 0, c9, c14, 0)
CP15_WRITE32(pmintenclr, 0, c9, c14, 2)
CP15_RW32(pmovsset, 0, c9, c14, 3)

/* Cache and TLB maintenance by HYP; barriers are the caller's (arm/barrier.h). */
CP15_WRITE32(icialluis, 0, c7, c1, 0)
CP15_WRITE32(iciallu, 0, c7, c5, 0)
CP15_WRITE32(bpiall, 0, c7, c5, 6)
CP15_WRITE32(dcimvac, 0, c7, c6, 1)
CP15_WRITE32(dcisw, 0, c7, c6, 2)
CP15_WRITE32(dccmvac, 0, c7, c10, 1)
CP15_WRITE32(dccimvac, 0, c7, c14, 1)
CP15_WRITE32(ats1cpr, 0, c7, c8, 0)
CP15_WRITE32(ats1cpw, 0, c7, c8, 1)
CP15_WRITE32(ats1cur, 0, c7, c8, 2)
CP15_WRITE32(ats1cuw, 0, c7, c8, 3)
CP15_WRITE32(ats1hr, 4, c7, c8, 0)
CP15_WRITE32(ats12nsopr, 0, c7, c8, 4)
CP15_WRITE32(ats12nsour, 0, c7, c8, 6)
CP15_WRITE32(tlbiall, 0, c8, c7, 0)
CP15_WRITE32(tlbiallis, 0, c8, c3, 0)
CP15_WRITE32(tlbimvais, 0, c8, c3, 1)
CP15_WRITE32(tlbiallh, 4, c8, c7, 0)
CP15_WRITE32(tlbiallhis, 4, c8, c3, 0)
CP15_WRITE32(tlbimvahis, 4, c8, c3, 1)
CP15_WRITE32(tlbimvah, 4, c8, c7, 1)
CP15_WRITE32(tlbiallnsnh, 4, c8, c7, 4)
CP15_WRITE32(tlbiallnsnhis, 4, c8, c3, 4)

SPECIAL_RW2(spsr_mon, spsr, spsr_cxsf) /* in Monitor mode */

/* The trapped guest's return state and its banked registers (DDI 0406C B9.2) */
SPECIAL_RW(elr_hyp, elr_hyp)
SPECIAL_RW2(spsr_hyp, spsr, spsr_cxsf) /* all four fields, or J, IT and E stay */
SPECIAL_RW(sp_usr, sp_usr)
SPECIAL_RW(sp_svc, sp_svc)
SPECIAL_RW(lr_svc, lr_svc)
SPECIAL_RW(spsr_svc, spsr_svc)
SPECIAL_RW(sp_abt, sp_abt)
SPECIAL_RW(lr_abt, lr_abt)
SPECIAL_RW(spsr_abt, spsr_abt)
SPECIAL_RW(sp_und, sp_und)
SPECIAL_RW(lr_und, lr_und)
SPECIAL_RW(spsr_und, spsr_und)
SPECIAL_RW(sp_irq, sp_irq)
SPECIAL_RW(lr_irq, lr_irq)
SPECIAL_RW(spsr_irq, spsr_irq)
SPECIAL_RW(r8_fiq, r8_fiq)
SPECIAL_RW(r9_fiq, r9_fiq)
SPECIAL_RW(r10_fiq, r10_fiq)
SPECIAL_RW(r11_fiq, r11_fiq)
SPECIAL_RW(r12_fiq, r12_fiq)
SPECIAL_RW(sp_fiq, sp_fiq)
SPECIAL_RW(lr_fiq, lr_fiq)
SPECIAL_RW(spsr_fiq, spsr_fiq)

/* May HYP read the word at `va`? By its own tables, without touching it. */
static inline bool hyp_readable(uint32_t va)
{
	write_ats1hr(va);
	__asm__ volatile("isb" ::: "memory");
	return !(read_par_64() & 1U);
}

static inline uint32_t read_cpsr(void)
{
	uint32_t v;

	__asm__ volatile("mrs %0, cpsr" : "=r"(v));
	return v;
}

/* Asynchronous aborts and interrupts stay pending. */
static inline void mask_exceptions(void)
{
	__asm__ volatile("cpsid	aif" ::: "memory");
}

#endif
