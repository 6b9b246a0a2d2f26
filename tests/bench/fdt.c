/* SPDX-License-Identifier: BSD-2-Clause */
/* See fdt.h. The format is the Devicetree Specification's, chapter 5. */
#include "tests/bench/fdt.h"
#include "tests/guests/lib/guest.h"

#define FDT_MAGIC      UINT32_C(0xd00dfeed)
#define FDT_BEGIN_NODE 1U
#define FDT_END_NODE   2U
#define FDT_PROP       3U
#define FDT_NOP        4U

#define DEPTH 8U

struct property {
	const uint8_t *data;
	uint32_t size;
};

struct node {
	const char *name;
	uint32_t address_cells; /* of its children */
	uint32_t size_cells;
	struct property compatible;
	struct property reg;
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static bool starts_with(const char *text, const char *prefix)
{
	while (*prefix && *text == *prefix)
		text++, prefix++;
	return *prefix == '\0';
}

static bool is_compatible(const struct node *node, const char *name)
{
	const char *p = (const char *)node->compatible.data, *end = p + node->compatible.size;

	while (p < end) {
		if (text_equal(p, name))
			return true;
		while (p < end && *p++)
			;
	}
	return false;
}

/* The low 32 bits of cell group `index`, address and size taking turns; 0 past the end. */
static uint32_t reg_low(const struct node *node, const struct node *parent, uint32_t index)
{
	uint32_t pair = index / 2, cells = pair * (parent->address_cells + parent->size_cells);

	cells += index % 2 ? parent->address_cells + parent->size_cells : parent->address_cells;
	return cells * 4 <= node->reg.size ? be32(node->reg.data + 4 * (cells - 1)) : 0;
}

static void take(struct fdt_machine *m, const struct node *node, const struct node *parent)
{
	if (is_compatible(node, "arm,cortex-a15-gic") || is_compatible(node, "arm,gic-400") ||
	    is_compatible(node, "arm,cortex-a7-gic")) {
		m->gicd = reg_low(node, parent, 0);
		m->gicc = reg_low(node, parent, 2);
	} else if (is_compatible(node, "arm,pl011") || is_compatible(node, "arm,sbsa-uart")) {
		if (m->uart == 0) {
			m->uart = reg_low(node, parent, 0);
			m->sbsa = !is_compatible(node, "arm,pl011");
		}
	} else if (starts_with(node->name, "memory")) {
		m->ram = reg_low(node, parent, 0);
		m->ram_size = reg_low(node, parent, 1);
	} else if (starts_with(node->name, "cpu@")) {
		m->cpus++;
	}
}

static void take_property(struct fdt_machine *m, struct node *node, const char *name, struct property value)
{
	if (text_equal(name, "#address-cells"))
		node->address_cells = be32(value.data);
	else if (text_equal(name, "#size-cells"))
		node->size_cells = be32(value.data);
	else if (text_equal(name, "compatible"))
		node->compatible = value;
	else if (text_equal(name, "reg"))
		node->reg = value;
	else if (text_equal(name, "bootargs") && text_equal(node->name, "chosen"))
		memcpy(m->bootargs, value.data, value.size < FDT_BOOTARGS ? value.size : FDT_BOOTARGS - 1);
}

bool fdt_read(uint32_t address, struct fdt_machine *machine)
{
	const uint8_t *fdt = (const uint8_t *)address, *p;
	const char *strings;
	struct node stack[DEPTH];
	uint32_t depth = 0, token;

	*machine = (struct fdt_machine){0};
	if (be32(fdt) != FDT_MAGIC)
		return false;
	strings = (const char *)fdt + be32(fdt + 12);
	for (p = fdt + be32(fdt + 8);;) {
		token = be32(p);
		p += 4;
		if (token == FDT_BEGIN_NODE && depth < DEPTH) {
			stack[depth++] = (struct node){.name = (const char *)p, .address_cells = 2, .size_cells = 1};
			while (*p++)
				;
			p = (const uint8_t *)(((uint32_t)p + 3) & ~UINT32_C(3));
		} else if (token == FDT_PROP && depth > 0) {
			struct property value = {p + 8, be32(p)};

			take_property(machine, &stack[depth - 1], strings + be32(p + 4), value);
			p += 8 + ((value.size + 3) & ~UINT32_C(3));
		} else if (token == FDT_END_NODE && depth > 0) {
			if (--depth > 0)
				take(machine, &stack[depth], &stack[depth - 1]);
		} else if (token != FDT_NOP) {
			return true; /* the end, or a tree deeper than any board's */
		}
	}
}
