/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU models: which kind a CPU is, what of its registers guests see, which model a VM gets and with which words it is
 * refused. The tests share one host, which the first one fills: two Cortex-A15, a Cortex-A7 and an unknown core.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/hypregs.h>
#include <arm/sysreg.h>
#include <arm/vfp.h>

#include "coproc/extra.h"
#include "coproc/model.h"
#include "hyp/exit/hvbar.h"
#include "coproc/pmu.h"
#include "fake_log.h"
#include "hyp/lib/option.h"
#include "hyp/vm/vm.h"
#include "psci/smccc.h"

#define A15 0x412fc0f1U
#define A7  0x410fc075U
#define A17 0x411fc0e1U
#define A57 0x410fd070U

struct options options;
struct percpu percpu[CPU_MAX];
extern const uint32_t hyp_vectors[], hyp_vectors_traced[], hyp_vectors_bpiall[], hyp_vectors_bpiall_traced[],
	hyp_vectors_iciallu[], hyp_vectors_iciallu_traced[];
const uint32_t hyp_vectors[1], hyp_vectors_traced[1], hyp_vectors_bpiall[1], hyp_vectors_bpiall_traced[1],
	hyp_vectors_iciallu[1], hyp_vectors_iciallu_traced[1];

static uint32_t mvfr0 = 0x10110222, mvfr1 = 0x11111111;
static uint32_t vfp_reads;
bool vfp_has_d32 = true, vfp_has_simd;

bool vfp_read_id(uint32_t number, uint32_t *value)
{
	vfp_reads++;
	*value = number == 7 ? mvfr0 : number == 6 ? mvfr1 : 0x1000U + number;
	return true;
}

static uint64_t ccsidr_by_csselr(uint32_t reg)
{
	(void)reg;
	return 0x500U + read_csselr();
}

void pmu_save(struct vcpu *vcpu)
{
	(void)vcpu;
}

void pmu_load(struct vcpu *vcpu)
{
	(void)vcpu;
}

static void ignore_write(uint32_t reg, uint64_t value)
{
	(void)reg, (void)value;
}

static int setup(void **state)
{
	(void)state;
	fake_log_reset();
	return 0;
}

static const char *arrive(uint32_t id, uint32_t midr)
{
	percpu[id].head.id = id;
	percpu[id].midr = midr;
	return model_examine(&percpu[id]);
}

static const struct cpu_model *find(const char *name, uint32_t affinity)
{
	struct vm_config cfg = {.name = "a", .cpu_model = name, .affinity = affinity};

	return model_find(&cfg);
}

static void test_examine(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_ctr] = 0x8444c004;
	fake_machine.reg[SYSREG_revidr] = 7;
	fake_machine.reg[SYSREG_id_pfr0] = 0x00001131;
	fake_machine.reg[SYSREG_id_pfr1] = 0x00011011;
	fake_machine.reg[SYSREG_id_dfr0] = 0x02010555;
	fake_machine.reg[SYSREG_id_mmfr0] = 0x10201105;
	fake_machine.reg[SYSREG_clidr] = 0x0a200023; /* L1 instruction and data, L2 unified */
	fake_machine.on_read[SYSREG_ccsidr] = ccsidr_by_csselr;
	fake_machine.reg[SYSREG_actlr] = 0x41;                /* IBE and SMP */
	fake_machine.on_write[SYSREG_fcseidr] = ignore_write; /* RAZ/WI */
	assert_null(arrive(0, A15));
	fake_machine.reg[SYSREG_revidr] = 8;
	assert_null(arrive(1, A15 + 0x100000)); /* another variant: the same kind */
	assert_null(arrive(2, A7));
	assert_string_equal(arrive(3, 0x410fc050), "virt7 does not know this core");
}

