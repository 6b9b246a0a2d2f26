/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watchdogs of the host's that firmware has left on, by compatible strings: rows of hyp/host/drivers.c. Most cannot be
 * switched off again, so virt7 pets them (hyp/run/heartbeat.h). A watchdog that is off stays off and is a device like
 * any other.
 */
#ifndef HYP_HOST_HOSTDOG_H
#define HYP_HOST_HOSTDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/host/driver.h"

struct hostdog_model;
extern const struct hostdog_model hostdog_imx, hostdog_sun4i, hostdog_sun6i, hostdog_dw, hostdog_sp805, hostdog_aspeed;

void hostdog_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);

/* Boot: see which are on, say so, and claim them, so that no VM gets one. */
void hostdog_init(const struct host *host);

bool hostdog_is_on(void); /* one at least */

/* The watchdogs begin to count anew. */
void hostdog_pet(void);

#endif
