/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry of a test guest, its secondary CPUs' entry, and the exception vectors. The same image is entered by QEMU's
 * -kernel on `-M virt` and by virt7: SVC, MMU and caches off, r0 = 0, r1 = ~0, r2 = device tree.
 */
#include "tests/guests/lib/asm.h"

	.syntax unified
	.arch_extension virt
	.arm

/* In: r0-r2 as the loader left them. Runs without a stack until cpu_init. */
	.section .text.start, "ax"
	.global _start
_start:
	mrs	r11, cpsr
	mov	r8, r0
	mov	r9, r1
	mov	r10, r2
	ldr	r0, =__bss_start
	ldr	r1, =__bss_end
	mov	r2, #0
1:	cmp	r0, r1
	strlo	r2, [r0], #4
	blo	1b
	mov	r0, #0
	bl	cpu_init
	push	{r8-r11}		@ struct boot_state
	mov	r0, sp
	bl	guest_start
	b	.			@ not reached: guest_start powers off

/*
 * A secondary CPU, from PSCI CPU_ON: r0 = its struct smp_boot_args. MMU off, so what it reads here was cleaned to
 * memory.
 */
	.text
	.global secondary_start
secondary_start:
	mov	r9, r0
	ldr	r0, [r9]		@ index
	bl	cpu_init
	mov	r0, r9
	bl	smp_secondary
	b	.			@ not reached: smp_secondary powers this CPU off

/*
 * In: r0 = CPU index, SVC mode, no stack. Out: SVC mode, A, I and F masked, every mode's stack set, vectors in place.
 * Clobbers r0-r3.
 */
cpu_init:
	cpsid	aif, #MODE_SVC
	ldr	r1, =cpu_stacks
	ldr	r2, =STACK_CPU
	mla	r1, r0, r2, r1
	add	r1, r1, #STACK_OTHER
	cps	#MODE_IRQ
	mov	sp, r1
	add	r1, r1, #STACK_OTHER
	cps	#MODE_FIQ
	mov	sp, r1
	add	r1, r1, #STACK_OTHER
	cps	#MODE_ABT
	mov	sp, r1
	add	r1, r1, #STACK_OTHER
	cps	#MODE_UND
	mov	sp, r1
	add	r1, r1, #STACK_OTHER
	cps	#MODE_SYS		@ User mode's stack
	mov	sp, r1
	add	r1, r1, #STACK_SVC
	cps	#MODE_SVC
	mov	sp, r1
	ldr	r1, =vectors
	mcr	p15, 0, r1, c12, c0, 0	@ VBAR
	ldr	r1, =cpus
	ldr	r2, =cpu_struct_size
	ldr	r2, [r2]
	mla	r1, r0, r2, r1
	str	r0, [r1]		@ cpu->index
	mcr	p15, 0, r1, c13, c0, 4	@ TPIDRPRW: this_cpu()
	isb
	bx	lr

/*
 * Each entry builds a struct exc_frame {r0-r12, lr, pc, psr} and calls exc_entry(frame, type), which may change the
 * frame. Synchronous exceptions stay in their own mode, with lr = the raw link register; interrupts are served in SVC
 * mode, so that a handler can be interrupted in its turn.
 */
	.macro	sync_entry type, mode
	srsdb	sp!, #\mode
	push	{r0-r12, lr}
	mov	r1, #\type
	b	exc_common
	.endm

	.macro	irq_entry type
	sub	lr, lr, #4		@ preferred return address, DDI 0406C table B1-7
	srsdb	sp!, #MODE_SVC
	cps	#MODE_SVC
	push	{r0-r12, lr}
	mov	r1, #\type
	b	exc_common
	.endm

	.balign	32
	.global vectors
vectors:
	b	.			@ not used (table B1-3)
	b	undef_entry
	b	svc_entry
	b	pabt_entry
	b	dabt_entry
	b	.			@ HYP's, not used in other modes
	b	irq_entry
	b	fiq_entry

undef_entry:
	sync_entry EXC_UNDEF, MODE_UND
svc_entry:
	sync_entry EXC_SVC, MODE_SVC
pabt_entry:
	sync_entry EXC_PABT, MODE_ABT
dabt_entry:
	sync_entry EXC_DABT, MODE_ABT
irq_entry:
	irq_entry EXC_IRQ
fiq_entry:
	irq_entry EXC_FIQ

exc_common:
	mov	r0, sp
	mov	r4, sp
	bic	sp, sp, #7		@ the interrupted code need not keep sp 8-byte aligned
	bl	exc_entry
	mov	sp, r4
	clrex
	pop	{r0-r12, lr}
	rfeia	sp!

/* uint32_t exc_banked_lr(uint32_t mode): lr of another mode. `mrs rX, lr_svc` needs the Virtualization Extensions. */
	.global exc_banked_lr
exc_banked_lr:
	mrs	r2, cpsr
	bic	r1, r2, #PSR_MODE
	orr	r1, r1, r0
	msr	cpsr_c, r1
	mov	r3, lr
	msr	cpsr_c, r2
	mov	r0, r3
	bx	lr

/*
 * uint32_t user_call(uint32_t (*fn)(uint32_t), uint32_t arg): run fn in User mode, in ARM or Thumb state by its bit 0.
 * It comes back by the SVC at user_exit, which exc_entry knows and turns into a return to user_back in SVC mode.
 */
	.global user_call, user_exit, user_back
user_call:
	push	{r4-r11, lr}
	sub	sp, sp, #4
	ldr	r2, =user_exit
	mrs	r3, cpsr
	cps	#MODE_SYS
	mov	lr, r2			@ lr_usr
	cps	#MODE_SVC
	bic	r3, r3, #(PSR_MODE | PSR_T)
	orr	r3, r3, #MODE_USR
	tst	r0, #1
	orrne	r3, r3, #PSR_T
	bic	r2, r0, #1
	mov	r0, r1
	msr	spsr_cxsf, r3
	movs	pc, r2
user_exit:
	svc	#0
user_back:
	add	sp, sp, #4
	pop	{r4-r11, pc}

/* The SMC Calling Convention's registers: in r0-r3, out r0 (DEN 0028). uint32_t psci_hvc/psci_smc(fn, a1, a2, a3). */
	.global psci_hvc, psci_smc
psci_hvc:
	hvc	#0
	bx	lr
	.arch_extension sec
psci_smc:
	smc	#0
	bx	lr

	.ltorg

	.bss
	.balign	4096
cpu_stacks:
	.space	GUEST_CPUS * STACK_CPU
