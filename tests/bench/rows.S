/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The measured loops, in assembly so that the count a round is the same whatever the compiler: only what lies between
 * two rounds of the hypervisor may differ. Each is void row(uint32_t rounds).
 *
 * Interrupts are open only inside these loops. The handler counts in r8, which the loops keep for it, and r7 is the
 * count to wait for.
 */
#include "hyp/host/gicregs.h"
#include "tests/bench/rows.h"

	.arch	armv7ve
	.arm
	.syntax unified
	.text

#define GICD_IGROUPR1   (GICD_IGROUPR + 4)
#define GICD_ISENABLER0 GICD_ISENABLER
#define GICD_ISPENDR0   GICD_ISPENDR
#define GICD_ISPENDR1   (GICD_ISPENDR + 4)
#define GICD_ISACTIVER1 (GICD_ISACTIVER + 4)
#define GICD_ICFGR2     (GICD_ICFGR + 8)
#define GICD_ICENABLER0 GICD_ICENABLER
#define UART_FR         0x018
#define VIRTIO_STATUS   0x070

#define SGIR_SELF   (2 << 24)
#define SGIR_PING   (1 << 17 | SGI_PING)	/* to CPU 1 */
#define SGIR_REPLY  (1 << 16 | SGI_WAKE)	/* to CPU 0 */

	.macro	function name
	.global	\name
	.type	\name, %function
\name:
	.endm

	.macro	row name
	function \name
	push	{r4-r11, lr}
	mov	r4, r0
	mov	r7, #0
	mov	r8, #0
	.endm

	.macro	row_end
	pop	{r4-r11, pc}
	.endm

	/* Masked, a pending interrupt still ends a WFI; the window lets it in. */
	.macro	interrupt_window
	cpsie	i
	isb
	cpsid	i
	.endm

	.macro	psci_row name, id
row \name
1:	movw	r0, #\id
	movt	r0, #0x8400
	hvc	#0
	subs	r4, r4, #1
	bne	1b
	row_end
	.endm

	psci_row row_psci_version, 0
	psci_row row_psci_unknown, 0x20

row row_psci_features
	movw	r1, #0x0003			@ of CPU_ON
	movt	r1, #0x8400
1:	movw	r0, #0x000a
	movt	r0, #0x8400
	hvc	#0
	subs	r4, r4, #1
	bne	1b
	row_end

row row_psci_affinity
	mov	r1, #0				@ of its own
	mov	r2, #0
1:	movw	r0, #0x0004
	movt	r0, #0x8400
	hvc	#0
	subs	r4, r4, #1
	bne	1b
	row_end

	.macro	typer_row name, into
row \name
	ldr	r5, =BENCH_GICD
