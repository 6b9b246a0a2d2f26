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
#define UNDEFINED    2

/* A fault of \kind at or after \from and before \to goes on at \fixup. */
	.macro	may_fault from, to, fixup, kind
	.pushsection .extable, "a"
	.balign	4
	.word	\from, \to, \fixup, \kind
	.popsection
	.endm

	.macro	save_exit
	push	{r4-r10, lr}
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

/* copy_checked() of many bytes: all of them but the last, which copy_checked() goes on with. */
	.type	copy_wide, %function
copy_wide:
	.fnstart
	.save	{r4-r10, lr}
	.pad	#12 + 8 + 128
	save_exit
	take_vfp
copy_wide_begin:
1:	tst	r0, #3				@ VSTM and VLDM want words
	beq	2f
	ldrb	r3, [r1], #1
	strb	r3, [r0], #1
	sub	r2, r2, #1
	b	1b
2:	tst	r1, #3
	bne	4f
	sub	r2, r2, #512
3:	.rept	4
	vldm	r1!, {d0-d15}
	vstm	r0!, {d0-d15}
	.endr
	subs	r2, r2, #512
	bhs	3b
	b	6f
4:	ldr	r3, =vfp_has_simd		@ VLD1 loads from any byte: HSCTLR.A is clear (A3.2.1)
	ldrb	r3, [r3]
	tst	r3, r3
	beq	copy_wide_end
	sub	r2, r2, #512
5:	.rept	4
	vld1.8	{d0-d3}, [r1]!
	vld1.8	{d4-d7}, [r1]!
	vld1.8	{d8-d11}, [r1]!
	vld1.8	{d12-d15}, [r1]!
	vstm	r0!, {d0-d15}
	.endr
	subs	r2, r2, #512
	bhs	5b
6:	add	r2, r2, #512
copy_wide_end:
	give_vfp_back
	b	copy_begin			@ with the stack as it is there
wide_fault:
	give_vfp_back
	b	fault_exit
	.fnend
	may_fault copy_wide_begin, copy_wide_end, wide_fault, MEMORY_FOUND

/* int copy_checked(void *to, const void *from, size_t len): 256 bytes a round where both are aligned to each other. */
	.global	copy_checked
	.type	copy_checked, %function
copy_checked:
	.fnstart
	.save	{r4-r10, lr}
	.pad	#12
	cmp	r2, #WIDE
	bhs	copy_wide
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
2:	tst	r1, #3
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
1:	ldm	r1!, {r3-r10}
	stm	r0!, {r3-r10}
	ldm	r1!, {r3-r10}
	stm	r0!, {r3-r10}
	subs	r2, r2, #64
	bhs	1b
3:	add	r2, r2, #64
	b	5f
4:	subs	r2, r2, #16			@ the source at any byte: HSCTLR.A is clear, and LDR may be unaligned (A3.2.1)
	blo	3f
1:	ldr	r3, [r1], #4
	ldr	r4, [r1], #4
	ldr	r5, [r1], #4
	ldr	r6, [r1], #4
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
	pop	{r4-r10, pc}
	.fnend
	may_fault copy_begin, copy_end, fault_exit, MEMORY_FOUND

/* void clean_invalidate_checked(const void *at, const void *end, uint32_t line) */
	.global	clean_invalidate_checked
	.type	clean_invalidate_checked, %function
clean_invalidate_checked:
	.fnstart
	.save	{r4-r10, lr}
	.pad	#12
	save_exit
	b	2f
clean_begin:
1:	mcr	p15, 0, r0, c7, c14, 1		@ DCCIMVAC
	add	r0, r0, r2
2:	cmp	r0, r1
	blo	1b
clean_end:
	b	fault_exit			@ there may have been faults
clean_next_page:
	lsr	r0, r0, #12
	add	r0, r0, #1
	lsl	r0, r0, #12
	b	2b
	.fnend
	may_fault clean_begin, clean_end, clean_next_page, MEMORY

/* int zero_lines_checked(void *at, const void *end): each line of 64 bytes goes out behind its store (DCCIMVAC). */
	.global	zero_lines_checked
	.type	zero_lines_checked, %function
zero_lines_checked:
	.fnstart
	.save	{r4-r10, lr}
	.pad	#12 + 8 + 128
	save_exit
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
	pop	{r4-r10, pc}
	.fnend

/* void zero_pages(void *at, size_t size) */
	.global	zero_pages
	.type	zero_pages, %function
zero_pages:
	.fnstart
	.save	{r4-r9, lr}
	push	{r4-r9, lr}
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9
	mov	r\n, #0
	.endr
1:	.rept	8
	stm	r0!, {r2-r9}
	.endr
	subs	r1, r1, #256
	bhi	1b
	pop	{r4-r9, pc}
	.fnend

/* void pte_fill_pages(uint64_t *table, uint64_t first): <arm/pte.h>; the most of a first touch of a zeroed block. */
	.global	pte_fill_pages
	.type	pte_fill_pages, %function
pte_fill_pages:
	.fnstart
	.save	{r4-r10, lr}
	push	{r4-r10, lr}
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
	pop	{r4-r10, pc}
	.fnend

/* Accesses to devices: the caller keeps the exit's registers (struct fault_kept). */
	.macro	may_fault_leaf name
	.global	\name
	.type	\name, %function
\name:
	.fnstart
	.endm

	.macro	end_leaf name, end
	bx	lr
	.fnend
	may_fault \name, \end, fault_leaf, MEMORY_FOUND
	.endm

	may_fault_leaf load_device_checked
	cmp	r2, #2
	ldrbmi	r3, [r1]
	ldrheq	r3, [r1]
	ldrhi	r3, [r1]
1:	str	r3, [r0]
	mov	r0, #0
	end_leaf load_device_checked, 1b

	may_fault_leaf store_device_checked
	cmp	r2, #2
	strbmi	r1, [r0]
	strheq	r1, [r0]
	strhi	r1, [r0]
1:	mov	r0, #0
	end_leaf store_device_checked, 1b

fault_leaf:
	mvn	r0, #EIO - 1
	bx	lr

/*
 * int cpumerrsr_take(uint64_t *value), int l2merrsr_take(uint64_t *value): Cortex-A15's records of errors in its RAMs (DDI
 * 0438 4.3.61, 4.3.62), read and cleared. Both are UNDEFINED in an emulator's. The caller keeps the exit's registers.
 */
	.macro	merrsr_take name, op
	may_fault_leaf \name
	mrrc	p15, \op, r2, r3, c15
	mov	r12, #0
	mcrr	p15, \op, r12, r12, c15
1:	strd	r2, r3, [r0]
	mov	r0, #0
	bx	lr
	.fnend
	may_fault \name, 1b, fault_leaf, UNDEFINED
	.endm

	merrsr_take cpumerrsr_take, 0
	merrsr_take l2merrsr_take, 1
