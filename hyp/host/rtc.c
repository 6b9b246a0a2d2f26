/* SPDX-License-Identifier: BSD-2-Clause */
/* PL031 (ARM DDI 0224), the clocks in Allwinner's A20, A31 and H3 (their user manuals), and SNVS in i.MX6 and i.MX7. */
#include <arm/copy.h>

#include "hyp/host/rtc.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"

#define PL031_DR 0x00U

/* Date and time of day are two registers, at other offsets in the older and the newer kind. */
#define SUN4I_DATE   0x04U
#define SUN6I_DATE   0x10U
#define SUNXI_TIME   0x04U /* behind the date */
#define SUNXI_SINCE  1970U
#define YEAR_BITS_20 8U /* A20 */
#define YEAR_BITS_31 6U

/* The low-power domain's counter, 47 bits at 32,768 Hz (i.MX7D manual, SNVS_LP). */
#define SNVS_LPCR   0x38U
#define SNVS_HIGH   0x50U
#define SNVS_LOW    0x54U
#define LPCR_ENABLE BIT(0)
#define SNVS_SHIFT  15U

#define DAY_S    86400U
#define AGAIN    4U /* reads of two registers between which the clock has gone on */
#define YEAR_MAX 2105U

static bool load_rtc_word(volatile uint8_t *reg, uint32_t *value)
{
	return load_device_checked(value, reg, sizeof(*value)) == 0;
}

static bool pl031_read(volatile uint8_t *regs, uint32_t *seconds)
{
	return load_rtc_word(regs + PL031_DR, seconds);
}

static bool is_leap(uint32_t year)
{
	return year % 4U == 0 && (year % 100U != 0 || year % 400U == 0);
}

/* Days of the Gregorian calendar since 1970. False: there is no such day. */
static bool days_since(uint32_t year, uint32_t month, uint32_t day, uint32_t *days)
{
	static const uint8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint32_t n = 0;

	if (year > YEAR_MAX || month - 1U >= ARRAY_SIZE(length) ||
	    day - 1U >= length[month - 1U] + (month == 2 && is_leap(year) ? 1U : 0U))
		return false;
	for (uint32_t y = 1970; y < year; y++)
		n += is_leap(y) ? 366U : 365U;
	for (uint32_t m = 1; m < month; m++)
		n += length[m - 1U] + (m == 2 && is_leap(year) ? 1U : 0U);
	*days = n + day - 1U;
	return true;
}

/* Both registers of one moment: the date is the same behind the time. */
static bool read_twice(volatile uint8_t *first, volatile uint8_t *second, uint32_t *one, uint32_t *two)
{
	uint32_t again;

	for (uint32_t n = 0; n < AGAIN; n++) {
		if (!load_rtc_word(first, one) || !load_rtc_word(second, two) || !load_rtc_word(first, &again))
			return false;
		if (*one == again)
			return true;
	}
	return false;
}

static bool sunxi_read(volatile uint8_t *at, uint32_t year_bits, uint32_t *seconds)
{
	uint32_t date, time, days;

	if (!read_twice(at, at + SUNXI_TIME, &date, &time) ||
	    !days_since(SUNXI_SINCE + FIELD(date, 16, year_bits), FIELD(date, 8, 4), FIELD(date, 0, 5), &days))
		return false;
	*seconds = days * DAY_S + FIELD(time, 16, 5) * 3600U + FIELD(time, 8, 6) * 60U + FIELD(time, 0, 6);
	return true;
}

static bool sun4i_read(volatile uint8_t *regs, uint32_t *seconds)
{
	return sunxi_read(regs + SUN4I_DATE, YEAR_BITS_20, seconds);
}

static bool sun6i_read(volatile uint8_t *regs, uint32_t *seconds)
{
	return sunxi_read(regs + SUN6I_DATE, YEAR_BITS_31, seconds);
}

static bool snvs_read(volatile uint8_t *regs, uint32_t *seconds)
{
	uint32_t control, high, low;

	if (!load_rtc_word(regs + SNVS_LPCR, &control) || !(control & LPCR_ENABLE) ||
	    !read_twice(regs + SNVS_HIGH, regs + SNVS_LOW, &high, &low))
		return false;
	*seconds = high << (32U - SNVS_SHIFT) | low >> SNVS_SHIFT;
	return true;
}

const struct rtc_model rtc_pl031 = {pl031_read};
const struct rtc_model rtc_sun4i = {sun4i_read};
const struct rtc_model rtc_sun6i = {sun6i_read};
const struct rtc_model rtc_snvs = {snvs_read};

void rtc_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	struct host_rtc *rtc = &scan->host->rtc;
	struct host_range reg;

	if (!rtc->compatible && dt_reg(node, 0, &reg))
		*rtc = (struct host_rtc){driver->compatible, reg.base, driver->data};
}

bool rtc_read(const struct host_rtc *rtc, uint32_t *seconds)
{
	volatile uint8_t *regs = rtc->compatible ? hyp_map_device(rtc->base, RTC_SIZE) : NULL;

	return regs && rtc->model->read(regs, seconds);
}
