/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt controller between CPUs: what one CPU's distributor accesses do to interrupts that another has pending,
 * active, or both (IHI 0048B 3.2, 4.3). The other CPU is told step by step what to do with its CPU interface. Then all
 * CPUs do it to each other at once. "rounds=N" in the boot arguments makes that longer.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/remote.h"
#include "tests/guests/lib/smp.h"

#define SPI_A   100U /* nothing is wired to them */
#define SPI_B   101U
#define NESTED  104U /* and the next ones */
#define DEPTH   10U  /* more than the list registers of any GIC that QEMU models */
#define OWN_SPI 128U /* + CPU: each CPU's own */
#define SGI     3U

static uint32_t count, rounds;
static struct barrier barrier;

/* Enabled, edge-triggered, idle, to this CPU. */
static void aim(uint32_t irq, uint32_t cpu, uint32_t priority)
{
	gic_disable(irq);
	gic_clear_pending(irq);
	write32(DIST_ICACTIVER(irq / 32), BIT(irq % 32));
	gic_edge(irq, true);
	gic_set_priority(irq, priority);
	write8(DIST_ITARGETSR(0) + irq, BIT(cpu));
	gic_enable(irq);
}

/* The state of an interrupt as this CPU reads it: 1 pending, 2 active. */
static uint32_t state_of(uint32_t irq)
{
	return gic_is_pending(irq) + 2U * gic_is_active(irq);
}

static void test_pending(uint32_t cpu)
{
	aim(SPI_A, cpu, 0x80);
	gic_set_pending(SPI_A);
	report_eq(state_of(SPI_A), 1, "pending at another CPU: shown");
	gic_clear_pending(SPI_A);
	report_eq(state_of(SPI_A), 0, "ICPENDR: gone");
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "and not there either");
	gic_set_pending(SPI_A);
	report_eq(remote_ack(cpu), SPI_A, "again: it is acknowledged there");
	report_eq(state_of(SPI_A), 2, "active at another CPU: shown");
	gic_set_pending(SPI_A);
	report_eq(state_of(SPI_A), 3, "pending besides: shown");
	gic_clear_pending(SPI_A);
	report_eq(state_of(SPI_A), 2, "ICPENDR while active: only active");
	gic_set_pending(SPI_A);
	remote_eoi(cpu, SPI_A);
	report_eq(state_of(SPI_A), 1, "EOI there: pending");
	report_eq(remote_ack(cpu), SPI_A, "and acknowledged");
	remote_eoi(cpu, SPI_A);
	report_eq(state_of(SPI_A), 0, "idle");
}

static void test_active(uint32_t cpu)
{
	aim(SPI_A, cpu, 0x80);
	write32(DIST_ISACTIVER(SPI_A / 32), BIT(SPI_A % 32));
	gic_set_pending(SPI_A);
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "ISACTIVER: not signalled to another CPU");
	report_eq(state_of(SPI_A), 3, "active and pending");
	write32(DIST_ICACTIVER(SPI_A / 32), BIT(SPI_A % 32));
	report_eq(remote_ack(cpu), SPI_A, "ICACTIVER: signalled");
	gic_set_pending(SPI_A);
	write32(DIST_ICACTIVER(SPI_A / 32), BIT(SPI_A % 32));
	report_eq(state_of(SPI_A), 1, "ICACTIVER while another CPU serves it");
	report_eq(remote_tell(cpu, REMOTE_READ, CPUIF_RPR, 0), 0x80, "does not drop that CPU's priority");
	remote_eoi(cpu, SPI_A);
	report_eq(remote_tell(cpu, REMOTE_READ, CPUIF_RPR, 0), 0xff, "its EOI does");
	report_eq(remote_ack(cpu), SPI_A, "and the next one comes");
	remote_eoi(cpu, SPI_A);
	report_eq(state_of(SPI_A), 0, "idle");
}

