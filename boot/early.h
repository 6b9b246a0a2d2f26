/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables that boot/early.c lays out before the MMU is on, and mm/hypmap.c takes over. */
#ifndef BOOT_EARLY_H
#define BOOT_EARLY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Runs with MMU and caches off at the load address. Maps the image W^X at its link address and the host's DTB
 * read-only, in the final tables (hyp_l1) and in the boot tables, which also hold the identity map of head.S
 * and entry.c. `load`: PA of the image; `dtb`: PA of the DTB. Returns the PA of the boot tables' level 1. 0: this core
 * has no LPAE, and so no HYP mode; hyp_is_flat is set, and the MMU is on with short descriptors, just enough to say
 * that.
 */
uint32_t early_tables(uint32_t load, uint32_t dtb);

extern uint64_t boot_l1[4]; /* as hyp_l1, and the identity map */

/*
 * Before them. `dtb` as the loader has passed it; 0: whoever starts virt7.elf passes none, but QEMU has put it at the
 * start of RAM. Returns where it is, 0: nowhere; early_tree_found is set where it was not passed.
 */
uint32_t early_find_tree(uint32_t load, uint32_t dtb);
extern bool early_tree_found;

#endif
