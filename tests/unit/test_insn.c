/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decoder of loads and stores against the assembler: each row's opcode is what arm-none-eabi-as makes of its text,
 * what is expected was computed from the text alone. And: what must be refused, random opcodes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/arm/insn.h"

enum kind { LOAD, SIGNED, STORE };

struct accepted {
	uint32_t opcode;
	const char *text;
	enum kind kind;
	uint32_t size, va;
	const char *regs; /* in memory order, one hexadecimal digit each */
	int write_back;
	uint32_t write_back_value;
};

struct refused {
	uint32_t opcode;
	const char *text;
};

/* Bases with all digits in use, offsets in r3 (negative), r9, r12; the PC of Thumb code is not word-aligned. */
#define ARM_PC   0x40008008U
#define THUMB_PC 0x4000800eU

static const uint32_t regs[15] = {
	0x40100000, 0x41110104, 0x42120208, 0x80000124, 0x44140410, 0x45150514, 0x46160618, 0x4717071c,
	0x48180820, 0x00000340, 0x4a1a0a28, 0x4b1b0b2c, 0x80000011, 0x4d1d0d34, 0x4e1e0e38,
};

/* clang-format off */
static const struct accepted arm_accepted[] = {
	{0xe5921000, "ldr r1, [r2]", LOAD, 4, 0x42120208, "1", -1, 0x00000000},
	{0xe5b21004, "ldr r1, [r2, #4]!", LOAD, 4, 0x4212020c, "1", 2, 0x4212020c},
	{0xe5321004, "ldr r1, [r2, #-4]!", LOAD, 4, 0x42120204, "1", 2, 0x42120204},
	{0xe4921004, "ldr r1, [r2], #4", LOAD, 4, 0x42120208, "1", 2, 0x4212020c},
	{0xe4121004, "ldr r1, [r2], #-4", LOAD, 4, 0x42120208, "1", 2, 0x42120204},
	{0xe5921fff, "ldr r1, [r2, #4095]", LOAD, 4, 0x42121207, "1", -1, 0x00000000},
	{0xe5121fff, "ldr r1, [r2, #-4095]", LOAD, 4, 0x4211f209, "1", -1, 0x00000000},
	{0xe492d008, "ldr sp, [r2], #8", LOAD, 4, 0x42120208, "d", 2, 0x42120210},
	{0xe53de008, "ldr lr, [sp, #-8]!", LOAD, 4, 0x4d1d0d2c, "e", 13, 0x4d1d0d2c},
	{0xe59f0010, "ldr r0, [pc, #16]", LOAD, 4, 0x40008018, "0", -1, 0x00000000},
	{0xe51f0010, "ldr r0, [pc, #-16]", LOAD, 4, 0x40007ff8, "0", -1, 0x00000000},
	{0xe5d43000, "ldrb r3, [r4]", LOAD, 1, 0x44140410, "3", -1, 0x00000000},
	{0xe5f43001, "ldrb r3, [r4, #1]!", LOAD, 1, 0x44140411, "3", 4, 0x44140411},
	{0xe4d43001, "ldrb r3, [r4], #1", LOAD, 1, 0x44140410, "3", 4, 0x44140411},
	{0xe45430ff, "ldrb r3, [r4], #-255", LOAD, 1, 0x44140410, "3", 4, 0x44140311},
	{0xe5821000, "str r1, [r2]", STORE, 4, 0x42120208, "1", -1, 0x00000000},
	{0xe5a21004, "str r1, [r2, #4]!", STORE, 4, 0x4212020c, "1", 2, 0x4212020c},
	{0xe5221fff, "str r1, [r2, #-4095]!", STORE, 4, 0x4211f209, "1", 2, 0x4211f209},
	{0xe4821004, "str r1, [r2], #4", STORE, 4, 0x42120208, "1", 2, 0x4212020c},
	{0xe4021004, "str r1, [r2], #-4", STORE, 4, 0x42120208, "1", 2, 0x42120204},
	{0xe582f004, "str pc, [r2, #4]", STORE, 4, 0x4212020c, "f", -1, 0x00000000},
	{0xe482f004, "str pc, [r2], #4", STORE, 4, 0x42120208, "f", 2, 0x4212020c},
	{0xe527d004, "str sp, [r7, #-4]!", STORE, 4, 0x47170718, "d", 7, 0x47170718},
	{0xe5c43000, "strb r3, [r4]", STORE, 1, 0x44140410, "3", -1, 0x00000000},
	{0xe5643001, "strb r3, [r4, #-1]!", STORE, 1, 0x4414040f, "3", 4, 0x4414040f},
	{0xe4c43001, "strb r3, [r4], #1", STORE, 1, 0x44140410, "3", 4, 0x44140411},
	{0xe52d5004, "push {r5}", STORE, 4, 0x4d1d0d30, "5", 13, 0x4d1d0d30},
	{0xe49d5004, "pop {r5}", LOAD, 4, 0x4d1d0d34, "5", 13, 0x4d1d0d38},
	{0xe4b21000, "ldrt r1, [r2]", LOAD, 4, 0x42120208, "1", 2, 0x42120208},
	{0xe4b21004, "ldrt r1, [r2], #4", LOAD, 4, 0x42120208, "1", 2, 0x4212020c},
	{0xe4321004, "ldrt r1, [r2], #-4", LOAD, 4, 0x42120208, "1", 2, 0x42120204},
	{0xe4a21004, "strt r1, [r2], #4", STORE, 4, 0x42120208, "1", 2, 0x4212020c},
	{0xe4f21001, "ldrbt r1, [r2], #1", LOAD, 1, 0x42120208, "1", 2, 0x42120209},
	{0xe4621001, "strbt r1, [r2], #-1", STORE, 1, 0x42120208, "1", 2, 0x42120207},
	{0xe6b21003, "ldrt r1, [r2], r3", LOAD, 4, 0x42120208, "1", 2, 0xc212032c},
	{0xe6221003, "strt r1, [r2], -r3", STORE, 4, 0x42120208, "1", 2, 0xc21200e4},
	{0xe6f21103, "ldrbt r1, [r2], r3, lsl #2", LOAD, 1, 0x42120208, "1", 2, 0x42120698},
	{0xe6e21003, "strbt r1, [r2], r3", STORE, 1, 0x42120208, "1", 2, 0xc212032c},
	{0xe7921003, "ldr r1, [r2, r3]", LOAD, 4, 0xc212032c, "1", -1, 0x00000000},
	{0xe7121003, "ldr r1, [r2, -r3]", LOAD, 4, 0xc21200e4, "1", -1, 0x00000000},
	{0xe7b21003, "ldr r1, [r2, r3]!", LOAD, 4, 0xc212032c, "1", 2, 0xc212032c},
	{0xe7321003, "ldr r1, [r2, -r3]!", LOAD, 4, 0xc21200e4, "1", 2, 0xc21200e4},
	{0xe6921003, "ldr r1, [r2], r3", LOAD, 4, 0x42120208, "1", 2, 0xc212032c},
	{0xe6121003, "ldr r1, [r2], -r3", LOAD, 4, 0x42120208, "1", 2, 0xc21200e4},
	{0xe7b21103, "ldr r1, [r2, r3, lsl #2]!", LOAD, 4, 0x42120698, "1", 2, 0x42120698},
	{0xe7b21f83, "ldr r1, [r2, r3, lsl #31]!", LOAD, 4, 0x42120208, "1", 2, 0x42120208},
	{0xe7b210a3, "ldr r1, [r2, r3, lsr #1]!", LOAD, 4, 0x8212029a, "1", 2, 0x8212029a},
	{0xe7b21023, "ldr r1, [r2, r3, lsr #32]!", LOAD, 4, 0x42120208, "1", 2, 0x42120208},
	{0xe7b210c3, "ldr r1, [r2, r3, asr #1]!", LOAD, 4, 0x0212029a, "1", 2, 0x0212029a},
	{0xe7b21043, "ldr r1, [r2, r3, asr #32]!", LOAD, 4, 0x42120207, "1", 2, 0x42120207},
	{0xe7b21fcc, "ldr r1, [r2, r12, asr #31]!", LOAD, 4, 0x42120207, "1", 2, 0x42120207},
	{0xe69210e3, "ldr r1, [r2], r3, ror #1", LOAD, 4, 0x42120208, "1", 2, 0x8212029a},
	{0xe6121fe3, "ldr r1, [r2], -r3, ror #31", LOAD, 4, 0x42120208, "1", 2, 0x4211ffbf},
	{0xe6921002, "ldr r1, [r2], r2", LOAD, 4, 0x42120208, "1", 2, 0x84240410},
	{0xe7a21103, "str r1, [r2, r3, lsl #2]!", STORE, 4, 0x42120698, "1", 2, 0x42120698},
	{0xe6821243, "str r1, [r2], r3, asr #4", STORE, 4, 0x42120208, "1", 2, 0x3a12021a},
	{0xe7021183, "str r1, [r2, -r3, lsl #3]", STORE, 4, 0x4211f8e8, "1", -1, 0x00000000},
	{0xe7a2f003, "str pc, [r2, r3]!", STORE, 4, 0xc212032c, "f", 2, 0xc212032c},
	{0xe7f21103, "ldrb r1, [r2, r3, lsl #2]!", LOAD, 1, 0x42120698, "1", 2, 0x42120698},
	{0xe6c21223, "strb r1, [r2], r3, lsr #4", STORE, 1, 0x42120208, "1", 2, 0x4a12021a},
	{0xe7c21003, "strb r1, [r2, r3]", STORE, 1, 0xc212032c, "1", -1, 0x00000000},
	{0xe1d210b0, "ldrh r1, [r2]", LOAD, 2, 0x42120208, "1", -1, 0x00000000},
	{0xe1f210b2, "ldrh r1, [r2, #2]!", LOAD, 2, 0x4212020a, "1", 2, 0x4212020a},
	{0xe1721fbf, "ldrh r1, [r2, #-255]!", LOAD, 2, 0x42120109, "1", 2, 0x42120109},
	{0xe0d210b2, "ldrh r1, [r2], #2", LOAD, 2, 0x42120208, "1", 2, 0x4212020a},
	{0xe05210b2, "ldrh r1, [r2], #-2", LOAD, 2, 0x42120208, "1", 2, 0x42120206},
	{0xe19210b3, "ldrh r1, [r2, r3]", LOAD, 2, 0xc212032c, "1", -1, 0x00000000},
	{0xe1b210b3, "ldrh r1, [r2, r3]!", LOAD, 2, 0xc212032c, "1", 2, 0xc212032c},
	{0xe01210b3, "ldrh r1, [r2], -r3", LOAD, 2, 0x42120208, "1", 2, 0xc21200e4},
	{0xe1df10b8, "ldrh r1, [pc, #8]", LOAD, 2, 0x40008010, "1", -1, 0x00000000},
	{0xe1c210b0, "strh r1, [r2]", STORE, 2, 0x42120208, "1", -1, 0x00000000},
	{0xe1e210b2, "strh r1, [r2, #2]!", STORE, 2, 0x4212020a, "1", 2, 0x4212020a},
	{0xe0c21aba, "strh r1, [r2], #170", STORE, 2, 0x42120208, "1", 2, 0x421202b2},
	{0xe12210b3, "strh r1, [r2, -r3]!", STORE, 2, 0xc21200e4, "1", 2, 0xc21200e4},
	{0xe08210b3, "strh r1, [r2], r3", STORE, 2, 0x42120208, "1", 2, 0xc212032c},
	{0xe1d210d0, "ldrsb r1, [r2]", SIGNED, 1, 0x42120208, "1", -1, 0x00000000},
	{0xe1f210d1, "ldrsb r1, [r2, #1]!", SIGNED, 1, 0x42120209, "1", 2, 0x42120209},
	{0xe05210d1, "ldrsb r1, [r2], #-1", SIGNED, 1, 0x42120208, "1", 2, 0x42120207},
	{0xe1b210d3, "ldrsb r1, [r2, r3]!", SIGNED, 1, 0xc212032c, "1", 2, 0xc212032c},
	{0xe15f10d8, "ldrsb r1, [pc, #-8]", SIGNED, 1, 0x40008000, "1", -1, 0x00000000},
	{0xe1d210f0, "ldrsh r1, [r2]", SIGNED, 2, 0x42120208, "1", -1, 0x00000000},
	{0xe17210f2, "ldrsh r1, [r2, #-2]!", SIGNED, 2, 0x42120206, "1", 2, 0x42120206},
	{0xe0d210f2, "ldrsh r1, [r2], #2", SIGNED, 2, 0x42120208, "1", 2, 0x4212020a},
	{0xe09210f3, "ldrsh r1, [r2], r3", SIGNED, 2, 0x42120208, "1", 2, 0xc212032c},
	{0xe0f210b2, "ldrht r1, [r2], #2", LOAD, 2, 0x42120208, "1", 2, 0x4212020a},
	{0xe03210b3, "ldrht r1, [r2], -r3", LOAD, 2, 0x42120208, "1", 2, 0xc21200e4},
	{0xe06210b2, "strht r1, [r2], #-2", STORE, 2, 0x42120208, "1", 2, 0x42120206},
	{0xe0a210b3, "strht r1, [r2], r3", STORE, 2, 0x42120208, "1", 2, 0xc212032c},
	{0xe0f210d1, "ldrsbt r1, [r2], #1", SIGNED, 1, 0x42120208, "1", 2, 0x42120209},
	{0xe0b210d3, "ldrsbt r1, [r2], r3", SIGNED, 1, 0x42120208, "1", 2, 0xc212032c},
	{0xe0f210f2, "ldrsht r1, [r2], #2", SIGNED, 2, 0x42120208, "1", 2, 0x4212020a},
	{0xe03210f3, "ldrsht r1, [r2], -r3", SIGNED, 2, 0x42120208, "1", 2, 0xc21200e4},
	{0xe1c240d0, "ldrd r4, r5, [r2]", LOAD, 4, 0x42120208, "45", -1, 0x00000000},
	{0xe1c240d8, "ldrd r4, r5, [r2, #8]", LOAD, 4, 0x42120210, "45", -1, 0x00000000},
	{0xe1424fd8, "ldrd r4, r5, [r2, #-248]", LOAD, 4, 0x42120110, "45", -1, 0x00000000},
	{0xe1e240d8, "ldrd r4, r5, [r2, #8]!", LOAD, 4, 0x42120210, "45", 2, 0x42120210},
	{0xe0c240d8, "ldrd r4, r5, [r2], #8", LOAD, 4, 0x42120208, "45", 2, 0x42120210},
	{0xe04240d8, "ldrd r4, r5, [r2], #-8", LOAD, 4, 0x42120208, "45", 2, 0x42120200},
	{0xe18240d3, "ldrd r4, r5, [r2, r3]", LOAD, 4, 0xc212032c, "45", -1, 0x00000000},
	{0xe12240d3, "ldrd r4, r5, [r2, -r3]!", LOAD, 4, 0xc21200e4, "45", 2, 0xc21200e4},
	{0xe08240d3, "ldrd r4, r5, [r2], r3", LOAD, 4, 0x42120208, "45", 2, 0xc212032c},
	{0xe1c220d0, "ldrd r2, r3, [r2]", LOAD, 4, 0x42120208, "23", -1, 0x00000000},
	{0xe1c2c0d4, "ldrd r12, r13, [r2, #4]", LOAD, 4, 0x4212020c, "cd", -1, 0x00000000},
	{0xe1cf01d8, "ldrd r0, r1, [pc, #24]", LOAD, 4, 0x40008020, "01", -1, 0x00000000},
	{0xe1c240f0, "strd r4, r5, [r2]", STORE, 4, 0x42120208, "45", -1, 0x00000000},
	{0xe1e240f8, "strd r4, r5, [r2, #8]!", STORE, 4, 0x42120210, "45", 2, 0x42120210},
	{0xe04240f8, "strd r4, r5, [r2], #-8", STORE, 4, 0x42120208, "45", 2, 0x42120200},
	{0xe18240f3, "strd r4, r5, [r2, r3]", STORE, 4, 0xc212032c, "45", -1, 0x00000000},
	{0xe18240f4, "strd r4, r5, [r2, r4]", STORE, 4, 0x86260618, "45", -1, 0x00000000},
	{0xe08240f3, "strd r4, r5, [r2], r3", STORE, 4, 0x42120208, "45", 2, 0xc212032c},
	{0xe16d00f8, "strd r0, r1, [sp, #-8]!", STORE, 4, 0x4d1d0d2c, "01", 13, 0x4d1d0d2c},
	{0xe8920001, "ldmia r2, {r0}", LOAD, 4, 0x42120208, "0", -1, 0x00000000},
	{0xe892000b, "ldmia r2, {r0, r1, r3}", LOAD, 4, 0x42120208, "013", -1, 0x00000000},
	{0xe8b2000b, "ldmia r2!, {r0, r1, r3}", LOAD, 4, 0x42120208, "013", 2, 0x42120214},
	{0xe9920030, "ldmib r2, {r4, r5}", LOAD, 4, 0x4212020c, "45", -1, 0x00000000},
	{0xe9b20030, "ldmib r2!, {r4, r5}", LOAD, 4, 0x4212020c, "45", 2, 0x42120210},
	{0xe8120070, "ldmda r2, {r4, r5, r6}", LOAD, 4, 0x42120200, "456", -1, 0x00000000},
	{0xe8320070, "ldmda r2!, {r4, r5, r6}", LOAD, 4, 0x42120200, "456", 2, 0x421201fc},
	{0xe91200f0, "ldmdb r2, {r4, r5, r6, r7}", LOAD, 4, 0x421201f8, "4567", -1, 0x00000000},
	{0xe93200f0, "ldmdb r2!, {r4, r5, r6, r7}", LOAD, 4, 0x421201f8, "4567", 2, 0x421201f8},
	{0xe892000c, "ldmia r2, {r2, r3}", LOAD, 4, 0x42120208, "23", -1, 0x00000000},
	{0xe8907fff, "ldmia r0, {r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14}", LOAD, 4, 0x40100000, "0123456789abcde", -1, 0x00000000},
	{0xe882000b, "stmia r2, {r0, r1, r3}", STORE, 4, 0x42120208, "013", -1, 0x00000000},
	{0xe8a2000b, "stmia r2!, {r0, r1, r3}", STORE, 4, 0x42120208, "013", 2, 0x42120214},
	{0xe9820010, "stmib r2, {r4}", STORE, 4, 0x4212020c, "4", -1, 0x00000000},
	{0xe9a21110, "stmib r2!, {r4, r8, r12}", STORE, 4, 0x4212020c, "48c", 2, 0x42120214},
	{0xe8020030, "stmda r2, {r4, r5}", STORE, 4, 0x42120204, "45", -1, 0x00000000},
	{0xe8220030, "stmda r2!, {r4, r5}", STORE, 4, 0x42120204, "45", 2, 0x42120200},
	{0xe9020030, "stmdb r2, {r4, r5}", STORE, 4, 0x42120200, "45", -1, 0x00000000},
	{0xe9220030, "stmdb r2!, {r4, r5}", STORE, 4, 0x42120200, "45", 2, 0x42120200},
	{0xe882000c, "stmia r2, {r2, r3}", STORE, 4, 0x42120208, "23", -1, 0x00000000},
	{0xe8a2000c, "stmia r2!, {r2, r3}", STORE, 4, 0x42120208, "23", 2, 0x42120210},
	{0xe880ffff, "stmia r0, {r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15}", STORE, 4, 0x40100000, "0123456789abcdef", -1, 0x00000000},
	{0xe92d4013, "push {r0, r1, r4, lr}", STORE, 4, 0x4d1d0d24, "014e", 13, 0x4d1d0d24},
	{0xe8bd4013, "pop {r0, r1, r4, lr}", LOAD, 4, 0x4d1d0d34, "014e", 13, 0x4d1d0d44},
	{0x14921004, "ldrne r1, [r2], #4", LOAD, 4, 0x42120208, "1", 2, 0x4212020c},
	{0xb1c240f8, "strdlt r4, r5, [r2, #8]", STORE, 4, 0x42120210, "45", -1, 0x00000000},
	{0xc93200f0, "ldmdbgt r2!, {r4, r5, r6, r7}", LOAD, 4, 0x421201f8, "4567", 2, 0x421201f8},
};

