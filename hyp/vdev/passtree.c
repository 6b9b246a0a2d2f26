/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest's device tree says of devices of the host (hyp/vdev/passthrough.h): each one's node as the host's tree
 * has it, under /passthrough, with addresses and interrupts of the guest's and the closure of its phandles that is safe
 * to give. Fixed regulators come along, and what lies below the node itself (PHYs); each of its clocks is a fixed one
 * of the frequency that is known for it. Anything else that a phandle leads to belongs to the board and stays there.
 */
#include <string.h>

#include <libfdt.h>

#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/load/tree.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/passthrough.h"
#include "hyp/vm/vm.h"

#define CLOCK_HZ       24000000U /* where nothing says another frequency */
#define CLOCKS_MAX     8U        /* of a device */
#define REGULATORS_MAX 16U       /* of a VM */
#define NODE_NAME_SIZE 24U
#define SPI_FIRST      32U

/* Above all that the guest's tree has otherwise: the host's own number, and numbers of clocks. */
#define PHANDLE_COPY  0x10000000U
#define PHANDLE_CLOCK 0x20000000U

enum fate {
	FATE_COPY,
	FATE_OWN,       /* written anew, or of no meaning in the guest */
	FATE_LEAVE_OUT, /* it leads to something of the board's that the guest does not get */
	FATE_CLOCKS,
	FATE_SUPPLY,
	FATE_REFERENCE, /* a phandle of a node below the device's */
	FATE_IRQ_NAMES,
};

/* Names of properties; with a * in front of a name its end counts, behind one its beginning. */
static const struct {
	const char *name;
	enum fate fate;
} fates[] = {
	{"reg", FATE_OWN},
	{"interrupts", FATE_OWN},
	{"interrupts-extended", FATE_OWN},
	{"interrupt-parent", FATE_OWN},
	{"interrupt-names", FATE_IRQ_NAMES},
	{"ranges", FATE_LEAVE_OUT}, /* to what is below it, which is not given with it */
	{"status", FATE_OWN},
	{"phandle", FATE_OWN},
	{"linux,phandle", FATE_OWN},
	{"dma-coherent", FATE_OWN},
	{"clocks", FATE_CLOCKS},
	{"*-supply", FATE_SUPPLY},
	{"phy-handle", FATE_REFERENCE},
	{"phy", FATE_REFERENCE},
	{"assigned-clock*", FATE_LEAVE_OUT},
	{"resets", FATE_LEAVE_OUT},
	{"reset-names", FATE_OWN},
	{"pinctrl-names", FATE_OWN},
	{"pinctrl-*", FATE_LEAVE_OUT},
	{"power-domains", FATE_LEAVE_OUT},
	{"power-domain-names", FATE_OWN},
	{"dmas", FATE_LEAVE_OUT},
	{"dma-names", FATE_OWN},
	{"gpio", FATE_LEAVE_OUT},
	{"gpios", FATE_LEAVE_OUT},
	{"*-gpio", FATE_LEAVE_OUT},
	{"*-gpios", FATE_LEAVE_OUT},
	{"gpio-ranges", FATE_LEAVE_OUT},
	{"interconnects", FATE_LEAVE_OUT},
	{"interconnect-names", FATE_OWN},
	{"nvmem-cells", FATE_LEAVE_OUT},
	{"nvmem-cell-names", FATE_OWN},
	{"operating-points-v2", FATE_LEAVE_OUT},
	{"mmc-pwrseq", FATE_LEAVE_OUT},
	{"syscon", FATE_LEAVE_OUT},
	{"phys", FATE_LEAVE_OUT},
	{"phy-names", FATE_OWN},
	{"fsl,stop-mode", FATE_LEAVE_OUT},
	{"memory-region", FATE_LEAVE_OUT},
	{"memory-region-names", FATE_OWN},
	{"mboxes", FATE_LEAVE_OUT},
	{"mbox-names", FATE_OWN},
	{"pwms", FATE_LEAVE_OUT},
	{"pwm-names", FATE_OWN},
	{"hwlocks", FATE_LEAVE_OUT},
	{"io-channels", FATE_LEAVE_OUT},
	{"io-channel-names", FATE_OWN},
	{"*port-phys", FATE_LEAVE_OUT},
	{"*sgpio", FATE_LEAVE_OUT},
};

