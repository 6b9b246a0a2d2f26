/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secure side that virt7 installs where it was entered in secure state: what boot/monitor.S and boot/secure.c agree
 * on. Also read by assembly: plain numbers first.
 */
#ifndef BOOT_MONITOR_H
#define BOOT_MONITOR_H

/* struct monitor_data, offsets in bytes. Written by the monitor alone, uncached, but for what is said in monitor.S. */
#define MONITOR_GICD      0x00 /* PA; 0 until MONITOR_OPEN */
#define MONITOR_GICC      0x04
#define MONITOR_CNTFRQ    0x08
#define MONITOR_INSTALLED 0x0c
#define MONITOR_SLOTS     0x40
/* A slot for each CPU */
#define SLOT_MPIDR   0x00 /* all ones: free */
#define SLOT_STATE   0x04 /* as AFFINITY_INFO returns it (DEN 0022 5.7) */
#define SLOT_ENTRY   0x08
#define SLOT_CONTEXT 0x0c
#define SLOT_SAVE    0x10 /* r4, r5, lr while a call is served */
#define SLOT_SIZE    0x20

#define SLOT_STATE_ON      0
#define SLOT_STATE_OFF     1
#define SLOT_STATE_PENDING 2

#define MONITOR_ALIGN 128 /* no less than a cache line */

#define MONITOR_SGI 15 /* Group 0 on a CPU that waits, and only there: wakes it */

#define MONITOR_ACTLR 0x83000001 /* r1: bits of ACTLR to set */
#define MONITOR_OPEN  0x83000000 /* an OEM service (DEN 0028): r1 GICD, r2 GICC (PA), r3 CNTFRQ in Hz or 0 */

#define MONITOR_POWER_WRITES 4

#ifndef __ASSEMBLER__
#include <stdbool.h>

#include "hyp/host/host.h"

/*
 * virt7's own monitor is the host's PSCI from here on: enter its calls into `host`, and tell it how this board is
 * switched off and restarted where only the secure side can do that.
 */
void monitor_init(struct host *host);

/* Give GIC and timer to the non-secure side. Boot CPU, once, before any use of the GIC. */
void monitor_open(const struct host *host);

/* Set bits of this CPU's ACTLR, which the non-secure side cannot. */
void monitor_set_actlr(uint32_t bits);
#endif

#endif
