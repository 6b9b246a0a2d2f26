/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a loader can tell virt7 inside the image, behind the zImage header (boot/head.S). tools/image-header writes it.
 * A public contract: docs/boot.md.
 */
#ifndef BOOT_HEADER_H
#define BOOT_HEADER_H

#include <stdint.h>

#define IMAGE_HEADER_OFFSET 0x34
#define IMAGE_HEADER_MAGIC  0x37545256U

struct image_header {
	uint32_t magic;
	uint32_t secondary;           /* offset of secondary_entry */
	uint32_t bundle, bundle_size; /* PA; used where /chosen has no initial ramdisk. Size 0: none */
	uint32_t uart, uart_shift; /* PA and reg-shift, for when there is no device tree or none with a UART. 0: none */
	char uart_compatible[32];
};

extern const struct image_header image_header;

#endif
