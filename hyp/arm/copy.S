/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies to, from and zeroing of memory that may answer with an external abort: a guest's RAM, whatever the firmware said
 * of it. Every range in here stands in the exception table with the place where a fault inside of it goes on
 * (hyp/debug/fault.c). The exit that HYP serves needs its ELR, SPSR and HSR afterwards, which the fault overwrites, so
 * they wait on the stack. <arm/copy.h> has what the functions promise.
 */
	.arch	armv7ve
	.fpu	neon-vfpv4
	.arm
	.syntax unified

#define EIO 5

#define HCPTR_VFP (3 << 10)		/* TCP10, TCP11: B4.1.64 */
#define FPEXC_EN  (1 << 30)		/* B4.1.58 */

/* From so many bytes on a copy goes by D0-D15, a quarter of the instructions, which first have to be a guest's no more. */
#define WIDE 1024

/* What is survived: enum fault_kind of hyp/debug/fault.h. */
#define MEMORY       0
#define MEMORY_FOUND 1

/* A fault of \kind at or after \from and before \to goes on at \fixup. */
	.macro	may_fault from, to, fixup, kind
	.pushsection .extable, "a"
	.balign	4
	.word	\from, \to, \fixup, \kind
	.popsection
	.endm

	.macro	function name
	.global	\name
	.type	\name, %function
\name:
	.fnstart
	.save	{r4-r10, lr}
	push	{r4-r10, lr}
	.endm

	.macro	function_end
	pop	{r4-r10, pc}
	.fnend
	.endm

	.macro	save_exit
	.pad	#12
	mrs	r3, elr_hyp
	mrs	r4, spsr
	mrc	p15, 4, r5, c5, c2, 0		@ HSR
	push	{r3-r5}
	.endm

/*
 * D0-D15 are some vCPU's, whether this CPU's vCPU may use them or not (HCPTR, FPEXC): they wait on the stack with both
 * registers. HYP never uses them elsewhere, and no copy is interrupted by another. FPEXC's write is seen by what follows;
 * of HCPTR's that has let them in, none has to be seen before the guest's return.
 */
	.macro	take_vfp
	mrc	p15, 4, r3, c1, c1, 2		@ HCPTR
	tst	r3, #HCPTR_VFP
	beq	1f
	bic	r4, r3, #HCPTR_VFP
	mcr	p15, 4, r4, c1, c1, 2
	isb
1:	vmrs	r4, fpexc
	orr	r5, r4, #FPEXC_EN
	vmsr	fpexc, r5
	push	{r3, r4}
	vpush	{d0-d15}
	.endm

	.macro	give_vfp_back
	vpop	{d0-d15}
	pop	{r3, r4}
	vmsr	fpexc, r4
	mcr	p15, 4, r3, c1, c1, 2
	.endm

	.section .text.copy, "ax"

/* int copy_checked(void *to, const void *from, size_t len): 256 bytes a round where both are aligned to each other. */
	function copy_checked
	save_exit
copy_begin:
	tst	r0, #3
	beq	2f
1:	subs	r2, r2, #1			@ bytes up to a word of the target
	blo	copy_done
	ldrb	r3, [r1], #1
	strb	r3, [r0], #1
	tst	r0, #3
	bne	1b
2:	cmp	r2, #WIDE
	bhs	copy_wide
copy_rest:
	tst	r1, #3
	bne	4f
	b	2f
	.balign	8
1:	.rept	8
	ldm	r1!, {r3-r10}
	stm	r0!, {r3-r10}
	.endr
2:	subs	r2, r2, #256
	bhs	1b
	adds	r2, r2, #256 - 64		@ what is left, in pieces of 64, and then less 64
	blo	3f
1:	.rept	2
	ldm	r1!, {r3-r10}
	stm	r0!, {r3-r10}
	.endr
	subs	r2, r2, #64
	bhs	1b
3:	add	r2, r2, #64
	b	5f
4:	subs	r2, r2, #16			@ the source at any byte: HSCTLR.A is clear, and LDR may be unaligned (A3.2.1)
	blo	3f
