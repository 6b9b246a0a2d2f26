/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several CPUs (DEN 0022D 5.4-5.7; DDI 0406C B1.9.1, B2.2, B3.10; IHI 0048B 3.2): CPU_ON and what a CPU finds when it
 * comes up, CPU_OFF and on again, AFFINITY_INFO, SGIs between all pairs, TLB and instruction cache maintenance that
 * other CPUs must see, exclusives. "rounds=N" in the boot arguments makes it longer.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define SMCCC_VERSION        UINT32_C(0x80000000)
#define SMCCC_ARCH_FEATURES  UINT32_C(0x80000001)
#define PSCI_INVALID_ADDRESS UINT32_C(0xfffffff7)
#define ON                   0U
#define OFF                  1U
#define ON_PENDING           2U

#define HOLE     UINT32_C(0x0b000000)    /* no device of mach-virt */
#define TEST_SPI 100U                    /* nothing is wired to it */
#define HANG_US  3000000U                /* for each round */
#define FAR_AWAY UINT64_C(0x10000000000) /* not ~0: with a counter offset QEMU 7.2 wraps it and hangs */
#define CODE     UINT32_C(0x41000000)    /* scratch RAM above the image */
#define PAGE_A   UINT32_C(0x41100000)
#define PAGE_B   UINT32_C(0x41101000)

static uint32_t count, rounds;
static struct barrier barrier;

/* A CPU's state as CPU_ON left it, written with its MMU off: in lines of its own, and read after an invalidate. */
struct entry_state {
	uint32_t seen, r0, cpsr, sctlr, ttbcr, vbar, cpacr, mpidr;
	uint32_t cntv_ctl, cntp_ctl, fpexc, thumb, sense, pad[3];
};

static struct entry_state entry_state[GUEST_CPUS] __attribute__((aligned(64)));

void entry_arm(void);
void entry_thumb(void);
uint32_t cpu_on_big_endian(uint32_t cpu, uint32_t entry, uint32_t context);
void eoi_and_off(uint32_t iar);

/*
 * Entries: r0 = struct entry_state of this CPU; fill it in and switch off. Only r0 is known. The data endianness is
 * read first and made little-endian before any store; `sense` is 1 for one that was big.
 */
__asm__(".syntax unified\n"
	".arch_extension virt\n"
	".fpu vfpv3-d16\n"
	".text\n"
	".thumb\n"
	".global entry_thumb\n"
	".type entry_thumb, %function\n"
	"entry_thumb:\n"
	"	mov	r2, #1\n"
	"	adr	r1, 1f\n"
	"	bx	r1\n"
	"	.balign	4\n"
	".arm\n"
	"1:	b	2f\n"
	".global entry_arm\n"
	".type entry_arm, %function\n"
	"entry_arm:\n"
	"	mov	r2, #0\n"
	"2:	mrs	r1, cpsr\n"
	"	setend	le\n"
	"	str	r0, [r0, #4]\n"
	"	str	r1, [r0, #8]\n"
	"	mrc	p15, 0, r3, c1, c0, 0\n"
	"	str	r3, [r0, #12]\n"
	"	mrc	p15, 0, r3, c2, c0, 2\n"
	"	str	r3, [r0, #16]\n"
	"	mrc	p15, 0, r3, c12, c0, 0\n"
	"	str	r3, [r0, #20]\n"
	"	mrc	p15, 0, r3, c1, c0, 2\n"
	"	str	r3, [r0, #24]\n"
	"	mrc	p15, 0, r3, c0, c0, 5\n"
	"	str	r3, [r0, #28]\n"
	"	mrc	p15, 0, r3, c14, c3, 1\n"
	"	str	r3, [r0, #32]\n"
	"	mrc	p15, 0, r3, c14, c2, 1\n"
	"	str	r3, [r0, #36]\n"
	"	mov	r3, #0x00f00000\n"
	"	mcr	p15, 0, r3, c1, c0, 2\n"
	"	isb\n"
	"	vmrs	r3, fpexc\n"
	"	str	r3, [r0, #40]\n"
	"	str	r2, [r0, #44]\n"
	"	mov	r3, #0\n"
	"	tst	r1, #0x200\n"
	"	movne	r3, #1\n"
	"	str	r3, [r0, #48]\n"
	"	dsb\n"
	"	mov	r3, #1\n"
	"	str	r3, [r0]\n"
	"	dsb\n"
	"	ldr	r0, =0x84000002\n"
	"	hvc	#0\n"
	"	b	.\n"
	"	.ltorg\n"
	/* CPU_ON by a caller whose data is big-endian. */
	".global cpu_on_big_endian\n"
	"cpu_on_big_endian:\n"
	"	mov	r3, r2\n"
	"	mov	r2, r1\n"
	"	mov	r1, r0\n"
	"	ldr	r0, =0x84000003\n"
	"	setend	be\n"
	"	hvc	#0\n"
	"	setend	le\n"
	"	bx	lr\n"
	"	.ltorg\n"
	/* End an interrupt and switch off in one breath: r0 = what GICC_IAR gave. */
	".global eoi_and_off\n"
	"eoi_and_off:\n"
	"	ldr	r1, =0x08010010\n"
	"	ldr	r2, =0x84000002\n"
	"	str	r0, [r1]\n"
	"	mov	r0, r2\n"
	"	hvc	#0\n"
	"	bx	lr\n"
	"	.ltorg\n");

