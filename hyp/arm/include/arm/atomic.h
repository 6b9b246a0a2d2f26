/* Atomic read-modify-write on words, with full ordering. */
#ifndef ARM_ATOMIC_H
#define ARM_ATOMIC_H

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

#endif
