/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU_ON of one CPU by all others at once (DEN 0022D 5.6): exactly one SUCCESS in each round, ALREADY_ON or ON_PENDING
 * for the rest, and the target starts once, with the winner's context id. Then all race against the target's own
 * CPU_OFF: as many entries as there were SUCCESSes, none lost, none doubled. "rounds=N" in the boot arguments.
 *
 * QEMU's own PSCI lets several callers win; there that is a quirk.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define HANG_US 5000000U

static uint32_t count, rounds, target, racers;
static struct barrier barrier;

/*
 * The target runs with its MMU off, so this goes past the caches: each side has lines of its own, the racers clean what
 * they write and invalidate what they read.
 */
static struct {
	uint32_t entries;        /* how often it came up */
	uint32_t last;           /* the last context id */
	uint32_t by[GUEST_CPUS]; /* entries with this racer's context id */
	uint32_t pad[6];
	uint32_t hold; /* stay on while it equals `entries` */
} shared __attribute__((aligned(64)));

void target_entry(void);

/* r0 = the context id: the racer's number. No stack. */
__asm__(".syntax unified\n"
	".arch_extension virt\n"
	".arm\n"
	".text\n"
	".global target_entry\n"
	"target_entry:\n"
	"	ldr	r1, =shared\n"
	"	str	r0, [r1, #4]\n"
	"	add	r2, r1, #8\n"
	"	ldr	r3, [r2, r0, lsl #2]\n"
	"	add	r3, r3, #1\n"
	"	str	r3, [r2, r0, lsl #2]\n"
	"	dsb\n"
	"	ldr	r3, [r1]\n"
	"	add	r3, r3, #1\n"
	"	str	r3, [r1]\n"
	"	dsb\n"
	"1:	ldr	r2, [r1, #64]\n"
	"	cmp	r2, r3\n"
	"	beq	1b\n"
	"	ldr	r0, =0x84000002\n"
	"	hvc	#0\n"
	"	b	.\n"
	"	.ltorg\n");

static uint32_t fetch(const uint32_t *word)
{
	dcimvac(word);
	dsb();
	return *(const volatile uint32_t *)word;
}

static void store(uint32_t *word, uint32_t value)
{
	*(volatile uint32_t *)word = value;
	dccimvac(word);
	dsb();
}

static bool wait_for(const uint32_t *word, uint32_t value)
{
	uint64_t end = timer_virt.count() + timer_ticks(HANG_US);

	while (fetch(word) != value)
		if (timer_virt.count() > end)
			return false;
	return true;
}

static void wait_target_off(void)
{
	uint64_t end = timer_virt.count() + timer_ticks(HANG_US);

	while (psci_hvc(PSCI_AFFINITY_INFO, target, 0, 0) != 1)
		if (timer_virt.count() > end) {
			report(false, "the target does not go off");
			guest_exit();
		}
}

static volatile uint32_t result[GUEST_CPUS];
static uint32_t entered, wins, all_rest_right = 1, context_right = 1, two_winners;
static uint32_t won[GUEST_CPUS];

/* CPU 0, with all others behind the barrier: judge the round and let the target go. */
static void judge(void)
{
	uint32_t winners = 0, winner = 0;

	for (uint32_t cpu = 0; cpu < count; cpu++) {
		if (cpu == target)
			continue;
		if (result[cpu] == 0) {
			winners++;
			winner = cpu;
			won[cpu]++;
		} else if (result[cpu] != PSCI_ALREADY_ON && result[cpu] != PSCI_ON_PENDING) {
			all_rest_right = 0;
		}
	}
	wins += winners;
	two_winners += winners != 1;
	entered++;
	if (!wait_for(&shared.entries, entered)) {
		report(false, "the target did not start: %u entries of %u", (unsigned int)fetch(&shared.entries),
		       (unsigned int)entered);
		guest_exit();
	}
	if (winners == 1 && fetch(&shared.last) != winner)
		context_right = 0;
	store(&shared.hold, 0);
	wait_target_off();
	store(&shared.hold, entered + 1);
}

