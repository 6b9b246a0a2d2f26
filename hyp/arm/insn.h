/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hardware leaves to software when it traps an instruction: the decode of loads and stores whose abort has no
 * syndrome (HSR.ISV = 0, DDI 0406C B3.13.6), an instruction's length, its condition, and ITSTATE.
 */
#ifndef HYP_ARM_INSN_H
#define HYP_ARM_INSN_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/psr.h>

#include "hyp/lib/bits.h"

#define INSN_GENERAL_MAX  16U
#define INSN_ELEMENTS_MAX 32U
#define INSN_COND_AL      14U

/* One load or store: `count` elements, one after the other in memory from `va` up, each to or from a register. */
struct insn_access {
	uint32_t va;          /* of the lowest element; the one that faulted may be another */
	uint32_t count, size; /* elements (1 ... 16; 32 of VFP's), and bytes each (1, 2 or 4) */
	bool write;
	bool sign_extend;
	bool vfp;                      /* registers of VFP: reg[] is not set, and elements are words, from: */
	bool vfp_double;               /* of double registers, whose words swap places where data are big-endian */
	uint32_t vfp_first;            /* word 2n is the lower one of Dn, as S2n, and 2n + 1 the upper */
	uint8_t reg[INSN_GENERAL_MAX]; /* of each element: 0 ... 14, in a store also 15 (as regs_read() gives it) */
	int write_back; /* the register that takes write_back_value once every element is done; -1: none */
	uint32_t write_back_value;
	uint32_t length; /* of the instruction, in bytes */
};

/* Register `n` (0 ... 15) as the guest's current mode sees it; 15 reads as in an instruction (+8, Thumb +4). */
typedef uint32_t (*insn_reg_fn)(void *arg, unsigned int n);

/*
 * Decode `opcode` (Thumb: a 16-bit instruction as it is, a 32-bit one with its first halfword on top) whose condition
 * has passed. 0 with *out filled, or -ENOTSUP with *out undefined, and the caller injects an abort: not a load or store
 * of general registers or of VFP's, one of NEON's structures, an exclusive or a swap, a load of the PC, user registers
 * (^), an RRX offset, a preload, or an encoding that is UNPREDICTABLE. Any opcode is safe.
 */
int insn_decode(uint32_t opcode, bool thumb, insn_reg_fn read_reg, void *arg, struct insn_access *out);

/* Bytes of the instruction that starts with this halfword (DDI 0406C A6.1); in ARM state always 4. */
static inline unsigned int insn_length(uint32_t opcode_first_halfword, bool thumb)
{
	return thumb && (opcode_first_halfword & 0xffffU) < 0xe800U ? 2U : 4U;
}

/* Bit f of [cond]: the condition passes with the flags NZCV = f (A8.3). */
extern const uint16_t insn_condition_flags[INSN_COND_AL];

static inline bool insn_condition_passed(uint32_t cond, uint32_t psr)
{
	return likely(cond >= INSN_COND_AL) || (insn_condition_flags[cond] >> (psr >> 28) & 1U);
}

/* The condition that ITSTATE gives the current instruction: for Thumb traps without a valid one in HSR. */
static inline uint32_t insn_it_condition(uint32_t spsr)
{
	return spsr & PSR_IT_MASK ? FIELD(spsr, 12, 4) : INSN_COND_AL;
}

/* `spsr` with ITSTATE past one instruction (A2.5.2, ITAdvance()). Outside an IT block, and in ARM state, as it is. */
static inline uint32_t insn_advance_it(uint32_t spsr)
{
	uint32_t it;

	if (likely(!(spsr & PSR_IT_MASK)))
		return spsr;
	it = (spsr >> 8 & 0xfcU) | FIELD(spsr, 25, 2);
	it = it & 7U ? (it & 0xe0U) | (it << 1 & 0x1fU) : 0;
	return (spsr & ~PSR_IT_MASK) | (it & 0xfcU) << 8 | (it & 3U) << 25;
}

#endif
