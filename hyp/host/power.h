/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching the host off and resetting it: by its firmware's PSCI, else by the means that its device tree names. */
#ifndef HYP_HOST_POWER_H
#define HYP_HOST_POWER_H

#include "hyp/host/host.h"

/* Map the registers that will be needed. Once, after psci_host_init(). */
void power_init(const struct host *host);

/* Return only where the host has no such means, or where it did nothing for a second. */
void power_off(void);
void power_reset(void);

/*
 * virt7 cannot go on, and has said why in lines of which the last begins with "stopped": whoever watches the console
 * takes that for the host's exit status. With on-error=poweroff the host is switched off, where that can be done; else
 * this CPU sleeps for ever.
 */
void power_end(void) __attribute__((noreturn));

#endif
