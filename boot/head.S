/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry. The image is position-independent up to the point where the MMU goes on: it may lie at any 4 KiB boundary below
 * 4 GiB, and from then on runs at its link address (mm/layout.h). The header is a zImage's, so that whatever starts a
 * Linux kernel (QEMU -kernel, bootz, bootm) starts virt7.
 */
#include <arm/hypregs.h>
#include <arm/psr.h>

#include "boot/here.h"
#include "boot/monitor.h"
#include "mm/layout.h"

#define MMFR0_VMSA_LPAE 5	/* DDI 0406C B4.1.89 */

	.arch	armv7ve
	.arm
	.syntax unified

	.section .text.head, "ax"
.Limage_start:					@ image_start of the linker script
	.fnstart				@ where every backtrace ends
	.cantunwind
	b	entry				@ in A64 an ANDS of X25 to X31: harmless, and the next word counts
	.word	0x14000000 + (aarch64_entry - .Limage_start - 4) / 4	@ A64: B aarch64_entry
	.rept	6
	nop
	.endr
	b	entry				@ some loaders of zImages jump here
	.word	0x016f2818			@ zImage magic
	.word	0				@ start: anywhere
	.word	_image_end - .Limage_start	@ end: .bss included, so that loaders keep clear of it
	.word	0x04030201			@ little-endian
	.global	image_header
image_header:					@ struct image_header (boot/header.h), docs/boot.md
	.word	0x37545256			@ "VRT7"
	.word	secondary_entry - .Limage_start
	.word	0, 0				@ a bundle's PA and size, where the device tree names none
	.word	0, 0				@ a UART's PA and reg-shift, where there is no device tree, and
	.space	32				@ its compatible string

/*
 * Entered by the boot CPU. MMU and D-cache off, r2 = PA of the host's DTB. HYP, secure SVC, or another mode.
 *   r4 mode, r5 DTB, r6 load address, r10 entered in secure state; all live until boot_main().
 */
entry:
	mrs	r4, cpsr
	and	r4, r4, #PSR_MODE_MASK
	mov	r5, r2
	adr	r6, .Limage_start
	cpsid	aif
	lsls	r0, r6, #20			@ not on a 4 KiB boundary: nothing would be where it is mapped
	bne	early_park

	@ Vectors before anything can fault, and no stale instruction from before the image was loaded.
	bl	set_early_vectors
	mov	r0, #0
	mcr	p15, 0, r0, c7, c5, 0		@ ICIALLU
	mcr	p15, 0, r0, c7, c5, 6		@ BPIALL
	dsb
	isb

	@ Push out what a loader may have left in the caches over the image and its .bss, so that neither a late
	@ write-back nor a stale clean line meets what is written below with the caches off.
	mov	r0, r6
	here	r1, _image_end
	bl	clean_invalidate
	here	r0, boot_stack_top
	mov	sp, r0
	here	r0, __bss_start
	here	r1, __bss_end
	sub	r1, r1, r0
	bl	zero_pages

	@ In secure SVC: leave the monitor behind, and go on in HYP as if entered there.
	mov	r10, #0
	cmp	r4, #PSR_MODE_HYP
	beq	1f
	bl	monitor_is_secure
	mov	r10, r0
	cmp	r10, #0
	blne	monitor_install
	cmp	r10, #0
	movne	r4, #PSR_MODE_HYP
	bl	set_early_vectors		@ the probe has changed them

1:	here	r0, boot_stack_top		@ of this mode
	mov	sp, r0
	mov	r0, r6
	mov	r1, r5
	bl	early_find_tree
	mov	r5, r0
	mrc	p15, 0, r2, c0, c1, 4		@ ID_MMFR0
	and	r2, r2, #0xf
	cmp	r2, #MMFR0_VMSA_LPAE
	mov	r0, r6
	mov	r1, r5
	blo	without_lpae
	bl	early_tables			@ r0 = PA of the boot tables

	ldr	lr, =boot_virtual
	b	mmu_on

/* At the link address now, on the boot tables. */
boot_virtual:
	ldr	sp, =boot_stack_top
	bl	finish_tables
call_main:
	mov	r0, r6
	mov	r1, r5
	mov	r2, r4
	mov	r3, r10
	bl	boot_main
1:	wfi					@ boot_main() does not return
	b	1b

