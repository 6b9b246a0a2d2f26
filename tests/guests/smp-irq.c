/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of several CPUs (IHI 0048B 3.2): SGIs between all pairs, to all but the sender and to a CPU that is off;
 * CPUs that go off with an interrupt pending or under way.
 */
#include "tests/guests/smp-rig.h"

#define TEST_SPI 100U /* nothing is wired to it */

void eoi_and_off(uint32_t iar);

/* End an interrupt and switch off in one breath: r0 = what GICC_IAR gave. */
__asm__(".syntax unified\n"
	".arch_extension virt\n"
	".text\n"
	".arm\n"
	".global eoi_and_off\n"
	"eoi_and_off:\n"
	"	ldr	r1, =0x08010010\n"
	"	ldr	r2, =0x84000002\n"
	"	str	r0, [r1]\n"
	"	mov	r0, r2\n"
	"	hvc	#0\n"
	"	bx	lr\n"
	"	.ltorg\n");

/*
 * SGIs: every CPU sends to every other, its own number as the SGI's, and waits for the answer, SGI 8 + its number,
 * before it sends the next: an SGI that is pending from the same source merges with another (IHI 0048B 3.2.2).
 */
static volatile uint32_t got[GUEST_CPUS][GUEST_CPUS], answered[GUEST_CPUS][GUEST_CPUS], bad_sgis;

static void sgi_irq(void)
{
	uint32_t self = this_cpu()->index, iar = read32(CPUIF_IAR), id = iar & 0x3ff, source = FIELD(iar, 10, 3);

	if (id == timer_virt.irq) {
		report(false, "%s: a CPU hangs", phase);
		guest_exit();
	}
	if (id == GIC_SPURIOUS)
		return;
	if (id < 8 && id == source) {
		got[self][source]++;
		dmb();
		write32(DIST_SGIR, BIT(16 + source) | (8 + self));
	} else if (id >= 8 && id < 16 && id - 8 == source) {
		answered[self][source]++;
	} else {
		bad_sgis++;
	}
	write32(CPUIF_EOIR, iar);
}

static void sgi_all(void *arg)
{
	uint32_t self = this_cpu()->index;

	(void)arg;
	irq_disable();
	gic_cpu_init();
	if (self == 0)
		gic_enable(timer_virt.irq); /* which gic_cpu_init took away */
	irq_set_handler(sgi_irq);
	barrier_wait(&barrier, count);
	for (uint32_t n = 1; n <= rounds; n++)
		for (uint32_t to = 0; to < count; to++) {
			if (to == self)
				continue;
			dsb();
			write32(DIST_SGIR, BIT(16 + to) | self);
			while (answered[self][to] < n)
				irq_sleep();
		}
	irq_enable(); /* the others may still be asking */
	barrier_wait(&barrier, count);
	irq_disable();
}

void test_sgis(void)
{
	uint32_t wrong = 0;

	on_all("SGIs between all pairs", sgi_all);
	for (uint32_t to = 0; to < count; to++)
		for (uint32_t from = 0; from < count; from++)
			wrong += got[to][from] != (from == to ? 0 : rounds);
	report(wrong == 0 && bad_sgis == 0, "SGIs between all pairs: %u from each to each, with their source",
	       (unsigned int)rounds);
}

/* GICD_SGIR.TargetListFilter (4.3.15). */
static volatile uint32_t filter_got[GUEST_CPUS];

static void filter_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	if ((iar & 0x3ff) == timer_virt.irq)
		hang_irq();
	if ((iar & 0x3ff) == 5)
		filter_got[this_cpu()->index]++;
	if ((iar & 0x3ff) < GIC_SPURIOUS)
		write32(CPUIF_EOIR, iar);
}

