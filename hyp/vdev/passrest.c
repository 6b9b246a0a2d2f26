/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `passthrough = "rest"`: a VM gets every device of the host's that no one else has, with its real clocks, pins and
 * regulators, at the host's addresses and with the host's interrupt numbers. This file claims it; hyp/vdev/resttree.c
 * writes the host's tree into the guest's. What is not given is marked, and keeps its place in the tree, disabled, so
 * that phandles lead somewhere.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/log.h"
#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/passrest.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"
#include "vgic/vgic.h"

/* --- what is given */

/* A walk over the host's tree that knows which nodes lie below one that is not given. */
struct rest_walk {
	struct passthrough *p;
	struct pass_rest *rest;
	int cut;              /* depth of that one; 0: none */
	bool counts;          /* only count what is not given, so that there is room for it */
	uint32_t regs, marks; /* how many there are, at most */
};

static void say_withheld(const struct passthrough *p, const char *path, const char *why)
{
	log_warn("vm %s: passthrough rest: %.95s: left out: %s", p->device.vm->config.name, path, why);
	sched_preempt();
}

bool passrest_is_taken(const struct vm *vm, const struct host_range *reg)
{
	static const struct host_range own[] = {
		{MACHINE_GICD_BASE, MACHINE_MSI_BASE + MACHINE_MSI_SIZE - MACHINE_GICD_BASE},
		{MACHINE_UART_BASE, MACHINE_GPIO_BASE + MACHINE_GPIO_SIZE - MACHINE_UART_BASE},
		{MACHINE_VIRTIO_BASE, MACHINE_VIRTIO_COUNT * MACHINE_VIRTIO_SIZE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (ranges_overlap(reg->base, reg->size, own[i].base, own[i].size))
			return true;
	return reg->base + reg->size > BIT64(32) || device_holding(vm, reg->base, reg->size) ||
	       ranges_overlap(reg->base, reg->size, vmcfg_ram_base(&vm->config), vm->config.ram_size);
}

static enum hostdev_fate judge_device(const struct passthrough *p, const struct dt_node *node, struct hostdev *dev,
				      const char **why)
{
	enum hostdev_fate fate = hostdev_judge(node, dev, why);

	for (uint32_t i = 0; fate == HOSTDEV_GIVEN && i < dev->reg_count; i++)
		if (passrest_is_taken(p->device.vm, &dev->reg[i]) ||
		    ranges_overlap(dev->reg[i].base, dev->reg[i].size, MACHINE_PASS_BASE, MACHINE_PASS_SIZE)) {
			*why = "the guest's machine has something else at its addresses";
			return HOSTDEV_KEPT;
		}
	return fate;
}

static bool is_below_cut(struct rest_walk *walk, const struct dt_node *node)
{
	if (walk->cut && node->depth > walk->cut)
		return true;
	walk->cut = 0;
	return false;
}

static void note_regs(struct rest_walk *walk, const struct dt_node *node)
{
	struct host_range reg;

	for (uint32_t i = 0; dt_reg(node, i, &reg); i++) {
		if (!walk->counts)
			walk->rest->foreign[walk->regs] = reg;
		walk->regs++;
	}
}

/* Registers of others, with which a page must not be shown whole. */
static int visit_foreign(const struct dt_node *node, void *arg)
{
	struct rest_walk *walk = arg;
	struct hostdev dev;
	const char *why;
	bool below = is_below_cut(walk, node);

	sched_preempt();
	if (!below) {
		walk->marks++; /* any of them may turn out not to fit */
		if (node->depth == 0 || judge_device(walk->p, node, &dev, &why) == HOSTDEV_GIVEN)
			return 0;
		walk->cut = node->depth;
	}
	note_regs(walk, node);
	return 0;
}

static bool is_foreign_page(const struct pass_rest *rest, uint64_t page)
{
	for (uint32_t i = 0; i < rest->foreign_count; i++)
		if (rest->foreign[i].size &&
		    ranges_overlap(rest->foreign[i].base, rest->foreign[i].size, page, PAGE_SIZE))
			return true;
	return hostdev_is_gic_page(page);
}

/* Two nodes may have the same registers: then they are there already. */
static int show_part(struct passthrough *p, uint64_t base, uint64_t size)
{
	uint8_t *va = passthrough_show(align_down(base, PAGE_SIZE));
	int ret = va ? passthrough_trap(p->device.vm, base, size, va + (base & (PAGE_SIZE - 1U))) : -ENOMEM;

	return ret == -EEXIST ? 0 : ret;
}

static int show_register_page(struct passthrough *p, const struct host_range *reg, uint64_t page)
{
	uint64_t from = MAX(page, reg->base), to = MIN(page + PAGE_SIZE, reg->base + reg->size);
	struct s2 *s2 = &p->device.vm->s2;
	pa_t there;
	int ret = 0;

	if (is_foreign_page(p->rest, page))
		return show_part(p, from, to - from);
	spin_lock(&s2->lock);
	if (!s2_lookup(s2, ipa(page), &there))
		ret = s2_map_device(s2, ipa(page), pa(page), PAGE_SIZE);
	spin_unlock(&s2->lock);
	return ret;
}

static const char *show_regs(struct passthrough *p, const struct hostdev *dev)
{
	int ret = 0;

	for (uint32_t i = 0; i < dev->reg_count; i++) {
		const struct host_range *reg = &dev->reg[i];

		for (uint64_t page = align_down(reg->base, PAGE_SIZE); !ret && page < reg->base + reg->size;
		     page += PAGE_SIZE) {
			ret = show_register_page(p, reg, page);
			sched_preempt();
		}
	}
	return !ret             ? NULL
	       : ret == -EINVAL ? "its reg is not of whole words, and shares a page with others"
				: "virt7 has no room for so many registers";
}

/* A bus master that virt7 knows is one that it can make quiet. */
static void note_master(struct pass_rest *rest, const struct hostdev *dev)
{
	const struct host_quiet *quiet = dev->master ? passquiet_find(dev) : NULL;
	uint64_t at = quiet ? passquiet_register(quiet, dev) : 0;
	uint8_t *va = quiet && rest->quiet_count < REST_QUIET_MAX ? passthrough_show(align_down(at, PAGE_SIZE)) : NULL;

	if (va)
		rest->quiet[rest->quiet_count++] = (struct rest_quiet){quiet, va + (at & (PAGE_SIZE - 1U))};
	else if (dev->master)
		rest->unquiet = true;
}

static int visit_given(const struct dt_node *node, void *arg)
{
	struct rest_walk *walk = arg;
	struct hostdev dev;
	enum hostdev_fate fate;
	const char *why;

	sched_preempt();
	if (node->depth == 0 || is_below_cut(walk, node))
		return 0;
	fate = judge_device(walk->p, node, &dev, &why);
	if (fate == HOSTDEV_GIVEN) {
		why = show_regs(walk->p, &dev);
		fate = why ? HOSTDEV_KEPT : fate;
	}
	if (why)
		say_withheld(walk->p, dev.path, why);
	if (fate == HOSTDEV_GIVEN) {
		walk->rest->devices += dev.reg_count != 0;
		note_master(walk->rest, &dev);
		return 0;
	}
	walk->cut = node->depth;
	if (fate != HOSTDEV_DISABLED)
		walk->rest->mark[walk->rest->mark_count++] = (struct rest_mark){node->offset, fate == HOSTDEV_ABSENT};
	return 0;
}

/* --- interrupts */

/* Of its virtio slots, as many as it has devices of its own. */
bool passrest_is_guests_irq(const struct vm *vm, uint32_t id)
{
	uint32_t slots = 0;

	for (const struct device *device = device_first(vm); device; device = device->next)
		slots += device->class->compatible != NULL;
	return id == MACHINE_SPI_UART || id == MACHINE_SPI_RTC || id == MACHINE_SPI_GPIO || id == MACHINE_SPI_MEMERR ||
	       (id >= MACHINE_SPI_VIRTIO(0) && id < MACHINE_SPI_VIRTIO(slots));
}

/* Another number, that the host has no interrupt of, from the top. */
static int forward_elsewhere(struct passthrough *p, uint32_t id)
{
	for (uint32_t other = VGIC_IRQS - 1U; other >= gic_lines() && other >= VGIC_PRIVATE; other--) {
		int ret = passrest_is_guests_irq(p->device.vm, other)
				  ? -EEXIST
				  : vgic_forward(p->device.vm, other, id, VGIC_LEVEL);

		if (!ret)
			p->rest->irq[id] = (uint8_t)other;
		if (ret != -EEXIST)
			return ret;
	}
	return -EEXIST;
}

/*
 * Every SPI without an owner, whether the tree names it or not: drivers of controllers that pass interrupts on
 * unchanged know some of them by heart. How each signals is the guest's to say.
 */
static void forward_rest_irqs(struct passthrough *p)
{
	uint32_t end = MIN(gic_lines(), (uint32_t)VGIC_IRQS);

	for (uint32_t id = VGIC_PRIVATE; id < end; id++) {
		int ret = passrest_is_guests_irq(p->device.vm, id) ? -EEXIST
								   : vgic_forward(p->device.vm, id, id, VGIC_LEVEL);

		if (!ret)
			p->rest->irq[id] = (uint8_t)id;
		else if (ret == -EEXIST)
			ret = forward_elsewhere(p, id);
		p->rest->irqs += !ret;
		if (ret == -EEXIST || ret == -ENOSPC)
			log_warn("vm %s: passthrough rest: interrupt %u is left out: no number is free for it",
				 p->device.vm->config.name, (unsigned)id);
		sched_preempt();
	}
}

/* --- life */

static void announce_rest(const struct passthrough *p)
{
	const struct vm_config *cfg = &p->device.vm->config;

	log_info("vm %s: passthrough rest: %u devices and %u interrupts of the host's, bus masters among them%s: "
		 "trusted-dma",
		 cfg->name, (unsigned)p->rest->devices, (unsigned)p->rest->irqs,
		 p->rest->unquiet ? " that virt7 cannot make quiet" : "");
	if (!strstr(cfg->bootargs, "clk_ignore_unused"))
		log_warn(
			"vm %s: passthrough rest: its Linux switches off clocks that none of its drivers uses, others' "
			"and that of virt7's console too, unless its bootargs say clk_ignore_unused",
			cfg->name);
}

static int allocate_rest(struct passthrough *p, const struct rest_walk *count)
{
	size_t marks = count->marks * sizeof(struct rest_mark), foreign = count->regs * sizeof(struct host_range);
	struct pass_rest *rest;
	uint32_t order = page_order(sizeof(*rest) + foreign + marks);

	rest = page_alloc(order);
	if (!rest)
		return -ENOMEM;
	rest->order = order;
	rest->foreign = (struct host_range *)(rest + 1);
	rest->mark = (struct rest_mark *)((uint8_t *)(rest + 1) + foreign);
	p->rest = rest;
	return 0;
}

int passrest_create(struct passthrough *p)
{
	struct vm_config *cfg = &p->device.vm->config;
	struct rest_walk walk = {.p = p, .counts = true};
	const struct hostdev *other;
	int ret;

	dt_walk(hostdev_tree(), visit_foreign, &walk);
	ret = allocate_rest(p, &walk);
	if (ret)
		return ret;
	walk = (struct rest_walk){.p = p, .rest = p->rest};
	dt_walk(hostdev_tree(), visit_foreign, &walk);
	p->rest->foreign_count = walk.regs;
	other = hostdev_claim_rest(&p->rest->claim, p->device.vm->config.name);
	if (other)
		return passthrough_refuse(p, VMCFG_REST, "taken already by ", other->owner);
	walk.cut = 0;
	dt_walk(hostdev_tree(), visit_given, &walk);
	forward_rest_irqs(p);
	cfg->host_tree = cfg->alias_tree = hostdev_tree();
	cfg->gic_phandle = dt_phandle(hostdev_tree(), hostdev_gic());
	sched_preempt();
	announce_rest(p);
	sched_preempt();
	return 0;
}

void passrest_destroy(struct passthrough *p)
{
	if (!p->rest)
		return;
	hostdev_release(&p->rest->claim);
	page_free(p->rest, p->rest->order);
	p->rest = NULL;
}

bool passrest_quiesce(struct pass_rest *rest)
{
	rest->loud = rest->unquiet;
	for (uint32_t i = 0; i < rest->quiet_count; i++)
		rest->loud |= !passquiet_reset(rest->quiet[i].quiet, rest->quiet[i].at);
	return !rest->loud;
}

bool passrest_has(const struct pass_rest *rest, int node)
{
	for (uint32_t i = 0; i < rest->mark_count; i++)
		if (rest->mark[i].node == node)
			return false;
	return true;
}
