/* The tables that boot/early.c lays out before the MMU is on, and mm/hypmap.c takes over. */
#ifndef BOOT_EARLY_H
#define BOOT_EARLY_H

#include <stdint.h>

/*
 * Runs with MMU and caches off at the load address. Maps the image W^X at its link address and the host's DTB
 * read-only, in the final tables (hyp_l1) and in the boot tables, which also hold the identity map of head.S.
 * `load`: PA of the image; `dtb`: PA of the DTB. Returns the PA of the boot tables' level 1.
 */
uint32_t early_tables(uint32_t load, uint32_t dtb);

#endif
