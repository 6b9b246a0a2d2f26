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
#include "hyp/virtio/virtio.h"
#include "hyp/vm/vm.h"
#include "mm/hypmap.h"

#define F_MTU    3U
#define F_MAC    5U
#define F_STATUS 16U

#define S_LINK_UP 1U

#define QUEUE_RECEIVE  0U
#define QUEUE_TRANSMIT 1U
#define QUEUES         2U
#define QUEUE_SIZE     256U

#define MTU          1500U
#define ETHER_HEADER 14U
#define FRAME_MAX    (ETHER_HEADER + 4U + MTU) /* with a VLAN's tag */
#define NET_PIECES   24U                       /* Linux: 17 fragments, and what is in front of them */

/* Of the phases of a chain: the frame is looked at; behind it, the number of the port that gets it next. */
#define PHASE_SEND 1U

/* Configuration space (5.1.4), as far as it is used. */
struct net_config {
	uint8_t mac[MAC_BYTES];
	uint16_t status, pairs, mtu;
};

static_assert(sizeof(struct net_config) == 12 && offsetof(struct net_config, mtu) == 10, "5.1.4");

/* In front of each frame (5.1.6). Version 1 has no `buffers`. */
struct net_header {
	uint8_t flags, gso_type;
	uint16_t header_len, gso_size;
	uint16_t csum_start, csum_offset;
	uint16_t buffers;
};

#define HEADER_BYTES        sizeof(struct net_header)
#define HEADER_BYTES_LEGACY offsetof(struct net_header, buffers)
static_assert(HEADER_BYTES == 12 && HEADER_BYTES + ETHER_HEADER <= VIRTQ_STEP_PIECES, "5.1.6; virtq_reserve()");

/*
 * What a frame begins with, in virt7's own copy: what has been looked at is what arrives, whatever the sender writes
 * there meanwhile.
 */
struct net_front {
	struct net_header header;    /* of version 1 the last bytes of it */
	uint8_t ether[ETHER_HEADER]; /* to whom, from whom, what */
};

static_assert(sizeof(struct net_front) == HEADER_BYTES + ETHER_HEADER, "no gaps");

/* A frame on its way: its front, and the rest in the sender's RAM. */
struct net_frame {
	const struct net_front *front;
	const struct guest_cursor *rest;
};

struct vnet {
	struct virtio_device virtio;
	/* of its node */
	const char *network;
	struct switch_port port;
	char name[2U * BUNDLE_NAME_MAX]; /* for people: VM.NODE */
	struct net_count count;
	struct net_front front;    /* of the frame that is being sent */
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
	return v->legacy ? HEADER_BYTES_LEGACY : HEADER_BYTES;
}

static void drop(struct vnet *n, enum net_drop why)
{
	n->count.dropped[why]++;
	n->virtio.device.count.errors += why == NET_MALFORMED || why == NET_SPOOFED || why == NET_FAULT;
}

/* Receive */

enum outcome {
	PUT,    /* and so is what was lost on the receiver's side */
	AGAIN,  /* the step is used up: nothing has happened yet */
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

/* Was it the sender's RAM that a copy has failed for? */
static bool is_readable(struct virtq_step *step, struct guest_cursor rest)
{
	uint8_t part[64];

	while (rest.left > 0)
		if (guest_gather(&step->view, &rest, part, MIN(rest.left, sizeof(part))))
			return false;
	return true;
}

/* Into `buffer`, which has room, behind a header of `header_len` bytes. */
static int copy_frame(struct virtq_step *to, struct guest_cursor buffer, uint32_t header_len, struct virtq_step *from,
		      const struct net_frame *frame)
{
	uint8_t front[sizeof(struct net_front)];
	struct guest_cursor rest = *frame->rest;
	int ret;

	memcpy(front, &(const struct net_header){.buffers = 1}, HEADER_BYTES);
	memcpy(front + header_len, frame->front->ether, ETHER_HEADER);
	ret = guest_scatter(&to->view, &buffer, front, header_len + ETHER_HEADER);
	return ret ? ret : guest_forward(&to->view, &buffer, &from->view, &rest, rest.left);
}

/*
 * Into the next buffer, which has been read. One that the frame does not fit into stays for the next frame; one that is
 * not in RAM goes back empty.
 */
static enum outcome fill_buffer(struct vnet *n, struct virtq_step *to, struct virtq_step *from,
				const struct net_frame *frame)
{
	struct virtq *q = &n->virtio.queue[QUEUE_RECEIVE];
	uint32_t header = header_bytes(&n->virtio), len = header + ETHER_HEADER + frame->rest->left;
	uint32_t pieces = NET_PIECES, fits;

	fits = q->chain.out.left >= len ? guest_share(&to->view, &q->chain.out, len, &pieces) : 1;
	if (fits == 0)
		return AGAIN;
	if (fits < len) {
		drop(n, NET_SMALL);
		return PUT;
	}
	use_pieces(to, NET_PIECES - pieces + 1U);
	if (unlikely(copy_frame(to, q->chain.out, header, from, frame) != 0)) {
		if (!is_readable(from, *frame->rest))
			return FAULTY;
		drop(n, NET_FAULT);
		virtq_put(q, to, 0);
		return PUT;
	}
	virtq_put(q, to, len);
	n->count.received++;
	n->virtio.device.count.requests++;
	n->virtio.device.count.bytes += len - header;
	return PUT;
}

static enum outcome take_buffer(struct vnet *n, struct virtq_step *to, struct virtq_step *from,
				const struct net_frame *frame)
{
	switch (virtq_take(&n->virtio.queue[QUEUE_RECEIVE], to)) {
	case VIRTQ_CHAIN:
		return fill_buffer(n, to, from, frame);
	case VIRTQ_PART:
		return AGAIN;
	case VIRTQ_EMPTY:
		drop(n, NET_NO_BUFFER);
		return PUT;
	default: /* broken: virtio_publish() sees it */
		drop(n, NET_DOWN);
		return PUT;
	}
}

/* Its lock is held. What it costs is the sender's, `from`, to pay. */
static enum outcome receive(struct vnet *n, struct virtq_step *from, const struct net_frame *frame)
{
	struct virtq_step to = {.pieces = from->pieces};
	enum outcome outcome;

