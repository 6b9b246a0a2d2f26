/* SPDX-License-Identifier: BSD-2-Clause */
/* True random number generators of hosts, by compatible strings: rows of hyp/host/drivers.c. */
#ifndef HYP_HOST_TRNG_H
#define HYP_HOST_TRNG_H

#include <stdint.h>

#include "hyp/host/driver.h"

#define TRNG_SIZE 0x400U /* of the registers that are mapped */

struct trng_model {
	/* One word, waiting for as long as the device takes at most; false: none comes. NULL `start`: it always runs.
	 */
	void (*start)(volatile uint8_t *regs);
	bool (*read)(volatile uint8_t *regs, uint32_t *word);
};

extern const struct trng_model trng_stm32, trng_mediatek, trng_register;

/* The first one of a tree counts. */
void trng_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);

/* Up to `count` words; returns how many came: 0 where the device is silent, or firmware has left its clock off. */
uint32_t trng_read(const struct host_trng *trng, uint32_t *words, uint32_t count);

#endif
