/* SPDX-License-Identifier: BSD-2-Clause */
/* A device tree in the making: libfdt's functions with an error that stays. */
#include <string.h>

#include <libfdt.h>

#include "hyp/load/tree.h"
#include "hyp/load/vmcfg.h"
#include "hyp/run/sched.h"

#define SPI_FIRST 32U
#define CELLS_MAX 32U

int tree_host_cpu(const void *host, uint32_t n)
{
	int cpus = fdt_path_offset(host, "/cpus"), node, len;

	fdt_for_each_subnode(node, host, cpus) {
		const char *type = fdt_getprop(host, node, "device_type", &len);

		if (type && len == 4 && !memcmp(type, "cpu", 4) && n-- == 0)
			return node;
	}
	return -1;
}

uint32_t tree_cpu_phandle(const struct tree *t, uint32_t n)
{
	const void *host = t->cfg ? t->cfg->host_tree : NULL;
	int node = host ? tree_host_cpu(host, n) : -1;
	uint32_t phandle = node >= 0 ? fdt_get_phandle(host, node) : 0;

	return phandle ? phandle : TREE_PHANDLE_CLOCK(t) + t->cpus - n;
}

void tree_begin(struct tree *t, const char *name)
{
	sched_preempt();
	if (!t->err)
		t->err = fdt_begin_node(t->fdt, name);
}

/* Not by snprintf(), which is large. */
void tree_begin_numbered(struct tree *t, const char *name, uint64_t number)
{
	size_t len = strlen(name), digits = 1;
	char full[32];

	while (digits < 16U && number >> (4U * digits))
		digits++;
	if (len + digits >= sizeof(full)) {
		t->err = -FDT_ERR_NOSPACE;
		return;
	}
	memcpy(full, name, len);
	for (size_t i = 0; i < digits; i++)
		full[len + i] = "0123456789abcdef"[FIELD(number, 4U * (digits - 1U - i), 4U)];
	full[len + digits] = '\0';
	tree_begin(t, full);
}

void tree_end(struct tree *t)
{
	if (!t->err)
		t->err = fdt_end_node(t->fdt);
}

void tree_bytes(struct tree *t, const char *name, const void *value, size_t len)
{
	if (!t->err)
		t->err = fdt_property(t->fdt, name, value, (int)len);
}

void *tree_room(struct tree *t, const char *name, size_t len)
{
	void *value = NULL;

	if (!t->err)
		t->err = fdt_property_placeholder(t->fdt, name, (int)len, &value);
	return t->err ? NULL : value;
}

void tree_flag(struct tree *t, const char *name)
{
	tree_bytes(t, name, NULL, 0);
}

void tree_string(struct tree *t, const char *name, const char *value)
{
	tree_bytes(t, name, value, strlen(value) + 1U);
}

void tree_cells(struct tree *t, const char *name, const uint32_t *cells, size_t count)
{
	fdt32_t value[CELLS_MAX];

	if (count > ARRAY_SIZE(value)) {
		t->err = -FDT_ERR_NOSPACE;
		return;
	}
	for (size_t i = 0; i < count; i++)
		value[i] = cpu_to_fdt32(cells[i]);
	tree_bytes(t, name, value, count * sizeof(value[0]));
}

void tree_cell(struct tree *t, const char *name, uint32_t cell)
{
	tree_cells(t, name, &cell, 1);
}

void tree_number64(struct tree *t, const char *name, uint64_t value)
{
	tree_list(t, name, (uint32_t)(value >> 32), (uint32_t)value);
}

void tree_reg_spi(struct tree *t, uint32_t base, uint32_t size, uint32_t irq, uint32_t flags)
{
	tree_list(t, "reg", 0, base, 0, size);
	if (irq)
		tree_list(t, "interrupts", TREE_GIC_SPI, irq - SPI_FIRST, flags);
}