static bool name_fits(const char *name, const char *pattern)
{
	size_t length, wanted;

	if (pattern[0] != '*' && pattern[0] != name[0])
		return false;
	length = strlen(name);
	wanted = strlen(pattern);
	if (pattern[0] == '*')
		return length >= wanted - 1U && !strcmp(name + length - (wanted - 1U), pattern + 1);
	if (pattern[wanted - 1U] == '*')
		return !strncmp(name, pattern, wanted - 1U);
	return !strcmp(name, pattern);
}

static enum fate fate_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
		if (name_fits(name, fates[i].name))
			return fates[i].fate;
	return FATE_COPY;
}

static uint32_t cell_or(const void *fdt, int node, const char *name, uint32_t missing)
{
	int len;
	const fdt32_t *value = fdt_getprop(fdt, node, name, &len);

	return value && len == 4 ? fdt32_ld(value) : missing;
}

/* The fixed regulator that a supply is; negative: it is none, and the guest cannot have it. */
static int find_regulator(const void *fdt, const void *value, int len)
{
	int node = len == 4 ? dt_by_phandle(fdt, fdt32_ld(value)) : -1;

	return node >= 0 && !fdt_node_check_compatible(fdt, node, "regulator-fixed") ? node : -1;
}

/* The frequencies of the node's clocks, 0 where unknown; how many there are. 0: none, or not to be understood. */
static uint32_t find_clocks(const struct passthrough *p, const void *fdt, int node, uint32_t hz[CLOCKS_MAX])
{
	uint32_t own = cell_or(fdt, node, "clock-frequency", p->device.vm->config.passthrough_hz), count = 0;
	int len;
	const fdt32_t *at = fdt_getprop(fdt, node, "clocks", &len), *end = at + (at ? len / 4 : 0);

	sched_preempt();
	for (; at < end && count < CLOCKS_MAX; count++) {
		int provider = dt_by_phandle(fdt, fdt32_ld(at));
		uint32_t cells = provider < 0 ? UINT32_MAX : cell_or(fdt, provider, "#clock-cells", UINT32_MAX);

		sched_preempt();
		if (cells > (uint32_t)(end - at) - 1U)
			return 0;
		at += 1U + cells;
		sched_preempt();
		hz[count] = cell_or(fdt, provider, "clock-frequency", own);
	}
	return at == end ? count : 0;
}

static void say_of_node(const struct passthrough *p, const struct pass_claim *claim, const char *name, const char *what)
{
	log_warn("vm %s: passthrough %s: %.40s: %s", p->device.vm->config.name, claim->dev.path, name, what);
	sched_preempt();
}

#define LEFT_OUT "left out of the guest's tree"

static void report_clocks(const struct passthrough *p, const struct pass_claim *claim, const void *fdt, int node)
{
	uint32_t hz[CLOCKS_MAX], count = find_clocks(p, fdt, node, hz);

	if (count == 0)
		say_of_node(p, claim, "clocks", LEFT_OUT);
	for (uint32_t i = 0; i < count; i++)
		if (hz[i] == 0) {
			say_of_node(p, claim, "clocks",
				    "the host's tree does not say how fast: 24 MHz is assumed, clock-frequency of the "
				    "VM says "
				    "another");
			return;
		}
}

static bool is_left_out(const void *fdt, int top, int node, const char *name, const void *value, int len)
{
	switch (fate_of(name)) {
	case FATE_LEAVE_OUT:
		return true;
	case FATE_SUPPLY:
		return node != top || find_regulator(fdt, value, len) < 0;
	case FATE_REFERENCE:
		return len != 4 || !dt_is_below(fdt, dt_by_phandle(fdt, fdt32_ld(value)), top);
	case FATE_CLOCKS:
		return node != top;
	default:
		return node != top && strncmp(name, "interrupt", 9) == 0;
	}
}

static void report_node(const struct passthrough *p, const struct pass_claim *claim, int node)
{
	const void *fdt = hostdev_tree(), *value;
	const char *name;
	int item, len;

	fdt_for_each_property_offset(item, fdt, node) {
		value = fdt_getprop_by_offset(fdt, item, &name, &len);
		sched_preempt();
		if (!value)
			continue;
		if (is_left_out(fdt, claim->dev.node, node, name, value, len))
			say_of_node(p, claim, name, LEFT_OUT);
		else if (fate_of(name) == FATE_CLOCKS)
			report_clocks(p, claim, fdt, node);
	}
	fdt_for_each_subnode(item, fdt, node)
		report_node(p, claim, item);
}

