/* SPDX-License-Identifier: BSD-2-Clause */
/* The image: code, constants, data, each on pages of its own, so that boot/early.c can map them W^X. */
#include "mm/layout.h"

OUTPUT_ARCH(arm)
ENTRY(image_start)

SECTIONS
{
	. = LAYOUT_IMAGE;
	.text : AT(LAYOUT_ELF_LOAD) {
		image_start = .;
		KEEP(*(.text.head))
		KEEP(*(.text.aarch64))
		*(.text.entry)
		*boot/entry.o(.text.*)
		ASSERT(. - image_start <= 4096, "the identity map has the first page (boot/early.c)");
		*(.text.vectors)
		*(.text .text.*)
	}
	. = ALIGN(4096);
	_text_end = .;
	.rodata : { *(.rodata .rodata.*) }
	.ARM.extab : { *(.ARM.extab*) }
	. = ALIGN(4);
	__exidx_start = .;
	.ARM.exidx : { *(.ARM.exidx*) }
	__exidx_end = .;
	.extable : {
		extable_start = .;
		KEEP(*(.extable))
		extable_end = .;
	}
	.symtab_text : { KEEP(*(.symtab_text)) }
	. = ALIGN(4096);
	_rodata_end = .;
	.data : ALIGN(8) { *(.data .data.*) *(.got*) }
	. = ALIGN(8);
	_load_end = .;
	/* Not zeroed: nothing reads of a stack what it has not written. */
	.stacks (NOLOAD) : ALIGN(4096) { *(.bss.stacks) }
	boot_stack_top = boot_stacks + 4096 + HYP_STACK_SIZE;
	.bss (NOLOAD) : ALIGN(4096) {
		__bss_start = .;
		*(.bss.pages)
		*(.bss .bss.*)
		*(COMMON)
		. = ALIGN(4096);
	}
	__bss_end = .;
	/* Neither filled nor zeroed: what the last run has left (hyp/console/blackbox.h). */
	.noinit (NOLOAD) : ALIGN(4096) {
		*(.noinit)
		. = ALIGN(4096);
	}
	_image_end = .;
	ASSERT(_image_end - LAYOUT_IMAGE <= LAYOUT_IMAGE_SIZE, "image too large for its window")
	/DISCARD/ : { *(.comment) *(.ARM.attributes) *(.note*) *(.eh_frame*) }
}
