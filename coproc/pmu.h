/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's performance monitors (PMUv2, DDI 0406C C12): the hardware's counters, lent to the vCPU that runs. Every
 * access traps (HDCR.TPM), so that a vCPU that never touches them costs nothing. Counting stops while the vCPU is not
 * loaded, and in HYP. The overflow interrupt does not reach a guest.
 */
#ifndef COPROC_PMU_H
#define COPROC_PMU_H

#include <stdint.h>

struct vcpu;

/* This CPU: all counters to the guests' side, all of their registers trapped. Returns HDCR's bits. */
uint32_t pmu_init_cpu(void);

/*
 * How fast this CPU's clock is: its cycle counter against CNTPCT, from pmu_clock_begin() on, behind pmu_init_cpu() and
 * before any guest. pmu_clock_end() returns kHz and leaves the counter as it was; 0: the counter does not count.
 */
struct pmu_clock {
	uint64_t ticks;
	uint32_t cycles;
};
void pmu_clock_begin(struct pmu_clock *clock);
uint32_t pmu_clock_end(const struct pmu_clock *clock);

/* The vCPU, whose monitors are in the hardware, leaves it; comes back; starts over. */
void pmu_save(struct vcpu *vcpu);
void pmu_load(struct vcpu *vcpu);
void pmu_reset(struct vcpu *vcpu);

/* PMUSERENR.EN: may PL0? */
uint32_t pmu_user_enabled(const struct vcpu *vcpu);

uint64_t pmcr_read(struct vcpu *vcpu);
void pmcr_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmcntenset_read(struct vcpu *vcpu);
void pmcntenset_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmcntenclr_read(struct vcpu *vcpu);
void pmcntenclr_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmovsr_read(struct vcpu *vcpu);
void pmovsr_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmovsset_read(struct vcpu *vcpu);
void pmovsset_write(struct vcpu *vcpu, uint64_t value);
void pmswinc_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmselr_read(struct vcpu *vcpu);
void pmselr_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmceid0_read(struct vcpu *vcpu);
uint64_t pmceid1_read(struct vcpu *vcpu);
uint64_t pmccntr_read(struct vcpu *vcpu);
void pmccntr_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmxevtyper_read(struct vcpu *vcpu);
void pmxevtyper_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmxevcntr_read(struct vcpu *vcpu);
void pmxevcntr_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmuserenr_read(struct vcpu *vcpu);
void pmuserenr_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmintenset_read(struct vcpu *vcpu);
void pmintenset_write(struct vcpu *vcpu, uint64_t value);
uint64_t pmintenclr_read(struct vcpu *vcpu);
void pmintenclr_write(struct vcpu *vcpu, uint64_t value);

#endif
