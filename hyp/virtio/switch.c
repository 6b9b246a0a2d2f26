/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual switches: ports, addresses (hyp/virtio/switch.h). Compiled for speed. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <arm/barrier.h>

#include "hyp/lib/bits.h"
#include "hyp/run/timer.h"
#include "hyp/virtio/switch.h"
#include "mm/page.h"

#define BUCKETS 64U
#define WAYS    4U

struct learned {
	struct switch_port *port; /* NULL: empty */
	uint64_t heard;           /* CNTPCT */
	uint8_t mac[MAC_BYTES] __attribute__((aligned(2)));
};

struct net_switch {
	const char *name;
	struct net_switch *next;
	uint32_t members;
	struct spinlock lock;       /* the rest */
	bool down;                  /* the uplink has no cable */
	uint32_t count;             /* the last port's number, and one */
	struct capture *mirror;     /* NULL: none */
	struct switch_port *uplink; /* NULL: none */
	struct switch_port *bucket[BUCKETS];
	struct switch_port *port[SWITCH_PORTS_MAX]; /* NULL: none */
	struct learned learned[SWITCH_LEARNED];
};

static struct net_switch *switches; /* changed on the boot CPU only */

static inline uint32_t mac_hash(const uint8_t *mac)
{
	return (uint32_t)(mac[5] ^ mac[4] * 7U ^ mac[3] * 31U);
}

static struct switch_port *find_port(const struct net_switch *net, const uint8_t *mac)
{
	struct switch_port *port = net->bucket[mac_hash(mac) % BUCKETS];

	while (port && !mac_equal(port->mac, mac))
		port = port->next;
	return port;
}

static struct learned *learned_set(struct net_switch *net, const uint8_t *mac)
{
	return &net->learned[mac_hash(mac) % (SWITCH_LEARNED / WAYS) * WAYS];
}

static bool is_old(const struct learned *entry, uint64_t now)
{
	return !entry->port || now - entry->heard > (uint64_t)SWITCH_AGE_S * timer_hz();
}

static struct switch_port *find_learned(struct net_switch *net, const uint8_t *mac)
{
	struct learned *set = learned_set(net, mac);

	for (uint32_t i = 0; i < WAYS; i++)
		if (set[i].port && mac_equal(set[i].mac, mac))
			return is_old(&set[i], timer_now()) ? NULL : set[i].port;
	return NULL;
}

/* In the place of the same address, or of the one that was heard of the longest ago. */
static void learn_mac(struct net_switch *net, struct switch_port *port, const uint8_t *mac)
{
	struct learned *set = learned_set(net, mac), *place = set;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i].port && mac_equal(set[i].mac, mac)) {
			place = &set[i];
			break;
		}
		if (!set[i].port || (place->port && set[i].heard < place->heard))
			place = &set[i];
	}
	place->port = port;
	place->heard = timer_now();
	memcpy(place->mac, mac, MAC_BYTES);
}

/* What comes from outside needs no place in the table: there is where all goes that has none. */
static void unlearn_mac(struct net_switch *net, const uint8_t *mac)
{
	struct learned *set = learned_set(net, mac);

	for (uint32_t i = 0; i < WAYS; i++)
		if (set[i].port && mac_equal(set[i].mac, mac))
			set[i].port = NULL;
}

bool switch_accept(struct switch_port *from, const uint8_t *mac)
{
	struct net_switch *net = from->net;
	bool fine;

	if (likely(mac_equal(mac, from->mac)))
		return true;
	if (!from->any_mac || mac[0] & 1U)
		return false;
	spin_lock(&net->lock);
	fine = !find_port(net, mac);
	if (fine && from->uplink)
		unlearn_mac(net, mac);
	else if (fine)
		learn_mac(net, from, mac);
	spin_unlock(&net->lock);
	return fine;
}

/* Each frame costs its part of a second, and what was not used in the last second is left. */
bool switch_accept_group(struct switch_port *from)
{
	uint64_t now = timer_now(), second = timer_hz();
	uint64_t paid = now - from->group_paid > second ? now - second : from->group_paid;

	paid += second / (from->group_limit ? from->group_limit : SWITCH_GROUP_LIMIT);
	if (paid > now)
		return false;
	from->group_paid = paid;
	return true;
}

static bool may_reach(const struct switch_port *from, const struct switch_port *to)
{
	return to != from && !(from->isolated && to->isolated);
}

/* Under the switch's lock. */
static void come_to(struct switch_port *port)
{
	__atomic_fetch_add(&port->comers, 1U, __ATOMIC_RELAXED);
}

/* Not under it. */
static void lock_port(struct switch_port *port)
{
	spin_lock(port->lock);
	__atomic_fetch_sub(&port->comers, 1U, __ATOMIC_RELEASE);
}

enum switch_found switch_lock_port(const struct switch_port *from, const uint8_t *mac, struct switch_port **to)
{
	struct net_switch *net = from->net;
	enum switch_found found = SWITCH_FOUND;
	struct switch_port *port;

	spin_lock(&net->lock);
	port = find_port(net, mac);
	if (unlikely(!port))
		port = find_learned(net, mac);
	if (unlikely(!port) && net->uplink != from)
		port = net->uplink;
	if (unlikely(!port))
		found = SWITCH_UNKNOWN;
	else if (unlikely(!may_reach(from, port)))
		found = port == from ? SWITCH_SELF : SWITCH_ISOLATED;
	else
		come_to(port);
	spin_unlock(&net->lock);
	if (likely(found == SWITCH_FOUND))
		lock_port(port);
	*to = port;
	return found;
}

