/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's tree in that of the VM that has the rest of its devices (hyp/vdev/passrest.h): its nodes beside
 * mach-virt's, below the root, as they are. What differs:
 *   - what every VM has its own of is not there, and what is not this VM's is there but disabled;
 *   - phandles are the host's. The GIC's and the CPUs' are those of the VM's own (hyp/load/tree.h); CPUs beyond its own
 *     are empty nodes in /host-cpus, for who refers to all of them;
 *   - an interrupt whose number mach-virt has for itself has another one, and goes to the GIC directly;
 *   - the root's children have their addresses in two cells, as mach-virt's, whatever the host's root has;
 *   - a node that is called as one of mach-virt's is host-NAME.
 */
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/bits.h"
#include "hyp/load/tree.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/passrest.h"
#include "hyp/vm/vm.h"

#define SPI_FIRST      32U
#define GIC_CELLS      3U
#define ROOT_CELLS     2U /* of mach-virt's addresses, sizes, and unit addresses at the GIC */
#define IRQ_CELLS_MAX  64U
#define NODE_NAME_SIZE 64U

struct rest_copy {
	const struct passthrough *p;
	struct tree *t;
	const void *fdt;
	uint32_t mark;                      /* the next one */
	int open;                           /* depth of the node that is being written; 0: the root */
	int absent;                         /* depth of the one that is passed over with all below it; 0: none */
	bool off;                           /* the node is to say that it is disabled */
	uint32_t address_cells, size_cells; /* of the host's root */
};

static uint32_t cells_of(const void *fdt, int node, const char *name, uint32_t missing)
{
	const struct dt_node at = {.offset = node};

	return dt_u32(fdt, &at, name, missing);
}

/* --- addresses of the root's children */

static uint8_t *put_cells(uint8_t *to, const uint8_t **from, uint32_t count)
{
	memcpy(to, *from, (size_t)count * 4U);
	*from += (size_t)count * 4U;
	return to + (size_t)count * 4U;
}

/* A number of `count` cells in two. */
static uint8_t *put_wide(uint8_t *to, const uint8_t **from, uint32_t count)
{
	memset(to, 0, (size_t)(ROOT_CELLS - count) * 4U);
	return put_cells(to + (size_t)(ROOT_CELLS - count) * 4U, from, count);
}

/* Rows of `before` cells, an address of the root's, and a size: of the root's too where `wide`, else of `size` cells.
 */
static void write_rows(const struct rest_copy *c, const char *name, const uint8_t *from, uint32_t len, uint32_t before,
		       uint32_t size, bool wide)
{
	uint32_t rows = len / (4U * (before + c->address_cells + size));
	uint8_t *to = tree_room(c->t, name, (size_t)rows * 4U * (before + ROOT_CELLS + (wide ? ROOT_CELLS : size)));

	for (; to && rows > 0; rows--) {
		to = put_cells(to, &from, before);
		to = put_wide(to, &from, c->address_cells);
		to = wide ? put_wide(to, &from, size) : put_cells(to, &from, size);
	}
}

static bool is_plain_root(const struct rest_copy *c)
{
	return c->address_cells >= 1 && c->address_cells <= ROOT_CELLS && c->size_cells >= 1 &&
	       c->size_cells <= ROOT_CELLS;
}

/* False: the property has no addresses of the root's. */
static bool write_root_addresses(const struct rest_copy *c, const struct dt_node *node, const char *name,
				 const void *value, uint32_t len)
{
	uint32_t child = dt_cells(c->fdt, node->offset, DT_ADDRESS_CELLS, 2);
	uint32_t size = dt_cells(c->fdt, node->offset, DT_SIZE_CELLS, 1);

	if (node->depth != 1 || len == 0 || !is_plain_root(c))
		return false;
	if (!strcmp(name, "reg"))
		write_rows(c, name, value, len, 0, c->size_cells, true);
	else if (!strcmp(name, "ranges") || !strcmp(name, "dma-ranges"))
		write_rows(c, name, value, len, MIN(child, 4U), MIN(size, 4U), false);
	else
		return false;
	return true;
}

/* --- interrupts */

/* The guest's number for the host's where they differ; 0: they do not, or it is none of the VM's. */
static uint32_t other_number(const struct rest_copy *c, const struct dt_gic_irq *irq)
{
	uint32_t guest = irq->id < VGIC_IRQS ? c->p->rest->irq[irq->id] : 0;

	return guest != irq->id ? guest : 0;
}

static bool has_other_numbers(const struct rest_copy *c, const struct dt_node *node)
{
	struct dt_irq irq;

	for (uint32_t i = 0; dt_irq_at(c->fdt, node, i, &irq) == 0; i++) {
		struct dt_gic_irq gic;

		sched_preempt();
		if (dt_gic_irq_at(c->fdt, node, i, hostdev_gic(), &gic) == 0 && other_number(c, &gic))
			return true;
	}
	return false;
}

