/* SPDX-License-Identifier: BSD-2-Clause */
/* VFP and Advanced SIMD for vfp.c. Arguments and results by pointer: the C side is soft-float. */
	.syntax unified
	.arch_extension virt
	.fpu neon-vfpv4
	.arm
	.text

	.macro	func name
	.global	\name
	.type	\name, %function
\name:
	.endm

func vfp_get_fpexc
	vmrs	r0, fpexc
	bx	lr
func vfp_set_fpexc
	vmsr	fpexc, r0
	bx	lr
func vfp_get_fpscr
	vmrs	r0, fpscr
	bx	lr
func vfp_set_fpscr
	vmsr	fpscr, r0
	bx	lr
func vfp_get_mvfr0
	vmrs	r0, mvfr0
	bx	lr
func vfp_get_mvfr1
	vmrs	r0, mvfr1
	bx	lr
func vfp_get_fpsid
	vmrs	r0, fpsid
	bx	lr

/* uint32_t f(uint32_t x): one VFP, one NEON instruction, which only matter for being UNDEFINED or not. */
func vfp_touch
	vmov	s0, r0
	bx	lr
func neon_touch
	vdup.32	q0, r0
	bx	lr

func vfp_load				@ (const uint64_t d[32])
	vldmia	r0!, {d0-d15}
	vldmia	r0, {d16-d31}
	bx	lr
func vfp_store				@ (uint64_t d[32])
	vstmia	r0!, {d0-d15}
	vstmia	r0, {d16-d31}
	bx	lr

/* (uint64_t *result, const uint64_t *a, const uint64_t *b) */
	.macro	binary name, op
func \name
	vldr	d17, [r1]
	vldr	d18, [r2]
	\op	d17, d17, d18
	vstr	d17, [r0]
	bx	lr
	.endm
	binary	vfp_add, vadd.f64
	binary	vfp_sub, vsub.f64
	binary	vfp_mul, vmul.f64
	binary	vfp_div, vdiv.f64

func vfp_fma				@ *result += *a * *b, in one rounding (VFPv4)
	vldr	d3, [r0]
	vldr	d4, [r1]
	vldr	d5, [r2]
	vfma.f64 d3, d4, d5
	vstr	d3, [r0]
	bx	lr
func vfp_sqrt				@ (uint64_t *result, const uint64_t *a)
	vldr	d6, [r1]
	vsqrt.f64 d6, d6
	vstr	d6, [r0]
	bx	lr
func vfp_to_single			@ uint32_t (const uint64_t *a)
	vldr	d7, [r0]
	vcvt.f32.f64 s0, d7
	vmov	r0, s0
	bx	lr
func vfp_to_int				@ int32_t (const uint64_t *a)
	vldr	d7, [r0]
	vcvt.s32.f64 s1, d7
	vmov	r0, s1
	bx	lr
func vfp_compare			@ uint32_t (const uint64_t *a, const uint64_t *b): NZCV in bits 31:28
	vldr	d1, [r0]
	vldr	d2, [r1]
	vcmp.f64 d1, d2
	vmrs	apsr_nzcv, fpscr
	mrs	r0, cpsr
	bx	lr
func vfp_alias				@ uint32_t (uint32_t low, uint32_t high): s2, s3 are d1
	vmov	s2, r0
	vmov	s3, r1
	vmov	r2, r3, d1
	eor	r0, r0, r2
	eor	r1, r1, r3
	orr	r0, r0, r1
	bx	lr

/* (uint32_t result[4], const uint32_t a[4], const uint32_t b[4]) */
	.macro	neon name, op
func \name
	vld1.32	{q8}, [r1]
	vld1.32	{q15}, [r2]
	\op	q3, q8, q15
	vst1.32	{q3}, [r0]
	bx	lr
	.endm
	neon	neon_add, vadd.i32
	neon	neon_mul, vmul.i32
	neon	neon_qadd, vqadd.s32
	neon	neon_eor, veor
	neon	neon_fadd, vadd.f32

/* In Thumb state, conditional: s0 = r0 when r1 == 0; returns s0. */
	.thumb
	.thumb_func
func vfp_thumb_it
	cmp	r1, #0
	ite	eq
	vmoveq	s0, r0
	movne	r0, r0
	vmov	r0, s0
	bx	lr
