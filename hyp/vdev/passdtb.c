/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `passthrough-dtb`: devices of the host as Xen's users describe them, in a partial device tree of their own, for what
 * virt7 cannot write by itself. /passthrough of it becomes the guest's, /aliases too. A node with `xen,path` has that
 * device of the host's: the registers in `xen,reg`, rows of the host's address, the size and the guest's address, and
 * its interrupts, by the host's numbers. `xen,force-assign-without-iommu` says that it may be a bus master. /gic, of
 * which only the phandle counts, stands for the guest's GIC; without it that has Xen's phandle.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/bits.h"
#include "hyp/load/stream.h"
#include "hyp/load/tree.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/passthrough.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"

#define DTB_MAX         KIB(48) /* the guest's tree has room for it, and 16 KiB more */
#define DEPTH_MAX       8       /* of nodes below /passthrough */
#define XEN_GIC_PHANDLE 65000U
#define PATH_SIZE       64

static uint32_t dtb_order(void)
{
	return page_order(DTB_MAX);
}

static int refuse_tree(const struct passthrough *p, const char *what)
{
	return passthrough_refuse(p, p->device.vm->config.passthrough_dtb.name, what, "");
}

/* Of a node of the image. */
static int refuse_tree_node(const struct passthrough *p, int node, const char *what)
{
	char path[PATH_SIZE];

	return passthrough_refuse(p, fdt_get_path(p->dtb, node, path, sizeof(path)) ? "a node deep inside" : path, what,
				  "");
}

static int read_with(struct passthrough *p, struct image_work *work)
{
	const struct bundle_image *image = &p->device.vm->config.passthrough_dtb;
	struct image_stream stream;
	int ret = image_stream_open(&stream, work, image->data, image->size, image->compression);

	if (!ret && stream.length > DTB_MAX)
		return refuse_tree(p, "larger than 48 KiB");
	if (!ret)
		ret = image_stream_read(&stream, p->dtb, stream.length);
	if (ret || tree_check(p->dtb, stream.length))
		return refuse_tree(p, "not a device tree, or damaged");
	return 0;
}

static int read_image(struct passthrough *p)
{
	uint32_t order = page_order(sizeof(struct image_work));
	struct image_work *work = page_alloc(order);
	int ret = -ENOMEM;

	p->dtb = page_alloc(dtb_order());
	if (work && p->dtb)
		ret = read_with(p, work);
	page_free(work, order);
	return ret;
}

static uint64_t number_of_cells(const fdt32_t *at, int count)
{
	uint64_t value = 0;

	while (count-- > 0)
		value = value << 32 | fdt32_ld(at++);
	return value;
}

/* What the row and the device have in common; of size 0 where that is not all that the row asks for. */
static struct host_range find_part(const struct hostdev *dev, const struct host_range *row)
{
	for (uint32_t i = 0; i < dev->reg_count; i++) {
		uint64_t first = align_down(dev->reg[i].base, PAGE_SIZE);
		uint64_t end = align_up(dev->reg[i].base + dev->reg[i].size, PAGE_SIZE);

		if (row->base >= first && row->base < end && row->size <= end - row->base) {
			uint64_t from = MAX(row->base, dev->reg[i].base);
			uint64_t to = MIN(row->base + row->size, dev->reg[i].base + dev->reg[i].size);

			return (struct host_range){from, to > from ? to - from : 0};
		}
	}
	return (struct host_range){0};
}

/* The claim's address for each register range that begins in the part. */
static void note_place(struct pass_claim *claim, const struct host_range *part, uint64_t at)
{
	for (uint32_t i = 0; i < claim->dev.reg_count; i++)
		if (claim->dev.reg[i].base - part->base < part->size)
			claim->ipa[i] = at + (claim->dev.reg[i].base - part->base);
}

static int map_reg_row(struct passthrough *p, struct pass_claim *claim, int node, const struct host_range *row,
		       uint64_t to)
{
	struct host_range part = find_part(&claim->dev, row), there = {to, row->size};

	if (row->base % PAGE_SIZE != to % PAGE_SIZE)
		return refuse_tree_node(p, node, "xen,reg: the guest's address is not alike in its page");
	if (part.size == 0)
		return refuse_tree_node(p, node, "xen,reg: not registers of that device");
	if (to > BIT64(32) || passrest_is_taken(p->device.vm, &there))
		return refuse_tree_node(p, node, "xen,reg: the guest's machine has something else there");
	to += part.base - row->base;
	note_place(claim, &part, to);
	return passthrough_map(p, claim, to, &part);
}

