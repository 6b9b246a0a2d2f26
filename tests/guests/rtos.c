/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real-time work as small as it can be: a timer of 1 kHz, and how late each of its interrupts reached the handler, by
 * the counter. It prints a line every `report` milliseconds, and after `seconds` the last one, and powers off.
 *
 * Parameters: seconds=N (0: without end), report=N (5000).
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/timer.h"

#define TICK_US 1000U

/* Of the ticks since a line. All in counts. */
struct lateness {
	uint32_t ticks, missed; /* whole periods that passed before the handler ran */
	uint64_t sum, worst;
};

static uint64_t period, deadline;
static struct lateness since_line, ever;

static void count(struct lateness *l, uint64_t late)
{
	l->ticks++;
	l->sum += late;
	if (late > l->worst)
		l->worst = late;
	l->missed += (uint32_t)late / (uint32_t)period;
}

/* The counter is read first: what comes behind is the handler's own. */
static void tick(void)
{
	uint64_t late = timer_virt.count() - deadline;
	uint32_t irq = read32(CPUIF_IAR);

	count(&since_line, late);
	count(&ever, late);
	deadline += period * (late / period + 1U);
	timer_virt.set_cval(deadline);
	isb();
	write32(CPUIF_EOIR, irq);
}

static uint32_t ns(uint64_t counts)
{
	return (uint32_t)(counts * 1000000U / (read_cntfrq() / 1000U));
}

static void print(const char *what, const struct lateness *l)
{
	printf("rtos: %s: %u ticks of %u us: late by %u ns on average, %u ns at worst; %u missed\n", what,
	       (unsigned int)l->ticks, TICK_US, (unsigned int)(l->ticks ? ns(l->sum) / l->ticks : 0U),
	       (unsigned int)ns(l->worst), (unsigned int)l->missed);
}

/* With interrupts on: each character may take as long as the console does. */
static void print_line(void)
{
	struct lateness line = since_line;

	since_line = (struct lateness){0};
	irq_enable();
	print("now", &line);
	irq_disable();
}

void guest_main(void)
{
	uint32_t seconds = param("seconds=", 0), report_ms = param("report=", 5000);

	gic_init();
	gic_enable(timer_virt.irq);
	irq_set_handler(tick);
	period = timer_ticks(TICK_US);
	deadline = timer_virt.count() + period;
	timer_virt.set_cval(deadline);
	timer_virt.set_ctl(TIMER_ENABLE);
	printf("rtos: a tick each %u us\n", TICK_US);
	irq_disable();
	while (seconds == 0 || ever.ticks < seconds * 1000U) {
		irq_sleep();
		if (since_line.ticks >= report_ms)
			print_line();
	}
	timer_virt.set_ctl(0);
	print("in all", &ever);
	report(ever.ticks == seconds * 1000U, "as many ticks as were asked for");
}
