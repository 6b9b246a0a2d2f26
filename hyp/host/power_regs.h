/* Which registers switch the host off, or reset it, where its firmware has no PSCI for that. */
#ifndef HYP_HOST_POWER_REGS_H
#define HYP_HOST_POWER_REGS_H

#include "hyp/host/host.h"

/* The kind of a node with such a means, by its compatible string; NULL: none. */
struct power_kind;
const struct power_kind *power_kind(const char *compatible);

/*
 * Work out the registers for the node at `offset` and store them in host->off or host->reset, unless an earlier node
 * did. A node that cannot be understood is passed over: the host then cannot be switched off, which is said when it
 * matters.
 */
void power_resolve(struct host *host, const struct power_kind *kind, int offset);

/* gpios = <&controller pin flags>; flag 1: active low. The pin becomes an output at its active level. */
void power_from_gpio(const struct host *host, int node, struct host_power *power);

#endif
