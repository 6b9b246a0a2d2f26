/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of device classes for a test that makes its devices by itself: an empty one. */
#include <stddef.h>

#include "hyp/vdev/device.h"

const struct device_class *const device_classes[] = {NULL};
