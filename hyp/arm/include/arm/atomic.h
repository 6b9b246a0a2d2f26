/* SPDX-License-Identifier: BSD-2-Clause */
/* Atomic read-modify-write on words, with full ordering. */
#ifndef ARM_ATOMIC_H
#define ARM_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

static inline void atomic_or(volatile uint32_t *word, uint32_t bits)
{
	__atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static inline void atomic_clear(volatile uint32_t *word, uint32_t bits)
{
	__atomic_fetch_and(word, ~bits, __ATOMIC_SEQ_CST);
}

/* Returns what was there. */
static inline uint32_t atomic_take(volatile uint32_t *word)
{
	return __atomic_exchange_n(word, 0U, __ATOMIC_SEQ_CST);
}

/* Make it 0 if it is `value`; returns whether it was. */
static inline bool atomic_take_only(volatile uint32_t *word, uint32_t value)
{
	return __atomic_compare_exchange_n(word, &value, 0U, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

#endif
