/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU models: what virt7 knows of cores, what it finds on this host, and which a VM gets. */
#include <string.h>

#include <arm/barrier.h>
#include <arm/cores.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "coproc/extra.h"
#include "coproc/model.h"
#include "hyp/lib/log.h"
#include "hyp/load/words.h"
#include "hyp/lib/option.h"
#include "hyp/vm/vm.h"
#include "psci/smccc.h"

#define MODEL_HOST "host"

/* ID_PFR0: State3 is ThumbEE, whose registers no guest has; RAS. ID_PFR1: Security, Virtualization. ID_DFR0.PerfMon. */
#define PFR0_THUMBEE (0xfU << 12)
#define PFR0_RAS     (0xfU << 28)
#define PFR1_HIDDEN  0xf0f0U
#define CLOCK_SPREAD 50U /* clocks closer than this share are one clock, measured twice */
#define DFR0_PMUV2   (2U << 24)

#define MODEL(model_name, model_part, model_harden, actlr) \
	{.name = model_name, .compatible = "arm," model_name, .part = model_part, .harden = model_harden},
static struct cpu_model models[] = {
#include "coproc/model.def"
};
#undef MODEL

/* For people. */
#define MODEL(model_name, ...) ", " model_name
static const char known[] = MODEL_HOST
#include "coproc/model.def"
	;

bool hstr_stays_zero;

/* What a CPU reports under the option cpu.fake: the registers of a Cortex-A7 r0p5, an A15 r2p1, a Cortex-A5. */
static const struct fake {
	uint32_t midr;
	struct cpu_ids ids;
} fakes[] = {
	[OPTION_FAKE_A7] = {.midr = 0x410fc075,
			    .ids = {.ctr = 0x84448003,
				    .clidr = 0x0a200023,
				    .id_pfr0 = 0x00001131,
				    .id_pfr1 = 0x00011011,
				    .id_dfr0 = 0x02010555,
				    .id_mmfr0 = 0x10101105,
				    .id_mmfr1 = 0x40000000,
				    .id_mmfr2 = 0x01240000,
				    .id_mmfr3 = 0x02102211,
				    .id_isar0 = 0x02101110,
				    .id_isar1 = 0x13112111,
				    .id_isar2 = 0x21232041,
				    .id_isar3 = 0x11112131,
				    .id_isar4 = 0x10011142,
				    .ccsidr = {0x700fe01a, 0x203fe009, 0x707fe03a},
				    .fpsid = 0x41023075,
				    .mvfr0 = 0x10110222,
				    .mvfr1 = 0x11111111}},
	[OPTION_FAKE_A15] = {.midr = 0x412fc0f1,
			     .ids = {.ctr = 0x8444c004,
				     .clidr = 0x0a200023,
				     .id_pfr0 = 0x00001131,
				     .id_pfr1 = 0x00011011,
				     .id_dfr0 = 0x02010555,
				     .id_mmfr0 = 0x10201105,
				     .id_mmfr1 = 0x20000000,
				     .id_mmfr2 = 0x01240000,
				     .id_mmfr3 = 0x02102211,
				     .id_isar0 = 0x02101110,
				     .id_isar1 = 0x13112111,
				     .id_isar2 = 0x21232041,
				     .id_isar3 = 0x11112131,
				     .id_isar4 = 0x10011142,
				     .ccsidr = {0x701fe00a, 0x201fe00a, 0x71ffe07a},
				     .fpsid = 0x410430f0,
				     .mvfr0 = 0x10110222,
				     .mvfr1 = 0x11111111}},
	[OPTION_FAKE_UNKNOWN] = {.midr = 0x410fc050},
};

/* Each level that CLIDR names, as data or unified (even) and as instruction cache (odd), B4.1.19, B4.1.22. */
static void read_caches(struct cpu_ids *ids)
{
	for (uint32_t level = 0; level < 7; level++) {
		uint32_t type = FIELD(ids->clidr, 3U * level, 3);

		for (uint32_t instruction = 0; instruction < 2; instruction++) {
			if (!(instruction ? type & 1U : type & 6U))
				continue;
			write_csselr(level << 1 | instruction);
			isb();
			ids->ccsidr[level << 1 | instruction] = read_ccsidr();
		}
	}
	write_csselr(0);
}

static void read_ids(struct cpu_ids *ids)
{
	*ids = (struct cpu_ids){
		.ctr = read_ctr(),
		.tcmtr = read_tcmtr(),
		.tlbtr = read_tlbtr(),
		.revidr = read_revidr(),
		.aidr = read_aidr(),
		.clidr = read_clidr(),
		.id_pfr0 = read_id_pfr0(),
		.id_pfr1 = read_id_pfr1(),
		.id_dfr0 = read_id_dfr0(),
		.id_afr0 = read_id_afr0(),
		.id_mmfr0 = read_id_mmfr0(),
		.id_mmfr1 = read_id_mmfr1(),
		.id_mmfr2 = read_id_mmfr2(),
		.id_mmfr3 = read_id_mmfr3(),
		.id_isar0 = read_id_isar0(),
		.id_isar1 = read_id_isar1(),
		.id_isar2 = read_id_isar2(),
		.id_isar3 = read_id_isar3(),
		.id_isar4 = read_id_isar4(),
		.id_isar5 = read_id_isar5(),
	};
	read_caches(ids);
	vfp_read_id(0, &ids->fpsid);
	vfp_read_id(7, &ids->mvfr0);
	vfp_read_id(6, &ids->mvfr1);
	if (FIELD(ids->id_mmfr0, 0, 4) > 5) /* an ARMv8 core */
		vfp_read_id(5, &ids->mvfr2);
}

