/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trap table. A row is one register as a guest sees it (coproc/registers.def); the table is found by the encoding
 * as the syndrome of its trap holds it (DDI 0406C B3.13.6), so that a trap needs one AND to have its key.
 */
#ifndef COPROC_ROW_H
#define COPROC_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/bits.h"

struct vcpu;

/* 64-bit accesses have an op1 of four bits and nothing else but CRm. Bits 5 and 6 (Rt) say which of the four spaces. */
#define CP_KEY(crn, op1, crm, op2) ((uint32_t)((op2) << 17 | (op1) << 14 | (crn) << 10 | (crm) << 1))
#define CP_KEY64(op1, crm)         ((uint32_t)((op1) << 16 | (crm) << 1))
#define CP_KEY_MASK                CP_KEY(15, 7, 15, 7)
#define CP_KEY64_MASK              CP_KEY64(15, 15)
#define CP_SPACE_CP15              0U
#define CP_SPACE_CP15_64           BIT(5)
#define CP_SPACE_CP14              BIT(6)
#define CP_SPACE_CP14_64           (BIT(5) | BIT(6))

struct cp_row {
	uint32_t key; /* and the space */
	/* NULL: that direction is UNDEF. 32-bit rows use the low word. The vCPU is the current one. */
	uint64_t (*read)(struct vcpu *vcpu);
	void (*write)(struct vcpu *vcpu, uint64_t value);
	uint32_t pl0; /* PL0_ bits */
};

/* Who may at PL0, as coproc/registers.def says it. */
#define PL0_READS   1U
#define PL0_WRITES  2U
#define PL0_CNTKCTL 4U /* where CNTKCTL lets it */
#define PL0_PMU     8U /* where PMUSERENR lets it */

#define CP_INDEX_BITS 10U
#define CP_INDEX_SIZE (1U << CP_INDEX_BITS)

/* The rows by hash of their key, open addressing; an empty slot holds a row whose key no register has. */
extern const struct cp_row *cp_index[CP_INDEX_SIZE];

extern const struct cp_row cp_rows[];
extern const uint32_t cp_row_count;

/* Make the index of these rows. False: two have one key, or there are more rows than the index is made for. */
bool cp_index_rows(const struct cp_row *rows, uint32_t count);

/* The row of `key` or NULL. */
const struct cp_row *cp_find(uint32_t key);

/* Multiplicative hash: 2^32 divided by the golden ratio spreads keys that differ in a few bits. */
static inline uint32_t cp_hash(uint32_t key)
{
	return (key * 0x9e3779b1U) >> (32U - CP_INDEX_BITS);
}

#endif
