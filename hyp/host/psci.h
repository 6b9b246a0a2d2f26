/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's own PSCI: secondaries, power. The calling side of DEN 0022. */
#ifndef HYP_HOST_PSCI_H
#define HYP_HOST_PSCI_H

#include "hyp/host/host.h"

/* Remember the function ids. */
void psci_host_init(const struct host *host);

/* Start the CPU with affinity `mpidr` at PA `entry` with `context` in r0. 0, or -EIO (PSCI refused), -ENOSYS (no PSCI).
 * On one CPU at a time.
 */
int psci_host_cpu_on(uint32_t mpidr, uint32_t entry, uint32_t context);

/* Switch the calling CPU off. Returns only where the host has no such call. */
void psci_host_cpu_off(void);

/* Switch the machine off, or restart it. Returns only where the host has no such call. */
void psci_host_system_off(void);
void psci_host_system_reset(void);

#endif
