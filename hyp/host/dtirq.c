/* SPDX-License-Identifier: BSD-2-Clause */
/* The way of an interrupt through the host's device tree, up to the GIC (devicetree specification 2.4). */
#include <errno.h>
#include <string.h>

#include "hyp/host/devtree.h"

#define ROUTE_MAX 4 /* nexus nodes between a device and the GIC */

/* The GIC's three cells: kind, number, flags. */
static uint32_t gic_number(const uint8_t *cells)
{
	return (uint32_t)dt_number(cells + 4, 1) + (dt_number(cells, 1) == 1 ? 16U : 32U);
}

uint32_t dt_gic_irq(const struct dt_node *node, uint32_t index)
{
	const struct dt_prop *plain = &node->prop[DT_INTERRUPTS], *extended = &node->prop[DT_INTERRUPTS_EXTENDED];
	const struct dt_prop *prop = plain->data ? plain : extended;
	uint32_t skip = plain->data ? 0 : 4, row = skip + 12;

	if (!prop->data || prop->length < row * (index + 1U))
		return 0;
	return gic_number((const uint8_t *)prop->data + index * row + skip);
}

struct dt_irq dt_first_irq(const struct dt_node *node)
{
	const struct dt_prop *plain = &node->prop[DT_INTERRUPTS], *extended = &node->prop[DT_INTERRUPTS_EXTENDED];
	struct dt_irq irq = {.cells = plain->data, .length = plain->length};

	if (extended->data && extended->length > 4) { /* it wins, 2.4.1.2 */
		irq.phandle = (uint32_t)dt_number(extended->data, 1);
		irq.cells = (const uint8_t *)extended->data + 4;
		irq.length = extended->length - 4;
		return irq;
	}
	/* Without an interrupt-parent the parent is the nearest ancestor that takes interrupts. */
	while (node) {
		const struct dt_prop *parent = &node->prop[DT_INTERRUPT_PARENT];

		if (parent->data && parent->length == 4) {
			irq.phandle = (uint32_t)dt_number(parent->data, 1);
			return irq;
		}
		node = node->parent;
		if (node && node->prop[DT_INTERRUPT_CELLS].data) {
			irq.offset = node->offset;
			return irq;
		}
	}
	irq.length = 0;
	return irq;
}

/*
 * Look `irq` up in the interrupt-map of the nexus `node` (2.4.3). Only the interrupt is compared: the devices that
 * virt7 drives sit on buses whose maps do not depend on the unit address.
 */
static bool map_irq(const void *fdt, int node, struct dt_irq *irq)
{
	uint32_t address = dt_cells(fdt, node, DT_ADDRESS_CELLS, 2), own = dt_cells(fdt, node, DT_INTERRUPT_CELLS, 0);
	struct dt_prop map = dt_prop_at(fdt, node, DT_INTERRUPT_MAP);
	const uint8_t *at = map.data, *end;

	if (!at || own < 1 || own > 3 || address > 3 || irq->length < own * 4)
		return false;
	end = at + map.length;
	while (at + (address + own + 1) * 4 <= end) {
		const uint8_t *row = at + address * 4;
		uint32_t phandle = (uint32_t)dt_number(row + own * 4, 1);
		int parent = dt_by_phandle(fdt, phandle);
		uint32_t skip = dt_cells(fdt, parent, DT_ADDRESS_CELLS, 0);
		uint32_t cells = dt_cells(fdt, parent, DT_INTERRUPT_CELLS, 0);

		at = row + (own + 1 + skip + cells) * 4;
		if (parent < 0 || cells == 0 || cells > 4 || skip > 4 || at > end)
			return false;
		if (memcmp(row, irq->cells, own * 4) == 0) {
			*irq = (struct dt_irq){.phandle = phandle, .cells = at - cells * 4, .length = cells * 4};
			return true;
		}
	}
	return false;
}

bool dt_follow_irq(const void *fdt, struct dt_irq *irq, int gic)
{
	for (int steps = 0; irq->length > 0 && steps < ROUTE_MAX; steps++) {
		int node = irq->phandle == dt_phandle(fdt, gic) && irq->phandle ? gic
			   : irq->phandle                                       ? dt_by_phandle(fdt, irq->phandle)
										: irq->offset;

		if (node < 0)
			return false;
		if (node == gic || !map_irq(fdt, node, irq))
			return irq->length >= 12 && dt_cells(fdt, node, DT_INTERRUPT_CELLS, 0) == 3;
	}
	return false;
}

uint32_t dt_route_irq(const void *fdt, const struct dt_irq *irq, int gic)
{
	struct dt_irq now = *irq;

	return dt_follow_irq(fdt, &now, gic) ? gic_number(now.cells) : 0;
}

static uint32_t controller_cells(const void *fdt, const struct dt_irq *irq)
{
	int node = irq->phandle ? dt_by_phandle(fdt, irq->phandle) : irq->offset;
	uint32_t cells = node >= 0 ? dt_cells(fdt, node, DT_INTERRUPT_CELLS, 0) : 0;

	return cells <= DT_IRQ_CELLS ? cells : 0;
}

/* Behind this one in interrupts-extended, each has its own controller. */
static void next_extended(struct dt_irq *irq, uint32_t bytes)
{
	irq->length -= bytes;
	irq->cells += bytes;
	if (irq->length <= 4) {
		irq->length = 0;
		return;
	}
	irq->phandle = (uint32_t)dt_number(irq->cells, 1);
	irq->cells += 4;
	irq->length -= 4;
}

int dt_irq_at(const void *fdt, const struct dt_node *node, uint32_t index, struct dt_irq *out)
{
	bool extended = node->prop[DT_INTERRUPTS_EXTENDED].length > 4;
	struct dt_irq irq = dt_first_irq(node);

	for (;; index--) {
		uint32_t bytes = 4 * controller_cells(fdt, &irq);

		if (irq.length == 0)
			return -ENOENT;
		if (bytes == 0 || bytes > irq.length)
			return -EINVAL;
		if (index == 0) {
			irq.length = bytes;
			*out = irq;
			return 0;
		}
		if (extended) {
			next_extended(&irq, bytes);
		} else {
			irq.cells += bytes;
			irq.length -= bytes;
		}
	}
}

int dt_gic_irq_at(const void *fdt, const struct dt_node *node, uint32_t index, int gic, struct dt_gic_irq *out)
{
	struct dt_irq irq;
	int ret = dt_irq_at(fdt, node, index, &irq);

	if (ret)
		return ret;
	if (!dt_follow_irq(fdt, &irq, gic))
		return -EINVAL;
	out->id = gic_number(irq.cells);
	out->edge = dt_number(irq.cells + 8, 1) & 3U; /* a rising or falling edge; a level, or nothing said */
	return 0;
}
