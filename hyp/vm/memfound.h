/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory errors that the hardware reports by itself (docs/memory-errors.md): an external abort of HYP's own access, a
 * guest's that comes to HYP, a memory controller's interrupt. Whoever meets one may hold locks, or be on the stack for
 * faults; so the page is written down here, and a thread of virt7's own puts it into quarantine (hyp/vm/memerr.h).
 */
#ifndef HYP_VM_MEMFOUND_H
#define HYP_VM_MEMFOUND_H

#include "hyp/lib/addr.h"

struct vm;

/*
 * What is at `at` is bad. From any CPU and context, but under the scheduler's locks. What is no RAM of the host's, or
 * known to be bad, counts for nothing, and so do more pages than the thread can be late with: who touches them next
 * says so again.
 */
void memerr_found(pa_t at);

/*
 * A guest has met an external abort at `at` of its RAM, as far as its own tables, which it may have changed since, say
 * so. HYP reads all of the page: only what does not answer HYP is bad. The exit's ELR, SPSR and HSR stay.
 */
void memerr_suspect(struct vm *vm, ipa_t at);

/* Make the thread. What was found before is not lost. 0 or -ENOMEM. */
int memfound_start(void);

#endif
