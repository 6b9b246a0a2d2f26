/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every load and store form that can reach a device, one each. mmio_run(code, regs) loads r0-r7 and the flags from
 * regs, calls the form, and stores them back. r0 is the address, r1, r2, r4, r5 data, r3 an index; Z is set unless a
 * test says else.
 */
	.syntax unified
	.text
	.arm
	.global mmio_run
mmio_run:
	push	{r4-r11, lr}
	mov	r12, r0
	mov	r8, r1
	ldr	r9, [r8, #32]
	msr	cpsr_f, r9
	ldm	r8, {r0-r7}
	blx	r12
	stm	r8, {r0-r7}
	mrs	r9, cpsr
	str	r9, [r8, #32]
	pop	{r4-r11, pc}

	.macro	form name, insn:vararg
	.global	\name
	.type	\name, %function
\name:
	\insn
	bx	lr
	.endm

	form	a_ldr,		ldr	r1, [r0]
	form	a_ldr_off,	ldr	r1, [r0, #4]
	form	a_ldr_neg,	ldr	r1, [r0, #-4]
	form	a_ldr_reg,	ldr	r1, [r0, r3]
	form	a_ldr_lsl,	ldr	r1, [r0, r3, lsl #2]
	form	a_ldr_pre,	ldr	r1, [r0, #4]!
	form	a_ldr_post,	ldr	r1, [r0], #4
	form	a_ldr_post_neg,	ldr	r1, [r0], #-4
	form	a_ldr_post_reg,	ldr	r1, [r0], r3
	form	a_ldr_pre_reg,	ldr	r1, [r0, r3, lsl #2]!
	form	a_ldrt,		ldrt	r1, [r0]
	form	a_ldrt_post,	ldrt	r1, [r0], #4
	form	a_ldrb,		ldrb	r1, [r0, #1]
	form	a_ldrb_pre,	ldrb	r1, [r0, #1]!
	form	a_ldrb_post,	ldrb	r1, [r0], #1
	form	a_ldrbt,	ldrbt	r1, [r0], #1
	form	a_ldrsb,	ldrsb	r1, [r0]
	form	a_ldrsb_pre,	ldrsb	r1, [r0, #1]!
	form	a_ldrsb_post,	ldrsb	r1, [r0], #3
	form	a_ldrh,		ldrh	r1, [r0]
	form	a_ldrh_pre,	ldrh	r1, [r0, #4]!
	form	a_ldrh_post,	ldrh	r1, [r0], #4
	form	a_ldrh_reg,	ldrh	r1, [r0, r3]
	form	a_ldrsh,	ldrsh	r1, [r0]
	form	a_ldrsh_pre,	ldrsh	r1, [r0, #4]!
	form	a_ldrsh_post,	ldrsh	r1, [r0], #4
	form	a_ldrd,		ldrd	r4, r5, [r0]
	form	a_ldrd_pre,	ldrd	r4, r5, [r0, #8]!
	form	a_ldrd_post,	ldrd	r4, r5, [r0], #8
	form	a_ldrd_reg,	ldrd	r4, r5, [r0, r3]
	form	a_ldm,		ldm	r0, {r1, r2, r4}
	form	a_ldm_wb,	ldmia	r0!, {r1, r2, r4}
	form	a_ldmib,	ldmib	r0, {r1, r2, r4}
	form	a_ldmda,	ldmda	r0, {r1, r2, r4}
	form	a_ldmdb_wb,	ldmdb	r0!, {r1, r2, r4}
	form	a_ldm_base,	ldm	r0, {r0, r1, r2}
	form	a_str,		str	r1, [r0]
	form	a_str_off,	str	r1, [r0, #4]
	form	a_str_reg,	str	r1, [r0, r3]
	form	a_str_pre,	str	r1, [r0, #4]!
	form	a_str_post,	str	r1, [r0], #4
	form	a_str_post_reg,	str	r1, [r0], -r3
	form	a_strt,		strt	r1, [r0], #4
	form	a_strb,		strb	r1, [r0, #2]
	form	a_strb_pre,	strb	r1, [r0, #1]!
	form	a_strb_post,	strb	r1, [r0], #1
	form	a_strh,		strh	r1, [r0]
	form	a_strh_pre,	strh	r1, [r0, #4]!
	form	a_strh_post,	strh	r1, [r0], #4
	form	a_strd,		strd	r4, r5, [r0]
	form	a_strd_pre,	strd	r4, r5, [r0, #8]!
	form	a_strd_post,	strd	r4, r5, [r0], #8
	form	a_stm,		stm	r0, {r1, r2, r4}
	form	a_stm_wb,	stmia	r0!, {r1, r2, r4}
	form	a_stmdb_wb,	stmdb	r0!, {r1, r2, r4}
	form	a_stmib,	stmib	r0, {r1, r2, r4}
	form	a_ldr_eq,	ldreq	r1, [r0]
	form	a_ldr_ne,	ldrne	r1, [r0]
	form	a_str_ne,	strne	r1, [r0]
	form	a_ldr_ne_wb,	ldrne	r1, [r0, #4]!
	form	a_ldm_ne_wb,	ldmne	r0!, {r1, r2, r4}
	form	a_ldrd_eq_post,	ldrdeq	r4, r5, [r0], #8

	.thumb
	.macro	tform name, insn:vararg
	.thumb_func
	form	\name, \insn
	.endm

	tform	t_ldr,		ldr.n	r1, [r0]
	tform	t_ldr_off,	ldr.n	r1, [r0, #4]
	tform	t_ldr_reg,	ldr.n	r1, [r0, r3]
	tform	t_ldrb,		ldrb.n	r1, [r0, #1]
	tform	t_ldrh,		ldrh.n	r1, [r0]
	tform	t_ldrsb,	ldrsb.n	r1, [r0, r3]
	tform	t_ldrsh,	ldrsh.n	r1, [r0, r3]
	tform	t_str,		str.n	r1, [r0]
	tform	t_strb,		strb.n	r1, [r0, #2]
	tform	t_strh,		strh.n	r1, [r0]
	tform	t_ldm_wb,	ldmia.n	r0!, {r1, r2, r4}
	tform	t_stm_wb,	stmia.n	r0!, {r1, r2, r4}
	tform	t_ldm_base,	ldm.n	r0, {r0, r1, r2}
	tform	t_ldr_w,	ldr.w	r1, [r0]
	tform	t_ldr_w_neg,	ldr.w	r1, [r0, #-4]
	tform	t_ldr_w_lsl,	ldr.w	r1, [r0, r3, lsl #2]
	tform	t_ldr_w_pre,	ldr.w	r1, [r0, #4]!
	tform	t_ldr_w_post,	ldr.w	r1, [r0], #4
	tform	t_ldr_w_post_neg, ldr.w	r1, [r0], #-4
	tform	t_ldrt,		ldrt	r1, [r0, #4]
	tform	t_ldrb_w_post,	ldrb.w	r1, [r0], #1
	tform	t_ldrsb_w,	ldrsb.w	r1, [r0]
	tform	t_ldrsb_w_pre,	ldrsb.w	r1, [r0, #1]!
	tform	t_ldrh_w_pre,	ldrh.w	r1, [r0, #4]!
	tform	t_ldrsh_w_post,	ldrsh.w	r1, [r0], #4
	tform	t_str_w,	str.w	r1, [r0, #4]
	tform	t_str_w_pre,	str.w	r1, [r0, #4]!
	tform	t_str_w_post,	str.w	r1, [r0], #4
	tform	t_strb_w_pre,	strb.w	r1, [r0, #1]!
	tform	t_strh_w_post,	strh.w	r1, [r0], #4
	tform	t_ldrd,		ldrd	r4, r5, [r0]
	tform	t_ldrd_pre,	ldrd	r4, r5, [r0, #8]!
	tform	t_ldrd_post,	ldrd	r5, r4, [r0], #8
	tform	t_strd,		strd	r4, r5, [r0]
	tform	t_strd_post,	strd	r5, r4, [r0], #8
	tform	t_ldm_w,	ldm.w	r0, {r1, r2, r4}
	tform	t_ldmdb_w,	ldmdb.w	r0!, {r1, r2, r4}
	tform	t_stm_w,	stm.w	r0!, {r1, r2, r4}
	tform	t_stmdb_w,	stmdb.w	r0!, {r1, r2, r4}

/* IT blocks, all with Z set. r5-r7 count what ran. */
	.macro	itform name
	.thumb_func
	.global	\name
	.type	\name, %function
\name:
	.endm

	itform	t_it_pass
	itt	eq
	ldreq.n	r1, [r0]
	addeq	r5, #1
	bx	lr

	itform	t_it_pass_w
	itt	eq
	ldreq.w	r1, [r0], #4
	addeq	r5, #1
	bx	lr

	itform	t_it_fail
	ite	ne
	ldrne	r1, [r0]
	addeq	r5, #1
	bx	lr

	itform	t_it_four
	ittee	eq
	ldreq	r1, [r0]
	ldreq.w	r2, [r0, #4]!
	ldrne	r1, [r0]
	strne	r1, [r0]
	bx	lr

	itform	t_it_last
	itete	eq
	addeq	r5, #1
	addne	r6, #1
	streq	r1, [r0]
	addne	r7, #1
	bx	lr

	itform	t_it_ldm
	itet	eq
	ldmeq	r0!, {r1, r2, r4}
	addne	r6, #1
	addeq	r5, #1
	bx	lr

	itform	t_it_ldrd
	itet	eq
	ldrdeq	r1, r2, [r0], #8
	addne	r6, #1
	addeq	r5, #1
	bx	lr

/* The registers of VFP, which come and go by r1, r2, r4 and r5. */
	.fpu	neon-vfpv4
	.arm
	.macro	vform name
	.global	\name
	.type	\name, %function
\name:
	.endm

	vform	v_on
	mrc	p15, 0, r0, c1, c0, 2
	orr	r0, r0, #0xf00000
	mcr	p15, 0, r0, c1, c0, 2
	isb
	mov	r0, #0x40000000
	vmsr	fpexc, r0
	bx	lr

	vform	v_vldr
	vldr	s1, [r0]
	vmov	r1, s1
	bx	lr

	vform	v_vldr_d
	vldr	d17, [r0, #-8]
	vmov	r4, r5, d17
	bx	lr

	vform	v_vldr_ne
	vmov	s1, r2
	vldrne	s1, [r0]
	vmov	r1, s1
	bx	lr

	vform	v_vldr_be
	setend	be
	vldr	d2, [r0]
	setend	le
	vmov	r4, r5, d2
	bx	lr

	vform	v_vldm
	vldmia	r0!, {d2-d3}
	vmov	r1, r2, d2
	vmov	r4, r5, d3
	bx	lr

	vform	v_vldm_s
	vldmia	r0, {s5-s7}
	vmov	r1, s5
	vmov	r2, s6
	vmov	r4, s7
	bx	lr

	vform	v_vstr
	vmov	s3, r1
	vstr	s3, [r0, #4]
	bx	lr

	vform	v_vstr_d
	vmov	d31, r1, r2
	vstr	d31, [r0]
	bx	lr

	vform	v_vstr_be
	vmov	d2, r1, r2
	setend	be
	vstr	d2, [r0]
	setend	le
	bx	lr

	vform	v_vstmdb
	vmov	d4, r1, r2
	vmov	d5, r4, r5
	vstmdb	r0!, {d4-d5}
	bx	lr

	.thumb
	.thumb_func
	vform	t_vldr
	vldr	s1, [r0]
	vmov	r1, s1
	bx	lr

/* What has no syndrome either, and need not be possible where a device is. The result is in r1. */
	.arm
	form	x_ldrex,	ldrex	r1, [r0]
	form	x_ldrexb,	ldrexb	r1, [r0]
	form	x_vld1,		vld1.32	{d0}, [r0]
	form	x_vst1,		vst1.32	{d0}, [r0]
