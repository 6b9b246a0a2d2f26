/* SPDX-License-Identifier: BSD-2-Clause */
/* See hyp/host/hostdev.h. */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include <arm/copy.h>

#include "hyp/host/driver.h"
#include "hyp/host/hostdev.h"
#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/virtio_regs.h"

#define SPI_FIRST  32U
#define GIC_REGION 0x2000U /* of GICC and GICV; the others have less, and nothing else behind them */

static const struct host *host;
static const struct hostdev *claims, *rest;

/*
 * What cannot write to RAM by itself: it has registers and interrupts, and at most asks a DMA controller, which is
 * another device. All others count as bus masters.
 */
static const char *const no_masters[] = {
	"arm,pl031",
	"arm,pl061",
	"arm,pl180",
	"arm,pl181", /* not arm,pl18x: that may be STM32's, which has DMA of its own */
	"arm,pl011",
	"arm,pl022",
	"arm,pl050",
	"arm,pl041",
	"arm,sp804",
	"arm,sp805",
	"smsc,lan9118",
	"smsc,lan9115",
	"smsc,lan9220",
	"smsc,lan9221",
	"snps,dw-apb-uart",
	"snps,dw-apb-gpio",
	"snps,dw-wdt",
	"ns16550",
	"ns16550a",
	"fsl,imx6q-uart",
	"fsl,imx21-uart",
	"fsl,imx35-gpio",
	"fsl,imx21-i2c",
	"fsl,imx21-wdt",
	"st,stm32h7-uart",
	"st,stm32-rng",
	"arm,versatile-i2c",
	"allwinner,sun6i-a31-i2c",
	"allwinner,sun6i-a31-wdt",
	"allwinner,sun6i-a31-rtc",
};

/* Parts of the machine itself, by the least specific of their strings. */
static const char *const virt7s_own[] = {
	"arm,armv7-timer", "arm,armv8-timer", "arm,psci", "arm,psci-0.2", "arm,psci-1.0", "arm,armv7-timer-mem",
};

/* What is a CPU's, by the beginning of its strings: its counters, and by which it is traced and stopped. */
static const char *const of_cpus[] = {"arm,cortex-a7-pmu",  "arm,cortex-a9-pmu",  "arm,cortex-a12-pmu",
				      "arm,cortex-a15-pmu", "arm,cortex-a17-pmu", "arm,coresight-"};

/*
 * Nodes below the root that say how the machine is run, of which a VM has its own, or that are no use without RAM or
 * firmware that it has not.
 */
static const char *const of_machine[] = {"aliases", "chosen",          "cpus",        "firmware",   "hypervisor",
					 "psci",    "reserved-memory", "__symbols__", "__fixups__", "__local_fixups__"};

void hostdev_init(const struct host *of)
{
	host = of;
}

const void *hostdev_tree(void)
{
	return host->fdt;
}

int hostdev_gic(void)
{
	return host->gic_node;
}

static bool is_one_of(const struct dt_node *node, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (dt_has_string(&node->prop[DT_COMPATIBLE], names[i]))
			return true;
	return false;
}

static bool hostdev_covers(const struct hostdev *dev, uint64_t base, uint64_t size)
{
	for (uint32_t i = 0; i < dev->reg_count; i++)
		if (size && ranges_overlap(dev->reg[i].base, dev->reg[i].size, base, size))
			return true;
	return false;
}

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

/* Of the node itself or of a bus above. */
static bool inherits_property(const struct dt_node *node, const char *property)
{
	for (; node; node = node->parent)
		if (fdt_getprop(host->fdt, node->offset, property, NULL))
			return true;
	return false;
}

/* A memory controller, by which virt7 hears of errors. */
static bool covers_ecc(const struct hostdev *dev)
{
	for (unsigned int i = 0; i < MIN(host->ecc_count, HOST_ECC_MAX); i++)
		if (hostdev_covers(dev, host->ecc[i].base, sizeof(uint32_t)))
			return true;
	return false;
}

