/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations only: the target's own. */
#include "hyp/arm/include/arm/vfp.h"
