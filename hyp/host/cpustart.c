/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting CPUs. What is proven on QEMU: PSCI, Versatile Express, the spin table, AST2600. The Allwinner and Exynos
 * rows follow the chips' manuals and have never run; CPUs started by them arrive in secure SVC mode, as after a reset.
 */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include <arm/barrier.h>
#include <arm/io.h>

#include "hyp/host/board.h"
#include "hyp/host/cpustart.h"
#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/run/timer.h"
#include "mm/cache.h"
#include "mm/hypmap.h"
#include "hyp/host/psci.h"

static void wait_ms(uint32_t ms)
{
	uint64_t until = timer_now() + (uint64_t)timer_hz() / 1000U * ms;

	while (timer_now() < until)
		;
}

static void clear_bits(volatile uint8_t *reg, uint32_t bits)
{
	io_write32(reg, io_read32(reg) & ~bits);
}

/* enable-method "spin-table": the CPU waits for an address at cpu-release-addr (devicetree specification 3.8.1). */
static int start_spinning(uint64_t address, uint32_t entry)
{
	uint8_t *slot = hyp_window_open(pa(address)) + (address & (BLOCK_SIZE - 1U));

	io_write32(slot, entry);
	cache_clean(slot, sizeof(uint32_t));
	hyp_window_close();
	sev();
	return 0;
}

/* Versatile Express: the CPUs look at SYS_FLAGS at every SGI (Arm DUI 0447, motherboard registers). */
int cpustart_vexpress(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	static volatile uint8_t *flags;

	if (!flags && host->vexpress_sysreg)
		flags = hyp_map_device(host->vexpress_sysreg + 0x30U, 8);
	if (!flags)
		return -ENODEV;
	io_write32(flags + 4, ~0U); /* SYS_FLAGSCLR */
	io_write32(flags, entry);
	gic_send_sgi_others(GIC_SGI_KICK);
	return 0;
}

/* Allwinner's CPUCFG block (A31 user manual 3.7, H3 4.4): the same registers, at another place on the A20. */
#define CPUCFG_RST(core) (0x40U + 0x40U * (core))
#define CPUCFG_GEN_CTRL  0x184U
#define CPUCFG_PRIVATE0  0x1a4U /* where the boot ROM jumps */
#define CPUCFG_DBG_CTRL1 0x1e4U
#define RST_CORE_AND_CPU 3U

struct allwinner {
	uint32_t cpucfg;
	uint32_t power;       /* base of the power switches */
	uint32_t power_off;   /* offset: one bit a core, 1 is off */
	uint32_t power_clamp; /* offset of core 0's; 0: there are none */
	uint32_t clamp_step;  /* to the next core's */
};

static int start_allwinner(const struct allwinner *chip, uint32_t core, uint32_t entry)
{
	volatile uint8_t *cpucfg = hyp_map_device(chip->cpucfg, 0x400);
	volatile uint8_t *power = hyp_map_device(chip->power, 0x400);

	if (!cpucfg || !power)
		return -ENODEV;
	io_write32(cpucfg + CPUCFG_PRIVATE0, entry);
	io_write32(cpucfg + CPUCFG_RST(core), 0);
	clear_bits(cpucfg + CPUCFG_GEN_CTRL, BIT(core)); /* L1 is not kept over the reset */
	clear_bits(cpucfg + CPUCFG_DBG_CTRL1, BIT(core));
	for (uint32_t clamp = 0x1ff; chip->power_clamp && clamp;) {
		clamp >>= 1; /* opened in steps, against the inrush */
		io_write32(power + chip->power_clamp + core * chip->clamp_step, clamp);
	}
	wait_ms(10);
	clear_bits(power + chip->power_off, BIT(core));
	wait_ms(1);
	io_write32(cpucfg + CPUCFG_RST(core), RST_CORE_AND_CPU);
	io_write32(cpucfg + CPUCFG_DBG_CTRL1, io_read32(cpucfg + CPUCFG_DBG_CTRL1) | BIT(core));
	return 0;
}

int cpustart_a31(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	static const struct allwinner a31 = {0x01f01c00, 0x01f01400, 0x100, 0x140, 4};

	return start_allwinner(&a31, cpu->mpidr & 0xffU, entry);
}

