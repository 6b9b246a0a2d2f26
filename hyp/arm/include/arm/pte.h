/* Page table entries are 64-bit single-copy atomic (DDI 0406C A3.5.3, with LPAE): written by one STRD, never in halves.
 */
#ifndef ARM_PTE_H
#define ARM_PTE_H

#include <stdint.h>

static inline void pte_write(uint64_t *entry, uint64_t value)
{
	__asm__ volatile("strd %Q1, %R1, %0" : "=Qo"(*(volatile uint64_t *)entry) : "r"(value) : "memory");
}

static inline uint64_t pte_read(const uint64_t *entry)
{
	uint64_t value;

	__asm__ volatile("ldrd %Q0, %R0, %1" : "=r"(value) : "Qo"(*(const volatile uint64_t *)entry));
	return value;
}

#endif
