/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calxeda's: the memory controllers of ECX-1000 (Highbank) and ECX-2000 (Midway), and the L2 cache's registers, as
 * their device tree bindings and Linux' driver describe them. A model of the board may lack them: each access may
 * abort.
 */
#include <errno.h>

#include <arm/copy.h>

#include "hyp/host/ecc.h"
#include "hyp/lib/bits.h"

/* From ecc_model.errors on */
#define DDR_ECC_OPT    0x00U
#define DDR_U_ERR_ADDR 0x08U
#define OPT_MODE(opt)  FIELD(opt, 0, 2)
#define MODE_NONE      0U /* no ECC, */
#define MODE_GENERATE  2U /* or written and not looked at */
/* From ecc_model.interrupts on */
#define DDR_INT_STATUS 0x00U
#define DDR_INT_ACK    0x04U
#define INT_CORRECTED(status) \
	(FIELD(status, 3, 1) + FIELD(status, 4, 1)) /* and a second one before the first was ended */
#define INT_LOST(status) (FIELD(status, 5, 1) + FIELD(status, 6, 1))
#define INT_HAS_ADDRESS  BIT(5)

#define SREGS_CLEAR_SINGLE 0U
#define SREGS_CLEAR_DOUBLE 4U

/* One access of a word (<arm/copy.h>). */
static int ecc_get(volatile uint8_t *reg, uint32_t *value)
{
	return copy_checked(value, (const void *)(uintptr_t)reg, sizeof(*value));
}

static int ecc_put(volatile uint8_t *reg, uint32_t value)
{
	return copy_checked((void *)(uintptr_t)reg, &value, sizeof(value));
}

static int ddr_start(const struct ecc_model *model, volatile uint8_t *regs)
{
	uint32_t opt;

	if (ecc_get(regs + model->errors + DDR_ECC_OPT, &opt))
		return -EIO;
	return OPT_MODE(opt) == MODE_NONE || OPT_MODE(opt) == MODE_GENERATE ? -ENODEV : 0;
}

/* The address has 32 bits; Linux takes it as that of the CPUs, for memory begins at 0. */
static int ddr_serve(const struct ecc_model *model, volatile uint8_t *regs, uint32_t n, struct ecc_report *report)
{
	uint32_t status, address = 0;
	int ret = ecc_get(regs + model->interrupts + DDR_INT_STATUS, &status);

	if (!ret && status & INT_HAS_ADDRESS)
		ret = ecc_get(regs + model->errors + DDR_U_ERR_ADDR, &address);
	if (ret)
		return ret;
	*report = (struct ecc_report){
		.corrected = INT_CORRECTED(status),
		.uncorrected = INT_LOST(status),
		.has_address = status & INT_HAS_ADDRESS,
		.address = address,
	};
	return ecc_put(regs + model->interrupts + DDR_INT_ACK, status);
}

/*
 * By the binding the first interrupt is that of single-bit errors; Linux' driver takes it for the other. Both are ended
 * whichever comes, because one that is not would come without end.
 */
static int sregs_serve(const struct ecc_model *model, volatile uint8_t *regs, uint32_t n, struct ecc_report *report)
{
	*report = (struct ecc_report){.corrected = n == 0, .uncorrected = n == 1};
	return ecc_put(regs + SREGS_CLEAR_SINGLE, 1) | ecc_put(regs + SREGS_CLEAR_DOUBLE, 1);
}

const struct ecc_model ecc_highbank = {"memory controller", 1, 0x128, 0x180, ddr_start, ddr_serve};
const struct ecc_model ecc_midway = {"memory controller", 1, 0x1b4, 0x218, ddr_start, ddr_serve};
const struct ecc_model ecc_sregs = {"L2 cache", 2, 0, 0, NULL, sregs_serve};

void ecc_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct host *host = scan->host;
	struct host_range reg;
	struct host_ecc *ecc;

	if (host->ecc_count == HOST_ECC_MAX || !dt_reg(node, 0, &reg))
		return;
	ecc = &host->ecc[host->ecc_count++];
	*ecc = (struct host_ecc){driver->compatible, reg.base, driver->data, {0}};
	for (uint32_t i = 0; i < ecc->model->irqs; i++)
		ecc->irq[i] = dt_gic_irq(node, i);
}
