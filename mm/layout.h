/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HYP's virtual address space. Everything virt7 sees lies in these windows; of guest RAM virtio's rings are mapped, and
 * of the rest what a CPU's windows show, which are for copies. Also read by assembly and the linker script: plain
 * numbers only.
 */
#ifndef MM_LAYOUT_H
#define MM_LAYOUT_H

#define LAYOUT_BUNDLE      0x80000000 /* read-only, 2 MiB blocks */
#define LAYOUT_BUNDLE_END  0xc0000000
#define LAYOUT_HEAP        0xc0000000 /* linear map of the heap, 2 MiB blocks */
#define LAYOUT_HEAP_END    0xd0000000
#define LAYOUT_RINGS       0xd0000000 /* pages of guests' RAM that devices keep in sight */
#define LAYOUT_RINGS_END   0xd4000000
#define LAYOUT_STACKS      0xe0000000 /* threads' stacks, a guard page below each */
#define LAYOUT_STACKS_END  0xf0000000
#define LAYOUT_DEVICES     0xf0000000
#define LAYOUT_DEVICES_END 0xf0400000
#define LAYOUT_WINDOWS     0xf2000000 /* ten 2 MiB windows a CPU */
#define LAYOUT_WINDOWS_END 0xfc000000
#define LAYOUT_DTB         0xfc000000 /* host device tree, read-only */
#define LAYOUT_DTB_SIZE    0x00400000
#define LAYOUT_IMAGE       0xfe000000 /* the link address */
#define LAYOUT_IMAGE_SIZE  0x00200000
/* The physical address that virt7.elf asks for, and the start of RAM before it, on QEMU's virt board. */
#define LAYOUT_ELF_LOAD 0x40200000
#define LAYOUT_ELF_RAM  0x40000000

#define CPU_MAX        8
#define HYP_STACK_SIZE 0x2000

#endif
