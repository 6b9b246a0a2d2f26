/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See hyp/load/usertree.h. One walk over the nodes, whatever they say: what a hostile tree can cost is bounded by its
 * size. How addresses are stated: Devicetree Specification 0.4, 2.3.5 to 2.3.8.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/log.h"
#include "hyp/exit/mmio.h"
#include "hyp/host/random.h"
#include "hyp/load/usertree.h"
#include "hyp/load/words.h"
#include "hyp/run/sched.h"
#include "hyp/vm/vm.h"

#define DEPTH_MAX 8  /* of nodes below the root */
#define PATH_SIZE 56 /* of a path as it is printed */
#define ROWS_MAX  16 /* of a bus's ranges that are looked at */

#define RNG_SEED_SIZE 32U

typedef unsigned long long ull;

struct walk {
	const struct vm *vm;
	const void *fdt;
	char *why;
	int depth;
	struct level {
		int node, address_cells, size_cells; /* the cells are its children's */
	} level[DEPTH_MAX + 1];
};

struct range {
	uint64_t start, size;
};

/* The path of the node that the walk is at; what is in a name may be anything. */
static const char *path_of(const struct walk *w, char *path)
{
	if (fdt_get_path(w->fdt, w->level[w->depth].node, path, PATH_SIZE))
		return "a node deep inside";
	for (char *c = path; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return path;
}

#define refuse(w, ...) (log_format((w)->why, USERTREE_WHY, __VA_ARGS__), -EINVAL)

static uint64_t read_cells(const fdt32_t *cell, int count)
{
	uint64_t value = 0;

	while (count-- > 0)
		value = value << 32 | fdt32_ld(cell++);
	return value;
}

static bool is_inside(const struct range *r, uint64_t base, uint64_t size)
{
	return r->start >= base && r->size <= size && r->start - base <= size - r->size;
}

static bool is_vm_ram(const struct vm *vm, const struct range *r)
{
	return is_inside(r, vmcfg_ram_base(&vm->config), vm->config.ram_size);
}

/* The GIC's windows are larger than what is behind them (docs/guest-machine.md). */
static bool is_there(const struct vm *vm, const struct range *r)
{
	const struct mmio_region *region = mmio_find(&vm->bus, r->start);

	return is_vm_ram(vm, r) || is_inside(r, MACHINE_GICD_BASE, MACHINE_GICD_WINDOW + MACHINE_GICC_WINDOW) ||
	       (region && is_inside(r, region->base, region->size));
}

/* Addresses of one or two cells; a PCI bus, an I2C bus and the CPUs have others, or none that the CPU knows. */
static bool has_plain_cells(const struct level *l)
{
	return l->address_cells >= 1 && l->address_cells <= 2 && l->size_cells >= 0 && l->size_cells <= 2;
}

/* Through the ranges of the bus at level k. False: its children's addresses are none of the level above. */
static bool translate_once(const struct walk *w, int k, uint64_t *at)
{
	const struct level *l = &w->level[k], *above = &w->level[k - 1];
	int row = l->address_cells + above->address_cells + l->size_cells, len;
	const fdt32_t *cell = fdt_getprop(w->fdt, l->node, "ranges", &len);

	if (!cell || !has_plain_cells(l) || !has_plain_cells(above))
		return false;
	if (len == 0)
		return true;
	for (int rows = MIN(len / (row * 4), ROWS_MAX); rows > 0; rows--, cell += row) {
		uint64_t from = read_cells(cell, l->address_cells);
		uint64_t size = read_cells(cell + l->address_cells + above->address_cells, l->size_cells);

		if (*at >= from && *at - from < size) {
			*at = *at - from + read_cells(cell + l->address_cells, above->address_cells);
			return true;
		}
	}
	return false;
}

static bool translate_to_cpu(const struct walk *w, uint64_t *at)
{
	for (int k = w->depth - 1; k > 0; k--)
		if (!translate_once(w, k, at))
			return false;
	return true;
}

static bool has_string(const struct walk *w, const char *name, const char *value)
{
	int len;
	const char *text = fdt_getprop(w->fdt, w->level[w->depth].node, name, &len);

	return text && len == (int)strlen(value) + 1 && !memcmp(text, value, (size_t)len);
}

static bool is_off(const struct walk *w)
{
	return fdt_getprop(w->fdt, w->level[w->depth].node, "status", NULL) && !has_string(w, "status", "okay") &&
	       !has_string(w, "status", "ok");
}

static int check_tree_range(const struct walk *w, const struct range *r)
{
	const struct vm *vm = w->vm;
	uint64_t last = r->start + r->size - 1U, ram = vmcfg_ram_base(&vm->config);
	char path[PATH_SIZE];

	if (has_string(w, "device_type", "memory"))
		return is_vm_ram(vm, r) ? 0
					: refuse(w, WORDS_TREE_MEMORY, path_of(w, path), (ull)r->start, (ull)last,
						 (ull)ram, (ull)(ram + vm->config.ram_size - 1U));
	return is_there(vm, r) ? 0 : refuse(w, WORDS_TREE_DEVICE, path_of(w, path), (ull)r->start, (ull)last);
}

/* Every address that the node states, as the CPU sees it. */
static int check_addresses(const struct walk *w, const fdt32_t *reg, int len)
{
	const struct level *bus = &w->level[w->depth - 1];
	int row = bus->address_cells + bus->size_cells, err = 0;
	char path[PATH_SIZE];

	if (!has_plain_cells(bus))
		return 0;
	if (len % (row * 4))
		return refuse(w, WORDS_TREE_REG, path_of(w, path));
	for (; !err && len; len -= row * 4, reg += row) {
		uint64_t size = read_cells(reg + bus->address_cells, bus->size_cells);
		struct range r = {read_cells(reg, bus->address_cells), size ? size : 1U};

		sched_preempt();
		if (translate_to_cpu(w, &r.start))
			err = check_tree_range(w, &r);
	}
	return err;
}

/* A CPU's reg is its MPIDR's affinity, of which a VM has the lowest level. */
static int check_cpu(const struct walk *w, const fdt32_t *reg, int len)
{
	int cells = w->level[w->depth - 1].address_cells;
	char path[PATH_SIZE];

	if (cells < 1 || cells > 2 || len != cells * 4)
		return refuse(w, WORDS_TREE_REG, path_of(w, path));
	if (read_cells(reg, cells) >= w->vm->config.cpus)
		return refuse(w, WORDS_TREE_CPU, path_of(w, path), w->vm->config.cpus);
	return 0;
}

static int check_tree_node(struct walk *w, int node)
{
	int len;
	const fdt32_t *reg = fdt_getprop(w->fdt, node, "reg", &len);

	w->level[w->depth] = (struct level){node, fdt_address_cells(w->fdt, node), fdt_size_cells(w->fdt, node)};
	if (w->depth == 0 || !reg)
		return 0;
	if (has_string(w, "device_type", "cpu"))
		return check_cpu(w, reg, len);
	return is_off(w) ? 0 : check_addresses(w, reg, len);
}

int usertree_check(const struct vm *vm, const void *fdt, size_t size, char *why)
{
	struct walk w = {.vm = vm, .fdt = fdt, .why = why};
	int err = 0;

	if (fdt_check_full(fdt, size))
		return refuse(&w, "%s", WORDS_TREE_DAMAGED);
	for (int node = 0; !err && node >= 0; node = fdt_next_node(fdt, node, &w.depth)) {
		if (w.depth < 0)
			break;
		err = w.depth > DEPTH_MAX ? refuse(&w, "%s", WORDS_TREE_DEEP) : check_tree_node(&w, node);
	}
	if (!err && vm->config.memory_errors == VM_MEMORY_ERRORS_EARLY &&
	    fdt_node_offset_by_compatible(fdt, -1, "virt7,memory-errors") < 0)
		return refuse(&w, "%s", WORDS_TREE_MEMERR);
	return err;
}

static int add_text(void *fdt, int node, const char *name, const char *text)
{
	return fdt_setprop(fdt, node, name, text, (int)strlen(text) + 1);
}

/* The UART, where the tree does not say which: /chosen comes first in its own tree, and stays where it is. */
static int add_stdout(void *fdt, int chosen)
{
	int uart = fdt_node_offset_by_compatible(fdt, -1, "arm,pl011");
	char path[128];

	if (fdt_getprop(fdt, chosen, "stdout-path", NULL) || fdt_getprop(fdt, chosen, "linux,stdout-path", NULL) ||
	    uart < 0 || fdt_get_path(fdt, uart, path, (int)sizeof(path)))
		return 0;
	return add_text(fdt, chosen, "stdout-path", path);
}

static int add_seeds(void *fdt, int chosen)
{
	struct {
		uint64_t kaslr;
		uint8_t rng[RNG_SEED_SIZE];
	} seed;
	int err;

	random_bytes(&seed, sizeof(seed));
	err = fdt_setprop(fdt, chosen, "kaslr-seed", &seed.kaslr, sizeof(seed.kaslr));
	return err ? err : fdt_setprop(fdt, chosen, "rng-seed", seed.rng, sizeof(seed.rng));
}

static int add_ramdisk(void *fdt, int chosen, const struct guestdtb_params *params)
{
	int err;

	if (params->ramdisk_end <= params->ramdisk_start)
		return 0;
	err = fdt_setprop_u64(fdt, chosen, "linux,initrd-start", params->ramdisk_start);
	return err ? err : fdt_setprop_u64(fdt, chosen, "linux,initrd-end", params->ramdisk_end);
}

int usertree_complete(void *fdt, const struct vm_config *cfg, const struct guestdtb_params *params)
{
	int err = fdt_open_into(fdt, fdt, (int)USERTREE_MAX), chosen;

	if (err)
		return -ENOSPC;
	chosen = fdt_path_offset(fdt, "/chosen");
	if (chosen < 0)
		chosen = fdt_add_subnode(fdt, 0, "chosen");
	err = chosen < 0 ? chosen : 0;
	if (!err)
		err = add_stdout(fdt, chosen);
	if (!err && *cfg->bootargs)
		err = add_text(fdt, chosen, "bootargs", cfg->bootargs);
	if (!err)
		err = add_ramdisk(fdt, chosen, params);
	if (!err)
		err = add_seeds(fdt, chosen);
	if (!err)
		err = fdt_pack(fdt);
	return err ? -ENOSPC : (int)fdt_totalsize(fdt);
}
