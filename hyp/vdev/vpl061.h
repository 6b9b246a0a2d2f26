/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's PL061 GPIO (ARM DDI 0190). Every VM has one. Nothing is connected but line 3, an input: the power key of
 * mach-virt. Its lock is taken before the vGIC's.
 */
#ifndef HYP_VDEV_VPL061_H
#define HYP_VDEV_VPL061_H

#include <stdbool.h>

#include "hyp/vdev/device.h"

extern const struct device_class vpl061_class;

/* Has the guest enabled the interrupt of the power key? */
bool vpl061_listens(const struct vm *vm);

/* Press the power key for 100 ms. Any CPU. */
void vpl061_press_power(struct vm *vm);

#endif
