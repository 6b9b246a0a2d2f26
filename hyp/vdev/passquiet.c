/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bus masters of the host made quiet: a device that has been reset by its own register begins no access to RAM any
 * more, and when the register says that the reset is over, none is under way. One row a kind of device.
 */
#include <arm/copy.h>

#include <libfdt.h>

#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/passthrough.h"

#define PATIENCE_MS 100U /* a reset takes microseconds */

struct pass_quiet {
	const char *compatible;
	uint32_t offset;    /* of the register, in the first range of them */
	uint32_t keep, set; /* what is written: what has been read and these bits, or these */
	uint32_t busy;      /* bits that are clear once it is over */
};

static const struct pass_quiet rows[] = {
	{"virtio,mmio", 0x070, 0, 0, 0xff},                 /* virtio 1.2, 4.2.2.1: Status */
	{"generic-ahci", 0x004, ~0U, 1, 1},                 /* AHCI 1.3.1, 3.1.2: GHC.HR */
	{"calxeda,hb-ahci", 0x004, ~0U, 1, 1},              /* the same register */
	{"calxeda,hb-xgmac", 0xf00, ~0U, 1, 1},             /* DMA bus mode, software reset */
	{"snps,dwmac", 0x1000, ~0U, 1, 1},                  /* DMA bus mode, software reset */
	{"allwinner,sun8i-h3-emac", 0x004, ~0U, 1, 1},      /* basic control 1, soft reset */
	{"allwinner,sun7i-a20-mmc", 0x000, ~0U, 7, 7},      /* GCTRL: soft, FIFO and DMA reset */
	{"fsl,imx6ul-usdhc", 0x02c, ~0U, BIT(24), BIT(24)}, /* SYS_CTRL: RSTA */
	{"fsl,imx6sl-usdhc", 0x02c, ~0U, BIT(24), BIT(24)},
	{"fsl,imx7d-usdhc", 0x02c, ~0U, BIT(24), BIT(24)},
	{"fsl,imx6q-fec", 0x024, ~0U, 1, 1}, /* ECR: RESET */
	{"fsl,imx6sx-fec", 0x024, ~0U, 1, 1},
	{"fsl,imx7d-fec", 0x024, ~0U, 1, 1},
};

const struct pass_quiet *passquiet_find(const struct hostdev *dev)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!fdt_node_check_compatible(hostdev_tree(), dev->node, rows[i].compatible) &&
		    rows[i].offset + sizeof(uint32_t) <= dev->reg[0].size)
			return &rows[i];
	return NULL;
}

uint64_t passquiet_register(const struct pass_quiet *quiet, const struct hostdev *dev)
{
	return dev->reg[0].base + quiet->offset;
}

static bool reset_device(const struct pass_quiet *quiet, uint8_t *at)
{
	uint64_t end = timer_now() + (uint64_t)PATIENCE_MS * timer_hz() / 1000U;
	uint32_t value = 0;

	if (quiet->keep && load_device_checked(&value, at, sizeof(value)))
		return false;
	if (store_device_checked(at, (value & quiet->keep) | quiet->set, sizeof(value)))
		return false;
	for (;;) {
		if (load_device_checked(&value, at, sizeof(value)))
			return false;
		if (!(value & quiet->busy) || timer_now() >= end)
			return !(value & quiet->busy);
		sched_preempt();
	}
}

bool passquiet_reset(const struct pass_quiet *quiet, uint8_t *at)
{
	struct fault_kept kept = fault_keep();
	bool is_quiet = quiet && reset_device(quiet, at);

	fault_give_back(kept);
	return is_quiet;
}
