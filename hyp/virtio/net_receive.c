/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What others put into a network card (hyp/virtio/vnet.h). A frame is put into a buffer whole, or it is lost and
 * counted. Compiled for speed.
 */
#include <string.h>

#include "hyp/run/irq.h"
#include "hyp/virtio/vnet.h"
#include "hyp/vm/vm.h"
#include "mm/hypmap.h"

#define LOOK_PIECES 8U /* 6,000 instructions, where these are a buffer each */
#define LOOK_BYTES  KIB(8)

/* Who is paused gets nothing: what a snapshot would show does not change. */
static bool is_up(const struct vnet *n)
{
	return n->virtio.device.vm->state == VM_RUNNING && virtio_queue_runs(&n->virtio, QUEUE_RECEIVE);
}

/* A frame on its way into a receiver's buffers. */
struct putting {
	struct vnet *n;
	struct virtq *q;
	struct virtq_step *to, *from;
	const struct net_frame *frame;
	struct guest_cursor rest;        /* of it, that has not been copied */
	uint32_t header, left;           /* bytes: of the header; with that, that are to come */
	uint32_t pieces;                 /* that buffers may still have */
	uint32_t look_pieces, look_left; /* these, and `left`, at the last look for an interrupt */
	uint16_t buffers;                /* that are full */
	uint16_t avail_next, used_next;  /* where the queue was */
	ipa_t count_at[2];               /* the bytes of the header that say in how many buffers it is */
};

/* Was it the sender's RAM that a copy of so much has failed for? */
static bool is_readable(const struct putting *p, struct guest_cursor rest, uint32_t len)
{
	uint8_t part[256];

	for (uint32_t n; len > 0; len -= n) {
		n = MIN(len, sizeof(part));
		if (net_gather(p->from->view, p->frame, &rest, part, n))
			return false;
	}
	return true;
}

/* The receiver has what it had before. */
static void take_back(const struct putting *p)
{
	if (p->buffers > 0)
		virtq_rewind(p->q, p->avail_next, p->used_next);
}

static enum switch_put lose_frame(const struct putting *p, enum net_drop why)
{
	take_back(p);
	vnet_drop(p->n, why);
	return PUT_DONE;
}

/* A buffer that is not in RAM goes back empty; of several it is the first. `len` bytes at `rest` were to be copied. */
static enum switch_put fail_frame(const struct putting *p, struct guest_cursor rest, uint32_t len)
{
	take_back(p);
	if (!is_readable(p, rest, len))
		return PUT_FAULTY;
	if (virtq_take(p->q, p->to) == VIRTQ_CHAIN)
		virtq_put(p->q, p->to, 0);
	vnet_drop(p->n, NET_FAULT);
	return PUT_DONE;
}

/* How much of it the buffer gets; 0: it is too small. What virt7 has of a frame stays together. */
static uint32_t room_in_chain(const struct putting *p, const struct guest_cursor *out)
{
	uint32_t needed = virtio_has(&p->n->virtio, F_MRG_RXBUF) ? 1U : p->left;

	if (p->buffers == 0)
		needed = MAX(needed, p->header + p->frame->head_len);
	return out->left >= needed && p->buffers < NET_BUFFERS ? MIN(out->left, p->left) : 0;
}

/* A byte of the first buffer, which has as many. */
static ipa_t byte_place(const struct guest_cursor *out, uint32_t offset)
{
	const struct guest_piece *piece = out->piece;

	for (; offset >= piece->len; piece++)
		offset -= piece->len;
	return ipa_add(piece->at, offset);
}

/* How many buffers there are is said when it is known. */
static void note_count(struct putting *p, const struct guest_cursor *out)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(p->count_at); i++)
		p->count_at[i] = byte_place(out, offsetof(struct net_header, buffers) + i);
}

