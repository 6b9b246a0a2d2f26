/* SPDX-License-Identifier: BSD-2-Clause */
/* See mmu.h. */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"

#define RAM_MAPPED MIB(64) /* the smallest test machine's */

/* TTBR0 (B4.1.154): walks are inner and outer write-back write-allocate, shareable. */
#define TTBR_WALK 0x4aU
/* TTBCR with EAE (B4.1.153): SH0 inner shareable, ORGN0 and IRGN0 write-back write-allocate, T0SZ 0. */
#define TTBCR_LONG (BIT(31) | 3U << 12 | 1U << 10 | 1U << 8)
/* MAIR (B4.1.104): 0 Normal write-back, 1 Device, 2 Normal non-cacheable, 3 Strongly-ordered. */
#define MAIR0 UINT32_C(0x004404ff)

#define SHORT_TABLES 8U
#define LONG_TABLES  8U

static uint32_t short_l1[4096] __attribute__((aligned(16384)));
static uint32_t short_l2[SHORT_TABLES][256] __attribute__((aligned(1024)));
static unsigned int short_l2_used;

static uint64_t long_l1[4] __attribute__((aligned(4096)));
static uint64_t long_tables[LONG_TABLES][512] __attribute__((aligned(4096)));
static unsigned int long_tables_used;

void tlb_flush_all(void)
{
	dsb();
	tlbiall();
	bpiall();
	dsb();
	isb();
}

static void tlb_flush_page(uint32_t va)
{
	dsb();
	tlbimvaa(va & ~UINT32_C(0xfff));
	bpiall();
	dsb();
	isb();
}

/* CTR.DminLine, in words (B4.1.42). */
static uint32_t dcache_line(void)
{
	return 4U << FIELD(read_ctr(), 16, 4);
}

void dcache_clean(const void *start, size_t size)
{
	uint32_t line = dcache_line();
	uint32_t end = (uint32_t)start + size;

	for (uint32_t va = (uint32_t)start & ~(line - 1); va < end; va += line)
		dccmvac(va);
	dsb();
}

void icache_sync(const void *start, size_t size)
{
	uint32_t line = dcache_line();
	uint32_t end = (uint32_t)start + size;

	for (uint32_t va = (uint32_t)start & ~(line - 1); va < end; va += line)
		dccmvau(va);
	dsb();
	iciallu();
	bpiall();
	dsb();
	isb();
}

void mmu_short_init(void)
{
	uint32_t ram = (uint32_t)MACHINE_RAM_BASE;

	memset(short_l1, 0, sizeof(short_l1));
	short_l2_used = 0;
	for (uint32_t pa = UINT32_C(0x08000000); pa < UINT32_C(0x10000000); pa += MIB(1))
		short_l1[pa >> 20] = pa | SECT | SECT_DEVICE | SECT_XN | SECT_AP_P | SECT_AP_U;
	for (uint32_t pa = ram; pa < ram + RAM_MAPPED; pa += MIB(1))
		short_l1[pa >> 20] = pa | SECT | SECT_NORMAL | SECT_AP_P | SECT_AP_U;
}

void mmu_short_section(uint32_t va, uint32_t desc)
{
	short_l1[va >> 20] = desc;
	tlb_flush_page(va);
}

/* The MiB's table is made at first use and replaces what was there. */
void mmu_short_page(uint32_t va, uint32_t desc)
{
	uint32_t *l1 = &short_l1[va >> 20];

	if ((*l1 & 3) != 1) {
		if (short_l2_used == SHORT_TABLES) {
			report(false, "out of short tables");
			guest_exit();
		}
		memset(short_l2[short_l2_used], 0, sizeof(short_l2[0]));
		*l1 = (uint32_t)short_l2[short_l2_used++] | 1U;
	}
	((uint32_t *)(*l1 & ~UINT32_C(0x3ff)))[va >> 12 & 0xff] = desc;
	tlb_flush_page(va);
}

static uint64_t *long_next(uint64_t *entry)
{
	if ((*entry & 3) != 3) {
		if (long_tables_used == LONG_TABLES) {
			report(false, "out of long tables");
			guest_exit();
		}
		memset(long_tables[long_tables_used], 0, sizeof(long_tables[0]));
		*entry = (uint32_t)long_tables[long_tables_used++] | UINT64_C(3);
	}
	return (uint64_t *)(uint32_t)(*entry & ~UINT64_C(0xfff));
}

static uint64_t *long_l2_entry(uint32_t va)
{
	return &long_next(&long_l1[va >> 30])[va >> 21 & 0x1ff];
}

void mmu_long_init(void)
{
	uint32_t ram = (uint32_t)MACHINE_RAM_BASE;

	memset(long_l1, 0, sizeof(long_l1));
	long_tables_used = 0;
	for (uint32_t pa = UINT32_C(0x08000000); pa < UINT32_C(0x10000000); pa += MIB(2))
		*long_l2_entry(pa) = pa | LONG_BLOCK | LONG_DEVICE | LONG_AP_U | LONG_AF | LONG_XN;
	for (uint32_t pa = ram; pa < ram + RAM_MAPPED; pa += MIB(2))
		*long_l2_entry(pa) = pa | LONG_BLOCK | LONG_NORMAL | LONG_AP_U | LONG_AF;
}

void mmu_long_block(uint32_t va, uint64_t desc)
{
	*long_l2_entry(va) = desc;
	tlb_flush_page(va);
}

void mmu_long_page(uint32_t va, uint64_t desc)
{
	long_next(long_l2_entry(va))[va >> 12 & 0x1ff] = desc;
	tlb_flush_page(va);
}

static void mmu_enable(uint32_t sctlr)
{
	isb();
	tlb_flush_all();
	iciallu();
	dsb();
	isb();
	write_sctlr(sctlr);
	isb();
}

void mmu_short_on(void)
{
	write_ttbcr(0);
	isb();
	write_ttbr0((uint32_t)short_l1 | TTBR_WALK);
	write_ttbr1((uint32_t)short_l1 | TTBR_WALK);
	write_dacr(1); /* domain 0: client, the rest: no access */
	mmu_enable((read_sctlr() & ~(SCTLR_TRE | SCTLR_AFE)) | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_Z);
}

void mmu_long_on(void)
{
	write_ttbcr(TTBCR_LONG);
	isb();
	write_ttbr0_64((uint32_t)long_l1);
	write_ttbr1_64(0);
	write_mair0(MAIR0);
	write_mair1(0);
	mmu_enable(read_sctlr() | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_Z);
}

void mmu_off(void)
{
	mmu_caches_off(SCTLR_M | SCTLR_C | SCTLR_I);
	iciallu();
	tlb_flush_all();
	write_ttbcr(0);
	isb();
}

void mmu_save(struct mmu_state *state)
{
	bool is_long = read_ttbcr() & BIT(31);

	state->sctlr = read_sctlr();
	state->ttbcr = read_ttbcr();
	state->dacr = read_dacr();
	state->mair0 = read_prrr();
	state->mair1 = read_nmrr();
	state->ttbr0 = is_long ? read_ttbr0_64() : read_ttbr0();
	state->ttbr1 = is_long ? read_ttbr1_64() : read_ttbr1();
}

void mmu_restore(const struct mmu_state *state)
{
	if (!(state->sctlr & SCTLR_M))
		return;
	write_ttbcr(state->ttbcr);
	isb();
	write_ttbr0_64(state->ttbr0);
	write_ttbr1_64(state->ttbr1);
	write_mair0(state->mair0);
	write_mair1(state->mair1);
	write_dacr(state->dacr);
	mmu_enable(state->sctlr);
}
