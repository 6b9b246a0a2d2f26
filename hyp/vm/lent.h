/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RAM of a VM that a device of the host's may still read or write, by a request whose owner has gone: it was waited for
 * in vain. Until the device has ended that, no VM is given the blocks of 2 MiB in which it lies: when its VM gives its
 * RAM back they go into quarantine, and come back, zeroed, when it has ended.
 *
 * Records lie where the requests do, and are in a list from lent_leave() on until nothing is left to do for them.
 */
#ifndef HYP_VM_LENT_H
#define HYP_VM_LENT_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"

struct vm;

#define LENT_PIECES 32U

struct lent {
	/* the user's, while the record is idle */
	const char *to; /* which device, for people; stays */
	uint32_t count;
	struct pa_piece piece[LENT_PIECES]; /* each in one block */
	/* lent.c's */
	struct lent *next;
	enum { LENT_IDLE, LENT_OUT, LENT_BACK } state;
	uint32_t kept; /* bit n: the block with piece n is in quarantine */
};

/* Once, before there are records: what makes blocks free again. 0 or -ENOMEM. On the boot CPU. */
int lent_start(void);

/* Is there nothing in the list of the record's last use? */
static inline bool lent_is_idle(const struct lent *lent)
{
	return __atomic_load_n(&lent->state, __ATOMIC_ACQUIRE) == LENT_IDLE;
}

/* The request's owner has gone, or it has ended after that. Any CPU and context, under a lock of the caller's. */
void lent_leave(struct lent *lent);
void lent_end(struct lent *lent);

/* Who may still read or write RAM that the VM has, for people; NULL: no device may. */
const char *lent_to(const struct vm *vm);

/*
 * The VM is about to give its RAM back, and no request of its is to come: what is lent of it stays so, whatever ends
 * meanwhile, until lent_settle(). Bytes, whole blocks, and who has them. 0: nothing, and lent_settle() is not called.
 */
uint64_t lent_keep(const struct vm *vm, const char **to);
bool lent_is_kept(pa_t block);
void lent_settle(void);

#endif
