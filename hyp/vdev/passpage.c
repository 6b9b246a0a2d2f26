/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether who has a device of the host's may see a page of its registers whole: the host's tree says what else is in
 * it, and who has that.
 */
#include <arm/copy.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/virtio_regs.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/passthrough.h"
#include "mm/page.h"

struct page_search {
	const struct hostdev *dev;
	uint64_t page;
	const uint8_t *va;
};

static bool register_reads(const uint8_t *va, uint32_t offset, uint32_t value)
{
	struct fault_kept kept = fault_keep();
	uint32_t there;
	bool same = !load_device_checked(&there, va + offset, sizeof(there)) && there == value;

	fault_give_back(kept);
	return same;
}

/* A place that stays empty while virt7 runs: virtio-mmio has no hotplug. */
static bool is_empty_place(const struct page_search *search, const struct dt_node *node, const struct host_range *reg)
{
	const uint8_t *va = search->va + (reg->base - search->page);

	return reg->base >= search->page && reg->base + VIRTIO_CONFIG <= search->page + PAGE_SIZE &&
	       dt_has_string(&node->prop[DT_COMPATIBLE], "virtio,mmio") &&
	       register_reads(va, VIRTIO_MAGIC_VALUE, VIRTIO_MAGIC) && register_reads(va, VIRTIO_DEVICE_ID, 0);
}

static bool is_others(const struct page_search *search, const struct dt_node *node, const struct host_range *reg)
{
	const struct hostdev *claim = hostdev_claim_of(node->offset);

	if (claim)
		return claim->owner != search->dev->owner;
	return !search->va || !is_empty_place(search, node, reg);
}

static int visit_page(const struct dt_node *node, void *arg)
{
	const struct page_search *search = arg;
	struct host_range reg;

	sched_preempt();
	if (node->offset == search->dev->node)
		return 0;
	for (uint32_t i = 0; dt_reg(node, i, &reg); i++)
		if (reg.size && ranges_overlap(reg.base, reg.size, search->page, PAGE_SIZE) &&
		    is_others(search, node, &reg))
			return 1;
	return 0;
}

bool passpage_is_shared(const struct hostdev *dev, uint64_t page, const uint8_t *va)
{
	struct page_search search = {dev, align_down(page, PAGE_SIZE), va};

	return hostdev_is_gic_page(search.page) || dt_walk(hostdev_tree(), visit_page, &search) != 0;
}
