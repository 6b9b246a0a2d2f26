/* What the coprocessor traps keep for a vCPU. */
#ifndef COPROC_STATE_H
#define COPROC_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* Set/way policy, coproc/setway.c. */
enum setway_state {
	SETWAY_WAIT, /* caches have not been on yet: TVM set, set/way deferred to that moment */
	SETWAY_OFF,  /* the guest owns its registers: TVM clear */
	SETWAY_ON,   /* a set/way came: flushed once, TVM set until the caches are on again */
};

struct coproc_cpu {
	enum setway_state setway;
	bool setway_deferred; /* in SETWAY_WAIT: an operation came */
	uint32_t actlr;
	uint32_t setway_ops, setway_flushes; /* statistics */
};

#endif
