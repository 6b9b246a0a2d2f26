/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has which of the host's devices (hyp/host/hostdev.h), and of a node what claims are about: registers, interrupts.
 */
#include <errno.h>
#include <libfdt.h>

#include "hyp/host/hostdev.h"
#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"

#define SPI_FIRST 32U

static const struct host *host;
static const struct hostdev *claims, *rest;

void hostdev_init(const struct host *of)
{
	host = of;
}

const void *hostdev_tree(void)
{
	return host->fdt;
}

const struct host *hostdev_host(void)
{
	return host;
}

int hostdev_gic(void)
{
	return host->gic_node;
}

bool hostdev_covers(const struct hostdev *dev, uint64_t base, uint64_t size)
{
	for (uint32_t i = 0; i < dev->reg_count; i++)
		if (size && ranges_overlap(dev->reg[i].base, dev->reg[i].size, base, size))
			return true;
	return false;
}

const char *hostdev_read_regs(const struct dt_node *node, struct hostdev *dev)
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
const char *hostdev_read_irqs(const struct dt_node *node, struct hostdev *dev)
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

const char *hostdev_in_the_way(const struct hostdev *dev, bool *same)
{
	for (const struct hostdev *other = claims; other; other = other->next) {
		*same = other->node == dev->node;
		if (*same || hostdev_collides(dev, other))
			return other->owner;
	}
	return NULL;
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

	hostdev_read_regs(node, dev);
	hostdev_read_irqs(node, dev);
	return 1;
}

const struct hostdev *hostdev_claim(struct hostdev *dev, const char *owner)
{
	hostdev_release(dev);
	if (dev->reg_count == 0)
		dt_visit(host->fdt, dev->node, visit_own, dev);
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

const struct hostdev *hostdev_claim_of(int node)
{
	const struct hostdev *dev = claims;

	while (dev && dev->node != node)
		dev = dev->next;
	return dev;
}

/* GICH and GICV may be missing in the tree (hyp/host/nodes.c). */
bool hostdev_is_gic_page(uint64_t page)
{
	return ranges_overlap(page, PAGE_SIZE, host->gich, HOSTDEV_GIC_REGION) ||
	       ranges_overlap(page, PAGE_SIZE, host->gicv, HOSTDEV_GIC_REGION);
}
