/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several CPUs (DEN 0022D 5.4-5.7; DDI 0406C B1.9.1): CPU_ON and what a CPU finds when it comes up, CPU_OFF and on
 * again, AFFINITY_INFO. smp-irq.c has their interrupts, smp-memory.c what they share. "rounds=N" in the boot arguments
 * makes it longer.
 */
#include "tests/guests/smp-rig.h"

#define SMCCC_VERSION        UINT32_C(0x80000000)
#define SMCCC_ARCH_FEATURES  UINT32_C(0x80000001)
#define PSCI_INVALID_ADDRESS UINT32_C(0xfffffff7)

#define HOLE     UINT32_C(0x0b000000)    /* no device of mach-virt */
#define FAR_AWAY UINT64_C(0x10000000000) /* not ~0: with a counter offset QEMU 7.2 wraps it and hangs */

/* A CPU's state as CPU_ON left it, written with its MMU off: in lines of its own, and read after an invalidate. */
struct entry_state {
	uint32_t seen, r0, cpsr, sctlr, ttbcr, vbar, cpacr, mpidr;
	uint32_t cntv_ctl, cntp_ctl, fpexc, thumb, sense, pad[3];
};

static struct entry_state entry_state[GUEST_CPUS] __attribute__((aligned(64)));

void entry_arm(void);
void entry_thumb(void);
uint32_t cpu_on_big_endian(uint32_t cpu, uint32_t entry, uint32_t context);

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
	"	.ltorg\n");

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
	static const uint32_t no_cpu[] = {0x100, 0x10000, UINT32_C(0x80000000), UINT32_C(0x01000000),
					  UINT32_C(0xffffffff)};

	report_eq(psci_hvc(PSCI_CPU_ON, count, (uint32_t)entry_arm, 0), PSCI_INVALID, "CPU_ON of one CPU too many");
	report_eq(affinity(count), PSCI_INVALID, "AFFINITY_INFO of one CPU too many");
	for (uint32_t i = 0; i < ARRAY_SIZE(no_cpu); i++)
		report(psci_hvc(PSCI_CPU_ON, no_cpu[i], (uint32_t)entry_arm, 0) == PSCI_INVALID,
		       "CPU_ON of affinity %08x is INVALID_PARAMETERS", (unsigned int)no_cpu[i]);
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
