/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mirror port of a virtual switch: a copy of the first bytes of each frame that a card sends, for people. It is
 * kept here until it is taken, in a ring that its memory's owner gives; what comes when that is full is counted.
 */
#ifndef HYP_VIRTIO_CAPTURE_H
#define HYP_VIRTIO_CAPTURE_H

#include <stdint.h>

#include "hyp/virtio/offload.h"

struct guest_view;
struct net_switch;
struct switch_port;

#define CAPTURE_BYTES_MIN 64U
#define CAPTURE_BYTES_MAX 1518U

struct captured {
	uint64_t time;      /* CNTPCT */
	uint32_t len, kept; /* bytes of the frame, and how many of them stand behind this */
	uint8_t bytes[];
};

struct capture {
	struct net_switch *net;
	uint32_t bytes; /* of a frame that are kept, at most */
	uint32_t slots, slot_size;
	uint32_t put, taken; /* frames */
	uint32_t lost;
	uint8_t *ring;
};

/*
 * Keep `bytes` of each frame of the switch, from CAPTURE_BYTES_MIN to CAPTURE_BYTES_MAX, until capture_end(). On the
 * boot CPU, one at a time a switch. 0; -ENOMEM.
 */
int capture_begin(struct capture *c, struct net_switch *net, uint32_t bytes);
void capture_end(struct capture *c);

/* The oldest frame; NULL: none. It stays until capture_drop(). */
const struct captured *capture_first(struct capture *c);
void capture_drop(struct capture *c);

/* A card of the switch sends this: `view` is of its RAM. */
void capture_frame(const struct switch_port *from, struct guest_view *view, const struct net_frame *frame);

#endif
