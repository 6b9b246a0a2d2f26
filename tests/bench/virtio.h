/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bench guest's virtio drivers have in common (virtio 1.2, 2.7 and 4.2): version 2, queues of 256 entries. */
#ifndef BENCH_VIRTIO_H
#define BENCH_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/virtio_regs.h"
#include "tests/guests/lib/guest.h"

#define VQ_SIZE 256U

/* A register of the transport in slot `slot`. */
#define VIRTIO_AT(slot, offset) (MACHINE_VIRTIO_BASE + (slot)*MACHINE_VIRTIO_SIZE + (offset))

struct vq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vq_avail {
	uint16_t flags, index, ring[VQ_SIZE];
	uint16_t used_event;
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
	struct vq_used used __attribute__((aligned(4)));
	struct vq_avail avail;
};

static inline struct vq_desc vq_desc(const volatile void *at, uint32_t len, uint32_t flags, uint32_t next)
{
	return (struct vq_desc){(uint32_t)at, len, (uint16_t)flags, (uint16_t)next};
}

/*
 * The device in the slot has its first `count` queues and runs; its interrupt is enabled at the GIC. `features`: of
 * the first 32. False: it is not of this type and version 2.
 */
bool vq_begin(uint32_t slot, uint32_t id, uint32_t features, volatile struct vq *const *queues, uint32_t count);

#endif
