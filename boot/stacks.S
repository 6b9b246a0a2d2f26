/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks of the boot and of the idle threads; boot/early.c leaves their guard pages out. */
#include "mm/layout.h"

	.section .bss.stacks, "aw", %nobits
	.balign	4096
	.global	boot_stacks
boot_stacks:					@ CPU_MAX times a guard page and a stack; CPU 0's first
	.space	4096 + HYP_STACK_SIZE
	.global	boot_stack_top
boot_stack_top:
	.space	(CPU_MAX - 1) * (4096 + HYP_STACK_SIZE)
	.global	boot_stacks_end
boot_stacks_end:
