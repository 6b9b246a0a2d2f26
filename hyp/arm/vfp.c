/* SPDX-License-Identifier: BSD-2-Clause */
/* VFP register file (DDI 0406C A2.6, B6.1). */
#include <arm/barrier.h>
#include <arm/vfp.h>

#include "hyp/lib/bits.h"

#define FPEXC_EN (1U << 30)

#define FPU ".arch armv7-a\n\t.fpu neon-vfpv4\n\t"

static uint32_t read_fpexc(void)
{
	uint32_t v;

	__asm__ volatile(FPU "vmrs %0, fpexc" : "=r"(v));
	return v;
}

static void write_fpexc(uint32_t v)
{
	__asm__ volatile(FPU "vmsr fpexc, %0" ::"r"(v));
}

bool vfp_has_d32 = true;
bool vfp_has_simd;

void vfp_save(struct vfp_context *vfp)
{
	uint64_t *d = vfp->d;

	vfp->fpexc = read_fpexc();
	write_fpexc(vfp->fpexc | FPEXC_EN);
	isb();
	__asm__ volatile(FPU "vmrs %0, fpscr" : "=r"(vfp->fpscr));
	__asm__ volatile(FPU "vstmia %0!, {d0-d15}" : "+r"(d)::"memory");
	if (likely(vfp_has_d32))
		__asm__ volatile(FPU "vstmia %0, {d16-d31}" : : "r"(d) : "memory");
	write_fpexc(vfp->fpexc);
}

void vfp_load(const struct vfp_context *vfp)
{
	const uint64_t *d = vfp->d;

	write_fpexc(FPEXC_EN);
	isb();
	__asm__ volatile(FPU "vldmia %0!, {d0-d15}" : "+r"(d)::"memory");
	if (likely(vfp_has_d32))
		__asm__ volatile(FPU "vldmia %0, {d16-d31}" : : "r"(d) : "memory");
	__asm__ volatile(FPU "vmsr fpscr, %0" ::"r"(vfp->fpscr));
	write_fpexc(vfp->fpexc);
}

bool vfp_read_id(uint32_t number, uint32_t *value)
{
	switch (number) {
	case 0:
		__asm__ volatile(FPU "vmrs %0, fpsid" : "=r"(*value));
		return true;
	case 5: /* MVFR2, ARMv8 in AArch32; by its encoding, as no ARMv7 assembler knows it */
		__asm__ volatile(".arch armv7-a\n\tmrc p10, 7, %0, c5, c0, 0" : "=r"(*value));
		return true;
	case 6:
		__asm__ volatile(FPU "vmrs %0, mvfr1" : "=r"(*value));
		return true;
	case 7:
		__asm__ volatile(FPU "vmrs %0, mvfr0" : "=r"(*value));
		return true;
	default:
		return false;
	}
}
