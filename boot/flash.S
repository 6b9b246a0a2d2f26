/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first page of a flash image (tools/mkflash): the reset vector. Checks virt7, and where there are any a device
 * tree and a bundle, brings them to RAM and enters virt7 there; it is linked alone, runs wherever the flash is, and
 * writes nothing but what it copies. All CPUs may come here at once. RAM, clocks and the UART are as reset or a boot ROM left them.
 */
#include <arm/psr.h>

#include "boot/flash.h"
#include "boot/monitor.h"
#include "hyp/host/gicregs.h"

#define FDT_MAGIC    0xedfe0dd0			/* as a little-endian word */
#define FLASH_MAGIC_WORD 0x6c663776		/* "v7fl" */
#define IMAGE_SECONDARY 0x38			/* struct image_header, boot/header.h */
#define IMAGE_BUNDLE    0x3c

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
header:
	.space	FLASH_HEADER_SIZE		@ tools/mkflash

/*
 * Secure SVC (or HYP), MMU and caches off, everything else unknown. Instruction cache, branch predictor and TLB are
 * invalidated, and the first-level data cache by set/way, which is sound here alone: coherency is not on yet. The second
 * level of A7 and A15 clears itself at reset (L2RSTDISABLE).
 *   r9 this page, r10 its header
 */
