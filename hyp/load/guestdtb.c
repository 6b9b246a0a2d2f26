/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's device tree: the nodes, names, compatible strings, phandles and interrupt cells that QEMU's virt board
 * (hw/arm/virt.c) gives. One function a group of nodes, listed in `groups`; a device writes its own (describe() of its
 * class). Bindings: the devicetree documentation under the name in each `compatible`.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/host/devtree.h"
#include "hyp/host/random.h"
#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "hyp/load/guestdtb.h"
#include "hyp/load/tree.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/device.h"

#define GIC_PPI_CPUS 8U /* shift of the mask of CPUs, in the flags of a PPI */
#define PPI_FIRST    16U

#define APB_CLOCK_HZ 24000000U
#define UART_PATH    "/pl011@9000000"

#define RNG_SEED_SIZE 32U
#define PHANDLE_SHIFT 0x30000000U /* beyond those of the host and of hyp/vdev/passtree.c */

/* Where the host's nodes are, too, drivers ask which board it is: its names follow mach-virt's. */
static void root_compatible(struct tree *t)
{
	static const char own[] = "linux,dummy-virt";
	const void *host = t->cfg->host_tree;
	int len = 0;
	const void *more = host ? fdt_getprop(host, 0, "compatible", &len) : NULL;
	uint8_t *at = tree_room(t, "compatible", sizeof(own) + (more ? (size_t)len : 0));

	if (!at)
		return;
	memcpy(at, own, sizeof(own));
	if (more)
		memcpy(at + sizeof(own), more, (size_t)len);
}

static void root_properties(struct tree *t)
{
	root_compatible(t);
	tree_string(t, "model", "linux,dummy-virt");
	tree_cell(t, "#address-cells", 2);
	tree_cell(t, "#size-cells", 2);
	tree_cell(t, "interrupt-parent", TREE_PHANDLE_GIC(t));
}

/* All but the first UART's. */
static void more_aliases(struct tree *t, const void *from)
{
	int aliases = dt_by_path(from, "/aliases"), item, len;
	const char *name;

	fdt_for_each_property_offset(item, from, aliases) {
		const void *value = fdt_getprop_by_offset(from, item, &name, &len);

		sched_preempt();
		if (value && strcmp(name, "serial0") != 0)
			tree_bytes(t, name, value, (size_t)len);
	}
}

static void aliases_node(struct tree *t)
{
	tree_begin(t, "aliases");
	tree_string(t, "serial0", UART_PATH);
	if (t->cfg->alias_tree)
		more_aliases(t, t->cfg->alias_tree);
	tree_end(t);
}

/* Other ones at every start of the VM, as QEMU gives them (hw/arm/virt.c, create_randomness()). */
static void seed_properties(struct tree *t)
{
	struct {
		uint64_t kaslr;
		uint8_t rng[RNG_SEED_SIZE];
	} seed;

	random_bytes(&seed, sizeof(seed));
	tree_bytes(t, "kaslr-seed", &seed.kaslr, sizeof(seed.kaslr));
	tree_bytes(t, "rng-seed", seed.rng, sizeof(seed.rng));
}

static void chosen_node(struct tree *t)
{
	tree_begin(t, "chosen");
	tree_string(t, "stdout-path", UART_PATH);
	if (*t->cfg->bootargs)
		tree_string(t, "bootargs", t->cfg->bootargs);
	if (t->params->ramdisk_end > t->params->ramdisk_start) {
		tree_number64(t, "linux,initrd-start", t->params->ramdisk_start);
		tree_number64(t, "linux,initrd-end", t->params->ramdisk_end);
	}
	seed_properties(t);
	tree_end(t);
}

static void memory_node(struct tree *t)
{
	uint64_t size = t->cfg->ram_size, base = vmcfg_ram_base(t->cfg);

	tree_begin_numbered(t, "memory@", base);
	tree_string(t, "device_type", "memory");
	tree_list(t, "reg", (uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32), (uint32_t)size);
	tree_end(t);
}

