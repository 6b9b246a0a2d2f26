/* SPDX-License-Identifier: BSD-2-Clause */
/* Which registers switch the host off, or reset it, where its firmware has no PSCI for that. */
#ifndef HYP_HOST_POWER_REGS_H
#define HYP_HOST_POWER_REGS_H

#include "hyp/host/driver.h"

/* Of nodes with such a means: works out the writes, or leaves *power with none where the node cannot be understood. */
struct power_means {
	void (*resolve)(const struct host *host, int node, struct host_power *power);
};

extern const struct power_means power_by_syscon, power_by_gpio, power_by_vexpress;

/* Rows of hyp/host/drivers.c, with one of those. */
void power_off_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);
void power_reset_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);

/*
 * Behind the walk: work out the registers of a node that it has found and store them in host->off or host->reset,
 * unless an earlier node did. A node that cannot be understood is passed over: the host then cannot be switched off,
 * which is said when it matters.
 */
void power_resolve(struct host *host, const struct power_found *found);

/* gpios = <&controller pin flags>; flag 1: active low. The pin becomes an output at its active level. */
void power_from_gpio(const struct host *host, int node, struct host_power *power);

#endif
