/* SPDX-License-Identifier: BSD-2-Clause */
/* How large virt7's heap has to be: its VMs live there (mm/page.h), and the bundle says how many these are. */
#ifndef HYP_VM_HEAPSIZE_H
#define HYP_VM_HEAPSIZE_H

#include <stdint.h>

#include "hyp/load/bundle.h"

/*
 * Bytes, a multiple of 2 MiB, on a host with `ram` bytes of RAM: enough for all VMs of the bundle, as far as its nodes
 * tell, and for virt7 itself; never less than without a bundle (`b` is NULL, or b->fdt). `tree` bytes
 * are for the index of the host's tree (dt_index_size()), 0: there is none.
 */
uint64_t heap_size_for(const struct bundle *b, uint64_t ram, uint64_t tree);

#endif
