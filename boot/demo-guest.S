/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo guest: a raw image that greets over its PL011, tells how to give virt7 real work, and switches off by PSCI. */
	.arch	armv7ve
	.arm
	.syntax unified

	.section .rodata
	.balign	4
	.global	demo_guest
demo_guest:
	ldr	r1, 3f				@ the guest's PL011
	adr	r2, 4f
1:	ldrb	r0, [r2], #1
	cmp	r0, #0
	beq	2f
	strb	r0, [r1]
	b	1b
2:	ldr	r0, 3f + 4			@ PSCI SYSTEM_OFF
	.arch_extension virt
	hvc	#0
	b	2b
3:	.word	0x09000000, 0x84000008
4:	.ascii	"Hello from a virtual machine under virt7.\r\n"
	.ascii	"This guest is built in: virt7 was given no bundle. Make one with tools/mkbundle\r\n"
	.asciz	"and pass it as the initial ramdisk (QEMU: -initrd build/debian.itb).\r\n"
	.balign	4
	.global	demo_guest_end
demo_guest_end:
