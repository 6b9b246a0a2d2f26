/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errata of cores for which virt7 does something, by MIDR and REVIDR or because the option errata asks for it.
 * docs/errata.md has what they are, and those for which nothing has to be done here.
 */
#ifndef COPROC_ERRATA_H
#define COPROC_ERRATA_H

#include <stdint.h>

struct percpu;
struct vm;

/* The errata of a core, as a mask of enum option_erratum; and those of them that are asked for, whatever its revision.
 */
uint32_t errata_of(uint32_t midr, uint32_t revidr, uint32_t forced);

/*
 * This CPU, as it comes up, the boot CPU first. `set_actlr` sets bits of ACTLR from Secure state; NULL: virt7 has no
 * say there.
 */
void errata_init_cpu(const struct percpu *cpu, void (*set_actlr)(uint32_t bits));

/* A line for each erratum that is worked around, or cannot be. All CPUs are up. */
void errata_log(void);

/* A new VM that has its model. */
void errata_apply(struct vm *vm);

#endif
