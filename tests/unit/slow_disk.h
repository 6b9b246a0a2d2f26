/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk of the host's that does one request at a time, and says nothing when it is done: it is asked. It stands for a
 * controller of SD cards.
 */
#ifndef TESTS_UNIT_SLOW_DISK_H
#define TESTS_UNIT_SLOW_DISK_H

#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arm/spinlock.h>

#include "hyp/host/diskdev.h"

static struct {
	const struct spinlock *lock; /* the disk's, held whenever it is asked for something */
	uint32_t steps;              /* until it is ready */
	const char *wrong;           /* then, or with a request */
	bool restless;
	uint32_t looks, acknowledged, begun;
	uint32_t slot; /* under way; 0 is none */
	bool done;
} slow;

static const char *slow_find(struct diskdev *dev, const struct host *host, const char *path)
{
	dev->node = fdt_path_offset(host->fdt, path);
	dev->irq = 79;
	return NULL;
}

static const char *slow_start(struct diskdev *dev, bool *ready)
{
	assert_int_equal(dev->hz, 1000);
	dev->sectors = 100;
	*ready = slow.steps-- == 0;
	return *ready ? slow.wrong : NULL;
}

static bool slow_stop(struct diskdev *dev)
{
	(void)dev;
	return !slow.restless;
}

static void slow_acknowledge(struct diskdev *dev)
{
	assert_true(slow.lock->held);
	slow.acknowledged++;
}

static void slow_begin(struct diskdev *dev, uint32_t slot, enum diskdev_type type, uint64_t sector, uint32_t len)
{
	assert_true(slow.lock->held);
	slow.slot = slot + 1U;
	slow.begun++;
}

static bool slow_take(struct diskdev *dev, uint32_t *slot, const char **wrong)
{
	assert_true(slow.lock->held);
	slow.looks++;
	if (!slow.done)
		return false;
	*slot = slow.slot - 1U;
	*wrong = slow.wrong;
	slow.done = false;
	slow.slot = 0;
	return true;
}

static bool slow_go_on(struct diskdev *dev)
{
	return slow.slot > 0;
}

const struct diskdev_driver diskdev_sunxi = {
	.compatible = "allwinner,sun7i-a20-mmc",
	.size = sizeof(struct diskdev),
	.find = slow_find,
	.start = slow_start,
	.stop = slow_stop,
	.acknowledge = slow_acknowledge,
	.begin = slow_begin,
	.take = slow_take,
	.go_on = slow_go_on,
};

#endif