1:	ldr	\into, [r5, #4]
	orr	r6, r6, \into
	subs	r4, r4, #1
	bne	1b
	row_end
	.endm

	typer_row row_gicd_typer, r0
	typer_row row_mmio_r14, lr		@ of which SVC mode has its own

/* An interrupt that is enabled already, as most of Linux's writes are of one bit. */
row row_gicd_isenabler
	ldr	r5, =BENCH_GICD + GICD_ISENABLER0
	mov	r6, #1 << BENCH_TIMER_VIRT
1:	str	r6, [r5]
	subs	r4, r4, #1
	bne	1b
	row_end

row row_uart_fr
	ldr	r5, =BENCH_UART
1:	ldr	r0, [r5, #UART_FR]
	orr	r6, r6, r0
	subs	r4, r4, #1
	bne	1b
	row_end

/* Two devices in turn, as a driver of each would that interrupts the other. A round is one access. */
row row_mmio_turns
	ldr	r5, =BENCH_GICD
	ldr	r9, =BENCH_UART
1:	ldr	r0, [r5, #4]
	ldr	r1, [r9, #UART_FR]
	orr	r6, r0, r1
	subs	r4, r4, #2
	bgt	1b
	row_end

/* Of the last of 32 devices. */
row row_virtio_reg
	ldr	r5, =BENCH_VIRTIO_LAST
1:	ldr	r0, [r5, #VIRTIO_STATUS]
	orr	r6, r6, r0
	subs	r4, r4, #1
	bne	1b
	row_end

row row_virtio_turns
	ldr	r5, =BENCH_VIRTIO_LAST
	ldr	r9, =BENCH_GICD
1:	ldr	r0, [r5, #VIRTIO_STATUS]
	ldr	r1, [r9, #4]
	orr	r6, r0, r1
	subs	r4, r4, #2
	bgt	1b
	row_end

/* One interrupt disabled and enabled again, as a driver masks its own. A round is one write. */
row row_irq_mask
	ldr	r5, =BENCH_GICD
	mov	r6, #1 << BENCH_TIMER_PHYS
1:	str	r6, [r5, #GICD_ICENABLER0]
	str	r6, [r5, #GICD_ISENABLER0]
	subs	r4, r4, #2
	bgt	1b
	row_end

/* An access that the syndrome does not describe (DDI 0406C B3.13.6): what it was is read from the guest's memory. */
row row_mmio_post
	ldr	r5, =BENCH_GICD + 4
1:	ldr	r0, [r5], #4
	sub	r5, r5, #4
	orr	r6, r6, r0
	subs	r4, r4, #1
	bne	1b
	row_end

row row_cntpct
1:	mrrc	p15, 0, r0, r1, c14
	orr	r6, r6, r0
	subs	r4, r4, #1
	bne	1b
	row_end

row row_actlr
1:	mrc	p15, 0, r0, c1, c0, 1
	orr	r6, r6, r0
	subs	r4, r4, #1
	bne	1b
	row_end

row row_sgi_self
	ldr	r5, =BENCH_GICD + GICD_SGIR
	mov	r6, #SGIR_SELF
	cpsie	i
1:	add	r7, r7, #1
	str	r6, [r5]
2:	cmp	r8, r7
	bne	2b
	subs	r4, r4, #1
	bne	1b
	cpsid	i
	row_end

/* One ID after the other, none of which is pong()'s. */
row row_sgi_change
	ldr	r5, =BENCH_GICD + GICD_SGIR
	mov	r6, #SGIR_SELF
	cpsie	i
1:	add	r7, r7, #1
	and	r0, r4, #7
	orr	r0, r0, #8
	orr	r0, r0, r6
	str	r0, [r5]
2:	cmp	r8, r7
	bne	2b
	subs	r4, r4, #1
	bne	1b
	cpsid	i
	row_end

/* Sixteen sent while interrupts are masked, then taken. A round is one of them. */
row row_sgi_16
	ldr	r9, =handlers
	ldr	r10, [r9, #4 * SGI_PING]
	ldr	r0, =handle_other
	str	r0, [r9, #4 * SGI_PING]
	ldr	r5, =BENCH_GICD + GICD_SGIR
1:	mov	r6, #SGIR_SELF
	add	r7, r7, #16
2:	str	r6, [r5]
	add	r6, r6, #1
	tst	r6, #15
	bne	2b
	cpsie	i
3:	cmp	r8, r7
	bne	3b
	cpsid	i
	subs	r4, r4, #16
	bgt	1b
	str	r10, [r9, #4 * SGI_PING]
	row_end

/* `count` SPIs made pending while interrupts are masked, then taken. A round is one of them. */
	.macro	spis name, count
row row_spis_\name
	ldr	r5, =BENCH_GICD + GICD_ISPENDR0
1:	mov	r6, #BENCH_SPI
	add	r7, r7, #\count
2:	and	r0, r6, #31
	lsr	r1, r6, #5
	mov	r2, #1
	lsl	r2, r2, r0
	str	r2, [r5, r1, lsl #2]
	add	r6, r6, #1
	cmp	r6, #BENCH_SPI + \count
	bne	2b
	cpsie	i
3:	cmp	r8, r7
	bne	3b
	cpsid	i
	subs	r4, r4, #\count
	bgt	1b
	row_end
	.endm

	spis	1, 1
	spis	8, 8
	spis	32, 32
	spis	160, 160

	.macro	read_row name, register
row row_\name
	ldr	r5, =BENCH_GICD
	mov	r9, #\register & 0xff
	orr	r9, r9, #\register & 0xf00
1:	ldr	r0, [r5, r9]
	orr	r6, r6, r0
	subs	r4, r4, #1
	bne	1b
	row_end
	.endm

	read_row ispendr, GICD_ISPENDR1
	read_row isactiver, GICD_ISACTIVER1

/* What is there already is written. */
	.macro	write_row name, register
row row_\name
	ldr	r5, =BENCH_GICD
	mov	r9, #\register & 0xff
	orr	r9, r9, #\register & 0xf00
	ldr	r6, [r5, r9]
1:	str	r6, [r5, r9]
	subs	r4, r4, #1
	bne	1b
	row_end
	.endm

	write_row icfgr, GICD_ICFGR2
	write_row igroupr, GICD_IGROUPR1

/* Off and on: a round is both. */
row row_gicd_ctlr
	ldr	r5, =BENCH_GICD + GICD_CTLR
	mov	r0, #0
	mov	r1, #1
1:	str	r0, [r5]
	str	r1, [r5]
	subs	r4, r4, #1
	bne	1b
	row_end

row row_timer_virt
	mov	r0, #0
	mcrr	p15, 3, r0, r0, c14	@ CNTV_CVAL: long past
	mov	r6, #1
	cpsie	i
1:	add	r7, r7, #1
	mcr	p15, 0, r6, c14, c3, 1	@ CNTV_CTL
	isb
2:	cmp	r8, r7
	bne	2b
	subs	r4, r4, #1
	bne	1b
	cpsid	i
	row_end

row row_timer_phys
	mov	r0, #0
	mcrr	p15, 2, r0, r0, c14	@ CNTP_CVAL
	mov	r6, #1
	cpsie	i
1:	add	r7, r7, #1
	mcr	p15, 0, r6, c14, c2, 1	@ CNTP_CTL
	isb
2:	cmp	r8, r7
	bne	2b
	subs	r4, r4, #1
	bne	1b
	cpsid	i
	row_end

/* void spin(void): for ever. */
function spin
	b	.

/* The deadline is far enough off that no hypervisor is late for the WFI. */
row row_wfi_timer
	movw	r5, #8000
	mov	r6, #1
1:	add	r7, r7, #1
	mcr	p15, 0, r5, c14, c3, 0	@ CNTV_TVAL
	mcr	p15, 0, r6, c14, c3, 1	@ CNTV_CTL
	isb
2:	wfi
	interrupt_window
	cmp	r8, r7
	bne	2b
	subs	r4, r4, #1
	bne	1b
	row_end

/* Two SGIs a round: one to CPU 1, which sleeps in pong(), and its answer. */
row row_sgi_ping
	ldr	r5, =BENCH_GICD + GICD_SGIR
	ldr	r6, =SGIR_PING
1:	add	r7, r7, #1
	str	r6, [r5]
2:	wfi
	interrupt_window
	cmp	r8, r7
	bne	2b
	subs	r4, r4, #2
	bgt	1b
	row_end

/* void pong(volatile uint32_t *stop): CPU 1's side, until *stop; the answers come from the handler. */
function pong
	push	{r4-r11, lr}
	mov	r5, r0
1:	wfi
	interrupt_window
	ldr	r0, [r5]
	cmp	r0, #0
	beq	1b
	pop	{r4-r11, pc}

/* void wait_interrupt(void) */
function wait_interrupt
	push	{r4-r11, lr}
	mov	r8, #0
1:	wfi
	interrupt_window
	cmp	r8, #0
	beq	1b
	pop	{r4-r11, pc}

/* void nap(uint32_t ticks): sleep by the virtual timer. */
function nap
	push	{r4-r11, lr}
	mov	r8, #0
	mov	r1, #1
	mcr	p15, 0, r0, c14, c3, 0	@ CNTV_TVAL
	mcr	p15, 0, r1, c14, c3, 1	@ CNTV_CTL
	isb
1:	wfi
	interrupt_window
	cmp	r8, #0
	beq	1b
	pop	{r4-r11, pc}

/* A CPU that CPU_ON starts goes off again. */
function on_off_entry
	movw	r0, #0x0002
	movt	r0, #0x8400
	hvc	#0
	b	.

/*
 * void slice_main(uint32_t rounds, uint32_t *shared), void slice_peer(uint32_t *shared): both spin and note in shared[0]
 * who runs, counting changes in shared[1] and [2]. The peer keeps its rounds in shared[3] and ends with shared[4].
 * SLICE_MAIN and SLICE_PEER instructions a round (bench.c).
 */
function slice_main
	mov	r3, #0
	mov	r2, #1
1:	ldr	r12, [r1]
	cmp	r12, r2
	strne	r2, [r1]
	addne	r3, r3, #1
	subs	r0, r0, #1
	bne	1b
	str	r3, [r1, #4]
	bx	lr

function slice_peer
	push	{r4, r5}
	mov	r1, r0
	mov	r2, #2
	mov	r3, #0
	mov	r0, #0
1:	ldr	r12, [r1]
	cmp	r12, r2
	strne	r2, [r1]
	addne	r3, r3, #1
	str	r3, [r1, #8]
	add	r0, r0, #1
	str	r0, [r1, #12]
	ldr	r4, [r1, #16]
	cmp	r4, #0
	beq	1b
	pop	{r4, r5}
	bx	lr

/* void mark_*(void): what the counting plugin looks for (insncount.c). */
function mark_begin
	dbg	#1
	bx	lr
function mark_end
	dbg	#2
	bx	lr
function mark_boot
	dbg	#3
	bx	lr

/* Interrupt handlers, by ID: as small as a real one can be. May use r0-r3 and r12. */
handle_virt:
	mov	r1, #0
	mcr	p15, 0, r1, c14, c3, 1
	isb				@ the level is down before the EOI
	bx	lr
handle_phys:
	mov	r1, #0
	mcr	p15, 0, r1, c14, c2, 1
	isb
	bx	lr
handle_ping:
	ldr	r1, =BENCH_GICD + GICD_SGIR
	ldr	r2, =SGIR_REPLY
	str	r2, [r1]
	bx	lr
handle_other:
	bx	lr

irq_entry:
	sub	lr, lr, #4
	push	{r0-r3, r12, lr}
	ldr	r12, =BENCH_GICC
	ldr	r0, [r12, #GICC_IAR]
	push	{r0, r12}
	ubfx	r1, r0, #0, #10
	cmp	r1, #32
	ldrlo	r2, =handlers
	ldrlo	r3, [r2, r1, lsl #2]
	blxlo	r3
	pop	{r0, r12}
	str	r0, [r12, #GICC_EOIR]
	add	r8, r8, #1
	ldm	sp!, {r0-r3, r12, pc}^

	.ltorg

/* Whatever is not an interrupt goes to the library, which prints it. */
	.balign	32
	.global	bench_vectors
bench_vectors:
	b	vectors
	b	vectors + 4
	b	vectors + 8
	b	vectors + 12
	b	vectors + 16
	b	vectors + 20
	b	irq_entry
	b	vectors + 28

	.data
	.balign	4
handlers:
	.word	handle_other, handle_other, handle_ping
	.rept	BENCH_TIMER_VIRT - SGI_PING - 1
	.word	handle_other
	.endr
	.word	handle_virt, handle_other, handle_other, handle_phys, handle_other
