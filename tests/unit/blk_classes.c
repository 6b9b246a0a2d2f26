/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of device classes of tests that have block devices and nothing else. */
#include <stddef.h>

#include "hyp/virtio/virtio.h"

extern const struct device_class virtio_blk_class;

const struct device_class *const device_classes[] = {&virtio_blk_class, NULL};
