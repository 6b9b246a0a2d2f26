/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of the exit that HYP serves, what an exception in HYP overwrites and the way back into the guest needs (DDI 0406C
 * B1.8.3): kept around code that may take one. HSR is lost.
 */
#ifndef ARM_FAULT_KEPT_H
#define ARM_FAULT_KEPT_H

#include <stdint.h>

#include <arm/sysreg.h>

struct fault_kept {
	uint32_t elr, spsr;
};

static inline struct fault_kept fault_keep(void)
{
	return (struct fault_kept){read_elr_hyp(), read_spsr_hyp()};
}

static inline void fault_give_back(struct fault_kept kept)
{
	write_elr_hyp(kept.elr);
	write_spsr_hyp(kept.spsr);
}

#endif
