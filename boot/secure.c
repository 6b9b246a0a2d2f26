/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HYP's view of virt7's own monitor (boot/monitor_main.c): it is the host's PSCI, and does the writes that switch the
 * machine off or restart it where only the secure side reaches the registers. Nothing here runs where virt7 was entered
 * in HYP.
 */
#include <libfdt.h>
#include <string.h>

#include <arm/smc.h>

#include "boot/monitor.h"
#include "hyp/host/power_regs.h"
#include "hyp/lib/bits.h"
#include "mm/cache.h"
#include "psci/smccc.h"

struct monitor_power monitor_power;

_Static_assert(HOST_POKES_MAX < MONITOR_POWER_WRITES, "a list ends with an address of 0");

/* Fill `list` by the first node that is `compatible` and the secure side's ("secure-status", arm/secure.txt). */
static bool find_power(const struct host *host, const char *compatible, struct monitor_write *list)
{
	int node = fdt_node_offset_by_compatible(host->fdt, -1, compatible);
	const char *status = node < 0 ? NULL : fdt_getprop(host->fdt, node, "secure-status", NULL);
	struct host_power power = {0};

	if (status && strcmp(status, "okay") == 0)
		power_from_gpio(host, node, &power);
	for (unsigned int i = 0; i < power.count; i++)
		list[i] = (struct monitor_write){(uint32_t)power.poke[i].address, power.poke[i].set};
	return power.count > 0;
}

void monitor_init(struct host *host)
{
	host->own_monitor = true;
	host->psci_cpu_on = PSCI_CPU_ON;
	host->psci_cpu_off = PSCI_CPU_OFF;
	host->psci_system_off = find_power(host, "gpio-poweroff", monitor_power.off) ? PSCI_SYSTEM_OFF : 0;
	host->psci_system_reset = find_power(host, "gpio-restart", monitor_power.reset) ? PSCI_SYSTEM_RESET : 0;
	cache_clean(&monitor_power, sizeof(monitor_power));
}

void monitor_open(const struct host *host)
{
	smc_call(MONITOR_OPEN, (uint32_t)host->gicd, (uint32_t)host->gicc, host->timer_hz);
}

void monitor_set_actlr(uint32_t bits)
{
	smc_call(MONITOR_ACTLR, bits, 0, 0);
}
