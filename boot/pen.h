/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a CPU that is off waits, in the monitor's pen or still in flash: asleep until SGI MONITOR_SGI comes as Group 0.
 * These functions are inlined, because such a CPU may have no stack (docs/boot.md).
 */
#ifndef BOOT_PEN_H
#define BOOT_PEN_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/barrier.h>
#include <arm/io.h>

#include "boot/monitor.h"
#include "hyp/host/gicregs.h"
#include "hyp/lib/bits.h"

#define GICC_CTLR_GRP0 BIT(0) /* the secure copy's EnableGrp0 */
#define GICC_IAR_ID    0x3ffU

#define PEN_INLINE static inline __attribute__((always_inline))

PEN_INLINE volatile uint8_t *pen_gic(uint32_t pa)
{
	return (volatile uint8_t *)(uintptr_t)pa;
}

/* Let that SGI alone through to this CPU. A pending one of a disabled group would hide those behind it: it is the first
 * by priority. */
PEN_INLINE void pen_open(volatile uint8_t *gicd, volatile uint8_t *gicc)
{
	io_write32(gicd + GICD_IGROUPR, ~BIT(MONITOR_SGI));
	io_write32(gicd + GICD_ICENABLER, ~BIT(MONITOR_SGI));
	io_write32(gicd + GICD_ISENABLER, BIT(MONITOR_SGI));
	for (uint32_t id = 0; id < 32; id += 4)
		io_write32(gicd + GICD_IPRIORITYR + id, ~0U);
	io_write8(gicd + GICD_IPRIORITYR + MONITOR_SGI, 0);
	io_write32(gicc + GICC_PMR, 0xff);
	io_write32(gicc + GICC_CTLR, GICC_CTLR_GRP0);
	dsb();
}

/* Sleep until an interrupt comes. True: it was that SGI. */
PEN_INLINE bool pen_sleep(volatile uint8_t *gicc)
{
	uint32_t iar;

	wfi();
	iar = io_read32(gicc + GICC_IAR);
	if ((iar & GICC_IAR_ID) != MONITOR_SGI)
		return false;
	io_write32(gicc + GICC_EOIR, iar);
	return true;
}

#endif
