/* SPDX-License-Identifier: BSD-2-Clause */
/* The test that links what is watched says whether `step` of `object` was right. */
#ifndef ARM_WITNESS_H
#define ARM_WITNESS_H

void witness(const void *object, const char *step);

#endif
