/* SPDX-License-Identifier: BSD-2-Clause */
/* Bringing up CPUs: each examines itself as it arrives, and reports in its struct percpu. */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/cores.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "hyp/host/cpustart.h"
#include "boot/monitor.h"
#include "boot/smp.h"
#include "coproc/errata.h"
#include "coproc/model.h"
#include "coproc/pmu.h"
#include "coproc/probe.h"
#include "hyp/exit/hvbar.h"
#include "hyp/host/gic.h"
#include "hyp/run/heartbeat.h"
#include "hyp/run/irq.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"
#include "hyp/run/sched.h"
#include "hyp/vm/guestmem.h"
#include "hyp/vm/vcpu.h"
#include "mm/cache.h"
#include "mm/tlb.h"
#include "hyp/host/psci.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define ARRIVAL_MS    2000U /* generous: an emulator's CPUs are threads of a machine that may be busy */
#define COUNTER_READS 100000U
#define STACK_SLOT    (PAGE_SIZE + HYP_STACK_SIZE)
#define MPIDR_NONE    0xffffffffU

extern char boot_stack_top[];

static uint8_t panic_stack[CPU_MAX][KIB(2)] __attribute__((aligned(8)));
static const struct host *machine;

static volatile uint32_t arrivals[CPU_MAX]; /* of each CPU in C; written by itself */
uint32_t smp_mpidr[CPU_MAX];                /* by CPU number; each looks for itself, with the caches off */

void cpu_enter(uint32_t id)
{
	percpu[id].head.id = id;
	percpu[id].head.panic_sp = (uint32_t)(uintptr_t)(panic_stack[id] + sizeof(panic_stack[id]));
	write_htpidr((uint32_t)(uintptr_t)&percpu[id]);
}

static bool maintenance_irq(uint32_t id, void *arg)
{
	struct vcpu *vcpu = this_cpu()->loaded;

	if (vcpu)
		vgic_flush(vcpu); /* the cause goes before the interrupt is ended, or it would come twice */
	return true;
}

/* Firmware has to start the counter on some boards, and not every firmware does. */
static bool counter_counts(void)
{
	uint64_t first = timer_now();

	for (uint32_t i = 0; i < COUNTER_READS; i++)
		if (timer_now() != first)
			return true;
	return false;
}

/* What virt7 needs of a CPU beyond having arrived in HYP mode. NULL: fit. */
static const char *examine_cpu(struct percpu *cpu)
{
	if (FIELD(read_id_pfr1(), 12, 4) == 0)
		return "it has no Virtualization Extensions";
	if (timer_hz() == 0)
		return "its CNTFRQ is 0: the firmware has to set it";
	if (!counter_counts())
		return "its system counter stands still: the firmware has to start it";
	if (percpu[0].online && timer_hz() != percpu[0].timer_hz)
		return "its CNTFRQ differs from the boot CPU's";
	return model_examine(cpu);
}

/* Trap controls that no vCPU changes; the rest is in vcpu->hcr. */
static void init_traps(void)
{
	write_vtcr(VTCR_VALUE);
	if (!hstr_stays_zero)
		this_cpu()->hstr = probe_hstr() | HSTR_TTEE | (options.trap_c7 ? HSTR_T(7) : 0);
	write_hstr(this_cpu()->hstr);
	write_hdcr(pmu_init_cpu() | HDCR_TDRA | HDCR_TDOSA | HDCR_TDA);
	write_hcptr(HCPTR_CLOSED);
	write_vttbr(0);
	write_hcr(0);
	tlb_forget_guests_here();
}

