/* SPDX-License-Identifier: BSD-2-Clause */
/* Power-off and reset of the host (hyp/host/power.h). The registers were worked out by hyp/host/power_regs.c. */
#include <stdbool.h>

#include <arm/barrier.h>
#include <arm/io.h>

#include "hyp/console/blackbox.h"
#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "hyp/lib/option.h"
#include "hyp/run/timer.h"
#include "mm/hypmap.h"
#include "hyp/host/psci.h"
#include "hyp/host/power.h"

static struct means {
	const struct host_power *power;
	volatile uint8_t *reg[HOST_POKES_MAX];
} off, reset;

static void map_power(struct means *means, const struct host_power *power)
{
	for (unsigned int i = 0; i < power->count; i++) {
		means->reg[i] = hyp_map_device(power->poke[i].address, sizeof(uint32_t));
		if (!means->reg[i]) {
			log_warn("host: no room to map the registers of %s", power->what);
			return;
		}
	}
	means->power = power;
}

void power_init(const struct host *host)
{
	map_power(&off, &host->off);
	map_power(&reset, &host->reset);
}

/* A second or more. A CPU without the architected timers is switched off too, and its counter says nothing. */
static void wait_for_effect(void)
{
	uint64_t until = timer_now() + timer_hz();

	for (unsigned int spins = 1U << 26; spins > 0; spins--)
		isb();
	while (timer_now() < until)
		;
}

static void use_power(const struct means *means)
{
	if (!means->power || means->power->count == 0)
		return;
	for (unsigned int i = 0; i < means->power->count; i++) {
		const struct host_poke *poke = &means->power->poke[i];

		io_write32(means->reg[i],
			   (poke->clear == ~0U ? 0 : io_read32(means->reg[i]) & ~poke->clear) | poke->set);
	}
	wait_for_effect();
	log_warn("host: %s had no effect", means->power->what);
}

void power_off(void)
{
	console_flush();
	blackbox_end();
	psci_host_system_off();
	use_power(&off);
}

void power_reset(void)
{
	console_flush();
	blackbox_end();
	psci_host_system_reset();
	use_power(&reset);
}

/* Where the attempt itself ends in a panic there is no second one. */
void power_end(void)
{
	static bool tried;

	console_panic();
	if (options.on_error == OPTION_ERROR_POWEROFF && !tried) {
		tried = true;
		power_off();
		log_warn("this host cannot be switched off by software; it is safe to cut the power");
	}
	for (;;)
		wfi();
}
