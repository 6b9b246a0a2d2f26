/* SPDX-License-Identifier: BSD-2-Clause */
/* Nodes of the host's device tree that tell where a device is, for code that needs no more than that
 * (hyp/host/nodes.c). */
#ifndef HYP_HOST_NODES_H
#define HYP_HOST_NODES_H

#include "hyp/host/driver.h"

#define GIC_REGIONS 4U /* GICD, GICC, GICH, GICV */

/* Rows of hyp/host/drivers.c. The first GIC and timer of a tree count. */
void gic_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);
void other_gic_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);
void timer_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);
void psci_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);
void psci_first_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver); /* 0.1 */
void sysreg_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);
void virtio_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver); /* as many as fit */

#endif
