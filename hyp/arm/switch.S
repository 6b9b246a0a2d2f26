/* SPDX-License-Identifier: BSD-2-Clause */
/* See switch.h: what is done with a stack, or with an exception, behind C's back. */
#define PSR_A_BIT 8

	.arch	armv7ve
	.arm
	.syntax unified

	.section .text.switch, "ax"
	.fnstart				@ a backtrace ends here
	.cantunwind

/* void thread_switch(uint32_t **from, uint32_t *to): nine words and a pad, SP stays 8-byte aligned. */
	.thumb
	.global	thread_switch
	.type	thread_switch, %function
	.thumb_func				@ as its caller is
thread_switch:
	push	{r3, r4-r11, lr}
	str	sp, [r0]
	mov	sp, r1
	pop	{r3, r4-r11, pc}

/*
 * void thread_leave(uint32_t *to, bool *gone): as thread_switch(), but nothing is kept. What this thread has written to
 * its stack is there before anybody sees that the stack is free.
 */
	.global	thread_leave
	.type	thread_leave, %function
	.thumb_func
thread_leave:
	mov	sp, r0
	movs	r2, #1
	dmb	ish
	strb	r2, [r1]
	pop	{r3, r4-r11, pc}
	.arm
	.balign	4

/*
 * bool abort_window(void): the abort is taken at the ISB at the latest, to vector_data (hyp/exit/vectors.S), because CPSR.A is clear and HYP
 * is where it is routed (B1.8.7). ELR and SPSR are the guest's. True: it has come.
 */
	.global	abort_window
	.type	abort_window, %function
abort_window:
	mrs	r1, elr_hyp
	mrs	r2, spsr
	cpsie	a
	isb
	mrs	r0, cpsr			@ vector_data has set A
	cpsid	a
	ubfx	r0, r0, #PSR_A_BIT, #1
	msr	elr_hyp, r1
	msr	spsr_cxsf, r2
	bx	lr
	.fnend
