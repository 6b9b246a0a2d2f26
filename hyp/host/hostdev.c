/* SPDX-License-Identifier: BSD-2-Clause */
/* What a node of the host's tree is, and what speaks against giving it away (hyp/host/hostdev.h). */
#include <libfdt.h>
#include <string.h>

#include "hyp/host/driver.h"
#include "hyp/host/hostdev.h"
#include "hyp/lib/bits.h"

/*
 * Nodes below the root that say how the machine is run, of which a VM has its own, or that are no use without RAM or
 * firmware that it has not.
 */
static const char *const of_machine[] = {"aliases", "chosen",          "cpus",        "firmware",   "hypervisor",
					 "psci",    "reserved-memory", "__symbols__", "__fixups__", "__local_fixups__"};

static bool covers_any(const struct hostdev *dev, const struct host_ranges *ranges)
{
	for (unsigned int i = 0; i < ranges->count; i++)
		if (hostdev_covers(dev, ranges->range[i].base, ranges->range[i].size))
			return true;
	return false;
}

static bool covers_power(const struct hostdev *dev, const struct host_power *power)
{
	for (unsigned int i = 0; i < power->count; i++)
		if (hostdev_covers(dev, power->poke[i].address, 4))
			return true;
	return false;
}

static bool has_type(const struct dt_node *node, const char *type)
{
	return dt_has_string(&node->prop[DT_DEVICE_TYPE], type);
}

/* A memory controller, by which virt7 hears of errors. */
static bool covers_ecc(const struct hostdev *dev)
{
	const struct host *host = hostdev_host();

	for (unsigned int i = 0; i < MIN(host->ecc_count, HOST_ECC_MAX); i++)
		if (hostdev_covers(dev, host->ecc[i].base, sizeof(uint32_t)))
			return true;
	return false;
}

static const char *find_owner(const struct dt_node *node, const struct hostdev *dev)
{
	const struct host *h = hostdev_host();

	if (has_type(node, "cpu") || (node->parent && strcmp(node->parent->name, "cpus") == 0))
		return "a CPU, which virt7 has";
	if (has_type(node, "memory") || covers_any(dev, &h->memory) || covers_any(dev, &h->reserved))
		return "it overlaps the host's RAM";
	if (node->offset == h->gic_node || hostdev_covers(dev, h->gicd, PAGE_SIZE) ||
	    hostdev_covers(dev, h->gicc, HOSTDEV_GIC_REGION) || hostdev_covers(dev, h->gich, HOSTDEV_GIC_REGION) ||
	    hostdev_covers(dev, h->gicv, HOSTDEV_GIC_REGION))
		return "the GIC, which is virt7's own";
	if (hostdev_covers(dev, h->uart.base, 4))
		return "the UART of virt7's own console";
	if (covers_ecc(dev))
		return "a memory controller, which is virt7's own";
	if (host_kind(node) & HOST_OWN)
		return "virt7's own";
	if ((h->vexpress_sysreg && hostdev_covers(dev, h->vexpress_sysreg, 4)) || covers_power(dev, &h->off) ||
	    covers_power(dev, &h->reset))
		return "virt7's own: it starts CPUs or switches the machine off by it";
	return NULL;
}

/* A range that is the window of the bus to what is below it is not its own. */
static void drop_windows(const struct dt_node *node, struct hostdev *dev)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; node->prop[DT_RANGES].data && i < dev->reg_count; i++)
		if (!dt_has_child_in(hostdev_tree(), node, &dev->reg[i]))
			dev->reg[kept++] = dev->reg[i];
	if (node->prop[DT_RANGES].data)
		dev->reg_count = kept;
}

static const char *read_node(const struct dt_node *node, struct hostdev *dev)
{
	const char *wrong = hostdev_read_regs(node, dev);

	if (!wrong)
		wrong = find_owner(node, dev);
	if (wrong)
		return wrong;
	if (!dt_enabled(node))
		return "its status, or that of a bus above it, is not \"okay\"";
	if (dev->reg_count == 0)
		return "it has no registers that the CPU reaches";
	drop_windows(node, dev);
	if (dev->reg_count == 0 || has_type(node, "pci"))
		return "a bus: name the devices below it";
	dev->master = !(host_kind(node) & HOST_NO_MASTER);
	dev->iommu = dt_inherits(node, DT_IOMMUS) || dt_inherits(node, DT_IOMMU_MAP);
	dev->coherent = dt_inherits(node, DT_DMA_COHERENT);
	if (dev->master && !dt_dma_is_1to1(node))
		return "it sees RAM at other addresses than the CPU (dma-ranges of a bus above it)";
	return hostdev_read_irqs(node, dev);
}

/* --- the rest */

static bool is_machine(const struct dt_node *node)
{
	for (size_t i = 0; node->depth == 1 && i < ARRAY_SIZE(of_machine); i++)
		if (!strcmp(node->name, of_machine[i]))
			return true;
	return node->offset == hostdev_gic() || has_type(node, "memory") || has_type(node, "cpu") ||
	       host_kind(node) & (HOST_OWN | HOST_OF_CPU);
}

enum hostdev_fate hostdev_judge(const struct dt_node *node, struct hostdev *dev, const char **why)
{
	uint64_t uart = hostdev_host()->uart.base;
	bool same = false;

	*why = NULL;
	*dev = (struct hostdev){.node = node->offset};
	if (is_machine(node))
		return HOSTDEV_ABSENT;
	if (!dt_enabled(node))
		return HOSTDEV_DISABLED;
	dt_path(node, dev->path, sizeof(dev->path));
	*why = hostdev_read_regs(node, dev);
	if (*why)
		return HOSTDEV_KEPT;
	drop_windows(node, dev);
	if (hostdev_in_the_way(dev, &same)) {
		*why = same ? NULL : "a part of it is taken";
		return HOSTDEV_KEPT;
	}
	*why = has_type(node, "pci") ? "a PCI bus" : find_owner(node, dev);
	if (hostdev_covers(dev, uart, 4))
		*why = NULL;
	else if (!*why)
		dev->master = dev->reg_count && !(host_kind(node) & HOST_NO_MASTER);
	return *why || hostdev_covers(dev, uart, 4) ? HOSTDEV_KEPT : HOSTDEV_GIVEN;
}

/* --- by name */

struct search {
	struct hostdev *dev;
	const char *wrong;
};

static int visit_node(const struct dt_node *node, void *arg)
{
	struct search *search = arg;

	dt_path(node, search->dev->path, sizeof(search->dev->path));
	search->wrong = read_node(node, search->dev);
	return 1;
}

const char *hostdev_find(const char *name, struct hostdev *dev)
{
	struct search search = {.dev = dev};

	*dev = (struct hostdev){.node = dt_by_path(hostdev_tree(), name)};
	if (dev->node < 0)
		return name[0] == '/' ? "the host's device tree has no such node"
				      : "the host's device tree has no such alias";
	if (dev->node == 0)
		return "the root of the host's device tree";
	if (dt_visit(hostdev_tree(), dev->node, visit_node, &search) != 1)
		return "it lies too deep in the host's device tree";
	return search.wrong;
}
