/* SPDX-License-Identifier: BSD-2-Clause */
/* Real-time clocks of hosts, by compatible strings: rows of hyp/host/drivers.c. virt7 reads one, once, at boot. */
#ifndef HYP_HOST_RTC_H
#define HYP_HOST_RTC_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/host/driver.h"

#define RTC_SIZE 0x100U /* of the registers that are mapped */

struct rtc_model {
	/* Seconds since 1970. False: nothing answers, or the clock has not been set. */
	bool (*read)(volatile uint8_t *regs, uint32_t *seconds);
};

extern const struct rtc_model rtc_pl031, rtc_sun4i, rtc_sun6i, rtc_snvs;

/* The first one of a tree counts. */
void rtc_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver);

/* As rtc_model.read; false also where the host has no clock that virt7 knows. */
bool rtc_read(const struct host_rtc *rtc, uint32_t *seconds);

#endif
