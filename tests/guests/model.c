/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPU model: all CPUs of the machine have the same identification registers (DDI 0406C B3.18.1), and each prints
 * those that tell the model, for the test to compare with what it asked for. As many CPUs as the machine has take turns
 * for a while, so that they are seen wherever they run. Each has a CSSELR of its own.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/smp.h"

#define ROUNDS 200U

struct ids {
	uint32_t midr, ctr, revidr, clidr, actlr, fpsid, mvfr0, mvfr1;
	uint32_t c0[2][8]; /* CRm 1 and 2 */
	uint32_t ccsidr[4];
};

static struct ids ids[GUEST_CPUS];
static uint32_t rounds[GUEST_CPUS];
static bool selected[GUEST_CPUS];
static struct barrier barrier;
static uint32_t cpu_count;

#define ROW8(crm)                                                                                       \
	{                                                                                               \
		MRC15(0, c0, crm, 0), MRC15(0, c0, crm, 1), MRC15(0, c0, crm, 2), MRC15(0, c0, crm, 3), \
			MRC15(0, c0, crm, 4), MRC15(0, c0, crm, 5)                                      \
	}
#define VMRS(n)                                                                            \
	({                                                                                 \
		uint32_t v_;                                                               \
		__asm__ volatile("mrc p10, 7, %0, " #n ", c0, 0" : "=r"(v_) : : "memory"); \
		v_;                                                                        \
	})

static struct ids read_ids(void)
{
	struct ids i = {
		.midr = read_midr(),
		.ctr = read_ctr(),
		.revidr = MRC15(0, c0, c0, 6),
		.clidr = MRC15(1, c0, c0, 1),
		.actlr = read_actlr(),
		.c0 = {ROW8(c1), ROW8(c2)},
	};

	for (uint32_t n = 0; n < 4; n++) {
		MCR15(2, c0, c0, 0, n);
		isb();
		i.ccsidr[n] = MRC15(1, c0, c0, 0);
	}
	write_cpacr(read_cpacr() | UINT32_C(0xf) << 20);
	isb();
	i.fpsid = VMRS(c0);
	i.mvfr0 = VMRS(c7);
	i.mvfr1 = VMRS(c6);
	return i;
}

/* Each selects its cache, and when all have, it is selected still. */
static bool keeps_selection(uint32_t cpu)
{
	MCR15(2, c0, c0, 0, cpu % 3);
	barrier_wait(&barrier, cpu_count);
	return MRC15(2, c0, c0, 0) == cpu % 3;
}

static void work(void *arg)
{
	uint32_t cpu = read_mpidr() & 7;

	(void)arg;
	ids[cpu] = read_ids();
	selected[cpu] = keeps_selection(cpu);
	barrier_wait(&barrier, cpu_count);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct ids again = read_ids();

		rounds[cpu] += memcmp(&again, &ids[0], sizeof(again)) == 0;
	}
	barrier_wait(&barrier, cpu_count);
}

void guest_main(void)
{
	const struct ids *i = &ids[0];

	cpu_count = smp_count();
	mmu_short_init();
	mmu_short_on();
	for (uint32_t cpu = 1; cpu < cpu_count; cpu++)
		report_eq(smp_boot(cpu, work, 0), 0, "CPU_ON");
	work(0);
	for (uint32_t cpu = 1; cpu < cpu_count; cpu++)
		smp_wait_off(cpu);
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++)
		report(rounds[cpu] == ROUNDS, "cpu %u: the registers of cpu 0, %u times", (unsigned int)cpu,
		       (unsigned int)rounds[cpu]);
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++)
		report(selected[cpu], "cpu %u: CSSELR of its own", (unsigned int)cpu);
	printf("model: cpus %u midr %08x ctr %08x mmfr0 %08x mmfr1 %08x ccsidr %08x %08x %08x fpsid %08x\n",
	       (unsigned int)cpu_count, (unsigned int)i->midr, (unsigned int)i->ctr, (unsigned int)i->c0[0][4],
	       (unsigned int)i->c0[0][5], (unsigned int)i->ccsidr[0], (unsigned int)i->ccsidr[1],
	       (unsigned int)i->ccsidr[2], (unsigned int)i->fpsid);
}