static uint32_t affinity(uint32_t cpu)
{
	return psci_hvc(PSCI_AFFINITY_INFO, cpu, 0, 0);
}

static void entry_prepare(uint32_t cpu)
{
	entry_state[cpu] = (struct entry_state){0};
	dccimvac(&entry_state[cpu]);
	dsb();
}

/* Wait for the CPU to have come and gone; false: it did not within a second. */
static bool entry_wait(uint32_t cpu)
{
	uint64_t end = timer_virt.count() + timer_ticks(1000000);

	do {
		dcimvac(&entry_state[cpu]);
		dsb();
		if (*(volatile uint32_t *)&entry_state[cpu].seen && affinity(cpu) == OFF)
			return true;
	} while (timer_virt.count() < end);
	return false;
}

/* The watchdog: a test that waits for another CPU for ever ends in one line with a name. CPU 0 takes the interrupt. */
static const char *volatile phase;

static void hang_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	if ((iar & 0x3ff) == timer_virt.irq) {
		report(false, "%s: a CPU hangs", phase);
		guest_exit();
	}
	if ((iar & 0x3ff) < GIC_SPURIOUS)
		write32(CPUIF_EOIR, iar);
}

static void watch(const char *name)
{
	phase = name;
	timer_virt.set_ctl(0);
	timer_virt.set_cval(timer_virt.count() + rounds * timer_ticks(HANG_US));
	timer_virt.set_ctl(TIMER_ENABLE);
	gic_enable(timer_virt.irq);
	irq_set_handler(hang_irq);
	irq_enable();
}

static void watch_end(void)
{
	irq_disable();
	timer_virt.set_ctl(0);
}

/*
 * smp_boot() and smp_wait_off() with a word from the CPU in between: QEMU's CPU_ON takes effect some time after it has
 * returned, and AFFINITY_INFO says OFF until then.
 */
static struct {
	void (*fn)(void *arg);
	void *arg;
	volatile uint32_t up;
} work[GUEST_CPUS];

static void do_work(void *arg)
{
	(void)arg;
	work[this_cpu()->index].up = 1;
	work[this_cpu()->index].fn(work[this_cpu()->index].arg);
}

static uint32_t start(uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	work[cpu].fn = fn;
	work[cpu].arg = arg;
	work[cpu].up = 0;
	dsb();
	return smp_boot(cpu, do_work, NULL);
}

static void finish(uint32_t cpu)
{
	while (!work[cpu].up)
		;
	smp_wait_off(cpu);
}

/* Run fn on every CPU at once, this one included, and wait until the others are off again. */
static void on_all(const char *name, void (*fn)(void *arg))
{
	watch(name);
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		uint32_t result = start(cpu, fn, NULL);

		if (result) {
			report(false, "%s: CPU_ON of cpu %u returns %d", name, (unsigned int)cpu, (int)result);
			guest_exit();
		}
	}
	fn(NULL);
	for (uint32_t cpu = 1; cpu < count; cpu++)
		finish(cpu);
	watch_end();
}

