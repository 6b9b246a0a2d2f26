/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU models. A host's CPUs are of one or more kinds of core; a VM has the model of one kind, its vCPUs run on CPUs of
 * that kind only, and all of them see the same identification registers.
 */
#ifndef COPROC_MODEL_H
#define COPROC_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "coproc/harden.h"

struct percpu;
struct vm;
struct vm_config;

/* What a guest reads, with what virt7 does not offer taken out (DDI 0406C B3.18.1). */
struct cpu_ids {
	uint32_t ctr, tcmtr, tlbtr, revidr, aidr, clidr;
	uint32_t id_pfr0, id_pfr1, id_dfr0, id_afr0;
	uint32_t id_mmfr0, id_mmfr1, id_mmfr2, id_mmfr3;
	uint32_t id_isar0, id_isar1, id_isar2, id_isar3, id_isar4, id_isar5;
	uint32_t ccsidr[16]; /* by CSSELR */
	uint32_t fpsid, mvfr0, mvfr1, mvfr2;
};

struct cpu_model {
	const char *name;       /* as a VM's cpu-model says it */
	const char *compatible; /* as the device tree says it */
	uint32_t part;          /* MIDR without variant and revision */
	enum harden_kind harden;

	/* found at boot */
	uint32_t extra;    /* EXTRA_ bits of any of them (coproc/extra.h) */
	uint32_t cpus;     /* mask of the physical CPUs that are one, and fit */
	bool harden_works; /* on all of them */
	uint32_t midr;     /* of the first; guests see that one's registers on all */
	struct cpu_ids ids;
	bool other_caches; /* CTR, CLIDR or CCSIDR differ on some of its CPUs: they trap (HCR.TID2) */
};

/*
 * By the operator's wish (coproc.hstr=0, docs/boot.md), on an emulator only; set before the first CPU examines itself.
 * Of what HSTR keeps from guests nothing can be changed there but ThumbEE's registers, which the world switch moves
 * then (coproc/extra.h).
 */
extern bool hstr_stays_zero;

/* This CPU, as it arrives: find its kind and read its registers. NULL, or why virt7 cannot use it. */
const char *model_examine(struct percpu *cpu);

/* One line for each kind of core that the host has. */
void model_log(void);

/* The model that `cfg` asks for; NULL after one logged line: no CPU can run it. "host": what most of its CPUs are. */
const struct cpu_model *model_find(const struct vm_config *cfg);

/* What SMCCC_ARCH_FEATURES answers about an SMCCC_ARCH_WORKAROUND (DEN 0070A): 0, 1 (not required), -1. */
uint32_t model_workaround(const struct cpu_model *model, uint32_t id);

/* Make all vCPUs of a new VM this model. */
void model_apply(struct vm *vm, const struct cpu_model *model);

#endif