static int map_rows(struct passthrough *p, struct pass_claim *claim, int node)
{
	int parent = fdt_parent_offset(p->dtb, node), len = 0, ret = 0;
	int address = fdt_address_cells(p->dtb, parent), size = fdt_size_cells(p->dtb, parent);
	const fdt32_t *at = fdt_getprop(p->dtb, node, "xen,reg", &len);

	if (at && (address < 1 || address > 2 || size < 1 || size > 2 || len % ((2 * address + size) * 4)))
		return refuse_tree_node(p, node, "xen,reg: not rows of address, size and the guest's address");
	for (; !ret && at && len > 0; len -= (2 * address + size) * 4, at += 2 * address + size) {
		struct host_range row = {number_of_cells(at, address), number_of_cells(at + address, size)};

		ret = map_reg_row(p, claim, node, &row, number_of_cells(at + address + size, address));
	}
	return ret;
}

static uint32_t same_number(struct passthrough *p, uint32_t id)
{
	return passrest_is_guests_irq(p->device.vm, id) ? 0 : id;
}

static int count_node(struct passthrough *p, int node, uint32_t which)
{
	return 0; /* walk_nodes() counts */
}

static int claim_node(struct passthrough *p, int node, uint32_t which)
{
	const char *path = fdt_stringlist_get(p->dtb, node, "xen,path", 0, NULL);
	struct hostdev dev;

	if (!path)
		return refuse_tree_node(p, node, "xen,path: not a path");
	if (!hostdev_find(path, &dev) && dev.master &&
	    !fdt_getprop(p->dtb, node, "xen,force-assign-without-iommu", NULL))
		return refuse_tree_node(p, node,
					"it may write to any RAM by itself: only with xen,force-assign-without-iommu");
	return passthrough_claim(p, path);
}

static int give_node(struct passthrough *p, int node, uint32_t which)
{
	static const struct pass_way way = {map_rows, same_number,
					    "the guest's machine has an interrupt of the same number"};

	return passthrough_give(p, &p->claim[which], &way, node);
}

/* Visit those nodes below /passthrough that have a device of the host's, by number; *count: how many there are. */
static int walk_nodes(struct passthrough *p, int top, int (*visit)(struct passthrough *p, int node, uint32_t which),
		      uint32_t *count)
{
	int depth = 0, ret = 0;

	*count = 0;
	for (int node = fdt_next_node(p->dtb, top, &depth); !ret && node >= 0 && depth > 0;
	     node = fdt_next_node(p->dtb, node, &depth)) {
		bool asks = fdt_getprop(p->dtb, node, "xen,path", NULL);

		sched_preempt();
		if (depth > DEPTH_MAX)
			return refuse_tree_node(p, node, "deeper than 8 levels");
		if (!asks && fdt_getprop(p->dtb, node, "xen,reg", NULL))
			return refuse_tree_node(p, node, "xen,reg without xen,path");
		if (asks)
			ret = visit(p, node, (*count)++);
	}
	return ret;
}

int passdtb_create(struct passthrough *p)
{
	struct vm_config *cfg = &p->device.vm->config;
	int ret = cfg->passthrough.size ? refuse_tree(p, "beside passthrough: name the devices in one of them") : 0,
	    top, gic;
	uint32_t count = 0;

	if (!ret)
		ret = read_image(p);
	if (ret)
		return ret;
	sched_preempt();
	top = fdt_path_offset(p->dtb, "/passthrough");
	sched_preempt();
	if (top < 0)
		return refuse_tree(p, "no /passthrough in it");
	ret = walk_nodes(p, top, count_node, &count);
	if (!ret)
		ret = passthrough_make_room(p, count, cfg->passthrough_dtb.name);
	if (!ret)
		ret = walk_nodes(p, top, claim_node, &count);
	if (!ret)
		ret = walk_nodes(p, top, give_node, &count);
	sched_preempt();
	gic = fdt_path_offset(p->dtb, "/gic");
	sched_preempt();
	cfg->alias_tree = p->dtb;
	cfg->gic_phandle = gic >= 0 ? fdt_get_phandle(p->dtb, gic) : 0;
	if (!cfg->gic_phandle)
		cfg->gic_phandle = XEN_GIC_PHANDLE;
	return ret;
}

void passdtb_destroy(struct passthrough *p)
{
	if (p->dtb)
		page_free(p->dtb, dtb_order());
	p->dtb = NULL;
}

/* All but what is between the user and virt7. walk_nodes() has seen how deep it is. */
static void write_node(struct tree *t, const void *fdt, int node)
{
	const char *name = fdt_get_name(fdt, node, NULL);
	int item, len;

	tree_begin(t, name ? name : "");
	fdt_for_each_property_offset(item, fdt, node) {
		const void *value = fdt_getprop_by_offset(fdt, item, &name, &len);

		sched_preempt();
		if (value && strncmp(name, "xen,", 4) != 0)
			tree_bytes(t, name, value, (size_t)len);
	}
	fdt_for_each_subnode(item, fdt, node)
		write_node(t, fdt, item);
	tree_end(t);
}

void passdtb_write(const struct passthrough *p, struct tree *t)
{
	write_node(t, p->dtb, fdt_path_offset(p->dtb, "/passthrough"));
}
