/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first page of a flash image (tools/mkflash): its vectors, the header behind them, and boot/flash_main.c. It is linked
 * with that alone, and runs wherever the flash is. All CPUs may come here at once.
 */
#include "boot/flash.h"

	.arch	armv7ve
	.arm
	.syntax unified
	.text
	.global	reset
reset:
	bl	flash_main			@ the vectors of this page
	b	.
	b	.
	b	.
	bl	flash_no_ram			@ data abort: a copy went nowhere
	.rept	3
	b	.
	.endr
	.space	FLASH_HEADER_SIZE		@ tools/mkflash