/* What SMCCC and PSCI answer, by both conduits. The machine that has no SMC: UNDEFINED, and said so. */
static void test_conduits(void)
{
	static const uint32_t ids[] = {SMCCC_VERSION, PSCI_VERSION, PSCI_MIGRATE_TYPE, UINT32_C(0x8400001f),
				       PSCI_CPU_ON_64};
	uint32_t version = psci_hvc(SMCCC_VERSION, 0, 0, 0), same = 0;
	bool has_smccc = psci_hvc(PSCI_FEATURES, SMCCC_VERSION, 0, 0) == 0, has_smc;

	if (quirk(has_smccc, "psci-no-smccc", "PSCI_FEATURES(SMCCC_VERSION): supported")) {
		report(version >= UINT32_C(0x10001) && version < UINT32_C(0x20000),
		       "SMCCC_VERSION is 1.1 or later (%u.%u)", (unsigned int)(version >> 16),
		       (unsigned int)(version & 0xffff));
		report_eq(psci_hvc(SMCCC_ARCH_FEATURES, SMCCC_VERSION, 0, 0), 0, "ARCH_FEATURES(SMCCC_VERSION)");
		report_eq(psci_hvc(SMCCC_ARCH_FEATURES, SMCCC_ARCH_FEATURES, 0, 0), 0, "ARCH_FEATURES(itself)");
		report_eq(psci_hvc(SMCCC_ARCH_FEATURES, UINT32_C(0x80000007), 0, 0), PSCI_NOT_SUPPORTED,
			  "ARCH_FEATURES(unknown)");
	}
	exc_expect(EXC_UNDEF);
	psci_smc(PSCI_VERSION, 0, 0, 0);
	has_smc = !exc_done()->count;
	if (!quirk(has_smc, "psci-no-smc", "SMC is a conduit too"))
		return;
	for (uint32_t i = 0; i < ARRAY_SIZE(ids); i++)
		same += psci_smc(ids[i], 0, 0, 0) == psci_hvc(ids[i], 0, 0, 0);
	report_eq(same, ARRAY_SIZE(ids), "SMC answers as HVC does");
	for (uint32_t cpu = 0; cpu < count; cpu++)
		report(psci_smc(PSCI_AFFINITY_INFO, cpu, 0, 0) == affinity(cpu), "AFFINITY_INFO of cpu %u by SMC",
		       (unsigned int)cpu);
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		entry_prepare(cpu);
		report_eq(psci_smc(PSCI_CPU_ON, cpu, (uint32_t)entry_arm, (uint32_t)&entry_state[cpu]), 0,
			  "CPU_ON by SMC");
		report(entry_wait(cpu), "cpu %u came up by SMC and went", (unsigned int)cpu);
	}
}

static void test_parameters(void)
{
	static const uint32_t nobody[] = {0x100, 0x10000, UINT32_C(0x80000000), UINT32_C(0x01000000),
					  UINT32_C(0xffffffff)};

	report_eq(psci_hvc(PSCI_CPU_ON, count, (uint32_t)entry_arm, 0), PSCI_INVALID, "CPU_ON of one CPU too many");
	report_eq(affinity(count), PSCI_INVALID, "AFFINITY_INFO of one CPU too many");
	for (uint32_t i = 0; i < ARRAY_SIZE(nobody); i++)
		report(psci_hvc(PSCI_CPU_ON, nobody[i], (uint32_t)entry_arm, 0) == PSCI_INVALID,
		       "CPU_ON of affinity %08x is INVALID_PARAMETERS", (unsigned int)nobody[i]);
	/* 5.7.3: a level above 0 is ON, or since 1.0 INVALID_PARAMETERS. */
	for (uint32_t level = 1; level < 4; level++) {
		uint32_t result = psci_hvc(PSCI_AFFINITY_INFO, 0, level, 0);

		report(result == ON || result == PSCI_INVALID, "AFFINITY_INFO of level %u", (unsigned int)level);
	}
	for (uint32_t cpu = 0; cpu < count; cpu++)
		report(affinity(cpu) == (cpu ? OFF : ON), "cpu %u is %s at boot", (unsigned int)cpu,
		       cpu ? "off" : "on");
}

