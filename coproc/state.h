/* SPDX-License-Identifier: BSD-2-Clause */
/* What the coprocessor traps keep for a vCPU. */
#ifndef COPROC_STATE_H
#define COPROC_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct cpu_model;

/* Set/way policy, coproc/setway.c. */
enum setway_state {
	SETWAY_WAIT, /* caches have not been on yet: TVM set, set/way deferred to that moment */
	SETWAY_OFF,  /* the guest owns its registers: TVM clear */
	SETWAY_ON,   /* a set/way came: flushed once, TVM set until the caches are on again */
};

struct setway_cpu {
	enum setway_state state;
	bool deferred;                  /* in SETWAY_WAIT: an operation came */
	bool flushing;                  /* a flush is under way, and has come to */
	uint64_t flush_at;              /* this IPA */
	uint32_t ops, flushes, changes; /* operations, whole flushes, trapped changes of SCTLR.C or .M */
	uint32_t tvm_on, tvm_off;       /* how often HCR.TVM was turned on, off */
};

#define PMU_EVENTS_MAX 8U

struct pmu_context {
	uint32_t control, enabled, overflow, select, interrupts, user_enable;
	uint32_t cycle_count, cycle_type;
	uint32_t event_type[PMU_EVENTS_MAX], event_count[PMU_EVENTS_MAX];
};

struct coproc_cpu {
	const struct cpu_model *model;
	uint32_t actlr;
	bool os_locked;
	uint32_t extra; /* EXTRA_ bits (coproc/extra.h): registers that only some cores have, or only some vCPUs use */
	struct setway_cpu setway;
	struct pmu_context pmu;
};

#endif
