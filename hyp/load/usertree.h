/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device tree that the user brings for a VM (`fdt` in its node), for guests that know another one than virt7's own.
 * It is checked against the VM's machine, and gets what only virt7 knows, all of it in /chosen. The blob is untrusted.
 */
#ifndef HYP_LOAD_USERTREE_H
#define HYP_LOAD_USERTREE_H

#include <stddef.h>

#include "hyp/load/guestdtb.h"

#define USERTREE_MAX      KIB(64) /* in the guest's RAM */
#define USERTREE_FILE_MAX KIB(56) /* without what virt7 adds: a command line of 4 KiB and a few numbers */

#define USERTREE_WHY 192U

struct vm;

/*
 * Whether the tree fits the VM: `size` bytes, 8-byte aligned. 0, or -EINVAL and a line in why[USERTREE_WHY] that says
 * what is wrong and what to do: a damaged tree; memory, a device or a CPU in it that the VM does not have.
 */
int usertree_check(const struct vm *vm, const void *fdt, size_t size, char *why);

/* Add /chosen's properties, in place; the buffer has USERTREE_MAX bytes. The size in bytes, or -ENOSPC. */
int usertree_complete(void *fdt, const struct vm_config *cfg, const struct guestdtb_params *params);

#endif
