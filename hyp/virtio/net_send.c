/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a network card's driver sends (hyp/virtio/vnet.h). The vCPU that sends copies a frame from its VM's RAM into a
 * buffer that the other VM has ready, at once, or it is lost and counted: nothing is kept here, and one who does not
 * take what it gets slows no other. A frame to all is copied for each by its sender, in as many steps as that takes.
 *
 * A frame is put into a buffer whole. So a step may go beyond its pieces by those of one frame, NET_PIECES on each
 * side, and beyond its bytes by one frame. Compiled for speed.
 */
#include <errno.h>
#include <string.h>

#include "hyp/virtio/capture.h"
#include "hyp/virtio/vnet.h"
#include "hyp/vm/vm.h"

#define TAG_BYTES   4U                    /* a VLAN's */
#define FRAME_MAX   (ETHER_HEADER + MTU)  /* but for segments of TCP */
#define TOUCHES_MAX (4U * VM_TOUCH_STEPS) /* for a frame: a step zeroes a part of one block */
#define MADE_PIECES 16U                   /* what a checksum or a segment counts for */

/* Of the phases of a chain: the frame is looked at; behind it, the number of the port that gets it next. */
#define PHASE_SEND 1U

/*
 * A block of the receiver's RAM that has to be zeroed first is steps of the sender's, and so is another block of that
 * VM's that was begun before. Who offers more of them than these steps are good for, four at most, loses the frame.
 */
static enum switch_put give_frame(struct vnet *n, struct switch_port *to, struct virtq_step *step,
				  const struct net_frame *frame)
{
	enum switch_put outcome = to->ops->put(to, step, frame);

	if (likely(outcome != PUT_AGAIN)) {
		n->touches = 0;
		return outcome;
	}
	if (++n->touches <= TOUCHES_MAX)
		return PUT_AGAIN;
	n->touches = 0;
	to->ops->lose(to);
	return PUT_DONE;
}

/* To one port, all of it; what that does not know of is made good. */
static enum switch_put send_whole(struct vnet *n, struct switch_port *to, struct virtq_step *step)
{
	if (!(n->frame.header.flags & NET_NEEDS_CSUM) || to->ops->takes(to, NET_GSO_NONE))
		return give_frame(n, to, step, &n->frame);
	use_pieces(step, MADE_PIECES);
	if (offload_checksum(&n->frame, &n->made, step->view))
		return PUT_FAULTY;
	return give_frame(n, to, step, &n->made);
}

/* Of a large frame what begins with segment *index, which counts up. PUT_PART: there may be more. */
static enum switch_put send_some(struct vnet *n, struct switch_port *to, struct virtq_step *step, uint32_t *index,
				 bool large)
{
	enum switch_put outcome;
	int ret = (large ? offload_part : offload_segment)(&n->frame, *index, &n->made, step->view);

	if (ret == -EINVAL && large && *index == 0) { /* TCP behind headers that virt7 does not know */
		n->frame.whole = true;
		n->cut = false;
		return PUT_AGAIN;
	}
	if (ret)
		return ret == -ENODATA ? PUT_DONE : PUT_FAULTY;
	use_pieces(step, MADE_PIECES);
	outcome = give_frame(n, to, step, &n->made);
	if (outcome != PUT_DONE)
		return outcome;
	*index += large ? offload_part_segments(&n->frame) : 1U;
	if (large)
		step->pieces = 0;
	return PUT_PART;
}

static enum switch_put send_frames(struct vnet *n, struct switch_port *to, struct virtq_step *step, uint32_t *index)
{
	uint32_t gso_type = n->frame.header.gso_type;
	bool large = gso_type != NET_GSO_NONE && to->ops->takes(to, gso_type);
	enum switch_put outcome;

	if (gso_type != NET_GSO_NONE && (!large || n->cut))
		return send_some(n, to, step, index, large);
	outcome = send_whole(n, to, step);
	if (likely(outcome != PUT_CUT))
		return outcome;
	n->cut = true;
	return PUT_AGAIN;
}

/* Whatever has become of it on the receivers' side. */
static enum virtio_served end_frame(struct vnet *n, enum switch_put outcome, struct virtq_step *step)
{
	if (outcome == PUT_FAULTY) {
		vnet_drop(n, NET_MALFORMED);
		return VIRTIO_DONE;
	}
	n->count.sent++;
	capture_frame(&n->port, step->view, &n->frame);
	return VIRTIO_DONE;
}

static bool is_used_up(const struct virtq_step *step)
{
	return step->bytes == 0 || step->pieces == 0;
}

static enum virtio_served send_to_one(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	static const enum net_drop why[] = {
		[SWITCH_UNKNOWN] = NET_UNKNOWN, [SWITCH_SELF] = NET_ISOLATED, [SWITCH_ISOLATED] = NET_ISOLATED};
	uint32_t index = chain->phase - PHASE_SEND;
	enum switch_put outcome;

	do {
		struct switch_port *port;
		enum switch_found found = switch_lock_port(&n->port, n->frame.head, &port);

		if (unlikely(found != SWITCH_FOUND)) {
			vnet_drop(n, why[found]);
			capture_frame(&n->port, step->view, &n->frame);
			return VIRTIO_DONE;
		}
		outcome = send_frames(n, port, step, &index);
		spin_unlock(port->lock);
	} while (outcome == PUT_PART && !is_used_up(step));
	chain->phase = PHASE_SEND + index;
	return outcome == PUT_AGAIN || outcome == PUT_PART ? VIRTIO_MORE : end_frame(n, outcome, step);
}

