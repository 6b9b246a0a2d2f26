/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A word about a guest that says nothing. A raw image that was made for another address, firmware above all, runs into
 * nowhere without a character; QEMU's own board says nothing of it either. A VM may rightly print nothing, so this is
 * one line of information after a start by boot or an operator, and nothing follows from it.
 */
#ifndef HYP_VM_SILENCE_H
#define HYP_VM_SILENCE_H

struct vm;

/* The VM is about to run, its images are loaded; where its kernel is a raw image this CPU looks at it once, later. */
void silence_begin(struct vm *vm);

/* The VM is taken apart: no callback of it is under way or comes. */
void silence_end(struct vm *vm);

#endif
