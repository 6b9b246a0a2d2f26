/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps of boot/head.S that are C (boot/entry.c), in their order. They need no stack and change r4 and r5. */
#ifndef BOOT_ENTRY_H
#define BOOT_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

/* The boot CPU: exceptions go to early_vectors, and the image and its .bss are in memory and in no cache. */
void entry_first(void);

/*
 * True: in secure state of a CPU that has HYP mode, and not in Monitor mode. SCTLR.V, TE and EE are clear then, as in
 * any other mode of PL1; in HYP mode nothing is changed.
 */
bool entry_is_secure(void);

/*
 * A secondary CPU, registers unknown (a spin table passes none). Returns the top of its stack at the link address, or
 * 0: it is in secure state, and the boot CPU has installed the monitor.
 */
uint32_t entry_secondary(void);

/* MMU and caches on; `level1`: PA of tables that map the code where it is. 0: they are on already. */
void entry_mmu_on(uint32_t level1);

/*
 * At the link address: the vectors there, and the final tables, which lack the identity map. `load`: PA of the image.
 * On a core without LPAE the tables stay, and vectors that pass over an instruction which the core does not have.
 */
void entry_finish(uint32_t load);

#endif
