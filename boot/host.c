/*
 * Host discovery: one function for each thing virt7 needs of the machine, each of which says what it missed. The tree
 * is the firmware's and trusted to describe the machine, yet it is parsed with libfdt's checks throughout.
 */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include "boot/host.h"
#include "hyp/dev/uart.h"
#include "hyp/lib/bits.h"
#include "hyp/log.h"

#define REG_DEPTH_MAX 8

static uint64_t read_cells(const fdt32_t *cell, int count)
{
	uint64_t value = 0;

	while (count-- > 0)
		value = value << 32 | fdt32_to_cpu(*cell++);
	return value;
}

/* #address-cells or #size-cells of a bus (devicetree specification 2.3.5); -1 where it is absurd. */
static int cells(const void *fdt, int bus, const char *name, int missing)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, bus, name, &len);

	if (!p)
		return missing;
	return len == 4 && fdt32_to_cpu(*p) <= 4 ? (int)fdt32_to_cpu(*p) : -1;
}

static int address_cells(const void *fdt, int bus)
{
	return cells(fdt, bus, "#address-cells", 2);
}

static int size_cells(const void *fdt, int bus)
{
	return cells(fdt, bus, "#size-cells", 1);
}

/* One step up: translate `*addr` by the ranges of `bus`, whose parent has `parent_cells`. An empty ranges is 1:1. */
static int translate(const void *fdt, int bus, int parent_cells, uint64_t *addr)
{
	int len, ac = address_cells(fdt, bus), sc = size_cells(fdt, bus);
	const fdt32_t *p = fdt_getprop(fdt, bus, "ranges", &len);
	int row = ac + parent_cells + sc;

	if (!p || ac < 1 || sc < 0 || parent_cells < 1)
		return -ENODEV;
	if (len == 0)
		return 0;
	for (len /= 4; len >= row; len -= row, p += row) {
		uint64_t child = read_cells(p, ac), size = read_cells(p + ac + parent_cells, sc);

		if (*addr >= child && *addr - child < size) {
			*addr = *addr - child + read_cells(p + ac, parent_cells);
			return 0;
		}
	}
	return -ENODEV;
}

/* Region `index` of a node's reg, as the CPU sees it. */
static int node_reg(const void *fdt, int node, int index, struct host_range *out)
{
	int bus = fdt_parent_offset(fdt, node), len, ac, sc;
	const fdt32_t *reg = fdt_getprop(fdt, node, "reg", &len);

	if (!reg || bus < 0)
		return -ENODEV;
	ac = address_cells(fdt, bus);
	sc = size_cells(fdt, bus);
	if (ac < 1 || sc < 0 || len / 4 < (index + 1) * (ac + sc))
		return -ENODEV;
	reg += index * (ac + sc);
	out->base = read_cells(reg, ac);
	out->size = read_cells(reg + ac, sc);
	for (int depth = 0; bus > 0 && depth < REG_DEPTH_MAX; depth++) {
		int parent = fdt_parent_offset(fdt, bus);

		if (parent < 0 || translate(fdt, bus, address_cells(fdt, parent), &out->base))
			return -ENODEV;
		bus = parent;
	}
	return 0;
}

/* Interrupt `index` of a node that is wired to the GIC (three cells: kind, number, flags). 0: none. */
static uint32_t node_irq(const void *fdt, int node, int index)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, "interrupts", &len);

	if (!p || len / 4 < (index + 1) * 3)
		return 0;
	p += index * 3;
	return fdt32_to_cpu(p[1]) + (fdt32_to_cpu(p[0]) == 1 ? 16U : 32U);
}

static uint32_t node_u32(const void *fdt, int node, const char *name, uint32_t missing)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	return p && len == 4 ? fdt32_to_cpu(*p) : missing;
}

static int find_compatible(const void *fdt, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int node = fdt_node_offset_by_compatible(fdt, -1, list[i]);

		if (node >= 0)
			return node;
	}
	return -ENODEV;
}

