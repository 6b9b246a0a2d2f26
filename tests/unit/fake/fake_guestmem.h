/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory of unit tests: an array at MACHINE_RAM_BASE, and nothing else is RAM. */
#ifndef FAKE_GUESTMEM_H
#define FAKE_GUESTMEM_H

#include "hyp/vm/guestmem.h"

struct vm *fake_guestmem_new(size_t ram_size);
void fake_guestmem_free(struct vm *vm);

/* A pointer into the array; the test fails where [at, at + len) is not in it. */
uint8_t *fake_guestmem_at(struct vm *vm, uint64_t at, size_t len);

/* Calls of guest_load() so far, and after how many of them it fails (0: never). */
unsigned int fake_guestmem_loads(const struct vm *vm);
void fake_guestmem_fail_after(struct vm *vm, unsigned int loads);

#endif
