/* The end of TLB maintenance that is broadcast. */
#ifndef MM_TLB_H
#define MM_TLB_H

#include <stdbool.h>

#include <arm/barrier.h>
#include <arm/sysreg.h>

#include "hyp/lib/bits.h"

/*
 * Cortex-A15 erratum 798181 (docs/errata.md): the DSB may end before another CPU has done the maintenance; one more
 * operation behind it, of any address, makes it wait. Set before a VM runs.
 */
extern bool tlb_repeat;

/* Behind a broadcast operation: all CPUs have done it. */
static inline void tlb_complete(void)
{
	dsb_ish();
	if (unlikely(tlb_repeat)) {
		write_tlbimvais(0);
		dsb_ish();
	}
}

#endif
