/* SPDX-License-Identifier: BSD-2-Clause */
/* The device tree a guest gets: mach-virt as QEMU describes it, limited to what the VM has. */
#ifndef HYP_LOAD_GUESTDTB_H
#define HYP_LOAD_GUESTDTB_H

#include <stddef.h>

#include "hyp/load/vmcfg.h"

#define GUESTDTB_MAX   KIB(16) /* the largest tree generated, in bytes; */
#define GUESTDTB_LARGE KIB(64) /* that of a VM with devices of the host, whose nodes may hold anything */

/* The room for the tree of such a VM, in bytes: as much, and what the host's own tree takes where it has its nodes too.
 */
size_t guestdtb_room(const struct vm_config *cfg);

#define GUESTDTB_HOLES 64U

struct device;

/* Facts that the tree states and the configuration does not hold. */
struct guestdtb_params {
	uint64_t ramdisk_start, ramdisk_end; /* IPA; equal: no ramdisk */
	uint32_t clock_hz;                   /* 0: CNTFRQ is right; else timer clock-frequency */
	const char *cpu_compatible;          /* "arm,cortex-a15", ... */
	const struct device *devices;        /* the VM's, each with its node; hyp/vdev/device.h */
	uint32_t hole_count;                 /* pages of RAM that do not work: their IPAs */
	uint64_t hole[GUESTDTB_HOLES];
};

/*
 * Generate the tree into `buf` (8-byte aligned, `size` bytes). Returns the packed size in bytes, or -ENOSPC.
 */
int guestdtb_make(const struct vm_config *cfg, const struct guestdtb_params *params, void *buf, size_t size);

#endif