void passtree_report(const struct passthrough *p, const struct pass_claim *claim)
{
	if (claim->dev.irq_lost)
		say_of_node(p, claim, "interrupts",
			    "one does not arrive at the GIC by a way that virt7 knows: " LEFT_OUT);
	report_node(p, claim, claim->dev.node);
}

/* --- writing */

struct writer {
	const struct passthrough *p;
	struct tree *t;
	const void *fdt;
	const struct pass_claim *claim;
	uint32_t index; /* of the claim */
	uint32_t regulators;
	int regulator[REGULATORS_MAX]; /* nodes of the host's that are written */
};

static void write_phandle(struct writer *w, int node)
{
	uint32_t phandle = dt_phandle(w->fdt, node);

	if (phandle)
		tree_cell(w->t, "phandle", PHANDLE_COPY + phandle);
}

static uint32_t clock_phandle(const struct writer *w, uint32_t which)
{
	return PHANDLE_CLOCK + w->index * CLOCKS_MAX + which;
}

static void write_clock_list(struct writer *w, int node)
{
	uint32_t hz[CLOCKS_MAX], count = find_clocks(w->p, w->fdt, node, hz);

	for (uint32_t i = 0; i < count; i++)
		hz[i] = clock_phandle(w, i);
	if (count)
		tree_cells(w->t, "clocks", hz, count);
}

static size_t irq_name_size(const void *fdt, int node, uint32_t place)
{
	int len;
	const char *name = fdt_stringlist_get(fdt, node, "interrupt-names", (int)place, &len);

	return name ? (size_t)len + 1U : 0;
}

/* Of the interrupts that the guest has. */
static void write_irq_names(struct writer *w, int node, const char *value, int len)
{
	const struct hostdev *dev = &w->claim->dev;
	size_t total = 0;
	char *to;

	if (node != w->claim->dev.node || !dev->irq_lost) {
		tree_bytes(w->t, "interrupt-names", value, (size_t)len);
		return;
	}
	for (uint32_t i = 0; i < dev->irq_count; i++)
		total += irq_name_size(w->fdt, node, dev->irq_place[i]);
	to = tree_room(w->t, "interrupt-names", total);
	for (uint32_t i = 0; to && i < dev->irq_count; i++) {
		size_t size = irq_name_size(w->fdt, node, dev->irq_place[i]);

		if (size)
			memcpy(to, fdt_stringlist_get(w->fdt, node, "interrupt-names", dev->irq_place[i], NULL), size);
		to += size;
	}
}

static void write_property(struct writer *w, int node, const char *name, const void *value, int len)
{
	if (is_left_out(w->fdt, w->claim->dev.node, node, name, value, len))
		return;
	switch (fate_of(name)) {
	case FATE_CLOCKS:
		write_clock_list(w, node);
		break;
	case FATE_SUPPLY:
	case FATE_REFERENCE:
		tree_cell(w->t, name, PHANDLE_COPY + fdt32_ld(value));
		break;
	case FATE_IRQ_NAMES:
		write_irq_names(w, node, value, len);
		break;
	case FATE_COPY:
		tree_bytes(w->t, name, value, (size_t)len);
		break;
	default:
		if (node != w->claim->dev.node && !strcmp(name, "reg")) /* of a bus of the device's, as MDIO is */
			tree_bytes(w->t, name, value, (size_t)len);
		break;
	}
}

static void write_properties(struct writer *w, int node)
{
	const char *name;
	int item, len;

	fdt_for_each_property_offset(item, w->fdt, node) {
		const void *value = fdt_getprop_by_offset(w->fdt, item, &name, &len);

		sched_preempt();
		if (value)
			write_property(w, node, name, value, len);
	}
	write_phandle(w, node);
}

static void write_subnodes(struct writer *w, int node)
{
	int sub;

	fdt_for_each_subnode(sub, w->fdt, node) {
		const char *name = fdt_get_name(w->fdt, sub, NULL);

		if (!name)
			continue;
		tree_begin(w->t, name);
		write_properties(w, sub);
		write_subnodes(w, sub);
		tree_end(w->t);
	}
}

/* The node's name with the guest's address. */
static void begin_device(struct writer *w)
{
	const char *name = fdt_get_name(w->fdt, w->claim->dev.node, NULL);
	char start[NODE_NAME_SIZE];
	size_t length = MIN(strcspn(name ? name : "", "@"), sizeof(start) - 2U);

	memcpy(start, name ? name : "", length);
	start[length] = '@';
	start[length + 1U] = '\0';
	tree_begin_numbered(w->t, start, w->claim->ipa[0]);
}

