/* The stack protector's guard, which an attacker must not know: set once, early in the boot. */
#ifndef BOOT_GUARD_H
#define BOOT_GUARD_H

#include <stdint.h>

/* What GCC's code copies into a frame at a function's entry and compares at its exit (hyp/debug/panic.c). */
extern uintptr_t __stack_chk_guard;

/*
 * A guard out of the seeds in the tree's node `chosen` (/chosen; below 0: it has none) and of the counter. Without a
 * seed it is as good as the counter is.
 */
uintptr_t guard_mix(const void *fdt, int chosen);

/*
 * Give every later frame a new guard. The caller must never return, nor any of its own callers: their frames hold the
 * old one. No other CPU runs yet.
 */
void guard_set(const void *fdt, int chosen) __attribute__((no_stack_protector));

#endif