static const struct accepted thumb_accepted[] = {
	{0x00006811, "ldr.n r1, [r2, #0]", LOAD, 4, 0x42120208, "1", -1, 0x00000000},
	{0x00006fd1, "ldr.n r1, [r2, #124]", LOAD, 4, 0x42120284, "1", -1, 0x00000000},
	{0x00006411, "str.n r1, [r2, #64]", STORE, 4, 0x42120248, "1", -1, 0x00000000},
	{0x00007fd1, "ldrb.n r1, [r2, #31]", LOAD, 1, 0x42120227, "1", -1, 0x00000000},
	{0x00007077, "strb.n r7, [r6, #1]", STORE, 1, 0x46160619, "7", -1, 0x00000000},
	{0x00008fd1, "ldrh.n r1, [r2, #62]", LOAD, 2, 0x42120246, "1", -1, 0x00000000},
	{0x00008051, "strh.n r1, [r2, #2]", STORE, 2, 0x4212020a, "1", -1, 0x00000000},
	{0x000099ff, "ldr.n r1, [sp, #1020]", LOAD, 4, 0x4d1d1130, "1", -1, 0x00000000},
	{0x00009101, "str.n r1, [sp, #4]", STORE, 4, 0x4d1d0d38, "1", -1, 0x00000000},
	{0x00004902, "ldr.n r1, [pc, #8]", LOAD, 4, 0x40008014, "1", -1, 0x00000000},
	{0x000049ff, "ldr.n r1, [pc, #1020]", LOAD, 4, 0x40008408, "1", -1, 0x00000000},
	{0x000058d1, "ldr.n r1, [r2, r3]", LOAD, 4, 0xc212032c, "1", -1, 0x00000000},
	{0x000050d1, "str.n r1, [r2, r3]", STORE, 4, 0xc212032c, "1", -1, 0x00000000},
	{0x00005cd1, "ldrb.n r1, [r2, r3]", LOAD, 1, 0xc212032c, "1", -1, 0x00000000},
	{0x000054d1, "strb.n r1, [r2, r3]", STORE, 1, 0xc212032c, "1", -1, 0x00000000},
	{0x00005ad1, "ldrh.n r1, [r2, r3]", LOAD, 2, 0xc212032c, "1", -1, 0x00000000},
	{0x000052d1, "strh.n r1, [r2, r3]", STORE, 2, 0xc212032c, "1", -1, 0x00000000},
	{0x000056d1, "ldrsb.n r1, [r2, r3]", SIGNED, 1, 0xc212032c, "1", -1, 0x00000000},
	{0x00005ed1, "ldrsh.n r1, [r2, r3]", SIGNED, 2, 0xc212032c, "1", -1, 0x00000000},
	{0x0000b483, "push.n {r0, r1, r7}", STORE, 4, 0x4d1d0d28, "017", 13, 0x4d1d0d28},
	{0x0000b510, "push.n {r4, lr}", STORE, 4, 0x4d1d0d2c, "4e", 13, 0x4d1d0d2c},
	{0x0000bc83, "pop.n {r0, r1, r7}", LOAD, 4, 0x4d1d0d34, "017", 13, 0x4d1d0d40},
	{0x0000bc10, "pop.n {r4}", LOAD, 4, 0x4d1d0d34, "4", 13, 0x4d1d0d38},
	{0x0000ca0b, "ldmia.n r2!, {r0, r1, r3}", LOAD, 4, 0x42120208, "013", 2, 0x42120214},
	{0x0000ca0f, "ldmia.n r2, {r0, r1, r2, r3}", LOAD, 4, 0x42120208, "0123", -1, 0x00000000},
	{0x0000c20b, "stmia.n r2!, {r0, r1, r3}", STORE, 4, 0x42120208, "013", 2, 0x42120214},
	{0x0000c20c, "stmia.n r2!, {r2, r3}", STORE, 4, 0x42120208, "23", 2, 0x42120210},
	{0xf8d21fff, "ldr.w r1, [r2, #4095]", LOAD, 4, 0x42121207, "1", -1, 0x00000000},
	{0xf8521cff, "ldr.w r1, [r2, #-255]", LOAD, 4, 0x42120109, "1", -1, 0x00000000},
	{0xf8521f04, "ldr.w r1, [r2, #4]!", LOAD, 4, 0x4212020c, "1", 2, 0x4212020c},
	{0xf8521d04, "ldr.w r1, [r2, #-4]!", LOAD, 4, 0x42120204, "1", 2, 0x42120204},
	{0xf8521b04, "ldr.w r1, [r2], #4", LOAD, 4, 0x42120208, "1", 2, 0x4212020c},
	{0xf8521904, "ldr.w r1, [r2], #-4", LOAD, 4, 0x42120208, "1", 2, 0x42120204},
	{0xf852db04, "ldr.w sp, [r2], #4", LOAD, 4, 0x42120208, "d", 2, 0x4212020c},
	{0xf8df1064, "ldr.w r1, [pc, #100]", LOAD, 4, 0x40008070, "1", -1, 0x00000000},
	{0xf85f1064, "ldr.w r1, [pc, #-100]", LOAD, 4, 0x40007fa8, "1", -1, 0x00000000},
	{0xf8521003, "ldr.w r1, [r2, r3]", LOAD, 4, 0xc212032c, "1", -1, 0x00000000},
	{0xf8521033, "ldr.w r1, [r2, r3, lsl #3]", LOAD, 4, 0x42120b28, "1", -1, 0x00000000},
	{0xf8921fff, "ldrb.w r1, [r2, #4095]", LOAD, 1, 0x42121207, "1", -1, 0x00000000},
	{0xf8121f01, "ldrb.w r1, [r2, #1]!", LOAD, 1, 0x42120209, "1", 2, 0x42120209},
	{0xf8121901, "ldrb.w r1, [r2], #-1", LOAD, 1, 0x42120208, "1", 2, 0x42120207},
	{0xf8121013, "ldrb.w r1, [r2, r3, lsl #1]", LOAD, 1, 0x42120450, "1", -1, 0x00000000},
	{0xf89f100c, "ldrb.w r1, [pc, #12]", LOAD, 1, 0x40008018, "1", -1, 0x00000000},
	{0xf8b21ffe, "ldrh.w r1, [r2, #4094]", LOAD, 2, 0x42121206, "1", -1, 0x00000000},
	{0xf8321d02, "ldrh.w r1, [r2, #-2]!", LOAD, 2, 0x42120206, "1", 2, 0x42120206},
	{0xf8321b02, "ldrh.w r1, [r2], #2", LOAD, 2, 0x42120208, "1", 2, 0x4212020a},
	{0xf8321029, "ldrh.w r1, [r2, r9, lsl #2]", LOAD, 2, 0x42120f08, "1", -1, 0x00000000},
	{0xf9921009, "ldrsb.w r1, [r2, #9]", SIGNED, 1, 0x42120211, "1", -1, 0x00000000},
	{0xf9121b01, "ldrsb.w r1, [r2], #1", SIGNED, 1, 0x42120208, "1", 2, 0x42120209},
	{0xf9121d01, "ldrsb.w r1, [r2, #-1]!", SIGNED, 1, 0x42120207, "1", 2, 0x42120207},
	{0xf91f1004, "ldrsb.w r1, [pc, #-4]", SIGNED, 1, 0x40008008, "1", -1, 0x00000000},
	{0xf9b2100a, "ldrsh.w r1, [r2, #10]", SIGNED, 2, 0x42120212, "1", -1, 0x00000000},
	{0xf9321902, "ldrsh.w r1, [r2], #-2", SIGNED, 2, 0x42120208, "1", 2, 0x42120206},
	{0xf9321f02, "ldrsh.w r1, [r2, #2]!", SIGNED, 2, 0x4212020a, "1", 2, 0x4212020a},
	{0xf9321008, "ldrsh.w r1, [r2, r8]", SIGNED, 2, 0x8a2a0a28, "1", -1, 0x00000000},
	{0xf8c21fff, "str.w r1, [r2, #4095]", STORE, 4, 0x42121207, "1", -1, 0x00000000},
	{0xf8421c04, "str.w r1, [r2, #-4]", STORE, 4, 0x42120204, "1", -1, 0x00000000},
	{0xf8421f04, "str.w r1, [r2, #4]!", STORE, 4, 0x4212020c, "1", 2, 0x4212020c},
	{0xf8421d04, "str.w r1, [r2, #-4]!", STORE, 4, 0x42120204, "1", 2, 0x42120204},
	{0xf8421bff, "str.w r1, [r2], #255", STORE, 4, 0x42120208, "1", 2, 0x42120307},
	{0xf84219ff, "str.w r1, [r2], #-255", STORE, 4, 0x42120208, "1", 2, 0x42120109},
	{0xf842dd04, "str.w sp, [r2, #-4]!", STORE, 4, 0x42120204, "d", 2, 0x42120204},
	{0xf8421023, "str.w r1, [r2, r3, lsl #2]", STORE, 4, 0x42120698, "1", -1, 0x00000000},
	{0xf8021d01, "strb.w r1, [r2, #-1]!", STORE, 1, 0x42120207, "1", 2, 0x42120207},
	{0xf8021b01, "strb.w r1, [r2], #1", STORE, 1, 0x42120208, "1", 2, 0x42120209},
	{0xf8021003, "strb.w r1, [r2, r3]", STORE, 1, 0xc212032c, "1", -1, 0x00000000},
	{0xf8221f02, "strh.w r1, [r2, #2]!", STORE, 2, 0x4212020a, "1", 2, 0x4212020a},
	{0xf8221902, "strh.w r1, [r2], #-2", STORE, 2, 0x42120208, "1", 2, 0x42120206},
	{0xf8281019, "strh.w r1, [r8, r9, lsl #1]", STORE, 2, 0x48180ea0, "1", -1, 0x00000000},
	{0xf8521e04, "ldrt r1, [r2, #4]", LOAD, 4, 0x4212020c, "1", -1, 0x00000000},
	{0xf8121e01, "ldrbt r1, [r2, #1]", LOAD, 1, 0x42120209, "1", -1, 0x00000000},
	{0xf8321e02, "ldrht r1, [r2, #2]", LOAD, 2, 0x4212020a, "1", -1, 0x00000000},
	{0xf9121e01, "ldrsbt r1, [r2, #1]", SIGNED, 1, 0x42120209, "1", -1, 0x00000000},
	{0xf9321e02, "ldrsht r1, [r2, #2]", SIGNED, 2, 0x4212020a, "1", -1, 0x00000000},
	{0xf8421e04, "strt r1, [r2, #4]", STORE, 4, 0x4212020c, "1", -1, 0x00000000},
	{0xf8021eff, "strbt r1, [r2, #255]", STORE, 1, 0x42120307, "1", -1, 0x00000000},
	{0xf8221e00, "strht r1, [r2]", STORE, 2, 0x42120208, "1", -1, 0x00000000},
	{0xe9d24500, "ldrd r4, r5, [r2]", LOAD, 4, 0x42120208, "45", -1, 0x00000000},
	{0xe9d25402, "ldrd r5, r4, [r2, #8]", LOAD, 4, 0x42120210, "54", -1, 0x00000000},
	{0xe9524bff, "ldrd r4, r11, [r2, #-1020]", LOAD, 4, 0x4211fe0c, "4b", -1, 0x00000000},
	{0xe9f24502, "ldrd r4, r5, [r2, #8]!", LOAD, 4, 0x42120210, "45", 2, 0x42120210},
	{0xe8f24502, "ldrd r4, r5, [r2], #8", LOAD, 4, 0x42120208, "45", 2, 0x42120210},
	{0xe8724502, "ldrd r4, r5, [r2], #-8", LOAD, 4, 0x42120208, "45", 2, 0x42120200},
	{0xe9df0106, "ldrd r0, r1, [pc, #24]", LOAD, 4, 0x40008024, "01", -1, 0x00000000},
	{0xe9d22300, "ldrd r2, r3, [r2]", LOAD, 4, 0x42120208, "23", -1, 0x00000000},
	{0xe9c24500, "strd r4, r5, [r2]", STORE, 4, 0x42120208, "45", -1, 0x00000000},
	{0xe9c293ff, "strd r9, r3, [r2, #1020]", STORE, 4, 0x42120604, "93", -1, 0x00000000},
	{0xe9624502, "strd r4, r5, [r2, #-8]!", STORE, 4, 0x42120200, "45", 2, 0x42120200},
	{0xe8e24502, "strd r4, r5, [r2], #8", STORE, 4, 0x42120208, "45", 2, 0x42120210},
	{0xe9c24400, "strd r4, r4, [r2]", STORE, 4, 0x42120208, "44", -1, 0x00000000},
	{0xe8920103, "ldmia.w r2, {r0, r1, r8}", LOAD, 4, 0x42120208, "018", -1, 0x00000000},
	{0xe8b20103, "ldmia.w r2!, {r0, r1, r8}", LOAD, 4, 0x42120208, "018", 2, 0x42120214},
	{0xe8920204, "ldmia.w r2, {r2, r9}", LOAD, 4, 0x42120208, "29", -1, 0x00000000},
	{0xe9124070, "ldmdb r2, {r4, r5, r6, lr}", LOAD, 4, 0x421201f8, "456e", -1, 0x00000000},
	{0xe9324070, "ldmdb r2!, {r4, r5, r6, lr}", LOAD, 4, 0x421201f8, "456e", 2, 0x421201f8},
	{0xe8820103, "stmia.w r2, {r0, r1, r8}", STORE, 4, 0x42120208, "018", -1, 0x00000000},
	{0xe8a90103, "stmia.w r9!, {r0, r1, r8}", STORE, 4, 0x00000340, "018", 9, 0x0000034c},
	{0xe9020030, "stmdb r2, {r4, r5}", STORE, 4, 0x42120200, "45", -1, 0x00000000},
	{0xe9220030, "stmdb r2!, {r4, r5}", STORE, 4, 0x42120200, "45", 2, 0x42120200},
	{0xe92d4110, "push.w {r4, r8, lr}", STORE, 4, 0x4d1d0d28, "48e", 13, 0x4d1d0d28},
	{0xe8bd4110, "pop.w {r4, r8, lr}", LOAD, 4, 0x4d1d0d34, "48e", 13, 0x4d1d0d40},
	{0xf84d8d04, "push.w {r8}", STORE, 4, 0x4d1d0d30, "8", 13, 0x4d1d0d30},
	{0xf85d8b04, "pop.w {r8}", LOAD, 4, 0x4d1d0d34, "8", 13, 0x4d1d0d38},
};