/* No TrustZone, no HYP mode, no ThumbEE, no RAS, no debug for a guest; of performance monitors what is PMUv2. */
static void hide_features(struct cpu_ids *ids)
{
	uint32_t perfmon = FIELD(ids->id_dfr0, 24, 4);

	ids->id_pfr0 &= ~(PFR0_THUMBEE | PFR0_RAS);
	ids->id_pfr1 &= ~PFR1_HIDDEN;
	ids->id_dfr0 = perfmon != 0 && perfmon != 0xf ? DFR0_PMUV2 : 0;
}

static struct cpu_model *by_midr(uint32_t midr)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(models); i++)
		if (models[i].part == (midr & MIDR_PART_MASK))
			return &models[i];
	return NULL;
}

/* Clusters of one kind may have caches of different sizes; and a fake's are not in the hardware. */
static bool same_caches(const struct cpu_ids *a, const struct cpu_ids *b)
{
	return a->ctr == b->ctr && a->clidr == b->clidr && !memcmp(a->ccsidr, b->ccsidr, sizeof(a->ccsidr));
}

/*
 * virt7 reads the VFP's ID registers and moves D0-D15, and D16-D31 where there are such: UNDEFINED in HYP mode where
 * there are none, or where Secure software keeps them (NSACR, B4.1.111). CPACR tells both: access stays denied, D32DIS
 * stays set (B4.1.40). A vCPU may run on any of the CPUs, so all have as many as the first. ASEDIS stays set where
 * Secure software keeps Advanced SIMD (NSASEDIS); virt7 does without.
 */
static const char *open_vfp(void)
{
	static uint32_t registers;
	uint32_t mvfr0, mvfr1, own;
	bool simd;

	write_cpacr(CPACR_VFP);
	if ((read_cpacr() & CPACR_VFP) != CPACR_VFP)
		return "it has no VFP, or its firmware keeps it from the non-secure side (NSACR)";
	write_hcptr(HCPTR_OPEN);
	isb();
	vfp_read_id(7, &mvfr0);
	vfp_read_id(6, &mvfr1);
	own = FIELD(mvfr0, 0, 4);
	if (own == MVFR0_D32 && (read_cpacr() & CPACR_D32DIS))
		return "its firmware keeps the VFP's registers D16 to D31 from the non-secure side (NSACR)";
	if (registers != 0 && own != registers)
		return "its VFP has not as many registers as the boot CPU's";
	simd = MVFR1_A_SIMD_LS(mvfr1) != 0 && !(read_cpacr() & CPACR_ASEDIS);
	vfp_has_d32 = own == MVFR0_D32;
	vfp_has_simd = simd && (registers == 0 || vfp_has_simd);
	registers = own;
	return NULL;
}

const char *model_examine(struct percpu *cpu)
{
	uint32_t fake = options.cpu_fake >> (4U * cpu->head.id) & 0xfU;
	struct cpu_model *model;
	const char *unfit;
	struct cpu_ids own;

	if (fake)
		cpu->midr = fakes[fake].midr;
	model = by_midr(cpu->midr);
	if (!model)
		return "virt7 does not know this core";
	unfit = open_vfp();
	if (unfit)
		return unfit;
	read_ids(&own);
	if (model->cpus == 0) {
		model->ids = fake ? fakes[fake].ids : own;
		hide_features(&model->ids);
		model->midr = cpu->midr;
		model->harden_works = true;
	}
	model->extra |= extra_probe(own.id_pfr0 & PFR0_RAS, hstr_stays_zero && own.id_pfr0 & PFR0_THUMBEE);
	model->other_caches |= !same_caches(&own, &model->ids);
	if (!harden_init_cpu(cpu, model->harden))
		model->harden_works = false;
	model->cpus |= BIT(cpu->head.id);
	return NULL;
}

/* What the line about a kind of core says of its branch predictor. */
static const char *harden_note(const struct cpu_model *m, const struct percpu *first)
{
	const char *at_exit = harden_at_exit(first);

	if (at_exit && (m->harden_works || options.harden == OPTION_HARDEN_FORCE))
		return at_exit;
	if (m->harden == HARDEN_ICIALLU && !m->harden_works)
		return ", branch predictor stays as it is between VMs: the firmware leaves ACTLR.IBE clear";
	if (m->harden == HARDEN_UNKNOWN && options.harden == OPTION_HARDEN_EXIT)
		return ", harden=exit does nothing on it";
	return "";
}

