/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions before there is a console, at the load address or the link address: where a CPU ends that cannot go on, and
 * where it goes on all the same.
 */
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

/*
 * PL1's vectors where an instruction may be UNDEFINED: SCR (boot/entry.c), and whatever a core without LPAE, which may have
 * no timer and no SDIV either, does not have of what is on the way to the one line that says so. It passes without a result.
 */
	.balign	32
	.global	skip_vectors
skip_vectors:
	b	.
	b	skip_undefined
	.rept	6
	b	.
	.endr
skip_undefined:
	mrs	sp, spsr			@ banked, and of no other use here
	tst	sp, #1 << 5			@ T: LR is 2 behind the instruction's address, and all of those have 4 bytes
	addne	lr, lr, #2
	movs	pc, lr
	.fnend