/* Make registers differ from their reset values, for the next CPU_ON to find. */
static void make_dirty(void *arg)
{
	(void)arg;
	write_cpacr(UINT32_C(0x00f00000));
	isb();
	__asm__ volatile(".fpu vfpv3-d16\n\tvmsr fpexc, %0" : : "r"(UINT32_C(0x40000000)));
	timer_phys.set_cval(timer_phys.count() + FAR_AWAY);
	timer_phys.set_ctl(TIMER_ENABLE | TIMER_IMASK);
	timer_virt.set_cval(timer_virt.count() + FAR_AWAY);
	timer_virt.set_ctl(TIMER_ENABLE | TIMER_IMASK);
	write_contextidr(UINT32_C(0x12345678));
}

/* B1.9.1 and the registers' own descriptions in B4; VBAR's and other UNKNOWN ones are not asked for. */
static void check_entry(uint32_t cpu, bool thumb, const char *how)
{
	const struct entry_state *s = &entry_state[cpu];
	uint32_t clear = SCTLR_M | SCTLR_A | SCTLR_C | SCTLR_I | SCTLR_V | SCTLR_WXN | SCTLR_UWXN | SCTLR_EE |
			 SCTLR_TRE | SCTLR_AFE | SCTLR_TE;

	if (!report(entry_wait(cpu), "cpu %u: entered %s, and off by CPU_OFF", (unsigned int)cpu, how))
		return;
	report(s->r0 == (uint32_t)s, "cpu %u %s: context id in r0", (unsigned int)cpu, how);
	report(s->thumb == thumb, "cpu %u %s: instruction set by bit 0", (unsigned int)cpu, how);
	report((s->cpsr & (PSR_MODE | PSR_A | PSR_I | PSR_F | PSR_E)) == (MODE_SVC | PSR_A | PSR_I | PSR_F),
	       "cpu %u %s: CPSR %08x", (unsigned int)cpu, how, (unsigned int)s->cpsr);
	report((s->sctlr & clear) == 0, "cpu %u %s: SCTLR %08x", (unsigned int)cpu, how, (unsigned int)s->sctlr);
	report(s->ttbcr == 0, "cpu %u %s: TTBCR %08x", (unsigned int)cpu, how, (unsigned int)s->ttbcr);
	report((s->cpacr & UINT32_C(0x00f00000)) == 0, "cpu %u %s: CPACR %08x", (unsigned int)cpu, how,
	       (unsigned int)s->cpacr);
	report((s->fpexc & UINT32_C(0x40000000)) == 0, "cpu %u %s: FPEXC %08x", (unsigned int)cpu, how,
	       (unsigned int)s->fpexc);
	report(!(s->cntv_ctl & TIMER_ENABLE) && !(s->cntp_ctl & TIMER_ENABLE), "cpu %u %s: timers off (%x, %x)",
	       (unsigned int)cpu, how, (unsigned int)s->cntv_ctl, (unsigned int)s->cntp_ctl);
	report((s->mpidr & UINT32_C(0x00ffffff)) == cpu && (s->mpidr & BIT(31)) && !(s->mpidr & BIT(30)),
	       "cpu %u %s: MPIDR %08x", (unsigned int)cpu, how, (unsigned int)s->mpidr);
}

static void test_entry(void)
{
	report((read_mpidr() & UINT32_C(0x80ffffff)) == BIT(31), "cpu 0: MPIDR %08x", (unsigned int)read_mpidr());
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		for (uint32_t thumb = 0; thumb < 2; thumb++) {
			uint32_t entry = thumb ? (uint32_t)entry_thumb | 1 : (uint32_t)entry_arm;

			watch("entry after CPU_OFF");
			start(cpu, make_dirty, NULL);
			finish(cpu);
			watch_end();
			entry_prepare(cpu);
			report_eq(psci_hvc(PSCI_CPU_ON, cpu, entry, (uint32_t)&entry_state[cpu]), 0, "CPU_ON");
			check_entry(cpu, thumb, thumb ? "in Thumb state" : "in ARM state");
		}
		/* 6.4: the data endianness of the caller. */
		entry_prepare(cpu);
		cpu_on_big_endian(cpu, (uint32_t)entry_arm, (uint32_t)&entry_state[cpu]);
		quirk(entry_wait(cpu) && entry_state[cpu].sense == 1, "psci-endianness",
		      "cpu %u: a big-endian caller's CPU starts big-endian", (unsigned int)cpu);
	}
}

