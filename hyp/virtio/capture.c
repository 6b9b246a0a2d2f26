/* SPDX-License-Identifier: BSD-2-Clause */
/* See capture.h. A ring of frames, filled under the switch's lock, emptied by one who takes none. */
#include "hyp/virtio/capture.h"

#include <errno.h>
#include <string.h>

#include "hyp/lib/bits.h"
#include "hyp/run/timer.h"
#include "hyp/virtio/switch.h"
#include "mm/page.h"

#define RING_SIZE KIB(64)

int capture_begin(struct capture *c, struct net_switch *net, uint32_t bytes)
{
	*c = (struct capture){.net = net, .bytes = bytes};
	c->slot_size = (uint32_t)align_up(sizeof(struct captured) + bytes, sizeof(uint64_t));
	c->slots = RING_SIZE / c->slot_size;
	c->ring = page_alloc(page_order(RING_SIZE));
	if (!c->ring)
		return -ENOMEM;
	switch_mirror(net, c);
	return 0;
}

void capture_end(struct capture *c)
{
	switch_mirror(c->net, NULL);
	page_free(c->ring, page_order(RING_SIZE));
}

static struct captured *capture_slot(const struct capture *c, uint32_t number)
{
	return (struct captured *)(void *)(c->ring + (size_t)(number % c->slots) * c->slot_size);
}

const struct captured *capture_first(struct capture *c)
{
	return __atomic_load_n(&c->put, __ATOMIC_ACQUIRE) == c->taken ? NULL : capture_slot(c, c->taken);
}

void capture_drop(struct capture *c)
{
	__atomic_store_n(&c->taken, c->taken + 1U, __ATOMIC_RELEASE);
}

/* RAM that aborts, or is gone, since the frame was looked at leaves a part of it out. */
static void capture_keep(struct capture *c, struct guest_view *view, const struct net_frame *frame)
{
	struct captured *to = capture_slot(c, c->put);
	struct guest_cursor rest = frame->rest;
	uint32_t head = MIN(frame->head_len, c->bytes), more = MIN(frame->rest_len, c->bytes - head);

	to->time = timer_now();
	to->len = frame->head_len + frame->rest_len;
	memcpy(to->bytes, frame->head, head);
	to->kept = net_gather(view, frame, &rest, to->bytes + head, more) ? head : head + more;
	__atomic_store_n(&c->put, c->put + 1U, __ATOMIC_RELEASE);
}

void capture_frame(const struct switch_port *from, struct guest_view *view, const struct net_frame *frame)
{
	struct capture *c = switch_lock_mirror(from);

	if (!c)
		return;
	if (c->put - __atomic_load_n(&c->taken, __ATOMIC_ACQUIRE) < c->slots)
		capture_keep(c, view, frame);
	else
		c->lost++;
	switch_unlock_mirror(from);
}