static void test_what_guests_see(void **state)
{
	const struct cpu_model *m = find("cortex-a15", 0);

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->cpus, 0x3);
	assert_int_equal(m->midr, A15); /* the first one's, on all */
	assert_int_equal(m->ids.revidr, 7);
	assert_int_equal(m->ids.ctr, 0x8444c004);
	assert_int_equal(m->ids.id_pfr0, 0x00000131); /* no ThumbEE */
	assert_int_equal(m->ids.id_pfr1, 0x00010001); /* the timer stays; no Security, no Virtualization Extensions */
	assert_int_equal(m->ids.id_dfr0, 0x02000000); /* PMUv2, no debug */
	assert_int_equal(m->ids.ccsidr[0], 0x500);
	assert_int_equal(m->ids.ccsidr[1], 0x501);
	assert_int_equal(m->ids.ccsidr[2], 0x502);
	assert_int_equal(m->ids.ccsidr[3], 0); /* L2 is not split, and there is no L3 */
	assert_int_equal(m->ids.ccsidr[4], 0);
	assert_int_equal(read_csselr(), 0);
	assert_int_equal(m->ids.fpsid, 0x1000);
	assert_int_equal(m->ids.mvfr0, 0x10110222);
	assert_int_equal(m->ids.mvfr1, 0x11111111);
	assert_int_equal(m->ids.mvfr2, 0); /* not an ARMv8 core */
}

static void test_find(void **state)
{
	(void)state;
	assert_int_equal(find(NULL, 0)->midr, A15);
	assert_int_equal(find("host", ~0U)->midr, A15);
	assert_int_equal(find("host", 0x4)->midr, A7);
	assert_int_equal(find("host", 0x6)->midr, A15); /* one each: the lowest CPU's */
	assert_int_equal(find("cortex-a7", ~0U)->cpus, 0x4);
	assert_int_equal(fake_log_count(LOG_ERR), 0);
}

static void test_refused(void **state)
{
	(void)state;
	assert_null(find("cortex-a17", ~0U));
	fake_log_expect_error(
		"vm a: cpu-model \"cortex-a17\": this host has no CPU that can be one; change it in /vms/a or "
		"leave it out");
	fake_log_reset();
	assert_null(find("pentium", ~0U));
	fake_log_expect_error(
		"vm a: cpu-model \"pentium\": not one of host, cortex-a7, cortex-a12, cortex-a15, cortex-a17, "
		"cortex-a57; change it in /vms/a or leave it out");
	fake_log_reset();
	assert_null(find("cortex-a7", 0x3));
	fake_log_expect_error(
		"vm a: cpu-model \"cortex-a7\": cpu-affinity 0x3 names none of its CPUs, which are 0x4; change "
		"one in /vms/a");
}

static void test_apply(void **state)
{
	static struct vm vm;
	static struct vcpu vcpus[2];

	(void)state;
	vm.vcpu_count = 2;
	for (uint32_t i = 0; i < 2; i++)
		vm.vcpu[i] = &vcpus[i];
	model_apply(&vm, find("cortex-a7", 0));
	assert_string_equal(vm.config.cpu_compatible, "arm,cortex-a7");
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(vcpus[i].vpidr, A7);
		assert_int_equal(vcpus[i].model_cpus, 0x4);
		assert_ptr_equal(vcpus[i].coproc.model, find("cortex-a7", 0));
	}
}

/* ICIALLU on the A15 as its ACTLR.IBE is set, nothing on the A7; and what SMCCC says of it. */
static void test_harden(void **state)
{
	(void)state;
	assert_non_null(percpu[0].harden);
	assert_non_null(percpu[1].harden);
	assert_null(percpu[2].harden);
	fake_machine.events = 0;
	percpu[0].harden();
	assert_int_equal(fake_machine.event[0].op, SYSREG_iciallu);
	assert_int_equal(fake_machine.event[1].op, FAKE_ISB);
	assert_int_equal(model_workaround(find("cortex-a15", 0), SMCCC_ARCH_WORKAROUND_1), SMCCC_SUCCESS);
	assert_int_equal(model_workaround(find("cortex-a15", 0), SMCCC_ARCH_WORKAROUND_3), SMCCC_SUCCESS);
	assert_int_equal(model_workaround(find("cortex-a15", 0), SMCCC_ARCH_WORKAROUND_2), PSCI_NOT_SUPPORTED);
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t ids[] = {SMCCC_ARCH_WORKAROUND_1, SMCCC_ARCH_WORKAROUND_2,
					       SMCCC_ARCH_WORKAROUND_3};

		assert_int_equal(model_workaround(find("cortex-a7", 0), ids[i]), SMCCC_NOT_REQUIRED);
	}
}

