/* SPDX-License-Identifier: BSD-2-Clause */
/* See hvbar.h. Until here HVBAR is as boot/entry.c has set it: hyp_vectors. */
#include <arm/barrier.h>
#include <arm/sysreg.h>

#include "coproc/harden.h"
#include "hyp/exit/hvbar.h"
#include "hyp/run/percpu.h"

extern const uint32_t hyp_vectors[], hyp_vectors_traced[];
extern const uint32_t hyp_vectors_bpiall[], hyp_vectors_bpiall_traced[];
extern const uint32_t hyp_vectors_iciallu[], hyp_vectors_iciallu_traced[];

static const uint32_t *const tables[][2] = {
	[HARDEN_NONE] = {hyp_vectors, hyp_vectors_traced},
	[HARDEN_BPIALL] = {hyp_vectors_bpiall, hyp_vectors_bpiall_traced},
	[HARDEN_ICIALLU] = {hyp_vectors_iciallu, hyp_vectors_iciallu_traced},
};

void hvbar_init_cpu(struct percpu *cpu)
{
	cpu->vectors = tables[cpu->at_exit][0];
	cpu->vectors_traced = tables[cpu->at_exit][1];
	write_hvbar((uint32_t)(uintptr_t)cpu->vectors);
	isb();
}
