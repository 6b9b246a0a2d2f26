/* SPDX-License-Identifier: BSD-2-Clause */
/* virt7's own faults: registers and a symbolised backtrace, then stop. Never for anything a guest did. */
#ifndef HYP_DEBUG_PANIC_H
#define HYP_DEBUG_PANIC_H

#include <stdint.h>

#define PANIC_UNDEF 1U /* values of .vector */
#define PANIC_DATA  4U

/* As hyp/exit/vectors.S pushes it. */
struct panic_frame {
	uint32_t r[13];
	uint32_t sp, lr, pc, psr, vector;
};

/* An exception of HYP's own that nothing foresees: all of it, then stop. */
void panic_exception(const struct panic_frame *frame) __attribute__((noreturn));

/* The function that holds `pc` and the offset into it; "?" where there is none. */
const char *panic_symbol(uint32_t pc, uint32_t *offset);

#endif
