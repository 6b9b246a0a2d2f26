/* SPDX-License-Identifier: BSD-2-Clause */
/* See harden.h. The vectors are in hyp/exit/vectors.S. */
#include <arm/barrier.h>
#include <arm/cores.h>
#include <arm/sysreg.h>

#include "coproc/harden.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/option.h"
#include "hyp/run/percpu.h"

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

/* Where it does not help on this core, `force` asks for it nevertheless. */
static enum harden_kind choose_at_exit(enum harden_kind kind, bool works)
{
	if (options.harden != OPTION_HARDEN_FORCE && (!works || options.harden != OPTION_HARDEN_EXIT))
		return HARDEN_NONE;
	return kind == HARDEN_ICIALLU ? HARDEN_ICIALLU : HARDEN_BPIALL;
}

bool harden_init_cpu(struct percpu *cpu, enum harden_kind kind)
{
	bool works = harden_works(kind);

	if (works)
		cpu->harden = kind == HARDEN_ICIALLU ? harden_iciallu : harden_bpiall;
	cpu->at_exit = choose_at_exit(kind, works);
	return works;
}

const char *harden_at_exit(const struct percpu *cpu)
{
	if (cpu->at_exit == HARDEN_BPIALL)
		return ", BPIALL at each exit";
	if (cpu->at_exit == HARDEN_ICIALLU)
		return ", ICIALLU at each exit";
	return NULL;
}