/* OFF, ON_PENDING perhaps, ON, OFF: and nothing else, in this order. */
static volatile uint32_t release;

static void wait_release(void *arg)
{
	(void)arg;
	while (!release)
		;
}

static void test_transitions(void)
{
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		uint32_t result, state;

		watch("AFFINITY_INFO");
		release = 0;
		report(affinity(cpu) == OFF, "cpu %u: off", (unsigned int)cpu);
		result = start(cpu, wait_release, NULL);
		state = affinity(cpu);
		report(result == 0, "cpu %u: CPU_ON", (unsigned int)cpu);
		quirk(state == ON || state == ON_PENDING, "psci-on-late",
		      "cpu %u: on, or on its way, after CPU_ON (%u)", (unsigned int)cpu, (unsigned int)state);
		while (!work[cpu].up)
			;
		report(affinity(cpu) == ON, "cpu %u: on", (unsigned int)cpu);
		report_eq(psci_hvc(PSCI_CPU_ON, cpu, (uint32_t)entry_arm, 0), PSCI_ALREADY_ON,
			  "CPU_ON of a CPU that is on");
		release = 1;
		while (affinity(cpu) == ON)
			;
		report(affinity(cpu) == OFF, "cpu %u: off again", (unsigned int)cpu);
		watch_end();
	}
}

static volatile uint32_t entries[GUEST_CPUS];

static void count_entry(void *arg)
{
	entries[this_cpu()->index] += (uint32_t)arg;
}

/* Off and on again, all CPUs at once, as often as may be. */
static void test_cycles(void)
{
	uint32_t cycles = rounds * 5, wrong = 0;

	watch("CPU_OFF and CPU_ON again");
	for (uint32_t n = 0; n < cycles; n++) {
		for (uint32_t cpu = 1; cpu < count; cpu++)
			wrong += start(cpu, count_entry, (void *)cpu) != 0;
		for (uint32_t cpu = 1; cpu < count; cpu++)
			finish(cpu);
	}
	watch_end();
	for (uint32_t cpu = 1; cpu < count; cpu++)
		wrong += entries[cpu] != cycles * cpu;
	report(wrong == 0, "%u cycles of CPU_ON and CPU_OFF of %u CPUs", (unsigned int)cycles, (unsigned int)count - 1);
}

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

static void test_sgis(void)
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

static void test_sgi_filter(void)
{
	uint32_t wrong = 0;

	on_all("SGI to all but the sender", sgi_filter);
	for (uint32_t cpu = 0; cpu < count; cpu++)
		wrong += filter_got[cpu] != (cpu ? 1U : 0U);
	report(wrong == 0, "an SGI to all but the sender comes to each once");
}

/* The small page's descriptor: the tables are identity-mapped. */
static volatile uint32_t *page_entry(uint32_t va)
{
	uint32_t *l1 = (uint32_t *)((uint32_t)read_ttbr0() & ~UINT32_C(0x3fff));

	return (uint32_t *)(l1[va >> 20] & ~UINT32_C(0x3ff)) + (va >> 12 & 0xff);
}

enum tlb_op { TLB_MVA, TLB_MVAA, TLB_ASID, TLB_ALL, TLB_OPS };
static const char *const tlb_names[TLB_OPS] = {"TLBIMVAIS", "TLBIMVAAIS", "TLBIASIDIS", "TLBIALLIS"};
static volatile uint32_t tlb_stale[TLB_OPS], icache_stale;

static void tlb_broadcast(enum tlb_op op, uint32_t va)
{
	dsb();
	if (op == TLB_MVA)
		MCR15(0, c8, c3, 1, va);
	else if (op == TLB_MVAA)
		MCR15(0, c8, c3, 3, va);
	else if (op == TLB_ASID)
		MCR15(0, c8, c3, 2, 0);
	else
		tlbiallis();
	MCR15(0, c7, c1, 6, 0); /* BPIALLIS */
	dsb();
	isb();
}