/* A core without LPAE. In: r0, r1 as early_tables(). */
without_lpae:
	bl	early_short_table
	ldr	pc, =1f
1:	ldr	sp, =boot_stack_top
	adr	r0, flat_vectors
	bl	set_vectors
	b	call_main

/* Such a core may have no timer and no SDIV either. What the way to the one line has of those passes without a result. */
	.balign	32
flat_vectors:
	b	.
	b	flat_undefined
	.rept	6
	b	.
	.endr
flat_undefined:
	mrs	sp, spsr			@ banked, and of no other use here
	tst	sp, #1 << 5			@ T: LR is 2 behind the instruction's address, and all of those have 4 bytes
	addne	lr, lr, #2
	movs	pc, lr

/*
 * A secondary CPU: HYP, MMU and caches off, registers unknown (a spin table passes none). Its place in smp_mpidr, found
 * by MPIDR, says which stack is its own; a CPU that is not there waits until it is: on Versatile Express what wakes one
 * wakes all. In secure SVC it comes here as well,
 * where the boot CPU has installed the monitor; that sends it here again, in HYP, when it is wanted.
 */
	.global	secondary_entry
	.type	secondary_entry, %function
secondary_entry:
	cpsid	aif
	mrs	r4, cpsr
	and	r4, r4, #PSR_MODE_MASK
	adr	r6, .Limage_start
	bl	set_early_vectors
	mov	r0, #0
	mcr	p15, 0, r0, c7, c5, 0		@ ICIALLU
	mcr	p15, 0, r0, c7, c5, 6		@ BPIALL
	dsb
	isb
	cmp	r4, #PSR_MODE_HYP
	beq	1f
	here	r2, monitor_data
	ldr	r2, [r2]			@ installed
	cmp	r2, #0
	bne	monitor_arrive
	b	early_park			@ the boot CPU reports it missing
1:	here	r2, smp_mpidr
	mrc	p15, 0, r0, c0, c0, 5		@ MPIDR
	bic	r0, r0, #0xff000000
3:
	mov	r3, #0
	ldr	r7, =boot_stack_top
