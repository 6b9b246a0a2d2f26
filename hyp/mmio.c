/*
 * The MMIO bus: a short array sorted by address. A vCPU mostly stays with one device (a poll, a status and a data
 * register), so its last region is tried first and the search is left to the first access to another.
 */
#include <errno.h>
#include <stddef.h>

#include "hyp/lib/bits.h"
#include "hyp/mmio.h"
#include "hyp/vcpu.h"
#include "hyp/vm.h"

/* Words from end to end, so that a naturally aligned access that starts in a region also ends in it. */
static bool is_valid(uint64_t base, uint64_t size)
{
	return size != 0 && ((base | size) & 3U) == 0 && base < BIT64(ADDR_BITS) && size <= BIT64(ADDR_BITS) - base;
}

int mmio_add(struct mmio_bus *bus, uint64_t base, uint64_t size, mmio_fn access, void *device)
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
	bus->region[at] = (struct mmio_region){.base = base, .size = size, .access = access, .device = device};
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

/* Ends in a jump to the handler, whose read must fit the access's width by itself: every instruction counts here. */
static inline enum mmio_result call(struct vcpu *vcpu, const struct mmio_region *region, uint64_t at,
				    struct mmio_access *access)
{
	uint32_t size = access->size, unused = 32U - 8U * size; /* bits of the value */

	if (unlikely(size - 1U > 3U || ((uint32_t)at & (size - 1U))))
		return MMIO_UNHANDLED;
	access->offset = (uint32_t)(at - region->base);
	access->value = access->write ? access->value << unused >> unused : 0;
	return region->access(vcpu, region->device, access);
}

static __attribute__((noinline)) enum mmio_result search(struct vcpu *vcpu, uint64_t at, struct mmio_access *access)
{
	const struct mmio_region *region = mmio_find(&vcpu->vm->bus, at);

	if (!region)
		return MMIO_UNHANDLED;
	vcpu->mmio_hint = region;
	return call(vcpu, region, at, access);
}

enum mmio_result mmio_access(struct vcpu *vcpu, uint64_t at, struct mmio_access *access)
{
	const struct mmio_region *region = vcpu->mmio_hint;

	if (likely(region && at - region->base < region->size))
		return call(vcpu, region, at, access);
	return search(vcpu, at, access);
}