/* phandle: 0, none. */
static void reserve_page(struct tree *t, const char *name, uint64_t at, uint32_t phandle)
{
	tree_begin_numbered(t, name, at);
	tree_list(t, "reg", (uint32_t)(at >> 32), (uint32_t)at, 0, PAGE_SIZE);
	tree_flag(t, "no-map");
	if (phandle)
		tree_cell(t, "phandle", phandle);
	tree_end(t);
}

/* Bad pages that nothing stands in for (hyp/vm/memerr.h). */
static void reserved_memory_node(struct tree *t)
{
	bool early = t->cfg->memory_errors == VM_MEMORY_ERRORS_EARLY;

	if (t->params->hole_count == 0 && !early)
		return;
	tree_begin(t, "reserved-memory");
	tree_cell(t, "#address-cells", 2);
	tree_cell(t, "#size-cells", 2);
	tree_flag(t, "ranges");
	for (uint32_t i = 0; i < t->params->hole_count; i++)
		reserve_page(t, "bad-page@", t->params->hole[i], 0);
	if (early)
		reserve_page(t, "memory-errors@", vmcfg_memerr_page(t->cfg), TREE_PHANDLE_MEMERR(t));
	tree_end(t);
}

/* arm,psci is PSCI 0.1, whose users need the function IDs; they are those of 0.2 (DEN 0022, QEMU fdt_add_psci_node). */
static void psci_node(struct tree *t)
{
	tree_begin(t, "psci");
	tree_strings(t, "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
	tree_string(t, "method", "hvc");
	tree_cell(t, "cpu_suspend", 0x84000001U);
	tree_cell(t, "cpu_off", 0x84000002U);
	tree_cell(t, "cpu_on", 0x84000003U);
	tree_cell(t, "migrate", 0x84000005U);
	tree_end(t);
}

/* By this a guest's user space finds out that it is a guest. No driver of Linux looks for the name. */
static void hypervisor_node(struct tree *t)
{
	tree_begin(t, "hypervisor");
	tree_string(t, "compatible", "virt7,hypervisor");
	tree_end(t);
}

static void cpu_map_node(struct tree *t)
{
	tree_begin(t, "cpu-map");
	tree_begin(t, "socket0");
	tree_begin(t, "cluster0");
	for (uint32_t n = 0; n < t->cfg->cpus; n++) {
		tree_begin_numbered(t, "core", n);
		tree_cell(t, "cpu", TREE_PHANDLE_CPU(t, n));
		tree_end(t);
	}
	tree_end(t);
	tree_end(t);
	tree_end(t);
}

/* By which a CPU of the host's is clocked and cooled. */
static bool is_cpu_property(const char *name)
{
	static const char *const names[] = {"clocks",
					    "clock-names",
					    "clock-latency",
					    "operating-points",
					    "operating-points-v2",
					    "cpu-supply",
					    "voltage-tolerance",
					    "nvmem-cells",
					    "nvmem-cell-names",
					    "#cooling-cells",
					    "dynamic-power-coefficient"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* CPU `n`, where the VM has the clocks, regulators and sensors. */
static void host_cpu_properties(struct tree *t, uint32_t n)
{
	const void *host = t->cfg->host_tree, *value;
	int node = host ? tree_host_cpu(host, n) : -1, item, len;
	const char *name;

	if (node < 0)
		return;
	fdt_for_each_property_offset(item, host, node) {
		sched_preempt();
		value = fdt_getprop_by_offset(host, item, &name, &len);
		if (value && is_cpu_property(name))
			tree_bytes(t, name, value, (size_t)len);
	}
}

/* `reg` is the MPIDR's affinity: with a GICv2 up to 8 CPUs are one cluster. */
static void cpus_node(struct tree *t)
{
	const char *compatible = t->params->cpu_compatible;

	tree_begin(t, "cpus");
	tree_cell(t, "#address-cells", 1);
	tree_cell(t, "#size-cells", 0);
	for (uint32_t n = 0; n < t->cfg->cpus; n++) {
		tree_begin_numbered(t, "cpu@", n);
		tree_string(t, "device_type", "cpu");
		tree_string(t, "compatible", compatible ? compatible : "arm,cortex-a15");
		if (t->cfg->cpus > 1)
			tree_string(t, "enable-method", "psci");
		tree_cell(t, "reg", n);
		tree_cell(t, "phandle", TREE_PHANDLE_CPU(t, n));
		host_cpu_properties(t, n);
		tree_end(t);
	}
	cpu_map_node(t);
	tree_end(t);
}

static void timer_node(struct tree *t)
{
	uint32_t flags = TREE_GIC_LEVEL_HI | (BIT(t->cfg->cpus) - 1U) << GIC_PPI_CPUS;

	tree_begin(t, "timer");
	tree_string(t, "compatible", "arm,armv7-timer");
	/* virt7 wakes a vCPU that sleeps in WFI, whatever state the physical CPU is in. */
	tree_flag(t, "always-on");
	tree_list(t, "interrupts", TREE_GIC_PPI, MACHINE_PPI_TIMER_SEC - PPI_FIRST, flags, TREE_GIC_PPI,
		  MACHINE_PPI_TIMER_PHYS - PPI_FIRST, flags, TREE_GIC_PPI, MACHINE_PPI_TIMER_VIRT - PPI_FIRST, flags,
		  TREE_GIC_PPI, MACHINE_PPI_TIMER_HYP - PPI_FIRST, flags);
	if (t->params->clock_hz)
		tree_cell(t, "clock-frequency", t->params->clock_hz);
	tree_end(t);
}

static void gic_node(struct tree *t)
{
	tree_begin_numbered(t, "intc@", MACHINE_GICD_BASE);
	tree_string(t, "compatible", "arm,cortex-a15-gic");
	tree_list(t, "reg", 0, MACHINE_GICD_BASE, 0, MACHINE_GICD_WINDOW, 0, MACHINE_GICC_BASE, 0, MACHINE_GICC_WINDOW);
	tree_flag(t, "interrupt-controller");
	tree_cell(t, "#interrupt-cells", 3);
	tree_cell(t, "#address-cells", 2);
	tree_cell(t, "#size-cells", 2);
	tree_flag(t, "ranges");
	tree_cell(t, "phandle", TREE_PHANDLE_GIC(t));
	tree_end(t);
}

static void clock_node(struct tree *t)
{
	tree_begin(t, "apb-pclk");
	tree_string(t, "compatible", "fixed-clock");
	tree_cell(t, "#clock-cells", 0);
	tree_cell(t, "clock-frequency", APB_CLOCK_HZ);
	tree_string(t, "clock-output-names", "clk24mhz");
	tree_cell(t, "phandle", TREE_PHANDLE_CLOCK(t));
	tree_end(t);
}

/* In the order in which the VM got them. */
static void device_nodes(struct tree *t)
{
	for (const struct device *device = t->params->devices; device; device = device->next)
		if (device->class->describe)
			device->class->describe(device, t);
}

static void (*const groups[])(struct tree *t) = {
	root_properties, /* first: properties come before subnodes */
	aliases_node,    chosen_node, memory_node, reserved_memory_node, hypervisor_node, psci_node,
	cpus_node,       timer_node,  gic_node,    clock_node,           device_nodes,
};

/* Twice the host's structure: each property's name comes along, and names are longer than the offsets of them. */
size_t guestdtb_room(const struct vm_config *cfg)
{
	size_t room = cfg->passthrough.size || cfg->passthrough_dtb.name ? GUESTDTB_LARGE : GUESTDTB_MAX;

	if (cfg->host_tree)
		room += (size_t)align_up(2U * (uint64_t)fdt_size_dt_struct(cfg->host_tree), PAGE_SIZE);
	return room;
}

int guestdtb_make(const struct vm_config *cfg, const struct guestdtb_params *params, void *buf, size_t size)
{
	struct tree t = {.cfg = cfg, .params = params, .cpus = cfg->cpus};

	if (cfg->gic_phandle) {
		t.phandle_shift = PHANDLE_SHIFT;
		t.gic_phandle = cfg->gic_phandle;
	}
	tree_create(&t, buf, MIN(size, guestdtb_room(cfg)));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		groups[i](&t);
	return tree_finish(&t) ? -ENOSPC : (int)fdt_totalsize(buf);
}