static const struct refused arm_refused[] = {
	{0xe592f000, "ldr pc, [r2]"},
	{0xe492f004, "ldr pc, [r2], #4"},
	{0xe7921063, "ldr r1, [r2, r3, rrx]"},
	{0xe8928001, "ldm r2, {r0, pc}"},
	{0xe8bd8001, "pop {r0, pc}"},
	{0xe8d20003, "ldm r2, {r0, r1}^"},
	{0xe8c20003, "stm r2, {r0, r1}^"},
	{0xe8d28001, "ldm r2, {r0, pc}^"},
	{0xe1921f9f, "ldrex r1, [r2]"},
	{0xe1b24f9f, "ldrexd r4, r5, [r2]"},
	{0xe1d21f9f, "ldrexb r1, [r2]"},
	{0xe1820f91, "strex r0, r1, [r2]"},
	{0xe1a20f94, "strexd r0, r4, r5, [r2]"},
	{0xe1020091, "swp r0, r1, [r2]"},
	{0xe1420091, "swpb r0, r1, [r2]"},
	{0xe0000291, "mul r0, r1, r2"},
	{0xe0810392, "umull r0, r1, r2, r3"},
	{0xe0603291, "mls r0, r1, r2, r3"},
	{0xf5d2f000, "pld [r2]"},
	{0xf7d2f003, "pld [r2, r3]"},
	{0xf4d2f000, "pli [r2]"},
	{0xf8b20a00, "rfeia r2!"},
	{0xf96d0513, "srsdb sp!, #19"},
	{0xf422070f, "vld1.8 {d0}, [r2]"},
	{0xecb25e01, "ldc p14, c5, [r2], #4"},
	{0xeca25e01, "stc p14, c5, [r2], #4"},
	{0xee100f10, "mrc p15, 0, r0, c0, c0, 0"},
	{0xec410f02, "mcrr p15, 0, r0, r1, c2"},
	{0xe0810002, "add r0, r1, r2"},
	{0xe3a00001, "mov r0, #1"},
	{0xe30004d2, "movw r0, #1234"},
	{0xeafffffe, "b ."},
	{0xe12fff32, "blx r2"},
	{0xef000000, "svc #0"},
	{0xe1400070, "hvc #0"},
	{0xe6bf0071, "sxth r0, r1"},
	{0xe6510f92, "uadd8 r0, r1, r2"},
	{0xe7e20151, "ubfx r0, r1, #2, #3"},
	{0xe710f211, "sdiv r0, r1, r2"},
	{0xe320f000, "nop"},
	{0xe5b11004, "ldr r1, [r1, #4]!"},
	{0xe5bf1004, "ldr r1, [pc, #4]!"},
	{0xe4911004, "ldr r1, [r1], #4"},
	{0xe5af1004, "str r1, [pc, #4]!"},
	{0xe5c2f000, "strb pc, [r2]"},
	{0xe792100f, "ldr r1, [r2, pc]"},
	{0xe1c250d0, "ldrd r5, r6, [r2]"},
	{0xe1c2e0d0, "ldrd lr, pc, [r2]"},
	{0xe0e240d8, "ldrd r4, r5, [r2] unprivileged"},
	{0xe1e440d8, "ldrd r4, r5, [r4, #8]!"},
	{0xe18240d5, "ldrd r4, r5, [r2, r5]"},
	{0xe1e540f8, "strd r4, r5, [r5, #8]!"},
	{0xe1d2f0b0, "ldrh pc, [r2]"},
	{0xe1c2f0b0, "strh pc, [r2]"},
	{0xe1f110b2, "ldrh r1, [r1, #2]!"},
	{0xe19210bf, "ldrh r1, [r2, pc]"},
	{0xe8920000, "ldm r2, {}"},
	{0xe8820000, "stm r2, {}"},
	{0xe89f0003, "ldm pc, {r0, r1}"},
	{0xe8b20006, "ldm r2!, {r1, r2}"},
	{0xf5d2f000, "pld [r2]"},
	{0xffffffff, "no condition"},
	{0x00000000, "andeq r0, r0, r0"},
};

