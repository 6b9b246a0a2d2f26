/* SPDX-License-Identifier: BSD-2-Clause */
/* How the host's other CPUs are started: one table of enable-methods, one of boards. */
#ifndef HYP_HOST_CPUSTART_H
#define HYP_HOST_CPUSTART_H

#include <stdint.h>

#include "hyp/host/host.h"

/*
 * Make `cpu` run at the physical address `entry`. In this order: a spin table's slot, PSCI, the CPU's enable-method,
 * the board. Where virt7's own monitor is the host's PSCI, those others bring the CPU to the monitor. 0 (it may still
 * not arrive), -ENOSYS: no means is known, -EIO: PSCI refused, -ENODEV: registers are missing.
 */
int cpustart(const struct host *host, const struct host_cpu *cpu, uint32_t entry);

/* By which of these the tree says that the CPU is started, in a word; NULL: none is known. */
const char *cpustart_means(const struct host *host, const struct host_cpu *cpu);

#endif