/* One A15 whose firmware leaves IBE clear, and the model cannot promise it any more. A write that sticks sets it. */
static void test_harden_without_firmware(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_actlr] = 0x40;
	assert_null(arrive(4, A15)); /* the write sticks: as in Secure state */
	assert_non_null(percpu[4].harden);
	assert_true(find("cortex-a15", 0)->harden_works);
	fake_machine.reg[SYSREG_actlr] = 0x40;
	fake_machine.on_write[SYSREG_actlr] = ignore_write;
	assert_null(arrive(5, A15));
	assert_null(percpu[5].harden);
	assert_false(find("cortex-a15", 0)->harden_works);
	assert_int_equal(model_workaround(find("cortex-a15", 0), SMCCC_ARCH_WORKAROUND_1), PSCI_NOT_SUPPORTED);
	percpu[0].at_exit = HARDEN_ICIALLU; /* as with harden=exit; on that one only */
	model_log();
	assert_non_null(strstr(fake_log_last(LOG_INFO), ", branch predictor stays as it is between VMs: "));
	percpu[0].at_exit = HARDEN_NONE;
	assert_null(arrive(6, 0x410fc0d1)); /* A12: BPIALL, which needs nothing */
	fake_machine.events = 0;
	percpu[6].harden();
	assert_int_equal(fake_machine.event[0].op, SYSREG_bpiall);
	assert_int_equal(model_workaround(find("cortex-a12", 0), SMCCC_ARCH_WORKAROUND_1), SMCCC_SUCCESS);
}

/* By kind; CPUs whose clocks differ by more than 2 % are told from where to where. */
static void test_clock(void **state)
{
	(void)state;
	assert_null(arrive(1, 0x410fc0e1));
	assert_null(arrive(2, 0x410fc0e1));
	percpu[1].clock_khz = 999600;
	percpu[2].clock_khz = 1000400;
	model_log();
	assert_string_equal(
		fake_log_last(LOG_INFO),
		"host: CPUs 0x6: clock at 1000 MHz by the cycle counters; it stays as the firmware left it");
	percpu[1].clock_khz = 600000;
	model_log();
	assert_string_equal(
		fake_log_last(LOG_INFO),
		"host: CPUs 0x6: clock at 600 to 1000 MHz by the cycle counters; it stays as the firmware left it");
	percpu[1].clock_khz = percpu[2].clock_khz = 0;
	model_log();
	assert_null(strstr(fake_log_last(LOG_INFO), "clock"));
}

/* A CPU of this kind arrives under the option: its vectors, and HVBAR. */
static void expect_vectors(uint32_t midr, uint32_t option, const uint32_t *vectors, const uint32_t *traced)
{
	options.harden = option;
	fake_machine.reg[SYSREG_hvbar] = 0;
	assert_null(arrive(7, midr));
	hvbar_init_cpu(&percpu[7]);
	assert_ptr_equal(percpu[7].vectors, vectors);
	assert_ptr_equal(percpu[7].vectors_traced, traced);
	assert_int_equal(fake_machine.reg[SYSREG_hvbar], (uint32_t)(uintptr_t)vectors);
	options.harden = OPTION_HARDEN_SWITCH;
}

/* By harden=exit on cores that need it and where it helps; by harden=force on all. */
static void test_harden_at_exit(void **state)
{
	(void)state;
	fake_machine.reg[SYSREG_actlr] = 0x41;
	fake_machine.on_write[SYSREG_actlr] = ignore_write;
	expect_vectors(A15, OPTION_HARDEN_SWITCH, hyp_vectors, hyp_vectors_traced);
	assert_null(harden_at_exit(&percpu[7]));
	expect_vectors(A15, OPTION_HARDEN_EXIT, hyp_vectors_iciallu, hyp_vectors_iciallu_traced);
	assert_string_equal(harden_at_exit(&percpu[7]), ", ICIALLU at each exit");
	expect_vectors(A17, OPTION_HARDEN_EXIT, hyp_vectors_bpiall, hyp_vectors_bpiall_traced);
	assert_string_equal(harden_at_exit(&percpu[7]), ", BPIALL at each exit");
	expect_vectors(A7, OPTION_HARDEN_EXIT, hyp_vectors, hyp_vectors_traced);
	expect_vectors(A57, OPTION_HARDEN_EXIT, hyp_vectors, hyp_vectors_traced);
	fake_machine.reg[SYSREG_actlr] = 0x40;
	expect_vectors(A15, OPTION_HARDEN_EXIT, hyp_vectors, hyp_vectors_traced);
	expect_vectors(A15, OPTION_HARDEN_FORCE, hyp_vectors_iciallu, hyp_vectors_iciallu_traced);
	expect_vectors(A7, OPTION_HARDEN_FORCE, hyp_vectors_bpiall, hyp_vectors_bpiall_traced);
	expect_vectors(A57, OPTION_HARDEN_FORCE, hyp_vectors_bpiall, hyp_vectors_bpiall_traced);
	percpu[7] = (struct percpu){0};
}

