/* SPDX-License-Identifier: BSD-2-Clause */
/* See timer.h. */
#include "hyp/vm/machine.h"
#include "tests/guests/lib/timer.h"

static uint64_t virt_count(void)
{
	isb(); /* DDI 0406C B8.1.2: a counter read may otherwise be performed early */
	return read_cntvct();
}

static uint32_t virt_ctl(void)
{
	isb();
	return read_cntv_ctl();
}

static void virt_set_ctl(uint32_t ctl)
{
	write_cntv_ctl(ctl);
	isb();
}

static uint32_t virt_tval(void)
{
	isb();
	return read_cntv_tval();
}

static void virt_set_tval(uint32_t tval)
{
	write_cntv_tval(tval);
	isb();
}

static uint64_t virt_cval(void)
{
	return read_cntv_cval();
}

static void virt_set_cval(uint64_t cval)
{
	write_cntv_cval(cval);
	isb();
}

static uint64_t phys_count(void)
{
	isb();
	return read_cntpct();
}

static uint32_t phys_ctl(void)
{
	isb();
	return read_cntp_ctl();
}

static void phys_set_ctl(uint32_t ctl)
{
	write_cntp_ctl(ctl);
	isb();
}

static uint32_t phys_tval(void)
{
	isb();
	return read_cntp_tval();
}

static void phys_set_tval(uint32_t tval)
{
	write_cntp_tval(tval);
	isb();
}

static uint64_t phys_cval(void)
{
	return read_cntp_cval();
}

static void phys_set_cval(uint64_t cval)
{
	write_cntp_cval(cval);
	isb();
}

const struct timer timer_virt = {
	.name = "virtual",
	.irq = MACHINE_PPI_TIMER_VIRT,
	.count = virt_count,
	.ctl = virt_ctl,
	.set_ctl = virt_set_ctl,
	.tval = virt_tval,
	.set_tval = virt_set_tval,
	.cval = virt_cval,
	.set_cval = virt_set_cval,
};

const struct timer timer_phys = {
	.name = "physical",
	.irq = MACHINE_PPI_TIMER_PHYS,
	.count = phys_count,
	.ctl = phys_ctl,
	.set_ctl = phys_set_ctl,
	.tval = phys_tval,
	.set_tval = phys_set_tval,
	.cval = phys_cval,
	.set_cval = phys_set_cval,
};

void timer_delay(uint32_t microseconds)
{
	uint64_t end = virt_count() + timer_ticks(microseconds);

	while (virt_count() < end)
		;
}

bool timer_wait_for(const volatile uint32_t *flag, uint32_t microseconds)
{
	uint64_t end = virt_count() + timer_ticks(microseconds);

	while (!*flag)
		if (virt_count() >= end)
			return *flag != 0;
	return true;
}
