/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What virt7 knows of the host's devices, by the compatible strings of the device tree's nodes: one row a string in
 * hyp/host/drivers.c. What drives a device lies in the driver's own file; it says what it has found in struct host, or
 * notes it down in struct scan where it takes the whole tree to understand it. Of a device that has no driver a row may
 * say what matters when a VM is given it (hyp/host/hostdev.h). Boards are in hyp/host/board.h.
 */
#ifndef HYP_HOST_DRIVER_H
#define HYP_HOST_DRIVER_H

#include <stdbool.h>

#include "hyp/host/devtree.h"
#include "hyp/host/host.h"
#include "hyp/lib/bits.h"

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

enum host_kind {
	HOST_ALSO_DISABLED = BIT(0), /* the driver gets nodes whose status is "disabled", too */
	/* It cannot write to RAM by itself: it has registers and interrupts, and at most asks a DMA controller, which
	 * is another device. All others count as bus masters. */
	HOST_NO_MASTER = BIT(1),
	HOST_OWN = BIT(2),    /* a part of the machine that no VM is given */
	HOST_OF_CPU = BIT(3), /* a part of a CPU, such as its counters */
};

/* How a bus master is reset by a register of its own, after which it makes no access to RAM until it is driven again.
 */
struct host_quiet {
	uint32_t offset;    /* of the register, in the first range of them */
	uint32_t keep, set; /* what is written: what has been read and these bits, or these */
	uint32_t busy;      /* bits that are clear once it is over */
};

struct host_driver {
	const char *compatible;
	/* A node is the driver's by the first of its strings that has a driver; NULL: none. Says nothing: there is no
	 * console yet. */
	void (*probe)(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);
	const void *data;               /* that sort of device, for the driver; NULL: it has one sort */
	uint32_t kind;                  /* enum host_kind */
	const struct host_quiet *quiet; /* NULL: virt7 does not know how it is made quiet */
};

/* The row of a compatible string, NULL: none. */
const struct host_driver *host_driver(const char *compatible);

/* The kinds that the node's strings say together. */
uint32_t host_kind(const struct dt_node *node);

#endif
