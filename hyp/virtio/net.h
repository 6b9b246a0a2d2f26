/* SPDX-License-Identifier: BSD-2-Clause */
/* What a network card of a VM counts, for people (hyp/virtio/net.c). */
#ifndef HYP_VIRTIO_NET_H
#define HYP_VIRTIO_NET_H

#include <stdint.h>

#include "hyp/vdev/device.h"
#include "hyp/virtio/switch.h"

enum net_drop {
	/* of what its driver sends */
	NET_MALFORMED, /* no frame: too short, too long, in too many pieces, not in RAM */
	NET_SPOOFED,   /* from an address that is not its own */
	NET_UNKNOWN,   /* to an address that no port has */
	NET_ISOLATED,  /* to itself, or both are isolated */
	NET_STORM,     /* to all or to a group, more often than it may */
	/* of what others send to it */
	NET_DOWN,      /* its VM does not run, or no driver does */
	NET_NO_BUFFER, /* its driver has given it none */
	NET_SMALL,     /* the frame does not fit into the buffer */
	NET_FAULT,     /* the buffer is not in RAM */
	NET_DROPS,
};

/* Sent: under the device's lock. Received: under its receive_lock. */
struct net_count {
	uint32_t sent, received; /* frames; one to all is sent once */
	uint32_t dropped[NET_DROPS];
};

extern const struct device_class virtio_net_class;

/* Of a device of that class. */
const struct net_count *net_counts(const struct device *device);
const struct switch_port *net_port(const struct device *device);

#endif