int cpustart_a23(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	static const struct allwinner a23 = {0x01f01c00, 0x01f01400, 0x100, 0, 0};

	return start_allwinner(&a23, cpu->mpidr & 0xffU, entry);
}

int cpustart_a20(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	static const struct allwinner a20 = {0x01c25c00, 0x01c25c00, 0x1b4, 0x1b0, 0};

	return start_allwinner(&a20, cpu->mpidr & 0xffU, entry);
}

/* Exynos 5250 and 5420: the boot ROM waits for an address at the start of SYSRAM (5420: one word further), and an
 * event. */
#define EXYNOS_PMU     0x10040000U
#define EXYNOS_CORE(n) (0x2000U + 0x80U * (n)) /* ARM_CORE_CONFIGURATION; the next word is its status */
#define EXYNOS_CORE_ON 3U
#define EXYNOS_SYSRAM  0x02020000U

static int start_exynos(const struct host_cpu *cpu, uint32_t slot, uint32_t entry)
{
	/* Cluster 0 is the A15s' on the 5250, and the A15s' or the A7s' four on the 5420. */
	uint32_t core = (cpu->mpidr & 0xffU) + 4U * (cpu->mpidr >> 8 & 0xffU);
	volatile uint8_t *pmu = hyp_map_device(EXYNOS_PMU + EXYNOS_CORE(core), 8);
	volatile uint8_t *sysram = hyp_map_device(EXYNOS_SYSRAM, 8);

	if (!pmu || !sysram)
		return -ENODEV;
	io_write32(pmu, EXYNOS_CORE_ON);
	for (uint32_t ms = 0; ms < 10 && (io_read32(pmu + 4) & EXYNOS_CORE_ON) != EXYNOS_CORE_ON; ms++)
		wait_ms(1);
	io_write32(sysram + slot, entry);
	dsb();
	sev();
	gic_send_sgi_others(GIC_SGI_KICK);
	return 0;
}

int cpustart_exynos5250(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	return start_exynos(cpu, 0, entry);
}

int cpustart_exynos5420(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	return start_exynos(cpu, 4, entry);
}

/* AST2600: CPU n waits in the boot ROM for its number in the second word of the SCU's mailbox (SCU180), then jumps. */
#define AST2600_MAILBOX 0x1e6e2180U
#define AST2600_GO      0xabbaab00U

int cpustart_ast2600(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	volatile uint8_t *mailbox = hyp_map_device(AST2600_MAILBOX, 8);

	if (!mailbox)
		return -ENODEV;
	io_write32(mailbox, entry);
	io_write32(mailbox + 4, AST2600_GO | (cpu->mpidr & 0xffU));
	dsb();
	sev();
	return 0;
}

/* NULL: neither the method nor the board is known. */
static const struct host_board *find_board(const struct host *host, const struct host_cpu *cpu)
{
	for (const struct host_board *board = host_boards; cpu->method && board->name; board++)
		if (board->start && strcmp(cpu->method, board->name) == 0)
			return board;
	for (const struct host_board *board = host_boards; board->name; board++)
		if (board->start && !fdt_node_check_compatible(host->fdt, 0, board->name))
			return board;
	return NULL;
}

/* By other means than PSCI. */
static int start_by_board(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	const struct host_board *board = find_board(host, cpu);

	if (cpu->release)
		return start_spinning(cpu->release, entry);
	return board ? board->start(host, cpu, entry) : -ENOSYS;
}

const char *cpustart_means(const struct host *host, const struct host_cpu *cpu)
{
	const struct host_board *board = find_board(host, cpu);

	if (cpu->release)
		return "spin-table";
	if (host->psci_cpu_on)
		return "PSCI";
	return board ? board->name : NULL;
}

int cpustart(const struct host *host, const struct host_cpu *cpu, uint32_t entry)
{
	if (host->own_monitor) {
		/* The CPU may be waiting elsewhere in secure state, or be with the monitor already: then nothing is
		 * due. */
		start_by_board(host, cpu, entry);
		return psci_host_cpu_on(cpu->mpidr, entry, 0);
	}
	if (!cpu->release && host->psci_cpu_on)
		return psci_host_cpu_on(cpu->mpidr, entry, 0);
	return start_by_board(host, cpu, entry);
}
