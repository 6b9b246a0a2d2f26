/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio devices of a guest: what the specification (virtio 1.2) has in common for all of them is here, what each kind
 * does is its backend's.
 *
 *   mmio.c     the transports: 32 slots in one region of the bus, registers of version 1 and 2, life of a device
 *   queue.c    split queues: rings, chains of descriptors
 *   rng.c      entropy device
 *   blk.c      block device; disk.c is what it reads and writes, blk_host.c where that is on a disk of the host's
 *              (hostdisk.c, partition.c)
 *   console.c  a console beside the UART
 *   net.c      network card, net_*.c its work; switch.c is what it is plugged into
 *
 * A backend is a struct virtio_backend and a device class (hyp/vdev/device.h) with a row in hyp/vdev/classes.def, whose
 * instance begins with a struct virtio_device and ends with a struct virtio_state and what else of it is plain data.
 * The functions virtio_reset(), virtio_describe(), ... are those of its class, virtio_create() ends its create().
 *
 * Who works: the vCPU that writes to QueueNotify serves the queue there and then, for a step: at most VIRTQ_STEP_BYTES
 * or VIRTQ_STEP_PIECES, or a part of the first touch of a block of RAM. What is left, and what another CPU is at, it
 * marks (WORK_VIRTIO) and serves in further steps on its way back into the guest. Between two of them come interrupts,
 * the scheduler, the checkpoint: reset, pause and slices need nothing here. Several vCPUs may serve a device in turn;
 * nothing is allocated.
 *
 * Locks: device->lock for all of a device but its interrupt; it is held while a step lasts, so that a reset is complete
 * when it returns. Inside of it device->receive_lock, for queues that other devices fill: those take it and not the
 * first, and who changes what a queue is has both. Inside of that device->irq_lock, for InterruptStatus and the line,
 * so that an acknowledgement need not wait for a step. All are device locks (hyp/run/percpu.h).
 */
#ifndef HYP_VIRTIO_VIRTIO_H
#define HYP_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/spinlock.h>

#include "hyp/vdev/device.h"
#include "hyp/virtio/queue.h"
#include "hyp/lib/virtio_regs.h"

struct vcpu;
struct virtio_device;

#define VIRTIO_QUEUES_MAX   4U
#define VIRTIO_CONFIG_BYTES 256U

/* The device types of chapter 5 that there are. */
enum virtio_id { VIRTIO_ID_NONE, VIRTIO_ID_NET, VIRTIO_ID_BLOCK, VIRTIO_ID_CONSOLE, VIRTIO_ID_RNG };

enum virtio_served {
	VIRTIO_DONE, /* the chain is the driver's again */
	VIRTIO_MORE, /* the step is used up: call again in the next one */
	VIRTIO_WAIT, /* nothing to give it now: virtio_wake() when there is */
};

struct virtio_backend {
	const char *name; /* for people */
	enum virtio_id id;
	uint64_t features; /* beyond those of every device */
	uint32_t queues, queue_size;
	uint32_t filled; /* bit n: other devices fill queue n, under receive_lock, and who kicks it asks for nothing */

	/*
	 * Work on the chain of queue `queue`, as far as virtq_share() and virtq_reserve() say. VIRTIO_DONE: *written
	 * are the bytes that it has written, from the first that the device may write. Under the device's lock.
	 */
	enum virtio_served (*serve)(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
				    struct virtq_step *step, uint32_t *written);
	/* NULL: what is written to configuration space has no effect. Under the device's lock. */
	void (*write_config)(struct virtio_device *v, uint32_t offset, uint32_t value, uint32_t size);
	/*
	 * NULL: it keeps nothing for a chain. The one that may have been begun of the queue is dropped: the
	 * queue is closed, or the chain read anew; or (`broken`) it is not served any more, and is closed later. Under
	 * the device's lock.
	 */
	void (*forget)(struct virtio_device *v, uint32_t queue, bool broken);
	/*
	 * NULL: never. A device of the host's is at work in the guest's RAM for it, and is to be waited for before a
	 * queue is closed or the device reset. That ends. Under the device's lock.
	 */
	bool (*is_busy)(struct virtio_device *v);
	/* NULL: nothing of its own to reset; its queues are empty. Under the device's lock. */
	void (*reset)(struct virtio_device *v);
};

