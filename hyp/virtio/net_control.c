/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control queue of a network card (virtio 1.2, 5.1.6.5; hyp/virtio/vnet.h): which frames its driver wants, and the
 * address that it goes by. Compiled for speed.
 */
#include "hyp/virtio/vnet.h"

#define CLASS_RX  0U
#define CLASS_MAC 1U

/* Commands of class RX, and bits of modes. */
#define RX_PROMISC  0U
#define RX_ALLMULTI 1U
#define RX_ALLUNI   2U
#define RX_NOMULTI  3U
#define RX_NOUNI    4U
#define RX_NOBCAST  5U
#define RX_COMMANDS 6U

#define MAC_TABLE_SET 0U
#define MAC_ADDR_SET  1U

#define LISTS         2U   /* of MAC_TABLE_SET: addresses of one card, of groups */
#define ADDRESSES_MAX 256U /* of a list; from more on all are wanted */

#define ACK_OK    0U
#define ACK_ERROR 1U

/* Of the phases of a chain: a table is being read. */
#define PHASE_TABLE 1U

enum found { FINE, WRONG, LATER };

static uint64_t net_hash(const uint8_t *mac)
{
	return BIT64((uint32_t)(mac[5] ^ mac[4] * 3U ^ mac[3] * 7U ^ mac[2] * 31U) % 64U);
}

void vnet_reset_filter(struct vnet *n)
{
	n->filter = (struct net_filter){.modes = BIT(RX_PROMISC)};
}

static const uint8_t *own_mac(const struct vnet *n)
{
	return &n->state.page.byte[VIRTIO_CONFIG];
}

static bool is_to_all(const uint8_t *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xffU;
}

bool vnet_wants(const struct vnet *n, const uint8_t *mac)
{
	const struct net_filter *f = &n->filter;

	if (f->modes & BIT(RX_PROMISC))
		return true;
	if (mac[0] & 1U) {
		if (is_to_all(mac))
			return !(f->modes & BIT(RX_NOBCAST));
		return !(f->modes & BIT(RX_NOMULTI)) && (f->modes & BIT(RX_ALLMULTI) || f->group & net_hash(mac));
	}
	if (f->modes & BIT(RX_NOUNI))
		return false;
	return f->modes & BIT(RX_ALLUNI) || mac_equal(mac, own_mac(n)) || f->one & net_hash(mac);
}

/* The next bytes of the command, a few that are wanted together. */
static enum found take_bytes(struct virtq_chain *chain, struct virtq_step *step, void *to, uint32_t len)
{
	if (chain->in.left < len)
		return WRONG;
	if (!virtq_reserve(step, &chain->in, len))
		return LATER;
	return guest_gather(step->view, &chain->in, to, len) ? WRONG : FINE;
}

/* Others look at it when they put a frame into the card. */
static void set_filter(struct vnet *n, const struct net_filter *filter)
{
	spin_lock(&n->virtio.receive_lock);
	n->filter = *filter;
	spin_unlock(&n->virtio.receive_lock);
}

static enum found set_mode(struct vnet *n, uint32_t mode, struct virtq_chain *chain, struct virtq_step *step)
{
	struct net_filter filter = n->filter;
	enum found found;
	uint8_t on;

	if (mode >= RX_COMMANDS || !virtio_has(&n->virtio, mode > RX_ALLMULTI ? F_CTRL_EXTRA : F_CTRL_RX))
		return WRONG;
	found = take_bytes(chain, step, &on, sizeof(on));
	if (found != FINE)
		return found;
	filter.modes = (filter.modes & ~BIT(mode)) | (on ? BIT(mode) : 0);
	set_filter(n, &filter);
	return FINE;
}

/* Its driver may go by another address where the switch lets it send from one; the port's own stays as it is. */
static enum found set_mac_address(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	uint8_t mac[MAC_BYTES];
	enum found found = virtio_has(&n->virtio, F_CTRL_MAC) ? take_bytes(chain, step, mac, sizeof(mac)) : WRONG;

	if (found != FINE)
		return found;
	if (mac[0] & 1U)
		return WRONG;
	spin_lock(&n->virtio.receive_lock);
	virtio_config_set(&n->virtio, 0, mac, sizeof(mac));
	spin_unlock(&n->virtio.receive_lock);
	return FINE;
}

static uint64_t *list_of(struct net_command *c)
{
	return c->list ? &c->filter.group : &c->filter.one;
}

/* The list begins with the number of its addresses. */
static enum found begin_list(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	struct net_command *c = &n->command;
	enum found found = take_bytes(chain, step, &c->left, sizeof(c->left));

	if (found != FINE)
		return found;
	if (c->left > chain->in.left / MAC_BYTES)
		return WRONG;
	if (c->left <= ADDRESSES_MAX)
		return FINE;
	guest_skip(&chain->in, c->left * MAC_BYTES);
	c->left = 0;
	*list_of(c) = UINT64_MAX;
	return FINE;
}

static enum found read_list(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	struct net_command *c = &n->command;

	for (; c->left > 0; c->left--) {
		uint8_t mac[MAC_BYTES];
		enum found found = take_bytes(chain, step, mac, sizeof(mac));

		if (found != FINE)
			return found;
		*list_of(c) |= net_hash(mac);
	}
	return FINE;
}

/* Both lists, over as many steps as they take: chain->phase is behind the number of the one that is being read. */
static enum found set_table(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	struct net_command *c = &n->command;
	enum found found;

	while (c->list < LISTS) {
		if (chain->phase == PHASE_TABLE + 2U * c->list) {
			found = begin_list(n, chain, step);
			if (found != FINE)
				return found;
			chain->phase++;
		}
		found = read_list(n, chain, step);
		if (found != FINE)
			return found;
		c->list++;
		chain->phase++;
	}
	c->filter.modes = n->filter.modes;
	set_filter(n, &c->filter);
	return FINE;
}

static enum found begin_command(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step)
{
	uint8_t what[2]; /* class, command */
	enum found found = take_bytes(chain, step, what, sizeof(what));

	if (found != FINE)
		return found;
	if (what[0] == CLASS_RX)
		return set_mode(n, what[1], chain, step);
	if (what[0] != CLASS_MAC)
		return WRONG;
	if (what[1] == MAC_ADDR_SET)
		return set_mac_address(n, chain, step);
	if (what[1] != MAC_TABLE_SET || !virtio_has(&n->virtio, F_CTRL_RX))
		return WRONG;
	n->command = (struct net_command){0};
	chain->phase = PHASE_TABLE;
	return set_table(n, chain, step);
}

enum virtio_served vnet_control(struct vnet *n, struct virtq_chain *chain, struct virtq_step *step, uint32_t *written)
{
	struct guest_cursor begun = chain->in;
	enum found found;
	uint8_t ack;

	/* Room for the answer first: a command is carried out once. */
	if (!virtq_reserve(step, &chain->out, MIN(chain->out.left, (uint32_t)sizeof(ack))))
		return VIRTIO_MORE;
	found = chain->phase == VIRTQ_NO_REQUEST ? begin_command(n, chain, step) : set_table(n, chain, step);
	ack = found == FINE ? (uint8_t)ACK_OK : (uint8_t)ACK_ERROR;
	if (found == LATER) {
		if (chain->phase == VIRTQ_NO_REQUEST)
			chain->in = begun;
		return VIRTIO_MORE;
	}
	if (chain->out.left == 0 || guest_scatter(step->view, &chain->out, &ack, sizeof(ack)))
		return VIRTIO_DONE;
	*written = sizeof(ack);
	return VIRTIO_DONE;
}
