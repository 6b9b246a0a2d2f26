/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VFP and NEON registers: whole-file save and restore, and the ID registers. HYP itself uses D0-D15 for long copies
 * only, and leaves them as they were (hyp/arm/copy.S).
 */
#ifndef ARM_VFP_H
#define ARM_VFP_H

#include <stdbool.h>
#include <stdint.h>

struct vfp_context {
	union {
		uint64_t d[32];
		uint32_t word[64]; /* 2n: the lower one of Dn, which is S2n where there is one */
	};
	uint32_t fpscr, fpexc;
};

/* Whether this host's cores have D16-D31 (DDI 0406C A2.6.2). */
extern bool vfp_has_d32;

/* Whether all of them have VLD1 (A2.6.3), and the firmware leaves it to the non-secure side. */
extern bool vfp_has_simd;

/* The coprocessors are open (HCPTR); FPEXC.EN is handled here. */
void vfp_save(struct vfp_context *vfp);
void vfp_load(const struct vfp_context *vfp);

/* FPSID, MVFR0, MVFR1 by their VMRS register number; false: no such ID register. */
bool vfp_read_id(uint32_t number, uint32_t *value);

#endif
