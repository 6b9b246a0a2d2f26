/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which thread should leave a CPU for another one, and for which. The scheduler (hyp/run/sched.c) asks and
 * does it.
 */
#ifndef HYP_RUN_BALANCE_H
#define HYP_RUN_BALANCE_H

#include "hyp/run/percpu.h"

#define BALANCE_SLICES 5U /* of a CPU, between looks at others that have as much to do */

struct choice {
	struct thread *thread; /* NULL: all stay */
	struct percpu *to;
	bool had_more; /* of its time than the running one */
};

/* Of those that wait on `cpu`, this one, which a thread runs on. Holder of its rq_lock. */
struct choice balance_choose(struct percpu *cpu);

#endif
