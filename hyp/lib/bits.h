/* SPDX-License-Identifier: BSD-2-Clause */
/* Bit and field helpers. Pure macros and inlines, no state. Headers of plain numbers use BIT() for assembly as well. */
#ifndef HYP_LIB_BITS_H
#define HYP_LIB_BITS_H

#ifdef __ASSEMBLER__
#define BIT(n) (1 << (n))
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIT(n)                     (UINT32_C(1) << (n))
#define BIT64(n)                   (UINT64_C(1) << (n))

/* The field of `width` bits that starts at bit `shift` of `value`. */
#define FIELD(value, shift, width) (((value) >> (shift)) & (BIT(width) - 1U))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* It is so, which the compiler and its analyzer cannot know. */
#define assume(x)   ((x) ? (void)0 : __builtin_unreachable())

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KIB(n) ((n)*UINT32_C(1024))
#define MIB(n) ((n)*UINT32_C(1048576))
#define GIB(n) ((n)*UINT64_C(1073741824))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* `align` is a power of two. */
static inline uint64_t align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1U);
}

static inline uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1U) & ~(align - 1U);
}

/* Index of the lowest set bit; `value` is not 0. */
static inline unsigned int lowest_bit(uint32_t value)
{
	return (unsigned int)__builtin_ctz(value);
}

static inline unsigned int lowest_bit64(uint64_t value)
{
	return (uint32_t)value ? lowest_bit((uint32_t)value) : 32U + lowest_bit((uint32_t)(value >> 32));
}

/* True when [a, a + a_size) and [b, b + b_size) share an address; neither range wraps. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

#endif /* __ASSEMBLER__ */

#endif
