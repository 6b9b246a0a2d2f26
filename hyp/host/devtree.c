/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk, and what needs the ancestors of a node: addresses (devicetree specification 2.3) and interrupts (2.4). The
 * tree is the firmware's and trusted to describe the machine, yet it is parsed with libfdt's checks throughout.
 */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include "hyp/host/devtree.h"
#include "hyp/lib/bits.h"

#define ROUTE_MAX 4 /* nexus nodes between a device and the GIC */

static const char *const names[DT_NAMES] = {
	[DT_COMPATIBLE] = "compatible",
	[DT_REG] = "reg",
	[DT_RANGES] = "ranges",
	[DT_ADDRESS_CELLS] = "#address-cells",
	[DT_SIZE_CELLS] = "#size-cells",
	[DT_INTERRUPTS] = "interrupts",
	[DT_INTERRUPTS_EXTENDED] = "interrupts-extended",
	[DT_INTERRUPT_PARENT] = "interrupt-parent",
	[DT_INTERRUPT_CELLS] = "#interrupt-cells",
	[DT_PHANDLE] = "phandle",
	[DT_DEVICE_TYPE] = "device_type",
	[DT_STATUS] = "status",
};

/* The tag at `offset` is FDT_PROP: fdt_next_tag() has checked that it and its value lie in the tree. */
static void note_property(const void *fdt, int offset, struct dt_node *node)
{
	const struct fdt_property *property = fdt_offset_ptr(fdt, offset, sizeof(*property));
	const char *name = fdt_string(fdt, (int)fdt32_to_cpu(property->nameoff));

	for (int i = 0; name && i < DT_NAMES; i++)
		if (strcmp(name, names[i]) == 0) {
			node->prop[i].data = property->data;
			node->prop[i].length = fdt32_to_cpu(property->len);
			return;
		}
}

int dt_walk(const void *fdt, int (*visit)(const struct dt_node *node, void *arg), void *arg)
{
	struct dt_node stack[DT_DEPTH_MAX];
	int offset, next = 0, depth = -1, ret = 0;
	bool pending = false; /* stack[depth] is not yet visited */
	uint32_t tag;

	do {
		offset = next;
		tag = fdt_next_tag(fdt, offset, &next);
		if (pending && tag != FDT_PROP && tag != FDT_NOP) {
			pending = false;
			ret = visit(&stack[depth], arg);
		}
		if (tag == FDT_BEGIN_NODE && ++depth < DT_DEPTH_MAX) {
			stack[depth] = (struct dt_node){
				.parent = depth ? &stack[depth - 1] : NULL,
				.name = fdt_offset_ptr(fdt, offset + (int)FDT_TAGSIZE, 1),
				.offset = offset,
				.depth = depth,
			};
			pending = true;
		} else if (tag == FDT_PROP && pending) {
			note_property(fdt, offset, &stack[depth]);
		} else if (tag == FDT_END_NODE && depth-- < 0) {
			return -EINVAL;
		}
	} while (!ret && tag != FDT_END && next >= 0);
	return ret ? ret : next < 0 || depth != -1 ? -EINVAL : 0;
}

uint64_t dt_number(const void *cells, uint32_t count)
{
	const uint8_t *byte = cells;
	uint64_t value = 0;

	for (count *= 4; count > 0; count--)
		value = value << 8 | *byte++;
	return value;
}

uint32_t dt_u32(const void *fdt, const struct dt_node *node, const char *name, uint32_t missing)
{
	int length;
	const void *data = fdt_getprop(fdt, node->offset, name, &length);

	return data && length == 4 ? (uint32_t)dt_number(data, 1) : missing;
}

const char *dt_string(const void *fdt, const struct dt_node *node, const char *name)
{
	int length;
	const char *text = fdt_getprop(fdt, node->offset, name, &length);

	return text && length > 0 && text[length - 1] == '\0' ? text : NULL;
}

bool dt_has_string(const struct dt_prop *property, const char *text)
{
	const char *at = property->data, *end = at + property->length;
	size_t length = strlen(text) + 1;

	while (at && at < end) {
		const char *nul = memchr(at, 0, (size_t)(end - at));

		if (!nul)
			return false;
		if ((size_t)(nul - at) + 1 == length && memcmp(at, text, length) == 0)
			return true;
		at = nul + 1;
	}
	return false;
}

bool dt_enabled(const struct dt_node *node)
{
	for (; node; node = node->parent) {
		const struct dt_prop *status = &node->prop[DT_STATUS];

		if (status->data && !dt_has_string(status, "okay") && !dt_has_string(status, "ok"))
			return false;
	}
	return true;
}

/* #address-cells and the like: -1 where it is absurd. */
static int cell_count(const struct dt_node *bus, enum dt_name name, int missing)
{
	const struct dt_prop *prop = &bus->prop[name];
	uint64_t count;

	if (!prop->data)
		return missing;
	count = prop->length == 4 ? dt_number(prop->data, 1) : UINT64_MAX;
	return count <= 4 ? (int)count : -1;
}

/* The two counts that a node's children use; false where they make no sense. A count of 3 or 4 is PCI's. */
static bool bus_cells(const struct dt_node *bus, uint32_t *address, uint32_t *size)
{
	int a = cell_count(bus, DT_ADDRESS_CELLS, 2), s = cell_count(bus, DT_SIZE_CELLS, 1);

	if (a < 1 || a > 2 || s < 0 || s > 2)
		return false;
	*address = (uint32_t)a;
	*size = (uint32_t)s;
	return true;
}

/*
 * One step up, from the children of `bus` to `bus` itself, by its ranges; an empty ranges is 1:1. What lies beyond the
 * range in which the region begins is cut off: it may be anywhere.
 */
