/* SPDX-License-Identifier: BSD-2-Clause */
/* Bringing up CPUs: what makes one unfit, in which order the others are started, and what becomes of one that does not
 * come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_log.h"

/* Of one of the image's stacks; nothing is on it here. */
char boot_stack_top[1];

#include "boot/smp.c"

#define ENTRY 0x40008000U
#define HZ    1000000U

struct percpu percpu[CPU_MAX];
struct options options;
bool hstr_stays_zero;

static struct host host;
static uint32_t frequency, started, cleaned; /* `started`: calls of cpustart(); `cleaned`: of smp_mpidr */
static const char *model_says;
static char history[256];

/* What cpustart() does for the CPU with this affinity. */
static struct {
	int result;         /* of the call, */
	int refused;        /* after so many times -EIO */
	bool arrives, fits; /* it comes to C; and is in use */
} behaviour[CPU_MAX];

static void note(const char *what)
{
	strncat(history, what, sizeof(history) - strlen(history) - 1);
}

uint32_t timer_hz(void)
{
	return frequency;
}

int cpustart(const struct host *of, const struct host_cpu *cpu, uint32_t entry)
{
	uint32_t n = cpu->mpidr & 0xffU, id = 0;

	assert_ptr_equal(of, &host);
	assert_int_equal(entry, ENTRY);
	started++;
	while (id < CPU_MAX && smp_mpidr[id] != cpu->mpidr)
		id++;
	assert_in_range(id, 1, CPU_MAX - 1); /* it finds its number before it runs */
	if (behaviour[n].refused) {
		behaviour[n].refused--;
		return -EIO;
	}
	if (!behaviour[n].result && behaviour[n].arrives) {
		arrivals[id]++;
		percpu[id].online = behaviour[n].fits;
		percpu[id].unfit = behaviour[n].fits ? NULL : "it is not fit";
	}
	return behaviour[n].result;
}

const char *model_examine(struct percpu *cpu)
{
	return model_says;
}

void cache_clean(const void *start, size_t len)
{
	assert_ptr_equal(start, smp_mpidr);
	assert_int_equal(len, sizeof(smp_mpidr));
	cleaned++;
}

void psci_host_cpu_off(void)
{
	note("off ");
}

/* clang-format off */
void hvbar_init_cpu(struct percpu *cpu) { note("hvbar "); }
void errata_init_cpu(const struct percpu *cpu, void (*set_actlr)(uint32_t bits)) { note(set_actlr ? "errata+ " : "errata "); }
void monitor_set_actlr(uint32_t bits) { }
void cache_init(void) { note("cache "); }
uint32_t probe_hstr(void) { note("hstr "); return 0x200; }
uint32_t pmu_init_cpu(void) { return 6; }
void pmu_clock_begin(struct pmu_clock *clock) { note("clock "); clock->cycles = 1234567; }
uint32_t pmu_clock_end(const struct pmu_clock *clock) { note("clocked "); return clock->cycles; }
void irq_register(uint32_t id, irq_fn fn, void *arg) { assert_ptr_equal(fn, maintenance_irq); note("irq "); }
void vgic_init_cpu(void) { note("vgic "); }
void vgic_flush(struct vcpu *vcpu) { note("flush "); }
void guest_views_init_cpu(void) { note("views "); }
void timer_init_cpu(uint32_t irq) { note("timer "); }
void heartbeat_init_cpu(void) { note("heartbeat "); }
void vtimer_init_cpu(uint32_t irq) { note("vtimer "); }
void sched_init_cpu(struct percpu *cpu, uint32_t irq) { cpu->online = true; note("sched "); }
void sched_idle(void) { abort(); }
void gic_init_cpu(void) { note("gic "); }
void model_log(void) { note("models "); }
void errata_log(void) { }
/* clang-format on */

static uint64_t count_on(uint32_t reg)
{
	return fake_machine.reg[reg]++;
}

