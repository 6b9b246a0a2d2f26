/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HYP's vectors (DDI 0406C B1.8.1). A guest's exit pushes r0-r12 and LR_usr, nothing else, and
 * calls C; the rest of its state is in the hardware. What guests do most is told apart here: accesses to devices, and calls,
 * whose function is found here as well (psci/calls.h). HYP's own faults go to a stack of their own, because the stack may
 * be what failed.
 */
#include <arm/hypregs.h>

#include "hyp/exit/offsets.h"
#include "psci/calls.h"

#define PSR_A_BIT 8

	.arch	armv7ve
	.arm
	.syntax unified

	.section .text.vectors, "ax"
	.fnstart				@ a backtrace through an exit ends here
	.cantunwind

/* HYP's own faults: no attack waits for these. */
	.macro	vectors_begin name
	.balign	32
	.global	\name
\name:
	b	vector_reset
	b	vector_undef
	b	vector_hvc
	b	vector_prefetch
	b	vector_data
	.endm

	.macro	vectors name, trap, irq
	vectors_begin \name
	b	\trap
	b	\irq
	b	\irq
	.endm

/*
 * The option harden=exit (coproc/harden.c): what the guest has taught the branch predictor is forgotten before HYP's
 * first branch, also before direct ones, which are predicted by their address alone. So the entries for exits fall
 * through to the invalidation (\op: 6 BPIALL, 0 ICIALLU), and SP, a multiple of 8 while a guest runs, says whence.
 */
	.macro	vectors_hardened name, trap, irq, op
	vectors_begin \name
	add	sp, sp, #1			@ trap
	nop					@ IRQ
	mcr	p15, 0, r0, c7, c5, \op		@ FIQ; the value is ignored
	isb
	tst	sp, #1
	bic	sp, sp, #1
	bne	\trap
	b	\irq
	.endm

	vectors	hyp_vectors, vector_trap, vector_irq
	vectors_hardened hyp_vectors_bpiall, vector_trap, vector_irq, 6
	vectors_hardened hyp_vectors_iciallu, vector_trap, vector_irq, 0

/* Tables for the trace (hyp/debug/trace.c), in HVBAR while it is on: off, it costs nothing. */
	vectors	hyp_vectors_traced, traced_trap, traced_irq
	vectors_hardened hyp_vectors_bpiall_traced, traced_trap, traced_irq, 6
	vectors_hardened hyp_vectors_iciallu_traced, traced_trap, traced_irq, 0

vector_trap:
	push	{r0-r12, lr}
	mrc	p15, 4, r4, c5, c2, 0		@ HSR
	cmp	r4, #EC_DABT_GUEST << 26	@ the last class that comes here
	blo	1f
	mov	r0, sp
	bl	exit_data
	pop	{r0-r12, lr}
	eret
1:	lsr	r4, r4, #26
	cmp	r4, #EC_HVC
	beq	2f
	mov	r0, sp
	bl	exit_trap
	pop	{r0-r12, lr}
	eret

	@ A call: r0 is its id, r1-r3 its arguments; r4 is the vCPU. Where no row has the id, -1 is NOT_SUPPORTED.
2:	movw	r5, #:lower16:psci_calls
	movt	r5, #:upper16:psci_calls
	mrc	p15, 4, r4, c13, c0, 2		@ HTPIDR
	eor	r6, r0, r0, lsr #PSCI_SHIFT_1
	ldr	r4, [r4, #PERCPU_THREAD]
	eor	r6, r6, r0, lsr #PSCI_SHIFT_2
	bfi	r5, r6, #PSCI_CALL_BITS, #PSCI_PLACE_BITS
	ldr	r7, [r4, #VCPU_EXITS_HVC]
	ldm	r5, {r5, r6}
	add	r7, r7, #1
	str	r7, [r4, #VCPU_EXITS_HVC]
	cmp	r5, r0
	mvn	r0, #0
	bne	3f
	mov	r0, r4
	blx	r6
3:	ldr	r1, [r4, #VCPU_WORK]
	str	r0, [sp]
	cmp	r1, #0
	bne	4f
	pop	{r0-r12, lr}
	eret
4:	mov	r0, r4
	bl	exit_work
	pop	{r0-r12, lr}
	eret

/* Physical interrupts come from guests only: HYP runs with them masked. */
vector_fiq:
vector_irq:
	push	{r0-r12, lr}
	bl	exit_irq
	pop	{r0-r12, lr}
	eret

traced_trap:
	push	{r0-r12, lr}
	mov	r0, sp
	bl	trace_exit_trap
	pop	{r0-r12, lr}
	eret

traced_irq:
	push	{r0-r12, lr}
	bl	trace_exit_irq
	pop	{r0-r12, lr}
	eret

/* A new vCPU's thread: SP is at its registers. */
	.global	thread_start
	.type	thread_start, %function
thread_start:
	bl	exit_first
	pop	{r0-r12, lr}
	eret

/*
 * HYP's own exception. There is one stack pointer and it may be bad, so r0 waits in HMAIR1, r1 and SP in struct cpu_head
 * until SP is the CPU's panic stack. Frame: struct panic_frame. fault_handle() comes back where HYP goes on, at the
 * frame's PC; ELR, SPSR and HSR as the guest's exit had them are up to who goes on there.
 */
	.macro	fault name, number
\name:
	mcr	p15, 4, r0, c10, c2, 1		@ HMAIR1: no table uses attributes 4-7
	mrc	p15, 4, r0, c13, c0, 2		@ HTPIDR: struct cpu_head
	str	r1, [r0, #PERCPU_FAULT_R1]
	mov	r1, #\number
	b	fault_common
	.endm

	fault	vector_reset, 0
	fault	vector_undef, 1
	fault	vector_hvc, 2
	fault	vector_prefetch, 3
	fault	vector_data_own, 4

/*
 * Asynchronous aborts are masked in HYP but for abort_window(): one is taken here, and A masked on the return, so that it
 * is one at a time. The stack may be bad: r0 waits in HMAIR1.
 */
vector_data:
	mcr	p15, 4, r0, c10, c2, 1
	mrc	p15, 4, r0, c5, c2, 0		@ HSR: class and fault status, FSC_PARITY or not
	bfc	r0, #6, #20
	bic	r0, r0, #0x08
	eor	r0, r0, #0x94000000		@ EC_DABT_HYP << 26
	cmp	r0, #0x11			@ FSC_ASYNC
	mrc	p15, 4, r0, c10, c2, 1
	bne	vector_data_own
	mrs	r0, spsr
	orr	r0, r0, #1 << PSR_A_BIT
	msr	spsr_cxsf, r0
	mrc	p15, 4, r0, c10, c2, 1
	eret

fault_common:
	str	sp, [r0, #PERCPU_FAULT_SP]
	ldr	sp, [r0, #PERCPU_PANIC_SP]
	push	{r1}				@ vector
	mrs	r1, spsr
	push	{r1}
	mrs	r1, elr_hyp
	push	{r1}
	ldr	r1, [r0, #PERCPU_FAULT_SP]
	push	{r1, lr}			@ SP, LR
	ldr	r1, [r0, #PERCPU_FAULT_R1]
	mrc	p15, 4, r0, c10, c2, 1
	push	{r0-r12}
	mov	r0, sp
	bl	fault_handle
	ldr	r0, [sp, #15 * 4]
	msr	elr_hyp, r0
	ldr	r0, [sp, #16 * 4]
	msr	spsr_cxsf, r0
	ldm	sp, {r0-r12}
	ldr	lr, [sp, #14 * 4]
	ldr	sp, [sp, #13 * 4]
	eret
	.fnend
