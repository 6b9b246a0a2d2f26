/* SPDX-License-Identifier: BSD-2-Clause */
/* uint32_t hvc_with_registers(uint32_t regs[13], uint32_t flags): HVC between known r0-r12; returns the CPSR. */
	.syntax unified
	.arch_extension virt
	.arm
	.text
	.global hvc_with_registers
hvc_with_registers:
	push	{r0, r4-r11, lr}
	msr	cpsr_f, r1
	mov	lr, r0
	ldm	lr, {r0-r12}
	hvc	#0
	push	{r0, r1}
	mrs	r1, cpsr
	ldr	r0, [sp, #8]		@ regs
	add	r0, r0, #8
	stm	r0, {r2-r12}
	mov	r4, r1
	pop	{r1, r2}
	stmdb	r0, {r1, r2}
	mov	r0, r4
	add	sp, sp, #4
	pop	{r4-r11, pc}
