/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places where QEMU's board has something and virt7 nothing, and where a guest that brings that board's own device tree
 * looks: they answer as something empty does, so that its driver goes on without. The guest's tree of virt7's has no
 * nodes of them.
 */
#include <stddef.h>

#include "hyp/exit/mmio.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/machine.h"
#include "hyp/vm/vm.h"

extern const struct device_class vempty_class;

/* As a PCI bus without devices; QEMU's windows do the same. */
static uint64_t read_ones(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	return UINT32_MAX >> (32U - 8U * size);
}

/* No signature of fw_cfg's. */
static uint64_t read_zeroes(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	return 0;
}

static bool ignore_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	return true;
}

static const struct place {
	uint64_t base, size;
	struct mmio_ops ops;
} places[] = {
	{MACHINE_FWCFG_BASE, MACHINE_FWCFG_SIZE, {read_zeroes, ignore_write, MMIO_ANY}},
	{MACHINE_PCI_BASE, MACHINE_PCI_SIZE, {read_ones, ignore_write, MMIO_ANY}},
	{MACHINE_ECAM_BASE, MACHINE_ECAM_SIZE, {read_ones, ignore_write, MMIO_ANY}},
};

/* RAM may be so large that it goes beyond a place; it comes first then. */
static int vempty_create(struct device *device)
{
	struct vm *vm = device->vm;
	int ret = 0;

	for (const struct place *p = places; !ret && p < &places[ARRAY_SIZE(places)]; p++)
		if (!ranges_overlap(p->base, p->size, MACHINE_RAM_BASE, vm->config.ram_size))
			ret = mmio_add(&vm->bus, p->base, p->size, &p->ops, device);
	return ret;
}

const struct device_class vempty_class = {
	.name = "empty",
	.size = sizeof(struct device),
	.saved = sizeof(struct device),
	.create = vempty_create,
};
