/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that do not answer when a block of a VM's RAM is zeroed. Those that are lost later: hyp/vm/memerr.h. */
#ifndef HYP_VM_LEAVEOUT_H
#define HYP_VM_LEAVEOUT_H

#include "hyp/lib/addr.h"

struct vm;

#define LEAVEOUT_MAX 16U /* pages of a block */

/*
 * Of a block of 2 MiB that the VM is about to see for the first time some has not answered: those pages are bad, other
 * ones stand in for them, and the VM misses nothing. -EIO, and nothing done: all of it answers by now, or more than
 * LEAVEOUT_MAX do not, as where the device tree tells of RAM that is not there. Holder of s2.lock; no window is open.
 */
int leaveout_silent(struct vm *vm, ipa_t block, pa_t to);

#endif
