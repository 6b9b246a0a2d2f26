/* SPDX-License-Identifier: BSD-2-Clause */
/* Entry of a program: argc at the stack, argv above it (arm ELF ABI). */
	.syntax unified
	.arm
	.global	_start
_start:
	ldr	r0, [sp]
	add	r1, sp, #4
	bic	sp, sp, #7
	bl	main
	mov	r7, #1			@ exit
	svc	#0

/* What the compiler may call. */
	.global	memcpy
memcpy:
	mov	r12, r0
1:	subs	r2, r2, #1
	ldrbge	r3, [r1], #1
	strbge	r3, [r12], #1
	bge	1b
	bx	lr
	.global	memset
memset:
	mov	r12, r0
1:	subs	r2, r2, #1
	strbge	r1, [r12], #1
	bge	1b
	bx	lr
