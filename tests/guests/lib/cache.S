/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole-cache maintenance by set/way, as operating systems do it around turning caches off (DDI 0406C B2.2.7). */
#include "tests/guests/lib/asm.h"

	.syntax unified
	.arm
	.text

/*
 * void dcache_setway(uint32_t op): 0 clean and invalidate, 1 clean, 2 invalidate; every data cache level up to the
 * point of coherency (CLIDR.LoC).
 */
	.global dcache_setway
dcache_setway:
	push	{r4-r11, lr}
	bl	setway
	pop	{r4-r11, pc}

/*
 * void mmu_caches_off(uint32_t clear): clear these SCTLR bits, then clean and invalidate everything by set/way. What
 * the push put into the cache is back in memory when the pop reads it there.
 */
	.global mmu_caches_off
mmu_caches_off:
	push	{r4-r11, lr}
	dsb
	mrc	p15, 0, r1, c1, c0, 0
	bic	r1, r1, r0
	mcr	p15, 0, r1, c1, c0, 0
	isb
	mov	r0, #0
	bl	setway
	pop	{r4-r11, pc}

/* r0 = op. No stack: it runs between caches on and off. */
setway:
	dmb
	mrc	p15, 1, r1, c0, c0, 1	@ CLIDR
	ubfx	r2, r1, #24, #3		@ LoC
	mov	r3, #0			@ level
1:	cmp	r3, r2
	bge	5f
	add	r4, r3, r3, lsl #1
	lsr	r4, r1, r4
	and	r4, r4, #7		@ CtypeN: 2 and above have a data or unified cache
	cmp	r4, #2
	blt	4f
	lsl	r4, r3, #1
	mcr	p15, 2, r4, c0, c0, 0	@ CSSELR
	isb
	mrc	p15, 1, r5, c0, c0, 0	@ CCSIDR
	and	r6, r5, #7
	add	r6, r6, #4		@ log2 of the line in bytes
	ubfx	r7, r5, #3, #10		@ ways - 1
	ubfx	r8, r5, #13, #15	@ sets - 1
	clz	r9, r7			@ the way is left-justified
2:	mov	r10, r7
3:	lsl	r11, r10, r9
	orr	r11, r11, r4
	orr	r11, r11, r8, lsl r6
	cmp	r0, #1
	mcrlo	p15, 0, r11, c7, c14, 2	@ DCCISW
	mcreq	p15, 0, r11, c7, c10, 2	@ DCCSW
	mcrhi	p15, 0, r11, c7, c6, 2	@ DCISW
	subs	r10, r10, #1
	bge	3b
	subs	r8, r8, #1
	bge	2b
4:	add	r3, r3, #1
	b	1b
5:	mov	r1, #0
	mcr	p15, 2, r1, c0, c0, 0
	dsb
	isb
	bx	lr
