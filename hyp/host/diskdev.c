/* SPDX-License-Identifier: BSD-2-Clause */
/* See diskdev.h. */
#include "hyp/host/diskdev.h"

#include <libfdt.h>

static const struct diskdev_driver *const diskdev_drivers[] = {&diskdev_virtio, &diskdev_sunxi};

const struct diskdev_driver *diskdev_driver(const void *fdt, const char *path)
{
	int node = fdt_path_offset(fdt, path);

	for (size_t i = 0; node >= 0 && i < ARRAY_SIZE(diskdev_drivers); i++)
		if (fdt_node_check_compatible(fdt, node, diskdev_drivers[i]->compatible) == 0)
			return diskdev_drivers[i];
	return NULL;
}