static void test_fake(void **state)
{
	(void)state;
	options.cpu_fake = (uint32_t)OPTION_FAKE_A7 << 28;
	assert_null(arrive(7, A15));
	assert_int_equal(percpu[7].midr, A7);
	assert_int_equal(find("cortex-a7", 0)->cpus, 0x84);
	options.cpu_fake = (uint32_t)OPTION_FAKE_UNKNOWN << 28;
	assert_non_null(arrive(7, A15));
}

/* CTR, CLIDR and CCSIDR trap for the VMs of a kind whose CPUs do not agree about them. */
static void test_other_caches(void **state)
{
	static struct vcpu vcpu = {.hcr = HCR_VM};
	static struct vm vm = {.vcpu_count = 1, .vcpu = {&vcpu}};

	(void)state;
	assert_false(find("cortex-a15", 0)->other_caches);
	model_apply(&vm, find("cortex-a15", 0));
	assert_int_equal(vcpu.hcr, HCR_VM);
	fake_machine.on_read[SYSREG_ccsidr] = NULL; /* 0 */
	assert_null(arrive(3, A15));
	assert_true(find("cortex-a15", 0)->other_caches);
	assert_int_equal(find("cortex-a15", 0)->ids.ccsidr[0], 0x500);
	model_apply(&vm, find("cortex-a15", 0));
	assert_int_equal(vcpu.hcr, HCR_VM | HCR_TID2);
}

static uint32_t cpacr_raz, cpacr_rao;

static void write_cpacr_masked(uint32_t reg, uint64_t value)
{
	fake_machine.reg[reg] = (value & ~(uint64_t)cpacr_raz) | cpacr_rao;
}

static const char *arrive_with_cpacr(uint32_t raz, uint32_t rao)
{
	cpacr_raz = raz;
	cpacr_rao = rao;
	return arrive(3, A7);
}

/* No VFP, or NSACR.cp10 and cp11 clear, and no VFP register is touched; other than the boot CPU's, or NSD32DIS set. */
static void test_vfp(void **state)
{
	static const char no_vfp[] = "it has no VFP, or its firmware keeps it from the non-secure side (NSACR)";
	static const char kept[] = "its firmware keeps the VFP's registers D16 to D31 from the non-secure side (NSACR)";
	uint32_t cpus = find("cortex-a7", 0)->cpus;

	(void)state;
	fake_machine.on_write[SYSREG_cpacr] = write_cpacr_masked;
	vfp_reads = 0;
	assert_string_equal(arrive_with_cpacr(CPACR_VFP, 0), no_vfp);
	assert_string_equal(arrive_with_cpacr(0x3U << 20, 0), no_vfp);
	assert_string_equal(arrive_with_cpacr(0x3U << 22, 0), no_vfp);
	assert_int_equal(vfp_reads, 0);
	assert_string_equal(arrive_with_cpacr(0, CPACR_D32DIS), kept);
	mvfr0 = 0x10110221;
	assert_string_equal(arrive_with_cpacr(0, CPACR_D32DIS), "its VFP has not as many registers as the boot CPU's");
	assert_true(vfp_has_d32);
	mvfr0 = 0x10110222;
	assert_int_equal(find("cortex-a7", 0)->cpus, cpus);
	assert_null(arrive_with_cpacr(0, 0));
	assert_int_equal(find("cortex-a7", 0)->cpus, cpus | BIT(3));
	assert_true(vfp_has_simd);
}

