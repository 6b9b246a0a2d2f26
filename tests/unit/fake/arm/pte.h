/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page table entries of the host build: a plain load or store; stores leave an event in the log, and whoever watches
 * the order of tables and TLBs (fake_tables.h) sees them.
 */
#ifndef ARM_PTE_H
#define ARM_PTE_H

#include <stdint.h>

#include "fake_machine.h"

static inline void pte_make(uint64_t *entry, uint64_t value)
{
	if (fake_machine.on_pte)
		fake_machine.on_pte(entry, value, NULL);
	fake_log_event(FAKE_PTE, entry, value);
	*entry = value;
}

static inline void pte_break(uint64_t *entry, uint64_t value, uint64_t whose)
{
	if (fake_machine.on_pte)
		fake_machine.on_pte(entry, value, &whose);
	fake_log_event(FAKE_PTE, entry, value);
	*entry = value;
}

static inline void pte_fill_pages(uint64_t *table, uint64_t first)
{
	for (uint32_t i = 0; i < 512; i++)
		table[i] = first + i * 4096U;
}

static inline uint64_t pte_read(const uint64_t *entry)
{
	return *entry;
}

#endif
