/* SPDX-License-Identifier: BSD-2-Clause */
/* The stack protector's guard: what it is made of, and when it may change. */
#include "boot/guard.h"
#include "hyp/arm/runtime.h"
#include "hyp/host/random.h"

/* The byte of a guard at its lowest address is zero: a string that overruns its buffer cannot write it, nor show it. */
#define GUARD_MASK (~(uintptr_t)0xff)

uintptr_t guard_make(void)
{
	uintptr_t guard;

	random_bytes(&guard, sizeof(guard));
	return guard & GUARD_MASK;
}

void guard_set(void)
{
	__stack_chk_guard = guard_make();
}
