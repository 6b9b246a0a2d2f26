/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct vcpu_context between the hardware and memory, twelve words at a time: half the instructions that C needs.
 * hyp/vm/switch.c asserts that the order here is the structure's. SCTLR is not here: it goes first one way and last the
 * other.
 */
	.arch	armv7ve
	.arm
	.syntax unified
	.text

	.macro cp15 op, reg, opc1, crn, crm, opc2
	.ifc \op, save
	mrc	p15, \opc1, \reg, \crn, \crm, \opc2
	.else
	mcr	p15, \opc1, \reg, \crn, \crm, \opc2
	.endif
	.endm

	.macro cp15_64 op, low, high, opc1, crm
	.ifc \op, save
	mrrc	p15, \opc1, \low, \high, \crm
	.else
	mcrr	p15, \opc1, \low, \high, \crm
	.endif
	.endm

	.macro banked op, reg, name
	.ifc \op, save
	mrs	\reg, \name
	.else
	msr	\name, \reg
	.endif
	.endm

	.macro own_spsr op, reg
	.ifc \op, save
	mrs	\reg, spsr
	.else
	msr	spsr_cxsf, \reg		@ all four fields, or J, IT and E stay
	.endif
	.endm

	.macro registers_1 op			@ elr ... und
	banked	\op, r1, elr_hyp
	own_spsr \op, r2
	banked	\op, r3, sp_usr
	banked	\op, r4, sp_svc
	banked	\op, r5, lr_svc
	banked	\op, r6, spsr_svc
	banked	\op, r7, sp_abt
	banked	\op, r8, lr_abt
	banked	\op, r9, spsr_abt
	banked	\op, r10, sp_und
	banked	\op, r11, lr_und
	banked	\op, r12, spsr_und
	.endm

	.macro registers_2 op			@ irq ... cpacr
	banked	\op, r1, sp_irq
	banked	\op, r2, lr_irq
	banked	\op, r3, spsr_irq
	banked	\op, r4, r8_fiq
	banked	\op, r5, r9_fiq
	banked	\op, r6, r10_fiq
	banked	\op, r7, r11_fiq
	banked	\op, r8, r12_fiq
	banked	\op, r9, sp_fiq
	banked	\op, r10, lr_fiq
	banked	\op, r11, spsr_fiq
	cp15	\op, r12, 0, c1, c0, 2		@ CPACR
	.endm

	.macro registers_3 op			@ ttbcr ... amair1
	cp15	\op, r1, 0, c2, c0, 2		@ TTBCR
	cp15	\op, r2, 0, c3, c0, 0		@ DACR
	cp15_64	\op, r3, r4, 0, c2		@ TTBR0
	cp15_64	\op, r5, r6, 1, c2		@ TTBR1
	cp15_64	\op, r7, r8, 0, c7		@ PAR
	cp15	\op, r9, 0, c10, c2, 0		@ PRRR
	cp15	\op, r10, 0, c10, c2, 1		@ NMRR
	cp15	\op, r11, 0, c10, c3, 0		@ AMAIR0
	cp15	\op, r12, 0, c10, c3, 1		@ AMAIR1
	.endm

	.macro registers_4 op			@ dfsr ... csselr
	cp15	\op, r1, 0, c5, c0, 0		@ DFSR
	cp15	\op, r2, 0, c5, c0, 1		@ IFSR
	cp15	\op, r3, 0, c5, c1, 0		@ ADFSR
	cp15	\op, r4, 0, c5, c1, 1		@ AIFSR
	cp15	\op, r5, 0, c6, c0, 0		@ DFAR
	cp15	\op, r6, 0, c6, c0, 2		@ IFAR
	cp15	\op, r7, 0, c12, c0, 0		@ VBAR
	cp15	\op, r8, 0, c13, c0, 1		@ CONTEXTIDR
	cp15	\op, r9, 0, c13, c0, 2		@ TPIDRURW
	cp15	\op, r10, 0, c13, c0, 3		@ TPIDRURO
	cp15	\op, r11, 0, c13, c0, 4		@ TPIDRPRW
	cp15	\op, r12, 2, c0, c0, 0		@ CSSELR
	.endm

	.macro function name
	.section .text.\name, "ax"
	.global	\name
	.type	\name, %function
\name:
	.fnstart
	.save	{r4-r12, lr}
	push	{r4-r12, lr}
	.endm

	.macro function_end
	pop	{r4-r12, pc}
	.fnend
	.endm

/* void context_save(struct vcpu_context *context) */
	function context_save
	registers_1 save
	stmia	r0!, {r1-r12}
	registers_2 save
	stmia	r0!, {r1-r12}
	registers_3 save
	stmia	r0!, {r1-r12}
	registers_4 save
	stmia	r0, {r1-r12}
	function_end

/* void context_restore(const struct vcpu_context *context) */
	function context_restore
	ldmia	r0!, {r1-r12}
	registers_1 restore
	ldmia	r0!, {r1-r12}
	registers_2 restore
	ldmia	r0!, {r1-r12}
	registers_3 restore
	ldmia	r0, {r1-r12}
	registers_4 restore
	function_end
