/* Bringing up CPUs: each examines itself as it arrives, and reports in its struct percpu. */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/sysreg.h>

#include "boot/smp.h"
#include "hyp/dev/gic.h"
#include "hyp/irq.h"
#include "hyp/log.h"
#include "hyp/sched.h"
#include "hyp/vcpu.h"
#include "mm/cache.h"
#include "psci/host.h"
#include "vtimer/vtimer.h"

#define ARRIVAL_MS     500U
#define STACK_SLOT     (PAGE_SIZE + HYP_STACK_SIZE)
#define MPIDR_AFFINITY 0x00ffffffU

extern char image_start[], boot_stack_top[], secondary_entry[];

struct percpu percpu[CPU_MAX];
static uint8_t panic_stack[CPU_MAX][KIB(2)] __attribute__((aligned(8)));
static const struct host *machine;

void cpu_enter(uint32_t id)
{
	percpu[id].head.id = id;
	percpu[id].head.panic_sp = (uint32_t)(uintptr_t)(panic_stack[id] + sizeof(panic_stack[id]));
	write_htpidr((uint32_t)(uintptr_t)&percpu[id]);
}

static bool maintenance_irq(uint32_t id)
{
	struct vcpu *vcpu = this_cpu()->loaded;

	(void)id;
	if (vcpu)
		vcpu_request(vcpu, WORK_VGIC);
	return true;
}

/* What virt7 needs of a CPU beyond having arrived in HYP mode. NULL: fit. */
static const char *examine(void)
{
	if (FIELD(read_id_pfr1(), 12, 4) == 0)
		return "it has no Virtualization Extensions";
	if (timer_hz() == 0)
		return "its CNTFRQ is 0: the firmware has to set it";
	if (percpu[0].online && timer_hz() != percpu[0].timer_hz)
		return "its CNTFRQ differs from the boot CPU's";
	return NULL;
}

/* Trap controls that no vCPU changes; the rest is in vcpu->hcr. */
static void init_traps(void)
{
	write_vtcr(VTCR_VALUE);
	write_hstr(0);
	write_hdcr((read_hdcr() & HDCR_HPMN_MASK) | HDCR_TDRA | HDCR_TDOSA | HDCR_TDA | HDCR_TPM | HDCR_TPMCR);
	write_hcptr(HCPTR_CLOSED);
	write_vttbr(0);
	write_hcr(0);
	isb();
	write_tlbiallnsnh(0);
	dsb();
	isb();
}

int cpu_init(const struct host *host)
{
	struct percpu *cpu = this_cpu();

	cpu->mpidr = read_mpidr() & MPIDR_AFFINITY;
	cpu->midr = read_midr();
	cpu->timer_hz = timer_hz();
	cpu->unfit = examine();
	if (cpu->unfit) {
		log_err("host: CPU %u (MIDR 0x%08x) is left out: %s", (unsigned)cpu->head.id, (unsigned)cpu->midr,
			cpu->unfit);
		return -ENODEV;
	}
	cache_init();
	init_traps();
	irq_register(host->gic_maintenance_irq, maintenance_irq);
	timer_init_cpu(host->timer_hyp_irq);
	vtimer_init_cpu(host->timer_virt_irq);
	sched_init_cpu(cpu);
	return 0;
}

void secondary_main(uint32_t stack)
{
	cpu_enter((stack - (uint32_t)(uintptr_t)boot_stack_top) / STACK_SLOT);
	gic_init_cpu();
	if (cpu_init(machine))
		for (;;)
			wfi();
	sev();
	sched_idle();
}

static void start(uint32_t id, uint32_t mpidr, uint32_t entry)
{
	uint64_t deadline = timer_now() + (uint64_t)timer_hz() / 1000U * ARRIVAL_MS;
	int ret = psci_host_cpu_on(mpidr, entry, (uint32_t)(uintptr_t)boot_stack_top + id * STACK_SLOT);
	volatile struct percpu *cpu = &percpu[id];

	while (!ret && !cpu->online && !cpu->unfit)
		if (timer_now() > deadline)
			ret = -ETIMEDOUT;
	if (ret)
		log_warn("host: CPU %u (MPIDR 0x%x) is left out: %s", (unsigned)id, (unsigned)mpidr,
			 ret == -ENOSYS      ? "the device tree has no PSCI to start it with"
			 : ret == -ETIMEDOUT ? "it did not arrive in HYP mode"
					     : "PSCI CPU_ON refused");
}

int smp_start(const struct host *host, uint32_t load)
{
	uint32_t entry = load + (uint32_t)(secondary_entry - image_start), online = 0;

	machine = host;
	dsb();
	for (uint32_t i = 0, id = 1; i < host->cpu_count; i++)
		if (host->cpu_mpidr[i] != percpu[0].mpidr)
			start(id++, host->cpu_mpidr[i], entry);
	for (uint32_t id = 0; id < CPU_MAX; id++)
		online += percpu[id].online;
	log_info("host: %u of %u CPUs online", (unsigned)online, host->cpu_count);
	return 0;
}
