/* SPDX-License-Identifier: BSD-2-Clause */
/* The number of the CPU that runs this, for layers below hyp/run/percpu.h. */
#ifndef HYP_LIB_CPU_H
#define HYP_LIB_CPU_H

#include <stdint.h>

#include <arm/sysreg.h>

/* How every struct percpu begins; HTPIDR points to it. hyp/exit/vectors.S knows the offsets (hyp/exit/offsets.h). */
struct cpu_head {
	uint32_t id;                 /* 0 ... CPU_MAX - 1 */
	uint32_t panic_sp;           /* top of the stack for HYP's own faults */
	uint32_t fault_r1, fault_sp; /* as such a fault found them */
};

static inline uint32_t cpu_id(void)
{
	return ((const struct cpu_head *)(uintptr_t)read_htpidr())->id;
}

#endif
