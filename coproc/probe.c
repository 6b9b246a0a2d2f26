/* SPDX-License-Identifier: BSD-2-Clause */
/* See probe.h. The instructions are in coproc/probe-insn.S. */
#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "coproc/probe.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/addr.h"

#define PROBED (HCR_TID1 | HCR_TID3 | HCR_TIDCP)

extern const char probe_vectors_pl1[], probe_id_pfr0[], probe_tlbtr[], probe_l2ctlr[];

/* Run the instruction at physical address `at` at PL1, MMU off, and an HVC behind it. Returns the syndrome of what came
 * first: the instruction's trap, the HVC, or an HVC from probe_vectors_pl1, where an UNDEFINED one ends. */
uint32_t probe_run(uint32_t at);

static const struct {
	const char *instruction;
	uint32_t hstr;
} probes[] = {
	{probe_id_pfr0, HSTR_T(0)},
	{probe_tlbtr, HSTR_T(0)},
	{probe_l2ctlr, HSTR_T(9)},
};

static uint32_t physical_address(const char *va)
{
	write_ats1hr((uint32_t)(uintptr_t)va);
	isb();
	return ((uint32_t)read_par_64() & ~(PAGE_SIZE - 1U)) | ((uint32_t)(uintptr_t)va & (PAGE_SIZE - 1U));
}

/* An HVC with 0: the instruction was executed, so that its trap is missing. UNDEFINED needs none. */
static bool was_executed(uint32_t hsr)
{
	return HSR_EC(hsr) == EC_HVC && (hsr & 0xffffU) == 0;
}

uint32_t probe_hstr(void)
{
	uint32_t hstr = HSTR_T(15); /* TIDCP is for c9 to c11: c15 has no other trap (B1.14) */

	write_hstr(0);
	write_hcr(PROBED);
	write_sctlr(SCTLR_RESET);
	write_vbar(physical_address(probe_vectors_pl1));
	isb();
	for (uint32_t i = 0; i < ARRAY_SIZE(probes); i++)
		if (was_executed(probe_run(physical_address(probes[i].instruction))))
			hstr |= probes[i].hstr;
	write_hcr(0);
	write_vbar(0);
	isb();
	return hstr;
}
