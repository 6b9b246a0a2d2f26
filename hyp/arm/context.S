/* SPDX-License-Identifier: BSD-2-Clause */
/* struct vcpu_context between the hardware and memory, twelve words at a time: half the instructions that C needs. */
	.arch	armv7ve
	.arm
	.syntax unified
	.altmacro				@ %(n) is a number

	.macro save_banked n, high, from, to
	mrs	r\n, \from
	.endm
	.macro restore_banked n, high, from, to
	msr	\to, r\n
	.endm

	.macro save_cp15 n, high, opc1, crn, crm, opc2
	mrc	p15, \opc1, r\n, \crn, \crm, \opc2
	.endm
	.macro restore_cp15 n, high, opc1, crn, crm, opc2
	mcr	p15, \opc1, r\n, \crn, \crm, \opc2
	.endm

	.macro save_cp15_64 n, high, opc1, crm
	mrrc	p15, \opc1, r\n, r\high, \crm
	.endm
	.macro restore_cp15_64 n, high, opc1, crm
	mcrr	p15, \opc1, r\n, r\high, \crm
	.endm

/* A row: by the next of r1 to r12, or the next two. */
	.macro move op, kind, words, where:vararg
	.ifc \op, restore
	.if	.Lmoved % 12 == 0
	ldmia	r0!, {r1-r12}
	.endif
	.endif
	\op\()_\kind %(.Lmoved % 12 + 1), %(.Lmoved % 12 + 2), \where
	.set	.Lmoved, .Lmoved + \words
	.ifc \op, save
	.if	.Lmoved % 12 == 0
	stmia	r0!, {r1-r12}
	.endif
	.endif
	.endm

#define BANKED(member, name)      BANKED2(member, name, name)
#define BANKED2(member, from, to) move \op, banked, 1, from, to
#define CP15(member, ...)         move \op, cp15, 1, __VA_ARGS__
#define CP15_64(member, ...)      move \op, cp15_64, 2, __VA_ARGS__

/* void context_save(struct vcpu_context *context), void context_restore(const struct vcpu_context *context) */
	.macro context op
	.section .text.context_\op, "ax"
	.global	context_\op
	.type	context_\op, %function
context_\op:
	.fnstart
	.save	{r4-r12, lr}
	push	{r4-r12, lr}
	.set	.Lmoved, 0
#include "hyp/arm/context.def"
	pop	{r4-r12, pc}
	.fnend
	.endm

	context	save
	context	restore
