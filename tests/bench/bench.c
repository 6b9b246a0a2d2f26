/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bench guest: what the common reasons to leave a guest cost. The same image runs natively, under virt7 and as a
 * Xen domain; tests/bench/bench.py runs the three and compares. On a board it prints cycles (docs/performance.md).
 *
 * bootargs: bench=GROUP[,GROUP]... of micro, timer, gic, touch, smp, pair, share, virtio, net (need their devices);
 * sleep (the row wfi_timer alone); tick (the same, less of it); odd (what Xen aborts); late (wait first); idle (sleep
 * for ever); spin (never sleep); none.
 */
#include "tests/bench/blk.h"
#include "tests/bench/fdt.h"
#include "tests/bench/net.h"
#include "tests/bench/rows.h"
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/smp.h"

_Static_assert(BENCH_GICD == MACHINE_GICD_BASE && BENCH_GICC == MACHINE_GICC_BASE && BENCH_UART == MACHINE_UART_BASE &&
		       BENCH_VIRTIO_LAST == MACHINE_VIRTIO_BASE + (MACHINE_VIRTIO_COUNT - 1U) * MACHINE_VIRTIO_SIZE,
	       "rows.h");
_Static_assert(BENCH_TIMER_VIRT == MACHINE_PPI_TIMER_VIRT && BENCH_TIMER_PHYS == MACHINE_PPI_TIMER_PHYS, "rows.h");

#define DEVICE_PAGE (PAGE | PAGE_DEVICE | PAGE_XN | PAGE_AP_P)

/* Blocks of the first-touch row: none of them the loader or this image has used. */
#define TOUCH_FIRST MIB(80)
#define TOUCH_END   MIB(112)
#define BLOCK       MIB(2)

#define NAP 8000U /* ticks */

enum group {
	MICRO = 1,
	TIMER = 2,
	TOUCH = 4,
	SMP = 8,
	PAIR = 16,
	SHARE = 32,
	VIRTIO = 64,
	NET = 128,
	GIC = 256,
	SLEEP = 512,
	TICK = 1024,
	ODD = 2048
};

struct row {
	const char *name;
	enum group groups;
	uint32_t rounds;
	void (*run)(uint32_t rounds);
};

struct result {
	const struct row *row;
	uint64_t ticks;
	uint32_t cycles; /* 0: this machine shows the guest no cycle counter */
};

extern const char bench_vectors[];
void row_psci_version(uint32_t rounds);
void row_psci_features(uint32_t rounds);
void row_psci_affinity(uint32_t rounds);
void row_psci_unknown(uint32_t rounds);
void row_gicd_typer(uint32_t rounds);
void row_gicd_isenabler(uint32_t rounds);
void row_uart_fr(uint32_t rounds);
void row_mmio_turns(uint32_t rounds);
void row_irq_mask(uint32_t rounds);
void row_mmio_r14(uint32_t rounds);
void row_mmio_post(uint32_t rounds);
void row_cntpct(uint32_t rounds);
void row_actlr(uint32_t rounds);
void row_virtio_reg(uint32_t rounds);
void row_virtio_turns(uint32_t rounds);
void row_sgi_self(uint32_t rounds);
void row_timer_virt(uint32_t rounds);
void row_timer_phys(uint32_t rounds);
void row_wfi_timer(uint32_t rounds);
void row_sgi_ping(uint32_t rounds);
void row_sgi_change(uint32_t rounds);
void row_sgi_16(uint32_t rounds);
void row_spis_1(uint32_t rounds);
void row_spis_8(uint32_t rounds);
void row_spis_32(uint32_t rounds);
void row_spis_160(uint32_t rounds);
void row_ispendr(uint32_t rounds);
void row_isactiver(uint32_t rounds);
void row_icfgr(uint32_t rounds);
void row_igroupr(uint32_t rounds);
void row_gicd_ctlr(uint32_t rounds);
void pong(volatile uint32_t *stop);
void wait_interrupt(void);
void spin(void);
void nap(uint32_t ticks);
void on_off_entry(void);
void slice_main(uint32_t rounds, volatile uint32_t *shared);
void slice_peer(volatile uint32_t *shared);
void mark_begin(void);
void mark_end(void);
void mark_boot(void);

