/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver of a network card of version 2 (virtio 1.2, 5.1) for tests: its three queues, frames in one piece. */
#ifndef GUEST_NET_H
#define GUEST_NET_H

#include "tests/guests/lib/virtio.h"

#define VIO_ID_NET 1U
#define NET_HEADER 12U
#define NET_MAC    6U
#define NET_ETHER  14U
#define NET_TYPE   UINT32_C(0x88b5) /* IEEE 802's, for experiments */

#define NET_F_CSUM       0U
#define NET_F_GUEST_CSUM 1U
#define NET_F_GUEST_TSO4 7U
#define NET_F_HOST_TSO4  11U
#define NET_F_MRG_RXBUF  15U
#define NET_F_CTRL_VQ    17U
#define NET_F_CTRL_RX    18U

enum net_queue { NET_RECEIVE, NET_SEND, NET_CONTROL, NET_QUEUES };

struct net_card {
	uint32_t base;
	struct vq queue[NET_QUEUES];
};

/* With a reset before it; its queues are empty. */
static inline void net_open(struct net_card *card, uint32_t slot, uint32_t features)
{
	card->base = VIO_SLOT(slot);
	vio_negotiate(card->base, features);
	memset(card->queue, 0, sizeof(card->queue));
	for (uint32_t i = 0; i < (features & BIT(NET_F_CTRL_VQ) ? NET_QUEUES : NET_CONTROL); i++) {
		struct vq *q = &card->queue[i];

		vq_place_of(card->base, i, VQ_SIZE, (uint32_t)q->desc, (uint32_t)q->avail, (uint32_t)&q->used);
	}
	write32(card->base + VIRTIO_STATUS, VIO_DRIVES | VIRTIO_STATUS_DRIVER_OK);
}

static inline void net_notify(const struct net_card *card, enum net_queue queue)
{
	write32(card->base + VIRTIO_QUEUE_NOTIFY, queue);
}

static inline void net_mac(const struct net_card *card, uint8_t *mac)
{
	for (uint32_t i = 0; i < NET_MAC; i++)
		mac[i] = (uint8_t)read8(card->base + VIRTIO_CONFIG + i);
}

/* The beginning of a frame of the card's, with nothing left to others. */
static inline void net_head(const struct net_card *card, uint8_t *at, const uint8_t *to)
{
	memset(at, 0, NET_HEADER);
	memcpy(at + NET_HEADER, to, NET_MAC);
	net_mac(card, at + NET_HEADER + NET_MAC);
	at[NET_HEADER + 12U] = (uint8_t)(NET_TYPE >> 8);
	at[NET_HEADER + 13U] = (uint8_t)NET_TYPE;
}

/* A buffer for the next frame, in descriptor `i` of the queue. */
static inline void net_give(struct net_card *card, uint32_t i, uint32_t at, uint32_t len)
{
	card->queue[NET_RECEIVE].desc[i] = (struct vq_desc){at, len, VIRTQ_DESC_WRITE, 0};
	vq_offer(&card->queue[NET_RECEIVE], i);
}

#endif
