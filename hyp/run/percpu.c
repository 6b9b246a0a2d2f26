/* SPDX-License-Identifier: BSD-2-Clause */
/* See percpu.h. Each CPU fills in its own as it arrives (boot/smp.c). */
#include "hyp/run/percpu.h"

struct percpu percpu[CPU_MAX];