static uint32_t put_gic(fdt32_t *to, uint32_t phandle, const uint8_t *cells, uint32_t id)
{
	fdt32_st(to, phandle);
	memcpy(to + 1, cells, 4U * GIC_CELLS);
	fdt32_st(to + 2, id - SPI_FIRST);
	return 1U + GIC_CELLS;
}

/* One of the node's interrupts, with its controller: as it is, or at the GIC by its other number. Cells; 0: no room. */
static uint32_t put_irq(const struct rest_copy *c, const struct dt_node *node, uint32_t which, fdt32_t *to,
			uint32_t room)
{
	int gic = hostdev_gic();
	struct dt_gic_irq known;
	struct dt_irq irq, at_gic;
	uint32_t other;

	if (dt_irq_at(c->fdt, node, which, &irq) || room < 1U + irq.length / 4U || room < 1U + GIC_CELLS)
		return 0;
	at_gic = irq;
	other = dt_gic_irq_at(c->fdt, node, which, gic, &known) ? 0 : other_number(c, &known);
	if (other && dt_follow_irq(c->fdt, &at_gic, gic))
		return put_gic(to, dt_phandle(c->fdt, gic), at_gic.cells, other);
	fdt32_st(to, irq.phandle ? irq.phandle : dt_phandle(c->fdt, irq.offset));
	memcpy(to + 1, irq.cells, irq.length);
	return 1U + irq.length / 4U;
}

static void write_irqs(const struct rest_copy *c, const struct dt_node *node)
{
	fdt32_t cells[IRQ_CELLS_MAX];
	uint32_t used = 0, more;

	for (uint32_t i = 0; (more = put_irq(c, node, i, &cells[used], IRQ_CELLS_MAX - used)) > 0; i++) {
		used += more;
		sched_preempt();
	}
	tree_bytes(c->t, "interrupts-extended", cells, (size_t)used * 4U);
}

/*
 * A row of an interrupt-map at `from` (devicetree specification 2.4.3): its length in bytes, 0: there is no more, or no
 * sense in it. `*wider`: the bytes by which it is longer in the guest, whose GIC has unit addresses of two cells.
 */
static uint32_t map_interrupt_row(const struct rest_copy *c, uint32_t before, const uint8_t *from, const uint8_t *end,
				  uint32_t *wider, bool *to_gic)
{
	uint32_t unit, own;
	int parent;

	if (end - from < (int)(before + 1U) * 4)
		return 0;
	parent = dt_by_phandle(c->fdt, (uint32_t)dt_number(from + (size_t)before * 4U, 1));
	if (parent < 0)
		return 0;
	*to_gic = parent == hostdev_gic();
	unit = dt_cells(c->fdt, parent, DT_ADDRESS_CELLS, 0);
	own = dt_cells(c->fdt, parent, DT_INTERRUPT_CELLS, 0);
	if (unit > ROOT_CELLS || own > 4 || end - from < (int)(before + 1U + unit + own) * 4)
		return 0;
	*wider = *to_gic ? (ROOT_CELLS - unit) * 4U : 0;
	return (before + 1U + unit + own) * 4U;
}

static uint8_t *put_map_row(const struct rest_copy *c, uint8_t *to, const uint8_t *from, uint32_t before, uint32_t len,
			    uint32_t wider)
{
	const uint8_t *cells = from + len - 4U * GIC_CELLS;
	struct dt_gic_irq irq = {.id = SPI_FIRST + (uint32_t)dt_number(cells + 4, 1)};
	uint32_t other = dt_number(cells, 1) == TREE_GIC_SPI ? other_number(c, &irq) : 0;

	memcpy(to, from, (size_t)(before + 1U) * 4U);
	memset(to + (size_t)(before + 1U) * 4U, 0, ROOT_CELLS * 4U);
	to += len + wider;
	memcpy(to - 4U * GIC_CELLS, cells, 4U * GIC_CELLS);
	if (other)
		fdt32_st(to - 8, other - SPI_FIRST);
	return to;
}

static void write_map(const struct rest_copy *c, const struct dt_node *node, const uint8_t *from, uint32_t len)
{
	uint32_t before = dt_cells(c->fdt, node->offset, DT_ADDRESS_CELLS, 2) +
			  dt_cells(c->fdt, node->offset, DT_INTERRUPT_CELLS, 0);
	uint32_t total = 0, row, wider = 0;
	const uint8_t *end = from + len, *at = from;
	bool to_gic = false;
	uint8_t *to;

	for (; before < 8U && (row = map_interrupt_row(c, before, at, end, &wider, &to_gic)) > 0; at += row)
		total += row + wider;
	to = tree_room(c->t, "interrupt-map", total);
	for (at = from; to && total > 0 && (row = map_interrupt_row(c, before, at, end, &wider, &to_gic)) > 0;
	     at += row)
		if (to_gic) {
			to = put_map_row(c, to, at, before, row, wider);
		} else {
			memcpy(to, at, row);
			to += row;
		}
}