static struct fdt_machine machine;
static volatile uint32_t stop_pong;
static volatile uint32_t shared[5];
static uint32_t slice_rounds, slice_switches;
static bool has_cycles;
static uint8_t scratch[4096] __attribute__((aligned(4096)));

/* On another platform the devices are elsewhere: stage 1 puts them where the machine has them. */
static void map_device(uint32_t va, uint32_t pa, uint32_t pages)
{
	if (pa == 0 || pa == va)
		return;
	for (uint32_t i = 0; i < pages; i++)
		mmu_short_page(va + i * KIB(4), (pa + i * KIB(4)) | DEVICE_PAGE);
}

void guest_early(void)
{
	mark_boot();
	if (!fdt_read(boot_state.r2, &machine))
		return;
	mmu_short_init();
	map_device(MACHINE_GICD_BASE, machine.gicd, 1);
	map_device(MACHINE_GICC_BASE, machine.gicc, 2);
	/* The SBSA's few registers: Xen aborts the writes with which console_init() sets up the others. */
	map_device(MACHINE_UART_BASE, machine.sbsa ? (uint32_t)scratch : machine.uart, 1);
	for (uint32_t at = MIB(64); at < TOUCH_END; at += MIB(1))
		mmu_short_section(machine.ram + at, (machine.ram + at) | SECT | SECT_NORMAL | SECT_AP_P);
	mmu_short_on();
}

/* PMCCNTR (DDI 0406C C12.8), where the platform gives guests a PMU: none, UNDEF or stuck at one value, where not. */
static bool cycles_start(void)
{
	uint32_t before;

	if (FIELD(MRC15(0, c0, c1, 2), 24, 4) == 0) /* ID_DFR0.PerfMon */
		return false;
	exc_expect(EXC_UNDEF);
	MCR15(0, c9, c12, 0, 1U | 4U); /* PMCR.E, .C */
	MCR15(0, c9, c12, 1, BIT(31)); /* PMCNTENSET: the cycle counter */
	before = MRC15(0, c9, c13, 0);
	isb();
	return MRC15(0, c9, c13, 0) != before && exc_done()->count == 0;
}

static uint32_t cycles(void)
{
	return has_cycles ? MRC15(0, c9, c13, 0) : 0;
}

static void touch_blocks(uint32_t rounds)
{
	volatile uint32_t *at = (volatile uint32_t *)(machine.ram + TOUCH_FIRST);

	for (; rounds > 0; rounds--, at += BLOCK / sizeof(*at))
		(void)*at;
}

static void pong_cpu(void *arg)
{
	(void)arg;
	write_vbar((uint32_t)bench_vectors);
	gic_cpu_init();
	gic_enable(SGI_SELF);
	gic_enable(SGI_PING);
	write32(DIST_SGIR, BIT(16) | SGI_WAKE);
	pong(&stop_pong);
}

static void slice_cpu(void *arg)
{
	(void)arg;
	write32(DIST_SGIR, BIT(16) | SGI_WAKE);
	slice_peer(shared);
}

/* Start CPU 1 and sleep until it says that it runs. */
static void peer_start(void (*fn)(void *arg))
{
	smp_boot(1, fn, 0);
	wait_interrupt();
}

/* Never spin for another CPU: under -icount it would wait for the spinning one's turn to end (docs/performance.md). */
static void wait_off(void)
{
	do
		nap(NAP);
	while (psci_hvc(PSCI_AFFINITY_INFO, 1, 0, 0) != 1);
}

static void cpu_on_off(uint32_t rounds)
{
	for (; rounds > 0; rounds--) {
		psci_hvc(PSCI_CPU_ON, 1, (uint32_t)on_off_entry, 0);
		wait_off();
	}
}

