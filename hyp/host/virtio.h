/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's virtio devices on virtio-mmio as virt7 drives them (virtio 1.2, 4.2): the driver's side of a transport, of
 * register version 1 or 2, and of split queues (2.7). The device writes to virt7's memory as it likes, but what it says
 * of a queue is checked: no value of its leads outside of what virt7 has given it.
 */
#ifndef HYP_HOST_VIRTIO_H
#define HYP_HOST_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/host/host.h"

#define HOSTVIRTIO_NET   1U
#define HOSTVIRTIO_BLOCK 2U
#define HOSTVIRTIO_RNG   4U

struct hostvirtio {
	int node; /* of the host's tree */
	volatile uint8_t *regs;
	bool legacy;       /* register version 1 */
	bool coherent;     /* what the device reads and writes in RAM goes through the CPUs' caches */
	uint32_t irq;      /* of the host's GIC */
	uint64_t features; /* that both sides have */
};

struct hostq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct hostq_ring {
	uint16_t flags, index;
	uint16_t entry[];
};

struct hostq_used {
	uint16_t flags, index;
	struct {
		uint32_t id, len;
	} entry[];
};

/* A queue that is at work. */
struct hostq {
	struct hostvirtio *v;
	uint32_t index, size; /* size: a power of two */
	struct hostq_desc *desc;
	volatile struct hostq_ring *avail;
	const volatile struct hostq_used *used;
	uint16_t used_next;
};

/* The transport at `path` of the host's tree, or of an alias of it. NULL; else what is wrong, in words for people. */
const char *hostvirtio_find(struct hostvirtio *v, const struct host *host, const char *path);

/* Is there a device of kind `id` at `base`, in a transport of which nothing else is asked? It is v's then. */
bool hostvirtio_is_at(struct hostvirtio *v, uint64_t base, uint32_t id);

/*
 * The device in it, of kind `id`, reset, with those of `features` that it has, and with VERSION_1 or, in version 1 of
 * the registers, ANY_LAYOUT where it knows that. As hostvirtio_find().
 */
const char *hostvirtio_open(struct hostvirtio *v, uint32_t id, uint64_t features);

/* Queue `index` with `size` entries, a power of two, or as many as the device has. NULL, or what is wrong. */
const char *hostq_open(struct hostvirtio *v, struct hostq *q, uint32_t index, uint32_t size);

/* After the device has been reset: the queue's memory goes back. */
void hostq_close(struct hostq *q);

/* From here on the device is at work. */
void hostvirtio_start(struct hostvirtio *v);

/*
 * As after power-on: when this returns the device writes nothing any more (4.2.2.1, QEMU's and the text's). False: it
 * never ended, and may.
 */
bool hostvirtio_reset(struct hostvirtio *v);

/* What has interrupted (VIRTIO_INT_*), acknowledged. */
uint32_t hostvirtio_acknowledge(struct hostvirtio *v);

/* A field of configuration space, or several bytes, by the widths that 4.2.2.2 has; of version 1 all is read by bytes.
 */
void hostvirtio_config(const struct hostvirtio *v, uint32_t offset, void *to, uint32_t len);

/* The chain that begins with this descriptor is the device's. hostq_notify() tells it of all that there are. */
void hostq_put(struct hostq *q, uint32_t desc);
void hostq_notify(struct hostq *q);

/* The next chain that the device has ended: its first descriptor, below the size, and what it has written of it. */
bool hostq_take(struct hostq *q, uint32_t *desc, uint32_t *len);

/* Does the device interrupt when it has ended a chain? True, of `on`: it had ended one before it knew. */
bool hostq_interrupt(struct hostq *q, bool on);

#endif
