/*
 * Checked access to a guest's memory by IPA: the only way in. No pointer into guest RAM outlives a call. A range that
 * is not wholly inside the VM's RAM is refused before the first byte moves. Blocks that the guest has not touched yet
 * are scrubbed and mapped on the way (guest RAM then counts as touched).
 */
#ifndef HYP_VM_GUESTMEM_H
#define HYP_VM_GUESTMEM_H

#include <stddef.h>

#include "hyp/lib/addr.h"

struct vm;

/*
 * Copy `len` bytes out of or into guest RAM. 0, -EFAULT where the range is not the guest's RAM, -ENOMEM, or -EIO where
 * the host's memory aborts. No data cache holds them afterwards, for a guest that runs with its caches off; what is
 * loaded may be executed. guest_load() lets others have the CPU now and then.
 */
int guest_read(struct vm *vm, ipa_t from, void *to, size_t len);
int guest_load(struct vm *vm, ipa_t to, const void *from, size_t len);

#endif
