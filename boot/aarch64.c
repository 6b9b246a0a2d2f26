/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 64-bit CPU in AArch64 state (qemu-system-aarch64) executes A64 from the image's second word on, which branches to
 * here: words, because the compiler is for A32. It cannot go to HYP mode: that would take EL3, or a reset. X0 = PA of
 * the device tree, MMU off. Where that tree is of QEMU's virt board, whose PL011 is known, it says what to do;
 * elsewhere no UART is known. Then it waits for ever.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
static const struct {
	uint32_t code[29], magic;
	char name[8], text[148];
} aarch64_entry __attribute__((section(".text.aarch64"), used)) = {
	.code = {
		0xb4000360, /*		cbz	x0, park */
		0xb9400001, /*		ldr	w1, [x0] */
		0x18000362, /*		ldr	w2, magic */
		0x6b02003f, /*		cmp	w1, w2 */
		0x540002e1, /*		b.ne	park */
		0xb9400401, /*		ldr	w1, [x0, #4]		its size */
		0x5ac00821, /*		rev	w1, w1 */
		0x8b010001, /*		add	x1, x0, x1 */
		0x180002c2, /*		ldr	w2, name */
		0x180002c3, /*		ldr	w3, name + 4 */
		0x91001000, /* 1:	add	x0, x0, #4 */
		0xeb01001f, /*		cmp	x0, x1 */
		0x540001e2, /*		b.hs	park */
		0xb9400004, /*		ldr	w4, [x0] */
		0x6b02009f, /*		cmp	w4, w2 */
		0x54ffff61, /*		b.ne	1b */
		0xb9400404, /*		ldr	w4, [x0, #4] */
		0x6b03009f, /*		cmp	w4, w3 */
		0x54ffff01, /*		b.ne	1b */
		0x52a12005, /*		mov	w5, #0x09000000 */
		0x10000186, /*		adr	x6, text */
		0x384014c4, /* 2:	ldrb	w4, [x6], #1 */
		0x340000a4, /*		cbz	w4, park */
		0xb94018a7, /* 3:	ldr	w7, [x5, #0x18]		UARTFR.TXFF */
		0x372fffe7, /*		tbnz	w7, #5, 3b */
		0xb90000a4, /*		str	w4, [x5] */
		0x17fffffb, /*		b	2b */
		0xd503207f, /* park:	wfi */
		0x17ffffff, /*		b	park */
	},
	.magic = 0xedfe0dd0,
	.name = {'m', 'm', 'y', '-', 'v', 'i', 'r', 't'}, /* of "linux,dummy-virt" in the root's compatible */
	.text = "virt7: error: entered in AArch64 state: virt7 is a 32-bit program; use qemu-system-arm, or -cpu cortex-a15 or "
		"cortex-a7\r\nvirt7: error: stopped\r\n",
};
static_assert(offsetof(__typeof__(aarch64_entry), text) == 0x80, "the ADR finds it");
/* clang-format on */
