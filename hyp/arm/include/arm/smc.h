/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls to firmware by the SMC Calling Convention (DEN 0028): r0-r3 are the call's, the rest is kept. */
#ifndef ARM_SMC_H
#define ARM_SMC_H

#include <stdint.h>

static inline uint32_t smc_call(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
	register uint32_t r0 __asm__("r0") = id;
	register uint32_t r1 __asm__("r1") = a;
	register uint32_t r2 __asm__("r2") = b;
	register uint32_t r3 __asm__("r3") = c;

	__asm__ volatile(".arch_extension sec\n\tsmc #0" : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : : "r12", "memory");
	return r0;
}

/* A call by HVC, without arguments: from PL1 only, because HYP would take its own. */
static inline uint32_t hvc_call(uint32_t id)
{
	register uint32_t r0 __asm__("r0") = id;

	__asm__ volatile(".arch_extension virt\n\thvc #0" : "+r"(r0) : : "r1", "r2", "r3", "r12", "memory");
	return r0;
}

#endif