static int setup(void **state)
{
	fake_machine_reset();
	fake_log_reset();
	memset(percpu, 0, sizeof(percpu));
	memset(&host, 0, sizeof(host));
	memset(&options, 0, sizeof(options));
	memset((void *)(uintptr_t)arrivals, 0, sizeof(arrivals));
	memset(history, 0, sizeof(history));
	started = cleaned = 0;
	model_says = NULL;
	hstr_stays_zero = false;
	frequency = HZ;
	fake_machine.reg[SYSREG_id_pfr1] = 0x1000;
	fake_machine.on_read[SYSREG_cntpct] = count_on;
	fake_machine.reg[SYSREG_mpidr] = 0x80000100;
	fake_machine.reg[SYSREG_midr] = 0x410fc075;
	fake_machine.reg[SYSREG_htpidr] = (uintptr_t)&percpu[0];
	for (uint32_t i = 0; i < CPU_MAX; i++)
		behaviour[i].result = behaviour[i].refused = 0, behaviour[i].arrives = behaviour[i].fits = true;
	return 0;
}

/* The host's CPUs, of which the boot CPU, 0, is the one in the middle of the tree. */
static void have_cpus(void)
{
	static const uint32_t mpidrs[] = {2, 1, 0, 3};

	host.cpu_count = ARRAY_SIZE(mpidrs);
	for (uint32_t i = 0; i < host.cpu_count; i++)
		host.cpu[i].mpidr = 0x100 | mpidrs[i];
	percpu[0].mpidr = 0x100;
	percpu[0].online = true;
}

static void test_init(void **state)
{
	assert_int_equal(cpu_init(&host), 0);
	assert_int_equal(percpu[0].mpidr, 0x100); /* the affinity */
	assert_int_equal(percpu[0].midr, 0x410fc075);
	assert_int_equal(percpu[0].timer_hz, HZ);
	assert_int_equal(percpu[0].clock_khz, 1234567);
	assert_string_equal(history,
			    "hvbar errata cache hstr clock irq vgic views timer heartbeat vtimer clocked sched ");
	assert_int_equal(percpu[0].hstr, 0x200 | HSTR_TTEE);
	assert_int_equal(fake_machine.reg[SYSREG_hstr], 0x200 | HSTR_TTEE);
	assert_int_equal(fake_machine.reg[SYSREG_hcr], 0);
	assert_int_equal(fake_machine.reg[SYSREG_vttbr], 0);
	assert_int_equal(fake_machine.reg[SYSREG_hcptr], HCPTR_CLOSED);
	assert_int_equal(fake_machine.reg[SYSREG_hdcr], 6 | HDCR_TDRA | HDCR_TDOSA | HDCR_TDA);
	assert_true(fake_find(SYSREG_tlbiallnsnh, fake_find(SYSREG_vttbr, 0)) < fake_machine.events);
}

static void test_options_of_traps(void **state)
{
	options.trap_c7 = true;
	host.own_monitor = true;
	assert_int_equal(cpu_init(&host), 0);
	assert_int_equal(fake_machine.reg[SYSREG_hstr], 0x200 | HSTR_TTEE | HSTR_T(7));
	assert_non_null(strstr(history, "errata+ "));
	setup(state);
	hstr_stays_zero = true;
	assert_int_equal(cpu_init(&host), 0);
	assert_int_equal(fake_machine.reg[SYSREG_hstr], 0);
	assert_null(strstr(history, "hstr "));
}

static void refused(const char *why)
{
	char line[160];

	fake_log_reset();
	history[0] = '\0';
	assert_int_equal(cpu_init(&host), -ENODEV);
	snprintf(line, sizeof(line), "host: CPU 0 (MIDR 0x410fc075) is left out: %s", why);
	assert_string_equal(fake_log_last(LOG_ERR), line);
	assert_string_equal(this_cpu()->unfit, why);
	assert_string_equal(history, "");
}

static void test_unfit(void **state)
{
	fake_machine.reg[SYSREG_id_pfr1] = 0xfff0fff;
	refused("it has no Virtualization Extensions");
	setup(state);
	frequency = 0;
	refused("its CNTFRQ is 0: the firmware has to set it");
	setup(state);
	fake_machine.on_read[SYSREG_cntpct] = NULL;
	refused("its system counter stands still: the firmware has to start it");
	setup(state);
	percpu[0].online = true;
	percpu[0].timer_hz = HZ;
	fake_machine.reg[SYSREG_htpidr] = (uintptr_t)&percpu[1];
	percpu[1].head.id = 0;
	frequency = HZ + 1;
	refused("its CNTFRQ differs from the boot CPU's");
	setup(state);
	model_says = "virt7 does not know this core";
	refused(model_says);
}

