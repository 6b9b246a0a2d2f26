/*
 * What others put into a network card (hyp/virtio/vnet.h). A frame is put into a buffer whole, or it is lost and
 * counted. Compiled for speed.
 */
#include <string.h>

#include "hyp/virtio/vnet.h"
#include "hyp/vm/vm.h"
#include "mm/hypmap.h"

void vnet_drop(struct vnet *n, enum net_drop why)
{
	n->count.dropped[why]++;
	n->virtio.device.count.errors += why == NET_MALFORMED || why == NET_SPOOFED || why == NET_FAULT;
}

/* Who is paused gets nothing: what a snapshot would show does not change. */
bool vnet_is_up(const struct vnet *n)
{
	return n->virtio.device.vm->state == VM_RUNNING && virtio_queue_runs(&n->virtio, QUEUE_RECEIVE);
}

/* Was it the sender's RAM that a copy of so much has failed for? */
static bool is_readable(struct virtq_step *step, struct guest_cursor rest, uint32_t len)
{
	uint8_t part[256];

	for (uint32_t n; len > 0; len -= n) {
		n = MIN(len, sizeof(part));
		if (guest_gather(&step->view, &rest, part, n))
			return false;
	}
	return true;
}

/* A frame on its way into a receiver's buffers. */
struct putting {
	struct vnet *n;
	struct virtq *q;
	struct virtq_step *to, *from;
	const struct net_frame *frame;
	struct guest_cursor rest;       /* of it, that has not been copied */
	uint32_t header, left;          /* bytes: of the header; with that, that are to come */
	uint32_t pieces;                /* that buffers may still have */
	uint16_t buffers;               /* that are full */
	uint16_t avail_next, used_next; /* where the queue was */
	ipa_t count_at[2];              /* the bytes of the header that say in how many buffers it is */
};

/* The receiver has what it had before. */
static void take_back(const struct putting *p)
{
	if (p->buffers > 0)
		virtq_rewind(p->q, p->avail_next, p->used_next);
}

static enum outcome lose(const struct putting *p, enum net_drop why)
{
	take_back(p);
	vnet_drop(p->n, why);
	return PUT;
}

/* A buffer that is not in RAM goes back empty; of several it is the first. `len` bytes at `rest` were to be copied. */
static enum outcome fail(const struct putting *p, struct guest_cursor rest, uint32_t len)
{
	take_back(p);
	if (!is_readable(p->from, rest, len))
		return FAULTY;
	if (virtq_take(p->q, p->to) == VIRTQ_CHAIN)
		virtq_put(p->q, p->to, 0);
	vnet_drop(p->n, NET_FAULT);
	return PUT;
}

/* How much of it the buffer gets; 0: it is too small. What virt7 has of a frame stays together. */
static uint32_t room(const struct putting *p, const struct guest_cursor *out)
{
	uint32_t needed = virtio_has(&p->n->virtio, F_MRG_RXBUF) ? 1U : p->left;

	if (p->buffers == 0)
		needed = MAX(needed, p->header + p->frame->head_len);
	return out->left >= needed && p->buffers < NET_BUFFERS ? MIN(out->left, p->left) : 0;
}

/* A byte of the first buffer, which has as many. */
static ipa_t place_of(const struct guest_cursor *out, uint32_t offset)
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
		p->count_at[i] = place_of(out, offsetof(struct net_header, buffers) + i);
}

/* Header and head, into the first buffer. */
static int put_head(struct putting *p, struct guest_cursor *out)
{
	const struct net_frame *f = p->frame;
	uint8_t head[HEADER_BYTES_LEGACY + NET_HEAD_MAX];

	if (likely(p->header == HEADER_BYTES))
		return guest_scatter(&p->to->view, out, &f->header, HEADER_BYTES + f->head_len);
	memcpy(head, &f->header, HEADER_BYTES_LEGACY);
	memcpy(head + HEADER_BYTES_LEGACY, f->head, f->head_len);
	return guest_scatter(&p->to->view, out, head, HEADER_BYTES_LEGACY + f->head_len);
}

/* NEXT: the buffer has its part. */
static enum outcome put_part(struct putting *p, struct guest_cursor out, uint32_t len)
{
	uint32_t front = p->buffers == 0 ? p->header + p->frame->head_len : 0;
	struct guest_cursor rest = p->rest;
	int ret;

