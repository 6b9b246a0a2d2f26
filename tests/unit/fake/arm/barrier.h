/* SPDX-License-Identifier: BSD-2-Clause */
/* Barriers and hints of the host build: they only leave an event in the log (fake_machine.h). */
#ifndef ARM_BARRIER_H
#define ARM_BARRIER_H

#include "fake_machine.h"

#define isb()     fake_log_event(FAKE_ISB, NULL, 0)
#define dsb()     fake_log_event(FAKE_DSB, NULL, 0)
#define dsb_ish() fake_log_event(FAKE_DSB_ISH, NULL, 0)
#define dmb_ish() fake_log_event(FAKE_DMB_ISH, NULL, 0)
#define wfi()     fake_wait(FAKE_WFI)
#define yield()   fake_wait(FAKE_WFE)
#define wfe()     fake_wait(FAKE_WFE)
#define clrex()   fake_log_event(FAKE_CLREX, NULL, 0)
#define sev()     fake_log_event(FAKE_SEV, NULL, 0)

static inline void fake_wait(uint32_t op)
{
	fake_log_event(op, NULL, 0);
	if (fake_machine.on_wait)
		fake_machine.on_wait();
}

#endif