1:	ldr	r12, [r2, r3, lsl #2]
	cmp	r12, r0
	beq	2f
	add	r3, r3, #1
	add	r7, r7, #4096
	add	r7, r7, #HYP_STACK_SIZE
	cmp	r3, #CPU_MAX
	bne	1b
	wfe					@ early: smp_mpidr changes with an event
	b	3b
2:	here	r0, boot_l1
	ldr	lr, =secondary_virtual
	b	mmu_on

secondary_virtual:
	mov	sp, r7
	bl	finish_tables
	mov	r0, r7
	bl	secondary_main
1:	wfi
	b	1b

/* As set_vectors, with those of boot/park.S. Clobbers r0. */
set_early_vectors:
	here	r0, early_vectors

/* r0 = vectors, r4 = mode. Clobbers nothing else. */
set_vectors:
	cmp	r4, #PSR_MODE_HYP
	mcreq	p15, 4, r0, c12, c0, 0		@ HVBAR
	mcrne	p15, 0, r0, c12, c0, 0		@ VBAR
	isb
	bx	lr

/* At the link address: the vectors there, and the final tables, which lack the identity map. Clobbers r0, r1, r8. */
finish_tables:
	mov	r8, lr
	ldr	r0, =hyp_vectors
	bl	set_vectors
	ldr	r0, =hyp_l1
	ldr	r1, =image_start
	sub	r0, r0, r1
	add	r0, r0, r6
	bl	set_tables
	bx	r8

/* r0 = PA of level-1 tables, r4 = mode. Clobbers r1. In PL1 the LPAE format serves too: just enough to print. */
set_tables:
	mov	r1, #0
	dsb
	cmp	r4, #PSR_MODE_HYP
	mcrreq	p15, 4, r0, r1, c2		@ HTTBR
	mcrrne	p15, 0, r0, r1, c2		@ TTBR0
	isb
	mcreq	p15, 4, r1, c8, c7, 0		@ TLBIALLH
	mcrne	p15, 0, r1, c8, c7, 0		@ TLBIALL
	mcr	p15, 0, r1, c7, c5, 6		@ BPIALL
	dsb
	isb
	bx	lr

/* r0 = PA of boot_l1, r4 = mode, lr = link address to go on at. DDI 0406C B3.10.2: tables and TLB first, then M. */
mmu_on:
	mov	r8, lr
	ldr	r1, =MAIR0_VALUE
	ldr	r2, =HTCR_VALUE
	cmp	r4, #PSR_MODE_HYP
	mcreq	p15, 4, r1, c10, c2, 0		@ HMAIR0
	mcrne	p15, 0, r1, c10, c2, 0		@ MAIR0
	mcreq	p15, 4, r2, c2, c0, 2		@ HTCR
	mcrne	p15, 0, r2, c2, c0, 2		@ TTBCR, EAE
	isb
	bl	set_tables
	ldr	r1, =HSCTLR_RES1 | HSCTLR_WXN | HSCTLR_I | HSCTLR_C | HSCTLR_M
	ldr	r2, =SCTLR_RESET | SCTLR_Z | SCTLR_WXN | SCTLR_I | SCTLR_C | SCTLR_M
	cmp	r4, #PSR_MODE_HYP
	mcreq	p15, 4, r1, c1, c0, 0		@ HSCTLR
	mcrne	p15, 0, r2, c1, c0, 0		@ SCTLR
	isb
	bx	r8

/* [r0, r1): clean and invalidate to PoC by VA, by the smallest line (CTR.DminLine). Clobbers r0, r3, r12. */
clean_invalidate:
	mrc	p15, 0, r3, c0, c0, 1
	ubfx	r3, r3, #16, #4
	mov	r12, #4
	lsl	r3, r12, r3
	sub	r12, r3, #1
	bic	r0, r0, r12
1:	mcr	p15, 0, r0, c7, c14, 1		@ DCCIMVAC
	add	r0, r0, r3
	cmp	r0, r1
	blo	1b
	dsb
	bx	lr

	.ltorg

/*
 * A 64-bit CPU in AArch64 state (qemu-system-aarch64) executes A64 from here, written as words because the assembler is for
 * A32. It cannot go to HYP mode: that would take EL3, or a reset. X0 = PA of the device tree, MMU off. Where that tree is of
 * QEMU's virt board, whose PL011 is known, it says what to do; elsewhere no UART is known. Then it waits for ever.
 */
aarch64_entry:
	.word	0xb4000360			@	cbz	x0, park
	.word	0xb9400001			@	ldr	w1, [x0]
	.word	0x18000362			@	ldr	w2, magic
	.word	0x6b02003f			@	cmp	w1, w2
	.word	0x540002e1			@	b.ne	park
	.word	0xb9400401			@	ldr	w1, [x0, #4]		its size
	.word	0x5ac00821			@	rev	w1, w1
	.word	0x8b010001			@	add	x1, x0, x1
	.word	0x180002c2			@	ldr	w2, name
	.word	0x180002c3			@	ldr	w3, name + 4
	.word	0x91001000			@ 1:	add	x0, x0, #4
	.word	0xeb01001f			@	cmp	x0, x1
	.word	0x540001e2			@	b.hs	park
	.word	0xb9400004			@	ldr	w4, [x0]
	.word	0x6b02009f			@	cmp	w4, w2
	.word	0x54ffff61			@	b.ne	1b
	.word	0xb9400404			@	ldr	w4, [x0, #4]
	.word	0x6b03009f			@	cmp	w4, w3
	.word	0x54ffff01			@	b.ne	1b
	.word	0x52a12005			@	mov	w5, #0x09000000
	.word	0x10000186			@	adr	x6, text
	.word	0x384014c4			@ 2:	ldrb	w4, [x6], #1
	.word	0x340000a4			@	cbz	w4, park
	.word	0xb94018a7			@ 3:	ldr	w7, [x5, #0x18]		UARTFR.TXFF
	.word	0x372fffe7			@	tbnz	w7, #5, 3b
	.word	0xb90000a4			@	str	w4, [x5]
	.word	0x17fffffb			@	b	2b
	.word	0xd503207f			@ park:	wfi
	.word	0x17ffffff			@	b	park
	.word	0xedfe0dd0			@ magic
	.ascii	"mmy-virt"			@ name: of "linux,dummy-virt" in the root's compatible
	.asciz	"virt7: error: entered in AArch64 state: virt7 is a 32-bit program; use qemu-system-arm, or -cpu cortex-a15 or \
cortex-a7\r\nvirt7: error: stopped\r\n"
	.balign	4

	.fnend
