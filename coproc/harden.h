/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests teach the branch predictor (branch target injection, CVE-2017-5715): a core that can be attacked so
 * empties it between two VMs, and with the option harden=exit at each exit too, before HYP's first branch.
 */
#ifndef COPROC_HARDEN_H
#define COPROC_HARDEN_H

#include <stdbool.h>
#include <stdint.h>

struct percpu;

/* How a core's branch predictor is emptied. */
enum harden_kind {
	HARDEN_NONE,    /* not needed */
	HARDEN_BPIALL,  /* Cortex-A12, A17 */
	HARDEN_ICIALLU, /* Cortex-A15: works where ACTLR.IBE is set, which only Secure software can do */
	HARDEN_UNKNOWN, /* up to the host's firmware: virt7 does nothing */
};

/* This CPU's cpu->harden, and its cpu->at_exit, as the option asks. True: between two VMs, what can be done is done. */
bool harden_init_cpu(struct percpu *cpu, enum harden_kind kind);

/* What this CPU does at each exit, for a line of the log; NULL: nothing. */
const char *harden_at_exit(const struct percpu *cpu);

#endif
