/* SPDX-License-Identifier: BSD-2-Clause */
/* See uplink.h. */
#include "hyp/virtio/uplink.h"

#include <assert.h>
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include "hyp/lib/log.h"
#include "hyp/host/hostdev.h"
#include "hyp/host/nic.h"
#include "hyp/lib/bits.h"
#include "hyp/load/bundle.h"
#include "hyp/load/words.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/virtio/capture.h"
#include "hyp/virtio/offload.h"
#include "hyp/virtio/queue.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"

#define TOUCHES_MAX (4U * VM_TOUCH_STEPS) /* as a VM's own (hyp/virtio/net_send.c) */

struct uplink {
	struct nic nic;
	struct hostdev claim; /* of its device */
	struct switch_port port;
	struct spinlock lock; /* the port's: what is sent */
	struct thread *thread;
	volatile bool looks; /* at its cable, for something has changed */
	struct uplink *next;
	const char *network, *path;
	bool up;
	struct net_count count;
	struct net_frame frame; /* that has come */
};

static_assert(sizeof(((struct nic *)0)->mac) == MAC_BYTES, "an address is one");

static struct uplink *uplinks; /* made on the boot CPU, for ever */

/* --- from VMs to outside */

static struct uplink *uplink_of(struct switch_port *port)
{
	return container_of(port, struct uplink, port);
}

/* The card takes frames as they go over the wire. */
static bool uplink_takes(const struct switch_port *port, uint32_t gso_type)
{
	return false;
}

static void uplink_lose(struct switch_port *port)
{
	uplink_of(port)->count.dropped[NET_NO_BUFFER]++;
}

static enum switch_put uplink_put(struct switch_port *port, struct virtq_step *from, const struct net_frame *frame)
{
	struct uplink *u = uplink_of(port);
	uint32_t len = frame->head_len + frame->rest_len;
	struct guest_cursor rest = frame->rest;
	uint8_t *room = len <= NIC_FRAME_MAX ? nic_room(&u->nic) : NULL;

	from->pieces -= MIN(from->pieces, 1U + frame->pieces);
	from->bytes -= MIN(from->bytes, len);
	if (!room) {
		u->count.dropped[len <= NIC_FRAME_MAX ? NET_NO_BUFFER : NET_SMALL]++;
		return PUT_DONE;
	}
	memcpy(room, frame->head, frame->head_len);
	if (net_gather(from->view, frame, &rest, room + frame->head_len, frame->rest_len))
		return PUT_FAULTY;
	nic_send(&u->nic, room, len);
	u->count.received++;
	return PUT_DONE;
}

static const struct switch_port_ops uplink_port_ops = {uplink_takes, uplink_put, uplink_lose, NULL};

/* --- from outside to VMs */

/* Into the port that was locked. False: *touches counts, and it is to be locked once more. Others come in between. */
static bool put_into(struct uplink *u, struct switch_port *to, uint32_t *touches)
{
	struct virtq_step step = {.bytes = VIRTQ_STEP_BYTES, .pieces = VIRTQ_STEP_PIECES};
	bool done = to->ops->put(to, &step, &u->frame) != PUT_AGAIN;

	if (!done && ++*touches > TOUCHES_MAX) {
		to->ops->lose(to);
		done = true;
	}
	spin_unlock(to->lock);
	sched_preempt();
	return done;
}

static void put_into_all(struct uplink *u)
{
	struct switch_port *port;
	uint32_t index = 0, touches = 0;

	while ((port = switch_lock_next(&u->port, &index)))
		if (put_into(u, port, &touches)) {
			touches = 0;
			index++;
		}
}

static void put_into_one(struct uplink *u)
{
	struct switch_port *port;
	uint32_t touches = 0;

	do
		if (switch_lock_port(&u->port, u->frame.head, &port) != SWITCH_FOUND) {
			u->count.dropped[NET_UNKNOWN]++;
			return;
		}
	while (!put_into(u, port, &touches));
}

/* A copy of its head, so that it has the same form as a VM's. */
static void make_frame(struct uplink *u, const uint8_t *bytes, uint32_t len)
{
	struct net_frame *f = &u->frame;

	f->header = (struct net_header){.buffers = 1};
	memcpy(f->head, bytes, ETHER_HEADER);
	f->head_len = ETHER_HEADER;
	f->own = bytes + ETHER_HEADER;
	f->rest_len = len - ETHER_HEADER;
	f->rest = (struct guest_cursor){.left = f->rest_len};
	f->pieces = 0;
}

static void forward_frame(struct uplink *u, const uint8_t *bytes, uint32_t len)
{
	if (len < ETHER_HEADER || len > NIC_FRAME_MAX) {
		u->count.dropped[NET_MALFORMED]++;
		return;
	}
	make_frame(u, bytes, len);
	if (!switch_accept(&u->port, u->frame.head + MAC_BYTES)) {
		u->count.dropped[NET_SPOOFED]++; /* a VM's own frame that comes back, or a stranger's with its address
						  */
		return;
	}
	u->count.sent++;
	if (u->frame.head[0] & 1U)
		put_into_all(u);
	else
		put_into_one(u);
	capture_frame(&u->port, NULL, &u->frame);
}

static bool forward_next(struct uplink *u)
{
	uint32_t len;
	const uint8_t *bytes = nic_received(&u->nic, &len);

	if (!bytes)
		return false;
	forward_frame(u, bytes, len);
	nic_drop(&u->nic);
	return true;
}

