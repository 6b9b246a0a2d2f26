/* SPDX-License-Identifier: BSD-2-Clause */
/* Generic timer (DDI 0406C B8), both timers by one interface. */
#ifndef GUEST_TIMER_H
#define GUEST_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include "tests/guests/lib/cp15.h"

#define TIMER_ENABLE  1U
#define TIMER_IMASK   2U
#define TIMER_ISTATUS 4U

struct timer {
	const char *name;
	uint32_t irq;
	uint64_t (*count)(void);
	uint32_t (*ctl)(void);
	void (*set_ctl)(uint32_t ctl);
	uint32_t (*tval)(void);
	void (*set_tval)(uint32_t tval);
	uint64_t (*cval)(void);
	void (*set_cval)(uint64_t cval);
};

extern const struct timer timer_virt, timer_phys;

static inline uint64_t timer_ticks(uint32_t microseconds)
{
	return (uint64_t)read_cntfrq() * microseconds / 1000000U;
}

/* Spin on the virtual counter. */
void timer_delay(uint32_t microseconds);
/* Spin until *flag is not 0; false when that took longer. */
bool timer_wait_for(const volatile uint32_t *flag, uint32_t microseconds);

#endif