static const char *find_owner(const struct dt_node *node, const struct hostdev *dev)
{
	const struct host *h = host;

	if (has_type(node, "cpu") || (node->parent && strcmp(node->parent->name, "cpus") == 0))
		return "a CPU, which virt7 has";
	if (has_type(node, "memory") || covers_any(dev, &h->memory) || covers_any(dev, &h->reserved))
		return "it overlaps the host's RAM";
	if (node->offset == h->gic_node || hostdev_covers(dev, h->gicd, PAGE_SIZE) ||
	    hostdev_covers(dev, h->gicc, GIC_REGION) || hostdev_covers(dev, h->gich, GIC_REGION) ||
	    hostdev_covers(dev, h->gicv, GIC_REGION))
		return "the GIC, which is virt7's own";
	if (hostdev_covers(dev, h->uart.base, 4))
		return "the UART of virt7's own console";
	if (covers_ecc(dev))
		return "a memory controller, which is virt7's own";
	if (is_one_of(node, virt7s_own, ARRAY_SIZE(virt7s_own)))
		return "virt7's own";
	if ((h->vexpress_sysreg && hostdev_covers(dev, h->vexpress_sysreg, 4)) || covers_power(dev, &h->off) ||
	    covers_power(dev, &h->reset))
		return "virt7's own: it starts CPUs or switches the machine off by it";
	return NULL;
}

static const char *read_regs(const struct dt_node *node, struct hostdev *dev)
{
	struct host_range reg;

	while (dt_reg(node, dev->reg_count, &reg)) {
		if (dev->reg_count == HOSTDEV_REGS)
			return "it has more than 16 ranges of registers";
		if (reg.size == 0 || reg.base >= BIT64(ADDR_BITS) || reg.size > BIT64(ADDR_BITS) - reg.base)
			return "its reg makes no sense";
		dev->reg[dev->reg_count++] = reg;
	}
	return NULL;
}

static const char *add_irq(struct hostdev *dev, uint32_t place, const struct dt_gic_irq *irq)
{
	if (dev->irq_count == HOSTDEV_IRQS)
		return "it has more than 8 interrupts";
	if (irq->id < SPI_FIRST || irq->id >= 1020U)
		return "one of its interrupts is no SPI of the GIC";
	if (irq->id == host->uart.irq)
		return "its interrupt is that of virt7's own console";
	dev->irq_place[dev->irq_count] = (uint8_t)place;
	dev->irq[dev->irq_count++] = *irq;
	return NULL;
}

/* One that goes elsewhere, as those do that only wake the board up, is lost; not all of them. */
static const char *read_irqs(const struct dt_node *node, struct hostdev *dev)
{
	const char *wrong = NULL;
	struct dt_gic_irq irq;
	struct dt_irq at;
	uint32_t place = 0;
	int ret;

	for (; !wrong && (ret = dt_irq_at(host->fdt, node, place, &at)) == 0; place++)
		if (dt_gic_irq_at(host->fdt, node, place, host->gic_node, &irq) == 0)
			wrong = add_irq(dev, place, &irq);
		else
			dev->irq_lost = true;
	if (wrong)
		return wrong;
	return ret == -ENOENT && (dev->irq_count || !dev->irq_lost)
		       ? NULL
		       : "none of its interrupts arrives at the GIC by a way that virt7 knows";
}

/* The window of a bus to what is below it. */
static bool encloses_child(const struct dt_node *node, const struct host_range *reg)
{
	int sub, length;

	fdt_for_each_subnode(sub, host->fdt, node->offset) {
		struct dt_node child = {.parent = node, .offset = sub};
		struct host_range own;

		child.prop[DT_REG].data = fdt_getprop(host->fdt, sub, "reg", &length);
		child.prop[DT_REG].length = (uint32_t)length;
		if (dt_reg(&child, 0, &own) && ranges_overlap(own.base, own.size, reg->base, reg->size))
			return true;
	}
	return false;
}

static void drop_windows(const struct dt_node *node, struct hostdev *dev)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; node->prop[DT_RANGES].data && i < dev->reg_count; i++)
		if (!encloses_child(node, &dev->reg[i]))
			dev->reg[kept++] = dev->reg[i];
	if (node->prop[DT_RANGES].data)
		dev->reg_count = kept;
}

