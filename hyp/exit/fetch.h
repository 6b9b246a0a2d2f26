/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the instruction that trapped, at the guest's virtual address. */
#ifndef HYP_EXIT_FETCH_H
#define HYP_EXIT_FETCH_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

enum fetch_result {
	FETCH_OK,
	FETCH_AGAIN, /* no translation any more: run the instruction again, the guest takes the fault */
	FETCH_BAD,   /* not in RAM: nothing we would emulate */
};

/*
 * Fetch the instruction at guest VA `pc` of the current, loaded vCPU. A 32-bit Thumb one comes with its first halfword
 * in bits 31:16; a 16-bit one in bits 15:0.
 */
enum fetch_result fetch_insn(struct vcpu *vcpu, uint32_t pc, bool thumb, uint32_t *opcode);

/*
 * The IPA behind guest VA `va`, as stage 1 has it for a read in the mode that the current, loaded vCPU was in. False:
 * there is none any more.
 */
bool fetch_translate(uint32_t va, uint64_t *at);

#endif
