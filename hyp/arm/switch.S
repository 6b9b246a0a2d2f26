/* SPDX-License-Identifier: BSD-2-Clause */
/* See switch.h: what is done with a stack behind C's back. Thumb, as the callers are. */
	.arch	armv7ve
	.thumb
	.syntax unified

	.section .text.switch, "ax"
	.fnstart				@ a backtrace ends here
	.cantunwind

/* void thread_switch(uint32_t **from, uint32_t *to): nine words and a pad, SP stays 8-byte aligned. */
	.global	thread_switch
	.type	thread_switch, %function
	.thumb_func
thread_switch:
	push	{r3, r4-r11, lr}
	str	sp, [r0]
	mov	sp, r1
	pop	{r3, r4-r11, pc}

/*
 * void thread_leave(uint32_t *to, bool *gone): as thread_switch(), but nothing is kept. What this thread has written to
 * its stack is there before any CPU sees that the stack is free.
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
	.fnend
