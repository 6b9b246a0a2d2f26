/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that assembly and C share. */
#ifndef GUEST_ASM_H
#define GUEST_ASM_H

/* Processor modes and masks, CPSR (DDI 0406C B1.3.1, B1.3.3). */
#define MODE_USR 0x10
#define MODE_FIQ 0x11
#define MODE_IRQ 0x12
#define MODE_SVC 0x13
#define MODE_ABT 0x17
#define MODE_UND 0x1b
#define MODE_SYS 0x1f
#define PSR_MODE 0x1f
#define PSR_T    0x020
#define PSR_F    0x040
#define PSR_I    0x080
#define PSR_A    0x100
#define PSR_E    0x200

/* Exception types: the vector's index (DDI 0406C B1.8.1, table B1-3). */
#define EXC_UNDEF 1
#define EXC_SVC   2
#define EXC_PABT  3
#define EXC_DABT  4
#define EXC_IRQ   6
#define EXC_FIQ   7

/* SCTLR, short names as in DDI 0406C B4.1.130. */
#define SCTLR_M    0x00000001
#define SCTLR_A    0x00000002
#define SCTLR_C    0x00000004
#define SCTLR_Z    0x00000800
#define SCTLR_I    0x00001000
#define SCTLR_V    0x00002000
#define SCTLR_WXN  0x00080000
#define SCTLR_UWXN 0x00100000
#define SCTLR_EE   0x02000000
#define SCTLR_TRE  0x10000000
#define SCTLR_AFE  0x20000000
#define SCTLR_TE   0x40000000

/* One CPU's stacks: SVC does the work (IRQ and FIQ are served on it too), the others only record an exception. */
#define STACK_SVC   0x4000
#define STACK_OTHER 0x1000
#define STACK_CPU   (STACK_SVC + 5 * STACK_OTHER)
#define GUEST_CPUS  8

#endif