static bool translate_region(const struct dt_node *bus, struct host_range *region)
{
	const struct dt_prop *ranges = &bus->prop[DT_RANGES];
	uint32_t child, parent, size, ignored, row;

	if (!ranges->data || !bus_cells(bus, &child, &size) || !bus_cells(bus->parent, &parent, &ignored))
		return false;
	row = 4 * (child + parent + size);
	for (uint32_t at = 0; at + row <= ranges->length; at += row) {
		const uint8_t *cells = (const uint8_t *)ranges->data + at;
		uint64_t from = dt_number(cells, child), length = dt_number(cells + 4 * (child + parent), size);

		if (region->base >= from && region->base - from < length) {
			region->size = MIN(region->size, length - (region->base - from));
			region->base = region->base - from + dt_number(cells + 4 * child, parent);
			return true;
		}
	}
	return ranges->length == 0;
}

bool dt_reg(const struct dt_node *node, uint32_t index, struct host_range *out)
{
	const struct dt_prop *reg = &node->prop[DT_REG];
	uint32_t address, size, row;
	const uint8_t *cells;

	if (!reg->data || !node->parent || !bus_cells(node->parent, &address, &size))
		return false;
	row = 4 * (address + size);
	if (reg->length < row * (index + 1U))
		return false;
	cells = (const uint8_t *)reg->data + index * row;
	out->base = dt_number(cells, address);
	out->size = dt_number(cells + 4 * address, size);
	for (const struct dt_node *bus = node->parent; bus->parent; bus = bus->parent)
		if (!translate_region(bus, out))
			return false;
	return true;
}

/* One step up for DMA. No dma-ranges, as an empty one, is 1:1: most trees do not have them. */
static bool dma_step_is_1to1(const void *fdt, const struct dt_node *bus)
{
	uint32_t child, parent, size, ignored, row;
	int length;
	const uint8_t *at = fdt_getprop(fdt, bus->offset, "dma-ranges", &length), *end;

	if (!at || length <= 0)
		return true;
	if (!bus_cells(bus, &child, &size) || !bus_cells(bus->parent, &parent, &ignored))
		return false;
	row = 4 * (child + parent + size);
	for (end = at + length; at + row <= end; at += row)
		if (dt_number(at, child) != dt_number(at + 4 * child, parent))
			return false;
	return at == end;
}

bool dt_dma_is_1to1(const void *fdt, const struct dt_node *node)
{
	for (const struct dt_node *bus = node->parent; bus && bus->parent; bus = bus->parent)
		if (!dma_step_is_1to1(fdt, bus))
			return false;
	return true;
}

struct wanted {
	int offset;
	uint32_t index;
	struct host_range *out;
};

/* 1: found; 2: it has no such region. */
static int visit_wanted(const struct dt_node *node, void *arg)
{
	const struct wanted *wanted = arg;

	if (node->offset != wanted->offset)
		return 0;
	return dt_reg(node, wanted->index, wanted->out) ? 1 : 2;
}

bool dt_reg_at(const void *fdt, int offset, uint32_t index, struct host_range *out)
{
	struct wanted wanted = {offset, index, out};

	return dt_walk(fdt, visit_wanted, &wanted) == 1;
}

void dt_path(const struct dt_node *node, char *path, size_t size)
{
	const struct dt_node *chain[DT_DEPTH_MAX];
	size_t used = 0;
	int count = 0;

	for (; node->parent; node = node->parent)
		chain[count++] = node;
	while (count-- > 0 && used + 1 < size) {
		path[used++] = '/';
		strncpy(path + used, chain[count]->name, size - used);
		used = strnlen(path, size);
	}
	path[MIN(used, size - 1)] = '\0';
}

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

static uint32_t node_cells(const void *fdt, int node, const char *name, uint32_t missing)
{
	const struct dt_node at = {.offset = node};

	return dt_u32(fdt, &at, name, missing);
}

/*
 * Look `irq` up in the interrupt-map of the nexus `node` (2.4.3). Only the interrupt is compared: the devices that
 * virt7 drives sit on buses whose maps do not depend on the unit address.
 */
static bool map_irq(const void *fdt, int node, struct dt_irq *irq)
{
	uint32_t address = node_cells(fdt, node, "#address-cells", 2),
		 own = node_cells(fdt, node, "#interrupt-cells", 0);
	const uint8_t *at, *end;
	int length;

	at = fdt_getprop(fdt, node, "interrupt-map", &length);
	if (!at || own < 1 || own > 3 || address > 3 || irq->length < own * 4)
		return false;
	for (end = at + length; at + (address + own + 1) * 4 <= end;) {
		const uint8_t *row = at + address * 4;
		uint32_t phandle = (uint32_t)dt_number(row + own * 4, 1);
		int parent = fdt_node_offset_by_phandle(fdt, phandle);
		uint32_t skip = node_cells(fdt, parent, "#address-cells", 0);
		uint32_t cells = node_cells(fdt, parent, "#interrupt-cells", 0);

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
		int node = irq->phandle == fdt_get_phandle(fdt, gic) && irq->phandle ? gic
			   : irq->phandle ? fdt_node_offset_by_phandle(fdt, irq->phandle)
					  : irq->offset;

		if (node < 0)
			return false;
		if (node == gic || !map_irq(fdt, node, irq))
			return irq->length >= 12 && node_cells(fdt, node, "#interrupt-cells", 0) == 3;
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
	int node = irq->phandle ? fdt_node_offset_by_phandle(fdt, irq->phandle) : irq->offset;
	uint32_t cells = node >= 0 ? node_cells(fdt, node, "#interrupt-cells", 0) : 0;

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