/* What the peer did before and does afterwards, until it is told to end, does not count. */
static void slice(uint32_t rounds)
{
	uint32_t before = shared[3], switches = shared[2];

	shared[0] = 1; /* who runs */
	slice_main(rounds, shared);
	slice_rounds = shared[3] - before;
	slice_switches = shared[1] + shared[2] - switches;
}

static const struct row rows[] = {
	{"psci_version", MICRO, 4096, row_psci_version},
	{"psci_features", MICRO, 4096, row_psci_features},
	{"psci_affinity", MICRO, 4096, row_psci_affinity},
	{"psci_unknown", MICRO, 4096, row_psci_unknown},
	{"gicd_typer", MICRO, 4096, row_gicd_typer},
	{"gicd_isenabler", MICRO, 4096, row_gicd_isenabler},
	{"uart_fr", MICRO, 4096, row_uart_fr},
	{"mmio_turns", MICRO, 4096, row_mmio_turns},
	{"irq_mask", MICRO, 4096, row_irq_mask},
	{"mmio_r14", MICRO, 4096, row_mmio_r14},
	{"mmio_post", ODD, 4096, row_mmio_post},
	{"actlr", MICRO, 4096, row_actlr},
	{"cntpct", MICRO, 4096, row_cntpct},
	{"sgi_self", MICRO | TIMER, 4096, row_sgi_self},
	{"timer_virt", MICRO | TIMER, 4096, row_timer_virt},
	{"timer_phys", MICRO, 4096, row_timer_phys},
	{"wfi_timer", MICRO | SLEEP, 1024, row_wfi_timer},
	{"tick", TICK, 64, row_wfi_timer},
	{"sgi_change", GIC, 4096, row_sgi_change},
	{"sgi_16", GIC, 4096, row_sgi_16},
	{"spis_1", GIC, 1024, row_spis_1},
	{"spis_8", GIC, 1024, row_spis_8},
	{"spis_32", GIC, 1024, row_spis_32},
	{"spis_160", GIC, 1600, row_spis_160},
	{"ispendr", GIC, 1024, row_ispendr},
	{"isactiver", GIC, 1024, row_isactiver},
	{"icfgr", GIC, 1024, row_icfgr},
	{"igroupr", GIC, 1024, row_igroupr},
	{"gicd_ctlr", GIC, 256, row_gicd_ctlr},
	{"touch_2m", TOUCH, (TOUCH_END - TOUCH_FIRST) / BLOCK, touch_blocks},
	{"sgi_ping", SMP | PAIR, 2048, row_sgi_ping},
	{"cpu_on_off", SMP, 256, cpu_on_off},
	{"slice", SHARE, 20000000, slice},
	{"virtio_reg", VIRTIO, 4096, row_virtio_reg},
	{"virtio_turns", VIRTIO, 4096, row_virtio_turns},
	{"virtio_kick", VIRTIO, 4096, row_virtio_kick},
	{"virtio_4k", VIRTIO, 1024, row_virtio_4k},
	{"virtio_4k_own", VIRTIO, 1024, row_virtio_4k_own},
	{"virtio_1m", VIRTIO, 16, row_virtio_1m},
	{"virtio_1m_own", VIRTIO, 16, row_virtio_1m_own},
	{"net_frame", NET, 1024, row_net_frame},
	{"net_frame_own", NET, 1024, row_net_frame_own},
	{"net_batch", NET, 1024, row_net_batch},
	{"net_batch_own", NET, 1024, row_net_batch_own},
	{"net_large", NET, 64, row_net_large},
	{"net_large_own", NET, 64, row_net_large_own},
};

static void measure(const struct row *row, struct result *result)
{
	uint64_t ticks;
	uint32_t start;

	if (row->groups & (MICRO | TIMER | VIRTIO | NET | GIC))
		row->run(16); /* TLB, caches, branch predictor */
	ticks = read_cntvct();
	start = cycles();
	mark_begin();
	row->run(row->rounds);
	mark_end();
	isb();
	result->row = row;
	result->cycles = cycles() - start;
	result->ticks = read_cntvct() - ticks;
}