/* EOImode 1 there: the priority drops by EOIR, and this CPU deactivates. */
static void test_deactivate(uint32_t cpu)
{
	aim(SPI_A, cpu, 0x80);
	aim(SPI_B, cpu, 0x90);
	remote_tell(cpu, REMOTE_WRITE, CPUIF_CTLR, GICC_CTLR_GRP0 | GICC_CTLR_EOIMODE);
	gic_set_pending(SPI_A);
	remote_eoi(cpu, remote_ack(cpu));
	report_eq(state_of(SPI_A), 2, "EOImode 1: active after EOIR");
	gic_set_pending(SPI_B);
	report_eq(remote_ack(cpu), SPI_B, "a less urgent one comes");
	remote_eoi(cpu, SPI_B);
	write32(DIST_ICACTIVER(SPI_A / 32), BIT(SPI_A % 32));
	report_eq(state_of(SPI_A), 0, "deactivated by another CPU's ICACTIVER");
	remote_tell(cpu, REMOTE_WRITE, CPUIF_DIR, SPI_B);
	report_eq(state_of(SPI_B), 0, "and by DIR");
	gic_set_pending(SPI_A);
	report_eq(remote_ack(cpu), SPI_A, "it comes again");
	remote_eoi(cpu, SPI_A);
	remote_tell(cpu, REMOTE_WRITE, CPUIF_DIR, SPI_A);
	remote_tell(cpu, REMOTE_WRITE, CPUIF_CTLR, GICC_CTLR_GRP0);
}

static void test_masks(uint32_t cpu)
{
	aim(SPI_A, cpu, 0x80);
	aim(SPI_B, cpu, 0x90);
	gic_set_pending(SPI_A);
	gic_disable(SPI_A);
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "disabled while pending there: withdrawn");
	report_eq(state_of(SPI_A), 1, "and still pending");
	gic_enable(SPI_A);
	write32(DIST_CTLR, 0);
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "distributor off: withdrawn");
	write32(DIST_CTLR, 1);
	gic_set_pending(SPI_B);
	gic_set_priority(SPI_B, 0x40);
	report_eq(remote_ack(cpu), SPI_B, "a priority raised while pending there");
	remote_eoi(cpu, SPI_B);
	report_eq(remote_ack(cpu), SPI_A, "then the other");
	remote_eoi(cpu, SPI_A);
}

/*
 * 4.3.12: a pending interrupt goes to the new target. With QEMU 7.2 no CPU gets it. What is active besides waits
 * (3.2.4); QEMU 10.0, which keeps the active state by CPU, gives it to the new target at once.
 */
static void test_retarget(uint32_t cpu)
{
	aim(SPI_A, cpu, 0x80);
	gic_set_pending(SPI_A);
	write8(DIST_ITARGETSR(0) + SPI_A, BIT(0));
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "retargeted: not at the old target");
	gic_settle();
	if (quirk(read32(CPUIF_IAR) == SPI_A, "gic-retarget", "but at the new one"))
		write32(CPUIF_EOIR, SPI_A);
	aim(SPI_A, cpu, 0x80);
	gic_set_pending(SPI_A);
	report_eq(remote_ack(cpu), SPI_A, "taken");
	gic_set_pending(SPI_A);
	write8(DIST_ITARGETSR(0) + SPI_A, BIT(0));
	gic_settle();
	if (quirk(read32(CPUIF_IAR) == GIC_SPURIOUS, "gic-retarget-active",
		  "retargeted while active: it waits for the end"))
		report_eq(state_of(SPI_A), 3, "active and pending");
	else
		write32(CPUIF_EOIR, SPI_A);
	remote_eoi(cpu, SPI_A);
	gic_clear_pending(SPI_A);
	report_eq(state_of(SPI_A), 0, "idle");
}

