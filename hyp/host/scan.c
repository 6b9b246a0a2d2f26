/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host discovery: one walk over the device tree, which gives each node to its driver (hyp/host/driver.h). The walk
 * collects and says nothing, because the UART is only found on the way; host_check() then says what is missing.
 */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include "hyp/host/devtree.h"
#include "hyp/host/driver.h"
#include "hyp/host/gic.h"
#include "hyp/host/nodes.h"
#include "hyp/host/power_regs.h"
#include "hyp/host/scan.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"

#define PPI_FIRST 16U
#define SPI_FIRST 32U

static void add_range(struct host_ranges *ranges, uint64_t base, uint64_t size)
{
	if (size == 0 || base >= BIT64(ADDR_BITS))
		return;
	if (ranges->count < HOST_RANGES_MAX)
		ranges->range[ranges->count] = (struct host_range){base, size};
	ranges->count++;
}

static void add_reg(struct host_ranges *ranges, const struct dt_node *node)
{
	struct host_range r;

	for (uint32_t i = 0; dt_reg(node, i, &r); i++)
		add_range(ranges, r.base, r.size);
}

/* By the first of the node's compatible strings that has a driver, the most specific first. */
static void match_driver(struct scan *scan, const struct dt_node *node)
{
	const char *text = node->prop[DT_COMPATIBLE].data, *end = text + node->prop[DT_COMPATIBLE].length;
	const struct host_driver *driver = NULL;

	for (; text && text < end && memchr(text, 0, (size_t)(end - text)); text += strlen(text) + 1) {
		driver = host_driver(text);
		if (driver && driver->probe)
			break;
	}
	if (driver && driver->probe && (driver->kind & HOST_ALSO_DISABLED || dt_enabled(node)))
		driver->probe(scan, node, driver);
}

/* cpu-release-addr, of one or two cells. */
static uint64_t release_address(const void *fdt, const struct dt_node *node)
{
	int length;
	const void *address = fdt_getprop(fdt, node->offset, "cpu-release-addr", &length);

	return address && (length == 4 || length == 8) ? dt_number(address, (uint32_t)length / 4) : 0;
}

static void cpu_found(struct scan *scan, const struct dt_node *node)
{
	const struct dt_prop *reg = &node->prop[DT_REG], *status = &node->prop[DT_STATUS];
	struct host *host = scan->host;
	struct host_cpu *cpu;

	if (!reg->data || !node->parent || (reg->length != 4 && reg->length != 8))
		return;
	/* "disabled" is one that the operating system has to start (devicetree specification 3.8.1); "fail" may be
	 * "fail-sss". */
	if (status->data && status->length >= 4U && memcmp(status->data, "fail", 4) == 0) {
		host->cpus_failed++;
		return;
	}
	if (host->cpu_count++ >= CPU_MAX)
		return;
	cpu = &host->cpu[host->cpu_count - 1];
	cpu->mpidr = (uint32_t)dt_number(reg->data, reg->length / 4) & 0xffffffU;
	cpu->method = dt_string(scan->fdt, node, "enable-method");
	if (!cpu->method)
		cpu->method = dt_string(scan->fdt, node->parent, "enable-method");
	if (cpu->method && strcmp(cpu->method, "spin-table") == 0)
		cpu->release = release_address(scan->fdt, node);
}

static int scan_node(const struct dt_node *node, void *arg)
{
	struct scan *scan = arg;
	const struct dt_prop *type = &node->prop[DT_DEVICE_TYPE];

	scan->host->tree_nodes++;
	if (node->depth == 1 && strcmp(node->name, "chosen") == 0)
		scan->chosen = node->offset;
	else if (node->depth == 1 && strcmp(node->name, "aliases") == 0)
		scan->aliases = node->offset;
	else if (node->depth == 2 && strcmp(node->parent->name, "reserved-memory") == 0)
		add_reg(&scan->host->reserved, node);
	else if (type->data && dt_has_string(type, "memory") && dt_enabled(node))
		add_reg(&scan->host->memory, node);
	else if (type->data && dt_has_string(type, "cpu"))
		cpu_found(scan, node);
	else if (node->prop[DT_COMPATIBLE].data)
		match_driver(scan, node);
	return 0;
}

static const char *string_at(const void *fdt, int node, const char *name)
{
	const struct dt_node at = {.offset = node};

	return node >= 0 ? dt_string(fdt, &at, name) : NULL;
}

/* /chosen stdout-path: a path or an alias, behind a colon the line's settings, which stay as the firmware left them. */
static bool is_stdout(const struct scan *scan, const char *path)
{
	const char *text = string_at(scan->fdt, scan->chosen, "stdout-path");
	char name[SCAN_PATH_SIZE];
	size_t length;

	if (!text)
		return false;
	length = strcspn(text, ":");
	if (length >= sizeof(name))
		return false;
	memcpy(name, text, length);
	name[length] = '\0';
	text = name[0] == '/' ? name : string_at(scan->fdt, scan->aliases, name);
	return text && strcmp(text, path) == 0;
}

static void choose_uart(const struct scan *scan)
{
	const struct uart_found *chosen = &scan->uart[0];

	if (scan->uart_count == 0)
		return;
	for (unsigned int i = 0; i < scan->uart_count; i++)
		if (is_stdout(scan, scan->uart[i].path))
			chosen = &scan->uart[i];
	scan->host->uart = chosen->uart;
	if (scan->host->gic_node)
		scan->host->uart.irq = dt_route_irq(scan->fdt, &chosen->irq, scan->host->gic_node);
}

