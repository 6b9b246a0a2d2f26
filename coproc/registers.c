/* SPDX-License-Identifier: BSD-2-Clause */
/* What an access to each register does, and the trap table made of coproc/registers.def. Compiled for speed. */
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "coproc/model.h"
#include "coproc/pmu.h"
#include "coproc/row.h"
#include "coproc/setway.h"
#include "hyp/vm/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "vtimer/vtimer.h"

static uint64_t raz_read(struct vcpu *vcpu)
{
	return 0;
}

static void wi_write(struct vcpu *vcpu, uint64_t value)
{
}

/* Identification: the model's (coproc/model.h). */
#define ID(name)                                       \
	static uint64_t name##_read(struct vcpu *vcpu) \
	{                                              \
		return vcpu->coproc.model->ids.name;   \
	}

ID(ctr)
ID(tcmtr)
ID(tlbtr)
ID(revidr)
ID(aidr)
ID(clidr)
ID(id_pfr0)
ID(id_pfr1)
ID(id_dfr0)
ID(id_afr0)
ID(id_mmfr0)
ID(id_mmfr1)
ID(id_mmfr2)
ID(id_mmfr3)
ID(id_isar0)
ID(id_isar1)
ID(id_isar2)
ID(id_isar3)
ID(id_isar4)
ID(id_isar5)

static uint64_t midr_read(struct vcpu *vcpu)
{
	return vcpu->vpidr;
}

static uint64_t mpidr_read(struct vcpu *vcpu)
{
	return vcpu->vmpidr;
}

/* CSSELR is the core's, also where its neighbours trap: whoever reads CCSIDR, it selects. */
static uint64_t csselr_read(struct vcpu *vcpu)
{
	return read_csselr();
}

static void csselr_write(struct vcpu *vcpu, uint64_t value)
{
	write_csselr((uint32_t)value);
}

static uint64_t ccsidr_read(struct vcpu *vcpu)
{
	return vcpu->coproc.model->ids.ccsidr[read_csselr() & 0xfU]; /* Level and InD */
}

/* The guest sees SMP coherency on and cannot change anything. */
static uint64_t actlr_read(struct vcpu *vcpu)
{
	return vcpu->coproc.actlr;
}

/* Number of CPUs - 1 in [25:24], at most a cluster of four (Cortex-A15 TRM 4.3.48): as the VM has them. */
static uint64_t l2ctlr_read(struct vcpu *vcpu)
{
	return (MIN(vcpu->vm->vcpu_count, 4U) - 1U) << 24;
}

/* The base of the GIC, as QEMU's virt board has it. */
static uint64_t cbar_read(struct vcpu *vcpu)
{
	return MACHINE_GICD_BASE;
}

/* Memory control registers stay in the hardware: what a trap in the way (HCR.TVM, HSTR) does for the guest. */
#define HW(name)                                                    \
	static uint64_t name##_read(struct vcpu *vcpu)              \
	{                                                           \
		(void)vcpu;                                         \
		return read_##name();                               \
	}                                                           \
	static void name##_write(struct vcpu *vcpu, uint64_t value) \
	{                                                           \
		write_##name((uint32_t)value);                      \
		setway_after_write(vcpu);                           \
	}
#define HW64(name)                                                  \
	static uint64_t name##_read(struct vcpu *vcpu)              \
	{                                                           \
		(void)vcpu;                                         \
		return read_##name();                               \
	}                                                           \
	static void name##_write(struct vcpu *vcpu, uint64_t value) \
	{                                                           \
		write_##name(value);                                \
		setway_after_write(vcpu);                           \
	}

HW(ttbr0)
HW(ttbr1)
HW(ttbcr)
HW(dacr)
HW(dfsr)
HW(ifsr)
HW(adfsr)
HW(aifsr)
HW(dfar)
HW(ifar)
HW(prrr)
HW(nmrr)
HW(amair0)
HW(amair1)
HW(contextidr)
HW64(ttbr0_64)
HW64(ttbr1_64)

static uint64_t sctlr_read(struct vcpu *vcpu)
{
	return read_sctlr();
}

static void sctlr_write(struct vcpu *vcpu, uint64_t value)
{
	setway_write_sctlr(vcpu, (uint32_t)value);
	setway_after_write(vcpu);
}

static void set_way_write(struct vcpu *vcpu, uint64_t value)
{
	setway_operation(vcpu);
}

static uint64_t par_64_read(struct vcpu *vcpu)
{
	return read_par_64();
}

static void par_64_write(struct vcpu *vcpu, uint64_t value)
{
	write_par_64(value);
}

/* PAR by MRC is the low half (B4.1.112). */
static uint64_t par_read(struct vcpu *vcpu)
{
	return (uint32_t)read_par_64();
}

static void par_write(struct vcpu *vcpu, uint64_t value)
{
	write_par_64(value);
}

/*
 * CRn c7 under HSTR.T7, which only tests ask for (option coproc.t7): each operation is done at least as strongly as it
 * was asked for. HYP's own address space is not the guest's, so that operations by address go through a window.
 */
static void nothing_write(struct vcpu *vcpu, uint64_t value)
{
}

static void ic_all_write(struct vcpu *vcpu, uint64_t value)
{
	cache_invalidate_icache();
}

