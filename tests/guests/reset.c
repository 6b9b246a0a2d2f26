/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_RESET with work in flight (DEN 0022D 5.11). At each boot the guest looks whether registers, devices and memory
 * are as at the first boot, says "boot: clean" or what is not, and waits for a key:
 *
 * - 0 to 7: a storm of MMIO, PSCI, WFI, SGIs and CPU_ON/OFF on all CPUs, until CPU n (modulo how many there are) resets
 * - a: that storm, and all CPUs ask for the reset at once
 * - R: as for the last CPU, by SYSTEM_RESET2 where there is one
 * - q: the end, summary and power-off
 *
 * The harness counts the boots from outside: nothing of the guest survives. On QEMU's own machine RAM does.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/pl011.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define PSCI_SYSTEM_RESET2 UINT32_C(0x84000012)
#define SMCCC_VERSION      UINT32_C(0x80000000)
#define FDT_MAGIC          UINT32_C(0xd00dfeed)
#define RAM_DIRTY          UINT32_C(0x41000000) /* above the image, below the device tree */
#define RAM_DIRTY_END      UINT32_C(0x42000000)
#define RAM_STEP           0x1000U
#define TEST_SPI           100U
#define STORM_US           5000U
#define DATA_CLEAN         UINT32_C(0xc1ea4da7)

static volatile uint32_t data_word = DATA_CLEAN;
static uint32_t count, wrong;
static volatile uint32_t victim, all_ask, by_reset2, cycles, started[GUEST_CPUS];

/* Before the library touches a device. */
static struct {
	uint32_t sctlr, ttbcr, cpacr, cntv_ctl, cntp_ctl;
	uint32_t gicd_ctlr, gicc_ctlr, gicc_pmr;
	uint32_t uart_cr, uart_imsc, uart_lcr, uart_ibrd, uart_ifls, uart_ris;
} early;

void guest_early(void)
{
	early.sctlr = read_sctlr();
	early.ttbcr = read_ttbcr();
	early.cpacr = read_cpacr();
	early.cntv_ctl = timer_virt.ctl();
	early.cntp_ctl = timer_phys.ctl();
	early.gicd_ctlr = read32(DIST_CTLR);
	early.gicc_ctlr = read32(CPUIF_CTLR);
	early.gicc_pmr = read32(CPUIF_PMR);
	early.uart_cr = read32(UARTCR);
	early.uart_imsc = read32(UARTIMSC);
	early.uart_lcr = read32(UARTLCR_H);
	early.uart_ibrd = read32(UARTIBRD);
	early.uart_ifls = read32(UARTIFLS);
	early.uart_ris = read32(UARTRIS);
}

static void expect(const char *what, uint32_t got, uint32_t want)
{
	if (got == want)
		return;
	wrong++;
	printf("  %s is %08x, not %08x\n", what, (unsigned int)got, (unsigned int)want);
}

static void check_cpu(void)
{
	uint32_t clear = SCTLR_M | SCTLR_A | SCTLR_C | SCTLR_I | SCTLR_V | SCTLR_EE | SCTLR_TE | SCTLR_TRE | SCTLR_AFE;

	expect("r0", boot_state.r0, 0);
	expect("r1", boot_state.r1, ~UINT32_C(0));
	expect("the word at r2", __builtin_bswap32(read32(boot_state.r2)), FDT_MAGIC);
	expect("CPSR", boot_state.cpsr & (PSR_MODE | PSR_A | PSR_I | PSR_F | PSR_E | PSR_T),
	       MODE_SVC | PSR_A | PSR_I | PSR_F);
	expect("SCTLR", early.sctlr & clear, 0);
	expect("TTBCR", early.ttbcr, 0);
	expect("CPACR", early.cpacr & UINT32_C(0x00f00000), 0);
	expect("CNTV_CTL", early.cntv_ctl & (TIMER_ENABLE | TIMER_IMASK), 0);
	expect("CNTP_CTL", early.cntp_ctl & (TIMER_ENABLE | TIMER_IMASK), 0);
}

/* QEMU's PL011 is not told of a reset; there it is one line, a quirk. */
static void check_uart(void)
{
	uint32_t before = wrong;

	expect("UARTCR", early.uart_cr, CR_TXE | CR_RXE);
	expect("UARTIMSC", early.uart_imsc, 0);
	expect("UARTLCR_H", early.uart_lcr, 0);
	expect("UARTIBRD", early.uart_ibrd, 0);
	expect("UARTIFLS", early.uart_ifls, 0x12);
	expect("UARTRIS", early.uart_ris & (INT_RX | INT_TX | INT_RT), 0);
	quirk(wrong == before, "reset-keeps-uart", "the UART is as at power-on");
	wrong = before;
}

