/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a network card's driver leaves to who receives (virtio 1.2, 5.1.6.2), where that one does not do it either: a
 * checksum that was left out is computed, TCP's data in a large frame is sent in segments. Between drivers that know
 * of both neither is done at all.
 */
#ifndef HYP_VIRTIO_OFFLOAD_H
#define HYP_VIRTIO_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/bits.h"
#include "hyp/vm/guestmem.h"

#define ETHER_HEADER  14U
#define NET_HEAD_MAX  160U /* more than Ethernet, IP and TCP have in front of data, with all options */
#define NET_FRAME_MAX (ETHER_HEADER + 4U + UINT16_MAX)

/* In front of each frame (5.1.6). Version 1 has `buffers` only with MRG_RXBUF. */
struct net_header {
	uint8_t flags, gso_type;
	uint16_t header_len, gso_size;
	uint16_t csum_start, csum_offset;
	uint16_t buffers;
};

#define NET_NEEDS_CSUM 1U /* flags */
#define NET_GSO_NONE   0U
#define NET_GSO_TCPV4  1U
#define NET_GSO_TCPV6  4U

/*
 * A frame on its way. What it begins with is virt7's own copy: what has been looked at is what arrives, whatever the
 * sender makes of it meanwhile. The rest is in the sender's RAM, or, of a frame from outside, at `own`; then `rest`
 * says no more than how much of it there is, and nothing has been left to others.
 */
struct net_frame {
	struct net_header header;
	uint8_t head[NET_HEAD_MAX];
	uint32_t head_len, rest_len;
	struct guest_cursor rest;
	const uint8_t *own; /* NULL: a VM sends it; else it is not long */
	bool whole;         /* it cannot be cut */
	uint32_t pieces;    /* of the sender's RAM that it is walked through once more for each who gets it */
};

/* Take `len` bytes of the rest, which has so many, for a copy of virt7's. As guest_gather(). */
static inline int net_gather(struct guest_view *view, const struct net_frame *frame, struct guest_cursor *rest,
			     void *to, size_t len)
{
	if (!frame->own)
		return guest_gather(view, rest, to, len);
	__builtin_memcpy(to, frame->own + (frame->rest_len - rest->left), len);
	rest->left -= (uint32_t)len;
	return 0;
}

/* Is what the header says possible, of a frame of that length? */
bool offload_is_sound(const struct net_frame *whole);

/*
 * *made: the frame `whole` with its checksum. 0; -EINVAL: that lies too far behind the start; or as guest_copy_in(), of
 * the view of the sender's RAM.
 */
int offload_checksum(const struct net_frame *whole, struct net_frame *made, struct guest_view *view);

/*
 * *made: segment `index` of a large frame, with its checksums. As offload_checksum(); -EINVAL: it is not what its
 * header says; -ENODATA: there are no more of them.
 */
int offload_segment(const struct net_frame *whole, uint32_t index, struct net_frame *made, struct guest_view *view);

/*
 * A frame is put into its buffers with interrupts masked. One that has more data than this is put in parts if an
 * interrupt comes meanwhile, or if a buffer takes more than this at once.
 */
#define NET_LARGE KIB(16)

static inline bool offload_may_be_cut(const struct net_frame *frame)
{
	return frame->rest_len > NET_LARGE && !frame->whole;
}

/* How many segments offload_part() takes at once. */
uint32_t offload_part_segments(const struct net_frame *whole);

/* As offload_segment(), of so many segments from `index` on: a large frame again, whose checksum is left out. */
int offload_part(const struct net_frame *whole, uint32_t index, struct net_frame *made, struct guest_view *view);

#endif
