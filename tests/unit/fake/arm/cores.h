/* SPDX-License-Identifier: BSD-2-Clause */
/* Constants only: the target's own. */
#include "hyp/arm/include/arm/cores.h"