static const struct refused thumb_refused[] = {
	{0x0000bd10, "pop.n {r4, pc}"},
	{0xf8d2f000, "ldr.w pc, [r2]"},
	{0xf852fb04, "ldr.w pc, [r2], #4"},
	{0xe8928001, "ldmia.w r2, {r0, pc}"},
	{0xe8bd8110, "pop.w {r4, r8, pc}"},
	{0xe8521f00, "ldrex r1, [r2]"},
	{0xe8d21f5f, "ldrexh r1, [r2]"},
	{0xe8d2457f, "ldrexd r4, r5, [r2]"},
	{0xe8421000, "strex r0, r1, [r2]"},
	{0xe8c21f40, "strexb r0, r1, [r2]"},
	{0xe8d2f003, "tbb [r2, r3]"},
	{0xe8d2f013, "tbh [r2, r3, lsl #1]"},
	{0xf892f000, "pld [r2]"},
	{0xf812fc04, "pld [r2, #-4]"},
	{0xf812f003, "pld [r2, r3]"},
	{0xf8b2f000, "pldw [r2]"},
	{0xf992f000, "pli [r2]"},
	{0xe9b2c000, "rfeia r2!"},
	{0xe82dc013, "srsdb sp!, #19"},
	{0xf922070f, "vld1.8 {d0}, [r2]"},
	{0xf902070d, "vst1.8 {d0}, [r2]!"},
	{0xecb25e01, "ldc p14, c5, [r2], #4"},
	{0xee100f10, "mrc p15, 0, r0, c0, c0, 0"},
	{0xeb010002, "add.w r0, r1, r2"},
	{0xf24040d2, "movw r0, #1234"},
	{0xf7fffffe, "bl ."},
	{0xf7ffbffe, "b.w ."},
	{0x00001888, "adds r0, r1, r2"},
	{0x00004608, "mov r0, r1"},
	{0x0000b110, "cbz r0, .+8"},
	{0x0000bf08, "it eq"},
	{0x0000bf00, "nop"},
	{0x0000be00, "bkpt #0"},
	{0x0000de00, "udf #0"},
	{0xfb91f0f2, "sdiv r0, r1, r2"},
	{0x0000a804, "add r0, sp, #16"},
	{0x0000c200, "stmia r2!, {}"},
	{0x0000ca00, "ldmia r2!, {}"},
	{0x0000b400, "push {}"},
	{0x0000bc00, "pop {}"},
	{0xf8521a04, "ldr r1, [r2, ...] P = U = 0, W = 0"},
	{0xf8511b04, "ldr r1, [r1], #4"},
	{0xf8411d04, "str r1, [r1, #-4]!"},
	{0xf84f1004, "str r1, [pc, ...]"},
	{0xf8c2f004, "str pc, [r2, #4]"},
	{0xf892d000, "ldrb sp, [r2]"},
	{0xf8a2d000, "strh sp, [r2]"},
	{0xf8f21000, "size 3"},
	{0xf9d21000, "signed word"},
	{0xf9821000, "signed store"},
	{0xf852100d, "ldr r1, [r2, sp]"},
	{0xf852100f, "ldr r1, [r2, pc]"},
	{0xf8521043, "register form, bit 6"},
	{0xe9d24402, "ldrd r4, r4, [r2, #8]"},
	{0xe9d24d02, "ldrd r4, sp, [r2, #8]"},
	{0xe9c2d402, "strd sp, r4, [r2, #8]"},
	{0xe9d24f02, "ldrd r4, pc, [r2, #8]"},
	{0xe9f44502, "ldrd r4, r5, [r4, #8]!"},
	{0xe9e54502, "strd r4, r5, [r5, #8]!"},
	{0xe9ff4502, "ldrd r4, r5, [pc, #8]!"},
	{0xe9cf4502, "strd r4, r5, [pc, #8]"},
	{0xe8920001, "ldm.w r2, {r0}"},
	{0xe8922001, "ldm.w r2, {r0, sp}"},
	{0xe8828001, "stm.w r2, {r0, pc}"},
	{0xe8b20006, "ldm.w r2!, {r1, r2}"},
	{0xe8a20006, "stm.w r2!, {r1, r2}"},
	{0xe89f0003, "ldm.w pc, {r0, r1}"},
};