/* What is divided by what: for the slice row the switches, and the two loops' own instructions to subtract. */
static void print_row(const struct result *result)
{
	uint32_t rounds = result->row->rounds, own = 0;

	if (result->row->groups == SHARE) {
		rounds = slice_switches;
		own = slice_rounds * SLICE_PEER + result->row->rounds * SLICE_MAIN;
	}
	printf("row %s rounds %u own %u", result->row->name, (unsigned int)rounds, (unsigned int)own);
	if (rounds > 0)
		printf(" ns %llu", result->ticks * 1000000000U / read_cntfrq() / rounds);
	if (result->cycles && rounds > 0)
		printf(" cycles %u", (unsigned int)(result->cycles / rounds));
	printf("\n");
}

static bool has(const char *word)
{
	const char *p = machine.bootargs;
	unsigned int n = 0;

	for (; *p; p++) {
		for (n = 0; word[n] && p[n] == word[n]; n++)
			;
		if (!word[n])
			return true;
	}
	return false;
}

static uint32_t wanted(void)
{
	if (!has("bench="))
		return MICRO | TOUCH;
	return (has("micro") ? MICRO : 0U) | (has("timer") ? TIMER : 0U) | (has("touch") ? TOUCH : 0U) |
	       (has("smp") ? SMP : 0U) | (has("pair") ? PAIR : 0U) | (has("share") ? SHARE : 0U) |
	       (has("virtio") ? VIRTIO : 0U) | (has("net") ? NET : 0U) | (has("gic") ? GIC : 0U) |
	       (has("sleep") ? SLEEP : 0U) | (has("tick") ? TICK : 0U) | (has("odd") ? ODD : 0U);
}

static void prepare(const struct row *row)
{
	if (row->run == row_sgi_ping)
		peer_start(pong_cpu);
	else if (row->run == slice)
		peer_start(slice_cpu);
}

static void finish(const struct row *row)
{
	if (row->run == row_sgi_ping) {
		stop_pong = 1;
		write32(DIST_SGIR, BIT(17) | SGI_SELF);
		wait_off();
	} else if (row->run == slice) {
		shared[4] = 1;
		wait_off();
	}
}

static bool can_run(const struct row *row, uint32_t groups)
{
	if (!(row->groups & groups))
		return false;
	if (row->groups == TOUCH)
		return machine.ram_size >= TOUCH_END;
	return !(row->groups & (SMP | PAIR | SHARE)) || smp_count() > 1;
}

void guest_main(void)
{
	uint32_t groups = wanted();

	map_device(MACHINE_UART_BASE, machine.uart, 1);
	has_cycles = groups && !(groups & (SHARE | SLEEP | TICK)) &&
		     cycles_start(); /* a PMU in use is part of each switch */
	gic_init();
	for (uint32_t id = 0; id <= SGI_PING; id++)
		gic_enable(id);
	write_vbar((uint32_t)bench_vectors);
	isb();
	while (has("idle"))
		wfi();
	if (has("spin"))
		spin();
	gic_enable(MACHINE_PPI_TIMER_VIRT);
	gic_enable(MACHINE_PPI_TIMER_PHYS);
	if (has("late"))
		nap(read_cntfrq() / 4);
	printf("bench: gicd %08x uart %08x ram %u MiB, %u CPU(s)\n", (unsigned int)machine.gicd,
	       (unsigned int)machine.uart, (unsigned int)(machine.ram_size >> 20), (unsigned int)smp_count());
	for (uint32_t id = BENCH_SPI; groups & GIC && id < BENCH_SPI + 160; id++) {
		gic_target_self(id);
		gic_enable(id);
	}
	if (groups & VIRTIO && !blk_init(machine.ram + MIB(64)))
		printf("bench: no disk in slot 0\n");
	if (groups & NET && !net_init(machine.ram + MIB(66)))
		printf("bench: no network cards in slots 0 and 1\n");
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result result;

		if (!can_run(&rows[i], groups))
			continue;
		prepare(&rows[i]);
		measure(&rows[i], &result);
		finish(&rows[i]);
		print_row(&result);
	}
	printf("bench: done\n");
}
