/* SPDX-License-Identifier: BSD-2-Clause */
/* Host discovery: reads the host's device tree into struct host. */
#ifndef HYP_HOST_SCAN_H
#define HYP_HOST_SCAN_H

#include "hyp/host/host.h"

/*
 * Collect all that the tree says into *host, which is zero before. Prints nothing: the UART is only known afterwards.
 * The UART is the one of /chosen stdout-path, else the first that a driver knows. 0, or -ENODEV: there is none.
 */
int host_scan(const void *fdt, struct host *host);

/* 0, or -EINVAL after one logged line that names the missing or malformed node. */
int host_check(struct host *host);

#endif
