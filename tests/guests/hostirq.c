/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A level-sensitive SPI of a real device, the PL031 of QEMU's virt board: natively at its own address, and where a VM
 * finds the host's (docs/passthrough.md). Its alarm is set once; from then on RTCIMSC is the line. Each way
 * in which the interrupt comes, stays, and goes.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/remote.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define DR   0x00U
#define MR   0x04U
#define CR   0x0cU
#define IMSC 0x10U
#define RIS  0x14U
#define ICR  0x1cU

#define NATIVE_IRQ 34U /* SPI 2 */
#define EACH       100U
#define SECONDS    5U

static uint32_t rtc, irq, count;
static struct barrier barrier;

/* RTCRIS stays until RTCICR. The counter may go on between the read and the write. */
static void set_alarm(void)
{
	write32(rtc + CR, 1);
	write32(rtc + IMSC, 0);
	while (!(read32(rtc + RIS) & 1U)) {
		write32(rtc + MR, read32(rtc + DR));
		timer_delay(1000);
	}
}

static void line(bool up)
{
	write32(rtc + IMSC, up);
	gic_settle();
}

static void eoi(void)
{
	write32(CPUIF_EOIR, irq);
	gic_settle();
}

/* Nothing comes for a while. */
static bool is_quiet(void)
{
	for (uint32_t i = 0; i < EACH; i++)
		if (read32(CPUIF_IAR) != GIC_SPURIOUS)
			return false;
	return true;
}

static bool is_idle(void)
{
	return !gic_is_pending(irq) && !gic_is_active(irq) && is_quiet();
}

static void comes_and_goes(void)
{
	bool once = true;

	report(is_idle(), "nothing before the alarm");
	line(true);
	report(gic_is_pending(irq), "disabled, the line shows as pending");
	report(is_quiet(), "and is not signalled");
	gic_enable(irq);
	report_eq(gic_await(), irq, "enabled: taken");
	report(gic_is_active(irq), "it is active");
	report(gic_is_pending(irq), "and pending, because its line is up");
	report(is_quiet(), "it comes once");
	for (uint32_t i = 0; i < EACH; i++) {
		eoi();
		once &= gic_await() == irq && read32(CPUIF_IAR) == GIC_SPURIOUS;
	}
	report(once, "with the line up again after each EOI, once");
	line(false);
	report(!gic_is_pending(irq), "the line falls: active only");
	eoi();
	report(is_idle(), "and ended");
	for (uint32_t i = 0; i < EACH; i++) {
		line(true);
		once &= gic_await() == irq;
		line(false);
		eoi();
		once &= read32(CPUIF_IAR) == GIC_SPURIOUS;
	}
	report(once, "it comes with each rise, once");
	report(is_idle(), "and is idle then");
}

/* The line falls while the guest does not listen, and looks. */
static void falls_unseen(void)
{
	write32(CPUIF_PMR, 0);
	line(true);
	report(gic_is_pending(irq), "pending behind the mask");
	line(false);
	report(!gic_is_pending(irq), "the line falls, and it is not pending any more");
	write32(CPUIF_PMR, 0xff);
	gic_settle();
	report(is_idle(), "nor taken");
}

static void disabled(void)
{
	write32(CPUIF_PMR, 0);
	line(true);
	gic_disable(irq);
	write32(CPUIF_PMR, 0xff);
	gic_settle();
	report(is_quiet(), "disabled while pending: not signalled");
	report(gic_is_pending(irq), "it stays pending");
	gic_enable(irq);
	report_eq(gic_await(), irq, "enabled again: taken");
	gic_disable(irq);
	eoi();
	report(is_quiet(), "disabled while active, ended: not signalled");
	line(false);
	report(!gic_is_pending(irq), "the line falls meanwhile");
	gic_enable(irq);
	gic_settle();
	report(is_idle(), "enabled then: idle");
	line(true);
	report_eq(gic_await(), irq, "and it comes again");
	line(false);
	eoi();
}

static void by_software(void)
{
	gic_set_pending(irq);
	report_eq(gic_await(), irq, "GICD_ISPENDR makes it pending");
	line(true);
	eoi();
	report_eq(gic_await(), irq, "its line is up behind that");
	line(false);
	eoi();
	report(is_idle(), "both have ended");
	gic_set_pending(irq);
	line(true);
	report_eq(gic_await(), irq, "both at once");
	line(false);
	gic_clear_pending(irq);
	eoi();
	report(is_idle(), "are one");
	line(true);
	gic_clear_pending(irq);
	report_eq(gic_await(), irq, "GICD_ICPENDR does not clear a line");
	line(false);
	write32(DIST_ICACTIVER(irq / 32), BIT(irq % 32));
	gic_settle();
	report(!gic_is_active(irq), "GICD_ICACTIVER ends it");
	eoi();
	line(true);
	report_eq(gic_await(), irq, "and it comes again");
	line(false);
	eoi();
	write32(DIST_ISACTIVER(irq / 32), BIT(irq % 32));
	line(true);
	report(is_quiet(), "GICD_ISACTIVER keeps it from the CPU");
	write32(DIST_ICACTIVER(irq / 32), BIT(irq % 32));
	report_eq(gic_await(), irq, "until GICD_ICACTIVER");
	line(false);
	eoi();
	report(is_idle(), "idle again");
}

