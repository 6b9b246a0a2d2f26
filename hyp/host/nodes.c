/* SPDX-License-Identifier: BSD-2-Clause */
/* What nodes say of the GIC, the timers, PSCI, the clock and Versatile Express' registers: where, and which numbers. */
#include <string.h>

#include "hyp/host/nodes.h"

#define GIC_TO_GICC 0x1000U /* from the distributor */
#define GIC_TO_GICH 0x3000U
#define GIC_TO_GICV 0x5000U

/*
 * Trees that were written without virtualization in mind stop at the CPU interface. In the A15, the A7 and the GIC-400
 * the others lie at fixed distances (DDI 0438 8.2.1, DDI 0471 3.2); a CPU interface at its own says that it is one of
 * those.
 */
static void complete_gic(struct host *host)
{
	if (host->gic_regions < 2 || host->gicc != host->gicd + GIC_TO_GICC)
		return;
	if (host->gic_regions == 2)
		host->gich = host->gicd + GIC_TO_GICH;
	if (host->gic_regions < GIC_REGIONS && host->gich == host->gicd + GIC_TO_GICH) {
		host->gicv = host->gicd + GIC_TO_GICV;
		host->gic_regions = GIC_REGIONS;
	}
}

void gic_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct host *host = scan->host;
	struct host_range region[GIC_REGIONS] = {0};
	uint64_t *const place[GIC_REGIONS] = {&host->gicd, &host->gicc, &host->gich, &host->gicv};

	if (host->gic_node)
		return;
	host->gic_node = node->offset;
	while (host->gic_regions < GIC_REGIONS && dt_reg(node, host->gic_regions, &region[host->gic_regions])) {
		*place[host->gic_regions] = region[host->gic_regions].base;
		host->gic_regions++;
	}
	complete_gic(host);
	host->gic_maintenance_irq = dt_gic_irq(node, 0);
	if (host->gic_maintenance_irq == 0)
		host->gic_maintenance_irq = 25; /* the architecture's recommendation, and every A15/A7's */
}

void other_gic_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	if (scan->host->other_gic_node)
		return;
	scan->host->other_gic_node = node->offset;
	scan->host->other_gic = driver->compatible;
}

/* secure, non-secure, virtual, HYP: the order is the binding's */
void timer_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct host *host = scan->host;

	if (host->timer_hyp_irq)
		return;
	host->timer_phys_irq = dt_gic_irq(node, 1);
	host->timer_virt_irq = dt_gic_irq(node, 2);
	host->timer_hyp_irq = dt_gic_irq(node, 3);
	host->timer_hz = dt_u32(scan->fdt, node, "clock-frequency", 0);
}

/* By HVC it is a hypervisor's, for a guest: where virt7 is in HYP mode no hypervisor is there to serve it. */
static bool psci_is_called_by(const char *conduit, const struct scan *scan, const struct dt_node *node)
{
	const char *method = dt_string(scan->fdt, node, "method");

	return method && strcmp(method, conduit) == 0;
}

void psci_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	scan->host->psci_hvc = psci_is_called_by("hvc", scan, node);
	if (!psci_is_called_by("smc", scan, node))
		return;
	scan->host->psci_cpu_on = 0x84000003U;
	scan->host->psci_cpu_off = 0x84000002U;
	scan->host->psci_system_off = 0x84000008U;
	scan->host->psci_system_reset = 0x84000009U;
}

/* PSCI 0.1: its function ids are properties, and it cannot switch the machine off. */
void psci_first_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	if (!psci_is_called_by("smc", scan, node))
		return;
	scan->host->psci_cpu_on = dt_u32(scan->fdt, node, "cpu_on", 0);
	scan->host->psci_cpu_off = dt_u32(scan->fdt, node, "cpu_off", 0);
}

void sysreg_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct host_range reg;

	if (dt_reg(node, 0, &reg))
		scan->host->vexpress_sysreg = reg.base;
}

/* Which device is in a transport its registers say, and they are not mapped yet. */
void virtio_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct host *host = scan->host;
	struct host_range reg;

	if (host->virtio_count < HOST_VIRTIO_MAX && dt_reg(node, 0, &reg))
		host->virtio[host->virtio_count++] = reg.base;
}
