/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entropy device (virtio 1.2, 5.4): fills what its driver offers with numbers of hyp/host/random.h. A request gets at
 * most RNG_BYTES, which 5.4.6.2 allows, and is a step of its own: numbers cost far more than a copy.
 */
#include "hyp/host/random.h"
#include "hyp/lib/bits.h"
#include "hyp/load/property.h"
#include "hyp/virtio/virtio.h"

#define RNG_QUEUE_SIZE 64U
#define RNG_BYTES      256U

struct vrng {
	struct virtio_device virtio;
	struct virtio_state state;
};

static enum virtio_served rng_serve(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
				    struct virtq_step *step, uint32_t *written)
{
	uint8_t bytes[RNG_BYTES];
	uint32_t len = 0;

	if (chain->out.left > 0) {
		len = virtq_share(step, &chain->out, MIN(chain->out.left, sizeof(bytes)));
		if (len == 0)
			return VIRTIO_MORE;
	}
	random_bytes(bytes, len);
	if (len == 0 || guest_scatter(step->view, &chain->out, bytes, len)) {
		v->device.count.errors++;
		len = 0;
	}
	v->device.count.bytes += len;
	*written = len;
	step->bytes = 0;
	return VIRTIO_DONE;
}

static const struct virtio_backend rng_backend = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.queues = 1,
	.queue_size = RNG_QUEUE_SIZE,
	.serve = rng_serve,
};

static int vrng_create(struct device *device)
{
	struct virtio_device *v = virtio_of(device);

	return virtio_create(v, &rng_backend, &((struct vrng *)v)->state, 0);
}

#define NODE(compatible)
#define PROPERTY(property_name, property_kind, field, ...) \
	{.name = property_name, .kind = property_kind, PROPERTY_FIELD(struct vrng, field), __VA_ARGS__},
static const struct property vrng_properties[] = {
#include "hyp/virtio/rng.def"
	{.name = NULL},
};

const struct device_class vrng_class = {
	.name = "virtio-rng",
	.compatible = "virt7,virtio-rng",
	.properties = vrng_properties,
	.size = sizeof(struct vrng),
	.saved = offsetof(struct vrng, state),
	.heap = RNG_QUEUE_SIZE * sizeof(struct guest_piece),
	.create = vrng_create,
	.reset = virtio_reset,
	.describe = virtio_describe,
	.restore = virtio_restore,
	.quiesce = virtio_quiesce,
	.destroy = virtio_destroy,
};
