/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secure side that virt7 installs where it was entered in secure state: what boot/monitor_main.c, pen.c and
 * monitor.S have in common, and HYP's view of it (boot/secure.c). Also read by assembly: plain numbers first.
 */
#ifndef BOOT_MONITOR_H
#define BOOT_MONITOR_H

#define MONITOR_ALIGN      128 /* no less than a cache line */
#define MONITOR_SLOT_SIZE  512
#define MONITOR_FIRST_SLOT MONITOR_ALIGN /* where it is in struct monitor_data */

#define MONITOR_SGI 15 /* Group 0 on a CPU that waits, and only there: wakes it */

#define MONITOR_ACTLR 0x83000001U /* r1: bits of ACTLR to set */
#define MONITOR_OPEN  0x83000000U /* an OEM service (DEN 0028): r1 GICD, r2 GICC (PA), r3 CNTFRQ in Hz or 0 */

#define MONITOR_POWER_WRITES 4

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/host/host.h"
#include "mm/layout.h"

/* What position-independent code reaches by its distance. */
#define MONITOR_NEAR __attribute__((visibility("hidden")))

enum monitor_state { /* as AFFINITY_INFO returns it (DEN 0022 5.7) */
		     MONITOR_ON,
		     MONITOR_OFF,
		     MONITOR_PENDING,
};

/* Of each CPU that HYP has ever asked for; at its end the stack on which the monitor's C runs. */
struct monitor_slot {
	uint32_t mpidr; /* MONITOR_FREE: the slot is free */
	uint32_t state;
	uint32_t entry, context; /* where it goes on in HYP, and r0 there */
	uint32_t stack[MONITOR_SLOT_SIZE / 4 - 4];
};

#define MONITOR_FREE 0xffffffffU

/* Written by the monitor alone, uncached, on cache lines of its own. */
struct monitor_data {
	uint32_t installed;
	uint32_t gicd, gicc; /* PA; 0 until MONITOR_OPEN */
	uint32_t cntfrq;
	struct monitor_slot slot[CPU_MAX] __attribute__((aligned(MONITOR_ALIGN)));
};

extern volatile struct monitor_data monitor_data MONITOR_NEAR;

/* The slot of the CPU with these affinity fields. NULL: it has none. */
static inline __attribute__((always_inline)) volatile struct monitor_slot *monitor_find_slot(uint32_t mpidr)
{
	for (volatile struct monitor_slot *slot = monitor_data.slot; slot < monitor_data.slot + CPU_MAX; slot++)
		if (slot->mpidr == mpidr)
			return slot;
	return NULL;
}

/* Writes that switch the machine off, and restart it. Read by the monitor, uncached: cleaned after each change. */
struct monitor_write {
	uint32_t address, value;
};
struct monitor_power {
	struct monitor_write off[MONITOR_POWER_WRITES]; /* up to an address of 0, as the last one's */
	struct monitor_write reset[MONITOR_POWER_WRITES];
};
extern struct monitor_power monitor_power MONITOR_NEAR;

/*
 * Called by boot/monitor.S, in Monitor mode on the slot's stack. The first two return r0 of the CPU in HYP mode, and in
 * the upper word, which is r1, where it goes on there.
 */
uint64_t monitor_begin(uint32_t entry);                                       /* the boot CPU; its slot is the first */
uint64_t monitor_release(volatile struct monitor_slot *slot);                 /* one that leaves the pen */
uint32_t monitor_call(uint32_t function, uint32_t a, uint32_t b, uint32_t c); /* an SMC; returns r0 */

/* The pen of CPUs that are off (boot/pen.c). Needs no stack. Returns the CPU's slot when it is to leave. */
volatile struct monitor_slot *monitor_pen(void);

/* Of boot/monitor.S: into the pen, and from there to HYP by monitor_release(). */
void monitor_sleep(void) __attribute__((noreturn)) MONITOR_NEAR;
extern char monitor_vectors[] MONITOR_NEAR, early_vectors[] MONITOR_NEAR;

/*
 * virt7's own monitor is the host's PSCI from here on: enter its calls into `host`, and tell it how this board is
 * switched off and restarted where only the secure side can do that.
 */
void monitor_init(struct host *host);

/* Give GIC and timer to the non-secure side. Boot CPU, once, before any use of the GIC. */
void monitor_open(const struct host *host);

/* Set bits of this CPU's ACTLR, which the non-secure side cannot. */
void monitor_set_actlr(uint32_t bits);
#endif

#endif
