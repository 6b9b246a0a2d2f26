/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secure side, where virt7 was entered there: takes a CPU from secure SVC to HYP, and from then on serves PSCI to HYP.
 * It does nothing else. A guest cannot reach it: its SMCs trap to HYP (HCR.TSC), and its stage 2 does not map virt7.
 *
 * Monitor mode runs with the secure MMU and caches off, so that its data is always in memory: monitor_data lies on
 * cache lines of its own, which HYP never writes. What HYP hands over comes in registers, but for monitor_power, which HYP cleans to
 * the point of coherency. Secure and non-secure lines of one address are different lines: none is ever shared.
 * References: DDI 0406C B1.8.1, B4.1.111 (NSACR), B4.1.129 (SCR); IHI 0048B 3.7, 4.3, 4.4; DEN 0022 5.
 */
#include <arm/cores.h>
#include <arm/hypregs.h>
#include <arm/psr.h>

#include "boot/monitor.h"
#include "hyp/host/gicregs.h"
#include "mm/layout.h"
#include "psci/smccc.h"

#define HYP_MASKED (PSR_A | PSR_I | PSR_F | PSR_MODE_HYP)	/* ARM */

#define SCR_VALUE    0x131			/* NS | FW | AW | HCE: no exception comes to the monitor but SMC */
#define NSACR_VALUE  0xc00			/* CP10, CP11 */
#define SCTLR_SECURE (SCTLR_RESET | SCTLR_Z)	/* branch prediction; MMU, caches off, vectors by VBAR, ARM, little-endian */

#define GICD_SGIR_OTHERS (1 << 24)		/* NSATT 0: only where it is Group 0 */

	.arch	armv7ve
	.arch_extension sec
	.arch_extension virt
	.arm
	.syntax unified

	.section .text.monitor, "ax"
	.fnstart
	.cantunwind

/* \reg = where \symbol is, wherever the image lies. */
.macro here reg, symbol
	movw	\reg, #:lower16:(\symbol - (.Lhere\@ + 8))
	movt	\reg, #:upper16:(\symbol - (.Lhere\@ + 8))
.Lhere\@:
	add	\reg, \reg, pc
.endm

/*
 * In: any PL1 mode but Monitor, MMU off. Out: r0 = 1 in secure state of a CPU that has HYP mode, else 0. Clobbers r1;
 * VBAR is the probe's. SCR is UNDEFINED in non-secure state, and on a CPU without Security Extensions.
 */
	.global	monitor_is_secure
	.type	monitor_is_secure, %function
monitor_is_secure:
	mrc	p15, 0, r1, c1, c0, 0		@ SCTLR: exceptions by VBAR, in ARM, little-endian
	bic	r1, r1, #SCTLR_V
	bic	r1, r1, #SCTLR_TE
	bic	r1, r1, #SCTLR_EE
	mcr	p15, 0, r1, c1, c0, 0
	adr	r0, probe_vectors
	mcr	p15, 0, r0, c12, c0, 0		@ VBAR
	isb
	mrc	p15, 0, r1, c0, c1, 1		@ ID_PFR1
	ubfx	r1, r1, #12, #4			@ Virtualization Extensions
	cmp	r1, #0
	movne	r0, #1
	moveq	r0, #0
	mrc	p15, 0, r1, c1, c1, 0		@ SCR
	bx	lr

	.balign	32
probe_vectors:
	b	.
	b	1f
	.rept	6
	b	.
	.endr
1:	mov	r0, #0
	movs	pc, lr				@ behind the MRC

/*
 * The boot CPU. In: secure SVC, MMU and D-cache off, the image clean in memory. Out: HYP mode, all else masked, at lr.
 * Clobbers r0-r3, r12; r4-r11 are the caller's.
 */
	.global	monitor_install
	.type	monitor_install, %function
