/* Host discovery: reads the host's device tree into struct host. */
#ifndef BOOT_HOST_H
#define BOOT_HOST_H

#include "hyp/dev/host.h"

/*
 * Collect all that the tree says into *host, which is zero before. Prints nothing: the UART is only known afterwards.
 * The UART is the one of /chosen stdout-path, else the first that a driver knows. 0, or -ENODEV: there is none.
 */
int host_scan(const void *fdt, struct host *host);

/* 0, or -EINVAL after one logged line that names the missing or malformed node. */
int host_check(struct host *host);

#endif
