/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device tree in the making, node after node (libfdt's sequential writing): what the guest's own nodes in
 * hyp/load/guestdtb.c and the devices' describe() are written with. The first error stays in the tree, and everything
 * after it does nothing.
 */
#ifndef HYP_LOAD_TREE_H
#define HYP_LOAD_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/bits.h"

/* Cells of the arm,gic binding. */
#define TREE_GIC_SPI      0U
#define TREE_GIC_PPI      1U
#define TREE_GIC_EDGE_HI  1U
#define TREE_GIC_LEVEL_HI 4U

/*
 * QEMU gives out phandles in the order of creation: the clock, the CPUs from the last to the first, the GIC. A tree
 * that has the host's nodes too has the host's phandles for the GIC and the CPUs, and others out of the host's way.
 */
#define TREE_PHANDLE_CLOCK(t)  (0x8000U + (t)->phandle_shift)
#define TREE_PHANDLE_CPU(t, n) tree_cpu_phandle((t), (n))
#define TREE_PHANDLE_GIC(t)    ((t)->gic_phandle ? (t)->gic_phandle : TREE_PHANDLE_CLOCK(t) + 1U + (t)->cpus)
#define TREE_PHANDLE_GPIO(t)   (TREE_PHANDLE_CLOCK(t) + 3U + (t)->cpus) /* QEMU's GIC has a node for MSIs before it */
#define TREE_PHANDLE_MEMERR(t) (TREE_PHANDLE_GPIO(t) + 1U)

struct vm_config;
struct guestdtb_params;

struct tree {
	void *fdt;
	int err;                             /* libfdt's, negative */
	uint32_t cpus;                       /* of the VM: phandles depend on it */
	uint32_t phandle_shift, gic_phandle; /* 0 but in a tree with nodes of others */
	/* what hyp/load/guestdtb.c writes; not for devices */
	const struct vm_config *cfg;
	const struct guestdtb_params *params;
};

uint32_t tree_cpu_phandle(const struct tree *t, uint32_t n);

/* The host's CPU `n`, as its tree has them in order, from 0; negative: none. */
int tree_host_cpu(const void *host, uint32_t n);

/*
 * Begin the tree, in `size` bytes at `buf`, and its root; end both. 0, or libfdt's error. Others may have the CPU in
 * between, as at each tree_begin().
 */
void tree_create(struct tree *t, void *buf, size_t size);
int tree_finish(struct tree *t);

/* As fdt_check_full(), of a tree of others; that is one stretch, and here others may have the CPU at each tag. */
int tree_check(const void *fdt, size_t size);

void tree_begin(struct tree *t, const char *name);
/* A node named `name` + a number in hexadecimal: its unit address, or its index. */
void tree_begin_numbered(struct tree *t, const char *name, uint64_t number);
void tree_end(struct tree *t);

/* Properties: before the subnodes of their node. */
void tree_bytes(struct tree *t, const char *name, const void *value, size_t len);
/* Room for `len` bytes, to be filled before anything else is written; NULL: after an error. */
void *tree_room(struct tree *t, const char *name, size_t len);
void tree_flag(struct tree *t, const char *name);
void tree_string(struct tree *t, const char *name, const char *value);
void tree_cells(struct tree *t, const char *name, const uint32_t *cells, size_t count);
void tree_cell(struct tree *t, const char *name, uint32_t cell);
void tree_number64(struct tree *t, const char *name, uint64_t value);

/* A list of strings is written as one literal with \0 between them. */
#define tree_strings(t, name, literal) tree_bytes((t), (name), (literal), sizeof(literal))

#define tree_list(t, name, ...) \
	tree_cells((t), (name), (const uint32_t[]){__VA_ARGS__}, ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__})))

/* `reg` below 4 GiB, and `interrupts` where the interrupt ID is not 0; `flags` is TREE_GIC_EDGE_HI or _LEVEL_HI. */
void tree_reg_spi(struct tree *t, uint32_t base, uint32_t size, uint32_t irq, uint32_t flags);

#endif