static const char *read_node(const struct dt_node *node, struct hostdev *dev)
{
	const char *wrong = read_regs(node, dev);

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
	dev->master = !is_one_of(node, no_masters, ARRAY_SIZE(no_masters));
	dev->iommu = inherits_property(node, "iommus") || inherits_property(node, "iommu-map");
	dev->coherent = inherits_property(node, "dma-coherent");
	if (dev->master && !dt_dma_is_1to1(host->fdt, node))
		return "it sees RAM at other addresses than the CPU (dma-ranges of a bus above it)";
	return read_irqs(node, dev);
}

/* --- the rest */

static bool hostdev_collides(const struct hostdev *a, const struct hostdev *b)
{
	for (uint32_t i = 0; i < a->reg_count; i++)
		if (hostdev_covers(b, a->reg[i].base, a->reg[i].size))
			return true;
	for (uint32_t i = 0; i < a->irq_count; i++)
		for (uint32_t j = 0; j < b->irq_count; j++)
			if (a->irq[i].id == b->irq[j].id)
				return true;
	return a->node == b->node;
}

static bool begins_one_of(const struct dt_node *node, const char *const *beginnings, size_t count)
{
	int strings = fdt_stringlist_count(host->fdt, node->offset, "compatible");

	for (int i = 0; i < strings; i++) {
		const char *string = fdt_stringlist_get(host->fdt, node->offset, "compatible", i, NULL);

		for (size_t k = 0; string && k < count; k++)
			if (!strncmp(string, beginnings[k], strlen(beginnings[k])))
				return true;
	}
	return false;
}

static bool is_machine(const struct dt_node *node)
{
	for (size_t i = 0; node->depth == 1 && i < ARRAY_SIZE(of_machine); i++)
		if (!strcmp(node->name, of_machine[i]))
			return true;
	return node->offset == host->gic_node || has_type(node, "memory") || has_type(node, "cpu") ||
	       is_one_of(node, virt7s_own, ARRAY_SIZE(virt7s_own)) || begins_one_of(node, of_cpus, ARRAY_SIZE(of_cpus));
}

/* Whose claim is in the way; not of the node itself, which says enough. */
static const char *find_driver_claim(const struct hostdev *dev, bool *same)
{
	for (const struct hostdev *other = claims; other; other = other->next) {
		*same = other->node == dev->node;
		if (*same || hostdev_collides(dev, other))
			return other->owner;
	}
	return NULL;
}

enum hostdev_fate hostdev_judge(const struct dt_node *node, struct hostdev *dev, const char **why)
{
	bool same = false;

	*why = NULL;
	*dev = (struct hostdev){.node = node->offset};
	if (is_machine(node))
		return HOSTDEV_ABSENT;
	if (!dt_enabled(node))
		return HOSTDEV_DISABLED;
	dt_path(node, dev->path, sizeof(dev->path));
	*why = read_regs(node, dev);
	if (*why)
		return HOSTDEV_KEPT;
	drop_windows(node, dev);
	if (find_driver_claim(dev, &same)) {
		*why = same ? NULL : "a part of it is taken";
		return HOSTDEV_KEPT;
	}
	*why = has_type(node, "pci") ? "a PCI bus" : find_owner(node, dev);
	if (hostdev_covers(dev, host->uart.base, 4))
		*why = NULL;
	else if (!*why)
		dev->master = dev->reg_count && !is_one_of(node, no_masters, ARRAY_SIZE(no_masters));
	return *why || hostdev_covers(dev, host->uart.base, 4) ? HOSTDEV_KEPT : HOSTDEV_GIVEN;
}

/* --- by name */

struct search {
	struct hostdev *dev;
	const char *wrong;
};

static int visit_node(const struct dt_node *node, void *arg)
{
	struct search *search = arg;

	if (node->offset != search->dev->node)
		return 0;
	dt_path(node, search->dev->path, sizeof(search->dev->path));
	search->wrong = read_node(node, search->dev);
	return 1;
}

