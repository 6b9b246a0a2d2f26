/*
 * The guest's PL061 GPIO (ARM DDI 0190). Nothing is connected but line 3, an input: the power key of mach-virt. Its
 * lock is taken before the vGIC's.
 */
#ifndef HYP_VDEV_VPL061_H
#define HYP_VDEV_VPL061_H

#include <stdbool.h>

struct vm;

/* Put the GPIO on the VM's bus; reset. 0, or as mmio_add(). */
int vpl061_create(struct vm *vm);

/* As after power-on: all lines inputs, nothing enabled, the key not pressed. No vCPU of the VM runs. */
void vpl061_reset(struct vm *vm);

/* Has the guest enabled the interrupt of the power key? */
bool vpl061_listens(const struct vm *vm);

/* Press the power key for 100 ms. Any CPU. */
void vpl061_press_power(struct vm *vm);

#endif
