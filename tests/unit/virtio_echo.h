/* SPDX-License-Identifier: BSD-2-Clause */
/* A device of virtio for the tests of the transport: it answers with one byte over and over, and waits where it is told
 * to. */
#ifndef TESTS_UNIT_VIRTIO_ECHO_H
#define TESTS_UNIT_VIRTIO_ECHO_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "fake_page.h"
#include "hyp/load/tree.h"
#include "virtio_rig.h"

#define OK (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)

#define FEATURES   (BIT64(5) | BIT64(40))
#define OFFERED    (FEATURES | BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_VERSION_1))
#define CHUNK      1024U
#define QUEUE_SIZE 16U

/* Writes the same byte into all that it may, CHUNK at a time; waits where the test says so. */
struct echo {
	struct virtio_device virtio;
	struct virtio_state state;
	uint32_t resets, config_writes;
};

static bool waits, legacy;

static inline enum virtio_served echo_serve(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
					    struct virtq_step *step, uint32_t *written)
{
	static const uint8_t pattern[CHUNK] = {[0 ... CHUNK - 1] = 0x77};
	uint32_t n;

	(void)v;
	assert_in_range(queue, 0, 1);
	if (waits)
		return VIRTIO_WAIT;
	while (chain->out.left > 0) {
		n = MIN(MIN(chain->out.left, CHUNK), step->bytes);
		if (n == 0)
			return VIRTIO_MORE;
		if (guest_scatter(step->view, &chain->out, pattern, n))
			break;
		step->bytes -= n;
		chain->phase += n;
	}
	*written = chain->phase;
	return VIRTIO_DONE;
}

static inline void echo_write_config(struct virtio_device *v, uint32_t offset, uint32_t value, uint32_t size)
{
	((struct echo *)v)->config_writes++;
	virtio_config_change(v, offset, &value, size);
}

static inline void echo_reset(struct virtio_device *v)
{
	((struct echo *)v)->resets++;
}

static const struct virtio_backend echo_backend = {
	.name = "echo",
	.id = VIRTIO_ID_BLOCK,
	.features = FEATURES,
	.queues = 2,
	.queue_size = QUEUE_SIZE,
	.serve = echo_serve,
	.write_config = echo_write_config,
	.reset = echo_reset,
};

static inline int echo_create(struct device *device)
{
	struct echo *e = (struct echo *)virtio_of(device);
	int ret;

	e->virtio.legacy = legacy;
	ret = virtio_create(&e->virtio, &echo_backend, &e->state, 0);
	if (!ret)
		virtio_config_set(&e->virtio, 0, "abcdefgh", 8);
	return ret;
}

static const struct device_class echo_class = {
	.name = "virtio-echo",
	.size = sizeof(struct echo),
	.saved = offsetof(struct echo, state),
	.create = echo_create,
	.reset = virtio_reset,
	.describe = virtio_describe,
	.restore = virtio_restore,
	.quiesce = virtio_quiesce,
	.destroy = virtio_destroy,
};

static inline struct echo *begin(void)
{
	waits = legacy = false;
	return (struct echo *)rig_begin(&echo_class, "echo0");
}

/* A chain of `bytes` for the device to write, from descriptor 0. */
static inline void offer_bytes(uint32_t bytes)
{
	rig_desc(0, RIG_DATA, bytes, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
}

static inline void accept(uint64_t features)
{
	rig_write(VIRTIO_STATUS, 0);
	for (uint32_t i = 0; i < 2; i++) {
		rig_write(VIRTIO_DRIVER_FEATURES_SEL, i);
		rig_write(VIRTIO_DRIVER_FEATURES, (uint32_t)(features >> 32U * i));
	}
	rig_write(VIRTIO_STATUS, VIRTIO_STATUS_FEATURES_OK);
}

#endif
