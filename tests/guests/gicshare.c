/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPIs with several targets: the distributor forwards one to each of them, every CPU interface decides for itself, and
 * who acknowledges first has it (IHI 0048B 3.1.1, 3.2). CPU 0 is a target in every case and does not take it, for each
 * reason that there is; another CPU does. With "rounds=N" in the boot arguments all CPUs then take them at once: not on
 * QEMU's GIC, which gives one to each.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/remote.h"
#include "tests/guests/lib/smp.h"

#define SPI    100U /* nothing is wired to them */
#define URGENT 101U
#define MANY   128U
#define EACH   16U
#define STUCK  5U /* seconds */

static uint32_t count, rounds;
static struct barrier barrier;

static void aim(uint32_t irq, uint32_t targets, uint32_t priority)
{
	gic_disable(irq);
	gic_clear_pending(irq);
	gic_edge(irq, true);
	gic_set_priority(irq, priority);
	write8(DIST_ITARGETSR(0) + irq, targets);
	gic_enable(irq);
}

/* How this CPU's interface keeps the SPI from it, and how it ends that. */
struct reason {
	const char *name;
	void (*begin)(void);
	void (*end)(void);
};

static void group_off(void)
{
	write32(CPUIF_CTLR, 0);
}

static void group_on(void)
{
	write32(CPUIF_CTLR, GICC_CTLR_GRP0);
}

static void mask_on(void)
{
	write32(CPUIF_PMR, 0);
}

static void mask_off(void)
{
	write32(CPUIF_PMR, 0xff);
}

static void serve(void)
{
	aim(URGENT, BIT(0), 0x20);
	gic_set_pending(URGENT);
	report_eq(gic_await(), URGENT, "CPU 0 serves a more urgent one");
}

static void served(void)
{
	write32(CPUIF_EOIR, URGENT);
}

static const struct reason reasons[] = {
	{"GICC_CTLR is 0", group_off, group_on},
	{"GICC_PMR is 0", mask_on, mask_off},
	{"it serves a more urgent interrupt", serve, served},
};

/* `late`: it is pending before the reason is there. */
static void elsewhere(const struct reason *reason, uint32_t cpu, uint32_t targets, bool late)
{
	uint32_t iar;

	aim(SPI, targets, 0x80);
	if (late)
		gic_set_pending(SPI);
	reason->begin();
	if (!late)
		gic_set_pending(SPI);
	iar = remote_await(cpu);
	report(iar == SPI, "CPU %u of 0x%02x takes it, CPU 0's reason%s: %s", (unsigned int)cpu, (unsigned int)targets,
	       late ? ", late" : "", reason->name);
	report(gic_is_active(SPI), "it is active");
	if (iar == SPI)
		remote_eoi(cpu, iar);
	report(!gic_is_active(SPI), "and ends");
	reason->end();
	gic_settle();
	iar = read32(CPUIF_IAR);
	quirk(iar == GIC_SPURIOUS, "gic-n-n", "CPU 0 does not take it as well");
	if (iar == SPI)
		write32(CPUIF_EOIR, iar);
	gic_clear_pending(SPI);
}

/* Who can take it again has it, too: no other CPU does. */
static void nobody_then_here(uint32_t cpu, uint32_t targets)
{
	aim(SPI, targets, 0x80);
	remote_tell(cpu, REMOTE_WRITE, CPUIF_PMR, 0);
	mask_on();
	gic_set_pending(SPI);
	gic_settle();
	report_eq(read32(CPUIF_IAR), GIC_SPURIOUS, "masked at both");
	mask_off();
	report_eq(gic_await(), SPI, "open at CPU 0: taken");
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "and not there");
	write32(CPUIF_EOIR, SPI);
	remote_tell(cpu, REMOTE_WRITE, CPUIF_PMR, 0xff);
	quirk(remote_ack(cpu) == GIC_SPURIOUS, "gic-n-n", "nor later");
	remote_eoi(cpu, SPI);
	gic_clear_pending(SPI);
}

static void one_by_one(void *arg)
{
	(void)arg;
	if (this_cpu()->index) {
		remote_obey();
	} else {
		gic_init();
		for (uint32_t cpu = 1; cpu < count; cpu++) {
			for (uint32_t i = 0; i < ARRAY_SIZE(reasons); i++)
				for (uint32_t late = 0; late < 2; late++)
					elsewhere(&reasons[i], cpu, BIT(0) | BIT(cpu), late);
			nobody_then_here(cpu, BIT(0) | BIT(cpu));
		}
		for (uint32_t cpu = 1; cpu < count; cpu++)
			remote_tell(cpu, REMOTE_END, 0, 0);
	}
	barrier_wait(&barrier, count);
}

static volatile uint32_t taken[EACH][GUEST_CPUS], done;

/*
 * All are targets of all. Each CPU looks, with its mask open and closed in turn; CPU 0 makes one pending when all have
 * been taken.
 */
static void all_at_once(void *arg)
{
	uint32_t self = this_cpu()->index, n = 0, last = 0, pended = 0;
	uint64_t since = read_cntvct();

	(void)arg;
	gic_cpu_init();
	barrier_wait(&barrier, count);
	while (!done) {
		uint32_t iar, sum = 0;

		write32(CPUIF_PMR, ++n % 3 ? 0xff : 0);
		iar = read32(CPUIF_IAR);
		if (iar - MANY < EACH) {
			taken[iar - MANY][self]++;
			dmb();
			write32(CPUIF_EOIR, iar);
		} else if (iar != GIC_SPURIOUS) {
			report(false, "CPU %u has 0x%x", (unsigned int)self, (unsigned int)iar);
			write32(CPUIF_EOIR, iar);
		}
		if (self)
			continue;
		for (uint32_t i = 0; i < EACH; i++)
			for (uint32_t cpu = 0; cpu < count; cpu++)
				sum += taken[i][cpu];
		if (sum != last)
			since = read_cntvct();
		else if (read_cntvct() - since > STUCK * (uint64_t)read_cntfrq())
			done = 1;
		last = sum;
		if (sum != pended)
			continue;
		if (sum == rounds * EACH)
			done = 1;
		pended += EACH;
		for (uint32_t i = 0; i < EACH && !done; i++)
			gic_set_pending(MANY + i);
	}
	write32(CPUIF_PMR, 0xff);
	barrier_wait(&barrier, count);
}

void guest_main(void)
{
	rounds = param("rounds=", 0);
	count = smp_count();
	printf("gicshare: %u CPUs, rounds=%u\n", (unsigned int)count, (unsigned int)rounds);
	mmu_short_init();
	mmu_short_on();
	gic_init();
	smp_run_all(one_by_one, NULL);
	if (rounds == 0)
		return;
	for (uint32_t i = 0; i < EACH; i++)
		aim(MANY + i, BIT(count) - 1U, 0x80);
	smp_run_all(all_at_once, NULL);
	printf("pending 0x%08x, active 0x%08x\n", (unsigned int)read32(DIST_ISPENDR(MANY / 32)),
	       (unsigned int)read32(DIST_ISACTIVER(MANY / 32)));
	for (uint32_t i = 0; i < EACH; i++) {
		uint32_t sum = 0;

		for (uint32_t cpu = 0; cpu < count; cpu++)
			sum += taken[i][cpu];
		report_eq(sum, rounds, "each taken once a round");
	}
}