static void sgi_filter(void *arg)
{
	uint32_t self = this_cpu()->index;

	(void)arg;
	irq_disable();
	gic_cpu_init();
	if (self == 0)
		gic_enable(timer_virt.irq);
	irq_set_handler(filter_irq);
	irq_enable();
	barrier_wait(&barrier, count);
	if (self == 0) {
		write32(DIST_SGIR, 1U << 24 | 5); /* all but me */
		for (uint32_t cpu = 1; cpu < count; cpu++)
			while (!filter_got[cpu])
				;
	}
	barrier_wait(&barrier, count);
	irq_disable();
}

void test_sgi_filter(void)
{
	uint32_t wrong = 0;

	on_all("SGI to all but the sender", sgi_filter);
	for (uint32_t cpu = 0; cpu < count; cpu++)
		wrong += filter_got[cpu] != (cpu ? 1U : 0U);
	report(wrong == 0, "an SGI to all but the sender comes to each once");
}

/* The distributor is not the CPU's: an SGI sent to a CPU that is off or about to start waits for it (IHI 0048B 3.2). */
static volatile uint32_t sgi_waited[GUEST_CPUS];

static void look_for_sgi(void *arg)
{
	uint32_t self = this_cpu()->index;

	(void)arg;
	write32(CPUIF_PMR, 0xff);
	write32(CPUIF_CTLR, GICC_CTLR_GRP0);
	gic_settle();
	sgi_waited[self] = read32(CPUIF_IAR);
	if ((sgi_waited[self] & 0x3ff) < GIC_SPURIOUS)
		write32(CPUIF_EOIR, sgi_waited[self]);
}

void test_sgi_to_off(void)
{
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		watch("SGI to a CPU that is off");
		write32(DIST_SGIR, BIT(16 + cpu) | 3);
		start(cpu, look_for_sgi, NULL);
		finish(cpu);
		report((sgi_waited[cpu] & 0x1fff) == 3,
		       "cpu %u: an SGI sent while it was off is there when it comes up (%x)", (unsigned int)cpu,
		       (unsigned int)sgi_waited[cpu]);
		start(cpu, look_for_sgi, NULL);
		write32(DIST_SGIR, BIT(16 + cpu) | 4);
		finish(cpu);
		if ((sgi_waited[cpu] & 0x3ff) == GIC_SPURIOUS) { /* it looked before; then this one waits again */
			start(cpu, look_for_sgi, NULL);
			finish(cpu);
		}
		report((sgi_waited[cpu] & 0x1fff) == 4, "cpu %u: an SGI sent right behind CPU_ON is not lost (%x)",
		       (unsigned int)cpu, (unsigned int)sgi_waited[cpu]);
		watch_end();
	}
}

/* A CPU that went off with its timer running, or behind the end of an interrupt, disturbs no other. */
static void off_with_timer(void *arg)
{
	(void)arg;
	gic_cpu_init();
	gic_enable(timer_virt.irq);
	timer_virt.set_cval(timer_virt.count() + timer_ticks(2000));
	timer_virt.set_ctl(TIMER_ENABLE);
}

static void off_behind_eoi(void *arg)
{
	uint32_t iar;

	(void)arg;
	gic_cpu_init();
	gic_enable(timer_phys.irq);
	timer_phys.set_cval(0);
	timer_phys.set_ctl(TIMER_ENABLE);
	do
		iar = read32(CPUIF_IAR);
	while ((iar & 0x3ff) != timer_phys.irq);
	timer_phys.set_ctl(0);
	eoi_and_off(iar);
}

static volatile uint32_t ticks;

static void tick_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	timer_virt.set_ctl(0);
	timer_phys.set_ctl(0);
	ticks += (iar & 0x3ff) == timer_virt.irq;
	if ((iar & 0x3ff) < GIC_SPURIOUS)
		write32(CPUIF_EOIR, iar);
}

