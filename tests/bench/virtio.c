/* SPDX-License-Identifier: BSD-2-Clause */
/* Setting up a virtio device (tests/bench/virtio.h). */
#include "tests/bench/virtio.h"

#include "tests/guests/lib/gic.h"

static void set_up_queue(uint32_t slot, uint32_t index, const volatile struct vq *queue)
{
	write32(VIRTIO_AT(slot, VIRTIO_QUEUE_SEL), index);
	write32(VIRTIO_AT(slot, VIRTIO_QUEUE_NUM), VQ_SIZE);
	write32(VIRTIO_AT(slot, VIRTIO_QUEUE_DESC_LOW), (uint32_t)queue->desc);
	write32(VIRTIO_AT(slot, VIRTIO_QUEUE_DRIVER_LOW), (uint32_t)&queue->avail);
	write32(VIRTIO_AT(slot, VIRTIO_QUEUE_DEVICE_LOW), (uint32_t)&queue->used);
	write32(VIRTIO_AT(slot, VIRTIO_QUEUE_READY), 1);
}

bool vq_begin(uint32_t slot, uint32_t id, uint32_t features, volatile struct vq *const *queues, uint32_t count)
{
	const uint32_t drives = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK;
	uint32_t spi = MACHINE_SPI_VIRTIO(slot);

	if (read32(VIRTIO_AT(slot, VIRTIO_VERSION)) != 2 || read32(VIRTIO_AT(slot, VIRTIO_DEVICE_ID)) != id)
		return false;
	write32(VIRTIO_AT(slot, VIRTIO_STATUS), 0);
	write32(VIRTIO_AT(slot, VIRTIO_DRIVER_FEATURES_SEL), 0);
	write32(VIRTIO_AT(slot, VIRTIO_DRIVER_FEATURES), features);
	write32(VIRTIO_AT(slot, VIRTIO_DRIVER_FEATURES_SEL), 1);
	write32(VIRTIO_AT(slot, VIRTIO_DRIVER_FEATURES), 1);
	write32(VIRTIO_AT(slot, VIRTIO_STATUS), drives);
	for (uint32_t i = 0; i < count; i++)
		set_up_queue(slot, i, queues[i]);
	write32(VIRTIO_AT(slot, VIRTIO_STATUS), drives | VIRTIO_STATUS_DRIVER_OK);
	gic_edge(spi, true);
	gic_target_self(spi);
	gic_enable(spi);
	return read32(VIRTIO_AT(slot, VIRTIO_STATUS)) == (drives | VIRTIO_STATUS_DRIVER_OK);
}