static int try_uart(const void *fdt, int node, struct host_uart *uart)
{
	struct host_range reg;

	for (size_t i = 0; uart_compatible(i); i++) {
		if (fdt_node_check_compatible(fdt, node, uart_compatible(i)))
			continue;
		if (node_reg(fdt, node, 0, &reg))
			return -ENODEV;
		*uart = (struct host_uart){.compatible = uart_compatible(i), .base = reg.base};
		uart->irq = node_irq(fdt, node, 0);
		uart->reg_shift = node_u32(fdt, node, "reg-shift", 0);
		return 0;
	}
	return -ENODEV;
}

int host_find_uart(const void *fdt, struct host_uart *uart)
{
	int len = 0, node, chosen = fdt_path_offset(fdt, "/chosen");
	const char *path = chosen >= 0 ? fdt_getprop(fdt, chosen, "stdout-path", &len) : NULL;

	if (path && len > 0 && path[len - 1] == '\0') {
		const char *options = strchr(path, ':');

		node = fdt_path_offset_namelen(fdt, path, options ? (int)(options - path) : (int)strlen(path));
		if (node >= 0 && !try_uart(fdt, node, uart))
			return 0;
	}
	for (node = fdt_next_node(fdt, -1, NULL); node >= 0; node = fdt_next_node(fdt, node, NULL))
		if (!try_uart(fdt, node, uart))
			return 0;
	return -ENODEV;
}

static void add_range(struct host_ranges *ranges, const char *what, uint64_t base, uint64_t size)
{
	if (size == 0 || base >= BIT64(ADDR_BITS))
		return;
	if (ranges->count == HOST_RANGES_MAX) {
		log_warn("host: more than %u %s ranges, ignored 0x%llx", HOST_RANGES_MAX, what,
			 (unsigned long long)base);
		return;
	}
	ranges->range[ranges->count++] = (struct host_range){base, size};
}

static int discover_memory(const void *fdt, struct host *host)
{
	struct host_range r;
	int node = -1;

	while ((node = fdt_node_offset_by_prop_value(fdt, node, "device_type", "memory", sizeof("memory"))) >= 0)
		for (int i = 0; !node_reg(fdt, node, i, &r); i++)
			add_range(&host->memory, "memory", r.base, r.size);
	if (host->memory.count == 0) {
		log_err("host: the device tree has no memory node (device_type = \"memory\")");
		return -EINVAL;
	}

	for (int i = 0; i < fdt_num_mem_rsv(fdt); i++)
		if (!fdt_get_mem_rsv(fdt, i, &r.base, &r.size))
			add_range(&host->reserved, "reserved", r.base, r.size);
	int parent = fdt_path_offset(fdt, "/reserved-memory");
	if (parent >= 0)
		fdt_for_each_subnode(node, fdt, parent)
			for (int i = 0; !node_reg(fdt, node, i, &r); i++)
				add_range(&host->reserved, "reserved", r.base, r.size);
	return 0;
}

/* cpu-release-addr, of one or two cells, where the enable-method is a spin table. */
static uint64_t release_address(const void *fdt, int cpu)
{
	int len;
	const char *method = fdt_getprop(fdt, cpu, "enable-method", &len);
	const fdt32_t *p;

	if (!method || strcmp(method, "spin-table") != 0)
		return 0;
	p = fdt_getprop(fdt, cpu, "cpu-release-addr", &len);
	return p && (len == 4 || len == 8) ? read_cells(p, len / 4) : 0;
}

static int discover_cpus(const void *fdt, struct host *host)
{
	int node, cpus = fdt_path_offset(fdt, "/cpus");

	if (cpus >= 0)
		fdt_for_each_subnode(node, fdt, cpus) {
			int len;
			const char *type = fdt_getprop(fdt, node, "device_type", &len);

			if (!type || strcmp(type, "cpu") != 0 || host->cpu_count == CPU_MAX)
				continue;
			host->cpu[host->cpu_count].mpidr = node_u32(fdt, node, "reg", 0) & 0xffffffU;
			host->cpu[host->cpu_count++].release = release_address(fdt, node);
		}
	if (host->cpu_count == 0) {
		log_err("host: the device tree has no /cpus/cpu@* node");
		return -EINVAL;
	}
	return 0;
}

