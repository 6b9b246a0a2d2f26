/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways into and out of the secure side, where virt7 was entered there: from secure SVC to Monitor mode, to HYP, and SMC.
 * What is done there is C: boot/monitor_main.c on the stack in a CPU's slot of monitor_data, boot/pen.c without one.
 */
#include <arm/hypregs.h>
#include <arm/psr.h>

#include "boot/here.h"
#include "boot/monitor.h"

#define HYP_MASKED (PSR_A | PSR_I | PSR_F | PSR_MODE_HYP)	/* ARM */
#define SCTLR_SECURE (SCTLR_RESET | SCTLR_Z)	/* branch prediction; MMU, caches off, vectors by VBAR, ARM, little-endian */

	.arch	armv7ve
	.arch_extension sec
	.arch_extension virt
	.arm
	.syntax unified

	.section .text.monitor, "ax"
	.fnstart
	.cantunwind

/* From secure SVC. LR and SP are others afterwards. Clobbers r0. */
.macro enter_monitor
	ldr	r0, =SCTLR_SECURE
	mcr	p15, 0, r0, c1, c0, 0		@ SCTLR
	isb
	cps	#PSR_MODE_MON
.endm

/*
 * The boot CPU. In: secure SVC, MMU and D-cache off, the image clean in memory, .bss zeroed. Out: HYP mode, all else masked,
 * at lr. r4-r11 are the caller's.
 */
	.global	monitor_install
	.type	monitor_install, %function
monitor_install:
	mov	r12, lr
	enter_monitor
	here	r0, monitor_data
	add	sp, r0, #MONITOR_FIRST_SLOT
	add	sp, sp, #MONITOR_SLOT_SIZE
	mov	r0, r12
	bl	monitor_begin

/* r0, r1 as monitor_begin() returns them. */
to_hyp:	ldr	r2, =HYP_MASKED
	msr	spsr_cxsf, r2
	mov	lr, r1
	movs	pc, lr

/* A secondary. In: secure SVC, MMU and D-cache off, after monitor_install on the boot CPU. It is in the pen from here on. */
	.global	monitor_arrive
	.type	monitor_arrive, %function
monitor_arrive:
	enter_monitor
	.global	monitor_sleep
	.type	monitor_sleep, %function
monitor_sleep:
	bl	monitor_pen
	add	sp, r0, #MONITOR_SLOT_SIZE
	bl	monitor_release
	b	to_hyp

/* A call: r0 function, r1-r3 arguments, r0 = result. sp = the end of the CPU's slot. r4 up are kept. */
smc:	push	{r12, lr}
	bl	monitor_call
	pop	{r12, lr}
	movs	pc, lr

	.balign	32
	.global	monitor_vectors
monitor_vectors:
	b	early_park
	b	early_park
	b	smc
	.rept	5
	b	early_park
	.endr
	.ltorg
	.fnend