static const struct vfp_accepted {
	uint32_t opcode;
	bool thumb;
	const char *text;
	bool write, wide;
	uint32_t va, first, count;
	int write_back;
	uint32_t write_back_value;
} vfp_accepted[] = {
	{0xedd20a00, false, "vldr s1, [r2]", false, false, 0x42120208, 1, 1, -1, 0},
	{0xedd2faff, false, "vldr s31, [r2, #1020]", false, false, 0x42120604, 31, 1, -1, 0},
	{0xed121b01, false, "vldr d1, [r2, #-4]", false, true, 0x42120204, 2, 2, -1, 0},
	{0xedd2fb02, false, "vldr d31, [r2, #8]", false, true, 0x42120210, 62, 2, -1, 0},
	{0xed9f1a04, false, "vldr s2, [pc, #16]", false, false, 0x40008018, 2, 1, -1, 0},
	{0xedc21a01, false, "vstr s3, [r2, #4]", true, false, 0x4212020c, 3, 1, -1, 0},
	{0xedc21b00, false, "vstr d17, [r2]", true, true, 0x42120208, 34, 2, -1, 0},
	{0xecd20a03, false, "vldmia r2, {s1-s3}", false, false, 0x42120208, 1, 3, -1, 0},
	{0xecf2eb04, false, "vldmia r2!, {d30-d31}", false, true, 0x42120208, 60, 4, 2, 0x42120218},
	{0xed320b20, false, "vldmdb r2!, {d0-d15}", false, true, 0x42120188, 0, 32, 2, 0x42120188},
	{0xeca20a20, false, "vstmia r2!, {s0-s31}", true, false, 0x42120208, 0, 32, 2, 0x42120288},
	{0xece20b20, false, "vstmia r2!, {d16-d31}", true, true, 0x42120208, 32, 32, 2, 0x42120288},
	{0xed2d8b02, false, "vpush {d8}", true, true, 0x4d1d0d2c, 16, 2, 13, 0x4d1d0d2c},
	{0xecfd2a01, false, "vpop {s5}", false, false, 0x4d1d0d34, 5, 1, 13, 0x4d1d0d38},
	{0xedd20a00, true, "vldr s1, [r2]", false, false, 0x42120208, 1, 1, -1, 0},
	{0xed520b02, true, "vldr d16, [r2, #-8]", false, true, 0x42120200, 32, 2, -1, 0},
	{0xed9f1a04, true, "vldr s2, [pc, #16]", false, false, 0x4000801c, 2, 1, -1, 0},
	{0xed620a02, true, "vstmdb r2!, {s1-s2}", true, false, 0x42120200, 1, 2, 2, 0x42120200},
	{0xec921b02, true, "vldmia r2, {d1}", false, true, 0x42120208, 2, 2, -1, 0},
};

