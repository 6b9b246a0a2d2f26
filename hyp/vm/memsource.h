/* SPDX-License-Identifier: BSD-2-Clause */
/* Whoever tells of memory errors without an access of ours: memory controllers' interrupts (hyp/host/ecc.h). */
#ifndef HYP_VM_MEMSOURCE_H
#define HYP_VM_MEMSOURCE_H

#include <stdint.h>

struct host;

/* Errors that controllers have reported since the boot. */
struct memsource_count {
	uint32_t corrected, uncorrected;
};

extern struct memsource_count memsource_count;

/* Begin to listen, to those that answer; one line each. Boot CPU, with the GIC up. 0. */
int memsource_start(const struct host *host);

#endif