/* 3.1.1, the 1-N model: two targets, one of them takes it. With QEMU 7.2 both do. */
static void test_one_of_two(uint32_t cpu)
{
	uint32_t here, there;

	aim(SPI_A, cpu, 0x80);
	write8(DIST_ITARGETSR(0) + SPI_A, BIT(cpu) | BIT(0));
	gic_set_pending(SPI_A);
	there = remote_ack(cpu);
	gic_settle();
	here = read32(CPUIF_IAR);
	report(here == SPI_A || there == SPI_A, "two targets: it is taken");
	quirk(here == GIC_SPURIOUS || there == GIC_SPURIOUS, "gic-n-n", "by one of them");
	if (here == SPI_A)
		write32(CPUIF_EOIR, here);
	if (there == SPI_A)
		remote_eoi(cpu, there);
}

/* More active at once than there are list registers; this CPU sees each step. */
static void test_nested(uint32_t cpu)
{
	uint32_t seen = 0, ended = 0, wrong = 0;

	for (uint32_t i = 0; i < DEPTH; i++) {
		aim(NESTED + i, cpu, 0xe0 - 0x10 * i);
		gic_set_pending(NESTED + i);
		seen += remote_ack(cpu) == NESTED + i;
		wrong += state_of(NESTED + i) != 2;
	}
	report(seen == DEPTH && !wrong, "%u nested, each preempts (%u, %u wrong)", DEPTH, (unsigned int)seen,
	       (unsigned int)wrong);
	gic_set_pending(NESTED);
	for (uint32_t i = DEPTH; i-- > 0;) {
		report_eq(remote_tell(cpu, REMOTE_READ, CPUIF_RPR, 0), 0xe0 - 0x10 * i, "running priority");
		remote_eoi(cpu, NESTED + i);
		ended += state_of(NESTED + i) == (i ? 0 : 1);
		wrong += i && state_of(NESTED + i - 1) != (i == 1 ? 3 : 2);
	}
	report(ended == DEPTH && !wrong, "and each ends (%u, %u wrong)", (unsigned int)ended, (unsigned int)wrong);
	report_eq(remote_ack(cpu), NESTED, "one that came again while it was active");
	remote_eoi(cpu, NESTED);
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "and no other");
	report_eq(remote_tell(cpu, REMOTE_READ, CPUIF_RPR, 0), 0xff, "idle");
}

/* 4.3.15: the same SGI of each CPU is one of its own. The others send, this CPU looks. */
static void test_sources(void)
{
	uint32_t seen = 0, all = BIT(count) - 1;

	write32(DIST_ISENABLER(0), BIT(SGI));
	for (uint32_t cpu = 0; cpu < count; cpu++)
		for (uint32_t twice = 0; twice < 2; twice++)
			if (cpu)
				remote_tell(cpu, REMOTE_WRITE, DIST_SGIR, BIT(16) | SGI);
			else
				write32(DIST_SGIR, BIT(16) | SGI);
	gic_settle();
	report_eq(read8(DIST_SPENDSGIR(0) + SGI), all, "one SGI from each CPU");
	for (uint32_t n = 0; n < count; n++) {
		uint32_t iar = read32(CPUIF_IAR);

		seen |= (iar & 0x3ff) == SGI ? BIT(FIELD(iar, 10, 3)) : 0;
		write32(CPUIF_EOIR, iar);
		gic_settle();
	}
	report_eq(seen, all, "each is taken, with its source");
	report_eq(read32(CPUIF_IAR), GIC_SPURIOUS, "once");
}

/* A CPU's own registers are its own (banked, 3.1.2). */
static void test_banked(uint32_t cpu)
{
	uint32_t reg = DIST_IPRIORITYR(5), own = read32(reg);

	remote_tell(cpu, REMOTE_WRITE, reg, own ^ UINT32_C(0x10101010));
	report(read32(reg) == own && remote_tell(cpu, REMOTE_READ, reg, 0) == (own ^ UINT32_C(0x10101010)),
	       "PPI priorities are banked");
	remote_tell(cpu, REMOTE_WRITE, DIST_ISPENDR(0), BIT(20));
	/* QEMU 7.2 does not do ISPENDR of PPIs. */
	quirk(!gic_is_pending(20) && (remote_tell(cpu, REMOTE_READ, DIST_ISPENDR(0), 0) & BIT(20)), "gic-ppi-pending",
	      "PPI pending bits as well");
	remote_tell(cpu, REMOTE_WRITE, DIST_ICPENDR(0), BIT(20));
	remote_tell(cpu, REMOTE_WRITE, DIST_ISACTIVER(0), BIT(20));
	report(!gic_is_active(20) && (remote_tell(cpu, REMOTE_READ, DIST_ISACTIVER(0), 0) & BIT(20)),
	       "and active bits");
	remote_tell(cpu, REMOTE_WRITE, DIST_ICACTIVER(0), BIT(20));
	report_eq(remote_tell(cpu, REMOTE_READ, DIST_ITARGETSR(0), 0), BIT(cpu) * UINT32_C(0x01010101),
		  "ITARGETSR0 is the reader's");
}

