/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical and intermediate physical addresses as types of their own, so that one passed for the other does not
 * compile. Both are 40 bits wide (DDI 0406C B3.6); the upper bits are zero.
 */
#ifndef HYP_LIB_ADDR_H
#define HYP_LIB_ADDR_H

#include <stdint.h>

#define PAGE_SHIFT  12U
#define PAGE_SIZE   (UINT32_C(1) << PAGE_SHIFT)
#define BLOCK_SHIFT 21U
#define BLOCK_SIZE  (UINT32_C(1) << BLOCK_SHIFT)
#define ADDR_BITS   40U

typedef struct {
	uint64_t v;
} pa_t;

typedef struct {
	uint64_t v;
} ipa_t;

/* A piece of the host's memory. */
struct pa_piece {
	pa_t at;
	uint32_t len;
};

static inline pa_t pa(uint64_t v)
{
	return (pa_t){v};
}

static inline ipa_t ipa(uint64_t v)
{
	return (ipa_t){v};
}

static inline pa_t pa_add(pa_t a, uint64_t offset)
{
	return (pa_t){a.v + offset};
}

static inline ipa_t ipa_add(ipa_t a, uint64_t offset)
{
	return (ipa_t){a.v + offset};
}

#endif
