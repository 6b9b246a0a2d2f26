/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One walk over a flattened device tree with the ancestors of the current node at hand. libfdt starts at the root
 * whenever it is asked for a parent, a phandle or the next compatible node; the walk reads each tag once, which is what
 * makes discovery cheap (docs/performance.md). Where VMs have devices of the host the tree has an index besides, made
 * once: then a walk reads no tags, and a phandle or a path is a short look.
 */
#ifndef HYP_HOST_DEVTREE_H
#define HYP_HOST_DEVTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/host/host.h"

#define DT_DEPTH_MAX 13 /* levels of nodes, the root's included; deeper ones are passed over */

/* The properties that the walk itself finds in each node; others are read with fdt_getprop(fdt, node->offset, ...). */
enum dt_name {
	DT_COMPATIBLE,
	DT_REG,
	DT_RANGES,
	DT_ADDRESS_CELLS,
	DT_SIZE_CELLS,
	DT_INTERRUPTS,
	DT_INTERRUPTS_EXTENDED,
	DT_INTERRUPT_PARENT,
	DT_INTERRUPT_CELLS,
	DT_INTERRUPT_MAP,
	DT_PHANDLE,
	DT_OLD_PHANDLE, /* linux,phandle */
	DT_DEVICE_TYPE,
	DT_STATUS,
	DT_DMA_RANGES,
	DT_DMA_COHERENT,
	DT_IOMMUS,
	DT_IOMMU_MAP,
	DT_NAMES
};

struct dt_prop {
	const void *data; /* NULL: absent */
	uint32_t length;  /* bytes */
};

struct dt_node {
	const struct dt_node *parent; /* NULL: the root */
	const char *name;             /* with its unit address; "" for the root */
	int offset;                   /* for libfdt */
	int depth;                    /* the root's is 0 */
	struct dt_prop prop[DT_NAMES];
};

/*
 * Call `visit` for each node in the order of the tree, once its properties are known and before its children; it ends
 * the walk by returning other than 0, which is then returned. -EINVAL: the tree is malformed. A node lives as long as
 * its own and its children's visits.
 */
int dt_walk(const void *fdt, int (*visit)(const struct dt_node *node, void *arg), void *arg);

/*
 * Make the index of the tree in `room`: dt_index_size() zeroed bytes for so many nodes, which stay. It is used for this
 * tree from then on, while its bytes stay as they are. 0, or -EINVAL: the tree is malformed or has more nodes, and has
 * no index. A `room` of NULL: it has none any more.
 */
size_t dt_index_size(uint32_t nodes);
int dt_index_make(const void *fdt, void *room, uint32_t nodes);

/* The node with this phandle, or that `path`, or an alias, stands for; negative, as libfdt has it: there is none. */
int dt_by_phandle(const void *fdt, uint32_t phandle);
int dt_by_path(const void *fdt, const char *path);

/* dt_walk() for the node at `offset` only. 0: it is not there. */
int dt_visit(const void *fdt, int offset, int (*visit)(const struct dt_node *node, void *arg), void *arg);

/* Whether the first registers of a child of the bus, as the CPU sees them, and the range have something in common. */
bool dt_has_child_in(const void *fdt, const struct dt_node *bus, const struct host_range *range);

/* Big-endian number of `count` cells (at most 2 count). */
uint64_t dt_number(const void *cells, uint32_t count);

/* A property of one cell, `missing` where it is absent or of another size. */
uint32_t dt_u32(const void *fdt, const struct dt_node *node, const char *name, uint32_t missing);

/* Of the node at `offset`, what the walk finds: a property; the node's phandle, 0: none; whether it is `top` or below.
 */
struct dt_prop dt_prop_at(const void *fdt, int offset, enum dt_name name);
uint32_t dt_phandle(const void *fdt, int offset);
bool dt_is_below(const void *fdt, int offset, int top);

/* As dt_u32(), of the node at `offset`, for one of the properties that the walk finds. */
uint32_t dt_cells(const void *fdt, int offset, enum dt_name name, uint32_t missing);

/* A property that is a string, terminated; NULL otherwise. */
const char *dt_string(const void *fdt, const struct dt_node *node, const char *name);

/* No status, or "okay" (devicetree specification 2.3.4), as for each of its ancestors. */
bool dt_enabled(const struct dt_node *node);

/* Whether the node, or a bus above it, has the property. */
bool dt_inherits(const struct dt_node *node, enum dt_name property);

/* Whether `property`, a list of strings, has `text`. */
bool dt_has_string(const struct dt_prop *property, const char *text);

/*
 * Region `index` of the node's reg, as the CPU sees it, as far as it lies in one range of each bus above. False: there
 * is none, or it cannot be reached.
 */
bool dt_reg(const struct dt_node *node, uint32_t index, struct host_range *out);

/* dt_reg() for the node at `offset`, wherever it is. */
bool dt_reg_at(const void *fdt, int offset, uint32_t index, struct host_range *out);

/* Whether what the node writes to goes to the address that the CPU has it at: the dma-ranges of all buses above say so.
 */
bool dt_dma_is_1to1(const struct dt_node *node);

/* The node's path, as "/soc/serial@0"; cut to `size`. */
void dt_path(const struct dt_node *node, char *path, size_t size);

/*
 * hyp/host/dtirq.c: interrupt `index` of a node of which is known that the GIC is its parent; the GIC's own number, 0:
 * none.
 */
uint32_t dt_gic_irq(const struct dt_node *node, uint32_t index);

/* An interrupt on its way up the tree: `cells` are the specifier, for the controller (or nexus) named by one of both.
 */
struct dt_irq {
	uint32_t phandle;
	int offset; /* where phandle is 0 */
	const uint8_t *cells;
	uint32_t length; /* bytes; 0: no interrupt */
};

/* The node's first interrupt. */
struct dt_irq dt_first_irq(const struct dt_node *node);

/*
 * Follow the interrupt through nexus nodes (interrupt-map) up to the GIC, whose node is at `gic`, and return its number
 * there. A controller in between that keeps the GIC's three cells is taken to pass its interrupts on unchanged. 0: it
 * does not arrive.
 */
uint32_t dt_route_irq(const void *fdt, const struct dt_irq *irq, int gic);

/* Follow the interrupt to the cells that the GIC has for it. False: it does not arrive. */
bool dt_follow_irq(const void *fdt, struct dt_irq *irq, int gic);

/*
 * Interrupt `index` of the node, from 0, with the cells of one specifier. -ENOENT: it has not so many; -EINVAL: there
 * is no making sense of them.
 */
#define DT_IRQ_CELLS 4U
int dt_irq_at(const void *fdt, const struct dt_node *node, uint32_t index, struct dt_irq *out);

/* That interrupt where it arrives at the GIC. As dt_irq_at(); -EINVAL, too, where it does not arrive. */
struct dt_gic_irq {
	uint32_t id; /* as the GIC numbers it */
	bool edge;   /* or a level */
};
int dt_gic_irq_at(const void *fdt, const struct dt_node *node, uint32_t index, int gic, struct dt_gic_irq *out);

#endif
