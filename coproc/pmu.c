/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See pmu.h. PMUSERENR, PMSELR and the interrupt enables are kept here only; the rest is in the hardware from the first
 * access on, and here while the vCPU is not loaded.
 */
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "coproc/extra.h"
#include "coproc/pmu.h"
#include "hyp/vm/vm.h"

/* PMCR (C12.8) */
#define PMCR_E         BIT(0)
#define PMCR_P         BIT(1) /* event counters to 0, write-only */
#define PMCR_C         BIT(2) /* cycle counter to 0, write-only */
#define PMCR_KEPT      0x39U  /* E, D, X, DP */
#define PMCR_N(pmcr)   FIELD(pmcr, 11, 5)
#define PMCR_N_SHIFT   11
#define PMCR_N_MASK    (0x1fU << PMCR_N_SHIFT)
#define PMCNT_CYCLES   BIT(31)
#define PMSELR_CYCLES  31U
#define PMCCFILTR_NSH  BIT(27) /* count in HYP, too */
#define CLOCK_TRIES    8U
#define PMXEVTYPER_ALL 0xf00000ffU /* without NSH: HYP is not counted */

/* How many event counters a guest has: those of the hardware, as far as there is room to keep them. */
static uint32_t event_counters(void)
{
	return MIN(PMCR_N(read_pmcr()), PMU_EVENTS_MAX);
}

static uint32_t implemented_counters(void)
{
	return PMCNT_CYCLES | (BIT(event_counters()) - 1U);
}

uint32_t pmu_init_cpu(void)
{
	write_pmcntenclr(~0U);
	write_pmintenclr(~0U);
	write_pmovsr(~0U);
	write_pmuserenr(0);
	return PMCR_N(read_pmcr()) | HDCR_TPM | HDCR_TPMCR;
}

static void select_counter(uint32_t n)
{
	write_pmselr(n);
	isb();
}

/* Both counters at one time, as far as nothing comes in between: of an emulator whose thread waits, the other counter
 * goes on. */
static struct pmu_clock read_clock(void)
{
	struct pmu_clock now;
	uint64_t before;
	uint32_t tries = 0;

	do {
		isb();
		before = read_cntpct();
		now.cycles = read_pmccntr();
		isb();
		now.ticks = read_cntpct();
	} while (now.ticks - before > read_cntfrq() / 1000000U + 1U && ++tries < CLOCK_TRIES);
	return now;
}

void pmu_clock_begin(struct pmu_clock *clock)
{
	select_counter(PMSELR_CYCLES);
	write_pmxevtyper(PMCCFILTR_NSH);
	write_pmcr(PMCR_E | PMCR_C);
	write_pmcntenset(PMCNT_CYCLES);
	*clock = read_clock();
}

uint32_t pmu_clock_end(const struct pmu_clock *clock)
{
	struct pmu_clock now = read_clock();
	uint32_t cycles = now.cycles - clock->cycles;
	uint64_t ticks = now.ticks - clock->ticks;

	write_pmcntenclr(PMCNT_CYCLES);
	write_pmcr(0);
	write_pmxevtyper(0);
	return ticks ? (uint32_t)((uint64_t)cycles * (read_cntfrq() / 1000U) / ticks) : 0;
}

void pmu_load(struct vcpu *vcpu)
{
	const struct pmu_context *pmu = &vcpu->coproc.pmu;

	for (uint32_t i = 0; i < event_counters(); i++) {
		select_counter(i);
		write_pmxevtyper(pmu->event_type[i]);
		write_pmxevcntr(pmu->event_count[i]);
	}
	select_counter(PMSELR_CYCLES);
	write_pmxevtyper(pmu->cycle_type);
	write_pmccntr(pmu->cycle_count);
	write_pmuserenr(pmu->user_enable);
	write_pmovsr(~0U);
	write_pmovsset(pmu->overflow);
	write_pmcr(pmu->control);
	write_pmcntenset(pmu->enabled);
}

void pmu_save(struct vcpu *vcpu)
{
	struct pmu_context *pmu = &vcpu->coproc.pmu;

	pmu->enabled = read_pmcntenset();
	write_pmcntenclr(~0U);
	write_pmuserenr(0);
	isb();
	pmu->control = read_pmcr() & PMCR_KEPT;
	pmu->overflow = read_pmovsr();
	pmu->cycle_count = read_pmccntr();
	select_counter(PMSELR_CYCLES);
	pmu->cycle_type = read_pmxevtyper();
	for (uint32_t i = 0; i < event_counters(); i++) {
		select_counter(i);
		pmu->event_type[i] = read_pmxevtyper();
		pmu->event_count[i] = read_pmxevcntr();
	}
}