struct switch_port *switch_lock_next(const struct switch_port *from, uint32_t *index)
{
	struct net_switch *net = from->net;
	struct switch_port *port = NULL;

	spin_lock(&net->lock);
	for (; !port && *index < net->count; ++*index)
		if (net->port[*index] && may_reach(from, net->port[*index]))
			port = net->port[*index];
	if (port) {
		*index = port->index;
		come_to(port);
	}
	spin_unlock(&net->lock);
	if (port)
		lock_port(port);
	return port;
}

uint32_t switch_priority(const struct switch_port *of)
{
	struct net_switch *net = of->net;
	uint32_t priority = 0;

	spin_lock(&net->lock);
	for (uint32_t i = 0; i < net->count; i++)
		if (net->port[i] && !net->port[i]->uplink)
			priority = MAX(priority, net->port[i]->priority);
	spin_unlock(&net->lock);
	return priority;
}

/* Under the port's lock. */
static void tell_link(struct switch_port *port, bool up)
{
	if (port->ops->link)
		port->ops->link(port, up);
}

void switch_set_link(struct switch_port *uplink, bool up)
{
	struct switch_port *port;
	uint32_t index = 0;

	uplink->net->down = !up;
	for (; (port = switch_lock_next(uplink, &index)); index++) {
		tell_link(port, up);
		spin_unlock(port->lock);
	}
}

static struct net_switch *get_switch(const char *name)
{
	struct net_switch **at = &switches;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	if (!*at) {
		*at = page_alloc(page_order(sizeof(**at)));
		if (*at)
			(*at)->name = name;
	}
	return *at;
}

static void put_switch(struct net_switch *net)
{
	struct net_switch **at = &switches;

	if (net->members > 0)
		return;
	while (*at != net)
		at = &(*at)->next;
	*at = net->next;
	page_free(net, page_order(sizeof(*net)));
}

/* Under the lock. */
static int take_place(struct net_switch *net, struct switch_port *port)
{
	struct switch_port **bucket = &net->bucket[mac_hash(port->mac) % BUCKETS];
	uint32_t index = 0;

	while (index < SWITCH_PORTS_MAX && net->port[index])
		index++;
	if (index == SWITCH_PORTS_MAX)
		return -ENOSPC;
	port->index = index;
	port->net = net;
	if (port->uplink)
		net->uplink = port;
	net->port[index] = port;
	net->count = MAX(net->count, index + 1U);
	net->members++;
	port->next = *bucket;
	*bucket = port;
	return 0;
}

int switch_join(const char *name, struct switch_port *port, struct switch_port **other)
{
	struct net_switch *net = get_switch(name);
	int ret;

	if (!net)
		return -ENOMEM;
	spin_lock(&net->lock);
	*other = port->uplink && net->uplink ? net->uplink : find_port(net, port->mac);
	ret = *other ? -EEXIST : take_place(net, port);
	spin_unlock(&net->lock);
	put_switch(net);
	if (ret || !net->down)
		return ret;
	spin_lock(port->lock);
	tell_link(port, false);
	spin_unlock(port->lock);
	return ret;
}

/* Under the lock. */
static void give_place(struct net_switch *net, const struct switch_port *port)
{
	struct switch_port **at = &net->bucket[mac_hash(port->mac) % BUCKETS];

	while (*at != port)
		at = &(*at)->next;
	*at = port->next;
	for (uint32_t i = 0; i < SWITCH_LEARNED; i++)
		if (net->learned[i].port == port)
			net->learned[i].port = NULL;
	net->port[port->index] = NULL;
	if (net->uplink == port) {
		net->uplink = NULL;
		net->down = false;
	}
	while (net->count > 0 && !net->port[net->count - 1U])
		net->count--;
	net->members--;
}

void switch_leave(struct switch_port *port)
{
	struct net_switch *net = port->net;

	if (!net)
		return;
	spin_lock(&net->lock);
	give_place(net, port);
	spin_unlock(&net->lock);
	/* Who has found it waits for no more than a frame, with interrupts masked; then all of them are done. */
	while (__atomic_load_n(&port->comers, __ATOMIC_ACQUIRE))
		yield();
	spin_lock(port->lock);
	spin_unlock(port->lock);
	port->net = NULL;
	put_switch(net);
}

/* A switch with a mirror stays, be it without ports. */
void switch_mirror(struct net_switch *net, struct capture *to)
{
	spin_lock(&net->lock);
	if (to && !net->mirror)
		net->members++;
	else if (!to && net->mirror)
		net->members--;
	net->mirror = to;
	spin_unlock(&net->lock);
	put_switch(net);
}

struct capture *switch_lock_mirror(const struct switch_port *from)
{
	struct net_switch *net = from->net;
	struct capture *to;

	if (likely(!__atomic_load_n(&net->mirror, __ATOMIC_RELAXED)))
		return NULL;
	spin_lock(&net->lock);
	to = net->mirror;
	if (!to)
		spin_unlock(&net->lock);
	return to;
}

void switch_unlock_mirror(const struct switch_port *from)
{
	spin_unlock(&from->net->lock);
}

struct net_switch *switch_next(const struct net_switch *net)
{
	return net ? net->next : switches;
}

const char *switch_name(const struct net_switch *net)
{
	return net->name;
}