/* Of ARM state, and of Thumb state where they begin with 0xe. */
static const struct refused vfp_refused[] = {
	{0xec432b11, "vmov d1, r2, r3"},
	{0xeef12a10, "vmrs r2, fpscr"},
	{0xec520b00, "P = U = W = 0"},
	{0xedb20a01, "P = U = W = 1"},
	{0xecd20a00, "vldmia r2, {}"},
	{0xecd20a20, "vldmia r2, {s1-s32}"},
	{0xecf2fb04, "vldmia r2!, {d31-d32}"},
	{0xec920b22, "vldmia r2, {d0-d16}"},
	{0xec921b03, "fldmiax r2, {d1}"},
	{0xed8f0a01, "vstr s0, [pc, #4]"},
	{0xec9f0a01, "vldmia pc, {s0}"},
	{0xecbf0a01, "vldmia pc!, {s0}"},
	{0xed920900, "ldc p9, c0, [r2]"},
	{0xed920c00, "ldc p12, c0, [r2]"},
};
/* clang-format on */

static uint32_t read_register(void *arg, unsigned int n)
{
	assert_in_range(n, 0, 15);
	return n == 15 ? *(uint32_t *)arg : regs[n];
}

static int decode(uint32_t opcode, bool thumb, struct insn_access *out)
{
	uint32_t pc = thumb ? THUMB_PC : ARM_PC;

	memset(out, 0xa5, sizeof(*out));
	return insn_decode(opcode, thumb, read_register, &pc, out);
}

