/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk, its index, and what needs the ancestors of a node: addresses (devicetree specification 2.3). The tree is
 * the firmware's and trusted to describe the machine, yet it is parsed with libfdt's checks throughout.
 */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include "hyp/host/devtree.h"
#include "hyp/lib/bits.h"

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
	[DT_INTERRUPT_MAP] = "interrupt-map",
	[DT_PHANDLE] = "phandle",
	[DT_OLD_PHANDLE] = "linux,phandle",
	[DT_DEVICE_TYPE] = "device_type",
	[DT_STATUS] = "status",
	[DT_DMA_RANGES] = "dma-ranges",
	[DT_DMA_COHERENT] = "dma-coherent",
	[DT_IOMMUS] = "iommus",
	[DT_IOMMU_MAP] = "iommu-map",
};

/* A node of the index. */
struct indexed_node {
	struct dt_node node;
	struct host_range reg; /* its first registers, as the CPU sees them; of size 0: it has none */
	uint32_t phandle;      /* 0: it has none */
	uint32_t end;          /* the number of the first node behind all that is below it */
	uint32_t next;         /* another one with a phandle of the same low bits, from 1 on; 0: none */
};

/* In the order of the tree: the root is number 0. */
static struct {
	const void *fdt; /* NULL: there is no index */
	struct indexed_node *node;
	uint32_t count;
	uint32_t *head; /* for the low bits of a phandle, as indexed_node.next */
	uint32_t mask;
} tree_index;

/* The tag at `offset` is FDT_PROP: fdt_next_tag() has checked that it and its value lie in the tree. */
static void note_property(const void *fdt, int offset, struct dt_node *node)
{
	const struct fdt_property *property = fdt_offset_ptr(fdt, offset, sizeof(*property));
	const char *name = fdt_string(fdt, (int)fdt32_to_cpu(property->nameoff));

	for (int i = 0; name && i < DT_NAMES; i++)
		if (name[0] == names[i][0] && strcmp(name, names[i]) == 0) {
			node->prop[i].data = property->data;
			node->prop[i].length = fdt32_to_cpu(property->len);
			return;
		}
}

/* Not inlined: the stack of nodes is large. */
static __attribute__((noinline)) int walk_tags(const void *fdt, int (*visit)(const struct dt_node *node, void *arg),
					       void *arg)
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

int dt_walk(const void *fdt, int (*visit)(const struct dt_node *node, void *arg), void *arg)
{
	int ret = 0;

	if (fdt != tree_index.fdt)
		return walk_tags(fdt, visit, arg);
	for (uint32_t i = 0; !ret && i < tree_index.count; i++)
		ret = visit(&tree_index.node[i].node, arg);
	return ret;
}

/* The number of the node at `offset`; the count: there is none. */
static uint32_t find_indexed(int offset)
{
	uint32_t from = 0, to = tree_index.count;

	while (from < to) {
		uint32_t middle = (from + to) / 2U;

		if (tree_index.node[middle].node.offset == offset)
			return middle;
		if (tree_index.node[middle].node.offset < offset)
			from = middle + 1U;
		else
			to = middle;
	}
	return tree_index.count;
}

struct one_visit {
	int offset;
	int (*visit)(const struct dt_node *node, void *arg);
	void *arg;
	int ret;
};

static int visit_one(const struct dt_node *node, void *arg)
{
	struct one_visit *one = arg;

	if (node->offset != one->offset)
		return 0;
	one->ret = one->visit(node, one->arg);
	return 1;
}

int dt_visit(const void *fdt, int offset, int (*visit)(const struct dt_node *node, void *arg), void *arg)
{
	struct one_visit one = {.offset = offset, .visit = visit, .arg = arg};
	uint32_t i;

	if (fdt != tree_index.fdt) {
		walk_tags(fdt, visit_one, &one);
		return one.ret;
	}
	i = find_indexed(offset);
	return i < tree_index.count ? visit(&tree_index.node[i].node, arg) : 0;
}

int dt_by_phandle(const void *fdt, uint32_t phandle)
{
	uint32_t at;

	if (fdt != tree_index.fdt)
		return fdt_node_offset_by_phandle(fdt, phandle);
	for (at = tree_index.head[phandle & tree_index.mask]; at; at = tree_index.node[at - 1U].next)
		if (tree_index.node[at - 1U].phandle == phandle)
			return tree_index.node[at - 1U].node.offset;
	return -FDT_ERR_NOTFOUND;
}

