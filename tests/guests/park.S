/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A boot loader for tests, started as QEMU's -kernel in HYP mode: makes a machine without PSCI of one with it, and hands
 * virt7 a device tree that QEMU has not touched. Position-independent; everything lies at a fixed distance behind it:
 *   + 0x1000000 virt7.bin
 *   + 0x2000000 the device tree, which goes to virt7 in r2
 *   + 0x3000000 a word for each CPU, 8 bytes apart: what the CPU jumps to once it is not 0 (a spin table). CPU 0's, not 0:
 *     the others stay off, and PSCI starts them
 */
	.arch	armv7ve
	.arch_extension sec
	.arm
	.syntax unified

	.text
	.global	_start
_start:
	adr	r10, _start
	add	r0, r10, #0x3000000
	ldr	r0, [r0]
	cmp	r0, #0
	bne	3f
	mov	r9, #1
1:	ldr	r0, =0x84000003			@ PSCI CPU_ON: target, entry, context
	mov	r1, r9
	adr	r2, park
	mov	r3, r9
	smc	#0
	cmp	r0, #0				@ until there is no such CPU
	add	r9, r9, #1
	beq	1b
3:	mov	r0, #0
	mvn	r1, #0
	add	r2, r10, #0x2000000
	add	r3, r10, #0x1000000
	bx	r3

/* r0 = the CPU's number. */
park:
	adr	r10, _start
	add	r10, r10, #0x3000000
	add	r10, r10, r0, lsl #3
2:	wfe
	ldr	r1, [r10]
	cmp	r1, #0
	beq	2b
	bx	r1