static enum virtio_served send_to_all(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	uint32_t index = chain->phase - PHASE_SEND;
	struct switch_port *port;

	while (!is_used_up(step) && (port = switch_lock_next(&n->port, &index))) {
		enum switch_put outcome = send_whole(n, port, step);

		spin_unlock(port->lock);
		if (outcome == PUT_FAULTY)
			return end_frame(n, outcome, step);
		index += outcome == PUT_DONE;
	}
	chain->phase = PHASE_SEND + index;
	return is_used_up(step) ? VIRTIO_MORE : end_frame(n, PUT_DONE, step);
}

/* Where nothing is left to others, and of one who has not said that it does, the header says nothing. */
static void read_net_header(struct vnet *n)
{
	struct net_header *h = &n->frame.header;

	h->flags &= NET_NEEDS_CSUM;
	if (!virtio_has(&n->virtio, F_CSUM) || (!h->flags && h->gso_type == NET_GSO_NONE))
		*h = (struct net_header){0};
	h->buffers = 1;
}

static bool may_be_large(const struct vnet *n)
{
	switch (n->frame.header.gso_type) {
	case NET_GSO_TCPV4:
		return virtio_has(&n->virtio, F_HOST_TSO4);
	case NET_GSO_TCPV6:
		return virtio_has(&n->virtio, F_HOST_TSO6);
	default:
		return false;
	}
}

static bool has_tag(const struct net_frame *f)
{
	uint32_t type = (uint32_t)f->head[12] << 8 | f->head[13];

	return type == 0x8100U || type == 0x88a8U; /* IEEE 802.1Q */
}

static uint32_t frame_max(const struct vnet *n)
{
	if (may_be_large(n))
		return NET_FRAME_MAX;
	return FRAME_MAX + (has_tag(&n->frame) ? TAG_BYTES : 0);
}

/* NET_DROPS: there is a frame, and it may be sent. */
static enum net_drop begin_frame(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	struct net_frame *f = &n->frame;
	uint32_t header = header_bytes(&n->virtio);

	if (guest_gather(step->view, &chain->in, (uint8_t *)f + HEADER_BYTES - header, header + ETHER_HEADER))
		return NET_MALFORMED;
	if (header < HEADER_BYTES)
		memmove(&f->header, (uint8_t *)f + HEADER_BYTES - header, header);
	f->head_len = ETHER_HEADER;
	f->rest = chain->in;
	f->rest_len = chain->in.left;
	read_net_header(n);
	n->touches = 0;
	n->cut = f->whole = false;
	if (f->head_len + f->rest_len > frame_max(n) || !offload_is_sound(f))
		return NET_MALFORMED;
	if (!switch_accept(&n->port, f->head + MAC_BYTES))
		return NET_SPOOFED;
	if (f->head[0] & 1U && !switch_accept_group(&n->port))
		return NET_STORM;
	n->virtio.device.count.bytes += f->head_len + f->rest_len;
	return NET_DROPS;
}

/* Is all of it there, in no more pieces than it may have? PUT_AGAIN: a part of a block of the sender's RAM has been
 * zeroed. */
static enum switch_put look_at_frame(struct vnet *n, struct virtq_step *step)
{
	uint32_t pieces = NET_PIECES, fits;

	fits = guest_share(step->view, &n->frame.rest, n->frame.rest_len, &pieces);
	n->frame.pieces = NET_PIECES - pieces;
	if (likely(fits == n->frame.rest_len))
		return PUT_PART;
	return fits == 0 ? PUT_AGAIN : PUT_FAULTY;
}

static enum virtio_served go_on(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	enum switch_put found;

	if (n->frame.rest_len > step->bytes && step->bytes < VIRTQ_STEP_BYTES) {
		step->bytes = 0;
		return VIRTIO_MORE;
	}
	found = look_at_frame(n, step);
	if (unlikely(found != PUT_PART)) {
		step->pieces = 0;
		return found == PUT_AGAIN ? VIRTIO_MORE : end_frame(n, found, step);
	}
	return n->frame.head[0] & 1U ? send_to_all(n, chain, step) : send_to_one(n, chain, step);
}

enum virtio_served vnet_send(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	if (chain->phase == VIRTQ_NO_REQUEST) {
		enum net_drop why;

		if (!virtq_reserve(step, &chain->in, MIN(chain->in.left, HEADER_BYTES + ETHER_HEADER)))
			return VIRTIO_MORE;
		why = begin_frame(n, chain, step);
		if (why != NET_DROPS) {
			vnet_drop(n, why);
			return VIRTIO_DONE;
		}
		chain->phase = PHASE_SEND;
	}
	return go_on(n, chain, step);
}