/* The CPU whose turn it is moves the page to other memory, break before make (B3.10.1); then all look. */
static void tlb_turns(void *arg)
{
	uint32_t page = PAGE | PAGE_NORMAL | PAGE_AP_P | PAGE_XN;

	(void)arg;
	for (uint32_t turn = 0; turn < count * TLB_OPS; turn++) {
		enum tlb_op op = turn % TLB_OPS;
		uint32_t want = turn & 1 ? 0xbbbb : 0xaaaa;

		if (turn / TLB_OPS == this_cpu()->index) {
			volatile uint32_t *entry = page_entry(MMU_WINDOW);

			*entry = 0;
			tlb_broadcast(op, MMU_WINDOW);
			*entry = (turn & 1 ? PAGE_B : PAGE_A) | page;
			dsb();
		}
		barrier_wait(&barrier, count);
		if (read32(MMU_WINDOW) != want) {
			spin_lock(&barrier.lock);
			tlb_stale[op]++;
			spin_unlock(&barrier.lock);
		}
		barrier_wait(&barrier, count);
	}
}

static void test_tlb(void)
{
	write32(PAGE_A, 0xaaaa);
	write32(PAGE_B, 0xbbbb);
	mmu_short_page(MMU_WINDOW, PAGE_B | PAGE | PAGE_NORMAL | PAGE_AP_P | PAGE_XN);
	on_all("TLB maintenance", tlb_turns);
	for (uint32_t op = 0; op < TLB_OPS; op++)
		report(tlb_stale[op] == 0, "%s by any CPU is seen by all (%u stale)", tlb_names[op],
		       (unsigned int)tlb_stale[op]);
}

/* B2.2.9, "Ordering of cache and branch predictor maintenance operations": the example for several processors. */
static void icache_turns(void *arg)
{
	uint32_t (*code)(void) = (uint32_t(*)(void))CODE;

	(void)arg;
	for (uint32_t turn = 0; turn < count * 2; turn++) {
		if (turn / 2 == this_cpu()->index) {
			write32(CODE, UINT32_C(0xe3000000) | turn); /* movw r0, #turn */
			write32(CODE + 4, UINT32_C(0xe12fff1e));    /* bx lr */
			dccmvau(CODE);
			dsb();
			icimvau(CODE);
			MCR15(0, c7, c1, 6, 0); /* BPIALLIS */
			dsb();
		}
		barrier_wait(&barrier, count);
		isb();
		if (code() != turn) {
			spin_lock(&barrier.lock);
			icache_stale++;
			spin_unlock(&barrier.lock);
		}
		barrier_wait(&barrier, count);
	}
}

static void test_icache(void)
{
	on_all("instruction cache maintenance", icache_turns);
	report(icache_stale == 0, "ICIMVAU by any CPU is seen by all (%u stale)", (unsigned int)icache_stale);
}

static struct spinlock counter_lock;
static volatile uint32_t counter_plain;
static uint32_t counter_word;
static uint64_t counter_double __attribute__((aligned(8)));
static volatile uint32_t thread_ids_wrong;

static void add_word(uint32_t *word)
{
	uint32_t value, failed;

	__asm__ volatile("1:	ldrex	%0, [%2]\n"
			 "	add	%0, %0, #1\n"
			 "	strex	%1, %0, [%2]\n"
			 "	teq	%1, #0\n"
			 "	bne	1b"
			 : "=&r"(value), "=&r"(failed)
			 : "r"(word)
			 : "cc", "memory");
}

static void add_double(uint64_t *word)
{
	uint64_t value;
	uint32_t failed;

	__asm__ volatile("1:	ldrexd	%Q0, %R0, [%2]\n"
			 "	adds	%Q0, %Q0, #1\n"
			 "	adc	%R0, %R0, #1\n"
			 "	strexd	%1, %Q0, %R0, [%2]\n"
			 "	teq	%1, #0\n"
			 "	bne	1b"
			 : "=&r"(value), "=&r"(failed)
			 : "r"(word)
			 : "cc", "memory");
}

