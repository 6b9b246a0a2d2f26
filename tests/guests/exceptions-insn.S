/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions that take an exception, each with a label that exceptions.c compares with the link register. All are
 * called as uint32_t f(uint32_t r0, uint32_t r1) and return r0.
 */
	.syntax unified
	.text

	.macro	func name
	.global	\name
	.type	\name, %function
\name:
	.endm

	.macro	at name
	.global	\name
\name:
	.endm

	.arm
func arm_undef
at at_arm_undef
	.inst	0xe7f000f0		@ UDF
	add	r0, r0, #1
	bx	lr

func arm_svc
	push	{r4, lr}		@ an SVC from SVC mode overwrites its lr
at at_arm_svc
	svc	#0x1234
	add	r0, r0, #1
	pop	{r4, pc}

/* Conditions: EQ, true when r0 == 0. */
func arm_svc_cond
	push	{r4, lr}
	cmp	r0, #0
at at_arm_svc_cond
	svceq	#1
	pop	{r4, pc}

func arm_load
at at_arm_load
	ldr	r0, [r0]
	bx	lr

func arm_store
at at_arm_store
	str	r1, [r0]
	bx	lr

func arm_load_cond			@ loads when r1 == 0
	cmp	r1, #0
	ldreq	r0, [r0]
	bx	lr

func arm_load_wb			@ the base must survive an abort (B1.9.8)
	mov	r2, #0x77
at at_arm_load_wb
	ldr	r2, [r0, #8]!
	cmp	r2, #0x77
	movne	r0, #0
	bx	lr

func arm_ldm				@ the base of an LDM must survive one too
	mov	r2, r0
at at_arm_ldm
	ldm	r0!, {r1, r3}
	sub	r0, r0, r2		@ 0: unchanged
	bx	lr

func arm_swi_flags			@ r0 in: NZCV in bits 31:28; r0 out: CPSR after an SVC
	push	{r4, lr}
	msr	cpsr_f, r0
	svc	#0
	mrs	r0, cpsr
	pop	{r4, pc}

/* ACTLR: trapped by a hypervisor, never UNDEFINED at PL1 (B4.1.1). Reads it when r0 == 0, else returns r0. */
func arm_mrc_cond
	cmp	r0, #0
	mrceq	p15, 0, r0, c1, c0, 1
	bx	lr

func arm_far_call			@ branch to r0; a prefetch abort there returns to lr
	push	{r4, lr}
	blx	r0
	mov	r0, #0x55
	pop	{r4, pc}

func arm_bkpt
	push	{r4, lr}
	adr	lr, 1f			@ the library returns from a prefetch abort to lr
at at_arm_bkpt
	bkpt	#7
	mov	r0, #0
1:	pop	{r4, pc}

func arm_user_svc			@ User mode: its lr is not the one SVC overwrites
at at_arm_user_svc
	svc	#2
	add	r0, r0, #1
	bx	lr

func arm_user_cps			@ in User mode CPS is a NOP (B9.3.2) and MSR to CPSR_c is ignored
	cps	#0x13
	mrs	r0, cpsr
	orr	r1, r0, #0x1f
	msr	cpsr_c, r1
	mrs	r0, cpsr
	bx	lr

func arm_user_mcr			@ UNDEFINED in User mode
at at_arm_user_mcr
	mrc	p15, 0, r0, c1, c0, 0
	bx	lr

func arm_ldrd_unaligned			@ LDRD must be word-aligned whatever SCTLR.A (A3.2.1)
at at_arm_ldrd_unaligned
	ldrd	r2, r3, [r0]
	bx	lr

func arm_ldm_unaligned
at at_arm_ldm_unaligned
	ldm	r0, {r2, r3}
	bx	lr

func arm_ldrex_unaligned
at at_arm_ldrex_unaligned
	ldrex	r2, [r0]
	bx	lr

	.thumb
	.thumb_func
func thumb_undef16
at at_thumb_undef16
	.inst.n	0xde00			@ UDF.N
	adds	r0, #1
	bx	lr

	.thumb_func
func thumb_undef32
at at_thumb_undef32
	.inst.w	0xf7f0a000		@ UDF.W
	adds	r0, #1
	bx	lr

	.thumb_func
func thumb_svc
	push	{r4, lr}
at at_thumb_svc
	svc	#0x34
	adds	r0, #1
	pop	{r4, pc}

	.thumb_func
func thumb_load16
at at_thumb_load16
	ldr	r0, [r0]
	bx	lr

	.thumb_func
func thumb_load32
at at_thumb_load32
	ldr.w	r0, [r0, #0x100]
	bx	lr

	.thumb_func
func thumb_store32
at at_thumb_store32
	strd	r1, r1, [r0]
	bx	lr

/*
 * In an IT block of four, the second instruction takes the exception (16 or 32 bits): what follows it must still obey
 * its own condition. r0 = address; the result says which of the others ran: 1 + 4 when all is well (T, T, E, T, EQ
 * true).
 */
	.thumb_func
func thumb_it_load16
	movs	r2, #0
	cmp	r2, #0
	ittet	eq
	addeq	r2, #1
at at_thumb_it_load16
	ldreq	r1, [r0]
	addne	r2, #2
	addeq	r2, #4
	mov	r0, r2
	bx	lr

	.thumb_func
func thumb_it_load32
	movs	r2, #0
	cmp	r2, #0
	ittet	eq
	addeq	r2, #1
at at_thumb_it_load32
	ldreq.w	r1, [r0, #0x100]
	addne	r2, #2
	addeq	r2, #4
	mov	r0, r2
	bx	lr

	.thumb_func
func thumb_it_svc
	push	{r4, lr}
	movs	r0, #0
	cmp	r0, #0
	ittet	eq
	addeq	r0, #1
at at_thumb_it_svc
	svceq	#1
	addne	r0, #2
	addeq	r0, #4
	pop	{r4, pc}

	.thumb_func
func thumb_it_undef
	movs	r0, #0
	cmp	r0, #0
	ittet	eq
	addeq	r0, #1
at at_thumb_it_undef
	.inst.n	0xde01
	addne	r0, #2
	addeq	r0, #4
	bx	lr

/* The failing half of an IT block: an SVC and a load that must not happen. */
	.thumb_func
func thumb_it_fail
	push	{r4, lr}
	movs	r2, #0
	cmp	r2, #1
	ittee	eq
	svceq	#1
	ldreq	r1, [r0]
	addne	r2, #2
	addne	r2, #4
	mov	r0, r2
	pop	{r4, pc}

	.thumb_func
func thumb_mrc_cond			@ as arm_mrc_cond
	cmp	r0, #0
	it	eq
	mrceq	p15, 0, r0, c1, c0, 1
	bx	lr

	.thumb_func
func thumb_user_svc
at at_thumb_user_svc
	svc	#2
	adds	r0, #1
	bx	lr
