/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two halves of the transport share (hyp/virtio/mmio.c, hyp/virtio/device.c). */
#ifndef HYP_VIRTIO_BUS_H
#define HYP_VIRTIO_BUS_H

#include "hyp/virtio/virtio.h"
#include "hyp/vm/machine.h"

struct virtio_bus {
	struct device device;
	uint32_t count; /* of slots that are taken: the first ones */
	const union virtio_page *page[MACHINE_VIRTIO_COUNT];
	struct virtio_device *slot[MACHINE_VIRTIO_COUNT]; /* NULL: empty */
};

/* A write to any register but QueueNotify and InterruptACK, or to configuration space. */
void virtio_write(struct vcpu *vcpu, struct virtio_device *v, uint32_t reg, uint32_t value, uint32_t size);

/* Set and clear bits of InterruptStatus; the interrupt line follows. */
void virtio_irq_set(struct virtio_device *v, uint32_t set, uint32_t clear);

/* Have this CPU's vCPU serve the device on its way back into the guest. */
void virtio_ask(struct vcpu *vcpu, const struct virtio_device *v);

#endif
