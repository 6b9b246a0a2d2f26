/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void hold(uint32_t loops, const uint32_t values[15]): r1-r12, SP, LR and the flags have those values for so many
 * loops; what they are then is in hold_seen[]. In Thumb, whose CBZ needs no flags. Interrupts are masked.
 */
	.syntax unified
	.arch_extension virt
	.thumb
	.text
	.global hold
	.type	hold, %function
	.thumb_func
hold:
	push	{r4-r11, lr}
	ldr	r2, =hold_sp
	str	sp, [r2]
	ldr	r2, [r1, #56]
	msr	apsr_nzcvqg, r2
	ldr	lr, [r1, #52]
	ldr	sp, [r1, #48]
	add.w	r2, r1, #4
	ldmia.w	r2, {r2-r12}
	ldr	r1, [r1]
1:	cbz	r0, 2f
	sub.w	r0, r0, #1
	b	1b
2:	ldr	r0, =hold_seen
	stmia.w	r0, {r1-r12}
	str	sp, [r0, #48]
	str	lr, [r0, #52]
	mrs	r1, apsr
	str	r1, [r0, #56]
	ldr	r1, =hold_sp
	ldr	sp, [r1]
	pop	{r4-r11, pc}

	.bss
	.balign	4
hold_sp:
	.space	4
	.global hold_seen
hold_seen:
	.space	60
