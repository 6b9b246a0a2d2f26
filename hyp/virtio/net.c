/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network card (virtio 1.2, 5.1), plugged into a virtual switch (hyp/virtio/switch.h): its life, what its node says,
 * what people see of it. What is inside is in hyp/virtio/vnet.h.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/log.h"
#include "hyp/load/words.h"
#include "hyp/virtio/vnet.h"
#include "hyp/vm/vm.h"

#define F_OFFLOADS                                                                                              \
	(BIT64(F_CSUM) | BIT64(F_GUEST_CSUM) | BIT64(F_GUEST_TSO4) | BIT64(F_GUEST_TSO6) | BIT64(F_HOST_TSO4) | \
	 BIT64(F_HOST_TSO6) | BIT64(F_MRG_RXBUF))

#define QUEUES     3U
#define QUEUE_SIZE 256U

static enum virtio_served net_serve(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
				    struct virtq_step *step, uint32_t *written)
{
	if (queue == QUEUE_CONTROL)
		return vnet_control(vnet_of(v), chain, step, written);
	return vnet_send(vnet_of(v), chain, step);
}

static void net_reset(struct virtio_device *v)
{
	struct vnet *n = vnet_of(v);

	virtio_config_set(v, 0, n->port.mac, MAC_BYTES);
	vnet_reset_filter(n);
}

static const struct virtio_backend net_backend = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.features = F_OFFLOADS | BIT64(F_MTU) | BIT64(F_MAC) | BIT64(F_STATUS) | BIT64(F_CTRL_VQ) | BIT64(F_CTRL_RX) |
		    BIT64(F_CTRL_EXTRA),
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.filled = BIT(QUEUE_RECEIVE),
	.serve = net_serve,
	.reset = net_reset,
};

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
		log_err("vm %s: /vms/%s/%.40s: " WORDS_MAC_TAKEN, vm, vm, n->virtio.device.name, other->name, mac[0],
			mac[1], mac[2], mac[3], mac[4], mac[5]);
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
	n->port.ops = &vnet_port_ops;
	n->port.name = n->name;
	n->port.priority = n->virtio.device.vm->config.priority;
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
	ret = virtio_create(&n->virtio, &net_backend, &n->state, n->port.any_mac ? BIT64(F_CTRL_MAC) : 0);
	if (ret)
		return ret;
	memcpy(config.mac, n->port.mac, MAC_BYTES);
	virtio_config_set(&n->virtio, 0, &config, sizeof(config));
	ret = plug_in(n);
	if (ret)
		virtio_destroy(device);
	return ret;
}

/* A frame that another VM's vCPU is putting into it. */
static void net_settle(struct device *device)
{
	struct virtio_device *v = virtio_of(device);

	spin_lock(&v->receive_lock);
	spin_unlock(&v->receive_lock);
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
	.heap = QUEUES * QUEUE_SIZE * sizeof(struct guest_piece),
	.create = net_create,
	.reset = virtio_reset,
	.describe = virtio_describe,
	.restore = virtio_restore,
	.quiesce = virtio_quiesce,
	.settle = net_settle,
	.destroy = net_destroy,
};