static void bp_all_write(struct vcpu *vcpu, uint64_t value)
{
	write_bpiall(0);
	isb();
}

static void isb_write(struct vcpu *vcpu, uint64_t value)
{
	isb();
}

static void dsb_write(struct vcpu *vcpu, uint64_t value)
{
	dsb();
}

static void dc_address_write(struct vcpu *vcpu, uint64_t value)
{
	uint64_t par;
	uint8_t *block;
	pa_t unused, at;

	write_ats1cpr((uint32_t)value);
	isb();
	par = read_par_64();
	at = pa(0);
	if ((par & 1U) || !s2_lookup(&vcpu->vm->s2, ipa(par & DESC_ADDR_MASK), &at) ||
	    !vm_ram_pa(vcpu->vm, ipa(par & DESC_ADDR_MASK), &unused))
		return; /* a real core would abort where the guest's tables say so: not under this option */
	block = hyp_window_open(pa(align_down(at.v, BLOCK_SIZE)));
	cache_clean_invalidate(block + (at.v & (BLOCK_SIZE - PAGE_SIZE)) + (value & (PAGE_SIZE - 1U)), 1);
	hyp_window_close();
}

#define TRANSLATE(name)                                             \
	static void name##_write(struct vcpu *vcpu, uint64_t value) \
	{                                                           \
		(void)vcpu;                                         \
		write_##name((uint32_t)value);                      \
		isb();                                              \
	}

TRANSLATE(ats1cpr)
TRANSLATE(ats1cpw)
TRANSLATE(ats1cur)
TRANSLATE(ats1cuw)

static uint64_t cntp_ctl_read(struct vcpu *vcpu)
{
	return vtimer_phys_ctl(vcpu);
}

static void cntp_ctl_write(struct vcpu *vcpu, uint64_t value)
{
	vtimer_set_phys_ctl(vcpu, (uint32_t)value);
}

/* TVAL is a 32-bit signed view of CVAL (B8.1.5). */
static uint64_t cntp_tval_read(struct vcpu *vcpu)
{
	return (uint32_t)(vcpu->vtimer.cntp_cval - vtimer_count(vcpu));
}

static void cntp_tval_write(struct vcpu *vcpu, uint64_t value)
{
	vtimer_set_phys_cval(vcpu, vtimer_count(vcpu) + (uint64_t)(int64_t)(int32_t)(uint32_t)value);
}

static uint64_t cntp_cval_read(struct vcpu *vcpu)
{
	return vcpu->vtimer.cntp_cval;
}

static void cntp_cval_write(struct vcpu *vcpu, uint64_t value)
{
	vtimer_set_phys_cval(vcpu, value);
}

static uint64_t cntpct_read(struct vcpu *vcpu)
{
	return vtimer_count(vcpu);
}

/* The OS Lock (C7.3): there is nothing behind it, but software that saves debug state sees it work. */
#define OS_LOCK_KEY   0xc5acce55U
#define OSLSR_OSLM_V7 BIT(3) /* implemented, without a save sequence */
#define OSLSR_OSLK    BIT(1)

static void dbgoslar_write(struct vcpu *vcpu, uint64_t value)
{
	vcpu->coproc.os_locked = value == OS_LOCK_KEY;
}

static uint64_t dbgoslsr_read(struct vcpu *vcpu)
{
	return OSLSR_OSLM_V7 | (vcpu->coproc.os_locked ? OSLSR_OSLK : 0);
}

/* coproc/registers.def, seen by a trap. */
#define PASS              NULL
#define CORE              NULL
#define EXTRA(name)       NULL
#define UNDEF             NULL
#define RAZ               raz_read
#define WI                wi_write
#define RAZ_CORE          raz_read
#define WI_CORE           wi_write
#define EM(function)      function
#define MODEL(function)   function
#define EM_CORE(function) function
#undef HW
#define HW(function)                              function
#define NO                                        0U
#define R                                         PL0_READS
#define W                                         PL0_WRITES
#define RW                                        (PL0_READS | PL0_WRITES)
#define CNTKCTL_R                                 (R | PL0_CNTKCTL)
#define CNTKCTL_RW                                (RW | PL0_CNTKCTL)
#define PMUSERENR_R                               (R | PL0_PMU)
#define PMUSERENR_W                               (W | PL0_PMU)
#define PMUSERENR_RW                              (RW | PL0_PMU)
#define ROW(space, k, r, w, u)                    {.key = (space) | (k), .read = r, .write = w, .pl0 = u},
#define CP15(crn, op1, crm, op2, n, r, w, u, ...) ROW(CP_SPACE_CP15, CP_KEY(crn, op1, crm, op2), r, w, u)
#define CP15_64(op1, crm, n, r, w, u, ...)        ROW(CP_SPACE_CP15_64, CP_KEY64(op1, crm), r, w, u)
#define CP14(crn, op1, crm, op2, n, r, w, u, ...) ROW(CP_SPACE_CP14, CP_KEY(crn, op1, crm, op2), r, w, u)
#define CP14_64(op1, crm, n, r, w, u, ...)        ROW(CP_SPACE_CP14_64, CP_KEY64(op1, crm), r, w, u)

const struct cp_row cp_rows[] = {
#include "coproc/registers.def"
};
const uint32_t cp_row_count = ARRAY_SIZE(cp_rows);