static void read_chosen(const struct scan *scan)
{
	const void *fdt = scan->fdt, *start, *end;
	const char *bootargs = string_at(fdt, scan->chosen, "bootargs");
	struct host *host = scan->host;
	int start_length, end_length;

	host->bootargs = bootargs ? bootargs : "";
	if (scan->chosen < 0)
		return;
	start = fdt_getprop(fdt, scan->chosen, "linux,initrd-start", &start_length);
	end = fdt_getprop(fdt, scan->chosen, "linux,initrd-end", &end_length);
	if (start && end) {
		uint64_t first = dt_number(start, (uint32_t)start_length / 4);
		uint64_t last = dt_number(end, (uint32_t)end_length / 4);

		if (last > first) {
			host->bundle = first;
			host->bundle_size = last - first;
		}
	}
}

int host_scan(const void *fdt, struct host *host)
{
	struct scan scan = {.fdt = fdt, .host = host, .chosen = -1, .aliases = -1};
	uint64_t base, size;

	host->fdt = fdt;
	host->tree_error = dt_walk(fdt, scan_node, &scan);
	host->chosen = scan.chosen;
	for (int i = 0; i < fdt_num_mem_rsv(fdt); i++)
		if (!fdt_get_mem_rsv(fdt, i, &base, &size))
			add_range(&host->reserved, base, size);
	host->emulated = fdt_node_check_compatible(fdt, 0, "linux,dummy-virt") == 0; /* QEMU's virt */
	read_chosen(&scan);
	choose_uart(&scan);
	for (unsigned int i = 0; i < scan.power_count; i++)
		power_resolve(host, &scan.power[i]);
	return host->uart.compatible ? 0 : -ENODEV;
}

static unsigned int at_most(unsigned int max, unsigned int count, const char *what)
{
	if (count > max)
		log_warn("host: %u %s in the device tree, virt7 uses the first %u", count, what, max);
	return MIN(count, max);
}

#define KNOWN_GICS "arm,gic-400, arm,cortex-a15-gic or arm,cortex-a7-gic"

static int refuse_gic(const struct host *host)
{
	const char *advice = host->emulated ? "; on QEMU add gic-version=2 to -M virt" : "";

	if (host->other_gic_node)
		log_err("host: %s is %s, not " KNOWN_GICS "%s", fdt_get_name(host->fdt, host->other_gic_node, NULL),
			host->other_gic, advice);
	else
		log_err("host: no GICv2 in the device tree (" KNOWN_GICS ")%s", advice);
	return -EINVAL;
}

static int check_gic(const struct host *host)
{
	if (!host->gic_node)
		return refuse_gic(host);
	if (host->gic_regions < GIC_REGIONS) {
		log_err("host: GIC node %s has no region %u (GICH and GICV are needed): add it to the node's reg",
			fdt_get_name(host->fdt, host->gic_node, NULL), (unsigned)host->gic_regions);
		return -EINVAL;
	}
	return 0;
}

/* irq_register() trusts these numbers. PPIs, each CPU's own, are 16 to 31, and SPIs follow (IHI 0048B 2.2.1). */
static int check_irqs(struct host *host)
{
	const struct {
		const char *of;
		uint32_t irq;
	} ppis[] = {
		{"PL1 timer", host->timer_phys_irq},
		{"virtual timer", host->timer_virt_irq},
		{"HYP timer", host->timer_hyp_irq},
		{"GIC", host->gic_maintenance_irq},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ppis); i++)
		if (ppis[i].irq < PPI_FIRST || ppis[i].irq >= SPI_FIRST) {
			log_err("host: interrupt %u of the %s is not a PPI (16 to 31): its node's interrupts need <1 N "
				"flags>, N from 0 to 15",
				(unsigned)ppis[i].irq, ppis[i].of);
			return -EINVAL;
		}
	if (host->timer_virt_irq != HOST_PPI_TIMER_VIRT) {
		log_err("host: interrupt %u of the virtual timer: virt7 needs PPI %u, which guests have and end "
			"themselves",
			(unsigned)host->timer_virt_irq, (unsigned)HOST_PPI_TIMER_VIRT);
		return -EINVAL;
	}
	if (host->uart.irq && (host->uart.irq < SPI_FIRST || host->uart.irq >= GIC_SPURIOUS)) {
		log_warn("host: interrupt %u of the UART is not an SPI (32 to 1019): it is polled",
			 (unsigned)host->uart.irq);
		host->uart.irq = 0;
	}
	return 0;
}

int host_check(struct host *host)
{
	host->memory.count = at_most(HOST_RANGES_MAX, host->memory.count, "memory ranges");
	host->cpu_count = at_most(CPU_MAX, host->cpu_count, "CPUs");
	if (host->cpus_failed)
		log_warn("host: %u of the CPUs in the device tree have status \"fail\" and are left out",
			 host->cpus_failed);
	if (host->tree_error)
		log_err("host: the device tree is damaged");
	else if (host->memory.count == 0)
		log_err("host: the device tree has no memory node (device_type = \"memory\")");
	else if (host->reserved.count > HOST_RANGES_MAX)
		log_err("host: the device tree reserves %u ranges of memory, virt7 can keep away from %u",
			host->reserved.count, HOST_RANGES_MAX);
	else if (host->cpu_count == 0)
		log_err("host: the device tree has no /cpus/cpu@* node");
	else if (!check_gic(host) && host->timer_hyp_irq)
		return check_irqs(host);
	else if (host->gic_regions == GIC_REGIONS)
		log_err("host: no architected timer with four interrupts (arm,armv7-timer) in the device tree");
	return -EINVAL;
}
