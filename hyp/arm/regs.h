/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's general registers as the vectors push them. The rest of its state (banked registers, cp15, PC and PSR in
 * ELR_hyp and SPSR_hyp) stays in the hardware while the vCPU has the CPU.
 */
#ifndef HYP_ARM_REGS_H
#define HYP_ARM_REGS_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/psr.h>

struct regs {
	uint32_t r[13]; /* r0-r12 of the current mode but FIQ's r8-r12, which are banked */
	uint32_t lr;    /* LR_usr, which is HYP's own too */
};

/* Is register `n` of `mode` in the frame's r[]? */
static inline bool regs_in_frame(uint32_t mode, unsigned int n)
{
	return n < 8 || (n < 13 && mode != PSR_MODE_FIQ);
}

/*
 * Register `n` (0 ... 14) as the guest's current mode (`spsr`) sees it: banked registers come from and go to the
 * hardware. Register 15 reads as the PC does in an instruction (+8, Thumb +4); writing it is ignored.
 */
uint32_t regs_read(const struct regs *regs, uint32_t spsr, unsigned int n);
void regs_write(struct regs *regs, uint32_t spsr, unsigned int n, uint32_t value);

#endif
