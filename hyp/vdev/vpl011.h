/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PL011 UART (ARM DDI 0183, revision r1p1 by its ID: FIFOs of 16) between MMIO and the console multiplexer.
 * Every VM has one. Its lock is taken before those of the vGIC and of the console.
 */
#ifndef HYP_VDEV_VPL011_H
#define HYP_VDEV_VPL011_H

#include "hyp/vdev/device.h"

extern const struct device_class vpl011_class;

#endif
