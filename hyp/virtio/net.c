/*
 * Network card (virtio 1.2, 5.1), plugged into a virtual switch (hyp/virtio/switch.h). The vCPU that sends copies a
 * frame from its VM's RAM into a buffer that the other VM has ready, at once, or it is lost and counted: nothing is
 * kept here, and one who does not take what it gets slows nobody. A frame to all is copied for each by its sender, in
 * as many steps as that takes.
 *
 * A frame is put into a buffer whole. So a step may go beyond its pieces by those of one frame, NET_PIECES on each
 * side, and beyond its bytes by one frame.
 *
 * Locks: what is sent is served under the sender's lock. The receive queue, and what is counted there, is under
 * receive_lock of its device, which is the lock of its port. Compiled for speed.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/console/log.h"
#include "hyp/lib/bits.h"
#include "hyp/load/words.h"
#include "hyp/virtio/net.h"
#include "hyp/virtio/offload.h"
#include "hyp/virtio/virtio.h"
#include "hyp/vm/vm.h"
#include "mm/hypmap.h"

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

#define F_OFFLOADS                                                                                              \
	(BIT64(F_CSUM) | BIT64(F_GUEST_CSUM) | BIT64(F_GUEST_TSO4) | BIT64(F_GUEST_TSO6) | BIT64(F_HOST_TSO4) | \
	 BIT64(F_HOST_TSO6) | BIT64(F_MRG_RXBUF))

#define S_LINK_UP 1U

#define QUEUE_RECEIVE  0U
#define QUEUE_TRANSMIT 1U
#define QUEUES         2U
#define QUEUE_SIZE     256U

#define MTU         1500U
#define TAG_BYTES   4U                   /* a VLAN's */
#define FRAME_MAX   (ETHER_HEADER + MTU) /* but for segments of TCP */
#define NET_PIECES  24U                  /* Linux: 17 fragments, and what is in front of them */
#define NET_BUFFERS 64U                  /* that one frame is put into: 45 of Linux' smallest */

#define TOUCHES_MAX     2U                         /* of one receiver's RAM, for a frame: it is the sender that waits */
#define MADE_PIECES     16U                        /* what a checksum or a segment counts for */
#define NET_DESCRIPTORS (NET_BUFFERS + NET_PIECES) /* that are read for one frame, at most */

/* Of the phases of a chain: the frame is looked at; behind it, the number of the port that gets it next. */
#define PHASE_SEND 1U

/* Configuration space (5.1.4), as far as it is used. */
struct net_config {
	uint8_t mac[MAC_BYTES];
	uint16_t status, pairs, mtu;
};

static_assert(sizeof(struct net_config) == 12 && offsetof(struct net_config, mtu) == 10, "5.1.4");

#define HEADER_BYTES        sizeof(struct net_header)
#define HEADER_BYTES_LEGACY offsetof(struct net_header, buffers)
static_assert(HEADER_BYTES == 12 && HEADER_BYTES + ETHER_HEADER <= VIRTQ_STEP_PIECES, "5.1.6; virtq_reserve()");
static_assert(offsetof(struct net_frame, head) == HEADER_BYTES, "both are read at once");

struct vnet {
	struct virtio_device virtio;
	/* of its node */
	const char *network;
	struct switch_port port;
	char name[2U * BUNDLE_NAME_MAX]; /* for people: VM.NODE */
	struct net_count count;
	uint32_t touches;          /* of its receiver's RAM, for the frame that is being sent, */
	struct net_frame frame;    /* this one, */
	struct net_frame made;     /* and what is made of it for one who does not take it as it is */
	struct virtio_state state; /* saved, from here on */
};

static struct vnet *vnet_of(struct virtio_device *v)
{
	return container_of(v, struct vnet, virtio);
}

static struct vnet *vnet_of_port(struct switch_port *port)
{
	return container_of(port, struct vnet, port);
}

static uint32_t header_bytes(const struct virtio_device *v)
{
	return v->legacy && !virtio_has(v, F_MRG_RXBUF) ? HEADER_BYTES_LEGACY : HEADER_BYTES;
}

static void drop(struct vnet *n, enum net_drop why)
{
	n->count.dropped[why]++;
	n->virtio.device.count.errors += why == NET_MALFORMED || why == NET_SPOOFED || why == NET_FAULT;
}

/* Receive */

enum outcome {
	NEXT,   /* a part is in its buffer */
	PUT,    /* and so is what was lost on the receiver's side */
	AGAIN,  /* the step is over: nothing has happened yet */
	FAULTY, /* the sender's RAM aborts, or is none; or it is in too many pieces */
};

