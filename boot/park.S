/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a CPU ends that cannot go on before there is a console, at the load address or the link address. */
	.arch	armv7ve
	.arm
	.syntax unified

	.section .text.park, "ax"
	.fnstart
	.cantunwind

/* Before the MMU is on there is no console: nothing can be said. */
	.balign	32
	.global	early_vectors
early_vectors:
	.rept	8
	b	early_park
	.endr
	.global	early_park
early_park:
	wfi
	b	early_park
	.fnend