start:
	cpsid	aif
	adr	r9, reset
	adr	r10, header
	mrs	r0, cpsr
	and	r0, r0, #PSR_MODE_MASK
	cmp	r0, #PSR_MODE_HYP
	mcreq	p15, 4, r9, c12, c0, 0		@ HVBAR
	mcrne	p15, 0, r9, c12, c0, 0		@ VBAR
	mov	r0, #0
	mcr	p15, 0, r0, c7, c5, 0		@ ICIALLU
	mcr	p15, 0, r0, c7, c5, 6		@ BPIALL
	mcrne	p15, 0, r0, c8, c7, 0		@ TLBIALL
	dsb
	isb
	bl	invalidate_l1
	mrc	p15, 0, r0, c0, c0, 5		@ MPIDR
	bic	r0, r0, #0xff000000
	ldr	r1, [r10, #FLASH_BOOT_MPIDR]
	cmp	r0, r1
	bne	wait

	@ Nothing is taken from a damaged header, but the UART where it has its magic.
	mov	r0, #0
	mov	r1, r10
	add	r2, r10, #FLASH_HEADER_SIZE
1:	ldr	r3, [r1], #4
	add	r0, r0, r3
	cmp	r1, r2
	blo	1b
	cmp	r0, #0
	bne	bad_header

	@ r5 = the device tree: what the board has put into RAM comes first
	ldr	r5, [r10, #FLASH_DTB_FOUND]
	cmn	r5, #1
	beq	1f
	ldr	r0, [r5]
	ldr	r1, =FDT_MAGIC
	cmp	r0, r1
	beq	2f
1:	add	sp, r10, #FLASH_DTB
	bl	copy
	mov	r5, r0
2:	add	sp, r10, #FLASH_VIRT7
	bl	copy
	add	sp, r10, #FLASH_BUNDLE
	bl	copy
	ldr	r6, [r10, #FLASH_VIRT7 + FLASH_PART_RAM]
	ldr	r2, [sp, #FLASH_PART_SIZE]
	cmp	r2, #0
	strne	r0, [r6, #IMAGE_BUNDLE]
	strne	r2, [r6, #IMAGE_BUNDLE + 4]
	mov	r0, #0
	mcr	p15, 0, r0, c7, c5, 0		@ ICIALLU
	mcr	p15, 0, r0, c7, c5, 6		@ BPIALL
	dsb
	isb
	mvn	r1, #0
	mov	r2, r5
	bx	r6

/*
 * Copy and check a part. sp = its row in the table, r9. Returns r0 = PA in RAM, 0 where there is no such part. Clobbers
 * r1-r4, r6-r8, r12; r11 is where it was. RAM that is not there aborts, or does not keep the part's first and last word.
 */
copy:
	ldr	r2, [sp, #FLASH_PART_SIZE]
	cmp	r2, #0
	moveq	r0, #0
	bxeq	lr
	mov	r8, lr
	ldr	r0, [sp, #FLASH_PART_RAM]
	ldr	r1, [sp, #FLASH_PART_OFFSET]
	ldr	r6, [sp, #FLASH_PART_SUM]
	add	r1, r1, r9
	add	r12, r0, r2
	sub	r11, r12, #4
	bl	try
	mov	r11, r0
	bl	try
1:	mov	r11, r0
	ldmia	r1!, {r2, r3, r4, r7}
	stmia	r0!, {r2, r3, r4, r7}
	add	r6, r6, r2
	add	r6, r6, r3
	add	r6, r6, r4
	add	r6, r6, r7
	cmp	r0, r12
	blo	1b
	dsb
	cmp	r6, #0
	bne	bad_part
	ldr	r0, [sp, #FLASH_PART_RAM]
	bx	r8

/* r11 = PA of a word that nothing is lost with. Clobbers r3, r4. */
try:
	ldr	r3, =0x600d3a3a
	str	r3, [r11]
	dsb
	ldr	r4, [r11]
	cmp	r3, r4
	bne	no_ram
	mvn	r3, r3
	str	r3, [r11]
	dsb
	ldr	r4, [r11]
	cmp	r3, r4
	bxeq	lr

/* r11 = where. Nothing is known of the machine but what the header says. */
no_ram:
	adr	r9, reset
	adr	r10, header
	adr	r4, no_ram_text
	adr	r6, no_ram_advice
	b	report

/* sp = the row in the table. */
bad_part:
	ldr	r11, [sp, #FLASH_PART_OFFSET]
	adr	r4, bad_part_text
	adr	r6, bad_advice

/* r4 = text, r11 = a number behind it, r6 = text behind that, r10 header. The end. */
report:
	bl	print
	mov	r5, #8
1:	ror	r11, r11, #28
	and	r0, r11, #15
	cmp	r0, #10
	addlo	r0, r0, #'0'
	addhs	r0, r0, #'a' - 10
	bl	put
	subs	r5, r5, #1
	bne	1b
	mov	r4, r6
	bl	print
1:	wfi
	b	1b

/* r10 header. Without the magic nothing says that there is a UART in it. */
bad_header:
	ldr	r0, [r10, #FLASH_MAGIC]
	ldr	r1, =FLASH_MAGIC_WORD
	cmp	r0, r1
	bne	1b
	adr	r4, bad_header_text
	bl	print
	adr	r4, bad_advice
	bl	print
	b	1b

/* r4 = text, terminated. Clobbers r0-r4, r8. */
print:
	mov	r8, lr
1:	ldrb	r0, [r4], #1
	cmp	r0, #0
	bxeq	r8
	bl	put
	b	1b

/* r0 = character, r10 header. Clobbers r1-r3. Without a UART in the header: silence. */
put:
	ldr	r1, [r10, #FLASH_UART_DATA]
	cmp	r1, #0
	bxeq	lr
1:	ldr	r2, [r10, #FLASH_UART_STATUS]
	ldr	r3, [r10, #FLASH_UART_BYTES]
	cmp	r3, #0
	ldreq	r2, [r2]
	ldrbne	r2, [r2]
	ldr	r3, [r10, #FLASH_UART_MASK]
	and	r2, r2, r3
	ldr	r3, [r10, #FLASH_UART_READY]
	cmp	r2, r3
	bne	1b
	ldr	r3, [r10, #FLASH_UART_BYTES]
	cmp	r3, #0
	streq	r0, [r1]
	strbne	r0, [r1]
	bx	lr

/*
 * The other CPUs. No word of RAM can be trusted to say "not yet", so they wait for an event that a reset cannot leave
 * behind: SGI MONITOR_SGI, Group 0 as every interrupt is after reset, which the monitor sends with its first CPU_ON.
 * By then virt7 is in RAM. It has the best priority, as in boot/monitor.S. r10 header, r7 GICD, r8 GICC.
 */
wait:
	ldr	r7, [r10, #FLASH_GICD]
	ldr	r8, [r10, #FLASH_GICC]
	mvn	r0, #0
	str	r0, [r7, #GICD_ICENABLER]
	add	r1, r7, #GICD_IPRIORITYR
	add	r2, r1, #32
1:	str	r0, [r1], #4
	cmp	r1, r2
	bne	1b
	mov	r0, #0
	strb	r0, [r1, #MONITOR_SGI - 32]
	mov	r0, #1 << MONITOR_SGI
	str	r0, [r7, #GICD_ISENABLER]
	mov	r0, #0xff
	str	r0, [r8, #GICC_PMR]
	mov	r0, #1
	str	r0, [r8, #GICC_CTLR]
	dsb
2:	wfi
	ldr	r0, [r8, #GICC_IAR]
	ubfx	r1, r0, #0, #10
	cmp	r1, #MONITOR_SGI
	bne	2b
	str	r0, [r8, #GICC_EOIR]
	ldr	r0, [r10, #FLASH_VIRT7 + FLASH_PART_RAM]
	ldr	r1, [r0, #IMAGE_SECONDARY]
	add	r0, r0, r1
	bx	r0

/* The first-level data cache by set/way (DDI 0406C B2.2.6, CCSIDR B4.1.19). Clobbers r0-r4, r7, r8, r12. */
invalidate_l1:
	mov	r0, #0
	mcr	p15, 2, r0, c0, c0, 0		@ CSSELR: level 1, data
	isb
	mrc	p15, 1, r0, c0, c0, 0		@ CCSIDR
	and	r1, r0, #7
	add	r1, r1, #4			@ log2 of the line in bytes
	ubfx	r2, r0, #3, #10			@ ways - 1
	ubfx	r3, r0, #13, #15		@ sets - 1
	clz	r4, r2				@ where the way is in the operand; one way: anywhere
1:	mov	r7, r2
2:	lsl	r8, r3, r1
	lsl	r12, r7, r4
	orr	r8, r8, r12
	mcr	p15, 0, r8, c7, c6, 2		@ DCISW
	subs	r7, r7, #1
	bpl	2b
	subs	r3, r3, #1
	bpl	1b
	dsb
	isb
	bx	lr

no_ram_text:
	.asciz	"virt7: error: flash: no RAM at 0x"
	.balign	4
no_ram_advice:
	.asciz	", where virt7, the device tree or the bundle go: give the board more RAM, or make the flash image for its device tree (make flash FLASH_DTB=)\r\n"
	.balign	4
bad_part_text:
	.asciz	"virt7: error: flash: virt7, the device tree or the bundle is damaged, that at offset 0x"
	.balign	4
bad_header_text:
	.asciz	"virt7: error: flash: the table at its start is damaged"
	.balign	4
bad_advice:
	.asciz	": write the flash image again (make flash)\r\n"
	.balign	4
	.ltorg
	.balign	FLASH_STEP
