/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MMIO bus. A driver goes from device to device, so each is found as fast as the last one was: the page by a hash
 * without collisions, the region by the block in it. hyp/exit/exit.c does the plain accesses by itself. Compiled for
 * speed.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include <arm/nospec.h>

#include "hyp/lib/bits.h"
#include "hyp/exit/mmio.h"
#include "hyp/vm/vcpu.h"
#include "hyp/vm/vm.h"

#define BLOCK_BYTES     (1U << MMIO_BLOCK_SHIFT)
#define INDEXED_MAX     (16U * PAGE_SIZE) /* of a region */
#define NO_PAGE         1U                /* HPFAR[3:0] are 0 */
#define MULTIPLIERS     256U              /* that are tried */
#define MULTIPLIER_STEP 0x9e3779b1U       /* 2^32 by the golden ratio: neighbours lie far apart (Knuth, 6.4) */

static_assert(sizeof(struct mmio_region) == 32 || sizeof(void *) != 4, "found by a shift, at each exit");

/* Words from end to end, so that a naturally aligned access that starts in a region also ends in it. */
static bool is_valid(uint64_t base, uint64_t size)
{
	return size != 0 && ((base | size) & 3U) == 0 && base < BIT64(ADDR_BITS) && size < BIT64(32) &&
	       size <= BIT64(ADDR_BITS) - base;
}

static uint64_t refuse_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	return MMIO_ABORT;
}

static bool refuse_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	return false;
}

void mmio_init(struct mmio_bus *bus)
{
	bus->count = bus->page_count = 0;
	bus->searched = false;
	bus->multiplier = MULTIPLIER_STEP;
	bus->region[0] = (struct mmio_region){.ops = {refuse_read, refuse_write, 0}};
	bus->page[0] = (struct mmio_page){.number = NO_PAGE};
	for (uint32_t i = 0; i < MMIO_SLOTS; i++)
		bus->slot[i] = &bus->page[0];
}

static void leave_slots(struct mmio_bus *bus, uint32_t multiplier, uint32_t last)
{
	for (uint32_t i = 1; i <= last; i++)
		bus->slot[mmio_slot(bus->page[i].number, multiplier)] = &bus->page[0];
}

/* Each page into its slot. False, and none is, where two want the same. */
static bool take_slots(struct mmio_bus *bus, uint32_t multiplier)
{
	for (uint32_t i = 1; i <= bus->page_count; i++) {
		const struct mmio_page **slot = &bus->slot[mmio_slot(bus->page[i].number, multiplier)];

		if (*slot != &bus->page[0]) {
			leave_slots(bus, multiplier, i - 1);
			return false;
		}
		*slot = &bus->page[i];
	}
	bus->multiplier = multiplier;
	return true;
}

/* NULL: the bus has no room for it in its index. */
static struct mmio_page *add_page(struct mmio_bus *bus, uint32_t number)
{
	uint32_t old = bus->multiplier, multiplier = old;

	if (bus->page_count == MMIO_PAGES_MAX)
		return NULL;
	leave_slots(bus, old, bus->page_count);
	bus->page[++bus->page_count] = (struct mmio_page){.number = number};
	for (uint32_t i = 0; i < MULTIPLIERS; i++, multiplier += MULTIPLIER_STEP & ~1U)
		if (take_slots(bus, multiplier))
			return &bus->page[bus->page_count];
	bus->page_count--;
	take_slots(bus, old);
	return NULL;
}

static struct mmio_page *get_page(struct mmio_bus *bus, uint32_t number)
{
	for (uint32_t i = 1; i <= bus->page_count; i++)
		if (bus->page[i].number == number)
			return &bus->page[i];
	return add_page(bus, number);
}

/* HPFAR's form of a page (DDI 0406C B4.1.66). */
static uint32_t page_number(uint64_t at)
{
	return (uint32_t)(at >> PAGE_SHIFT << 4);
}

/* False: its accesses will have to search for it. */
static bool index_region(struct mmio_bus *bus, uint32_t which)
{
	const struct mmio_region *region = &bus->region[which];
	struct mmio_page *page = NULL;

	if ((region->base | region->size) & (BLOCK_BYTES - 1U) || region->size > INDEXED_MAX ||
	    !(region->ops.widths & MMIO_WORD))
		return false;
	for (uint64_t at = region->base; at - region->base < region->size; at += BLOCK_BYTES) {
		if (!page || at % PAGE_SIZE == 0)
			page = get_page(bus, page_number(at));
		if (!page)
			return false;
		page->block[(at & (PAGE_SIZE - 1U)) >> MMIO_BLOCK_SHIFT] = (uint8_t)which;
	}
	return true;
}

int mmio_add(struct mmio_bus *bus, uint64_t base, uint64_t size, const struct mmio_ops *ops, void *device)
{
	if (bus->count == 0)
		mmio_init(bus);
	if (!is_valid(base, size))
		return -EINVAL;
	for (uint32_t i = 1; i <= bus->count; i++)
		if (ranges_overlap(base, size, bus->region[i].base, bus->region[i].size))
			return -EEXIST;
	if (bus->count == MMIO_REGIONS_MAX)
		return -ENOSPC;
	bus->show[bus->count + 1] = NULL;
	bus->region[++bus->count] =
		(struct mmio_region){.ops = *ops, .device = device, .base = base, .size = (uint32_t)size};
	bus->searched |= !index_region(bus, bus->count);
	return 0;
}

int mmio_add_memory(struct mmio_bus *bus, uint64_t base, uint64_t size, const struct mmio_ops *ops, void *device,
		    mmio_show_fn show)
{
	int ret = mmio_add(bus, base, size, ops, device);

	if (!ret)
		bus->show[bus->count] = show;
	return ret;
}

void mmio_replace(struct mmio_bus *bus, uint64_t base, const struct mmio_ops *ops)
{
	for (uint32_t i = 1; i <= bus->count; i++)
		if (bus->region[i].base == base)
			bus->region[i].ops = *ops;
}

static const struct mmio_region *search_region(const struct mmio_bus *bus, uint64_t at)
{
	for (uint32_t i = 1; i <= bus->count; i++)
		if (at - bus->region[i].base < bus->region[i].size)
			return &bus->region[i];
	return NULL;
}

const struct mmio_region *mmio_find(const struct mmio_bus *bus, uint64_t at)
{
	const struct mmio_page *page;
	const struct mmio_region *region;

	if (at >= BIT64(ADDR_BITS) || bus->count == 0)
		return NULL;
	page = mmio_page(bus, page_number(at));
	region = mmio_block(bus, page, (uint32_t)at);
	if (page->number == page_number(at) && region != &bus->region[0])
		return region;
	return bus->searched ? search_region(bus, at) : NULL;
}

static enum mmio_result call_region(struct vcpu *vcpu, const struct mmio_region *region, uint32_t offset,
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
	return call_region(vcpu, region, index_nospec((uint32_t)(at - region->base), region->size), access);
}

bool mmio_show(struct vcpu *vcpu, uint64_t at)
{
	const struct mmio_bus *bus = &vcpu->vm->bus;
	const struct mmio_region *region = mmio_find(bus, at);
	mmio_show_fn show = region ? bus->show[region - bus->region] : NULL;

	return show && show(vcpu, region->device, index_nospec((uint32_t)(at - region->base), region->size));
}