static void by_dir(void)
{
	write32(CPUIF_CTLR, GICC_CTLR_GRP0 | GICC_CTLR_EOIMODE);
	line(true);
	report_eq(gic_await(), irq, "EOImode: taken");
	eoi();
	report(gic_is_active(irq) && is_quiet(), "EOImode: active behind the EOI");
	write32(CPUIF_DIR, irq);
	gic_settle();
	report_eq(gic_await(), irq, "EOImode: again behind GICC_DIR");
	line(false);
	eoi();
	write32(CPUIF_DIR, irq);
	gic_settle();
	report(is_idle(), "EOImode: idle");
	write32(CPUIF_CTLR, GICC_CTLR_GRP0);
}

/* As an edge: once a rise, and none for the line. */
static void as_edge(void)
{
	gic_disable(irq);
	gic_edge(irq, true);
	gic_clear_pending(irq);
	gic_enable(irq);
	line(true);
	report_eq(gic_await(), irq, "edge: taken");
	eoi();
	report(is_idle(), "edge: no more of it");
	line(false);
	line(true);
	report_eq(gic_await(), irq, "edge: the next one");
	line(false);
	line(true);
	report(gic_is_pending(irq) && is_quiet(), "edge: one behind it waits");
	eoi();
	report_eq(gic_await(), irq, "edge: and comes");
	eoi();
	gic_disable(irq);
	line(false);
	line(true);
	report(gic_is_pending(irq), "edge: kept while it is disabled");
	gic_clear_pending(irq);
	report(!gic_is_pending(irq), "edge: until GICD_ICPENDR");
	line(false);
	gic_edge(irq, false);
	gic_enable(irq);
	report(is_idle(), "a level again: idle");
}

static volatile uint32_t served;

static void serve(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	if (iar == GIC_SPURIOUS)
		return;
	served++;
	write32(rtc + ICR, 1);
	write32(CPUIF_EOIR, iar);
}

/* Two seconds of sleep, and the alarm ends it. */
static void wakes(void)
{
	uint64_t end = read_cntvct() + SECONDS * (uint64_t)read_cntfrq();

	write32(rtc + ICR, 1);
	write32(rtc + MR, read32(rtc + DR) + 2U);
	line(true);
	irq_set_handler(serve);
	irq_enable();
	while (!served && read_cntvct() < end)
		wfi();
	irq_disable();
	irq_set_handler(NULL);
	report_eq(served, 1, "the alarm wakes the CPU, once");
	report(is_idle(), "and is served");
	set_alarm();
}

static void alone(void)
{
	comes_and_goes();
	falls_unseen();
	disabled();
	by_software();
	by_dir();
	as_edge();
	wakes();
}

/* From CPU 0 to each other one, and back while it is active. */
static void on_others(uint32_t cpu)
{
	bool quiet;

	write8(DIST_ITARGETSR(0) + irq, BIT(cpu));
	line(true);
	report(is_quiet(), "CPU 0 is no target");
	for (uint32_t i = 0; i < 3; i++) {
		report_eq(remote_await(cpu), irq, "the other CPU takes it");
		report_eq(remote_ack(cpu), GIC_SPURIOUS, "once");
		report(gic_is_active(irq), "it is active");
		if (i < 2)
			remote_eoi(cpu, irq);
	}
	write8(DIST_ITARGETSR(0) + irq, BIT(0));
	quiet = is_quiet();
	quirk(quiet, "gic-retarget-active", "active there, it does not come here");
	remote_eoi(cpu, irq);
	report(!quiet || gic_await() == irq, "ended there, it comes here");
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "and not there");
	line(false);
	eoi();
	report(is_idle(), "ended here");
	report_eq(remote_ack(cpu), GIC_SPURIOUS, "nor there");
}

static void with_others(void *arg)
{
	(void)arg;
	if (this_cpu()->index) {
		remote_obey();
	} else {
		for (uint32_t cpu = 1; cpu < count; cpu++) {
			on_others(cpu);
			remote_tell(cpu, REMOTE_END, 0, 0);
		}
	}
	barrier_wait(&barrier, count);
}

static void take_again(void)
{
	eoi();
	gic_await();
}

/*
 * "stay=1": it is active, and the guest does not end it; "stay=2": it ends it again and again, with the line up. What
 * follows is the host's to see.
 */
static void stay(bool ends)
{
	report(is_idle(), "nothing is left of it");
	gic_enable(irq);
	line(true);
	report_eq(gic_await(), irq, "taken");
	printf("hostirq: stays\n");
	for (;;) {
		if (!ends)
			wfi();
		else
			take_again();
	}
}

void guest_main(void)
{
	uint32_t given = param("given=", 0), stays = param("stay=", 0);

	rtc = given ? MACHINE_PASS_BASE : MACHINE_RTC_BASE;
	irq = given ? MACHINE_SPI_PASS : NATIVE_IRQ;
	count = smp_count();
	printf("hostirq: %u CPUs, interrupt %u\n", (unsigned int)count, (unsigned int)irq);
	mmu_short_init();
	mmu_short_on();
	gic_init();
	gic_set_priority(irq, 0x80);
	gic_target_self(irq);
	gic_edge(irq, false);
	set_alarm();
	if (stays)
		stay(stays == 2);
	alone();
	if (count > 1)
		smp_run_all(with_others, NULL);
	write32(rtc + IMSC, 0);
	write32(rtc + ICR, 1);
}
