/* SPDX-License-Identifier: BSD-2-Clause */
/* The host build speculates as it likes; it checks instead that the index is in its table. */
#ifndef ARM_NOSPEC_H
#define ARM_NOSPEC_H

#include <assert.h>
#include <stdint.h>

static inline uint32_t value_nospec(uint32_t value)
{
	return value;
}

static inline uint32_t index_nospec(uint32_t index, uint32_t size)
{
	assert(index < size);
	return index;
}

#endif