static void look_at_link(struct uplink *u)
{
	bool up;

	if (!u->looks)
		return;
	u->looks = false;
	up = nic_has_link(&u->nic);
	if (up == u->up)
		return;
	u->up = up;
	switch_set_link(&u->port, up);
	log_info("switch %s: uplink %s: the cable is %s", u->network, u->path, up ? "in" : "out");
}

/* As many frames as it has room for, before its cable and its VMs are looked at again. False: there are no more. */
static bool forward_some(struct uplink *u)
{
	uint32_t n = 0;

	while (n < NIC_BUFFERS && forward_next(u)) {
		n++;
		sched_preempt();
	}
	return n == NIC_BUFFERS;
}

static void serve_outside(void *arg)
{
	struct uplink *u = arg;

	for (;;) {
		nic_busy(&u->nic);
		look_at_link(u);
		thread_set_priority(u->thread, switch_priority(&u->port));
		if (!forward_some(u) && nic_wait(&u->nic))
			sched_block();
		else
			sched_preempt();
	}
}

static bool uplink_irq(uint32_t id, void *arg)
{
	struct uplink *u = arg;

	u->looks |= nic_acknowledge(&u->nic);
	sched_wake(u->thread);
	return true;
}

/* --- life */

static int refuse_uplink(const char *name, const char *path, const char *why)
{
	log_err("switch %s: uplink \"%s\": %s; its VMs reach nobody outside", name, path, why);
	return -EINVAL;
}

static int join_switch(struct uplink *u, const char *name)
{
	struct switch_port *other;
	int ret;

	memcpy(u->port.mac, u->nic.mac, MAC_BYTES);
	u->port.name = u->path;
	u->port.ops = &uplink_port_ops;
	u->port.lock = &u->lock;
	u->port.any_mac = u->port.uplink = true;
	ret = switch_join(name, &u->port, &other);
	return ret ? refuse_uplink(name, u->path, "virt7's heap is too small for its switch") : 0;
}

/* The uplink that has the same card; NULL: none. */
static const struct uplink *find_same(const struct uplink *u)
{
	const struct uplink *other = uplinks;

	while (other && other->nic.v.node != u->nic.v.node)
		other = other->next;
	return other;
}

/* Virtual machines cannot have it from here on. */
static const char *claim_card(struct uplink *u)
{
	u->claim.node = u->nic.v.node;
	return hostdev_claim(&u->claim, "virt7, for a switch") ? "a VM has this card" : NULL;
}

static int start_uplink(struct uplink *u, const struct host *host, const char *name)
{
	const char *wrong = hostvirtio_find(&u->nic.v, host, u->path);

	if (!wrong && find_same(u))
		wrong = "another switch has this card";
	if (!wrong)
		wrong = claim_card(u);
	if (!wrong)
		wrong = nic_open(&u->nic);
	if (wrong)
		return refuse_uplink(name, u->path, wrong);
	if (join_switch(u, name)) {
		nic_close(&u->nic);
		return -EINVAL;
	}
	u->thread = thread_create(serve_outside, u, 0);
	if (!u->thread) {
		switch_leave(&u->port);
		nic_close(&u->nic);
		return refuse_uplink(name, u->path, "virt7's heap is too small for its thread");
	}
	irq_register_spi(u->nic.v.irq, uplink_irq, u); /* at boot: it has no other handler */
	return 0;
}

static void create_uplink(const struct host *host, const char *name, const char *path)
{
	uint32_t order = page_order(sizeof(struct uplink));
	struct uplink *u = page_alloc(order);

	if (!u) {
		refuse_uplink(name, path, "virt7's heap is too small");
		return;
	}
	u->network = name;
	u->path = path;
	u->up = u->looks = true;
	if (start_uplink(u, host, name)) {
		hostdev_release(&u->claim);
		page_free(u, order);
		return;
	}
	u->next = uplinks;
	uplinks = u;
	log_info("switch %s: uplink %s, %02x:%02x:%02x:%02x:%02x:%02x", name, path, u->port.mac[0], u->port.mac[1],
		 u->port.mac[2], u->port.mac[3], u->port.mac[4], u->port.mac[5]);
}

static void warn_of_unknown(const struct bundle *b, int node, const char *name)
{
	int property;

	fdt_for_each_property_offset(property, b->fdt, node) {
		const char *key;

		if (fdt_getprop_by_offset(b->fdt, property, &key, NULL) && strcmp(key, "uplink") != 0)
			log_warn("switch %s: /switches/%s: %.40s: %s", name, name, key, WORDS_UNKNOWN_PROPERTY);
	}
}

void uplink_create_all(const struct bundle *b, const struct host *host)
{
	int switches = b->fdt ? fdt_path_offset(b->fdt, "/switches") : -1, node;

	if (switches < 0)
		return;
	fdt_for_each_subnode(node, b->fdt, switches) {
		const char *name = fdt_get_name(b->fdt, node, NULL), *path;
		int ret = bundle_get_string(b, node, "uplink", &path);

		if (!bundle_name_is_valid(name)) {
			log_err("/switches/%.40s: %s", name, WORDS_NAME);
			continue;
		}
		warn_of_unknown(b, node, name);
		if (ret == -EINVAL)
			log_err("switch %s: uplink: %s", name, WORDS_UPLINK);
		else if (!ret)
			create_uplink(host, name, path);
	}
}

struct uplink *uplink_next(const struct uplink *u)
{
	return u ? u->next : uplinks;
}

const struct net_count *uplink_counts(const struct uplink *u)
{
	return &u->count;
}

const struct switch_port *uplink_port(const struct uplink *u)
{
	return &u->port;
}

bool uplink_has_link(const struct uplink *u)
{
	return u->up;
}
