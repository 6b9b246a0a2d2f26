/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver of virtio-mmio (virtio 1.2, 4.2.2) for tests: registers of a slot, a queue of VQ_SIZE entries, block
 * requests. Everything is where the test can spoil it.
 */
#ifndef GUEST_VIRTIO_H
#define GUEST_VIRTIO_H

#include "hyp/lib/virtio_regs.h"
#include "tests/guests/lib/guest.h"

#define VIO_SLOT(n)  (MACHINE_VIRTIO_BASE + (n)*MACHINE_VIRTIO_SIZE)
#define VIO_ID_BLOCK 2U
#define VIO_DRIVES   (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK)

#define BLK_SECTOR    512U
#define BLK_IN        0U
#define BLK_OUT       1U
#define BLK_OK        0U
#define BLK_IOERR     1U
#define BLK_UNSUPP    2U
#define BLK_NO_STATUS 0xffU

#define VQ_SIZE 64U

struct vq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vq_used {
	uint16_t flags, index;
	struct {
		uint32_t id, len;
	} ring[VQ_SIZE];
	uint16_t avail_event;
};

struct vq {
	struct vq_desc desc[VQ_SIZE] __attribute__((aligned(16)));
	volatile uint16_t avail[4 + VQ_SIZE]; /* flags, index, ring, used_event */
	volatile struct vq_used used __attribute__((aligned(4)));
};

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

/* Where a queue of the slot is, and whether the device takes it. */
static inline bool vq_place_of(uint32_t base, uint32_t queue, uint32_t size, uint64_t desc, uint64_t avail,
			       uint64_t used)
{
	write32(base + VIRTIO_QUEUE_SEL, queue);
	write32(base + VIRTIO_QUEUE_NUM, size);
	write32(base + VIRTIO_QUEUE_DESC_LOW, (uint32_t)desc);
	write32(base + VIRTIO_QUEUE_DESC_HIGH, (uint32_t)(desc >> 32));
	write32(base + VIRTIO_QUEUE_DRIVER_LOW, (uint32_t)avail);
	write32(base + VIRTIO_QUEUE_DRIVER_HIGH, (uint32_t)(avail >> 32));
	write32(base + VIRTIO_QUEUE_DEVICE_LOW, (uint32_t)used);
	write32(base + VIRTIO_QUEUE_DEVICE_HIGH, (uint32_t)(used >> 32));
	write32(base + VIRTIO_QUEUE_READY, 1);
	return read32(base + VIRTIO_QUEUE_READY) == 1;
}

/* Queue 0. */
static inline bool vq_place(uint32_t base, uint32_t size, uint64_t desc, uint64_t avail, uint64_t used)
{
	return vq_place_of(base, 0, size, desc, avail, used);
}

/* A reset, and the features VERSION_1 and `features`, the first 32; up to FEATURES_OK. False: refused. */
static inline bool vio_negotiate(uint32_t base, uint32_t features)
{
	write32(base + VIRTIO_STATUS, 0);
	write32(base + VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
	write32(base + VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	write32(base + VIRTIO_DRIVER_FEATURES_SEL, 0);
	write32(base + VIRTIO_DRIVER_FEATURES, features);
	write32(base + VIRTIO_DRIVER_FEATURES_SEL, 1);
	write32(base + VIRTIO_DRIVER_FEATURES, 1);
	write32(base + VIRTIO_STATUS, VIO_DRIVES);
	return read32(base + VIRTIO_STATUS) == VIO_DRIVES;
}

/* Descriptor `head` begins a chain that the device shall serve; without a notification. */
static inline void vq_offer(struct vq *q, uint32_t head)
{
	q->avail[2 + q->avail[1] % VQ_SIZE] = (uint16_t)head;
	dmb();
	q->avail[1]++;
	dmb();
}

#endif
