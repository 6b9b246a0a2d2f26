/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One CPU asks for a flush of all its memory by set/way without end (DDI 0406C B2.2.6, docs/setway.md); another
 * measures the longest time for which it does not run, and then switches the machine off in the middle. Both share one
 * physical CPU: the flush takes longer than a time slice, and must not hold it. "touch=N" is the number of MiB that are
 * touched.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"

#define SLICE_MS 10U
#define ROUNDS   12U /* flushes to have seen */

static volatile uint32_t flushes;
static uint32_t longest; /* ticks */

static void watch(void *arg)
{
	uint64_t last = read_cntvct();

	(void)arg;
	while (flushes < ROUNDS) {
		uint64_t now = read_cntvct();

		if (now - last > longest)
			longest = (uint32_t)(now - last);
		last = now;
	}
	report(longest > read_cntfrq() / 1000U * (SLICE_MS - 1U), "the CPU is shared");
	report(longest < read_cntfrq() / 1000U * (SLICE_MS + 2U), "and given up during a flush: at most %u us away",
	       (unsigned int)((uint64_t)longest * 1000000U / read_cntfrq()));
	guest_exit();
}

void guest_main(void)
{
	uint32_t mib = param("touch=", 16);

	for (uint32_t at = UINT32_C(0x41000000); at < UINT32_C(0x40000000) + MIB(mib); at += MIB(2))
		write32(at, at);
	mmu_short_init();
	mmu_short_on();
	smp_boot(1, watch, 0);
	for (;;) {
		MCR15(0, c7, c14, 2, 0); /* DCCISW */
		write_contextidr(0);     /* caches are on: this ends the state, and the next operation flushes again */
		flushes++;
	}
}