1:	.irp	reg, r3, r4, r5, r6
	ldr	\reg, [r1], #4
	.endr
	stm	r0!, {r3-r6}
	subs	r2, r2, #16
	bhs	1b
3:	add	r2, r2, #16
5:	subs	r2, r2, #4			@ words, and what is left of one
	blo	7f
6:	ldr	r3, [r1], #4
	str	r3, [r0], #4
	subs	r2, r2, #4
	bhs	6b
7:	adds	r2, r2, #4
	beq	copy_done
8:	ldrb	r3, [r1], #1
	strb	r3, [r0], #1
	subs	r2, r2, #1
	bne	8b
copy_end:
copy_done:
	mov	r0, #0
	add	sp, sp, #12
	function_end
	may_fault copy_begin, copy_end, fault_exit, MEMORY_FOUND

	.macro	load_words
	vldm	r1!, {d0-d15}
	.endm

	.macro	load_bytes			@ from any byte: HSCTLR.A is clear (A3.2.1)
	.irp	four, d0-d3, d4-d7, d8-d11, d12-d15
	vld1.8	{\four}, [r1]!
	.endr
	.endm

	.macro	rounds load
	sub	r2, r2, #512
1:	.rept	4
	\load
	vstm	r0!, {d0-d15}
	.endr
	subs	r2, r2, #512
	bhs	1b
	add	r2, r2, #512
	.endm

/* Of a copy of many bytes to a word all but the last 511, with the stack as it is there. */
	.fnstart
	.save	{r4-r10, lr}
	.pad	#12 + 8 + 128
copy_wide:
	take_vfp
copy_wide_begin:
	tst	r1, #3				@ VLDM wants words
	bne	2f
	rounds	load_words
	b	copy_wide_end
2:	ldr	r3, =vfp_has_simd
	ldrb	r3, [r3]
	tst	r3, r3
	beq	copy_wide_end
	rounds	load_bytes
copy_wide_end:
	give_vfp_back
	b	copy_rest
wide_fault:
	give_vfp_back
	b	fault_exit
	.fnend
	may_fault copy_wide_begin, copy_wide_end, wide_fault, MEMORY_FOUND

/* int zero_lines_checked(void *at, const void *end): each line of 64 bytes goes out behind its store (DCCIMVAC). */
	function zero_lines_checked
	save_exit
	.pad	#8 + 128
	take_vfp
	mov	r3, #0
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	vmov	d\n, r3, r3
	.endr
zero_begin:
	.rept	8
	vstm	r0, {d0-d7}
	mcr	p15, 0, r0, c7, c14, 1
	add	r0, r0, #64
	.endr
	cmp	r0, r1
	blo	zero_begin
zero_end:
	give_vfp_back
	b	copy_done
	.fnend
	may_fault zero_begin, zero_end, wide_fault, MEMORY

/* Where a fault goes on: give the exit its registers back. */
	.fnstart
	.save	{r4-r10, lr}
	.pad	#12
fault_exit:
	pop	{r3-r5}
	msr	elr_hyp, r3
	msr	spsr_cxsf, r4
	mcr	p15, 4, r5, c5, c2, 0
	mvn	r0, #EIO - 1			@ -EIO
	function_end

/* void zero_pages(void *at, size_t size) */
	function zero_pages
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9
	mov	r\n, #0
	.endr
1:	.rept	8
	stm	r0!, {r2-r9}
	.endr
	subs	r1, r1, #256
	bhi	1b
	function_end

/* void pte_fill_pages(uint64_t *table, uint64_t first): <arm/pte.h>; the most of a first touch of a zeroed block. */
	function pte_fill_pages
	add	r1, r0, #4096			@ four entries in r2-r9, their low words in the even ones
	.irp	n, 5, 7, 9
	mov	r\n, r3
	.endr
	add	r4, r2, #4096
	add	r6, r2, #8192
	add	r8, r4, #8192
1:	.rept	8
	stm	r0!, {r2-r9}
	.irp	n, 2, 4, 6, 8
	add	r\n, r\n, #16384
	.endr
	.endr
	cmp	r0, r1
	blo	1b
	function_end
