/* SPDX-License-Identifier: BSD-2-Clause */
/* See extra.h: which of these registers does this CPU have? */
#include <assert.h>

#include <arm/barrier.h>

#include "coproc/extra.h"
#include "coproc/pmu.h"
#include "mm/layout.h"

/* FCSEIDR.PID, B4.1.58: what is added to addresses below FCSE_END. */
#define FCSEIDR_PID (0x7fU << 25)
#define FCSE_END    0x02000000U

static_assert(LAYOUT_BUNDLE >= FCSE_END, "a guest's FCSEIDR moves none of HYP's addresses");

/* The registers that have a row. */
#define PASS                                0U
#define CORE                                0U
#define UNDEF                               0U
#define RAZ                                 0U
#define WI                                  0U
#define RAZ_CORE                            0U
#define WI_CORE                             0U
#define HW(function)                        0U
#define EM(function)                        0U
#define MODEL(function)                     0U
#define EM_CORE(function)                   0U
#define EXTRA(name)                         EXTRA_##name
#define CP15(crn, op1, crm, op2, n, r, ...) | (r)
#define CP15_64(op1, crm, n, r, ...)        | (r)
#define CP14(crn, op1, crm, op2, n, r, ...) | (r)
#define CP14_64(op1, crm, n, r, ...)        | (r)

static const uint32_t extra_rows = 0U
#include "coproc/registers.def"
	;

static bool has_fcse(void)
{
	bool held;

	write_fcseidr(FCSEIDR_PID);
	isb();
	held = read_fcseidr() != 0;
	write_fcseidr(0);
	isb();
	return held;
}

uint32_t extra_probe(bool ras, bool thumbee)
{
	uint32_t found = has_fcse() ? EXTRA_fcseidr : 0;

	if (ras) {
		found |= EXTRA_disr;
		write_vdisr(0);
		write_vdfsr(0); /* what a virtual abort says of its kind */
	}
	found &= extra_rows;
	if (thumbee) {
		found |= EXTRA_THUMBEE;
		write_teecr(0);
		write_teehbr(0);
	}
	return found;
}

void extra_save_rare(struct vcpu *vcpu)
{
	if (vcpu->coproc.extra & EXTRA_disr)
		vcpu->ctx.disr = read_vdisr();
	if (vcpu->coproc.extra & EXTRA_THUMBEE) {
		vcpu->ctx.teecr = read_teecr();
		vcpu->ctx.teehbr = read_teehbr();
	}
	if (vcpu->coproc.extra & EXTRA_PMU)
		pmu_save(vcpu);
}

void extra_load_rare(struct vcpu *vcpu)
{
	if (vcpu->coproc.extra & EXTRA_disr)
		write_vdisr(vcpu->ctx.disr);
	if (vcpu->coproc.extra & EXTRA_THUMBEE) {
		write_teecr(vcpu->ctx.teecr);
		write_teehbr(vcpu->ctx.teehbr);
	}
	if (vcpu->coproc.extra & EXTRA_PMU)
		pmu_load(vcpu);
}
