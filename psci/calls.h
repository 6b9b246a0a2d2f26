/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a guest's call is found by its function id, for the vectors as well (hyp/exit/vectors.S): one look at one place
 * of a table, whatever r0 is, so that no guest's index needs a mask against speculation and no call is slower to find
 * than another.
 */
#ifndef PSCI_CALLS_H
#define PSCI_CALLS_H

/* The place of an id. The shifts were found by trying: no two ids have one place, which psci.c asserts. */
#define PSCI_PLACE_BITS 5
#define PSCI_PLACES     (1 << PSCI_PLACE_BITS)
#define PSCI_SHIFT_1    12
#define PSCI_SHIFT_2    22

#define PSCI_CALL_BITS 3 /* log2 of a row's size */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct vcpu;

#define PSCI_PLACE(id) (((id) ^ (id) >> PSCI_SHIFT_1 ^ (id) >> PSCI_SHIFT_2) % PSCI_PLACES)

/* `a` to `c`: the caller's r1-r3; the result is its r0. */
struct psci_call {
	uint32_t id;
	uint32_t (*call)(struct vcpu *vcpu, uint32_t a, uint32_t b, uint32_t c);
};

/* The row of an id is at its place; elsewhere are rows whose call says that there is no such function. */
extern const struct psci_call psci_calls[PSCI_PLACES];
#endif

#endif