/* QEMU's GIC keeps them; what was active then would mask for ever what is not more urgent. */
static void check_active_priorities(const char *who)
{
	uint32_t active = 0;

	for (uint32_t n = 0; n < 4; n++) {
		active |= read32(CPUIF_APR(n));
		write32(CPUIF_APR(n), 0);
	}
	quirk(active == 0, "reset-keeps-apr", "GICC_APRn of %s are 0 (%08x)", who, (unsigned int)active);
}

/* This CPU's own interrupts. */
static void check_private(const char *who)
{
	uint32_t before = wrong;

	check_active_priorities(who);
	expect("GICC_CTLR", read32(CPUIF_CTLR), 0);
	expect("GICD_ISENABLER0", read32(DIST_ISENABLER(0)) & UINT32_C(0xffff0000), 0);
	expect("GICD_ISPENDR0", read32(DIST_ISPENDR(0)), 0);
	expect("GICD_ISACTIVER0", read32(DIST_ISACTIVER(0)), 0);
	for (uint32_t n = 0; n < 8; n++)
		expect("GICD_IPRIORITYRn, private", read32(DIST_IPRIORITYR(n)), 0);
	for (uint32_t n = 0; n < 4; n++)
		expect("GICD_CPENDSGIRn", read32(DIST_CPENDSGIR(n)), 0);
	if (wrong != before)
		printf("  on %s\n", who);
}

static void check_gic(void)
{
	uint32_t words = FIELD(read32(DIST_TYPER), 0, 5) + 1;

	expect("GICD_CTLR", early.gicd_ctlr, 0);
	expect("GICC_CTLR", early.gicc_ctlr, 0);
	expect("GICC_PMR", early.gicc_pmr, 0);
	for (uint32_t n = 1; n < words; n++) {
		expect("GICD_ISENABLERn", read32(DIST_ISENABLER(n)), 0);
		expect("GICD_ISPENDRn", read32(DIST_ISPENDR(n)), 0);
		expect("GICD_ISACTIVERn", read32(DIST_ISACTIVER(n)), 0);
	}
	for (uint32_t n = 8; n < words * 8; n++) {
		expect("GICD_IPRIORITYRn", read32(DIST_IPRIORITYR(n)), 0);
		expect("GICD_ITARGETSRn", read32(DIST_ITARGETSR(n)), 0);
	}
	for (uint32_t n = 2; n < words * 2; n++)
		expect("GICD_ICFGRn", read32(DIST_ICFGR(n)), 0);
	check_private("cpu 0");
}

static void check_memory(void)
{
	uint32_t dirty = 0;

	expect("a word of .data", data_word, DATA_CLEAN);
	for (uint32_t at = RAM_DIRTY; at < RAM_DIRTY_END; at += RAM_STEP)
		dirty += read32(at) != 0;
	quirk(dirty == 0, "reset-keeps-ram", "RAM is zero (%u words are not)", (unsigned int)dirty);
}

/* All the others are off; each finds its own interrupts as at power-on. */
static volatile uint32_t up, hold;

static void secondary(void *arg)
{
	(void)arg;
	check_private("another cpu");
	up = 1;
	while (hold)
		;
}

/*
 * An SPI that was active on another CPU at the reset and is active here now stays so when that CPU comes up: its list
 * registers of before the reset are no CPU's.
 */
static void check_secondaries(void)
{
	gic_init();
	gic_target_self(TEST_SPI);
	gic_enable(TEST_SPI);
	gic_set_pending(TEST_SPI);
	gic_settle();
	expect("GICC_IAR", read32(CPUIF_IAR), TEST_SPI);
	for (uint32_t cpu = 1; cpu < count; cpu++)
		expect("AFFINITY_INFO", psci_hvc(PSCI_AFFINITY_INFO, cpu, 0, 0), 1);
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		up = 0;
		hold = 1;
		expect("CPU_ON", smp_boot(cpu, secondary, NULL), 0);
		if (!timer_wait_for(&up, 2000000)) {
			expect("a CPU that came up", 0, 1);
			return;
		}
		hold = 0;
		smp_wait_off(cpu);
		expect("the SPI's active bit", gic_is_active(TEST_SPI), 1);
	}
	write32(CPUIF_EOIR, TEST_SPI);
	gic_settle();
	expect("the SPI's active bit after EOI", gic_is_active(TEST_SPI), 0);
	gic_disable(TEST_SPI);
}

/* The storm. */
static void storm_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);
	bool tick = (iar & 0x3ff) == timer_virt.irq;

	/* The line is down at the EOI: QEMU does not look again at one that stands (quirk gich-hw-eoi). */
	if (tick)
		timer_virt.set_ctl(0);
	/* An SPI stays active: the reset finds it so. */
	if ((iar & 0x3ff) < 32)
		write32(CPUIF_EOIR, iar);
	if (tick) {
		timer_virt.set_cval(timer_virt.count() + timer_ticks(200));
		timer_virt.set_ctl(TIMER_ENABLE);
	}
}

static void ask_for_reset(void)
{
	if (by_reset2)
		psci_hvc(PSCI_SYSTEM_RESET2, 0, 0, 0);
	psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
	report(false, "SYSTEM_RESET returned");
}

