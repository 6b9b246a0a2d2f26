/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the guest smp share: a watchdog, and how a CPU is started, waited for, or all are at once. */
#include "tests/guests/smp-rig.h"

#define HANG_US 3000000U /* for each round */

uint32_t count, rounds;
struct barrier barrier;

uint32_t affinity(uint32_t cpu)
{
	return psci_hvc(PSCI_AFFINITY_INFO, cpu, 0, 0);
}

/* The watchdog: a test that waits for another CPU for ever ends in one line with a name. CPU 0 takes the interrupt. */
const char *volatile phase;

void hang_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	if ((iar & 0x3ff) == timer_virt.irq) {
		report(false, "%s: a CPU hangs", phase);
		guest_exit();
	}
	if ((iar & 0x3ff) < GIC_SPURIOUS)
		write32(CPUIF_EOIR, iar);
}

void watch(const char *name)
{
	phase = name;
	timer_virt.set_ctl(0);
	timer_virt.set_cval(timer_virt.count() + rounds * timer_ticks(HANG_US));
	timer_virt.set_ctl(TIMER_ENABLE);
	gic_enable(timer_virt.irq);
	irq_set_handler(hang_irq);
	irq_enable();
}

void watch_end(void)
{
	irq_disable();
	timer_virt.set_ctl(0);
}

/*
 * smp_boot() and smp_wait_off() with a word from the CPU in between: QEMU's CPU_ON takes effect some time after it has
 * returned, and AFFINITY_INFO says OFF until then.
 */
struct work work[GUEST_CPUS];

static void do_work(void *arg)
{
	(void)arg;
	work[this_cpu()->index].up = 1;
	work[this_cpu()->index].fn(work[this_cpu()->index].arg);
}

uint32_t start(uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	work[cpu].fn = fn;
	work[cpu].arg = arg;
	work[cpu].up = 0;
	dsb();
	return smp_boot(cpu, do_work, NULL);
}

void finish(uint32_t cpu)
{
	while (!work[cpu].up)
		;
	smp_wait_off(cpu);
}

/* Run fn on every CPU at once, this one included, and wait until the others are off again. */
void on_all(const char *name, void (*fn)(void *arg))
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