static void count_all(void *arg)
{
	uint32_t self = this_cpu()->index;

	(void)arg;
	MCR15(0, c13, c0, 2, self * 3 + 1); /* TPIDRURW, TPIDRURO */
	MCR15(0, c13, c0, 3, self * 5 + 2);
	barrier_wait(&barrier, count);
	for (uint32_t n = 0; n < rounds * 200; n++) {
		spin_lock(&counter_lock);
		counter_plain++;
		if (MRC15(0, c13, c0, 2) != self * 3 + 1 || MRC15(0, c13, c0, 3) != self * 5 + 2 ||
		    (read_mpidr() & 0xff) != self)
			thread_ids_wrong++;
		spin_unlock(&counter_lock);
		add_word(&counter_word);
		add_double(&counter_double);
	}
}

static void test_exclusives(void)
{
	uint32_t want = count * rounds * 200;

	on_all("spinlock and exclusives", count_all);
	report_eq(counter_plain, want, "a counter under a spinlock");
	report_eq(*(volatile uint32_t *)&counter_word, want, "a counter by LDREX and STREX");
	report((uint32_t)counter_double == want && counter_double >> 32 == want, "a counter by LDREXD and STREXD");
	report(thread_ids_wrong == 0, "each CPU keeps its own thread registers and MPIDR");
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

static void test_sgi_to_off(void)
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

/* A CPU that went off with its timer running, or behind the end of an interrupt, disturbs nobody. */
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

static void test_off_quietly(void)
{
	for (uint32_t cpu = 1; cpu < count; cpu++) {
		start(cpu, off_with_timer, NULL);
		nap(20000); /* the CPU goes off, and its timer fires, with nobody else on the hardware */
		finish(cpu);
		report(tick_comes(), "cpu 0 has its timer when cpu %u went off with its own running",
		       (unsigned int)cpu);
		start(cpu, off_behind_eoi, NULL);
		finish(cpu);
		report(tick_comes(), "cpu 0 has its timer when cpu %u went off behind an EOI", (unsigned int)cpu);
		report_eq(start(cpu, count_entry, NULL), 0, "and that CPU starts again");
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

static void test_spi_of_off(void)
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

static void test_spi_of_off_and_on(void)
{
	for (uint32_t cpu = 2; cpu < count; cpu++) {
		start(cpu, take_for_two, NULL);
		finish(cpu);
		report(spis == 1, "an SPI for cpu %u, which is off, and cpu %u comes to that", (unsigned int)(cpu - 1),
		       (unsigned int)cpu);
		gic_clear_pending(TEST_SPI);
	}
}

/*
 * INVALID_ADDRESS comes last: where the machine does not check, the CPU has gone astray for good.
 */
static void test_address(void)
{
	uint32_t bad[] = {HOLE, (uint32_t)MACHINE_UART_BASE, (uint32_t)MACHINE_RAM_BASE - 4, HOLE | 1};
	uint32_t cpu = count - 1;

	if (count == 1) {
		printf("one CPU: CPU_ON's entry address is not tried\n");
		return;
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint32_t result = psci_hvc(PSCI_CPU_ON, cpu, bad[i], 0);

		if (!quirk(result == PSCI_INVALID_ADDRESS, "psci-entry-unchecked", "CPU_ON at %08x is INVALID_ADDRESS",
			   (unsigned int)bad[i]))
			return;
		report(affinity(cpu) == OFF, "and leaves cpu %u off", (unsigned int)cpu);
	}
}

void guest_main(void)
{
	rounds = param("rounds=", 10);
	count = smp_count();
	printf("smp: %u CPUs, rounds=%u\n", (unsigned int)count, (unsigned int)rounds);
	mmu_short_init();
	mmu_short_on();
	gic_init();
	test_parameters();
	test_conduits();
	test_entry();
	test_transitions();
	test_cycles();
	test_sgis();
	test_sgi_filter();
	gic_init();
	test_sgi_to_off();
	test_tlb();
	test_icache();
	test_exclusives();
	gic_init();
	test_off_quietly();
	test_spi_of_off();
	test_spi_of_off_and_on();
	test_address();
}
