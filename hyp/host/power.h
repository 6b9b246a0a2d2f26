/* Switching the host off and resetting it: by its firmware's PSCI, else by the means that its device tree names. */
#ifndef HYP_HOST_POWER_H
#define HYP_HOST_POWER_H

#include "hyp/host/host.h"

/* Map the registers that will be needed. Once, after psci_host_init(). */
void power_init(const struct host *host);

/* Return only where the host has no such means, or where it did nothing for a second. */
void power_off(void);
void power_reset(void);

#endif
