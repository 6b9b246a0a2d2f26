/*
 * A device of the host's that a VM gets whole: its page of registers, and its interrupt by vgic_forward(). For tests of
 * the latter, in build/virt7-testdev.bin only: it asks nobody whether the device may be had.
 */
#include <errno.h>
#include <stddef.h>

#include "hyp/console/log.h"
#include "hyp/load/tree.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/vm.h"
#include "tests/device/hostdev.h"
#include "vgic/vgic.h"

extern const struct device_class hostdev_class;

struct hostdev {
	struct device device;
	uint32_t base, irq; /* the host's */
	bool edge;
};

static struct hostdev *hostdev_of(struct device *device)
{
	return container_of(device, struct hostdev, device);
}

static uint32_t hostdev_base(const struct device *device)
{
	return HOSTDEV_BASE + device->number * HOSTDEV_SIZE;
}

static int hostdev_create(struct device *device)
{
	const struct hostdev *h = hostdev_of(device);
	struct vm *vm = device->vm;
	int ret;

	ret = vgic_forward(vm, HOSTDEV_IRQ + device->number, h->irq, h->edge ? VGIC_EDGE : VGIC_LEVEL);
	if (ret == -EBUSY) {
		log_err("vm %s: hostdev: interrupt %u is another's", vm->config.name, (unsigned)h->irq);
		return -EINVAL;
	}
	if (ret)
		return ret;
	spin_lock(&vm->s2.lock);
	ret = s2_map_device(&vm->s2, ipa(hostdev_base(device)), pa(h->base), HOSTDEV_SIZE);
	spin_unlock(&vm->s2.lock);
	return ret;
}

static void hostdev_describe(const struct device *device, struct tree *t)
{
	tree_begin_numbered(t, "hostdev@", hostdev_base(device));
	tree_string(t, "compatible", "virt7,test-host-device");
	tree_reg_spi(t, hostdev_base(device), HOSTDEV_SIZE, HOSTDEV_IRQ + device->number, TREE_GIC_LEVEL_HI);
	tree_end(t);
}

#define NODE(compatible)
#define PROPERTY(property_name, property_kind, field, ...) \
	{.name = property_name, .kind = property_kind, PROPERTY_FIELD(struct hostdev, field), __VA_ARGS__},
static const struct property hostdev_properties[] = {
#include "tests/device/hostdev.def"
	{.name = NULL},
};

const struct device_class hostdev_class = {
	.name = "hostdev",
	.compatible = "virt7,test-host-device",
	.properties = hostdev_properties,
	.size = sizeof(struct hostdev),
	.saved = sizeof(struct hostdev),
	.create = hostdev_create,
	.describe = hostdev_describe,
};
