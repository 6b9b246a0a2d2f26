/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor's pen: where a CPU is that is off. In Monitor mode, MMU and caches off, at the load address. One that HYP
 * has not asked for has no slot in the monitor's data and so no stack: this file is compiled to need none
 * (tools/check-placed).
 */
#include <stddef.h>

#include <arm/cores.h>
#include <arm/sysreg.h>

#include "boot/monitor.h"
#include "boot/pen.h"

volatile struct monitor_data monitor_data __attribute__((aligned(MONITOR_ALIGN)));

/* The wake-up cannot be missed: the slot is written before the SGI is sent, and the SGI stays pending until it is
 * acknowledged here. */
volatile struct monitor_slot *monitor_pen(void)
{
	volatile uint8_t *gicc = pen_gic(monitor_data.gicc);
	volatile struct monitor_slot *slot;

	pen_open(pen_gic(monitor_data.gicd), gicc);
	for (;;) {
		slot = monitor_find_slot(read_mpidr() & MPIDR_AFFINITY);
		if (slot && slot->state == MONITOR_PENDING)
			return slot;
		pen_sleep(gicc);
	}
}