static void storm_setup(void)
{
	uint32_t self = this_cpu()->index;

	irq_disable();
	gic_cpu_init();
	irq_set_handler(storm_irq);
	for (uint32_t n = 0; n < 8; n++)
		write32(DIST_IPRIORITYR(n), UINT32_C(0x80808080));
	gic_enable(timer_virt.irq);
	timer_virt.set_cval(timer_virt.count() + timer_ticks(200));
	timer_virt.set_ctl(TIMER_ENABLE);
	timer_phys.set_cval(timer_phys.count() + timer_ticks(1000));
	timer_phys.set_ctl(TIMER_ENABLE); /* its line rises, its interrupt is off */
	write_cpacr(UINT32_C(0x00f00000));
	if (self == victim || self == count - 1) {
		write8(DIST_ITARGETSR(0) + TEST_SPI, BIT(self));
		gic_set_priority(TEST_SPI, 0xf0); /* active, it must not keep the others out */
		gic_set_pending(TEST_SPI);
	}
	irq_enable();
}

static uint32_t storm_step(uint32_t seed)
{
	uint32_t self = this_cpu()->index, spi = 32 + seed % 64;

	switch (seed >> 28) {
	case 0 ... 2:
		write32(DIST_IPRIORITYR(spi / 4), seed);
		write32(DIST_ICFGR(spi / 16), seed & UINT32_C(0xaaaaaaaa));
		break;
	case 3:
		write32(DIST_ITARGETSR(spi / 4), seed);
		break;
	case 4 ... 5:
		read32(UARTFR);
		write32(UARTIMSC, seed & INT_TX);
		break;
	case 6 ... 8:
		psci_hvc(PSCI_AFFINITY_INFO, seed % count, 0, 0);
		break;
	case 9:
		psci_hvc(PSCI_CPU_SUSPEND, 0, 0, 0);
		break;
	case 10 ... 11:
		wfi();
		break;
	case 12:
		write32(DIST_SGIR, 1U << 24 | (seed & 15));
		break;
	case 13:
		write32(DIST_SGIR, BIT(16 + seed % count) | (seed & 15));
		break;
	default:
		write32(RAM_DIRTY + (seed % (RAM_DIRTY_END - RAM_DIRTY) & ~(RAM_STEP - 1)), seed | 1);
		break;
	}
	return seed * 1664525 + 1013904223 + self;
}

static void storm(void *arg)
{
	uint32_t self = this_cpu()->index, seed = (uint32_t)timer_virt.count() + self * 7919;
	uint64_t end = timer_virt.count() + timer_ticks(STORM_US);
	bool asks = all_ask || self == victim;

	started[self] = 1;
	storm_setup();
	data_word = seed;
	while (!asks || timer_virt.count() < end) {
		seed = storm_step(seed);
		if (arg && (seed & 0xff00) == 0) /* off and, by CPU 0, on again */
			return;
		if (self == 0 && cycles)
			smp_boot(1 + seed % (count > 1 ? count - 1 : 1), storm, storm);
	}
	ask_for_reset();
}

static uint32_t key(void)
{
	while (read32(UARTFR) & FR_RXFE)
		;
	return read32(UARTDR) & 0xff;
}

static void do_storm(uint32_t k)
{
	mmu_short_init();
	mmu_short_on();
	gic_init();
	gic_enable(TEST_SPI);
	for (uint32_t at = RAM_DIRTY; at < RAM_DIRTY_END; at += RAM_STEP)
		write32(at, at);
	all_ask = k == 'a';
	by_reset2 = k == 'R';
	victim = k >= '0' && k <= '7' ? (k - '0') % count : count - 1;
	/* QEMU's CPU_ON may take effect behind the reset that was asked for after it. */
	cycles = quirk(psci_hvc(PSCI_FEATURES, SMCCC_VERSION, 0, 0) == 0, "psci-on-late",
		       "CPUs go off and on in the storm");
	/* CPUs that reset must not go off before they do. */
	for (uint32_t cpu = 1; cpu < count; cpu++)
		smp_boot(cpu, storm, !cycles || all_ask || cpu == victim ? NULL : (void *)storm);
	for (uint32_t cpu = 1; cpu < count; cpu++)
		while (!started[cpu])
			;
	storm(NULL);
}

void guest_main(void)
{
	uint32_t k;

	count = smp_count();
	check_cpu();
	check_uart();
	check_gic();
	check_memory();
	check_secondaries();
	report(wrong == 0, "boot: %s", wrong ? "not clean" : "clean");
	printf("reset: %u CPUs, press a key\n", (unsigned int)count);
	k = key();
	if (k == 'R' && psci_hvc(PSCI_FEATURES, PSCI_SYSTEM_RESET2, 0, 0) != 0)
		quirk(false, "psci-no-reset2", "PSCI_FEATURES(SYSTEM_RESET2): supported");
	if (k != 'q')
		do_storm(k);
}