/* What a transport's registers and configuration space read as; the transport keeps it so. */
union virtio_page {
	uint32_t word[(VIRTIO_CONFIG + VIRTIO_CONFIG_BYTES) / 4U];
	uint16_t half[(VIRTIO_CONFIG + VIRTIO_CONFIG_BYTES) / 2U];
	uint8_t byte[VIRTIO_CONFIG + VIRTIO_CONFIG_BYTES];
};

/* All of a device that its driver can see, without the memory that it shares: plain data. */
struct virtio_state {
	union virtio_page page;
	uint32_t driver_features[2], driver_features_sel;
	uint32_t queue_sel, page_size;
	volatile uint32_t kicked; /* bit n: queue n may have something */
	struct virtq_state queue[VIRTIO_QUEUES_MAX];
};

struct virtio_device {
	struct device device;
	const struct virtio_backend *backend;
	struct virtio_state *state; /* at the end of the instance, where what is saved begins */
	uint32_t slot;
	uint32_t last;     /* queue that was served last */
	bool legacy;       /* version 1; its node, or its VM, says so */
	uint64_t features; /* that it offers */
	struct spinlock lock, receive_lock, irq_lock;
	bool line;     /* as the vGIC was last told */
	uint32_t runs; /* bit n: queue n is ready, and the driver drives the device */
	struct virtq queue[VIRTIO_QUEUES_MAX];
	struct guest_piece *pieces; /* of all queues */
};

/* The slots of a VM. Every VM has one, which is not a device of the bundle's. */
extern const struct device_class virtio_bus_class;

static inline struct virtio_device *virtio_of(struct device *device)
{
	return (struct virtio_device *)(void *)device; /* its first member */
}

/*
 * Take the next slot, for a device of `backend` whose state is at `state`. `more_features` beside those of the backend.
 * Configuration space is filled by virtio_config_set() afterwards. 0; -EINVAL after one logged line; -ENOMEM.
 */
int virtio_create(struct virtio_device *v, const struct virtio_backend *backend, struct virtio_state *state,
		  uint64_t more_features);

/* Of a device class. */
void virtio_reset(struct device *device);
void virtio_describe(const struct device *device, struct tree *tree);
void virtio_restore(struct device *device);
void virtio_quiesce(struct device *device);
void virtio_destroy(struct device *device);

/* Fill configuration space, of a new device. */
void virtio_config_set(struct virtio_device *v, uint32_t offset, const void *value, uint32_t len);

/* Change it while the driver may read it: the next generation, and an interrupt. Under the device's lock. */
void virtio_config_change(struct virtio_device *v, uint32_t offset, const void *value, uint32_t len);

/* Has the driver accepted feature `bit`? */
static inline bool virtio_has(const struct virtio_device *v, uint32_t bit)
{
	return v->state->driver_features[bit / 32U] >> bit % 32U & (uint32_t)(v->features >> bit) & 1U;
}

static inline void virtio_forget(struct virtio_device *v, uint32_t queue, bool broken)
{
	if (v->backend->forget)
		v->backend->forget(v, queue, broken);
}

/* Does the driver use the device, and the device the queue? Under the device's lock, or the queue's. */
static inline bool virtio_queue_runs(const struct virtio_device *v, uint32_t queue)
{
	return v->runs >> queue & 1U;
}

/*
 * What the queue waits for may be there: have a vCPU of the VM serve it, be it suspended. Any CPU, any context, no
 * device lock held.
 */
void virtio_wake(struct virtio_device *v, uint32_t queue);

/* The driver has broken the queue: DEVICE_NEEDS_RESET and a line within the VM's budget. Under the device's lock, or
 * the queue's.
 */
void virtio_break(struct virtio_device *v, uint32_t queue, const char *why);

/* Show the driver what has been put into the queue, with an interrupt if it wants one. Under the device's lock, or the
 * queue's. */
void virtio_publish(struct virtio_device *v, uint32_t queue, const struct virtq_step *step);

/*
 * A step of what the current vCPU has been asked for (WORK_VIRTIO, virtio_slots). True: there is more, and who calls
 * sees to it that it comes back.
 */
bool virtio_work(struct vcpu *vcpu);

#endif
