/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network card's insides, for hyp/virtio/net*.c: net.c has its life, net_send.c what it sends, net_receive.c what
 * others put into it, net_control.c what its driver asks it for.
 *
 * Locks: what is sent is served under the sender's lock. The receive queue, and what is counted there, is under
 * receive_lock of its device, which is the lock of its port.
 */
#ifndef HYP_VIRTIO_VNET_H
#define HYP_VIRTIO_VNET_H

#include <assert.h>
#include <stddef.h>

#include "hyp/lib/bits.h"
#include "hyp/virtio/net.h"
#include "hyp/virtio/offload.h"
#include "hyp/virtio/virtio.h"

/* Feature bits (5.1.3). */
#define F_CSUM       0U
#define F_GUEST_CSUM 1U
#define F_MTU        3U
#define F_MAC        5U
#define F_GUEST_TSO4 7U
#define F_GUEST_TSO6 8U
#define F_HOST_TSO4  11U
#define F_HOST_TSO6  12U
#define F_MRG_RXBUF  15U
#define F_STATUS     16U
#define F_CTRL_VQ    17U
#define F_CTRL_RX    18U
#define F_CTRL_EXTRA 20U
#define F_CTRL_MAC   23U

#define QUEUE_RECEIVE  0U
#define QUEUE_TRANSMIT 1U
#define QUEUE_CONTROL  2U

#define MTU             1500U
#define NET_PIECES      24U                        /* Linux: 17 fragments, and what is in front of them */
#define NET_BUFFERS     64U                        /* that one frame is put into: 45 of Linux' smallest */
#define NET_DESCRIPTORS (NET_BUFFERS + NET_PIECES) /* that are read for one frame, at most */

#define HEADER_BYTES        sizeof(struct net_header)
#define HEADER_BYTES_LEGACY offsetof(struct net_header, buffers)
static_assert(HEADER_BYTES == 12 && HEADER_BYTES + ETHER_HEADER <= VIRTQ_STEP_PIECES, "5.1.6; virtq_reserve()");
static_assert(offsetof(struct net_frame, head) == HEADER_BYTES, "both are read and written at once");

/* Configuration space (5.1.4), as far as it is used. */
struct net_config {
	uint8_t mac[MAC_BYTES];
	uint16_t status, pairs, mtu;
};

static_assert(sizeof(struct net_config) == 12 && offsetof(struct net_config, mtu) == 10, "5.1.4");

#define S_LINK_UP 1U /* in .status */

/*
 * What its driver wants of what comes (5.1.6.5): the modes that are on, and addresses by hash, so that there is room
 * for any number of them. A driver gets more than it asks for, where it is told that it may (best effort).
 */
struct net_filter {
	uint32_t modes;      /* bit n: command n of class RX */
	uint64_t one, group; /* bit net_hash(): an address of this kind */
};

/* A command of the control queue that goes on in the next step: addresses of a table that is being read. */
struct net_command {
	uint32_t list, left; /* which of the two, how many addresses of it are to come */
	struct net_filter filter;
};

struct vnet {
	struct virtio_device virtio;
	/* of its node */
	const char *network;
	struct switch_port port;
	char name[2U * BUNDLE_NAME_MAX]; /* for people: VM.NODE */
	struct net_count count;
	bool cut;               /* the frame that is being sent goes in parts */
	uint32_t touches;       /* steps that zeroed its receiver's RAM, for the frame that is being sent, */
	struct net_frame frame; /* this one, */
	struct net_frame made;  /* and what is made of it for one who does not take it as it is */
	struct net_command command;
	struct virtio_state state; /* saved, from here on */
	struct net_filter filter;  /* under receive_lock */
};

static inline struct vnet *vnet_of(struct virtio_device *v)
{
	return container_of(v, struct vnet, virtio);
}

static inline struct vnet *vnet_of_port(struct switch_port *port)
{
	return container_of(port, struct vnet, port);
}

static inline uint32_t header_bytes(const struct virtio_device *v)
{
	return v->legacy && !virtio_has(v, F_MRG_RXBUF) ? HEADER_BYTES_LEGACY : HEADER_BYTES;
}

static inline void use_pieces(struct virtq_step *step, uint32_t pieces)
{
	step->pieces -= MIN(step->pieces, pieces);
}

/* A frame is lost. */
static inline void vnet_drop(struct vnet *n, enum net_drop why)
{
	n->count.dropped[why]++;
	n->virtio.device.count.errors += why == NET_MALFORMED || why == NET_SPOOFED || why == NET_FAULT;
}

/* What others put into it, as a port of its switch. */
extern const struct switch_port_ops vnet_port_ops;

/* A step of what its driver sends; as serve() of struct virtio_backend. */
enum virtio_served vnet_send(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step);

/* A command of its driver's; as serve() of struct virtio_backend. */
enum virtio_served vnet_control(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step, uint32_t *written);

/* As after a reset: all that comes. Under its receive_lock. */
void vnet_reset_filter(struct vnet *n);

/* Does its driver want a frame to this address? Under its receive_lock. */
bool vnet_wants(const struct vnet *n, const uint8_t *mac);

#endif
