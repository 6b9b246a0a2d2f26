/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory errors: a page of the host's RAM is bad, as something has found or an operator says. It goes into quarantine
 * (mm/badpage.h), its owner loses it, and no one else does: a VM's page becomes a hole, where the guest takes an
 * external abort; a disk's an error of its requests; where virt7's own heap holds a VM's tables, vCPUs or devices
 * there, that VM is stopped. docs/memory-errors.md has the whole story.
 *
 * A VM that is being started, reset or switched off has to be waited for. Locks taken: vms_lock, vm->lock, s2.lock.
 */
#ifndef HYP_VM_MEMERR_H
#define HYP_VM_MEMERR_H

#include <stdbool.h>

#include "hyp/lib/addr.h"

struct vm;

/*
 * The page that holds `at` is bad. `async`: the guest that touches it has an asynchronous abort and not a synchronous
 * one. One logged line says whose it was. 0; -EEXIST: that is known; -EBUSY: try again later; -EFAULT: the host has no
 * RAM there; -ENOMEM, logged: virt7's heap is empty.
 */
int memerr_page(pa_t at, bool async);

/*
 * memerr_page() for what the VM sees at `at`. -EFAULT: that is not its RAM; -EPERM: devices of the host reach its RAM
 * by themselves (vm_is_direct()), so that virt7 cannot keep them from the page.
 */
int memerr_guest_page(struct vm *vm, ipa_t at, bool async);

#endif
