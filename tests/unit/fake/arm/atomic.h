/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiler builtins only: the target's own. */
#include "hyp/arm/include/arm/atomic.h"
