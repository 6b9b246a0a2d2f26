/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page table entries are 64-bit single-copy atomic (DDI 0406C A3.5.3, with LPAE): written by one STRD, never in halves.
 * Tables that no walk can reach yet are plain memory; an entry that one may reach, even a speculative one, is written
 * here only, and the unit tests watch the order (tests/unit/fake/fake_tables.h).
 */
#ifndef ARM_PTE_H
#define ARM_PTE_H

#include <stdint.h>

static inline void pte_write(uint64_t *entry, uint64_t value)
{
	__asm__ volatile("strd %Q1, %R1, %0" : "=Qo"(*(volatile uint64_t *)entry) : "r"(value) : "memory");
}

/* Where an entry was invalid, and no TLB has what it was before: the new one needs no maintenance (B3.9.3). */
static inline void pte_make(uint64_t *entry, uint64_t value)
{
	pte_write(entry, value);
}

/*
 * Make an entry invalid; `value` is what stays in it. It may be valid again, and what it pointed to be given away, once
 * TLB maintenance of `whose` is complete on all CPUs (break before make, B3.10.1): a VTTBR, whose VMID counts, or an
 * address of HYP's own.
 */
static inline void pte_break(uint64_t *entry, uint64_t value, uint64_t whose)
{
	(void)whose;
	pte_write(entry, value);
}

/*
 * Fill a table that no walk can reach yet, 512 entries, with `first` and those of the pages behind it: a multiple of 2
 * MiB, so that only low words differ. hyp/arm/copy.S.
 */
void pte_fill_pages(uint64_t *table, uint64_t first);

static inline uint64_t pte_read(const uint64_t *entry)
{
	uint64_t value;

	__asm__ volatile("ldrd %Q0, %R0, %1" : "=r"(value) : "Qo"(*(const volatile uint64_t *)entry));
	return value;
}

#endif
