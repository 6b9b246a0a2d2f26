/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first page tables, written with the MMU off: this file runs at the load address, not at the link address, and
 * must therefore touch no global but through place_loaded(). It is built without the stack protector, whose guard is a
 * global.
 */
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "boot/early.h"
#include "hyp/lib/addr.h"
#include "mm/hypmap.h"
#include "mm/layout.h"
#include "mm/tables.h"
#include "mm/tlb.h"

extern char image_start[], _text_end[], _rodata_end[], _image_end[], boot_stack_top[];

/* Stacks of the boot and of the idle threads, CPU 0's first; the lowest page of each is its guard. */
char boot_stacks[CPU_MAX][PAGE_SIZE + HYP_STACK_SIZE] __attribute__((aligned(4096), section(".bss.stacks")));

uint64_t boot_l1[4] __attribute__((aligned(32)));
/* [0]: the top GiB; [1]: the identity map where it is elsewhere. */
static uint64_t boot_l2[2][TABLE_ENTRIES] __attribute__((aligned(4096), section(".bss.pages")));
static uint64_t image_l3[TABLE_ENTRIES] __attribute__((aligned(4096), section(".bss.pages"))); /* the image's pages */

#define NORMAL       (DESC_VALID | DESC_AF | DESC_SH_INNER | DESC_S1_AP1 | DESC_S1_ATTR(MAIR_WB))
#define FDT_MAGIC_LE UINT32_C(0xedfe0dd0) /* as a little-endian word */

#define MMFR0_VMSA_LPAE 5U /* DDI 0406C B4.1.89 */

#define TOP 3U /* the GiB of image and DTB */

/* Where a symbol is now, before the MMU is on. */
static uint32_t place_loaded(const void *symbol, uint32_t load)
{
	return (uint32_t)symbol - LAYOUT_IMAGE + load;
}

static void map_pages(uint64_t *l3, uint32_t load, const char *start, const char *end, uint64_t attr)
{
	for (uint32_t va = (uint32_t)start; va < (uint32_t)end; va += PAGE_SIZE)
		l3[(va >> PAGE_SHIFT) % TABLE_ENTRIES] =
			place_loaded((const void *)va, load) | attr | DESC_TABLE | DESC_VALID;
}

static void map_image(uint64_t *l3, uint32_t load)
{
	map_pages(l3, load, image_start, _text_end, NORMAL | DESC_S1_RO);
	map_pages(l3, load, _text_end, _rodata_end, NORMAL | DESC_S1_RO | DESC_XN);
	map_pages(l3, load, _rodata_end, _image_end, NORMAL | DESC_XN);
	for (uint32_t i = 0; i < CPU_MAX; i++)
		l3[((uint32_t)boot_stacks[i] >> PAGE_SHIFT) % TABLE_ENTRIES] = 0;
}

bool early_tree_found;

uint32_t early_find_tree(uint32_t load, uint32_t dtb)
{
	const uint32_t *start = (const uint32_t *)LAYOUT_ELF_RAM;

	if (dtb != 0 || load != LAYOUT_ELF_LOAD || *start != FDT_MAGIC_LE)
		return dtb;
	*(bool *)place_loaded(&early_tree_found, load) = true;
	return LAYOUT_ELF_RAM;
}

/* Short descriptors (DDI 0406C B3.5.1); memory that is not cached, and all the rest Strongly-ordered at its own
 * address. */
#define SHORT_MIB      BIT(20)
#define SHORT_SECTION  (BIT(1) | BIT(10) | BIT(11))
#define SHORT_TABLE    BIT(0)
#define SHORT_PAGE     (BIT(1) | BIT(4) | BIT(5))
#define SHORT_NORMAL   BIT(12) /* TEX of a section */
#define SHORT_NORMAL_P BIT(6)  /* of a page */
#define SHORT_ENTRIES  4096U
#define SHORT_PAGES    256U /* a MiB */

#define SCTLR_TRE BIT(28)
#define SCTLR_AFE BIT(29)

