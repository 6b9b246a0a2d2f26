/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest images, loaded the way QEMU's -kernel loads them: zImage, raw, ELF32 and legacy uImage, each of them as it is
 * or gzip-compressed by the bundle.
 */
#ifndef HYP_LOAD_IMAGE_H
#define HYP_LOAD_IMAGE_H

#include <stdbool.h>

#include "hyp/lib/addr.h"
#include "hyp/load/vmcfg.h"

struct vm;

/* What the first vCPU starts with. */
struct image_entry {
	uint64_t pc;  /* IPA; bit 0 set: Thumb */
	uint64_t dtb; /* IPA; 0: it gets no device tree */
	uint32_t r1, r2;
	bool raw; /* the kernel is of no format that says where it belongs */
};

/*
 * Load kernel, ramdisk and the generated device tree of `cfg` into the RAM of `vm`.
 * 0 and *entry filled, or -Exxx after one logged line that names the VM, the image and what is wrong (does not fit,
 * overlaps, damaged gzip stream, ELF for another machine, ...).
 */
int image_load_vm(struct vm *vm, const struct vm_config *cfg, struct image_entry *entry);

#endif