/* The virtual timer's interrupt within a second; the loop polls, so that nothing else need work. */
static bool tick_comes(void)
{
	irq_set_handler(tick_irq);
	ticks = 0;
	gic_enable(timer_virt.irq);
	timer_virt.set_cval(timer_virt.count() + timer_ticks(1000));
	timer_virt.set_ctl(TIMER_ENABLE);
	irq_enable();
	timer_wait_for(&ticks, 1000000);
	irq_disable();
	timer_virt.set_ctl(0);
	return ticks == 1;
}

/* In WFI, until the physical timer's interrupt. */
static void nap(uint32_t us)
{
	irq_disable();
	irq_set_handler(tick_irq);
	gic_enable(timer_phys.irq);
	timer_phys.set_cval(timer_phys.count() + timer_ticks(us));
	timer_phys.set_ctl(TIMER_ENABLE);
	while (timer_phys.ctl() & TIMER_ENABLE)
		irq_sleep();
	gic_disable(timer_phys.irq);
}

static void come_and_go(void *arg)
{
	(void)arg;
}

void test_off_quietly(void)
{
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		start(cpu, off_with_timer, NULL);
		nap(20000); /* the CPU goes off, and its timer fires, when no other CPU has work */
		finish(cpu);
		report(tick_comes(), "cpu 0 has its timer when cpu %u went off with its own running",
		       (unsigned int)cpu);
		start(cpu, off_behind_eoi, NULL);
		finish(cpu);
		report(tick_comes(), "cpu 0 has its timer when cpu %u went off behind an EOI", (unsigned int)cpu);
		report_eq(start(cpu, come_and_go, NULL), 0, "and that CPU starts again");
		finish(cpu);
	}
}

/* An SPI pending at a CPU that went off goes to the one it is retargeted to. */
static void take_no_spi(void *arg)
{
	(void)arg;
	gic_cpu_init();
	write8(DIST_ITARGETSR(0) + TEST_SPI, BIT(this_cpu()->index));
	gic_enable(TEST_SPI);
	gic_set_pending(TEST_SPI);
	gic_settle();
}

static volatile uint32_t spis;

static void spi_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	spis += (iar & 0x3ff) == TEST_SPI;
	if ((iar & 0x3ff) < GIC_SPURIOUS)
		write32(CPUIF_EOIR, iar);
}

void test_spi_of_off(void)
{
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		start(cpu, take_no_spi, NULL);
		finish(cpu);
		spis = 0;
		irq_set_handler(spi_irq);
		irq_enable();
		write8(DIST_ITARGETSR(0) + TEST_SPI, 1);
		timer_wait_for(&spis, 200000);
		irq_disable();
		quirk(spis == 1, "gic-retarget",
		      "an SPI pending at cpu %u, which is off, comes to cpu 0 when retargeted", (unsigned int)cpu);
		gic_disable(TEST_SPI);
		gic_clear_pending(TEST_SPI);
	}
}

/* An SPI for two CPUs, of which the one before this is off, comes here. */
static void take_for_two(void *arg)
{
	uint64_t end = timer_virt.count() + timer_ticks(200000);
	uint32_t self = this_cpu()->index, iar = GIC_SPURIOUS;

	(void)arg;
	gic_cpu_init();
	write8(DIST_ITARGETSR(0) + TEST_SPI, BIT(self) | BIT(self - 1));
	gic_enable(TEST_SPI);
	gic_set_pending(TEST_SPI);
	while (iar == GIC_SPURIOUS && timer_virt.count() < end)
		iar = read32(CPUIF_IAR) & 0x3ff;
	if (iar != GIC_SPURIOUS)
		write32(CPUIF_EOIR, iar);
	gic_disable(TEST_SPI);
	spis = iar == TEST_SPI;
}

void test_spi_of_off_and_on(void)
{
	for (uint32_t cpu = 2; cpu < count; cpu++) {
		start(cpu, take_for_two, NULL);
		finish(cpu);
		report(spis == 1, "an SPI for cpu %u, which is off, and cpu %u comes to that", (unsigned int)(cpu - 1),
		       (unsigned int)cpu);
		gic_clear_pending(TEST_SPI);
	}
}
