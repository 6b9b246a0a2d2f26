/* SPDX-License-Identifier: BSD-2-Clause */
/* The flash of a VM that has some: two banks of 64 MiB at address 0, of which the second one keeps what is written. */
#ifndef HYP_VDEV_VFLASH_H
#define HYP_VDEV_VFLASH_H

#include <stdint.h>

#include "hyp/vdev/cfi.h"

struct device;
struct device_class;
struct vm;

extern const struct device_class vflash_class;

/* NULL: it has none. */
struct device *vflash_find(const struct vm *vm);

/*
 * Read `len` bytes of the second bank that lie in one page of 4 KiB. 0 or -EIO. vflash_same() looks at all of that
 * page: the byte that it is full of, or -1 where it may hold anything.
 */
int vflash_read(struct device *device, uint32_t offset, void *to, uint32_t len);
int vflash_same(struct device *device, uint32_t offset);

/* What that bank is full of, but for what has been put or written there. */
uint8_t vflash_fill(const struct device *device);

#endif
