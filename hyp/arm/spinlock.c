/* SPDX-License-Identifier: BSD-2-Clause */
#include <arm/spinlock.h>

bool spinlock_unfair;
