/* SPDX-License-Identifier: BSD-2-Clause */
/* The real-time clock (PL031 TRM, DDI 0224), as a firmware leaves it: running. */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/timer.h"

#define RTC(offset) (MACHINE_RTC_BASE + (offset))
#define DR          RTC(0x00)
#define MR          RTC(0x04)
#define LR          RTC(0x08)
#define CR          RTC(0x0c)
#define IMSC        RTC(0x10)
#define RIS         RTC(0x14)
#define MIS         RTC(0x18)
#define ICR         RTC(0x1c)
#define ID          RTC(0xfe0)

#define PATIENCE_US 20000000U

static void test_registers(void)
{
	static const uint8_t want[8] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	report_eq(read32(CR), 1, "RTCCR: it runs");
	report_eq(read32(IMSC), 0, "RTCIMSC");
	report_eq(read32(RIS), 0, "RTCRIS");
	report_eq(read32(MIS), 0, "RTCMIS");
	for (uint32_t i = 0; i < 8; i++)
		report_eq(read32(ID + 4 * i) & (i == 2 ? 0x0fU : 0xffU), want[i], "identification");
	write32(IMSC, 1);
	report_eq(read32(IMSC), 1, "RTCIMSC reads back");
	write32(IMSC, 0);
}

/* 3.3.3: the counter goes on from what is loaded. */
static void test_load(void)
{
	uint32_t now, before = read32(DR);

	write32(LR, 1000);
	now = read32(DR);
	report(now == 1000 || now == 1001, "RTCLR loads the counter");
	report_eq(read32(LR), 1000, "RTCLR reads back");
	write32(LR, before);
	now = read32(DR);
	report(now - before <= 1, "and it goes on");
}

static bool second_passes(void)
{
	uint32_t start = read32(DR);

	for (uint32_t us = 0; us < PATIENCE_US; us += 1000) {
		if (read32(DR) != start)
			return read32(DR) - start <= 2;
		timer_delay(1000);
	}
	return false;
}

/* 3.3.2: RTCRIS when counter and match are equal; SPI 2 is a level. */
static void test_match(void)
{
	bool early, pending = false, cleared;

	gic_init();
	gic_target_self(MACHINE_SPI_RTC);
	gic_edge(MACHINE_SPI_RTC, false);
	gic_enable(MACHINE_SPI_RTC);
	write32(IMSC, 1);
	second_passes();
	write32(MR, read32(DR) + 1);
	gic_settle();
	early = gic_is_pending(MACHINE_SPI_RTC);
	for (uint32_t us = 0; us < PATIENCE_US && !pending; us += 1000) {
		timer_delay(1000);
		pending = gic_is_pending(MACHINE_SPI_RTC);
	}
	report(!early && pending, "an interrupt at the match");
	report(read32(RIS) == 1 && read32(MIS) == 1, "RTCRIS and RTCMIS");
	report(read32(DR) - read32(MR) <= 1, "at its time");
	write32(ICR, 1);
	gic_settle();
	cleared = !gic_is_pending(MACHINE_SPI_RTC);
	report(cleared && read32(RIS) == 0, "RTCICR clears it");
	write32(IMSC, 0);
}

void guest_main(void)
{
	test_registers();
	test_load();
	report(second_passes(), "it counts seconds");
	test_match();
}