/* With its unit address, or without, where the path has none. */
static bool is_called(const char *own, const char *name, size_t length)
{
	return !strncmp(own, name, length) &&
	       (own[length] == '\0' || (own[length] == '@' && !memchr(name, '@', length)));
}

/* 0: there is none; no child is the root. */
static uint32_t find_indexed_child(uint32_t parent, const char *name, size_t length)
{
	for (uint32_t i = parent + 1U; i < tree_index.node[parent].end; i = tree_index.node[i].end)
		if (is_called(tree_index.node[i].node.name, name, length))
			return i;
	return 0;
}

/* From node number `at` on. */
static int find_indexed_path(uint32_t at, const char *path)
{
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t length = strcspn(path, "/");

		at = find_indexed_child(at, path, length);
		if (at == 0)
			return -FDT_ERR_NOTFOUND;
		path += length;
	}
	return tree_index.node[at].node.offset;
}

int dt_by_path(const void *fdt, const char *path)
{
	size_t length = strcspn(path, "/");
	const char *alias;
	int at, len;

	if (fdt != tree_index.fdt)
		return fdt_path_offset(fdt, path);
	if (path[0] == '/')
		return find_indexed_path(0, path);
	at = find_indexed_path(0, "aliases");
	alias = at > 0 ? fdt_getprop_namelen(fdt, at, path, (int)length, &len) : NULL;
	at = alias && len > 1 && alias[0] == '/' && alias[len - 1] == '\0' ? find_indexed_path(0, alias) : -1;
	return at < 0 ? -FDT_ERR_NOTFOUND : find_indexed_path(find_indexed(at), path + length);
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
static bool dma_step_is_1to1(const struct dt_node *bus)
{
	const struct dt_prop *ranges = &bus->prop[DT_DMA_RANGES];
	const uint8_t *at = ranges->data, *end;
	uint32_t child, parent, size, ignored, row;

	if (!at || ranges->length == 0)
		return true;
	end = at + ranges->length;
	if (!bus_cells(bus, &child, &size) || !bus_cells(bus->parent, &parent, &ignored))
		return false;
	row = 4 * (child + parent + size);
	for (; at + row <= end; at += row)
		if (dt_number(at, child) != dt_number(at + 4 * child, parent))
			return false;
	return at == end;
}

bool dt_inherits(const struct dt_node *node, enum dt_name property)
{
	for (; node; node = node->parent)
		if (node->prop[property].data)
			return true;
	return false;
}

bool dt_dma_is_1to1(const struct dt_node *node)
{
	for (const struct dt_node *bus = node->parent; bus && bus->parent; bus = bus->parent)
		if (!dma_step_is_1to1(bus))
			return false;
	return true;
}

struct wanted {
	uint32_t index;
	struct host_range *out;
};

static int visit_wanted(const struct dt_node *node, void *arg)
{
	const struct wanted *wanted = arg;

	return dt_reg(node, wanted->index, wanted->out);
}

bool dt_reg_at(const void *fdt, int offset, uint32_t index, struct host_range *out)
{
	struct wanted wanted = {index, out};

	return dt_visit(fdt, offset, visit_wanted, &wanted) == 1;
}

static bool is_in_range(const struct host_range *a, const struct host_range *b)
{
	return a->size && ranges_overlap(a->base, a->size, b->base, b->size);
}

bool dt_has_child_in(const void *fdt, const struct dt_node *bus, const struct host_range *range)
{
	int sub, length;

	if (fdt == tree_index.fdt) {
		uint32_t at = find_indexed(bus->offset), end = tree_index.node[at].end;

		for (at++; at < end && !is_in_range(&tree_index.node[at].reg, range); at = tree_index.node[at].end)
			;
		return at < end;
	}
	fdt_for_each_subnode(sub, fdt, bus->offset) {
		struct dt_node child = {.parent = bus, .offset = sub};
		struct host_range own;

		child.prop[DT_REG].data = fdt_getprop(fdt, sub, "reg", &length);
		child.prop[DT_REG].length = (uint32_t)length;
		if (dt_reg(&child, 0, &own) && is_in_range(&own, range))
			return true;
	}
	return false;
}

struct dt_prop dt_prop_at(const void *fdt, int offset, enum dt_name name)
{
	uint32_t i = fdt == tree_index.fdt ? find_indexed(offset) : tree_index.count;
	const void *data;
	int length;

	if (fdt == tree_index.fdt)
		return i < tree_index.count ? tree_index.node[i].node.prop[name] : (struct dt_prop){0};
	data = fdt_getprop(fdt, offset, names[name], &length);
	return (struct dt_prop){data, data ? (uint32_t)length : 0};
}

uint32_t dt_cells(const void *fdt, int offset, enum dt_name name, uint32_t missing)
{
	struct dt_prop prop = dt_prop_at(fdt, offset, name);

	return prop.data && prop.length == 4 ? (uint32_t)dt_number(prop.data, 1) : missing;
}

uint32_t dt_phandle(const void *fdt, int offset)
{
	uint32_t i = fdt == tree_index.fdt ? find_indexed(offset) : tree_index.count;

	if (fdt != tree_index.fdt)
		return fdt_get_phandle(fdt, offset);
	return i < tree_index.count ? tree_index.node[i].phandle : 0;
}

bool dt_is_below(const void *fdt, int offset, int top)
{
	int depth = 0;

	if (fdt == tree_index.fdt) {
		uint32_t i = find_indexed(offset), above = find_indexed(top);

		return i < tree_index.count && i >= above && i < tree_index.node[above].end;
	}
	for (int at = top; at >= 0 && (at == top || depth > 0); at = fdt_next_node(fdt, at, &depth))
		if (at == offset)
			return true;
	return false;
}

/* --- the index */

struct index_maker {
	uint32_t room;
	uint32_t above[DT_DEPTH_MAX]; /* by depth: the last node there, by number */
};

static uint32_t own_phandle(const struct dt_node *node)
{
	const struct dt_prop *prop = &node->prop[node->prop[DT_PHANDLE].data ? DT_PHANDLE : DT_OLD_PHANDLE];

	return prop->data && prop->length == 4 ? (uint32_t)dt_number(prop->data, 1) : 0;
}

static int index_node(const struct dt_node *node, void *arg)
{
	struct index_maker *maker = arg;
	uint32_t number = tree_index.count, *head;
	struct indexed_node *to = &tree_index.node[number];

	if (number == maker->room)
		return -EINVAL;
	*to = (struct indexed_node){.node = *node, .phandle = own_phandle(node)};
	maker->above[node->depth] = number;
	if (node->parent)
		to->node.parent = &tree_index.node[maker->above[node->depth - 1]].node;
	if (!dt_reg(&to->node, 0, &to->reg))
		to->reg = (struct host_range){0};
	for (int depth = 0; depth <= node->depth; depth++)
		tree_index.node[maker->above[depth]].end = number + 1U;
	if (to->phandle) {
		head = &tree_index.head[to->phandle & tree_index.mask];
		to->next = *head;
		*head = number + 1U;
	}
	tree_index.count++;
	return 0;
}

/* As many lists of phandles as there are nodes at least: a power of two. */
static uint32_t index_heads(uint32_t nodes)
{
	return nodes ? BIT(32 - __builtin_clz(nodes)) : 1U;
}

size_t dt_index_size(uint32_t nodes)
{
	return nodes * sizeof(struct indexed_node) + index_heads(nodes) * sizeof(uint32_t);
}

int dt_index_make(const void *fdt, void *room, uint32_t nodes)
{
	struct index_maker maker = {.room = nodes};
	int ret;

	tree_index.fdt = NULL;
	if (!room)
		return 0;
	tree_index.node = room;
	tree_index.head = (uint32_t *)(tree_index.node + nodes);
	tree_index.mask = index_heads(nodes) - 1U;
	tree_index.count = 0;
	ret = dt_walk(fdt, index_node, &maker);
	tree_index.fdt = ret ? NULL : fdt;
	return ret;
}

void dt_path(const struct dt_node *node, char *path, size_t size)
{
	const struct dt_node *chain[DT_DEPTH_MAX];
	size_t used = 0, length;
	int count = 0;

	for (; node->parent; node = node->parent)
		chain[count++] = node;
	while (count-- > 0 && used + 1 < size) {
		path[used++] = '/';
		length = MIN(strlen(chain[count]->name), size - used);
		memcpy(path + used, chain[count]->name, length);
		used += length;
	}
	path[MIN(used, size - 1)] = '\0';
}
