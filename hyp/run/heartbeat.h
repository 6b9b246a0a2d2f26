/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's watchdogs that are on (hyp/host/hostdog.h) are petted as long as every CPU takes its interrupts: each has
 * a timer, four times a second, and the boot CPU pets when it has heard of all. Where a CPU hangs in virt7, or virt7
 * has ended in a panic, the watchdog resets the machine. No timer runs where no watchdog is on.
 */
#ifndef HYP_RUN_HEARTBEAT_H
#define HYP_RUN_HEARTBEAT_H

/* This CPU takes part. Each of them once, after its timers, and after hostdog_init(). */
void heartbeat_init_cpu(void);

#endif
