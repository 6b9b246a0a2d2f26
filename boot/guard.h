/* SPDX-License-Identifier: BSD-2-Clause */
/* The stack protector's guard, which an attacker must not know: set once, early in the boot. */
#ifndef BOOT_GUARD_H
#define BOOT_GUARD_H

#include <stdint.h>

/* A guard as good as random_init() has made hyp/host/random.h's numbers: without a seed, as the counter is. */
uintptr_t guard_make(void);

/*
 * Give every later frame a new guard. The caller must never return, nor any of its own callers: their frames hold the
 * old one. No other CPU runs yet.
 */
void guard_set(void) __attribute__((no_stack_protector));

#endif
