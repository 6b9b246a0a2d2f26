/* SPDX-License-Identifier: BSD-2-Clause */
/* Assembly at the load address: where things are before the MMU is on. */
#ifndef BOOT_HERE_H
#define BOOT_HERE_H

/* clang-format off */
#ifdef __ASSEMBLER__
/* \reg = where \symbol is, wherever the image lies. In ARM state. */
.macro here reg, symbol
	movw	\reg, #:lower16:(\symbol - (.Lhere\@ + 8))
	movt	\reg, #:upper16:(\symbol - (.Lhere\@ + 8))
.Lhere\@:
	add	\reg, \reg, pc
.endm
#endif
/* clang-format on */

#endif