/* In the order of the tree, the boot CPU left out; each has its number before it is started. */
static void test_order(void **state)
{
	have_cpus();
	assert_int_equal(smp_start(&host, ENTRY), 0);
	assert_int_equal(started, 3);
	assert_int_equal(smp_mpidr[0], MPIDR_NONE);
	assert_int_equal(smp_mpidr[1], 0x102);
	assert_int_equal(smp_mpidr[2], 0x101);
	assert_int_equal(smp_mpidr[3], 0x103);
	assert_int_equal(cleaned, 3);                                      /* it looks with its caches off, */
	assert_int_not_equal(fake_find(FAKE_SEV, 0), fake_machine.events); /* and may wait for an event */
	assert_string_equal(fake_log_last(LOG_INFO), "host: 4 of 4 CPUs online");
	assert_int_equal(fake_log_count(LOG_WARN), 0);
}

static void test_left_out(void **state)
{
	static const struct {
		int result;
		bool arrives;
		const char *why;
	} ways[] = {
		{-ENOSYS, false,
		 "the device tree has neither a psci node with method \"smc\" nor an enable-method that virt7 knows"},
		{-ENODEV, false, "the registers that start it are not there"},
		{-EIO, false, "PSCI CPU_ON refused"},
		{0, false, "it did not arrive in HYP mode"},
	};
	char line[160];

	for (uint32_t i = 0; i < ARRAY_SIZE(ways); i++) {
		setup(state);
		have_cpus();
		behaviour[1].result = ways[i].result;
		behaviour[1].arrives = ways[i].arrives;
		assert_int_equal(smp_start(&host, ENTRY), 0);
		snprintf(line, sizeof(line), "host: CPU 2 (MPIDR 0x101) is left out: %s", ways[i].why);
		assert_string_equal(fake_log_last(LOG_WARN), line);
		assert_int_equal(fake_log_count(LOG_WARN), 1);
		assert_int_equal(smp_mpidr[2], MPIDR_NONE); /* one that arrives late stays where it waits */
		assert_int_equal(smp_mpidr[3], 0x103);      /* the next one comes all the same */
		assert_string_equal(fake_log_last(LOG_INFO), "host: 3 of 4 CPUs online");
	}
}

/* It has said itself why. */
static void test_arrives_unfit(void **state)
{
	have_cpus();
	behaviour[3].fits = false;
	assert_int_equal(smp_start(&host, ENTRY), 0);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	assert_string_equal(fake_log_last(LOG_INFO), "host: 3 of 4 CPUs online");
}

/* cpu.cycle: each goes off and comes again; while it is on its way off CPU_ON is refused, but not at first. */
static void test_cycle(void **state)
{
	have_cpus();
	options.cpu_cycle = 2;
	assert_int_equal(smp_start(&host, ENTRY), 0);
	assert_int_equal(started, 9);
	for (uint32_t id = 1; id < 4; id++)
		assert_int_equal(arrivals[id], 3);
	setup(state);
	have_cpus();
	options.cpu_cycle = 1;
	behaviour[1].refused = 1;
	assert_int_equal(smp_start(&host, ENTRY), 0);
	assert_string_equal(fake_log_last(LOG_WARN), "host: CPU 2 (MPIDR 0x101) is left out: PSCI CPU_ON refused");
	assert_int_equal(started, 5);
}

/* The tree has more than virt7 knows: it stops before the end of what has been kept of them. */
static void test_too_many(void **state)
{
	have_cpus();
	for (uint32_t i = 0; i < CPU_MAX; i++)
		host.cpu[i].mpidr = 0x100 | i;
	host.cpu_count = CPU_MAX + 1U;
	assert_int_equal(smp_start(&host, ENTRY), 0);
	assert_int_equal(started, CPU_MAX - 1U);
}

/* What a list register has to say is dealt with before the interrupt is ended; between two guests there is nothing. */
static void test_maintenance(void **state)
{
	assert_true(maintenance_irq(25, NULL));
	assert_string_equal(history, "");
	percpu[0].loaded = (struct vcpu *)&host;
	assert_true(maintenance_irq(25, NULL));
	assert_string_equal(history, "flush ");
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_init),  TEST(test_options_of_traps), TEST(test_unfit),
		TEST(test_order), TEST(test_left_out),         TEST(test_arrives_unfit),
		TEST(test_cycle), TEST(test_too_many),         TEST(test_maintenance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
