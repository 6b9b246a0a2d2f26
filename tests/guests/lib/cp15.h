/* SPDX-License-Identifier: BSD-2-Clause */
/* The system registers that test guests use, by the manual's names (DDI 0406C B4). */
#ifndef GUEST_CP15_H
#define GUEST_CP15_H

#include <stdint.h>

#define MRC15(op1, crn, crm, op2)                                                                             \
	({                                                                                                    \
		uint32_t v_;                                                                                  \
		__asm__ volatile("mrc p15, " #op1 ", %0, " #crn ", " #crm ", " #op2 : "=r"(v_) : : "memory"); \
		v_;                                                                                           \
	})
#define MCR15(op1, crn, crm, op2, value) \
	__asm__ volatile("mcr p15, " #op1 ", %0, " #crn ", " #crm ", " #op2 : : "r"((uint32_t)(value)) : "memory")
#define MRRC15(op1, crm)                                                                         \
	({                                                                                       \
		uint64_t v_;                                                                     \
		__asm__ volatile("mrrc p15, " #op1 ", %Q0, %R0, " #crm : "=r"(v_) : : "memory"); \
		v_;                                                                              \
	})
#define MCRR15(op1, crm, value) \
	__asm__ volatile("mcrr p15, " #op1 ", %Q0, %R0, " #crm : : "r"((uint64_t)(value)) : "memory")

#define read_midr()       MRC15(0, c0, c0, 0)
#define read_ctr()        MRC15(0, c0, c0, 1)
#define read_mpidr()      MRC15(0, c0, c0, 5)
#define read_id_mmfr0()   MRC15(0, c0, c1, 4)
#define read_sctlr()      MRC15(0, c1, c0, 0)
#define write_sctlr(v)    MCR15(0, c1, c0, 0, v)
#define read_actlr()      MRC15(0, c1, c0, 1)
#define read_cpacr()      MRC15(0, c1, c0, 2)
#define write_cpacr(v)    MCR15(0, c1, c0, 2, v)
#define read_ttbr0()      MRC15(0, c2, c0, 0)
#define write_ttbr0(v)    MCR15(0, c2, c0, 0, v)
#define read_ttbr1()      MRC15(0, c2, c0, 1)
#define write_ttbr1(v)    MCR15(0, c2, c0, 1, v)
#define read_ttbr0_64()   MRRC15(0, c2)
#define write_ttbr0_64(v) MCRR15(0, c2, v)
#define read_ttbr1_64()   MRRC15(1, c2)
#define write_ttbr1_64(v) MCRR15(1, c2, v)
#define read_ttbcr()      MRC15(0, c2, c0, 2)
#define write_ttbcr(v)    MCR15(0, c2, c0, 2, v)
#define read_dacr()       MRC15(0, c3, c0, 0)
#define write_dacr(v)     MCR15(0, c3, c0, 0, v)
#define read_dfsr()       MRC15(0, c5, c0, 0)
#define write_dfsr(v)     MCR15(0, c5, c0, 0, v)
#define read_ifsr()       MRC15(0, c5, c0, 1)
#define write_ifsr(v)     MCR15(0, c5, c0, 1, v)
#define read_dfar()       MRC15(0, c6, c0, 0)
#define write_dfar(v)     MCR15(0, c6, c0, 0, v)
#define read_ifar()       MRC15(0, c6, c0, 2)
#define write_ifar(v)     MCR15(0, c6, c0, 2, v)
#define read_par()        MRC15(0, c7, c4, 0)
#define read_par_64()     MRRC15(0, c7)
#define write_ats1cpr(v)  MCR15(0, c7, c8, 0, v)
#define write_ats1cpw(v)  MCR15(0, c7, c8, 1, v)
#define write_ats1cur(v)  MCR15(0, c7, c8, 2, v)
#define write_ats1cuw(v)  MCR15(0, c7, c8, 3, v)
#define read_prrr()       MRC15(0, c10, c2, 0)
#define write_prrr(v)     MCR15(0, c10, c2, 0, v)
#define read_nmrr()       MRC15(0, c10, c2, 1)
#define write_nmrr(v)     MCR15(0, c10, c2, 1, v)
/* MAIR0 and MAIR1 are PRRR's and NMRR's registers under TTBCR.EAE. */
#define write_mair0(v)      MCR15(0, c10, c2, 0, v)
#define write_mair1(v)      MCR15(0, c10, c2, 1, v)
#define read_vbar()         MRC15(0, c12, c0, 0)
#define write_vbar(v)       MCR15(0, c12, c0, 0, v)
#define read_isr()          MRC15(0, c12, c1, 0)
#define read_contextidr()   MRC15(0, c13, c0, 1)
#define write_contextidr(v) MCR15(0, c13, c0, 1, v)
#define read_tpidrprw()     MRC15(0, c13, c0, 4)

#define icialluis()  MCR15(0, c7, c1, 0, 0)
#define iciallu()    MCR15(0, c7, c5, 0, 0)
#define bpiall()     MCR15(0, c7, c5, 6, 0)
#define dccmvac(va)  MCR15(0, c7, c10, 1, va)
#define dccimvac(va) MCR15(0, c7, c14, 1, va)
#define dcimvac(va)  MCR15(0, c7, c6, 1, va)
#define dccmvau(va)  MCR15(0, c7, c11, 1, va)
#define icimvau(va)  MCR15(0, c7, c5, 1, va)
#define tlbiall()    MCR15(0, c8, c7, 0, 0)
#define tlbiallis()  MCR15(0, c8, c3, 0, 0)
#define tlbimva(va)  MCR15(0, c8, c7, 1, va)
#define tlbimvaa(va) MCR15(0, c8, c7, 3, va)

#define read_cntfrq()      MRC15(0, c14, c0, 0)
#define read_cntkctl()     MRC15(0, c14, c1, 0)
#define write_cntkctl(v)   MCR15(0, c14, c1, 0, v)
#define read_cntp_tval()   MRC15(0, c14, c2, 0)
#define write_cntp_tval(v) MCR15(0, c14, c2, 0, v)
#define read_cntp_ctl()    MRC15(0, c14, c2, 1)
#define write_cntp_ctl(v)  MCR15(0, c14, c2, 1, v)
#define read_cntv_tval()   MRC15(0, c14, c3, 0)
#define write_cntv_tval(v) MCR15(0, c14, c3, 0, v)
#define read_cntv_ctl()    MRC15(0, c14, c3, 1)
#define write_cntv_ctl(v)  MCR15(0, c14, c3, 1, v)
#define read_cntpct()      MRRC15(0, c14)
#define read_cntvct()      MRRC15(1, c14)
#define read_cntp_cval()   MRRC15(2, c14)
#define write_cntp_cval(v) MCRR15(2, c14, v)
#define read_cntv_cval()   MRRC15(3, c14)
#define write_cntv_cval(v) MCRR15(3, c14, v)

#define isb() __asm__ volatile("isb" : : : "memory")
#define dsb() __asm__ volatile("dsb sy" : : : "memory")
#define dmb() __asm__ volatile("dmb ish" : : : "memory")
#define wfi() __asm__ volatile("dsb sy\n\twfi" : : : "memory")
#define wfe() __asm__ volatile("wfe" : : : "memory")
#define sev() __asm__ volatile("dsb sy\n\tsev" : : : "memory")
#define nop() __asm__ volatile("nop" : : : "memory")

static inline uint32_t read_cpsr(void)
{
	uint32_t v;

	__asm__ volatile("mrs %0, cpsr" : "=r"(v) : : "memory");
	return v;
}

static inline void irq_enable(void)
{
	__asm__ volatile("cpsie i" : : : "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cpsid i" : : : "memory");
}

/* With interrupts masked: sleep until one is pending, and take it. Unmasked, one between look and WFI is slept over. */
static inline void irq_sleep(void)
{
	wfi();
	irq_enable();
	isb();
	irq_disable();
}

static inline void fiq_enable(void)
{
	__asm__ volatile("cpsie f" : : : "memory");
}

static inline void fiq_disable(void)
{
	__asm__ volatile("cpsid f" : : : "memory");
}

#endif
