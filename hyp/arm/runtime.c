/* SPDX-License-Identifier: BSD-2-Clause */
/* See runtime.h. */
#include "hyp/arm/runtime.h"

#define STOP(number)                                      \
	do {                                              \
		__asm__ volatile("udf %0" ::"i"(number)); \
		__builtin_unreachable();                  \
	} while (0)

uintptr_t __stack_chk_guard = 0x7a3e1100U;

void __stack_chk_fail(void) __attribute__((noreturn));
void abort(void) __attribute__((noreturn));
void __aeabi_unwind_cpp_pr0(void);
void __aeabi_unwind_cpp_pr1(void);

void __stack_chk_fail(void)
{
	STOP(RUNTIME_STACK_OVERWRITTEN);
}

/* newlib and libgcc call it. */
void abort(void)
{
	STOP(RUNTIME_ABORT);
}

/* The personality routines that GCC's tables name; they are never called, unwind_step() does their work. */
void __aeabi_unwind_cpp_pr0(void)
{
}

void __aeabi_unwind_cpp_pr1(void)
{
}
