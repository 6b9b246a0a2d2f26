/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM that devices of the host's still have (hyp/vm/lent.h), of one VM at most, as a test says. */
#ifndef FAKE_LENT_H
#define FAKE_LENT_H

#include "hyp/vm/lent.h"

struct fake_lent {
	const char *to;       /* who has RAM of the VM; NULL: no device */
	bool no_memory;       /* for what makes blocks free again */
	bool slow;            /* a record stays in use when its request has ended */
	uint32_t left, ended; /* calls */
};

extern struct fake_lent fake_lent;

#endif