static void race(void *arg)
{
	uint32_t self = this_cpu()->index, seed = self * 7919 + 1;

	(void)arg;
	for (uint32_t n = 0; n < rounds; n++) {
		barrier_wait(&barrier, racers);
		seed = seed * 1664525 + 1013904223;
		for (uint32_t i = seed >> 26; i; i--) /* none, or a little: the winner changes */
			nop();
		result[self] = psci_hvc(PSCI_CPU_ON, target, (uint32_t)target_entry, self);
		barrier_wait(&barrier, racers);
		if (self == 0)
			judge();
	}
	barrier_wait(&barrier, racers);
}

/* Every racer wins `rounds` times; the target switches itself off at once. */
static volatile uint32_t strange;

static void churn(void *arg)
{
	uint32_t self = this_cpu()->index;

	(void)arg;
	barrier_wait(&barrier, racers);
	for (uint32_t n = 0; n < rounds;) {
		uint32_t r = psci_hvc(PSCI_CPU_ON, target, (uint32_t)target_entry, self);

		if (r == 0)
			n++;
		else if (r != PSCI_ALREADY_ON && r != PSCI_ON_PENDING)
			strange++;
	}
	barrier_wait(&barrier, racers);
}

static void on_racers(void (*fn)(void *arg))
{
	for (uint32_t cpu = 1; cpu < target; cpu++)
		while (smp_boot(cpu, fn, NULL) != 0)
			; /* still on its way off */
	fn(NULL);
}

static void run_race(void)
{
	store(&shared.hold, 1);
	on_racers(race);
	quirk(two_winners == 0, "psci-two-winners",
	      "exactly one SUCCESS in each of %u rounds of %u CPUs (%u SUCCESSes)", (unsigned int)rounds,
	      (unsigned int)racers, (unsigned int)wins);
	report(all_rest_right, "the others: ALREADY_ON or ON_PENDING");
	report(context_right, "the target has the winner's context id");
	for (uint32_t cpu = 0; cpu < target; cpu++)
		printf("  cpu %u won %u\n", (unsigned int)cpu, (unsigned int)won[cpu]);
}

static void run_churn(void)
{
	uint32_t wrong = 0, want = fetch(&shared.entries) + racers * rounds, by[GUEST_CPUS];

	store(&shared.hold, 0);
	for (uint32_t cpu = 0; cpu < target; cpu++)
		by[cpu] = fetch(&shared.by[cpu]);
	on_racers(churn);
	wait_target_off();
	wait_for(&shared.entries, want); /* natively CPU_ON may still be on its way */
	for (uint32_t cpu = 0; cpu < target; cpu++)
		wrong += fetch(&shared.by[cpu]) - by[cpu] != rounds;
	quirk(wrong == 0 && fetch(&shared.entries) == want, "psci-two-winners",
	      "each SUCCESS is one entry, also against CPU_OFF (%u of %u)",
	      (unsigned int)(fetch(&shared.entries) - (want - racers * rounds)), (unsigned int)(racers * rounds));
	report(strange == 0, "no other result than SUCCESS, ALREADY_ON and ON_PENDING");
}

void guest_main(void)
{
	rounds = param("rounds=", 50);
	count = smp_count();
	target = count - 1;
	racers = count - 1;
	printf("cpuon-race: %u CPUs, rounds=%u\n", (unsigned int)count, (unsigned int)rounds);
	mmu_short_init();
	mmu_short_on();
	if (count == 1) {
		printf("one CPU: it races against itself only\n");
		for (uint32_t n = 0; n < rounds; n++)
			wins += psci_hvc(PSCI_CPU_ON, 0, (uint32_t)target_entry, 0) != PSCI_ALREADY_ON;
		report(wins == 0, "CPU_ON of itself is ALREADY_ON, %u times", (unsigned int)rounds);
		return;
	}
	run_race();
	run_churn();
}