static void check_accepted(const struct accepted *rows, size_t count, bool thumb)
{
	for (size_t i = 0; i < count; i++) {
		const struct accepted *row = &rows[i];
		struct insn_access access;
		char digits[INSN_ELEMENTS_MAX + 1] = "";

		if (decode(row->opcode, thumb, &access))
			fail_msg("%08x %s: refused", row->opcode, row->text);
		for (uint32_t r = 0; r < access.count; r++)
			digits[r] = "0123456789abcdef"[access.reg[r] & 15U];
		if (access.va != row->va || access.size != row->size || strcmp(digits, row->regs) != 0 ||
		    access.write != (row->kind == STORE) || access.sign_extend != (row->kind == SIGNED) ||
		    access.write_back != row->write_back ||
		    (row->write_back >= 0 && access.write_back_value != row->write_back_value) || access.vfp ||
		    access.length != (thumb && row->opcode < 0x10000U ? 2U : 4U))
			fail_msg("%08x %s: va %08x size %u regs %s write %d signed %d back r%d = %08x length %u",
				 row->opcode, row->text, access.va, access.size, digits, access.write,
				 access.sign_extend, access.write_back, access.write_back_value, access.length);
	}
}

static void check_refused(const struct refused *rows, size_t count, bool thumb)
{
	for (size_t i = 0; i < count; i++) {
		struct insn_access access;

		if (decode(rows[i].opcode, thumb, &access) != -ENOTSUP)
			fail_msg("%08x %s: not refused", rows[i].opcode, rows[i].text);
	}
}

