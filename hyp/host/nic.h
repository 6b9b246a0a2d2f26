/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network card of the host's, virtio-net (virtio 1.2, 5.1), driven by virt7: frames to and from buffers of virt7's
 * own. The card is promiscuous, as it is after its reset (5.1.6.5.1), and leaves no work to others.
 *
 * What is sent, and what is received, are each one caller's at a time: locks are the owner's.
 */
#ifndef HYP_HOST_NIC_H
#define HYP_HOST_NIC_H

#include "hyp/host/virtio.h"

#define NIC_MAC_BYTES 6U
#define NIC_FRAME_MAX 1518U /* with a VLAN's tag, without the checksum behind it */
#define NIC_BUFFERS   64U   /* each way */

struct nic {
	struct hostvirtio v;
	struct hostq receive, transmit;
	uint8_t mac[NIC_MAC_BYTES];
	uint8_t *in, *out;   /* buffers */
	uint32_t taken;      /* of `in`, that nic_received() has shown; its descriptor */
	uint64_t free;       /* of `out`, bit by bit */
	uint32_t header_len; /* in front of each frame */
};

/* The card in the transport nic->v, at work. NULL, or what is wrong, in words for people. */
const char *nic_open(struct nic *nic);

/* It is quiet. Memory that it had stays its own. */
void nic_close(struct nic *nic);

/* Room for a frame of NIC_FRAME_MAX bytes; NULL: all are on their way. It is the caller's until nic_send(). */
uint8_t *nic_room(struct nic *nic);
void nic_send(struct nic *nic, const uint8_t *room, uint32_t len);

/* The oldest frame that has come, *len bytes, 0: of a length that cannot be; NULL: none. nic_drop() makes room for
 * another.
 */
const uint8_t *nic_received(struct nic *nic, uint32_t *len);
void nic_drop(struct nic *nic);

/* Interrupt when a frame comes, until nic_busy(). False: one has come already. */
bool nic_wait(struct nic *nic);
void nic_busy(struct nic *nic);

/* End an interrupt of the card's. True: nic_has_link() may be another than before. */
bool nic_acknowledge(struct nic *nic);

/* Is there a cable in it? */
bool nic_has_link(const struct nic *nic);

#endif