static void drive(uint32_t cpu)
{
	printf("cpu %u\n", (unsigned int)cpu);
	test_banked(cpu);
	test_pending(cpu);
	test_active(cpu);
	test_deactivate(cpu);
	test_masks(cpu);
	test_retarget(cpu);
	test_one_of_two(cpu);
	test_nested(cpu);
}

static void step_by_step(void *arg)
{
	uint32_t self = this_cpu()->index;

	(void)arg;
	if (self) {
		remote_obey();
	} else {
		gic_init();
		for (uint32_t cpu = 1; cpu < count; cpu++)
			drive(cpu);
		test_sources();
		for (uint32_t cpu = 1; cpu < count; cpu++)
			remote_tell(cpu, REMOTE_END, 0, 0);
	}
	barrier_wait(&barrier, count);
}

static const char *const claims[] = {
	"pending is shown",    "ICPENDR clears it", "it is acknowledged", "active and nothing else is shown",
	"ICACTIVER clears it", "it has ended",      "nothing is left",
};

static volatile uint32_t wrong[GUEST_CPUS][ARRAY_SIZE(claims)];

static void claim(uint32_t which, bool holds)
{
	if (!holds)
		wrong[this_cpu()->index][which]++;
}

/* Every CPU works on an interrupt of its own, and asks about all of them: each is after all others' list registers. */
static void all_at_once(void *arg)
{
	uint32_t irq = OWN_SPI + this_cpu()->index, bit = BIT(irq % 32);

	(void)arg;
	gic_cpu_init();
	barrier_wait(&barrier, count);
	for (uint32_t n = 0; n < rounds; n++) {
		gic_set_pending(irq);
		claim(0, gic_is_pending(irq));
		if (n % 3 == 1) {
			gic_clear_pending(irq);
			claim(1, !gic_is_pending(irq));
			gic_set_pending(irq);
		}
		gic_settle();
		claim(2, read32(CPUIF_IAR) == irq);
		claim(3, state_of(irq) == 2);
		if (n % 2) {
			write32(DIST_ICACTIVER(irq / 32), bit);
			claim(4, !gic_is_active(irq));
		}
		write32(CPUIF_EOIR, irq);
		claim(5, state_of(irq) == 0);
	}
	gic_settle();
	claim(6, read32(CPUIF_IAR) == GIC_SPURIOUS);
	barrier_wait(&barrier, count);
}

void guest_main(void)
{
	rounds = param("rounds=", 100);
	count = smp_count();
	printf("gicsmp: %u CPUs, rounds=%u\n", (unsigned int)count, (unsigned int)rounds);
	mmu_short_init();
	mmu_short_on();
	gic_init();
	smp_run_all(step_by_step, NULL);
	for (uint32_t cpu = 0; cpu < count; cpu++)
		aim(OWN_SPI + cpu, cpu, 0x80);
	smp_run_all(all_at_once, NULL);
	for (uint32_t i = 0; i < ARRAY_SIZE(claims); i++) {
		uint32_t bad = 0;

		for (uint32_t cpu = 0; cpu < count; cpu++)
			bad += wrong[cpu][i];
		report(bad == 0, "%u rounds on all CPUs at once: %s (%u times not)", (unsigned int)rounds, claims[i],
		       (unsigned int)bad);
	}
}