/* Header and head, into the first buffer. */
static int put_head(struct putting *p, struct guest_cursor *out)
{
	const struct net_frame *f = p->frame;
	uint8_t head[HEADER_BYTES_LEGACY + NET_HEAD_MAX];

	if (likely(p->header == HEADER_BYTES))
		return guest_scatter(p->to->view, out, &f->header, HEADER_BYTES + f->head_len);
	memcpy(head, &f->header, HEADER_BYTES_LEGACY);
	memcpy(head + HEADER_BYTES_LEGACY, f->head, f->head_len);
	return guest_scatter(p->to->view, out, head, HEADER_BYTES_LEGACY + f->head_len);
}

/* The next `len` bytes of what is not virt7's own copy of a frame's head. */
static int put_rest(struct putting *p, struct guest_cursor *out, uint32_t len)
{
	const struct net_frame *f = p->frame;
	uint32_t done = f->rest_len - p->rest.left;

	if (likely(!f->own))
		return guest_forward(p->to->view, out, p->from->view, &p->rest, len);
	p->rest.left -= len;
	return guest_scatter(p->to->view, out, f->own + done, len);
}

/* PUT_PART: the buffer has its part. */
static enum switch_put put_part(struct putting *p, struct guest_cursor out, uint32_t len)
{
	uint32_t front = p->buffers == 0 ? p->header + p->frame->head_len : 0;
	struct guest_cursor rest = p->rest;
	int ret;

	if (front > 0 && len < p->left)
		note_count(p, &out);
	ret = front > 0 ? put_head(p, &out) : 0;
	if (!ret)
		ret = put_rest(p, &out, len - front);
	return unlikely(ret != 0) ? fail_frame(p, rest, len - front) : PUT_PART;
}

static enum switch_put stop_frame(const struct putting *p)
{
	take_back(p);
	return PUT_CUT;
}

/* Into the next buffer, which has been read. One that is too small stays for the next frame. */
static enum switch_put fill_buffer(struct putting *p)
{
	const struct guest_cursor *out = &p->q->chain.out;
	uint32_t len = room_in_chain(p, out), fits;
	enum switch_put outcome;

	if (len == 0)
		return lose_frame(p, NET_SMALL);
	if (unlikely(len > HEADER_BYTES + NET_HEAD_MAX + NET_LARGE) && offload_may_be_cut(p->frame))
		return stop_frame(p);
	fits = guest_share(p->to->view, out, len, &p->pieces);
	if (fits < len && (fits > 0 || p->pieces == 0))
		return lose_frame(p, NET_SMALL);
	if (fits == 0) {
		take_back(p);
		return PUT_AGAIN;
	}
	outcome = put_part(p, *out, len);
	if (outcome != PUT_PART)
		return outcome;
	virtq_put(p->q, p->to, len);
	p->buffers++;
	p->left -= len;
	return PUT_PART;
}

static enum switch_put next_buffer(struct putting *p)
{
	switch (virtq_take(p->q, p->to)) {
	case VIRTQ_CHAIN:
		return fill_buffer(p);
	case VIRTQ_PART:
		return lose_frame(p, NET_SMALL);
	case VIRTQ_EMPTY:
		return lose_frame(p, NET_NO_BUFFER);
	default: /* broken: virtio_publish() sees it */
		return lose_frame(p, NET_DOWN);
	}
}

/* In how many buffers: the header may lie in pieces of any length. */
static int put_count(struct putting *p)
{
	const uint8_t count[] = {(uint8_t)p->buffers, (uint8_t)(p->buffers >> 8)};
	int ret;

	if (likely(p->count_at[1].v == p->count_at[0].v + 1U))
		return guest_copy_out(p->to->view, p->count_at[0], count, sizeof(count));
	ret = guest_copy_out(p->to->view, p->count_at[0], &count[0], 1);
	return ret ? ret : guest_copy_out(p->to->view, p->count_at[1], &count[1], 1);
}

