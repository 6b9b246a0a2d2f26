/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 1 of a test guest: identity map of the devices and of RAM, in short descriptors (DDI 0406C B3.5) or long
 * (B3.6), into which a test puts its own sections, blocks and pages at addresses from MMU_WINDOW on.
 */
#ifndef GUEST_MMU_H
#define GUEST_MMU_H

#include <stddef.h>
#include <stdint.h>
#include "hyp/lib/bits.h"

#define MMU_WINDOW UINT32_C(0x80000000)

/* Short descriptors, sections (B3.5.1). The attributes are those of SCTLR.TRE = 0, the permissions those of AFE = 0. */
#define SECT        0x2U
#define SECT_PXN    BIT(0)
#define SECT_XN     BIT(4)
#define SECT_DOM(n) ((n) << 5)
#define SECT_AP_P   BIT(10) /* PL1 read and write */
#define SECT_AP_U   BIT(11) /* and PL0 */
#define SECT_AP_RO  BIT(15)
#define SECT_NORMAL (BIT(12) | BIT(3) | BIT(2) | BIT(16)) /* write-back, write-allocate, shareable */
#define SECT_NC     BIT(12)
#define SECT_DEVICE BIT(2)

/* Small pages. */
#define PAGE        0x2U
#define PAGE_XN     BIT(0)
#define PAGE_AP_P   BIT(4)
#define PAGE_AP_U   BIT(5)
#define PAGE_AP_RO  BIT(9)
#define PAGE_NORMAL (BIT(6) | BIT(3) | BIT(2) | BIT(10))
#define PAGE_DEVICE BIT(2)

/* Long descriptors (B3.6.1, B3.6.2), attributes by index into the MAIR that mmu_long_on() writes. */
#define LONG_BLOCK  BIT64(0)
#define LONG_PAGE   (BIT64(0) | BIT64(1))
#define LONG_NORMAL (UINT64_C(3) << 8) /* index 0, inner shareable */
#define LONG_DEVICE (BIT64(2) | UINT64_C(3) << 8)
#define LONG_NC     (BIT64(3) | UINT64_C(3) << 8)
#define LONG_AP_U   BIT64(6)
#define LONG_AP_RO  BIT64(7)
#define LONG_AF     BIT64(10)
#define LONG_PXN    BIT64(53)
#define LONG_XN     BIT64(54)

struct mmu_state {
	uint32_t sctlr;
	uint32_t ttbcr;
	uint32_t dacr;
	uint32_t mair0;
	uint32_t mair1;
	uint64_t ttbr0;
	uint64_t ttbr1;
};

/* Build the identity map afresh. */
void mmu_short_init(void);
void mmu_long_init(void);

/* Put one entry, `desc` holding address and attributes, and forget what the TLB had there. */
void mmu_short_section(uint32_t va, uint32_t desc);
void mmu_short_page(uint32_t va, uint32_t desc);
void mmu_long_block(uint32_t va, uint64_t desc);
void mmu_long_page(uint32_t va, uint64_t desc);

/* MMU and caches on with the tables built before; from MMU off only. */
void mmu_short_on(void);
void mmu_long_on(void);
/* MMU, data and instruction cache off, everything cleaned by set/way. */
void mmu_off(void);

void mmu_save(struct mmu_state *state);
void mmu_restore(const struct mmu_state *state);

void dcache_setway(uint32_t op);
void mmu_caches_off(uint32_t sctlr_clear);
/* Clean to the point of coherency by address. */
void dcache_clean(const void *start, size_t size);
/* Make instructions just written there visible to instruction fetch. */
void icache_sync(const void *start, size_t size);
void tlb_flush_all(void);

#endif
