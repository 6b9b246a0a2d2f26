/* Page table entries of the host build: a plain load or store; stores leave an event in the log. */
#ifndef ARM_PTE_H
#define ARM_PTE_H

#include <stdint.h>

#include "fake_machine.h"

static inline void pte_write(uint64_t *entry, uint64_t value)
{
	fake_log_event(FAKE_PTE, entry, value);
	*entry = value;
}

static inline uint64_t pte_read(const uint64_t *entry)
{
	return *entry;
}

#endif
