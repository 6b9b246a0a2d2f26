/*
 * Ticket spin lock: fair, and it waits in WFE so that a waiter costs no bus traffic. HYP runs with interrupts masked,
 * so no lock needs an interrupt-saving form. The lock order is written in hyp/percpu.h.
 */
#ifndef ARM_SPINLOCK_H
#define ARM_SPINLOCK_H

#include <stdint.h>

#include <arm/barrier.h>

struct spinlock {
	volatile uint16_t owner, next;
};

static inline void spin_lock(struct spinlock *lock)
{
	uint32_t old, new, failed;

	__asm__ volatile("1:	ldrex	%0, [%3]\n"
			 "	add	%1, %0, #0x10000\n"
			 "	strex	%2, %1, [%3]\n"
			 "	teq	%2, #0\n"
			 "	bne	1b"
			 : "=&r"(old), "=&r"(new), "=&r"(failed)
			 : "r"(lock)
			 : "cc", "memory");
	while (lock->owner != (uint16_t)(old >> 16))
		wfe();
	dmb_ish();
}

static inline void spin_unlock(struct spinlock *lock)
{
	dmb_ish();
	lock->owner = (uint16_t)(lock->owner + 1U);
	sev();
}

#endif
