/* Bringing up CPUs: each examines itself as it arrives, and reports in its struct percpu. */
#include <errno.h>
#include <libfdt.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/io.h>
#include <arm/sysreg.h>

#include "boot/smp.h"
#include "hyp/dev/gic.h"
#include "hyp/irq.h"
#include "hyp/log.h"
#include "hyp/sched.h"
#include "hyp/vcpu.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "psci/host.h"
#include "vgic/vgic.h"
#include "vtimer/vtimer.h"

#define ARRIVAL_MS     500U
#define STACK_SLOT     (PAGE_SIZE + HYP_STACK_SIZE)
#define MPIDR_AFFINITY 0x00ffffffU
#define MPIDR_NOBODY   0xffffffffU

extern char image_start[], boot_stack_top[], secondary_entry[];

struct percpu percpu[CPU_MAX];
static uint8_t panic_stack[CPU_MAX][KIB(2)] __attribute__((aligned(8)));
static const struct host *machine;

uint32_t smp_mpidr[CPU_MAX]; /* by CPU number; boot/head.S looks itself up, with the caches off */

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
		vgic_flush(vcpu); /* the cause goes before the interrupt is ended, or it would come twice */
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

/* enable-method "spin-table": the CPU waits for an address at cpu-release-addr (devicetree specification 3.8.1). */
static int release(uint64_t address, uint32_t entry)
{
	volatile uint8_t *slot = hyp_window_open(pa(address)) + (address & (BLOCK_SIZE - 1U));

	*(volatile uint32_t *)(volatile void *)slot = entry;
	cache_clean((const void *)(uintptr_t)slot, sizeof(uint32_t));
	hyp_window_close();
	sev();
	return 0;
}

/* Versatile Express: the CPUs poll SYS_FLAGS at every SGI (Arm DUI 0447, motherboard registers). */
static int start_vexpress(uint32_t entry)
{
	static volatile uint8_t *flags;

	if (!flags)
		flags = hyp_map_device(0x1c010030U, 8);
	if (!flags)
		return -ENODEV;
	io_write32(flags + 4, ~0U); /* SYS_FLAGSCLR */
	io_write32(flags, entry);
	gic_send_sgi_others(GIC_SGI_KICK);
	return 0;
}

/* Boards that start their CPUs by registers of their own, by the root node's compatible. */
static const struct board {
	const char *compatible;
	int (*start)(uint32_t entry);
} boards[] = {
	{"arm,vexpress", start_vexpress},
};

static int start_cpu(const struct host_cpu *cpu, uint32_t entry)
{
	if (cpu->release)
		return release(cpu->release, entry);
	if (machine->psci_cpu_on)
		return psci_host_cpu_on(cpu->mpidr, entry, 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(boards); i++)
		if (!fdt_node_check_compatible(machine->fdt, 0, boards[i].compatible))
			return boards[i].start(entry);
	return -ENOSYS;
}

static void start(uint32_t id, const struct host_cpu *host_cpu, uint32_t entry)
{
	uint64_t deadline = timer_now() + (uint64_t)timer_hz() / 1000U * ARRIVAL_MS;
	volatile struct percpu *cpu = &percpu[id];
	int ret;

	smp_mpidr[id] = host_cpu->mpidr;
	cache_clean(smp_mpidr, sizeof(smp_mpidr));
	ret = start_cpu(host_cpu, entry);

	while (!ret && !cpu->online && !cpu->unfit)
		if (timer_now() > deadline)
			ret = -ETIMEDOUT;
	if (ret)
		log_warn("host: CPU %u (MPIDR 0x%x) is left out: %s", (unsigned)id, (unsigned)host_cpu->mpidr,
			 ret == -ENOSYS      ? "the device tree has neither PSCI nor cpu-release-addr to start it with"
			 : ret == -ETIMEDOUT ? "it did not arrive in HYP mode"
					     : "PSCI CPU_ON refused");
}

int smp_start(const struct host *host, uint32_t load)
{
	uint32_t entry = load + (uint32_t)(secondary_entry - image_start), online = 0;

	machine = host;
	for (uint32_t id = 0; id < CPU_MAX; id++)
		smp_mpidr[id] = MPIDR_NOBODY;
	for (uint32_t i = 0, id = 1; i < host->cpu_count; i++)
		if (host->cpu[i].mpidr != percpu[0].mpidr)
			start(id++, &host->cpu[i], entry);
	for (uint32_t id = 0; id < CPU_MAX; id++)
		online += percpu[id].online;
	log_info("host: %u of %u CPUs online", (unsigned)online, host->cpu_count);
	return 0;
}
