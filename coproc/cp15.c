/* The cp15 and cp14 tables, sorted by CRn, op1, CRm, op2. Sections are DDI 0406C's. */
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "coproc/row.h"
#include "coproc/setway.h"
#include "hyp/vm.h"
#include "vtimer/vtimer.h"

static uint64_t raz(struct vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

static void wi(struct vcpu *vcpu, uint64_t value)
{
	(void)vcpu, (void)value;
}

/* A register that traps but holds nothing to hide: read it, or write it, for the guest. */
#define READ(name)                                       \
	static uint64_t name##_access(struct vcpu *vcpu) \
	{                                                \
		(void)vcpu;                              \
		return read_##name();                    \
	}
#define RW(name)                                                  \
	READ(name)                                                \
	static void name##_set(struct vcpu *vcpu, uint64_t value) \
	{                                                         \
		(void)vcpu;                                       \
		write_##name((uint32_t)value);                    \
	}
#define RW64(name)                                                \
	READ(name)                                                \
	static void name##_set(struct vcpu *vcpu, uint64_t value) \
	{                                                         \
		(void)vcpu;                                       \
		write_##name(value);                              \
	}

READ(ctr)
READ(tcmtr)
READ(tlbtr)
READ(revidr)
READ(id_pfr0)
READ(id_afr0)
READ(id_mmfr0)
READ(id_mmfr1)
READ(id_mmfr2)
READ(id_mmfr3)
READ(id_isar0)
READ(id_isar1)
READ(id_isar2)
READ(id_isar3)
READ(id_isar4)
READ(id_isar5)
READ(ccsidr)
READ(clidr)
READ(aidr)
RW(csselr)
RW(ttbr0)
RW(ttbr1)
RW(ttbcr)
RW(dacr)
RW(dfsr)
RW(ifsr)
RW(adfsr)
RW(aifsr)
RW(dfar)
RW(ifar)
RW(prrr)
RW(nmrr)
RW(amair0)
RW(amair1)
RW(contextidr)
RW64(ttbr0_64)
RW64(ttbr1_64)

/* No Security Extensions [7:4] and no Virtualization Extensions [15:12] for a guest (B4.1.93). */
static uint64_t id_pfr1_access(struct vcpu *vcpu)
{
	(void)vcpu;
	return read_id_pfr1() & ~0xf0f0U;
}

/* No debug, no trace, no performance monitors (B4.1.81). */
static uint64_t id_dfr0_access(struct vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

/* The guest sees SMP coherency on (bit 6 on A15 and A7) and cannot change anything. */
static uint64_t actlr_access(struct vcpu *vcpu)
{
	return vcpu->coproc.actlr;
}

static void sctlr_set(struct vcpu *vcpu, uint64_t value)
{
	setway_write_sctlr(vcpu, (uint32_t)value);
}

READ(sctlr)

static void setway_set(struct vcpu *vcpu, uint64_t value)
{
	(void)value;
	setway_operation(vcpu);
}

/* Number of CPUs - 1 in [25:24], at most a cluster of four (Cortex-A15 TRM 4.3.48): as the VM has them. */
static uint64_t l2ctlr_access(struct vcpu *vcpu)
{
	return (MIN(vcpu->vm->vcpu_count, 4U) - 1U) << 24;
}

static uint64_t cntp_ctl_access(struct vcpu *vcpu)
{
	return vtimer_phys_ctl(vcpu);
}

static void cntp_ctl_set(struct vcpu *vcpu, uint64_t value)
{
	vtimer_set_phys_ctl(vcpu, (uint32_t)value);
}

/* TVAL is a 32-bit signed view of CVAL (B8.1.5). */
static uint64_t cntp_tval_access(struct vcpu *vcpu)
{
	return (uint32_t)(vcpu->vtimer.cntp_cval - vtimer_count(vcpu));
}

static void cntp_tval_set(struct vcpu *vcpu, uint64_t value)
{
	vtimer_set_phys_cval(vcpu, vtimer_count(vcpu) + (uint64_t)(int64_t)(int32_t)(uint32_t)value);
}

static uint64_t cntp_cval_access(struct vcpu *vcpu)
{
	return vcpu->vtimer.cntp_cval;
}

static void cntp_cval_set(struct vcpu *vcpu, uint64_t value)
{
	vtimer_set_phys_cval(vcpu, value);
}

static uint64_t cntpct_access(struct vcpu *vcpu)
{
	return vtimer_count(vcpu);
}

#define ID(crm, op2, name)                                         \
	{                                                          \
		CP_KEY(0, 0, crm, op2), #name, name##_access, NULL \
	}
#define ID_RAZ(crm, op2)                                         \
	{                                                        \
		CP_KEY(0, 0, crm, op2), "reserved ID", raz, NULL \
	}
#define VM(crn, op1, crm, op2, name)                                         \
	{                                                                    \
		CP_KEY(crn, op1, crm, op2), #name, name##_access, name##_set \
	}

static const struct cp_row cp15_rows[] = {
	/* HCR.TID2, TID1, TID3: identification, B4.1 by name */
	ID(0, 1, ctr),
	ID(0, 2, tcmtr),
	ID(0, 3, tlbtr),
	ID(0, 6, revidr),
	ID(1, 0, id_pfr0),
	ID(1, 1, id_pfr1),
	ID(1, 2, id_dfr0),
	ID(1, 3, id_afr0),
	ID(1, 4, id_mmfr0),
	ID(1, 5, id_mmfr1),
	ID(1, 6, id_mmfr2),
	ID(1, 7, id_mmfr3),
	ID(2, 0, id_isar0),
	ID(2, 1, id_isar1),
	ID(2, 2, id_isar2),
	ID(2, 3, id_isar3),
	ID(2, 4, id_isar4),
	ID(2, 5, id_isar5),
	ID_RAZ(2, 6),
	ID_RAZ(2, 7),
	ID_RAZ(3, 0),
	ID_RAZ(3, 1),
	ID_RAZ(3, 2),
	ID_RAZ(3, 3),
	ID_RAZ(3, 4),
	ID_RAZ(3, 5),
	ID_RAZ(3, 6),
	ID_RAZ(3, 7),
	{CP_KEY(0, 1, 0, 0), "ccsidr", ccsidr_access, NULL},
	{CP_KEY(0, 1, 0, 1), "clidr", clidr_access, NULL},
	{CP_KEY(0, 1, 0, 7), "aidr", aidr_access, NULL},
	VM(0, 2, 0, 0, csselr),
	/* HCR.TVM and TAC: memory control */
	VM(1, 0, 0, 0, sctlr),
	{CP_KEY(1, 0, 0, 1), "actlr", actlr_access, wi},
	VM(2, 0, 0, 0, ttbr0),
	VM(2, 0, 0, 1, ttbr1),
	VM(2, 0, 0, 2, ttbcr),
	VM(3, 0, 0, 0, dacr),
	VM(5, 0, 0, 0, dfsr),
	VM(5, 0, 0, 1, ifsr),
	VM(5, 0, 1, 0, adfsr),
	VM(5, 0, 1, 1, aifsr),
	VM(6, 0, 0, 0, dfar),
	VM(6, 0, 0, 2, ifar),
	/* HCR.TSW: set/way */
	{CP_KEY(7, 0, 6, 2), "dcisw", NULL, setway_set},
	{CP_KEY(7, 0, 10, 2), "dccsw", NULL, setway_set},
	{CP_KEY(7, 0, 14, 2), "dccisw", NULL, setway_set},
	/* HCR.TIDCP: implementation defined */
	{CP_KEY(9, 1, 0, 2), "l2ctlr", l2ctlr_access, wi},
	{CP_KEY(9, 1, 0, 3), "l2ectlr", raz, wi},
	/* HCR.TVM again */
	VM(10, 0, 2, 0, prrr),
	VM(10, 0, 2, 1, nmrr),
	VM(10, 0, 3, 0, amair0),
	VM(10, 0, 3, 1, amair1),
	VM(13, 0, 0, 1, contextidr),
	/* CNTHCTL: the physical timer */
	{CP_KEY(14, 0, 2, 0), "cntp_tval", cntp_tval_access, cntp_tval_set},
	{CP_KEY(14, 0, 2, 1), "cntp_ctl", cntp_ctl_access, cntp_ctl_set},
};

static const struct cp_row cp15_rows64[] = {
	{CP_KEY64(0, 2), "ttbr0", ttbr0_64_access, ttbr0_64_set},
	{CP_KEY64(0, 14), "cntpct", cntpct_access, NULL},
	{CP_KEY64(1, 2), "ttbr1", ttbr1_64_access, ttbr1_64_set},
	{CP_KEY64(2, 14), "cntp_cval", cntp_cval_access, cntp_cval_set},
};

/* HDCR.TDA, TDOSA, TDRA. DBGDIDR reads as a version that nobody knows: tools and kernels then leave debug alone. */
static const struct cp_row cp14_rows[] = {
	{CP_KEY(0, 0, 0, 0), "dbgdidr", raz, NULL},        {CP_KEY(0, 0, 1, 0), "dbgdscrint", raz, NULL},
	{CP_KEY(1, 0, 0, 0), "dbgdrar", raz, NULL},        {CP_KEY(1, 0, 0, 4), "dbgoslar", NULL, wi},
	{CP_KEY(1, 0, 1, 4), "dbgoslsr", raz, NULL},       {CP_KEY(1, 0, 3, 4), "dbgosdlr", raz, wi},
	{CP_KEY(1, 0, 4, 4), "dbgprcr", raz, wi},          {CP_KEY(2, 0, 0, 0), "dbgdsar", raz, NULL},
	{CP_KEY(7, 0, 14, 6), "dbgauthstatus", raz, NULL},
};

const struct cp_table cp15_table = {"cp15", cp15_rows, ARRAY_SIZE(cp15_rows)};
const struct cp_table cp15_table64 = {"cp15_64", cp15_rows64, ARRAY_SIZE(cp15_rows64)};
const struct cp_table cp14_table = {"cp14", cp14_rows, ARRAY_SIZE(cp14_rows)};
