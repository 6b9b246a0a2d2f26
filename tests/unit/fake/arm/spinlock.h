/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks of the host build, which has one thread: taking one that is held, or giving back one that is not, is a bug. */
#ifndef ARM_SPINLOCK_H
#define ARM_SPINLOCK_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <arm/barrier.h>

struct spinlock {
	uint32_t held;
};

static inline void spin_lock(struct spinlock *lock)
{
	assert(lock->held == 0);
	lock->held = 1;
}

static inline bool spin_try(struct spinlock *lock)
{
	if (lock->held)
		return false;
	lock->held = 1;
	return true;
}

static inline void spin_unlock(struct spinlock *lock)
{
	assert(lock->held == 1);
	lock->held = 0;
}

#endif
