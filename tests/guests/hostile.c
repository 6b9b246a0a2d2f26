/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that misbehaves, for ever, in the way that "mode=N" in its boot arguments says; and two that measure what
 * that does to others. Each start prints "hostile: mode N" first. Only for tests in tests/qemu, which judge from
 * outside.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define NOWHERE UINT32_C(0x30000000) /* no device of mach-virt */
#define STORM   100U

/* Waits, as a guest that has nothing to do. */
static void sleep(void)
{
	for (;;)
		wfi();
}

/* Vectors where nothing is: every exception is another one. */
static void fault(void)
{
	write_vbar(NOWHERE);
	isb();
	((void (*)(void))NOWHERE)();
}

/*
 * The virtual timer at the ends of its range, on and masked or not: deadlines that an offset carries past 2^64, or that
 * a host counts as negative. Its interrupt is not enabled here.
 */
static void deadlines(void)
{
	static const uint64_t ends[] = {
		UINT64_MAX, UINT64_MAX - UINT32_MAX, BIT64(63), BIT64(63) - 1, BIT64(59), BIT64(32), 1};

	for (uint32_t round = 1;; round++) {
		for (uint32_t i = 0; i < 4 * ARRAY_SIZE(ends); i++) {
			timer_virt.set_cval(ends[i / 4] - i % 4);
			timer_virt.set_ctl(i % 2 ? TIMER_ENABLE : TIMER_ENABLE | TIMER_IMASK);
			timer_phys.set_cval(ends[i / 4] - i % 4);
			timer_phys.set_ctl(TIMER_ENABLE);
			timer_virt.set_tval(i % 2 ? BIT(31) : BIT(31) - 1);
			timer_virt.set_cval(ends[i / 4] + i % 4);
		}
		timer_delay(1000);
		printf("round %u\n", (unsigned int)round);
	}
}

static void spin(void)
{
	for (;;)
		;
}

static void hypercalls(void)
{
	for (uint32_t i = 0;; i++) {
		psci_hvc(i, i, i, i);
		psci_smc(PSCI_AFFINITY_INFO, i, i, i);
		psci_hvc(PSCI_CPU_ON, i % 16, i, i);
		psci_hvc(PSCI_FEATURES, i, 0, 0);
	}
}

static void mmio(void)
{
	for (uint32_t i = 0;; i++) {
		read32(DIST_TYPER);
		write32(DIST_ISENABLER(i % 32), i);
		write32(MACHINE_UART_BASE + 4 * (i % 1024), 0);
		exc_expect(EXC_DABT);
		read32(NOWHERE + 4 * i % MIB(16));
		exc_done();
	}
}

static void end_interrupt(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	write32(CPUIF_EOIR, iar);
	if ((iar & 1023U) == MACHINE_PPI_TIMER_VIRT)
		timer_virt.set_tval(0);
}

/* All that it can send itself, and a timer that is always due. */
static void interrupts(void)
{
	gic_init();
	irq_set_handler(end_interrupt);
	for (uint32_t sgi = 0; sgi < 16; sgi++)
		gic_enable(sgi);
	for (uint32_t spi = 32; spi < 256; spi++) {
		gic_target_self(spi);
		gic_enable(spi);
	}
	gic_enable(MACHINE_PPI_TIMER_VIRT);
	timer_virt.set_tval(0);
	timer_virt.set_ctl(TIMER_ENABLE);
	irq_enable();
	for (uint32_t i = 0;; i++) {
		gic_sgi_self(i % 16);
		gic_set_pending(32 + i % 224);
	}
}

static void print(void)
{
	for (uint32_t i = 0;; i++)
		printf("hostile: line %u of a guest that never stops printing\n", (unsigned int)i);
}

/* Upwards, over the end of its memory, and on: the vectors are where nothing is. */
static void run_off(void)
{
	write_vbar(NOWHERE);
	isb();
	for (uint32_t at = (uint32_t)MACHINE_RAM_BASE + MIB(4);; at += 64)
		write32(at, at);
}

static void all_off(void)
{
	psci_hvc(PSCI_CPU_OFF, 0, 0, 0);
}

