/* SPDX-License-Identifier: BSD-2-Clause */
/* See errata.h. */
#include <stdbool.h>

#include <arm/barrier.h>
#include <arm/cores.h>
#include <arm/sysreg.h>

#include "coproc/errata.h"
#include "hyp/lib/log.h"
#include "hyp/exit/mmio.h"
#include "hyp/lib/option.h"
#include "hyp/run/percpu.h"
#include "hyp/vm/vm.h"
#include "mm/tlb.h"

#define ANY_CORE 0U

#define REVISION(variant, revision) ((variant) << 4 | (revision))
#define MIDR_REVISION(midr)         (FIELD(midr, 20, 4) << 4 | FIELD(midr, 0, 4))

/* Rows of one erratum stand together. */
static const struct row {
	uint32_t erratum;     /* enum option_erratum */
	uint32_t part;        /* MIDR without variant and revision */
	uint32_t first, last; /* REVISION() */
	uint32_t fixed;       /* REVIDR: with any of these bits this CPU does not have it */
	uint32_t force_on;    /* part that the option may force it on, or ANY_CORE */
} rows[] = {
	{.erratum = ERRATUM_766422,
	 .part = MIDR_CORTEX_A15,
	 .first = REVISION(0U, 4U),
	 .last = REVISION(0U, 4U),
	 .force_on = ANY_CORE},
	{.erratum = ERRATUM_773022,
	 .part = MIDR_CORTEX_A15,
	 .first = REVISION(0U, 0U),
	 .last = REVISION(0U, 4U),
	 .force_on = MIDR_CORTEX_A15},
	{.erratum = ERRATUM_798181,
	 .part = MIDR_CORTEX_A15,
	 .first = REVISION(0U, 0U),
	 .last = REVISION(2U, 3U),
	 .force_on = ANY_CORE},
	{.erratum = ERRATUM_798181,
	 .part = MIDR_CORTEX_A15,
	 .first = REVISION(2U, 4U),
	 .last = REVISION(3U, 3U),
	 .fixed = BIT(9),
	 .force_on = ANY_CORE},
};

static uint32_t affected[ERRATUM_COUNT]; /* masks of CPUs */
static uint32_t loop_buffer_on;          /* CPUs of 773022 where nothing helped */

/* A bus without devices; the boot CPU makes it, and from then on it is only read. */
static struct mmio_bus empty_bus;

static bool erratum_matches(const struct row *row, uint32_t midr, uint32_t revidr)
{
	uint32_t revision = MIDR_REVISION(midr);

	return (midr & MIDR_PART_MASK) == row->part && revision >= row->first && revision <= row->last &&
	       !(revidr & row->fixed);
}

static bool is_forced(const struct row *row, uint32_t midr, uint32_t forced)
{
	return forced & BIT(row->erratum) && (row->force_on == ANY_CORE || row->force_on == (midr & MIDR_PART_MASK));
}

uint32_t errata_of(uint32_t midr, uint32_t revidr, uint32_t forced)
{
	uint32_t errata = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (erratum_matches(&rows[i], midr, revidr) || is_forced(&rows[i], midr, forced))
			errata |= BIT(rows[i].erratum);
	return errata;
}

/* The non-secure side can write it only where the firmware lets it; a try costs nothing. */
static bool disable_loop_buffer(void (*set_actlr)(uint32_t bits))
{
	if (set_actlr)
		set_actlr(ACTLR_NO_LOOP_BUFFER);
	if (!(read_actlr() & ACTLR_NO_LOOP_BUFFER))
		write_actlr(read_actlr() | ACTLR_NO_LOOP_BUFFER);
	isb();
	return read_actlr() & ACTLR_NO_LOOP_BUFFER;
}

/* The registers are read anew: cpu->midr may be what the option cpu.fake says. */
void errata_init_cpu(const struct percpu *cpu, void (*set_actlr)(uint32_t bits))
{
	uint32_t errata = errata_of(read_midr(), read_revidr(), options.errata), me = BIT(cpu->head.id);

	if (cpu->head.id == 0)
		mmio_init(&empty_bus);
	if (errata & BIT(ERRATUM_798181))
		tlb_repeat = true;
	if (errata & BIT(ERRATUM_773022) && !disable_loop_buffer(set_actlr)) {
		loop_buffer_on |= me;
		errata &= ~BIT(ERRATUM_773022);
	}
	for (uint32_t i = 0; i < ERRATUM_COUNT; i++)
		affected[i] |= errata & BIT(i) ? me : 0;
}

void errata_log(void)
{
	for (uint32_t i = 0; i < ERRATUM_COUNT; i++)
		if (affected[i])
			log_info("host: erratum %u is worked around on CPUs 0x%x", (unsigned)option_erratum[i],
				 (unsigned)affected[i]);
	if (loop_buffer_on)
		log_warn("host: erratum 773022: CPUs 0x%x keep their loop buffer: only firmware can set ACTLR[1]",
			 (unsigned)loop_buffer_on);
}

/*
 * 766422: HSR.SRT of a Thumb store may be another register. Such stores are decoded (hyp/exit/abort.c), and for that no
 * access may take the fast way: these vCPUs have a bus there without devices.
 */
void errata_apply(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu(v, vm)
		if (affected[ERRATUM_766422] & v->model_cpus) {
			v->bus = &empty_bus;
			v->decode_stores = true;
		}
}
