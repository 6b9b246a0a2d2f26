/* The inner loop of scrubbing guest RAM: eight words a store, each cache line pushed out behind its stores. */
#ifndef ARM_ZERO_H
#define ARM_ZERO_H

#include <stdint.h>

/* Zero [va, end), a multiple of 256 bytes, and clean and invalidate it in lines of 64 bytes (DCCIMVAC). */
static inline void zero_lines_of_64(uint32_t va, uint32_t end)
{
	uint32_t line;

	__asm__ volatile("mov	r2, #0\n\tmov	r3, #0\n\tmov	r4, #0\n\tmov	r5, #0\n\t"
			 "mov	r6, #0\n\tmov	r8, #0\n\tmov	r9, #0\n\tmov	r12, #0\n"
			 "1:\n\t"
			 ".rept	4\n\t"
			 "mov	%1, %0\n\t"
			 "stmia	%0!, {r2-r6, r8, r9, r12}\n\t"
			 "stmia	%0!, {r2-r6, r8, r9, r12}\n\t"
			 "mcr	p15, 0, %1, c7, c14, 1\n\t"
			 ".endr\n\t"
			 "teq	%0, %2\n\t"
			 "bne	1b"
			 : "+r"(va), "=&r"(line)
			 : "r"(end)
			 : "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r12", "cc", "memory");
}

#endif
