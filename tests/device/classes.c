/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of device classes of virt7-testdev.bin. */
#define DEVICE_ROWS "tests/device/classes.def"
#include "hyp/vdev/classes.c"
