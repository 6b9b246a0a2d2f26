/* SPDX-License-Identifier: BSD-2-Clause */
/* How the host's other CPUs are started: which one is whose is in hyp/host/board.c. */
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

/* By registers of the board or chip, with cpustart()'s results. Rows of hyp/host/board.c. */
int cpustart_vexpress(const struct host *host, const struct host_cpu *cpu, uint32_t entry);
int cpustart_a20(const struct host *host, const struct host_cpu *cpu, uint32_t entry);
int cpustart_a23(const struct host *host, const struct host_cpu *cpu, uint32_t entry);
int cpustart_a31(const struct host *host, const struct host_cpu *cpu, uint32_t entry);
int cpustart_ast2600(const struct host *host, const struct host_cpu *cpu, uint32_t entry);
int cpustart_exynos5250(const struct host *host, const struct host_cpu *cpu, uint32_t entry);
int cpustart_exynos5420(const struct host *host, const struct host_cpu *cpu, uint32_t entry);

#endif
