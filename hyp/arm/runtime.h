/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler and the libraries take for granted (hyp/arm/runtime.c). */
#ifndef HYP_ARM_RUNTIME_H
#define HYP_ARM_RUNTIME_H

#include <stdint.h>

/* What GCC's code copies into a frame at a function's entry and compares at its exit; boot/guard.c changes it. */
extern uintptr_t __stack_chk_guard;

/* Where they cannot go on: UDF with this number, an exception of HYP's own (hyp/debug/panic.c). Thumb, as all of C. */
#define RUNTIME_STACK_OVERWRITTEN 1
#define RUNTIME_ABORT             2

#endif
