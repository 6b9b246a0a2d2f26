/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's other CPUs. */
#ifndef BOOT_SMP_H
#define BOOT_SMP_H

#include <stdint.h>

#include "hyp/host/host.h"

/* What every CPU does for itself, the boot CPU too: timers, trap controls, run queue. 0 or -Exxx, logged. */
int cpu_init(const struct host *host);

/*
 * Start the others. One that does not come, or that fails its examination, is left out with a line that names it; that
 * is not an error. `entry`: PA of secondary_entry (boot/head.S).
 */
int smp_start(const struct host *host, uint32_t entry);

/* Where a secondary arrives (boot/head.S), on its own stack whose top is `stack`. */
void secondary_main(uint32_t stack) __attribute__((noreturn));

/* Give CPU `id` its panic stack and make it the one this code runs on. */
void cpu_enter(uint32_t id);

#endif