static void write_places(struct writer *w)
{
	const struct hostdev *dev = &w->claim->dev;
	uint32_t cells[4U * HOSTDEV_REGS], *at = cells;

	for (uint32_t i = 0; i < dev->reg_count; i++, at += 4) {
		at[0] = (uint32_t)(w->claim->ipa[i] >> 32);
		at[1] = (uint32_t)w->claim->ipa[i];
		at[2] = (uint32_t)(dev->reg[i].size >> 32);
		at[3] = (uint32_t)dev->reg[i].size;
	}
	tree_cells(w->t, "reg", cells, (size_t)(at - cells));
	for (at = cells; at < cells + 3U * dev->irq_count; at += 3) {
		uint32_t i = (uint32_t)(at - cells) / 3U;

		at[0] = TREE_GIC_SPI;
		at[1] = w->claim->irq[i] - SPI_FIRST;
		at[2] = dev->irq[i].edge ? TREE_GIC_EDGE_HI : TREE_GIC_LEVEL_HI;
	}
	if (dev->irq_count)
		tree_cells(w->t, "interrupts", cells, 3U * dev->irq_count);
	if (dev->coherent)
		tree_flag(w->t, "dma-coherent");
}

static void write_clocks(struct writer *w)
{
	uint32_t hz[CLOCKS_MAX], count = find_clocks(w->p, w->fdt, w->claim->dev.node, hz);

	for (uint32_t i = 0; i < count; i++) {
		tree_begin_numbered(w->t, "clock-", w->index * CLOCKS_MAX + i);
		tree_string(w->t, "compatible", "fixed-clock");
		tree_cell(w->t, "#clock-cells", 0);
		tree_cell(w->t, "clock-frequency", hz[i] ? hz[i] : CLOCK_HZ);
		tree_cell(w->t, "phandle", clock_phandle(w, i));
		tree_end(w->t);
	}
}

static bool is_new_regulator(struct writer *w, int node)
{
	for (uint32_t i = 0; i < w->regulators; i++)
		if (w->regulator[i] == node)
			return false;
	if (w->regulators == REGULATORS_MAX)
		return false;
	w->regulator[w->regulators++] = node;
	return true;
}

/* Only what makes it a constant: it is on, whatever has switched it on. */
static void write_regulator(struct writer *w, int node)
{
	static const char *const kept[] = {"compatible", "regulator-name", "regulator-min-microvolt",
					   "regulator-max-microvolt"};
	const char *name = fdt_get_name(w->fdt, node, NULL);
	int len;

	if (!name || !is_new_regulator(w, node))
		return;
	tree_begin(w->t, name);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		const void *value = fdt_getprop(w->fdt, node, kept[i], &len);

		if (value)
			tree_bytes(w->t, kept[i], value, (size_t)len);
	}
	tree_flag(w->t, "regulator-always-on");
	write_phandle(w, node);
	tree_end(w->t);
}

static void write_regulators(struct writer *w)
{
	const char *name;
	int item, len, node;

	fdt_for_each_property_offset(item, w->fdt, w->claim->dev.node) {
		const void *value = fdt_getprop_by_offset(w->fdt, item, &name, &len);

		sched_preempt();
		if (!value || fate_of(name) != FATE_SUPPLY)
			continue;
		node = find_regulator(w->fdt, value, len);
		if (node >= 0)
			write_regulator(w, node);
	}
}

static void write_device(struct writer *w)
{
	write_clocks(w);
	write_regulators(w);
	begin_device(w);
	write_places(w);
	write_properties(w, w->claim->dev.node);
	write_subnodes(w, w->claim->dev.node);
	tree_end(w->t);
}

void passtree_write(const struct passthrough *p, struct tree *t)
{
	struct writer w = {.p = p, .t = t, .fdt = hostdev_tree()};

	tree_begin(t, "passthrough");
	tree_string(t, "compatible", "simple-bus");
	tree_cell(t, "#address-cells", 2);
	tree_cell(t, "#size-cells", 2);
	tree_flag(t, "ranges");
	for (w.index = 0; w.index < p->count; w.index++) {
		w.claim = &p->claim[w.index];
		write_device(&w);
	}
	tree_end(t);
}
