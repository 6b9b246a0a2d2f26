/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that a guest can write on some cores only, and that nothing traps at a price a guest would pay: the world
 * switch moves each where a look at boot has found it. The rows of coproc/registers.def that say EXTRA(name) are
 * theirs.
 *
 * FCSEIDR moves every address below 32 MiB (DDI 0406C B4.1.58). Cortex-A7 and A15 have it RAZ/WI, as everything with
 * the Multiprocessing Extensions; QEMU's work. HSTR.T13 would trap it together with what an operating system writes at
 * each change of its process. On QEMU it moves HYP's addresses too, of which none is below 32 MiB (mm/layout.h).
 *
 * DISR is of ARMv8's RAS Extension: the record of an error that an ESB instruction has held back. A guest's accesses go
 * to VDISR where HCR.AMO is set (DDI 0487 G8, G8.2.47), and a CPU has one of those.
 *
 * TEECR and TEEHBR (DDI 0406C A2.10) trap by HSTR.TTEE, unless HSTR is to stay 0 (coproc/model.h).
 */
#ifndef COPROC_EXTRA_H
#define COPROC_EXTRA_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/sysreg.h>

#include "hyp/lib/bits.h"
#include "hyp/vm/vcpu.h"

/* Bits of vcpu->coproc.extra: what there is to move besides struct vcpu_context's registers of every core. */
#define EXTRA_fcseidr BIT(0)
#define EXTRA_disr    BIT(1)
#define EXTRA_PMU     BIT(2) /* the vCPU has used its performance monitors since its reset (coproc/pmu.c) */
#define EXTRA_THUMBEE BIT(3) /* TEECR and TEEHBR, where HSTR.TTEE is clear (coproc/model.h) */

/*
 * This CPU's EXTRA_ bits, of registers that are left as at reset. `ras`: ID_PFR0 shows the RAS Extension; `thumbee`:
 * and ThumbEE, which nothing traps.
 */
uint32_t extra_probe(bool ras, bool thumbee);

/* All but FCSEIDR. */
void extra_save_rare(struct vcpu *vcpu);
void extra_load_rare(struct vcpu *vcpu);

/*
 * hyp/vm/switch.c's, where there is an EXTRA_ bit. FCSEIDR is inline: where it works it is on the way of every switch.
 */
static inline void extra_save(struct vcpu *vcpu)
{
	if (vcpu->coproc.extra & EXTRA_fcseidr)
		vcpu->ctx.fcseidr = read_fcseidr();
	if (unlikely(vcpu->coproc.extra & ~EXTRA_fcseidr))
		extra_save_rare(vcpu);
}

static inline void extra_load(struct vcpu *vcpu)
{
	if (vcpu->coproc.extra & EXTRA_fcseidr)
		write_fcseidr(vcpu->ctx.fcseidr);
	if (unlikely(vcpu->coproc.extra & ~EXTRA_fcseidr))
		extra_load_rare(vcpu);
}

#endif
