/* SPDX-License-Identifier: BSD-2-Clause */
/* What flash needs of virt7's memory beside fake_virtio.h: tables of stage 2 that are only kept, promised pages. */
#ifndef FAKE_FLASH_H
#define FAKE_FLASH_H

#include <stdint.h>

struct fake_flash {
	const uint64_t *shown[64]; /* by 2 MiB of guest addresses */
	uint32_t shows, hides;
	uint32_t promised; /* pages of the heap */
};

extern struct fake_flash fake_flash;

#endif
