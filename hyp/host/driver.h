/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers of the host's devices, by the compatible strings of the device tree's nodes: one row a string in
 * hyp/host/drivers.c, and what the row names lies in the driver's own file. A driver says what it has found in struct
 * host, or notes it down in struct scan where it takes the whole tree to understand it.
 */
#ifndef HYP_HOST_DRIVER_H
#define HYP_HOST_DRIVER_H

#include <stdbool.h>

#include "hyp/host/devtree.h"
#include "hyp/host/host.h"

#define SCAN_UARTS_MAX  16U
#define SCAN_POWERS_MAX 4U
#define SCAN_PATH_SIZE  96U

struct host_driver;

struct uart_found {
	struct host_uart uart;
	struct dt_irq irq;
	char path[SCAN_PATH_SIZE];
};

struct power_found {
	const struct host_driver *driver;
	bool reset; /* or off */
	int offset; /* of the node */
};

/* What the walk has to remember until its end. */
struct scan {
	const void *fdt;
	struct host *host;
	unsigned int uart_count;
	struct uart_found uart[SCAN_UARTS_MAX];
	unsigned int power_count;
	struct power_found power[SCAN_POWERS_MAX];
	int chosen, aliases; /* nodes; negative: none */
};

struct host_driver {
	const char *compatible;
	/* A node is the driver's by the first of its strings that has a row. Says nothing: there is no console yet. */
	void (*probe)(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);
	const void *data; /* that sort of device, for the driver; NULL: it has one sort */
	bool disabled;    /* nodes whose status says so, too */
};

/* The row of a compatible string, NULL: none. */
const struct host_driver *host_driver(const char *compatible);

#endif
