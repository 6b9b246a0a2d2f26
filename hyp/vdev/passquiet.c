/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bus masters of the host made quiet: a device that has been reset by its own register begins no access to RAM any
 * more, and when the register says that the reset is over, none is under way. Which register is in hyp/host/drivers.c.
 */
#include <arm/copy.h>

#include <libfdt.h>

#include "hyp/host/driver.h"
#include "hyp/run/sched.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/passthrough.h"

#define PATIENCE_MS 100U /* a reset takes microseconds */

const struct host_quiet *passquiet_find(const struct hostdev *dev)
{
	const void *tree = hostdev_tree();
	int strings = fdt_stringlist_count(tree, dev->node, "compatible");

	for (int i = 0; i < strings; i++) {
		const char *text = fdt_stringlist_get(tree, dev->node, "compatible", i, NULL);
		const struct host_driver *driver = text ? host_driver(text) : NULL;

		if (driver && driver->quiet && driver->quiet->offset + sizeof(uint32_t) <= dev->reg[0].size)
			return driver->quiet;
	}
	return NULL;
}

uint64_t passquiet_register(const struct host_quiet *quiet, const struct hostdev *dev)
{
	return dev->reg[0].base + quiet->offset;
}

static bool reset_device(const struct host_quiet *quiet, uint8_t *at)
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

bool passquiet_reset(const struct host_quiet *quiet, uint8_t *at)
{
	struct fault_kept kept = fault_keep();
	bool is_quiet = quiet && reset_device(quiet, at);

	fault_give_back(kept);
	return is_quiet;
}
