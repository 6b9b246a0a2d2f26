/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PL031 real-time clock (ARM DDI 0224), as a board's firmware leaves it: set and running. Every VM has one.
 * The time is the host's own PL031's as virt7 found it at boot, or, without one, seconds since then; a reset brings
 * that back, without an alarm. Its lock is taken before the vGIC's.
 */
#ifndef HYP_VDEV_VPL031_H
#define HYP_VDEV_VPL031_H

#include <stdint.h>

#include "hyp/vdev/device.h"

extern const struct device_class vpl031_class;

/* Boot: it is now `seconds` since 1970. Before the first VM. */
void vpl031_set_clock(uint32_t seconds);

/* Seconds since 1970, or since boot where the host has no clock. */
uint32_t vpl031_clock(void);

#endif
