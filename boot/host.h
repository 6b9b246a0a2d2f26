/* Host discovery: reads the host's device tree into struct host. */
#ifndef BOOT_HOST_H
#define BOOT_HOST_H

#include "hyp/dev/host.h"

/*
 * Find the console's UART in `fdt`: /chosen stdout-path, else the first one that a driver knows. 0 or -ENODEV.
 * Separate from the rest, so that everything after it can say what is wrong.
 */
int host_find_uart(const void *fdt, struct host_uart *uart);

/* Everything else. 0, or -EINVAL after one logged line that names the missing or malformed node. */
int host_discover(const void *fdt, struct host *host);

#endif
