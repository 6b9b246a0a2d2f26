/* SPDX-License-Identifier: BSD-2-Clause */
/* A device tree in the making: libfdt's functions with an error that stays. */
#include <string.h>

#include <libfdt.h>

#include "hyp/host/devtree.h"
#include "hyp/load/tree.h"
#include "hyp/load/vmcfg.h"
#include "hyp/run/sched.h"

#define SPI_FIRST 32U
#define CELLS_MAX 32U

#define EMPTY_SIZE 64U     /* of a tree without anything, or more */
#define CLEAR_STEP KIB(16) /* between looks at who else wants the CPU: 5,000 instructions; */
#define NAMES_STEP KIB(1)  /* of names that are moved: 4,200; */
#define TAGS_STEP  8U      /* of tags that are read: 6,000 at most, with long names of nodes */

struct cpu_search {
	uint32_t left; /* CPUs before it */
	int node;
};

static int visit_cpu(const struct dt_node *node, void *arg)
{
	struct cpu_search *search = arg;
	const struct dt_prop *type = &node->prop[DT_DEVICE_TYPE];

	if (node->depth != 2 || !type->data || !dt_has_string(type, "cpu") || strcmp(node->parent->name, "cpus") != 0 ||
	    search->left-- > 0)
		return 0;
	search->node = node->offset;
	return 1;
}

int tree_host_cpu(const void *host, uint32_t n)
{
	struct cpu_search search = {.left = n, .node = -1};

	sched_preempt();
	dt_walk(host, visit_cpu, &search);
	return search.node;
}

uint32_t tree_cpu_phandle(const struct tree *t, uint32_t n)
{
	const void *host = t->cfg ? t->cfg->host_tree : NULL;
	int node = host ? tree_host_cpu(host, n) : -1;
	uint32_t phandle = node >= 0 ? dt_phandle(host, node) : 0;

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

void tree_create(struct tree *t, void *buf, size_t size)
{
	t->fdt = buf;
	for (size_t at = 0; at < size; at += CLEAR_STEP) {
		memset((uint8_t *)buf + at, 0, MIN((size_t)CLEAR_STEP, size - at));
		sched_preempt();
	}
	/* fdt_create_with_flags() clears all of its buffer at once. Names of properties are not looked for among those
	 * that are there: that takes longer than all the rest. */
	t->err = fdt_create_with_flags(buf, (int)MIN(size, EMPTY_SIZE), FDT_CREATE_FLAG_NO_NAME_DEDUP);
	if (!t->err)
		t->err = fdt_resize(buf, buf, (int)size);
	if (!t->err)
		t->err = fdt_finish_reservemap(buf);
	tree_begin(t, "");
}

/* `to` is below `from`. */
static void move_names(uint8_t *to, const uint8_t *from, uint32_t size)
{
	for (uint32_t at = 0; at < size; at += NAMES_STEP) {
		memmove(to + at, from + at, MIN(NAMES_STEP, size - at));
		sched_preempt();
	}
}

/* libfdt has counted each name's place from the end of them all, downwards. */
static int place_names(void *fdt)
{
	uint8_t *structure = (uint8_t *)fdt + fdt_off_dt_struct(fdt);
	uint32_t names = fdt_size_dt_strings(fdt), tag, count = 0;
	int offset = 0, next;

	while ((tag = fdt_next_tag(fdt, offset, &next)) != FDT_END) {
		fdt32_t *name = (fdt32_t *)(structure + offset + offsetof(struct fdt_property, nameoff));

		if (tag == FDT_PROP)
			fdt32_st(name, fdt32_ld(name) + names);
		if (++count % TAGS_STEP == 0)
			sched_preempt();
		offset = next;
	}
	return MIN(next, 0);
}

/* As fdt_finish(), which does it at once: the names go from the buffer's end to that of the structure. */
int tree_finish(struct tree *t)
{
	uint8_t *bytes = t->fdt;
	uint32_t end, names, from;

	tree_end(t);
	if (t->err)
		return t->err;
	sched_preempt();
	end = fdt_off_dt_struct(bytes) + fdt_size_dt_struct(bytes);
	names = fdt_size_dt_strings(bytes);
	from = fdt_totalsize(bytes) - names;
	if (from - end < FDT_TAGSIZE)
		return -FDT_ERR_NOSPACE;
	fdt32_st(bytes + end, FDT_END);
	end += FDT_TAGSIZE;
	fdt_set_size_dt_struct(bytes, end - fdt_off_dt_struct(bytes));
	move_names(bytes + end, bytes + from, names);
	fdt_set_off_dt_strings(bytes, end);
	fdt_set_totalsize(bytes, end + names);
	fdt_set_last_comp_version(bytes, FDT_LAST_COMPATIBLE_VERSION);
	fdt_set_magic(bytes, FDT_MAGIC);
	return place_names(bytes);
}

static int check_tag(const void *fdt, uint32_t tag, int offset, uint32_t *depth)
{
	const char *name;
	int len = 0;

	switch (tag) {
	case FDT_BEGIN_NODE:
		name = fdt_get_name(fdt, offset, &len);
		return !name || (++*depth == 1 && len != 0) ? -FDT_ERR_BADSTRUCTURE : 0;
	case FDT_END_NODE:
		return (*depth)-- == 0 ? -FDT_ERR_BADSTRUCTURE : 0;
	case FDT_PROP:
		return fdt_getprop_by_offset(fdt, offset, &name, &len) ? 0 : len;
	default:
		return 0;
	}
}

int tree_check(const void *fdt, size_t size)
{
	int err = size < sizeof(struct fdt_header) ? -FDT_ERR_TRUNCATED : fdt_check_header(fdt), offset, next = 0;
	uint32_t depth = 0, tag = FDT_NOP;

	if (!err && fdt_totalsize(fdt) > size)
		err = -FDT_ERR_TRUNCATED;
	if (!err)
		err = MIN(fdt_num_mem_rsv(fdt), 0);
	while (!err && tag != FDT_END) {
		sched_preempt();
		offset = next;
		tag = fdt_next_tag(fdt, offset, &next);
		err = next < 0 ? next : check_tag(fdt, tag, offset, &depth);
	}
	return !err && depth ? -FDT_ERR_BADSTRUCTURE : err;
}
