/*
 * HYP's view of virt7's own monitor (boot/monitor.S): it is the host's PSCI, and does the writes that switch the
 * machine off or restart it where only the secure side reaches the registers. Nothing here runs where virt7 was entered
 * in HYP.
 */
#include <libfdt.h>
#include <string.h>

#include <arm/smc.h>

#include "boot/devtree.h"
#include "boot/monitor.h"
#include "hyp/lib/bits.h"
#include "mm/cache.h"
#include "psci/smccc.h"

#define PL061_DATA(line) (4U << (line)) /* the address masks the bits that are written (DDI 0190 2.3) */
#define PL061_DIR        0x400U

/* Read by the monitor, uncached: cleaned after each change, and on cache lines of its own. */
struct monitor_write {
	uint32_t address, value;
};

struct {
	struct monitor_write off[MONITOR_POWER_WRITES]; /* up to an address of 0, as the last one's */
	struct monitor_write reset[MONITOR_POWER_WRITES];
} monitor_power __attribute__((aligned(MONITOR_ALIGN)));

_Static_assert(sizeof(monitor_power.off) == 8 * MONITOR_POWER_WRITES, "boot/monitor.S finds the second list by this");

struct search {
	int node;
	struct host_range reg;
};

static int visit(const struct dt_node *node, void *arg)
{
	struct search *search = arg;

	return node->offset == search->node && dt_reg(node, 0, &search->reg);
}

/*
 * The PL061 and line behind the first node that is `compatible` and the secure side's ("secure-status", the device tree
 * bindings' arm/secure.txt). PA, or 0.
 */
static uint32_t secure_gpio(const void *fdt, const char *compatible, uint32_t *line)
{
	int node = fdt_node_offset_by_compatible(fdt, -1, compatible), length;
	const char *status = node < 0 ? NULL : fdt_getprop(fdt, node, "secure-status", NULL);
	const fdt32_t *gpio = node < 0 ? NULL : fdt_getprop(fdt, node, "gpios", &length);
	struct search search;

	if (!status || strcmp(status, "okay") != 0 || !gpio || length < 12 || fdt32_to_cpu(gpio[1]) > 7)
		return 0;
	search.node = fdt_node_offset_by_phandle(fdt, fdt32_to_cpu(gpio[0]));
	if (search.node < 0 || fdt_node_check_compatible(fdt, search.node, "arm,pl061") ||
	    dt_walk(fdt, visit, &search) != 1)
		return 0;
	*line = fdt32_to_cpu(gpio[1]);
	return (uint32_t)search.reg.base;
}

/* Fill `list` where the board has the GPIO for it. */
static bool find_power(const void *fdt, const char *compatible, struct monitor_write *list)
{
	uint32_t line = 0, gpio = secure_gpio(fdt, compatible, &line);

	if (!gpio)
		return false;
	list[0] = (struct monitor_write){gpio + PL061_DIR, BIT(line)};
	list[1] = (struct monitor_write){gpio + PL061_DATA(line), BIT(line)};
	return true;
}

void monitor_init(struct host *host)
{
	host->own_monitor = true;
	host->conduit = CONDUIT_SMC;
	host->psci_cpu_on = PSCI_CPU_ON;
	host->psci_cpu_off = PSCI_CPU_OFF;
	host->psci_system_off = find_power(host->fdt, "gpio-poweroff", monitor_power.off) ? PSCI_SYSTEM_OFF : 0;
	host->psci_system_reset = find_power(host->fdt, "gpio-restart", monitor_power.reset) ? PSCI_SYSTEM_RESET : 0;
	cache_clean(&monitor_power, sizeof(monitor_power));
}

void monitor_open(const struct host *host)
{
	smc_call(MONITOR_OPEN, (uint32_t)host->gicd, (uint32_t)host->gicc, host->timer_hz);
}
