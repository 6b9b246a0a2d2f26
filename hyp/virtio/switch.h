/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual switches, which network cards (hyp/virtio/net.c) are plugged into by a switch's name: the first one makes it,
 * with the last one it goes. A switch knows who is where and keeps no frame: who sends copies into who receives.
 *
 * Each port has an address of its own, which the bundle says and no other port of the switch may send from. Where a
 * port may send from any address, those are learned: a bounded table of addresses that age.
 *
 * An uplink is a port with another behind it than a VM's card: its owner fills a struct switch_port, `uplink` and
 * `any_mac` set, and joins; what VMs send to addresses that no port has goes to it. It may send from any that is no
 * port's own, by switch_accept() and switch_lock_port() as a card does. Those are not learned, and those that had been
 * elsewhere are forgotten: whoever is outside takes no places from the addresses of VMs.
 *
 * Ports come and go on the boot CPU (hyp/vm/assemble.h); senders look from any. switch->lock is for its ports and
 * addresses: taken under the lock of the device that sends, and given back before who looked for a port waits for that
 * port's lock, which is the receive_lock of its device (hyp/virtio/virtio.h): who sends to others does not wait there.
 * The port stays meanwhile (struct switch_port, comers). Under its lock no lock of a device or a switch is taken, so
 * that two may send to each other.
 */
#ifndef HYP_VIRTIO_SWITCH_H
#define HYP_VIRTIO_SWITCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <arm/spinlock.h>

#define MAC_BYTES          6U
#define SWITCH_PORTS_MAX   256U
#define SWITCH_LEARNED     64U  /* addresses, beside the ports' own, */
#define SWITCH_AGE_S       300U /* of which nothing was heard for so long, are forgotten */
#define SWITCH_GROUP_LIMIT 1000U

/* A third of an address, which lies at an even place, as in a struct net_frame. Built in: a load, and not a call. */
static inline uint32_t mac_part(const uint8_t *mac, uint32_t part)
{
	uint16_t value;

	__builtin_memcpy(&value, __builtin_assume_aligned(mac + part * sizeof(value), sizeof(value)), sizeof(value));
	return value;
}

static inline bool mac_equal(const uint8_t *a, const uint8_t *b)
{
	return mac_part(a, 2) == mac_part(b, 2) && mac_part(a, 1) == mac_part(b, 1) && mac_part(a, 0) == mac_part(b, 0);
}

struct capture;
struct net_frame;
struct net_switch;
struct switch_port;
struct virtq_step;

/* What has become of a frame, or a part of one, at the port that it was put into. */
enum switch_put {
	PUT_PART,   /* a part is in its buffer */
	PUT_DONE,   /* and so is what was lost on the receiver's side */
	PUT_AGAIN,  /* the step is over: nothing has happened yet */
	PUT_CUT,    /* nor here: put it in parts (offload_part()), for an interrupt waits */
	PUT_FAULTY, /* the sender's RAM aborts, or is none; or it is in too many pieces */
};

/*
 * What is behind a port: a card of a VM's (hyp/virtio/net_receive.c), or an uplink. Called by who sends, under the
 * port's lock; what it costs is the sender's, `from`, to pay.
 */
struct switch_port_ops {
	/*
	 * Can it do what the sender's driver has left to others: a checksum, and where gso_type is not NET_GSO_NONE the
	 * segments? Of one that is down, too: for that nothing has to be made.
	 */
	bool (*takes)(const struct switch_port *port, uint32_t gso_type);
	enum switch_put (*put)(struct switch_port *port, struct virtq_step *from, const struct net_frame *frame);
	/* A frame to it is lost, because it was PUT_AGAIN too often. */
	void (*lose)(struct switch_port *port);
	/* The way outside is there, or it is not any more: once for each change, and at joining where it is not. NULL:
	 * of no matter. */
	void (*link)(struct switch_port *port, bool up);
};

struct switch_port {
	uint8_t mac[MAC_BYTES] __attribute__((aligned(2)));
	const char *name; /* for people */
	const struct switch_port_ops *ops;
	uint32_t priority;     /* of the VM behind it (0-7); an uplink's is not asked for */
	bool any_mac;          /* may send from other addresses */
	bool uplink;           /* has any_mac, and gets what is to addresses that no port here has; one a switch */
	bool isolated;         /* from others that are */
	uint32_t group_limit;  /* frames a second to all or to a group; as many at once. 0: SWITCH_GROUP_LIMIT */
	struct spinlock *lock; /* for who puts a frame into it */
	/* of the switch */
	struct net_switch *net; /* NULL: plugged into none */
	struct switch_port *next;
	uint32_t index;
	volatile uint32_t comers; /* who have found it, and do not hold its lock yet */
	uint64_t group_paid;      /* CNTPCT up to which such frames have used it up; under the lock of who sends */
};

enum switch_found { SWITCH_FOUND, SWITCH_UNKNOWN, SWITCH_SELF, SWITCH_ISOLATED };

/*
 * Plug it into the switch `name`, which stays where it is. 0; -EEXIST: *other has its address, or is the uplink that
 * there is; -ENOSPC: the switch is full; -ENOMEM.
 */
int switch_join(const char *name, struct switch_port *port, struct switch_port **other);

/* Unplug it, if it is plugged in; when this returns no other port puts anything into it any more. */
void switch_leave(struct switch_port *port);

/* May `from` send from this address? One that is new, and is not another port's, is learned, but of an uplink. */
bool switch_accept(struct switch_port *from, const uint8_t *mac);

/* May it send to all, or to a group, now? It has then. One after the other, as its device's lock has it. */
bool switch_accept_group(struct switch_port *from);

/* *to: the port of address `mac`, with its lock held. Where `from` cannot send to it, why, and nothing is held. */
enum switch_found switch_lock_port(const struct switch_port *from, const uint8_t *mac, struct switch_port **to);

/*
 * For a frame to all: the next port, by number from *index on, which is its number then, with its lock held. NULL:
 * there is none.
 */
struct switch_port *switch_lock_next(const struct switch_port *from, uint32_t *index);

/* The uplink's cable: what all other ports of its switch are told, now or when they join. On the boot CPU. */
void switch_set_link(struct switch_port *uplink, bool up);

/* The highest priority of a VM that is behind a port of the switch; 0: there is none. */
uint32_t switch_priority(const struct switch_port *of);

/*
 * What each frame of the switch is copied to, which stays where it is until there is another one; NULL: nothing. When
 * this returns no CPU uses the last one any more. On the boot CPU.
 */
void switch_mirror(struct net_switch *net, struct capture *to);

/* That of the switch that `from` is plugged into, with the switch's lock held; NULL: none, and nothing is held. */
struct capture *switch_lock_mirror(const struct switch_port *from);
void switch_unlock_mirror(const struct switch_port *from);

/* For people, on the boot CPU: the switches one after the other, from NULL to NULL. */
struct net_switch *switch_next(const struct net_switch *net);
const char *switch_name(const struct net_switch *net);

#endif