/* One set of tables, all accesses permitted (B3.5.4, B3.7.3); data not cached. */
static void set_short_table(uint32_t table)
{
	write_ttbcr(0);
	write_ttbr0(table);
	write_dacr(~0U);
	tlb_forget_old_pl1();
	write_sctlr((read_sctlr() & ~(SCTLR_AFE | SCTLR_TRE | SCTLR_C | SCTLR_A)) | SCTLR_M);
	isb();
}

/*
 * For a core without LPAE, and so without HYP mode: just enough to say that. Behind the boot CPU's stack, in those of
 * CPUs that will not come.
 */
static void early_short_table(uint32_t load, uint32_t dtb)
{
	uint32_t *table = (uint32_t *)(uint32_t)align_up(place_loaded(boot_stack_top, load), 4U * SHORT_ENTRIES);
	uint32_t *pages = table + SHORT_ENTRIES;

	*(bool *)place_loaded(&hyp_is_flat, load) = true;
	for (uint32_t i = 0; i < SHORT_ENTRIES; i++)
		table[i] = i * SHORT_MIB | SHORT_SECTION;
	for (uint32_t va = LAYOUT_IMAGE; va < align_up((uint32_t)_image_end, SHORT_MIB); va += PAGE_SIZE) {
		uint32_t page = (va - LAYOUT_IMAGE) >> PAGE_SHIFT;

		pages[page] = place_loaded((const void *)va, load) | SHORT_PAGE | SHORT_NORMAL_P;
		table[va / SHORT_MIB] = (uint32_t)(pages + page / SHORT_PAGES * SHORT_PAGES) | SHORT_TABLE;
	}
	for (uint32_t i = 0; i < LAYOUT_DTB_SIZE; i += SHORT_MIB)
		table[(LAYOUT_DTB + i) / SHORT_MIB] = ((dtb & ~(BLOCK_SIZE - 1U)) + i) | SHORT_SECTION | SHORT_NORMAL;
	set_short_table((uint32_t)table);
}

uint32_t early_tables(uint32_t load, uint32_t dtb)
{
	uint64_t *top = (uint64_t *)place_loaded(hyp_l2[TOP], load);
	uint64_t *boot_top = (uint64_t *)place_loaded(boot_l2[0], load);
	uint64_t *identity = (uint64_t *)place_loaded(boot_l2[1], load);
	uint64_t *l1 = (uint64_t *)place_loaded(hyp_l1, load);
	uint64_t *boot = (uint64_t *)place_loaded(boot_l1, load);
	uint32_t index = (LAYOUT_IMAGE >> BLOCK_SHIFT) % TABLE_ENTRIES;

	if (FIELD(read_id_mmfr0(), 0, 4) < MMFR0_VMSA_LPAE) {
		early_short_table(load, dtb);
		return 0;
	}
	map_image((uint64_t *)place_loaded(image_l3, load), load);
	top[index] = boot_top[index] = place_loaded(image_l3, load) | DESC_TABLE | DESC_VALID;

	index = (LAYOUT_DTB >> BLOCK_SHIFT) % TABLE_ENTRIES;
	for (uint32_t i = 0; i < LAYOUT_DTB_SIZE / BLOCK_SIZE; i++)
		top[index + i] = boot_top[index + i] =
			((dtb & ~(BLOCK_SIZE - 1U)) + i * BLOCK_SIZE) | NORMAL | DESC_S1_RO | DESC_XN;

	index = (LAYOUT_DEVICES >> BLOCK_SHIFT) % TABLE_ENTRIES;
	top[index] = place_loaded(device_l3, load) | DESC_TABLE | DESC_VALID;

	for (uint32_t i = 0; i < 4; i++)
		l1[i] = place_loaded(hyp_l2[i], load) | DESC_TABLE | DESC_VALID;
	boot[TOP] = (uint32_t)boot_top | DESC_TABLE | DESC_VALID;
	if (load >> 30 != TOP) {
		boot[load >> 30] = (uint32_t)identity | DESC_TABLE | DESC_VALID;
		boot_top = identity;
	}
	/* head.S and entry.c lie in the image's first page. */
	boot_top[(load >> BLOCK_SHIFT) % TABLE_ENTRIES] = (load & ~(BLOCK_SIZE - 1U)) | NORMAL | DESC_S1_RO;
	return (uint32_t)boot;
}
