/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests watch `step` of what `object` goes through (tests/unit/fake/arm/witness.h). The image does not. */
#ifndef ARM_WITNESS_H
#define ARM_WITNESS_H

static inline void witness(const void *object, const char *step)
{
	(void)object, (void)step;
}

#endif
