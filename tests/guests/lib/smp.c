/* SPDX-License-Identifier: BSD-2-Clause */
/* See smp.h. */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/smp.h"

struct smp_boot_args {
	uint32_t index; /* first: start.S reads it */
	void (*fn)(void *arg);
	void *arg;
	struct mmu_state mmu;
};

static struct smp_boot_args boot_args[GUEST_CPUS] __attribute__((aligned(64)));

void secondary_start(void);
void smp_secondary(const struct smp_boot_args *args);

void spin_lock(struct spinlock *lock)
{
	uint32_t busy;

	if (!(read_sctlr() & SCTLR_M)) {
		lock->held = 1;
		return;
	}
	__asm__ volatile("1:	ldrex	%0, [%1]\n"
			 "	teq	%0, #0\n"
			 "	wfene\n"
			 "	strexeq	%0, %2, [%1]\n"
			 "	teqeq	%0, #0\n"
			 "	bne	1b\n"
			 "	dmb	ish"
			 : "=&r"(busy)
			 : "r"(&lock->held), "r"(1)
			 : "cc", "memory");
}

void spin_unlock(struct spinlock *lock)
{
	dmb();
	*(volatile uint32_t *)&lock->held = 0;
	sev();
}

void barrier_wait(struct barrier *barrier, uint32_t count)
{
	volatile uint32_t *generation = &barrier->generation;
	uint32_t mine;

	spin_lock(&barrier->lock);
	mine = *generation;
	if (++barrier->arrived == count) {
		barrier->arrived = 0;
		*generation = mine + 1;
	}
	spin_unlock(&barrier->lock); /* its SEV wakes those that wait below */
	while (*generation == mine)
		wfe();
	dmb();
}

uint32_t smp_boot(uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	struct smp_boot_args *args = &boot_args[cpu];

	*args = (struct smp_boot_args){.index = cpu, .fn = fn, .arg = arg};
	mmu_save(&args->mmu);
	dcache_clean(args, sizeof(*args));
	return psci_hvc(PSCI_CPU_ON, cpu, (uint32_t)secondary_start, (uint32_t)args);
}

void smp_secondary(const struct smp_boot_args *args)
{
	mmu_restore(&args->mmu);
	args->fn(args->arg);
	psci_hvc(PSCI_CPU_OFF, 0, 0, 0);
	report(false, "CPU_OFF returned on cpu %u", (unsigned int)args->index);
	for (;;)
		wfi();
}

void smp_run_all(void (*fn)(void *arg), void *arg)
{
	for (uint32_t cpu = 1; cpu < smp_count(); cpu++)
		if (!report(smp_boot(cpu, fn, arg) == 0, "CPU_ON of cpu %u", (unsigned int)cpu))
			guest_exit();
	fn(arg);
	for (uint32_t cpu = 1; cpu < smp_count(); cpu++)
		smp_wait_off(cpu);
}

uint32_t smp_count(void)
{
	return FIELD(read32(DIST_TYPER), 5, 3) + 1;
}

void smp_wait_off(uint32_t cpu)
{
	while (psci_hvc(PSCI_AFFINITY_INFO, cpu, 0, 0) != 1)
		;
}
