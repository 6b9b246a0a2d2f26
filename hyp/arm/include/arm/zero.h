/* Zero 256 bytes at a 32-byte aligned address, eight words a store: the inner loop of scrubbing guest RAM. */
#ifndef ARM_ZERO_H
#define ARM_ZERO_H

#include <stdint.h>

static inline void zero_256(uint32_t va)
{
	__asm__ volatile("mov r2, #0\n\tmov r3, #0\n\tmov r4, #0\n\tmov r5, #0\n\t"
			 "mov r6, #0\n\tmov r8, #0\n\tmov r9, #0\n\tmov r12, #0\n\t"
			 "stmia %0!, {r2-r6, r8, r9, r12}\n\tstmia %0!, {r2-r6, r8, r9, r12}\n\t"
			 "stmia %0!, {r2-r6, r8, r9, r12}\n\tstmia %0!, {r2-r6, r8, r9, r12}\n\t"
			 "stmia %0!, {r2-r6, r8, r9, r12}\n\tstmia %0!, {r2-r6, r8, r9, r12}\n\t"
			 "stmia %0!, {r2-r6, r8, r9, r12}\n\tstmia %0!, {r2-r6, r8, r9, r12}\n\t"
			 : "+r"(va)
			 :
			 : "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r12", "memory");
}

#endif
