/*
 * The guest's PL031 real-time clock (ARM DDI 0224), as a board's firmware leaves it: set and running. The time is the
 * host's own PL031's as virt7 found it at boot, or, without one, seconds since then. Its lock is taken before the
 * vGIC's.
 */
#ifndef HYP_VDEV_VPL031_H
#define HYP_VDEV_VPL031_H

#include <stdint.h>

struct vm;

/* Boot: it is now `seconds` since 1970. Before the first VM. */
void vpl031_set_clock(uint32_t seconds);

/* Seconds since 1970, or since boot where the host has no clock. */
uint32_t vpl031_clock(void);

/* Put the clock on the VM's bus; reset. 0, or as mmio_add(). */
int vpl031_create(struct vm *vm);

/* As at power-on: the host's time, no alarm. No vCPU of the VM runs. */
void vpl031_reset(struct vm *vm);

#endif