static void maintenance(void)
{
	for (;;) {
		__asm__ volatile("mcr p15, 0, %0, c7, c14, 2" : : "r"(0)); /* DCCISW */
		__asm__ volatile("mcr p15, 0, %0, c8, c3, 0" : : "r"(0));  /* TLBIALLIS */
		__asm__ volatile("mcr p15, 0, %0, c7, c1, 0" : : "r"(0));  /* ICIALLUIS */
		dsb();
	}
}

static void reset(void)
{
	psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
}

/* Counts loops in `seconds`, one second after its start, and goes on. */
static void share(void)
{
	uint64_t second = read_cntfrq(), start = second, end = start + param("seconds=", 10) * second;
	uint32_t loops = 0;

	while (timer_virt.count() < start)
		;
	while (timer_virt.count() < end)
		loops++;
	printf("share: %u loops\n", (unsigned int)loops);
	spin();
}

static volatile uint32_t late_max, rounds_done;

static void tick(void)
{
	uint32_t iar = read32(CPUIF_IAR);
	uint32_t late = (uint32_t)(timer_virt.count() - timer_virt.cval());

	if (late > late_max)
		late_max = late;
	rounds_done++;
	timer_virt.set_cval(timer_virt.cval() + timer_ticks(5000));
	write32(CPUIF_EOIR, iar);
}

/* How late its timer's interrupt is at worst, in microseconds. */
static void latency(void)
{
	uint32_t rounds = param("rounds=", 200);

	gic_init();
	irq_set_handler(tick);
	gic_enable(MACHINE_PPI_TIMER_VIRT);
	timer_virt.set_cval(timer_virt.count() + timer_ticks(5000));
	timer_virt.set_ctl(TIMER_ENABLE);
	while (rounds_done < rounds) {
		wfi();
		irq_enable();
		irq_disable();
	}
	printf("latency: %u us\n", (unsigned int)(late_max / (read_cntfrq() / 1000000U)));
	timer_virt.set_ctl(0);
	sleep();
}

/* Its timer is due, with the interrupt disabled: that wakes no vCPU. */
static void doze(void)
{
	gic_init();
	timer_virt.set_tval(0);
	timer_virt.set_ctl(TIMER_ENABLE);
	sleep();
}

#define read_fcseidr()   MRC15(0, c13, c0, 0)
#define write_fcseidr(v) MCR15(0, c13, c0, 0, v)
#define FCSE_PID         (UINT32_C(0x7f) << 25)

/* What has FCSEIDR moves addresses below 32 MiB to where nothing is, and then comes again. */
static void fcse(void)
{
	uint32_t found = read_fcseidr();
	uint64_t end = timer_virt.count() + read_cntfrq() / 4;

	printf("fcse: was 0x%08x\n", (unsigned int)found);
	write_fcseidr(FCSE_PID);
	isb();
	printf("fcse: set to 0x%08x\n", (unsigned int)read_fcseidr());
	while (timer_virt.count() < end)
		;
	reset();
}

#define LOW     UINT32_C(0x00100000)
#define LOW_RAM UINT32_C(0x40400000)

/* Its memory is mapped below 32 MiB too. */
static void low(void)
{
	uint64_t end = timer_virt.count() + param("seconds=", 3) * (uint64_t)read_cntfrq();
	uint32_t faults = 0, wrong = 0, fcseidr = 0;

	mmu_short_init();
	mmu_short_section(LOW, LOW_RAM | SECT | SECT_NORMAL | SECT_AP_P);
	mmu_short_on();
	for (uint32_t i = 0; timer_virt.count() < end; i++) {
		exc_expect(EXC_DABT);
		write32(LOW + 64 * (i % 1024), i);
		wrong += read32(LOW_RAM + 64 * (i % 1024)) != i;
		faults += exc_done()->count;
		fcseidr |= read_fcseidr();
	}
	printf("low: %u faults, %u wrong, FCSEIDR 0x%08x\n", (unsigned int)faults, (unsigned int)wrong,
	       (unsigned int)fcseidr);
	spin();
}

void guest_main(void)
{
	static void (*const modes[])(void) = {sleep,   fault,   spin,      hypercalls,  mmio,  interrupts,
					      print,   run_off, all_off,   maintenance, reset, share,
					      latency, doze,    deadlines, fcse,        low};
	uint32_t mode = param("mode=", 0);

	printf("hostile: mode %u\n", (unsigned int)mode);
	if (mode < ARRAY_SIZE(modes))
		modes[mode]();
	report(false, "a mode that ends, or that there is not");
}
