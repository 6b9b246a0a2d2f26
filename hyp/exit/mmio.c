/*
 * The MMIO bus: a short array sorted by address. A vCPU mostly stays with one device (a poll, a status and a data
 * register): hyp/exit/exit.c tries its last region, and what that does not serve comes here. Compiled for speed.
 */
#include <errno.h>
#include <stddef.h>

#include "hyp/lib/bits.h"
#include "hyp/exit/mmio.h"
#include "hyp/vm/vcpu.h"
#include "hyp/vm/vm.h"

/* Words from end to end, so that a naturally aligned access that starts in a region also ends in it. */
static bool is_valid(uint64_t base, uint64_t size)
{
	return size != 0 && ((base | size) & 3U) == 0 && base < BIT64(ADDR_BITS) && size < BIT64(32) &&
	       size <= BIT64(ADDR_BITS) - base;
}

int mmio_add(struct mmio_bus *bus, uint64_t base, uint64_t size, const struct mmio_ops *ops, void *device)
{
	uint32_t at = bus->count;

	if (!is_valid(base, size))
		return -EINVAL;
	for (uint32_t i = 0; i < bus->count; i++)
		if (ranges_overlap(base, size, bus->region[i].base, bus->region[i].size))
			return -EEXIST;
	if (bus->count == MMIO_REGIONS_MAX)
		return -ENOSPC;
	for (; at > 0 && bus->region[at - 1].base > base; at--)
		bus->region[at] = bus->region[at - 1];
	bus->region[at] = (struct mmio_region){.ops = *ops, .device = device, .base = base, .size = (uint32_t)size};
	bus->count++;
	return 0;
}

const struct mmio_region *mmio_find(const struct mmio_bus *bus, uint64_t at)
{
	uint32_t low = 0, high = bus->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const struct mmio_region *region = &bus->region[middle];

		if (at < region->base)
			high = middle;
		else if (at - region->base < region->size)
			return region;
		else
			low = middle + 1;
	}
	return NULL;
}

static void remember(struct mmio_hint *hint, const struct mmio_region *region, uint64_t at)
{
	uint64_t page = align_down(at, PAGE_SIZE);

	*hint = (struct mmio_hint){
		.region = region,
		.page = (uint32_t)(page >> 8),
		.start = (uint32_t)(region->base - page),
		.size = region->size,
	};
}

static enum mmio_result call(struct vcpu *vcpu, const struct mmio_region *region, uint32_t offset,
			     struct mmio_access *access)
{
	uint32_t unused = 32U - 8U * access->size; /* bits of the value */
	uint64_t value;

	if (access->write) {
		value = access->value << unused >> unused;
		return region->ops.write(vcpu, region->device, offset, (uint32_t)value, access->size) ? MMIO_DONE
												      : MMIO_UNHANDLED;
	}
	value = region->ops.read(vcpu, region->device, offset, access->size);
	access->value = (uint32_t)value;
	return value & MMIO_ABORT ? MMIO_UNHANDLED : MMIO_DONE;
}

enum mmio_result mmio_access(struct vcpu *vcpu, uint64_t at, struct mmio_access *access)
{
	const struct mmio_region *region = mmio_find(&vcpu->vm->bus, at);

	if (!region || !(region->ops.widths & access->size) || (at & (access->size - 1U)))
		return MMIO_UNHANDLED;
	remember(&vcpu->mmio_hint, region, at);
	return call(vcpu, region, (uint32_t)(at - region->base), access);
}