	if (unlikely(!is_up(n))) {
		drop(n, NET_DOWN);
		use_pieces(from, 1);
		return PUT;
	}
	guest_view_open(&to.view, n->virtio.device.vm, HYP_WINDOW_VIEW_2);
	outcome = take_buffer(n, &to, from, frame);
	guest_view_close(&to.view);
	virtio_publish(&n->virtio, QUEUE_RECEIVE, &to);
	from->pieces = outcome == AGAIN ? 0 : to.pieces;
	from->bytes -= MIN(from->bytes, ETHER_HEADER + frame->rest->left);
	return outcome;
}

/* Transmit */

static enum virtio_served end_frame(struct vnet *n, enum outcome outcome)
{
	if (outcome == FAULTY)
		drop(n, NET_MALFORMED);
	else
		n->count.sent++;
	return VIRTIO_DONE;
}

static enum virtio_served send_to_one(struct vnet *n, const struct net_frame *frame, struct virtq_step *step)
{
	static const enum net_drop why[] = {
		[SWITCH_UNKNOWN] = NET_UNKNOWN, [SWITCH_SELF] = NET_ISOLATED, [SWITCH_ISOLATED] = NET_ISOLATED};
	struct switch_port *port;
	enum switch_found found = switch_lock_port(&n->port, frame->front->ether, &port);
	enum outcome outcome;

	if (unlikely(found != SWITCH_FOUND)) {
		drop(n, why[found]);
		return VIRTIO_DONE;
	}
	outcome = receive(vnet_of_port(port), step, frame);
	spin_unlock(port->lock);
	return outcome == AGAIN ? VIRTIO_MORE : end_frame(n, outcome);
}

static enum virtio_served send_to_all(struct vnet *n, const struct net_frame *frame, struct virtq_chain *chain,
				      struct virtq_step *step)
{
	uint32_t index = chain->phase - PHASE_SEND;
	struct switch_port *port;

	while (step->bytes > 0 && step->pieces > 0 && (port = switch_lock_next(&n->port, &index))) {
		enum outcome outcome = receive(vnet_of_port(port), step, frame);

		spin_unlock(port->lock);
		if (outcome == FAULTY)
			return end_frame(n, outcome);
		index += outcome == PUT;
	}
	chain->phase = PHASE_SEND + index;
	return step->bytes > 0 && step->pieces > 0 ? end_frame(n, PUT) : VIRTIO_MORE;
}

/* NET_DROPS: there is a frame, and it may be sent. */
static enum net_drop begin_frame(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	uint32_t header = header_bytes(&n->virtio);

	if (guest_gather(&step->view, &chain->in, (uint8_t *)&n->front + HEADER_BYTES - header,
			 header + ETHER_HEADER) ||
	    chain->in.left > FRAME_MAX - ETHER_HEADER)
		return NET_MALFORMED;
	if (!switch_accept(&n->port, n->front.ether + MAC_BYTES))
		return NET_SPOOFED;
	n->virtio.device.count.bytes += ETHER_HEADER + chain->in.left;
	return NET_DROPS;
}

static enum virtio_served net_serve(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
				    struct virtq_step *step, uint32_t *written)
{
	struct vnet *n = vnet_of(v);
	const struct net_frame frame = {&n->front, &chain->in};
	uint32_t pieces = NET_PIECES, fits;

	(void)queue, (void)written;
	if (chain->phase == VIRTQ_NO_REQUEST) {
		enum net_drop why;

		if (!virtq_reserve(step, &chain->in, MIN(chain->in.left, sizeof(n->front))))
			return VIRTIO_MORE;
		why = begin_frame(n, chain, step);
		if (why != NET_DROPS) {
			drop(n, why);
			return VIRTIO_DONE;
		}
		chain->phase = PHASE_SEND;
	}
	fits = guest_share(&step->view, &chain->in, chain->in.left, &pieces);
	if (unlikely(fits < chain->in.left)) {
		step->pieces = 0;
		return fits == 0 ? VIRTIO_MORE : end_frame(n, FAULTY);
	}
	return n->front.ether[0] & 1U ? send_to_all(n, &frame, chain, step) : send_to_one(n, &frame, step);
}

static const struct virtio_backend net_backend = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.features = BIT64(F_MTU) | BIT64(F_MAC) | BIT64(F_STATUS),
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
