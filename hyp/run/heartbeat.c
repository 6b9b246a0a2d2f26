/* SPDX-License-Identifier: BSD-2-Clause */
/* See heartbeat.h. */
#include <stdbool.h>

#include "hyp/host/hostdog.h"
#include "hyp/lib/cpu.h"
#include "hyp/run/heartbeat.h"
#include "hyp/run/percpu.h"
#include "hyp/run/timer.h"

#define BEATS_HZ 4U

static struct timer beat[CPU_MAX];
static uint32_t beats[CPU_MAX]; /* written by each CPU, read by the boot CPU */
static uint32_t seen[CPU_MAX];  /* the boot CPU's */

/* Has each CPU been heard of since this was true last? */
static bool all_beat(void)
{
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (percpu[i].online && __atomic_load_n(&beats[i], __ATOMIC_RELAXED) == seen[i])
			return false;
	for (uint32_t i = 0; i < CPU_MAX; i++)
		seen[i] = __atomic_load_n(&beats[i], __ATOMIC_RELAXED);
	return true;
}

static void beat_expired(struct timer *timer)
{
	uint32_t cpu = cpu_id();

	timer_arm(timer, timer_now() + timer_hz() / BEATS_HZ);
	__atomic_store_n(&beats[cpu], beats[cpu] + 1U, __ATOMIC_RELAXED);
	if (cpu == 0 && all_beat())
		hostdog_pet();
}

void heartbeat_init_cpu(void)
{
	struct timer *mine = &beat[cpu_id()];

	if (!hostdog_is_on())
		return;
	mine->expired = beat_expired;
	timer_arm(mine, timer_now() + timer_hz() / BEATS_HZ);
}
