/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system registers of the host build: the accessors of hyp/arm/include/arm/sysreg.h over an array, one name each.
 * Every write and barrier goes into a log, so that a test can ask for their order; a register may have a callback.
 */
#ifndef ARM_SYSREG_H
#define ARM_SYSREG_H

#include <assert.h>
#include <stdint.h>

#include "fake_machine.h"

/* clang-format off */
#define SYSREGS_(ro32, rw32, wo32, ro64, rw64) \
	ro32(midr) ro32(ctr) ro32(tcmtr) ro32(tlbtr) ro32(mpidr) ro32(revidr) ro32(id_pfr0) ro32(id_pfr1) \
	ro32(id_dfr0) ro32(id_afr0) ro32(id_mmfr0) ro32(id_mmfr1) ro32(id_mmfr2) ro32(id_mmfr3) ro32(id_isar0) \
	ro32(id_isar1) ro32(id_isar2) ro32(id_isar3) ro32(id_isar4) ro32(id_isar5) ro32(ccsidr) ro32(clidr) \
	ro32(aidr) ro32(cpsr) ro32(isr) \
	rw32(csselr) rw32(vpidr) rw32(vmpidr) rw32(sctlr) rw32(actlr) rw32(cpacr) rw32(ttbr0) rw32(ttbr1) \
	rw32(ttbcr) rw32(dacr) rw32(dfsr) rw32(ifsr) rw32(adfsr) rw32(aifsr) rw32(dfar) rw32(ifar) rw32(prrr) \
	rw32(nmrr) rw32(amair0) rw32(amair1) rw32(vbar) rw32(fcseidr) rw32(vdfsr) rw32(vdisr) rw32(contextidr) rw32(tpidrurw) rw32(tpidruro) \
	rw32(tpidrprw) rw32(teecr) rw32(teehbr) rw32(hsctlr) rw32(hactlr) rw32(hcr) rw32(hdcr) rw32(hcptr) rw32(hstr) rw32(htcr) rw32(vtcr) \
	rw32(hadfsr) rw32(hsr) rw32(hdfar) rw32(hifar) rw32(hpfar) rw32(hmair0) rw32(hmair1) rw32(hvbar) \
	rw32(cntfrq) rw32(cntkctl) rw32(cntp_ctl) rw32(cntv_ctl) rw32(cnthctl) rw32(cnthp_ctl) rw32(elr_hyp) \
	rw32(spsr_hyp) rw32(sp_usr) rw32(sp_svc) rw32(lr_svc) rw32(spsr_svc) rw32(sp_abt) rw32(lr_abt) \
	rw32(spsr_abt) rw32(sp_und) rw32(lr_und) rw32(spsr_und) rw32(sp_irq) rw32(lr_irq) rw32(spsr_irq) \
	rw32(r8_fiq) rw32(r9_fiq) rw32(r10_fiq) rw32(r11_fiq) rw32(r12_fiq) rw32(sp_fiq) rw32(lr_fiq) \
	rw32(spsr_fiq) rw32(spsr_mon) rw32(scr) rw32(nsacr) rw32(mvbar) wo32(dcisw) \
	rw32(pmcr) rw32(pmcntenset) rw32(pmcntenclr) rw32(pmovsr) rw32(pmselr) rw32(pmccntr) rw32(pmxevtyper) \
	rw32(pmxevcntr) rw32(pmuserenr) rw32(pmovsset) \
	ro32(pmceid0) ro32(pmceid1) wo32(pmswinc) wo32(pmintenclr) wo32(ats1hr) \
	wo32(icialluis) wo32(iciallu) wo32(bpiall) wo32(dcimvac) wo32(dccmvac) wo32(dccimvac) wo32(ats1cpr) \
	wo32(ats1cpw) wo32(ats1cur) wo32(ats1cuw) wo32(ats12nsopr) wo32(ats12nsour) wo32(tlbiall) wo32(tlbiallis) wo32(tlbimvais) \
	wo32(tlbiallh) wo32(tlbiallhis) wo32(tlbimvahis) wo32(tlbimvah) wo32(tlbiallnsnh) wo32(tlbiallnsnhis) \
	ro64(cntpct) ro64(cntvct) \
	rw64(ttbr0_64) rw64(ttbr1_64) rw64(par_64) rw64(httbr) rw64(vttbr) rw64(cntp_cval) rw64(cntv_cval) \
	rw64(cntvoff) rw64(cnthp_cval)

#define SYSREG_NAME_(name) SYSREG_##name,
enum fake_sysreg {
	SYSREGS_(SYSREG_NAME_, SYSREG_NAME_, SYSREG_NAME_, SYSREG_NAME_, SYSREG_NAME_)
	SYSREG_htpidr,
	SYSREG_COUNT
};
/* clang-format on */

static_assert((uint32_t)SYSREG_COUNT <= FAKE_REGS, "fake_machine.h has room for every register");

#define SYSREG_READ_(name, type)                       \
	static inline type read_##name(void)           \
	{                                              \
		return (type)fake_read(SYSREG_##name); \
	}
#define SYSREG_WRITE_(name, type)                \
	static inline void write_##name(type v_) \
	{                                        \
		fake_write(SYSREG_##name, v_);   \
	}
#define SYSREG_RO32_(name) SYSREG_READ_(name, uint32_t)
#define SYSREG_WO32_(name) SYSREG_WRITE_(name, uint32_t)
#define SYSREG_RW32_(name) SYSREG_READ_(name, uint32_t) SYSREG_WRITE_(name, uint32_t)
#define SYSREG_RO64_(name) SYSREG_READ_(name, uint64_t)
#define SYSREG_RW64_(name) SYSREG_READ_(name, uint64_t) SYSREG_WRITE_(name, uint64_t)

SYSREGS_(SYSREG_RO32_, SYSREG_RW32_, SYSREG_WO32_, SYSREG_RO64_, SYSREG_RW64_)

/* A pointer to this CPU's data: as wide as the host's. */
SYSREG_READ_(htpidr, uintptr_t)
SYSREG_WRITE_(htpidr, uintptr_t)

#endif