const char *hostdev_find(const char *name, struct hostdev *dev)
{
	struct search search = {.dev = dev};

	*dev = (struct hostdev){.node = fdt_path_offset(host->fdt, name)};
	if (dev->node < 0)
		return name[0] == '/' ? "the host's device tree has no such node"
				      : "the host's device tree has no such alias";
	if (dev->node == 0)
		return "the root of the host's device tree";
	if (dt_walk(host->fdt, visit_node, &search) != 1)
		return "it lies too deep in the host's device tree";
	return search.wrong;
}

void hostdev_release(struct hostdev *dev)
{
	const struct hostdev **at = &claims;

	while (*at && *at != dev)
		at = (const struct hostdev **)(uintptr_t) & (*at)->next;
	if (*at)
		*at = dev->next;
	if (dev == rest)
		rest = NULL;
	dev->owner = NULL;
}

/* What is wrong with the node is its driver's business. */
static int visit_own(const struct dt_node *node, void *arg)
{
	struct hostdev *dev = arg;

	if (node->offset != dev->node)
		return 0;
	read_regs(node, dev);
	read_irqs(node, dev);
	return 1;
}

const struct hostdev *hostdev_claim(struct hostdev *dev, const char *owner)
{
	hostdev_release(dev);
	if (dev->reg_count == 0)
		dt_walk(host->fdt, visit_own, dev);
	for (const struct hostdev *other = claims; other; other = other->next)
		if (hostdev_collides(dev, other))
			return other;
	if (rest)
		return rest;
	dev->owner = owner;
	dev->next = claims;
	claims = dev;
	return NULL;
}

const struct hostdev *hostdev_claim_rest(struct hostdev *dev, const char *owner)
{
	if (rest)
		return rest;
	dev->owner = owner;
	rest = dev;
	return NULL;
}

struct page_search {
	const struct hostdev *dev;
	uint64_t page;
	const uint8_t *va;
};

static const struct hostdev *find_claim_of(int node)
{
	const struct hostdev *dev = claims;

	while (dev && dev->node != node)
		dev = dev->next;
	return dev;
}

static bool register_reads(const uint8_t *va, uint32_t offset, uint32_t value)
{
	struct fault_kept kept = fault_keep();
	uint32_t there;
	bool same = !load_device_checked(&there, va + offset, sizeof(there)) && there == value;

	fault_give_back(kept);
	return same;
}

/* Which nobody can fill while virt7 runs: virtio-mmio has no hotplug. */
static bool is_empty_place(const struct page_search *search, const struct dt_node *node, const struct host_range *reg)
{
	const uint8_t *va = search->va + (reg->base - search->page);

	return reg->base >= search->page && reg->base + VIRTIO_CONFIG <= search->page + PAGE_SIZE &&
	       dt_has_string(&node->prop[DT_COMPATIBLE], "virtio,mmio") &&
	       register_reads(va, VIRTIO_MAGIC_VALUE, VIRTIO_MAGIC) && register_reads(va, VIRTIO_DEVICE_ID, 0);
}

static bool is_others(const struct page_search *search, const struct dt_node *node, const struct host_range *reg)
{
	const struct hostdev *claim = find_claim_of(node->offset);

	if (claim)
		return claim->owner != search->dev->owner;
	return !search->va || !is_empty_place(search, node, reg);
}

static int visit_page(const struct dt_node *node, void *arg)
{
	const struct page_search *search = arg;
	struct host_range reg;

	if (node->offset == search->dev->node)
		return 0;
	for (uint32_t i = 0; dt_reg(node, i, &reg); i++)
		if (reg.size && ranges_overlap(reg.base, reg.size, search->page, PAGE_SIZE) &&
		    is_others(search, node, &reg))
			return 1;
	return 0;
}

/* GICH and GICV may be missing in the tree (hyp/host/nodes.c). */
bool hostdev_is_gic_page(uint64_t page)
{
	return ranges_overlap(page, PAGE_SIZE, host->gich, GIC_REGION) ||
	       ranges_overlap(page, PAGE_SIZE, host->gicv, GIC_REGION);
}

bool hostdev_shares_page(const struct hostdev *dev, uint64_t page, const uint8_t *va)
{
	struct page_search search = {dev, align_down(page, PAGE_SIZE), va};

	return hostdev_is_gic_page(search.page) || dt_walk(host->fdt, visit_page, &search) != 0;
}
