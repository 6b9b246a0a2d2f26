/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket spin lock: fair, and it waits in WFE so that a waiter costs no bus traffic. HYP runs with interrupts masked,
 * so no lock needs an interrupt-saving form. The lock order is written in hyp/run/percpu.h.
 */
#ifndef ARM_SPINLOCK_H
#define ARM_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/barrier.h>

#include "hyp/lib/bits.h"

struct spinlock {
	union {
		uint32_t word;
		struct {
			uint16_t owner,
				next; /* equal: free; not volatile, every look has a barrier or a WFE beside it */
		};
	};
};

/*
 * For CPUs that are threads of an emulator: a waiter takes its ticket only once the lock is free. A fair lock hands
 * itself to a thread that the host may have taken off its CPU, and all others burn theirs meanwhile.
 */
extern bool spinlock_unfair;

/* Take it if it is free. False: a CPU has it. (Not volatile, GCC 12 drops an asm goto whose outputs are not used.) */
static inline bool spin_try(struct spinlock *lock)
{
	uint32_t word = 0, failed = 0; /* for cppcheck */

	__asm__ volatile goto("1:	ldrex	%0, [%2]\n"
			      "	eors	%1, %0, %0, ror #16\n"
			      "	bne	%l[busy]\n"
			      "	add	%0, %0, #0x10000\n"
			      "	strex	%1, %0, [%2]\n"
			      "	teq	%1, #0\n"
			      "	bne	1b"
			      : "=&r"(word), "=&r"(failed)
			      : "r"(lock)
			      : "cc", "memory"
			      : busy);
	return true;
busy:
	return false;
}

/* Inline, so that a function that takes a lock need not keep its registers for a call. */
static inline void spin_wait(struct spinlock *lock)
{
	if (spinlock_unfair) {
		do {
			while (lock->owner != lock->next)
				yield(); /* the holder does not know of it: no event would come */
		} while (!spin_try(lock));
	} else {
		uint16_t ticket = (uint16_t)(__atomic_fetch_add(&lock->word, 0x10000U, __ATOMIC_RELAXED) >> 16);

		while (lock->owner != ticket)
			wfe();
	}
}

static inline void spin_lock(struct spinlock *lock)
{
	if (unlikely(!spin_try(lock)))
		spin_wait(lock);
	dmb_ish();
}

/*
 * Owner and next ticket are one word, so whoever gives the lock back in one atomic step sees the tickets of all who may
 * sleep in WFE: one that takes its ticket later sees the new owner. Only these need an event, and a DSB before it
 * (A8.8.161: SEV is not ordered otherwise).
 */
static inline void spin_unlock(struct spinlock *lock)
{
	uint32_t word, failed;

	dmb_ish();
	__asm__ volatile("1:	ldrex	%0, [%2]\n"
			 "	uadd16	%0, %0, %3\n"
			 "	strex	%1, %0, [%2]\n"
			 "	teq	%1, #0\n"
			 "	bne	1b"
			 : "=&r"(word), "=&r"(failed)
			 : "r"(lock), "r"(1U)
			 : "cc", "memory");
	if (unlikely(word ^ (word >> 16 | word << 16))) /* the halves differ: one EORS */
		sev();
}

#endif