	if (front > 0 && len < p->left)
		note_count(p, &out);
	ret = front > 0 ? put_head(p, &out) : 0;
	if (!ret)
		ret = guest_forward(&p->to->view, &out, &p->from->view, &p->rest, len - front);
	return unlikely(ret != 0) ? fail(p, rest, len - front) : NEXT;
}

/* Into the next buffer, which has been read. One that is too small stays for the next frame. */
static enum outcome fill_buffer(struct putting *p)
{
	const struct guest_cursor *out = &p->q->chain.out;
	uint32_t len = room(p, out), fits;
	enum outcome outcome;

	if (len == 0)
		return lose(p, NET_SMALL);
	fits = guest_share(&p->to->view, out, len, &p->pieces);
	if (fits < len && (fits > 0 || p->pieces == 0))
		return lose(p, NET_SMALL);
	if (fits == 0) {
		take_back(p);
		return AGAIN;
	}
	outcome = put_part(p, *out, len);
	if (outcome != NEXT)
		return outcome;
	virtq_put(p->q, p->to, len);
	p->buffers++;
	p->left -= len;
	return NEXT;
}

static enum outcome next_buffer(struct putting *p)
{
	switch (virtq_take(p->q, p->to)) {
	case VIRTQ_CHAIN:
		return fill_buffer(p);
	case VIRTQ_PART:
		return lose(p, NET_SMALL);
	case VIRTQ_EMPTY:
		return lose(p, NET_NO_BUFFER);
	default: /* broken: virtio_publish() sees it */
		return lose(p, NET_DOWN);
	}
}

/* In how many buffers: the header may lie in pieces of any length. */
static int put_count(struct putting *p)
{
	const uint8_t count[] = {(uint8_t)p->buffers, (uint8_t)(p->buffers >> 8)};
	int ret;

	if (likely(p->count_at[1].v == p->count_at[0].v + 1U))
		return guest_copy_out(&p->to->view, p->count_at[0], count, sizeof(count));
	ret = guest_copy_out(&p->to->view, p->count_at[0], &count[0], 1);
	return ret ? ret : guest_copy_out(&p->to->view, p->count_at[1], &count[1], 1);
}

/* All of it is there. */
static enum outcome finish(struct putting *p)
{
	if (p->buffers > 1 && put_count(p))
		return fail(p, p->rest, 0);
	p->n->count.received++;
	p->n->virtio.device.count.requests++;
	p->n->virtio.device.count.bytes += p->frame->head_len + p->frame->rest_len;
	return PUT;
}

static enum outcome put_frame(struct vnet *n, struct virtq_step *to, struct virtq_step *from,
			      const struct net_frame *frame)
{
	struct virtq *q = &n->virtio.queue[QUEUE_RECEIVE];
	struct putting p = {.n = n, .q = q, .to = to, .from = from, .frame = frame, .rest = frame->rest};
	enum outcome outcome;

	p.avail_next = q->s->avail_next;
	p.used_next = q->s->used_next;
	p.header = header_bytes(&n->virtio);
	p.left = p.header + frame->head_len + frame->rest_len;
	p.pieces = NET_BUFFERS + NET_PIECES;
	do
		outcome = next_buffer(&p);
	while (outcome == NEXT && p.left > 0);
	use_pieces(from, NET_BUFFERS + NET_PIECES - p.pieces);
	return outcome == NEXT ? finish(&p) : outcome;
}

enum outcome vnet_receive(struct vnet *n, struct virtq_step *from, const struct net_frame *frame)
{
	struct virtq_step to;
	enum outcome outcome;

	use_pieces(from, 1U + frame->pieces); /* whether the receiver takes any of it or not */
	if (unlikely(!vnet_is_up(n))) {
		vnet_drop(n, NET_DOWN);
		return PUT;
	}
	if (!vnet_wants(n, frame->head))
		return PUT;
	to.bytes = 0;
	to.pieces = NET_DESCRIPTORS;
	guest_view_open(&to.view, n->virtio.device.vm, HYP_WINDOW_VIEW_2);
	outcome = put_frame(n, &to, from, frame);
	guest_view_close(&to.view);
	virtio_publish(&n->virtio, QUEUE_RECEIVE, &to);
	use_pieces(from, outcome == AGAIN ? from->pieces : NET_DESCRIPTORS - to.pieces);
	from->bytes -= MIN(from->bytes, frame->head_len + frame->rest_len);
	return outcome;
}