/* --- nodes */

/* What leads to what is not there: RAM of the board's, and the GIC's page for messages. */
static bool leads_nowhere(const char *name)
{
	return !strcmp(name, "memory-region") || !strcmp(name, "memory-region-names") || !strcmp(name, "msi-parent") ||
	       !strcmp(name, "msi-map");
}

static bool is_irq_list(const char *name)
{
	return !strcmp(name, "interrupts") || !strcmp(name, "interrupts-extended");
}

static void copy_properties(const struct rest_copy *c, const struct dt_node *node)
{
	bool renumbered = !c->off && has_other_numbers(c, node);
	const char *name;
	int item, len;

	fdt_for_each_property_offset(item, c->fdt, node->offset) {
		const void *value = fdt_getprop_by_offset(c->fdt, item, &name, &len);

		sched_preempt();
		if (!value || leads_nowhere(name) || (c->off && !strcmp(name, "status")) ||
		    (renumbered && is_irq_list(name)))
			continue;
		if (!strcmp(name, "interrupt-map"))
			write_map(c, node, value, (uint32_t)len);
		else if (!write_root_addresses(c, node, name, value, (uint32_t)len))
			tree_bytes(c->t, name, value, (size_t)len);
	}
	if (renumbered)
		write_irqs(c, node);
	if (c->off)
		tree_string(c->t, "status", "disabled");
}

/* What the root says of all below it, and mach-virt's root says otherwise. */
static void inherit_from_root(const struct rest_copy *c, const struct dt_node *node)
{
	const struct dt_prop *root = &node->parent->prop[DT_INTERRUPT_PARENT];

	if (root->length == 4 && !node->prop[DT_INTERRUPT_PARENT].data)
		tree_bytes(c->t, "interrupt-parent", root->data, 4);
	if (!node->prop[DT_DMA_COHERENT].data && node->parent->prop[DT_DMA_COHERENT].data)
		tree_flag(c->t, "dma-coherent");
}

static void begin_node(const struct rest_copy *c, const struct dt_node *node)
{
	static const char *const own[] = {"apb-pclk", "gpio-keys", "passthrough", "timer", "host-cpus"};
	char name[NODE_NAME_SIZE] = "host-";

	for (size_t i = 0; node->depth == 1 && i < ARRAY_SIZE(own); i++)
		if (!strcmp(node->name, own[i])) {
			strncpy(name + 5, node->name, sizeof(name) - 6U);
			tree_begin(c->t, name);
			return;
		}
	tree_begin(c->t, node->name);
}

/*
 * Not in the guest's tree: what is marked so; and below the root what is not given and has an address, because
 * mach-virt may have a node of the same name.
 */
static bool is_absent(struct rest_copy *c, const struct dt_node *node)
{
	const struct pass_rest *rest = c->p->rest;
	const struct rest_mark *mark = &rest->mark[c->mark];

	c->off = false;
	if (c->mark == rest->mark_count || mark->node != node->offset)
		return false;
	c->mark++;
	c->off = true;
	return mark->absent || (node->depth == 1 && strchr(node->name, '@'));
}

static void close_to(struct rest_copy *c, int depth)
{
	for (; c->open > depth; c->open--)
		tree_end(c->t);
}

static int visit_copy(const struct dt_node *node, void *arg)
{
	struct rest_copy *c = arg;

	if (node->depth == 0 || (c->absent && node->depth > c->absent))
		return 0;
	close_to(c, node->depth - 1);
	c->absent = is_absent(c, node) ? node->depth : 0;
	if (c->absent)
		return 0;
	begin_node(c, node);
	c->open = node->depth;
	if (node->depth == 1)
		inherit_from_root(c, node);
	copy_properties(c, node);
	return 0;
}

static void write_missing_cpus(const struct rest_copy *c)
{
	uint32_t phandle;
	int node;

	tree_begin(c->t, "host-cpus");
	for (uint32_t n = c->p->device.vm->config.cpus; (node = tree_host_cpu(c->fdt, n)) >= 0; n++) {
		tree_begin_numbered(c->t, "cpu-", n);
		tree_cell(c->t, "#cooling-cells", cells_of(c->fdt, node, "#cooling-cells", 2));
		sched_preempt();
		phandle = dt_phandle(c->fdt, node);
		if (phandle)
			tree_cell(c->t, "phandle", phandle);
		sched_preempt();
		tree_end(c->t);
	}
	tree_end(c->t);
}

void passrest_write(const struct passthrough *p, struct tree *t)
{
	struct rest_copy c = {.p = p, .t = t, .fdt = hostdev_tree()};

	c.address_cells = dt_cells(c.fdt, 0, DT_ADDRESS_CELLS, 2);
	c.size_cells = dt_cells(c.fdt, 0, DT_SIZE_CELLS, 1);
	dt_walk(c.fdt, visit_copy, &c);
	close_to(&c, 0);
	write_missing_cpus(&c);
}
