/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Indices from a guest. A CPU that mispredicts the check of an index goes on with one beyond its table, and what it
 * loads there it may tell by which cache lines it loads next (bounds check bypass, CVE-2017-5753). So behind every such
 * check the index is masked, by arithmetic that no prediction is part of.
 */
#ifndef ARM_NOSPEC_H
#define ARM_NOSPEC_H

#include <stdint.h>

/* `value`, of which the compiler forgets what checks have told it: it will not put another in its place. */
static inline __attribute__((always_inline)) uint32_t value_nospec(uint32_t value)
{
	__asm__("" : "+r"(value));
	return value;
}

/*
 * `index` where it is below `size`, which it is unless the CPU speculates; else something below `size`. Where the size
 * is a constant power of two one AND, which the compiler cannot know to be without effect. CSDB is a NOP before ARMv8.
 */
static inline __attribute__((always_inline)) uint32_t index_nospec(uint32_t index, uint32_t size)
{
	uint32_t mask;

	if (__builtin_constant_p(size) && size != 0 && (size & (size - 1U)) == 0)
		return value_nospec(index) & (size - 1U);
	__asm__("cmp	%1, %2\n\t"
		"sbc	%0, %1, %1\n\t"
		"and	%0, %0, %1\n\t"
		".inst.w	0xf3af8014" /* CSDB; the C code is all Thumb */
		: "=&r"(mask)
		: "r"(index), "r"(size)
		: "cc");
	return mask;
}

#endif
