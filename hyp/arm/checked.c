/* SPDX-License-Identifier: BSD-2-Clause */
/* See checked.h and <arm/copy.h>: what survives an exception and is not a copy. Compiled for speed. */
#include <stdbool.h>

#include <arm/copy.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/arm/checked.h"
#include "hyp/lib/addr.h"

int load_device_checked(uint32_t *to, const volatile void *at, uint32_t size)
{
	register const volatile void *from __asm__("r1") = at;
	uint32_t value = 0;
	int ret = 0;

#define LOAD(access)                                                          \
	__asm__ volatile(CHECKED_ACCESS(access "	%[value], [%[from]]") \
			 : [ret] "+&r"(ret), [value] "+&r"(value)             \
			 : [from] "r"(from)                                   \
			 : "memory")
	if (size == 4)
		LOAD("ldr");
	else if (size == 2)
		LOAD("ldrh");
	else
		LOAD("ldrb");
#undef LOAD
	if (!ret)
		*to = value;
	return ret;
}

int store_device_checked(volatile void *at, uint32_t value, uint32_t size)
{
	register volatile void *to __asm__("r1") = at;
	int ret = 0;

#define STORE(access)                                                       \
	__asm__ volatile(CHECKED_ACCESS(access "	%[value], [%[to]]") \
			 : [ret] "+&r"(ret)                                 \
			 : [to] "r"(to), [value] "r"(value)                 \
			 : "memory")
	if (size == 4)
		STORE("str");
	else if (size == 2)
		STORE("strh");
	else
		STORE("strb");
#undef STORE
	return ret;
}

/* Clean and invalidate the line at `va` (DCCIMVAC). False: its memory has aborted. */
static inline __attribute__((always_inline)) bool push_line_out(uint32_t va)
{
	__asm__ goto("1:	mcr	p15, 0, %[va], c7, c14, 1\n"
		     "2:\n" CHECKED_ROW("1b", "2b", "%l[aborted]", CHECKED_MEMORY)
		     :
		     : [va] "r"(va)
		     : "memory"
		     : aborted);
	return true;
aborted:
	return false;
}

void clean_invalidate_checked(const void *at, const void *end, uint32_t line)
{
	struct fault_kept kept = fault_keep();
	uint32_t va = (uint32_t)(uintptr_t)at, last = (uint32_t)(uintptr_t)end, hsr = read_hsr();

	while (va < last)
		va = push_line_out(va) ? va + line : (va | (PAGE_SIZE - 1U)) + 1U;
	write_hsr(hsr);
	fault_give_back(kept);
}

/* Both records are UNDEFINED in an emulator's Cortex-A15. */
#define MERRSR_TAKE(name, op)                                                                \
	int name(uint64_t *value)                                                            \
	{                                                                                    \
		uint64_t read = 0;                                                           \
		int ret = 0;                                                                 \
                                                                                             \
		__asm__ volatile(CHECKED("mrrc	p15, " op ", %Q[read], %R[read], c15\n"      \
					 "	mcrr	p15, " op ", %[zero], %[zero], c15", \
					 CHECKED_UNDEFINED)                                  \
				 : [ret] "+&r"(ret), [read] "+&r"(read)                      \
				 : [zero] "r"(0));                                           \
		*value = read;                                                               \
		return ret;                                                                  \
	}

MERRSR_TAKE(cpumerrsr_take, "0")
MERRSR_TAKE(l2merrsr_take, "1")

/*
 * The abort is taken at the ISB at the latest, to vector_data (hyp/exit/vectors.S), because CPSR.A is clear and HYP is
 * where it is routed (B1.8.7). ELR and SPSR are the guest's. vector_data has set A where it has come.
 */
bool abort_window(void)
{
	struct fault_kept kept = fault_keep();
	uint32_t psr;

	__asm__ volatile("cpsie	a\n"
			 "	isb\n"
			 "	mrs	%0, cpsr\n"
			 "	cpsid	a"
			 : "=r"(psr)::"memory");
	fault_give_back(kept);
	return psr & PSR_A;
}