monitor_install:
	mov	r12, lr
	bl	secure_setup
	here	r0, monitor_data
	mov	r1, #1
	str	r1, [r0, #MONITOR_INSTALLED]
	mrc	p15, 0, r1, c0, c0, 5		@ MPIDR
	bic	r1, r1, #0xff000000
	add	sp, r0, #MONITOR_SLOTS		@ the first slot is the boot CPU's
	str	r1, [sp, #SLOT_MPIDR]
	mov	r1, #SLOT_STATE_ON
	str	r1, [sp, #SLOT_STATE]
	dsb
	mov	r1, r12
	b	to_hyp

/* A secondary. In: secure SVC, MMU and D-cache off, after monitor_install on the boot CPU. It is in the pen from here on. */
	.global	monitor_arrive
	.type	monitor_arrive, %function
monitor_arrive:
	bl	secure_setup
	b	pen

/*
 * In: secure SVC. Out: Monitor mode, secure registers as the monitor wants them, at lr_svc. Clobbers r0-r3.
 * ICIALLU and BPIALL are done (boot/head.S). Secure translations were never on here; TLBIALL is for a loader's.
 */
secure_setup:
	mov	r2, lr
	ldr	r0, =SCTLR_SECURE
	mcr	p15, 0, r0, c1, c0, 0		@ SCTLR
	isb
	mov	r0, #0
	mcr	p15, 0, r0, c8, c7, 0		@ TLBIALL
	here	r0, early_vectors
	mcr	p15, 0, r0, c12, c0, 0		@ VBAR: where an abort of the monitor's ends
	here	r0, monitor_vectors
	mcr	p15, 0, r0, c12, c0, 1		@ MVBAR
	ldr	r0, =NSACR_VALUE
	mcr	p15, 0, r0, c1, c1, 2		@ NSACR
	mrc	p15, 0, r0, c0, c0, 0		@ MIDR
	ldr	r1, =MIDR_PART_MASK
	and	r0, r0, r1
	adr	r3, cores
1:	ldr	r1, [r3], #8
	cmp	r1, #0				@ a core that nothing is known of
	beq	2f
	cmp	r1, r0
	bne	1b
	ldr	r1, [r3, #-4]
	mrc	p15, 0, r0, c1, c0, 1		@ ACTLR
	orr	r0, r0, r1
	mcr	p15, 0, r0, c1, c0, 1
2:	dsb
	isb
	cps	#PSR_MODE_MON
	bx	r2

/* Of each core: MIDR without variant and revision, bits of ACTLR. */
#define MODEL(name, part, harden, actlr) .word part, actlr
cores:
#include "coproc/model.def"
	.word	0
#undef MODEL

/*
 * In: Monitor mode, sp_mon = this CPU's slot, r1 = PA to go on at, r0 = what r0 shall be there. Clobbers r2, r3.
 * PL2's registers can be reached from Monitor mode once SCR.NS is set (B3.15.3); they are unknown after reset.
 */
to_hyp:
	ldr	r2, =SCR_VALUE
	mcr	p15, 0, r2, c1, c1, 0		@ SCR
	isb
	ldr	r2, =HSCTLR_RES1
	mcr	p15, 4, r2, c1, c0, 0		@ HSCTLR
	mov	r2, #0
	mov	r3, #0
	mcr	p15, 4, r2, c1, c1, 0		@ HCR
	mcrr	p15, 4, r2, r3, c14		@ CNTVOFF
	mcr	p15, 4, r2, c8, c7, 0		@ TLBIALLH
	mcr	p15, 4, r2, c8, c7, 4		@ TLBIALLNSNH
	dsb
	isb
	ldr	r2, =HYP_MASKED
	msr	spsr_cxsf, r2
	mov	lr, r1
	movs	pc, lr

/*
 * A CPU that is off. In: Monitor mode. Waits until its slot says PENDING, then goes to HYP at the slot's entry.
 * The wake-up cannot be missed: the slot is written before the SGI is sent, and the SGI stays pending until it is
 * acknowledged here. r6 monitor_data, r7 GICD, r8 GICC, r4 slot.
 */
pen:
	here	r6, monitor_data
	ldr	r7, [r6, #MONITOR_GICD]
	ldr	r8, [r6, #MONITOR_GICC]
	mvn	r0, #1 << MONITOR_SGI
	str	r0, [r7, #GICD_IGROUPR]
	str	r0, [r7, #GICD_ICENABLER]
	mov	r0, #1 << MONITOR_SGI
	str	r0, [r7, #GICD_ISENABLER]
	mvn	r0, #0
	add	r1, r7, #GICD_IPRIORITYR
	add	r2, r1, #32
1:	str	r0, [r1], #4			@ a pending one of a disabled group would hide those behind it
	cmp	r1, r2
	bne	1b
	mov	r0, #0
	strb	r0, [r1, #MONITOR_SGI - 32]
	mov	r0, #0xff
	str	r0, [r8, #GICC_PMR]
	mov	r0, #1				@ EnableGrp0 alone
	str	r0, [r8, #GICC_CTLR]
	dsb
1:	mrc	p15, 0, r1, c0, c0, 5		@ MPIDR
	bic	r1, r1, #0xff000000
	bl	find_slot
	cmp	r4, #0
	beq	2f
	ldr	r0, [r4, #SLOT_STATE]
	cmp	r0, #SLOT_STATE_PENDING
	beq	released
2:	wfi
	ldr	r0, [r8, #GICC_IAR]
	ubfx	r1, r0, #0, #10
	cmp	r1, #MONITOR_SGI
	streq	r0, [r8, #GICC_EOIR]
	b	1b

/* All of its interrupts are the non-secure side's now; an SGI sent meanwhile for another CPU is dropped after that. */
released:
	mov	r0, #0
	str	r0, [r8, #GICC_CTLR]
	mvn	r0, #0
	str	r0, [r7, #GICD_IGROUPR]
	dsb
	mov	r0, #0xff
	add	r1, r7, #GICD_CPENDSGIR
	strb	r0, [r1, #MONITOR_SGI]
	mrc	p15, 0, r0, c14, c0, 0		@ CNTFRQ
	cmp	r0, #0
	ldreq	r0, [r6, #MONITOR_CNTFRQ]
	mcreq	p15, 0, r0, c14, c0, 0
	mov	sp, r4
	ldr	r1, [r4, #SLOT_ENTRY]
	ldr	r0, [r4, #SLOT_CONTEXT]
	mov	r2, #SLOT_STATE_ON
	str	r2, [r4, #SLOT_STATE]
	dsb
	b	to_hyp

/* r1 = MPIDR's affinity. Out: r4 = its slot, 0: none. Clobbers r2, r3. */
find_slot:
	here	r4, monitor_data
	add	r4, r4, #MONITOR_SLOTS
	mov	r2, #CPU_MAX
1:	ldr	r3, [r4, #SLOT_MPIDR]
	cmp	r3, r1
	bxeq	lr
	add	r4, r4, #SLOT_SIZE
	subs	r2, r2, #1
	bne	1b
	mov	r4, #0
	bx	lr

	.balign	32
monitor_vectors:
	b	early_park
	b	early_park
	b	smc
	.rept	5
	b	early_park
	.endr

/*
 * A call from HYP: r0 function, r1-r3 arguments, r0 = result. sp = slot. r4 up are kept. Only HYP is served. virt7
 * makes CPU_ON on one CPU at a time (hyp/host/psci.c).
 */
smc:
	strd	r4, r5, [sp, #SLOT_SAVE]
	str	lr, [sp, #SLOT_SAVE + 8]
	mrs	r4, spsr
	and	r4, r4, #0x1f
	cmp	r4, #PSR_MODE_HYP
	bne	not_supported
	mov	r5, #PSCI_VERSION
	sub	r5, r0, r5
	cmp	r5, #PSCI_CPU_ON - PSCI_VERSION
	beq	cpu_on
	cmp	r5, #PSCI_CPU_OFF - PSCI_VERSION
	beq	cpu_off
	cmp	r5, #PSCI_AFFINITY_INFO - PSCI_VERSION
	beq	affinity_info
	here	r4, monitor_power
	cmp	r5, #PSCI_SYSTEM_OFF - PSCI_VERSION
	beq	power
	add	r4, r4, #8 * MONITOR_POWER_WRITES
	cmp	r5, #PSCI_SYSTEM_RESET - PSCI_VERSION
	beq	power
	ldr	r5, =MONITOR_OPEN
	cmp	r0, r5
	beq	open
	ldr	r5, =MONITOR_ACTLR
	cmp	r0, r5
	beq	set_actlr
not_supported:
	mov	r0, #PSCI_NOT_SUPPORTED
smc_return:
	ldr	lr, [sp, #SLOT_SAVE + 8]
	ldrd	r4, r5, [sp, #SLOT_SAVE]
	movs	pc, lr

/* r1 MPIDR, r2 entry, r3 context. A CPU that was never heard of gets a slot. */
cpu_on:
	mov	r5, r2
	mov	r0, r3
	bl	find_slot
	cmp	r4, #0
	bne	1f
	mov	r12, r1
	mvn	r1, #0
	bl	find_slot
	mov	r1, r12
	cmp	r4, #0
	moveq	r0, #PSCI_INVALID_PARAMETERS	@ more CPUs than CPU_MAX
	beq	smc_return
1:	ldr	r2, [r4, #SLOT_STATE]
	cmp	r2, #SLOT_STATE_ON
	moveq	r0, #PSCI_ALREADY_ON
	beq	smc_return
	cmp	r2, #SLOT_STATE_PENDING
	moveq	r0, #PSCI_ON_PENDING
	beq	smc_return
	str	r5, [r4, #SLOT_ENTRY]
	str	r0, [r4, #SLOT_CONTEXT]
	mov	r2, #SLOT_STATE_PENDING
	str	r2, [r4, #SLOT_STATE]
	str	r1, [r4, #SLOT_MPIDR]
	dsb
	here	r4, monitor_data
	ldr	r4, [r4, #MONITOR_GICD]
	ldr	r2, =GICD_SGIR_OTHERS | MONITOR_SGI
	str	r2, [r4, #GICD_SGIR]
	mov	r0, #0
	b	smc_return

/* This CPU stays coherent and powered, so its caches may keep what they hold; whoever comes out of the pen starts anew. */
cpu_off:
	mov	r0, #SLOT_STATE_OFF
	str	r0, [sp, #SLOT_STATE]
	dsb
	b	pen

affinity_info:
	bl	find_slot
	cmp	r4, #0
	ldrne	r0, [r4, #SLOT_STATE]
	moveq	r0, #PSCI_INVALID_PARAMETERS
	b	smc_return

/* r4 = pairs of address and value, up to an address of 0. An empty list: the board cannot. */
power:
	ldr	r0, [r4]
	cmp	r0, #0
	beq	not_supported
1:	ldr	r1, [r4, #4]
	str	r1, [r0]
	dsb
	add	r4, r4, #8
	ldr	r0, [r4]
	cmp	r0, #0
	bne	1b
2:	wfi
	b	2b

/* r1 = bits. The register is common to both states, and read-only in the non-secure one (Cortex-A15 TRM). */
set_actlr:
	mrc	p15, 0, r0, c1, c0, 1
	orr	r0, r0, r1
	mcr	p15, 0, r0, c1, c0, 1
	isb
	mov	r0, #0
	b	smc_return

/*
 * r1 GICD, r2 GICC, r3 frequency in Hz or 0. All interrupts to Group 1, the CPU interface open to all priorities, the
 * distributor forwarding Group 0 for the SGI that wakes CPUs in the pen. CNTFRQ only where firmware has not set it.
 */
open:
	here	r4, monitor_data
	str	r1, [r4, #MONITOR_GICD]
	str	r2, [r4, #MONITOR_GICC]
	mrc	p15, 0, r0, c14, c0, 0		@ CNTFRQ
	cmp	r0, #0
	moveq	r0, r3
	mcreq	p15, 0, r0, c14, c0, 0
	str	r0, [r4, #MONITOR_CNTFRQ]
	dsb
	mov	r0, #0
	str	r0, [r1, #GICD_CTLR]
	ldr	r3, [r1, #GICD_TYPER]
	and	r3, r3, #0x1f			@ ITLinesNumber
	add	r5, r1, #GICD_IGROUPR
	mvn	r4, #0
1:	str	r4, [r5], #4
	subs	r3, r3, #1
	bpl	1b
	mov	r3, #1				@ EnableGrp0; HYP enables its own group
	str	r3, [r1, #GICD_CTLR]
	mov	r3, #0xff
	str	r3, [r2, #GICC_PMR]
	str	r0, [r2, #GICC_CTLR]
	dsb
	b	smc_return
	.ltorg
	.fnend

	.section .data.monitor, "aw"
	.balign	MONITOR_ALIGN
	.global	monitor_data
monitor_data:
	.space	MONITOR_SLOTS
	.rept	CPU_MAX
	.word	-1, SLOT_STATE_OFF
	.space	SLOT_SIZE - 8
	.endr
	.balign	MONITOR_ALIGN