/* All of it is there. */
static enum switch_put finish_frame(struct putting *p)
{
	if (p->buffers > 1 && put_count(p))
		return fail_frame(p, p->rest, 0);
	p->n->count.received++;
	p->n->virtio.device.count.requests++;
	p->n->virtio.device.count.bytes += p->frame->head_len + p->frame->rest_len;
	return PUT_DONE;
}

/* Behind a buffer of several. Now and then in one that can be cut: does an interrupt wait? */
static bool must_stop(struct putting *p)
{
	if (!offload_may_be_cut(p->frame) ||
	    (p->look_pieces - p->pieces < LOOK_PIECES && p->look_left - p->left < LOOK_BYTES))
		return false;
	p->look_pieces = p->pieces;
	p->look_left = p->left;
	return irq_is_waiting();
}

static enum switch_put put_frame(struct vnet *n, struct virtq_step *to, struct virtq_step *from,
				 const struct net_frame *frame)
{
	struct virtq *q = &n->virtio.queue[QUEUE_RECEIVE];
	struct putting p = {.n = n, .q = q, .to = to, .from = from, .frame = frame, .rest = frame->rest};
	enum switch_put outcome;

	p.avail_next = q->s->avail_next;
	p.used_next = q->s->used_next;
	p.header = header_bytes(&n->virtio);
	p.left = p.header + frame->head_len + frame->rest_len;
	p.pieces = p.look_pieces = NET_BUFFERS + NET_PIECES;
	p.look_left = p.left;
	do
		outcome = next_buffer(&p);
	while (outcome == PUT_PART && p.left > 0 && !must_stop(&p));
	use_pieces(from, NET_BUFFERS + NET_PIECES - p.pieces);
	if (outcome != PUT_PART)
		return outcome;
	return likely(p.left == 0) ? finish_frame(&p) : stop_frame(&p);
}

static enum switch_put port_put(struct switch_port *port, struct virtq_step *from, const struct net_frame *frame)
{
	struct vnet *n = vnet_of_port(port);
	struct virtq_step to;
	enum switch_put outcome;

	use_pieces(from, 1U + frame->pieces); /* whether the receiver takes any of it or not */
	if (unlikely(!is_up(n))) {
		vnet_drop(n, NET_DOWN);
		return PUT_DONE;
	}
	if (!vnet_wants(n, frame->head))
		return PUT_DONE;
	to.bytes = 0;
	to.pieces = NET_DESCRIPTORS;
	to.view = guest_view_open(n->virtio.device.vm, HYP_WINDOW_VIEW_2);
	outcome = put_frame(n, &to, from, frame);
	guest_view_close(to.view);
	virtio_publish(&n->virtio, QUEUE_RECEIVE, &to);
	use_pieces(from, outcome == PUT_AGAIN ? from->pieces : NET_DESCRIPTORS - to.pieces);
	from->bytes -= MIN(from->bytes, frame->head_len + frame->rest_len);
	return outcome;
}

static bool port_takes(const struct switch_port *port, uint32_t gso_type)
{
	const struct vnet *n = container_of(port, const struct vnet, port);

	if (!is_up(n))
		return true;
	return virtio_has(&n->virtio, F_GUEST_CSUM) &&
	       (gso_type == NET_GSO_NONE ||
		virtio_has(&n->virtio, gso_type == NET_GSO_TCPV4 ? F_GUEST_TSO4 : F_GUEST_TSO6));
}

static void port_lose(struct switch_port *port)
{
	vnet_drop(vnet_of_port(port), NET_NO_BUFFER);
}

/* What its driver sees of the cable (5.1.4.2). Under its receive_lock. */
static void port_link(struct switch_port *port, bool up)
{
	struct vnet *n = vnet_of_port(port);
	const uint16_t status = up ? S_LINK_UP : 0;

	virtio_config_change(&n->virtio, offsetof(struct net_config, status), &status, sizeof(status));
}

const struct switch_port_ops vnet_port_ops = {port_takes, port_put, port_lose, port_link};