void pmu_reset(struct vcpu *vcpu)
{
	if (vcpu->coproc.extra & EXTRA_PMU) {
		write_pmcntenclr(~0U);
		write_pmuserenr(0);
	}
	vcpu->coproc.pmu = (struct pmu_context){0};
	vcpu->coproc.extra &= ~EXTRA_PMU;
}

/* The first access of a vCPU brings its counters into the hardware; from then on they are wherever it is. */
static struct pmu_context *in_hardware(struct vcpu *vcpu)
{
	if (!(vcpu->coproc.extra & EXTRA_PMU)) {
		vcpu->coproc.extra |= EXTRA_PMU;
		pmu_load(vcpu);
	}
	return &vcpu->coproc.pmu;
}

uint32_t pmu_user_enabled(const struct vcpu *vcpu)
{
	return vcpu->coproc.pmu.user_enable;
}

/* Implementer, ID code and all but N are the core's. */
uint64_t pmcr_read(struct vcpu *vcpu)
{
	in_hardware(vcpu);
	return (read_pmcr() & ~PMCR_N_MASK) | event_counters() << PMCR_N_SHIFT;
}

void pmcr_write(struct vcpu *vcpu, uint64_t value)
{
	in_hardware(vcpu);
	write_pmcr((uint32_t)value & (PMCR_KEPT | PMCR_P | PMCR_C));
}

/* Registers of one bit a counter; those that do not exist are RAZ/WI. */
#define BITS(name)                                                     \
	uint64_t name##_read(struct vcpu *vcpu)                        \
	{                                                              \
		in_hardware(vcpu);                                     \
		return read_##name() & implemented_counters();         \
	}                                                              \
	void name##_write(struct vcpu *vcpu, uint64_t value)           \
	{                                                              \
		in_hardware(vcpu);                                     \
		write_##name((uint32_t)value &implemented_counters()); \
	}

BITS(pmcntenset)
BITS(pmcntenclr)
BITS(pmovsr)
BITS(pmovsset)

void pmswinc_write(struct vcpu *vcpu, uint64_t value)
{
	in_hardware(vcpu);
	write_pmswinc((uint32_t)value & implemented_counters());
}

uint64_t pmselr_read(struct vcpu *vcpu)
{
	return in_hardware(vcpu)->select;
}

void pmselr_write(struct vcpu *vcpu, uint64_t value)
{
	in_hardware(vcpu)->select = (uint32_t)value & 0x1fU;
}

uint64_t pmceid0_read(struct vcpu *vcpu)
{
	return read_pmceid0();
}

uint64_t pmceid1_read(struct vcpu *vcpu)
{
	return read_pmceid1();
}

uint64_t pmccntr_read(struct vcpu *vcpu)
{
	in_hardware(vcpu);
	return read_pmccntr();
}

void pmccntr_write(struct vcpu *vcpu, uint64_t value)
{
	in_hardware(vcpu);
	write_pmccntr((uint32_t)value);
}

/* Select the guest's counter in the hardware; false: it has no such counter. */
static bool is_selected(struct vcpu *vcpu, bool cycles)
{
	uint32_t n = in_hardware(vcpu)->select;

	if (n >= event_counters() && !(cycles && n == PMSELR_CYCLES))
		return false;
	select_counter(n);
	return true;
}

uint64_t pmxevtyper_read(struct vcpu *vcpu)
{
	return is_selected(vcpu, true) ? read_pmxevtyper() : 0;
}

void pmxevtyper_write(struct vcpu *vcpu, uint64_t value)
{
	if (is_selected(vcpu, true))
		write_pmxevtyper((uint32_t)value & PMXEVTYPER_ALL);
}

uint64_t pmxevcntr_read(struct vcpu *vcpu)
{
	return is_selected(vcpu, false) ? read_pmxevcntr() : 0;
}

void pmxevcntr_write(struct vcpu *vcpu, uint64_t value)
{
	if (is_selected(vcpu, false))
		write_pmxevcntr((uint32_t)value);
}

uint64_t pmuserenr_read(struct vcpu *vcpu)
{
	return vcpu->coproc.pmu.user_enable;
}

void pmuserenr_write(struct vcpu *vcpu, uint64_t value)
{
	in_hardware(vcpu)->user_enable = (uint32_t)value & 1U;
	write_pmuserenr((uint32_t)value & 1U); /* or PL0 takes UNDEF before it traps */
}

uint64_t pmintenset_read(struct vcpu *vcpu)
{
	return vcpu->coproc.pmu.interrupts;
}

void pmintenset_write(struct vcpu *vcpu, uint64_t value)
{
	vcpu->coproc.pmu.interrupts |= (uint32_t)value & implemented_counters();
}

uint64_t pmintenclr_read(struct vcpu *vcpu)
{
	return vcpu->coproc.pmu.interrupts;
}

void pmintenclr_write(struct vcpu *vcpu, uint64_t value)
{
	vcpu->coproc.pmu.interrupts &= ~((uint32_t)value & implemented_counters());
}
