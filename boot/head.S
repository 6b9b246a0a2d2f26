/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry. The image is position-independent up to the point where the MMU goes on: it may lie at any 4 KiB boundary below
 * 4 GiB, and from then on runs at its link address (mm/layout.h). The header is a zImage's, so that whatever starts a
 * Linux kernel (QEMU -kernel, bootz, bootm) starts virt7.
 */
#include "boot/here.h"

	.arch	armv7ve
	.arm
	.syntax unified

	.section .text.head, "ax"
.Limage_start:					@ image_start of the linker script
	b	entry				@ in A64 an ANDS of X25 to X31: harmless, and the next word counts
	.word	0x14000000 + (.Lheader_end - .Limage_start - 4) / 4	@ A64: B to boot/aarch64.c
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
.Lheader_end:					@ aarch64_entry (boot/virt7.lds.S)

	.section .text.entry, "ax"
	.fnstart				@ where every backtrace ends
	.cantunwind

/*
 * Entered by the boot CPU. MMU and D-cache off, r2 = PA of the host's DTB. HYP, secure SVC, or another mode.
 *   r7 DTB, r6 load address, r10 entered in secure state; all live until boot_main().
 */
entry:
	mov	r7, r2
	here	r6, image_start
	bl	entry_first
	here	r0, boot_stack_top
	mov	sp, r0
	here	r0, __bss_start
	here	r1, __bss_end
	sub	r1, r1, r0
	bl	zero_pages

	@ In secure SVC: leave the monitor behind, and go on in HYP as if entered there.
	bl	entry_is_secure
	movs	r10, r0
	blne	monitor_install

	here	r0, boot_stack_top		@ of this mode
	mov	sp, r0
	mov	r0, r6
	mov	r1, r7
	bl	early_find_tree
	mov	r7, r0
	mov	r1, r0
	mov	r0, r6
	bl	early_tables
	bl	entry_mmu_on
	ldr	pc, =boot_virtual

/* At the link address now, on the boot tables. */
boot_virtual:
	ldr	sp, =boot_stack_top
	mov	r0, r6
	bl	entry_finish
call_main:
	mov	r0, r6
	mov	r1, r7
	mov	r2, r10
	bl	boot_main			@ and it does not return

/*
 * A secondary CPU: HYP, MMU and caches off, registers unknown (a spin table passes none). In secure SVC it comes here as
 * well, where the boot CPU has installed the monitor; that sends it here again, in HYP, when it is wanted.
 */
	.global	secondary_entry
	.type	secondary_entry, %function
secondary_entry:
	here	r6, image_start
	bl	entry_secondary
	movs	r7, r0
	beq	monitor_arrive
	here	r0, boot_l1
	bl	entry_mmu_on
	ldr	pc, =secondary_virtual

secondary_virtual:
	mov	sp, r7
	mov	r0, r6
	bl	entry_finish
	mov	r0, r7
	bl	secondary_main			@ and it does not return

	.ltorg
	.fnend
