/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of device classes. DEVICE_ROWS: a build for tests names a file with more rows (tests/device/). */
#include <stddef.h>

#include "hyp/vdev/device.h"

#ifndef DEVICE_ROWS
#define DEVICE_ROWS "hyp/vdev/classes.def"
#endif

#define DEVICE(class) extern const struct device_class class;
#include DEVICE_ROWS
#undef DEVICE

#define DEVICE(class) &(class),
const struct device_class *const device_classes[] = {
#include DEVICE_ROWS
	NULL,
};