/* Advanced SIMD is lost with the first CPU that has none, or whose firmware keeps it (NSACR.NSASEDIS), and none is
 * refused. */
static void test_simd(void **state)
{
	(void)state;
	fake_machine.on_write[SYSREG_cpacr] = write_cpacr_masked;
	assert_null(arrive_with_cpacr(0, 0));
	assert_true(vfp_has_simd);
	assert_null(arrive_with_cpacr(0, CPACR_ASEDIS));
	assert_false(vfp_has_simd);
	assert_null(arrive_with_cpacr(0, 0));
	assert_false(vfp_has_simd);
	vfp_has_simd = true;
	mvfr1 = 0x11111011;
	assert_null(arrive_with_cpacr(0, 0));
	assert_false(vfp_has_simd);
}

/* FCSEIDR as on hardware and as on an emulator, VDISR with RAS only: found, left as at reset, and hidden. */
static void test_extra(void **state)
{
	static struct vcpu vcpu;
	static struct vm vm = {.vcpu_count = 1, .vcpu = {&vcpu}};

	(void)state;
	fake_machine.events = 0;
	assert_null(arrive(4, 0x410fc0e1));
	assert_int_equal(find("cortex-a17", 0)->extra, 0);
	assert_int_equal(fake_find(SYSREG_vdisr, 0), fake_machine.events);
	assert_int_equal(fake_find(SYSREG_vdfsr, 0), fake_machine.events);
	fake_machine.on_write[SYSREG_fcseidr] = NULL;
	fake_machine.reg[SYSREG_id_pfr0] = 0x10000131;
	fake_machine.reg[SYSREG_fcseidr] = fake_machine.reg[SYSREG_vdisr] = fake_machine.reg[SYSREG_vdfsr] = 1;
	assert_null(arrive(5, 0x411fd070));
	assert_int_equal(find("cortex-a57", 0)->extra, EXTRA_fcseidr | EXTRA_disr);
	assert_int_equal(find("cortex-a57", 0)->ids.id_pfr0, 0x131);
	assert_int_equal(read_fcseidr() | read_vdisr() | read_vdfsr(), 0);
	model_apply(&vm, find("cortex-a57", 0));
	assert_int_equal(vcpu.coproc.extra, EXTRA_fcseidr | EXTRA_disr);
}

/* ThumbEE's registers move where HSTR does not trap them and the core has them; elsewhere they are left alone. */
static void test_extra_thumbee(void **state)
{
	(void)state;
	fake_machine.events = 0;
	fake_machine.reg[SYSREG_id_pfr0] = 0x1131;
	assert_null(arrive(4, 0x412fc0f1));
	hstr_stays_zero = true;
	fake_machine.reg[SYSREG_id_pfr0] = 0x131;
	assert_null(arrive(5, 0x412fc0f1));
	assert_false(find("cortex-a15", 0)->extra & EXTRA_THUMBEE);
	assert_int_equal(fake_find(SYSREG_teecr, 0), fake_machine.events);
	fake_machine.reg[SYSREG_id_pfr0] = 0x1131;
	fake_machine.reg[SYSREG_teecr] = fake_machine.reg[SYSREG_teehbr] = 1;
	assert_null(arrive(6, 0x412fc0f1));
	hstr_stays_zero = false;
	assert_true(find("cortex-a15", 0)->extra & EXTRA_THUMBEE);
	assert_int_equal(read_teecr() | read_teehbr(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_examine, setup),
		cmocka_unit_test_setup(test_what_guests_see, setup),
		cmocka_unit_test_setup(test_find, setup),
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_apply, setup),
		cmocka_unit_test_setup(test_harden, setup),
		cmocka_unit_test_setup(test_harden_without_firmware, setup),
		cmocka_unit_test_setup(test_clock, setup),
		cmocka_unit_test_setup(test_harden_at_exit, setup),
		cmocka_unit_test_setup(test_other_caches, setup),
		cmocka_unit_test_setup(test_fake, setup),
		cmocka_unit_test_setup(test_vfp, setup),
		cmocka_unit_test_setup(test_simd, setup),
		cmocka_unit_test_setup(test_extra, setup),
		cmocka_unit_test_setup(test_extra_thumbee, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
