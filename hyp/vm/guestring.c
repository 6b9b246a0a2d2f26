/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM that devices keep in sight: rings (hyp/vm/guestmem.h). */
#include <errno.h>

#include "hyp/lib/bits.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/vm.h"
#include "mm/cache.h"
#include "mm/hypmap.h"

static int ring_map_page(struct vm *vm, ipa_t page, uint32_t va)
{
	pa_t to;
	int ret;

	/* A page that is taken away meanwhile is not found here, or found in the rings by who takes it. */
	spin_lock(&vm->s2.lock);
	ret = s2_lookup(&vm->s2, page, &to) ? hyp_map(va, to, PAGE_SIZE, HYP_MEM_RW) : -EIO;
	spin_unlock(&vm->s2.lock);
	return ret;
}

static void ring_unmap_pages(uint32_t va, uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++)
		hyp_unmap_page(va + i * PAGE_SIZE);
}

/* Page by page, because two blocks that follow each other for the guest need not for the host. All or nothing. */
static int ring_map_pages(struct vm *vm, uint64_t page, uint32_t va, uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++) {
		int ret = ring_map_page(vm, ipa(page + i * PAGE_SIZE), va + i * PAGE_SIZE);

		if (ret) {
			ring_unmap_pages(va, i);
			return ret;
		}
	}
	return 0;
}

static uint32_t ring_pages(uint32_t offset, uint32_t len)
{
	return (offset + len + PAGE_SIZE - 1U) / PAGE_SIZE;
}

static int ring_check(const struct vm *vm, ipa_t from, uint32_t len)
{
	uint64_t base = vmcfg_ram_base(&vm->config), end = from.v + len;

	if (from.v < base || end < from.v || end > base + vm->config.ram_size)
		return -EFAULT;
	return (from.v & (PAGE_SIZE - 1U)) + len > HYP_RING_PAGES * PAGE_SIZE ? -ENOSPC : 0;
}

void guest_touch_ring(struct vm *vm, ipa_t from, uint32_t len)
{
	if (ring_check(vm, from, len))
		return;
	vm_touch_in_turns(vm, from);
	vm_touch_in_turns(vm, ipa_add(from, len - 1U));
}

int guest_map_ring(struct vm *vm, ipa_t from, uint32_t len, struct guest_map *map)
{
	uint32_t offset = (uint32_t)from.v & (PAGE_SIZE - 1U), va;
	int ret = ring_check(vm, from, len);

	if (ret)
		return ret;
	va = hyp_ring_reserve();
	if (!va)
		return -ENOSPC;
	ret = ring_map_pages(vm, from.v - offset, va, ring_pages(offset, len));
	if (ret)
		hyp_ring_release(va);
	else
		*map = (struct guest_map){.at = (uint8_t *)(uintptr_t)(va + offset), .len = len};
	return ret;
}

void guest_unmap_ring(struct guest_map *map)
{
	uint32_t offset = (uint32_t)(uintptr_t)map->at & (PAGE_SIZE - 1U), va = (uint32_t)(uintptr_t)map->at - offset;

	ring_unmap_pages(va, ring_pages(offset, map->len));
	hyp_ring_release(va);
	*map = (struct guest_map){0};
}

void guest_map_sync(const struct guest_map *map, uint32_t offset, uint32_t len)
{
	cache_clean_invalidate(map->at + offset, len);
}