/* Of one kind of cores. virt7 leaves the clock as the firmware did, which may be slow. */
static void log_clock(const struct cpu_model *m)
{
	uint32_t lowest = UINT32_MAX, highest = 0;

	for (uint32_t cpus = m->cpus; cpus; cpus &= cpus - 1) {
		uint32_t khz = percpu[__builtin_ctz(cpus)].clock_khz;

		lowest = MIN(lowest, khz);
		highest = MAX(highest, khz);
	}
	if (highest - lowest > highest / CLOCK_SPREAD)
		log_info("host: CPUs 0x%x: clock at %u to %u MHz by the cycle counters; it stays as the firmware left "
			 "it",
			 (unsigned)m->cpus, (unsigned)(lowest / 1000U), (unsigned)(highest / 1000U));
	else if (highest)
		log_info("host: CPUs 0x%x: clock at %u MHz by the cycle counters; it stays as the firmware left it",
			 (unsigned)m->cpus, (unsigned)((highest + 500U) / 1000U));
}

void model_log(void)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(models); i++) {
		const struct cpu_model *m = &models[i];
		const struct percpu *first;

		if (m->cpus == 0)
			continue;
		first = &percpu[__builtin_ctz(m->cpus)];
		log_info("host: CPUs 0x%x: %s (MIDR 0x%08x, HSTR 0x%05x)%s", (unsigned)m->cpus, m->name,
			 (unsigned)m->midr, (unsigned)first->hstr, harden_note(m, first));
		log_clock(m);
	}
}

/* The kind with the most CPUs in `affinity`; of equals that of the lowest CPU. */
static const struct cpu_model *best_of_host(uint32_t affinity)
{
	const struct cpu_model *best = NULL;
	int most = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(models); i++) {
		uint32_t cpus = models[i].cpus & affinity;
		int count = __builtin_popcount(cpus);

		if (count < most || count == 0)
			continue;
		if (best && count == most && __builtin_ctz(cpus) > __builtin_ctz(best->cpus & affinity))
			continue;
		most = count;
		best = &models[i];
	}
	return best;
}

static const struct cpu_model *by_name(const char *name)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(models); i++)
		if (!strcmp(models[i].name, name))
			return &models[i];
	return NULL;
}

const struct cpu_model *model_find(const struct vm_config *cfg)
{
	const char *name = cfg->cpu_model ? cfg->cpu_model : MODEL_HOST;
	uint32_t affinity = cfg->affinity ? cfg->affinity : ~0U;
	const struct cpu_model *model;

	if (!strcmp(name, MODEL_HOST))
		return best_of_host(affinity);
	model = by_name(name);
	if (model && (model->cpus & affinity))
		return model;
	if (!model)
		log_err("vm %s: " WORDS_CPU_MODEL, cfg->name, name, known, cfg->name);
	else if (model->cpus)
		log_err("vm %s: cpu-model \"%s\": cpu-affinity 0x%x names none of its CPUs, which are 0x%x; change one "
			"in /vms/%s",
			cfg->name, name, (unsigned)affinity, (unsigned)model->cpus, cfg->name);
	else
		log_err("vm %s: cpu-model \"%s\": this host has no CPU that can be one; change it in /vms/%s or leave "
			"it "
			"out",
			cfg->name, name, cfg->name);
	return NULL;
}

/*
 * In-order cores are not affected. On the others emptying the branch predictor answers both 1 and 3, where it works;
 * store bypass is not known to be an attack on any core virt7 can do something about.
 */
uint32_t model_workaround(const struct cpu_model *model, uint32_t id)
{
	if (model->harden == HARDEN_NONE)
		return SMCCC_NOT_REQUIRED;
	if (model->harden == HARDEN_UNKNOWN || id == SMCCC_ARCH_WORKAROUND_2)
		return PSCI_NOT_SUPPORTED;
	return model->harden_works ? SMCCC_SUCCESS : PSCI_NOT_SUPPORTED;
}

/* Only a host with several kinds of core leaves a question open. */
static bool is_mixed(void)
{
	uint32_t kinds = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(models); i++)
		kinds += models[i].cpus != 0;
	return kinds > 1;
}

void model_apply(struct vm *vm, const struct cpu_model *model)
{
	uint32_t affinity = vm->config.affinity ? vm->config.affinity : ~0U;
	struct vcpu *v;

	if (is_mixed())
		log_info("vm %s: %s, on CPUs 0x%x", vm->config.name, model->name, (unsigned)(model->cpus & affinity));
	vm->config.cpu_compatible = model->compatible;
	vm_for_each_vcpu(v, vm) {
		v->coproc.model = model;
		v->coproc.extra |= model->extra;
		v->model_cpus = model->cpus;
		v->vpidr = model->midr;
		if (model->other_caches)
			v->hcr |= HCR_TID2;
	}
}
