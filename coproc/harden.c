/* SPDX-License-Identifier: BSD-2-Clause */
/* See harden.h. The vectors are in hyp/arm/vectors.S. */
#include <arm/barrier.h>
#include <arm/sysreg.h>

#include "coproc/harden.h"
#include "hyp/lib/bits.h"
#include "hyp/run/option.h"
#include "hyp/run/percpu.h"

#define ACTLR_IBE BIT(0) /* Cortex-A15: ICIALLU empties the branch target buffer too */

extern const uint32_t hyp_vectors[], hyp_vectors_traced[];
extern const uint32_t hyp_vectors_bpiall[], hyp_vectors_bpiall_traced[];
extern const uint32_t hyp_vectors_iciallu[], hyp_vectors_iciallu_traced[];

/* Only Secure software can set IBE; a try costs nothing. */
static bool harden_works(enum harden_kind kind)
{
	if (kind != HARDEN_ICIALLU)
		return kind == HARDEN_BPIALL;
	if (!(read_actlr() & ACTLR_IBE))
		write_actlr(read_actlr() | ACTLR_IBE);
	return read_actlr() & ACTLR_IBE;
}

static void harden_bpiall(void)
{
	write_bpiall(0);
	isb();
}

static void harden_iciallu(void)
{
	write_iciallu(0);
	isb();
}

static void choose_vectors(struct percpu *cpu, enum harden_kind kind, bool at_exit)
{
	cpu->vectors = hyp_vectors;
	cpu->vectors_traced = hyp_vectors_traced;
	if (!at_exit)
		return;
	cpu->vectors = kind == HARDEN_ICIALLU ? hyp_vectors_iciallu : hyp_vectors_bpiall;
	cpu->vectors_traced = kind == HARDEN_ICIALLU ? hyp_vectors_iciallu_traced : hyp_vectors_bpiall_traced;
	write_hvbar((uint32_t)(uintptr_t)cpu->vectors);
	isb();
}

bool harden_init_cpu(struct percpu *cpu, enum harden_kind kind)
{
	bool works = harden_works(kind);

	if (works)
		cpu->harden = kind == HARDEN_ICIALLU ? harden_iciallu : harden_bpiall;
	choose_vectors(cpu, kind,
		       options.harden == OPTION_HARDEN_FORCE || (works && options.harden == OPTION_HARDEN_EXIT));
	return works;
}

const char *harden_at_exit(const struct percpu *cpu)
{
	if (cpu->vectors == hyp_vectors_bpiall)
		return ", BPIALL at each exit";
	if (cpu->vectors == hyp_vectors_iciallu)
		return ", ICIALLU at each exit";
	return NULL;
}
