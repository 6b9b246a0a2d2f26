/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory controllers and caches that report errors which their error correcting code has found, by compatible strings:
 * rows of hyp/host/drivers.c. What is done about an error is hyp/vm/memsource.c's.
 */
#ifndef HYP_HOST_ECC_H
#define HYP_HOST_ECC_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/host/driver.h"

#define ECC_SIZE 0x400U /* of the registers that are mapped */

/* What an interrupt has told. */
struct ecc_report {
	uint32_t corrected, uncorrected; /* how many at least */
	bool has_address;
	uint64_t address; /* physical, of an uncorrected one */
};

struct ecc_model {
	const char *what; /* for people */
	uint32_t irqs;
	/* Offsets of a memory controller's registers; of no meaning for others. */
	uint32_t errors, interrupts;
	/* 0; -EIO: nothing answers there; -ENODEV: it does not correct errors. NULL: there is nothing to see to. */
	int (*start)(const struct ecc_model *model, volatile uint8_t *regs);
	/* Its interrupt `n`: end it, and say why it came. Nothing in *report: it was not this one's. 0 or -EIO. */
	int (*serve)(const struct ecc_model *model, volatile uint8_t *regs, uint32_t n, struct ecc_report *report);
};

extern const struct ecc_model ecc_highbank, ecc_midway, ecc_sregs;

void ecc_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);

#endif