/* Who is paused gets nothing: what a snapshot would show does not change. */
static bool is_up(const struct vnet *n)
{
	return n->virtio.device.vm->state == VM_RUNNING && virtio_queue_runs(&n->virtio, QUEUE_RECEIVE);
}

static void use_pieces(struct virtq_step *step, uint32_t pieces)
{
	step->pieces -= MIN(step->pieces, pieces);
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
	ipa_t header_at;
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
	drop(p->n, why);
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
	drop(p->n, NET_FAULT);
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

/* Header and head, into the first buffer. How many there are is said when it is known, at header_at. */
static int put_head(struct putting *p, struct guest_cursor *out)
{
	const struct net_frame *f = p->frame;
	uint8_t head[HEADER_BYTES_LEGACY + NET_HEAD_MAX];
	const struct guest_piece *piece = out->piece;

	while (piece->len == 0)
		piece++;
	p->header_at = piece->len >= HEADER_BYTES ? piece->at : ipa(0);
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
	int ret = front > 0 ? put_head(p, &out) : 0;

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

/* All of it is there: say in how many buffers. */
static enum outcome finish(struct putting *p)
{
	uint16_t buffers = p->buffers;

	if (buffers > 1 && p->header_at.v == 0)
		return lose(p, NET_SMALL);
	if (buffers > 1 && guest_copy_out(&p->to->view, ipa_add(p->header_at, offsetof(struct net_header, buffers)),
					  &buffers, sizeof(buffers)))
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

/* Its lock is held. What it costs is the sender's, `from`, to pay. */
static enum outcome receive(struct vnet *n, struct virtq_step *from, const struct net_frame *frame)
{
	struct virtq_step to;
	enum outcome outcome;

	use_pieces(from, 1U + frame->pieces); /* whether the receiver takes any of it or not */
	if (unlikely(!is_up(n))) {
		drop(n, NET_DOWN);
		return PUT;
	}
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

/* Transmit */

/* Does the receiver's driver take what the sender's has left to it? Under the receiver's lock. */
static bool takes_csum(const struct vnet *n)
{
	return virtio_has(&n->virtio, F_GUEST_CSUM);
}

static bool takes_gso(const struct vnet *n, uint32_t gso_type)
{
	return takes_csum(n) && virtio_has(&n->virtio, gso_type == NET_GSO_TCPV4 ? F_GUEST_TSO4 : F_GUEST_TSO6);
}

/*
 * A block of the receiver's RAM that has to be zeroed first is a step of the sender's. Who offers more of them loses
 * the frame.
 */
static enum outcome give(struct vnet *n, struct vnet *to, struct virtq_step *step, const struct net_frame *frame)
{
	enum outcome outcome = receive(to, step, frame);

	if (likely(outcome != AGAIN)) {
		n->touches = 0;
		return outcome;
	}
	if (++n->touches <= TOUCHES_MAX)
		return AGAIN;
	n->touches = 0;
	drop(to, NET_NO_BUFFER);
	return PUT;
}

/* To one port, all of it; what that does not know of is made good. */
static enum outcome send_whole(struct vnet *n, struct vnet *to, struct virtq_step *step)
{
	if (!(n->frame.header.flags & NET_NEEDS_CSUM) || takes_csum(to))
		return give(n, to, step, &n->frame);
	use_pieces(step, MADE_PIECES);
	if (is_up(to) && offload_checksum(&n->frame, &n->made, &step->view))
		return FAULTY;
	return give(n, to, step, &n->made);
}

/* The segment of number *index, which counts up. NEXT: there may be more. */
static enum outcome send_segment(struct vnet *n, struct vnet *to, struct virtq_step *step, uint32_t *index)
{
	enum outcome outcome;
	int ret = offload_segment(&n->frame, *index, &n->made, &step->view);

	if (ret)
		return ret == -ENODATA ? PUT : FAULTY;
	use_pieces(step, MADE_PIECES);
	outcome = give(n, to, step, &n->made);
	*index += outcome == PUT;
	return outcome == PUT ? NEXT : outcome;
}

static enum outcome send_some(struct vnet *n, struct vnet *to, struct virtq_step *step, uint32_t *index)
{
	uint32_t gso_type = n->frame.header.gso_type;

	if (gso_type == NET_GSO_NONE || takes_gso(to, gso_type))
		return send_whole(n, to, step);
	return send_segment(n, to, step, index);
}

static enum virtio_served end_frame(struct vnet *n, enum outcome outcome)
{
	if (outcome == FAULTY)
		drop(n, NET_MALFORMED);
	else
		n->count.sent++;
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
	enum outcome outcome;

	do {
		struct switch_port *port;
		enum switch_found found = switch_lock_port(&n->port, n->frame.head, &port);

		if (unlikely(found != SWITCH_FOUND)) {
			drop(n, why[found]);
			return VIRTIO_DONE;
		}
		outcome = send_some(n, vnet_of_port(port), step, &index);
		spin_unlock(port->lock);
	} while (outcome == NEXT && !is_used_up(step));
	chain->phase = PHASE_SEND + index;
	return outcome == AGAIN || outcome == NEXT ? VIRTIO_MORE : end_frame(n, outcome);
}

static enum virtio_served send_to_all(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	uint32_t index = chain->phase - PHASE_SEND;
	struct switch_port *port;

	while (!is_used_up(step) && (port = switch_lock_next(&n->port, &index))) {
		enum outcome outcome = send_whole(n, vnet_of_port(port), step);

		spin_unlock(port->lock);
		if (outcome == FAULTY)
			return end_frame(n, outcome);
		index += outcome == PUT;
	}
	chain->phase = PHASE_SEND + index;
	return is_used_up(step) ? VIRTIO_MORE : end_frame(n, PUT);
}

/* Where nothing is left to others, and of one who has not said that it does, the header says nothing. */
static void read_header(struct vnet *n)
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

	if (guest_gather(&step->view, &chain->in, (uint8_t *)f + HEADER_BYTES - header, header + ETHER_HEADER))
		return NET_MALFORMED;
	if (header < HEADER_BYTES)
		memmove(&f->header, (uint8_t *)f + HEADER_BYTES - header, header);
	f->head_len = ETHER_HEADER;
	f->rest = chain->in;
	f->rest_len = chain->in.left;
	read_header(n);
	n->touches = 0;
	if (f->head_len + f->rest_len > frame_max(n) || !offload_is_sound(f))
		return NET_MALFORMED;
	if (!switch_accept(&n->port, f->head + MAC_BYTES))
		return NET_SPOOFED;
	n->virtio.device.count.bytes += f->head_len + f->rest_len;
	return NET_DROPS;
}

/* Is all of it there, in no more pieces than it may have? AGAIN: a block of the sender's RAM has been touched. */
static enum outcome look_at(struct vnet *n, struct virtq_step *step)
{
	uint32_t pieces = NET_PIECES, fits;

	fits = guest_share(&step->view, &n->frame.rest, n->frame.rest_len, &pieces);
	n->frame.pieces = NET_PIECES - pieces;
	if (likely(fits == n->frame.rest_len))
		return NEXT;
	return fits == 0 ? AGAIN : FAULTY;
}

static enum virtio_served go_on(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	enum outcome found;

	if (n->frame.rest_len > step->bytes && step->bytes < VIRTQ_STEP_BYTES) {
		step->bytes = 0;
		return VIRTIO_MORE;
	}
	found = look_at(n, step);
	if (unlikely(found != NEXT)) {
		step->pieces = 0;
		return found == AGAIN ? VIRTIO_MORE : end_frame(n, found);
	}
	return n->frame.head[0] & 1U ? send_to_all(n, chain, step) : send_to_one(n, chain, step);
}

static enum virtio_served net_serve(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
				    struct virtq_step *step, uint32_t *written)
{
	struct vnet *n = vnet_of(v);

	(void)queue, (void)written;
	if (chain->phase == VIRTQ_NO_REQUEST) {
		enum net_drop why;

		if (!virtq_reserve(step, &chain->in, MIN(chain->in.left, HEADER_BYTES + ETHER_HEADER)))
			return VIRTIO_MORE;
		why = begin_frame(n, chain, step);
		if (why != NET_DROPS) {
			drop(n, why);
			return VIRTIO_DONE;
		}
		chain->phase = PHASE_SEND;
	}
	return go_on(n, chain, step);
}

static const struct virtio_backend net_backend = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.features = F_OFFLOADS | BIT64(F_MTU) | BIT64(F_MAC) | BIT64(F_STATUS),
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.filled = BIT(QUEUE_RECEIVE),
	.serve = net_serve,
};

/* Life */

static const char *net_parse_switch(struct device *device, const struct bundle *b, int node, const char *name)
{
	struct vnet *n = vnet_of(virtio_of(device));

	if (bundle_get_string(b, node, name, &n->network) || !bundle_name_is_valid(n->network))
		return WORDS_NAME;
	return NULL;
}

static const char *net_parse_mac(struct device *device, const struct bundle *b, int node, const char *name)
{
	static const uint8_t none[MAC_BYTES];
	int len;
	const uint8_t *mac = fdt_getprop(b->fdt, node, name, &len);

	if (len != (int)MAC_BYTES || mac[0] & 1U || !memcmp(mac, none, MAC_BYTES))
		return WORDS_MAC;
	memcpy(vnet_of(virtio_of(device))->port.mac, mac, MAC_BYTES);
	return NULL;
}

/* Where the bundle says none: QEMU's prefix, and a hash (FNV-1a) of VM.NODE, so that it is the same in each boot. */
static void make_mac(struct vnet *n)
{
	static const uint8_t none[MAC_BYTES];
	uint32_t hash = 0x811c9dc5U;

	if (memcmp(n->port.mac, none, MAC_BYTES) != 0)
		return;
	for (const char *c = n->name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x01000193U;
	hash ^= hash >> 24;
	memcpy(n->port.mac,
	       (const uint8_t[]){0x52, 0x54, 0x00, (uint8_t)(hash >> 16), (uint8_t)(hash >> 8), (uint8_t)hash},
	       MAC_BYTES);
}

static int refuse_port(struct vnet *n, int ret, struct switch_port *other)
{
	const char *vm = n->virtio.device.vm->config.name;
	const uint8_t *mac = n->port.mac;

	if (ret == -EEXIST) {
		log_err("vm %s: /vms/%s/%.40s: " WORDS_MAC_TAKEN, vm, vm, n->virtio.device.name,
			vnet_of_port(other)->name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	} else if (ret == -ENOSPC) {
		log_err("vm %s: /vms/%s/%.40s: %s", vm, vm, n->virtio.device.name, WORDS_SWITCH_FULL);
	}
	return ret == -ENOMEM ? ret : -EINVAL;
}

static int plug_in(struct vnet *n)
{
	struct switch_port *other;
	int ret;

	n->port.lock = &n->virtio.receive_lock;
	ret = switch_join(n->network, &n->port, &other);
	return ret ? refuse_port(n, ret, other) : 0;
}

/* Last it is plugged in: then others see it. */
static int net_create(struct device *device)
{
	struct vnet *n = vnet_of(virtio_of(device));
	struct net_config config = {.status = S_LINK_UP, .mtu = MTU};
	int ret;

	strcat(strcpy(n->name, device->vm->config.name), ".");
	strncat(n->name, device->name, sizeof(n->name) - strlen(n->name) - 1U);
	make_mac(n);
	ret = virtio_create(&n->virtio, &net_backend, &n->state, 0);
	if (ret)
		return ret;
	memcpy(config.mac, n->port.mac, MAC_BYTES);
	virtio_config_set(&n->virtio, 0, &config, sizeof(config));
	ret = plug_in(n);
	if (ret)
		virtio_destroy(device);
	return ret;
}

static void net_destroy(struct device *device)
{
	switch_leave(&vnet_of(virtio_of(device))->port);
	virtio_destroy(device);
}

static const struct vnet *vnet_of_device(const struct device *device)
{
	return (const struct vnet *)(const void *)device; /* its first member's */
}

const struct net_count *net_counts(const struct device *device)
{
	return &vnet_of_device(device)->count;
}

const char *net_name(const struct device *device)
{
	return vnet_of_device(device)->name;
}

const struct switch_port *net_port(const struct device *device)
{
	return &vnet_of_device(device)->port;
}

#define NODE(compatible)
#define PROPERTY(property_name, property_kind, field, ...) \
	{.name = property_name, .kind = property_kind, PROPERTY_FIELD(struct vnet, field), __VA_ARGS__},
static const struct property net_properties[] = {
#include "hyp/virtio/net.def"
	{.name = NULL},
};

const struct device_class virtio_net_class = {
	.name = "virtio-net",
	.compatible = "virt7,virtio-net",
	.properties = net_properties,
	.size = sizeof(struct vnet),
	.saved = offsetof(struct vnet, state),
	.create = net_create,
	.reset = virtio_reset,
	.describe = virtio_describe,
	.restore = virtio_restore,
	.quiesce = virtio_quiesce,
	.destroy = net_destroy,
};