static void test_arm(void **state)
{
	(void)state;
	check_accepted(arm_accepted, ARRAY_SIZE(arm_accepted), false);
}

static void test_thumb(void **state)
{
	(void)state;
	check_accepted(thumb_accepted, ARRAY_SIZE(thumb_accepted), true);
}

static void test_vfp(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vfp_accepted); i++) {
		const struct vfp_accepted *row = &vfp_accepted[i];
		struct insn_access access;

		if (decode(row->opcode, row->thumb, &access))
			fail_msg("%08x %s: refused", row->opcode, row->text);
		if (!access.vfp || access.vfp_double != row->wide || access.va != row->va || access.size != 4 ||
		    access.vfp_first != row->first || access.count != row->count || access.write != row->write ||
		    access.write_back != row->write_back || access.length != 4 ||
		    (row->write_back >= 0 && access.write_back_value != row->write_back_value))
			fail_msg("%08x %s: va %08x first %u count %u back r%d = %08x", row->opcode, row->text,
				 access.va, access.vfp_first, access.count, access.write_back, access.write_back_value);
	}
	check_refused(vfp_refused, ARRAY_SIZE(vfp_refused), false);
	check_refused(vfp_refused, ARRAY_SIZE(vfp_refused), true);
}

static void test_refused(void **state)
{
	(void)state;
	check_refused(arm_refused, ARRAY_SIZE(arm_refused), false);
	check_refused(thumb_refused, ARRAY_SIZE(thumb_refused), true);
}

/* A condition does not matter to the decode: who calls it knows that it passed. */
static void test_every_condition(void **state)
{
	struct insn_access access;

	(void)state;
	for (uint32_t cond = 0; cond < 15; cond++)
		assert_int_equal(decode(cond << 28 | 0x05b21004, false, &access), 0);
	assert_int_equal(decode(0xf5b21004, false, &access), -ENOTSUP);
}

/* xorshift: the same opcodes on every run */
static uint32_t next_random(void)
{
	static uint32_t x = 0x2545f491;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void check_sane(uint32_t opcode, bool thumb)
{
	struct insn_access access;

	if (decode(opcode, thumb, &access))
		return;
	assert_in_range(access.count, 1, INSN_ELEMENTS_MAX);
	assert_true(access.size == 1 || access.size == 2 || access.size == 4);
	assert_true(access.count == 1 || access.size == 4);
	assert_false(access.sign_extend && (access.write || access.size == 4));
	assert_in_range(access.write_back + 1, 0, 15); /* never the PC */
	if (access.vfp) {
		assert_in_range(access.vfp_first + access.count, 1, access.vfp_double ? 64 : 32);
		return;
	}
	assert_in_range(access.count, 1, INSN_GENERAL_MAX);
	for (uint32_t i = 0; i < access.count; i++) {
		assert_in_range(access.reg[i], 0, access.write ? 15 : 14);
		assert_false(!access.write && access.reg[i] == access.write_back);
	}
}

static void test_random(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		uint32_t opcode = next_random();

		check_sane(opcode, false);
		check_sane(opcode, true);
		check_sane(opcode | 0xe0000000U, true); /* most of these are 32-bit instructions */
		check_sane((opcode & 0x01ffffffU) | 0xe8000000U, true);
	}
	for (uint32_t opcode = 0; opcode < 0x10000; opcode++)
		check_sane(opcode, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arm), cmocka_unit_test(test_thumb),           cmocka_unit_test(test_refused),
		cmocka_unit_test(test_vfp), cmocka_unit_test(test_every_condition), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
