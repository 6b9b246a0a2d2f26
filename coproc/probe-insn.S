/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that probe.c runs at PL1, and the way there and back. ARM state, position-independent. */
	.arch	armv7ve
	.arm
	.syntax unified

	.section .text.probe, "ax"

/* uint32_t probe_run(uint32_t at). PL1 shares r0-r12 with us: it changes r0 only. */
	.global	probe_run
	.type	probe_run, %function
probe_run:
	push	{r4, lr}
	mrc	p15, 4, r4, c12, c0, 0		@ HVBAR
	ldr	r1, =probe_vectors_hyp
	mcr	p15, 4, r1, c12, c0, 0
	msr	elr_hyp, r0
	mov	r1, #0x1d3			@ SVC; A, I and F masked
	msr	spsr_cxsf, r1
	isb
	eret
probe_back:
	mcr	p15, 4, r4, c12, c0, 0
	isb
	mrc	p15, 4, r0, c5, c2, 0		@ HSR
	pop	{r4, pc}

	.balign	32
probe_vectors_hyp:
	.rept	8
	b	probe_back
	.endr

/* PL1's: whatever it takes is an HVC with 1. */
	.balign	32
	.global	probe_vectors_pl1
probe_vectors_pl1:
	.rept	8
	hvc	#1
	.endr

	.macro	probe name, instruction:vararg
	.global	\name
\name:	\instruction
	hvc	#0
	.endm

	probe	probe_id_pfr0, mrc p15, 0, r0, c0, c1, 0	@ HCR.TID3
	probe	probe_tlbtr, mrc p15, 0, r0, c0, c0, 3		@ HCR.TID1
	probe	probe_l2ctlr, mrc p15, 1, r0, c9, c0, 2		@ HCR.TIDCP
