/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's virtio-rng (virtio 1.2, 5.4): random numbers of who emulates the machine, asked for once, at boot. */
#ifndef HYP_HOST_RNGDEV_H
#define HYP_HOST_RNGDEV_H

#include "hyp/host/host.h"

/*
 * `count` words from the first one on virtio-mmio, which is reset afterwards and no driver's. How many came; 0: there
 * is none, or it is silent.
 */
uint32_t rngdev_read(const struct host *host, uint32_t *words, uint32_t count);

#endif