int cpu_init(const struct host *host)
{
	struct percpu *cpu = this_cpu();
	struct pmu_clock clock;

	cpu->mpidr = read_mpidr() & MPIDR_AFFINITY;
	cpu->midr = read_midr();
	cpu->timer_hz = timer_hz();
	cpu->unfit = examine_cpu(cpu);
	if (cpu->unfit) {
		log_err("host: CPU %u (MIDR 0x%08x) is left out: %s", (unsigned)cpu->head.id, (unsigned)cpu->midr,
			cpu->unfit);
		return -ENODEV;
	}
	hvbar_init_cpu(cpu);
	errata_init_cpu(cpu, host->own_monitor ? monitor_set_actlr : NULL);
	cache_init();
	init_traps();
	pmu_clock_begin(&clock);
	irq_register(host->gic_maintenance_irq, maintenance_irq, NULL);
	vgic_init_cpu();
	guest_views_init_cpu();
	timer_init_cpu(host->timer_hyp_irq);
	heartbeat_init_cpu();
	vtimer_init_cpu(host->timer_virt_irq);
	cpu->clock_khz = pmu_clock_end(&clock); /* before the CPU is online */
	sched_init_cpu(cpu, host->timer_phys_irq);
	return 0;
}

void secondary_main(uint32_t stack)
{
	cpu_enter((stack - (uint32_t)(uintptr_t)boot_stack_top) / STACK_SLOT);
	if (arrivals[cpu_id()]++ < options.cpu_cycle)
		psci_host_cpu_off();
	gic_init_cpu();
	if (cpu_init(machine)) {
		psci_host_cpu_off();
		for (;;)
			wfi();
	}
	sev();
	sched_idle();
}

static const char *start_error(int error)
{
	switch (error) {
	case -ENOSYS:
		return "the device tree has neither a psci node with method \"smc\" nor an enable-method that virt7 "
		       "knows";
	case -ETIMEDOUT:
		return "it did not arrive in HYP mode";
	case -ENODEV:
		return "the registers that start it are not there";
	default:
		return "PSCI CPU_ON refused";
	}
}

/* Until it has arrived for the `times`th time. While it is on its way off, CPU_ON is refused. */
static int start_once(uint32_t id, const struct host_cpu *host_cpu, uint32_t entry, uint32_t times, uint64_t deadline)
{
	int ret;

	do
		ret = cpustart(machine, host_cpu, entry);
	while (ret == -EIO && times > 1 && timer_now() < deadline);
	while (!ret && arrivals[id] < times)
		if (timer_now() > deadline)
			ret = -ETIMEDOUT;
	return ret;
}

/* By this secondary_entry finds its stack, and until then waits; MPIDR_NONE: one that arrives late stays there. */
static void expect_mpidr(uint32_t id, uint32_t mpidr)
{
	smp_mpidr[id] = mpidr;
	cache_clean(smp_mpidr, sizeof(smp_mpidr));
	sev();
}

static void start_secondary(uint32_t id, const struct host_cpu *host_cpu, uint32_t entry)
{
	uint64_t patience = (uint64_t)timer_hz() / 1000U * ARRIVAL_MS, deadline = 0;
	volatile struct percpu *cpu = &percpu[id];
	int ret = 0;

	expect_mpidr(id, host_cpu->mpidr);
	for (uint32_t times = 1; !ret && times <= options.cpu_cycle + 1U; times++) {
		deadline = timer_now() + patience;
		ret = start_once(id, host_cpu, entry, times, deadline);
	}
	while (!ret && !cpu->online && !cpu->unfit)
		if (timer_now() > deadline)
			ret = -ETIMEDOUT;
	if (ret) {
		expect_mpidr(id, MPIDR_NONE);
		log_warn("host: CPU %u (MPIDR 0x%x) is left out: %s", (unsigned)id, (unsigned)host_cpu->mpidr,
			 start_error(ret));
	}
}

int smp_start(const struct host *host, uint32_t entry)
{
	uint32_t online = 0;

	machine = host;
	for (uint32_t id = 0; id < CPU_MAX; id++)
		smp_mpidr[id] = MPIDR_NONE;
	for (uint32_t i = 0, id = 1; i < host->cpu_count && id < CPU_MAX; i++)
		if (host->cpu[i].mpidr != percpu[0].mpidr)
			start_secondary(id++, &host->cpu[i], entry);
	for (uint32_t id = 0; id < CPU_MAX; id++)
		online += percpu[id].online;
	log_info("host: %u of %u CPUs online", (unsigned)online, host->cpu_count);
	model_log();
	errata_log();
	return 0;
}