static int discover_gic(const void *fdt, struct host *host)
{
	static const char *const compatible[] = {"arm,cortex-a15-gic", "arm,cortex-a7-gic", "arm,gic-400",
						 "arm,eb11mp-gic"};
	int node = find_compatible(fdt, compatible, ARRAY_SIZE(compatible));
	struct host_range reg[4];

	if (node < 0) {
		log_err("host: no GICv2 in the device tree; on QEMU add gic-version=2 to -M virt");
		return -EINVAL;
	}
	for (int i = 0; i < 4; i++)
		if (node_reg(fdt, node, i, &reg[i])) {
			log_err("host: GIC node %s has no region %d (GICH and GICV are needed); on QEMU add "
				"virtualization=on",
				fdt_get_name(fdt, node, NULL), i);
			return -EINVAL;
		}
	host->gicd = reg[0].base;
	host->gicc = reg[1].base;
	host->gich = reg[2].base;
	host->gicv = reg[3].base;
	host->gic_maintenance_irq = node_irq(fdt, node, 0);
	if (host->gic_maintenance_irq == 0)
		host->gic_maintenance_irq = 25; /* the architecture's recommendation, and every A15/A7's */
	return 0;
}

static int discover_timer(const void *fdt, struct host *host)
{
	static const char *const compatible[] = {"arm,armv7-timer", "arm,armv8-timer"};
	int node = find_compatible(fdt, compatible, ARRAY_SIZE(compatible));

	/* secure, non-secure, virtual, HYP: the order is the binding's */
	host->timer_virt_irq = node >= 0 ? node_irq(fdt, node, 2) : 0;
	host->timer_hyp_irq = node >= 0 ? node_irq(fdt, node, 3) : 0;
	if (host->timer_hyp_irq == 0) {
		log_err("host: no architected timer with four interrupts (arm,armv7-timer) in the device tree");
		return -EINVAL;
	}
	host->timer_hz = node_u32(fdt, node, "clock-frequency", 0);
	return 0;
}

static void discover_psci(const void *fdt, struct host *host)
{
	static const char *const modern[] = {"arm,psci-1.0", "arm,psci-0.2"};
	static const char *const first[] = {"arm,psci"};
	int node = find_compatible(fdt, modern, ARRAY_SIZE(modern)), len;
	const char *method;

	if (node >= 0) {
		host->psci_cpu_on = 0x84000003U;
		host->psci_system_off = 0x84000008U;
		host->psci_system_reset = 0x84000009U;
	} else {
		node = find_compatible(fdt, first, ARRAY_SIZE(first));
		if (node < 0)
			return;
		host->psci_cpu_on = node_u32(fdt, node, "cpu_on", 0);
	}
	method = fdt_getprop(fdt, node, "method", &len);
	host->conduit = method && strcmp(method, "hvc") == 0 ? CONDUIT_HVC : CONDUIT_SMC;
}

static void discover_chosen(const void *fdt, struct host *host)
{
	int node = fdt_path_offset(fdt, "/chosen"), start_len, end_len;
	const fdt32_t *start, *end;
	const char *args;

	host->bootargs = "";
	if (node < 0)
		return;
	args = fdt_getprop(fdt, node, "bootargs", &start_len);
	if (args && start_len > 0 && args[start_len - 1] == '\0')
		host->bootargs = args;
	start = fdt_getprop(fdt, node, "linux,initrd-start", &start_len);
	end = fdt_getprop(fdt, node, "linux,initrd-end", &end_len);
	if (start && end) {
		uint64_t first = read_cells(start, start_len / 4), last = read_cells(end, end_len / 4);

		if (last > first) {
			host->bundle = first;
			host->bundle_size = last - first;
		}
	}
}

int host_discover(const void *fdt, struct host *host)
{
	host->fdt = fdt;
	discover_psci(fdt, host);
	discover_chosen(fdt, host);
	if (discover_memory(fdt, host) || discover_cpus(fdt, host) || discover_gic(fdt, host) ||
	    discover_timer(fdt, host))
		return -EINVAL;
	return 0;
}
