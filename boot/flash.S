/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first page of a flash image (tools/mkflash): its vectors, the header behind them, and the way to boot/flash_main.c. It is
 * linked with that alone, and runs wherever the flash is. All CPUs may come here at once.
 */
#include <arm/psr.h>

#include "boot/flash.h"

	.arch	armv7ve
	.arm
	.syntax unified
	.text
	.global	reset
reset:
	b	start				@ the vectors of this page
	b	.
	b	.
	b	.
	b	no_ram				@ data abort: a copy went nowhere
	b	.
	b	.
	b	.
	.space	FLASH_HEADER_SIZE		@ tools/mkflash

/* Secure SVC (or HYP), MMU and caches off, everything else unknown. */
start:
	cpsid	aif
	adr	r0, reset
	mrs	r1, cpsr
	and	r1, r1, #PSR_MODE_MASK
	cmp	r1, #PSR_MODE_HYP
	mcreq	p15, 4, r0, c12, c0, 0		@ HVBAR
	mcrne	p15, 0, r0, c12, c0, 0		@ VBAR
	mov	r1, #0
	mcr	p15, 0, r1, c7, c5, 0		@ ICIALLU
	mcr	p15, 0, r1, c7, c5, 6		@ BPIALL
	mcrne	p15, 0, r1, c8, c7, 0		@ TLBIALL
	dsb
	isb
	bl	flash_begin
	cmp	r0, #0
	bxne	r0
	.irp	row, FLASH_DTB, FLASH_VIRT7, FLASH_BUNDLE
	adr	r0, reset
	mov	r1, #\row
	bl	flash_copy
	.endr
	adr	r0, reset
	bl	flash_finish
	mov	r2, r1				@ the device tree
	mov	r3, r0
	mov	r0, #0
	mvn	r1, #0
	bx	r3

no_ram:	adr	r0, reset
	bl	flash_no_ram
