/* SPDX-License-Identifier: BSD-2-Clause */
/* The timers' data, embedded in struct vm and struct vcpu. */
#ifndef VTIMER_STATE_H
#define VTIMER_STATE_H

#include <stdint.h>

#include "hyp/run/timer.h"

struct vtimer_cpu {
	uint32_t cntkctl;
	uint32_t cntv_ctl; /* ENABLE and IMASK; saved while another vCPU has the CPU */
	uint64_t cntv_cval;
	uint32_t cntp_ctl; /* the emulated physical timer: ENABLE and IMASK */
	uint64_t cntp_cval;
	struct timer phys; /* expires the physical timer */
	struct timer virt; /* stands in for the virtual timer while the vCPU is not loaded */
};

#endif
