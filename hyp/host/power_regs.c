/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Power-off and reset by registers, as device tree nodes describe them: syscon-poweroff and -reboot, gpio-poweroff and
 * -restart, and the functions of Versatile Express' system controller. Each becomes a few writes (struct host_power).
 */
#include <libfdt.h>
#include <string.h>

#include "hyp/host/devtree.h"
#include "hyp/host/power_regs.h"
#include "hyp/lib/bits.h"

#define VEXPRESS_CFGDATA 0xa0U /* Arm DUI 0447, motherboard registers */
#define VEXPRESS_CFGCTRL 0xa4U
#define CFGCTRL_WRITE    (3U << 30) /* start, write */
#define CFGCTRL_FUNCTION 20

#define PL061_DIR   0x400U /* DDI 0190, the data register of pin n lies at 4 << n; it holds outputs only */
#define IMX_GPIO_DR 0x00U
#define IMX_GPIO_IN 0x04U /* GDIR, one bit a pin: 1 is output */

static void add_poke(struct host_power *power, uint64_t address, uint32_t clear, uint32_t set)
{
	power->poke[power->count++] = (struct host_poke){address, clear, set};
}

static bool read_cell(const void *fdt, int node, const char *name, uint32_t index, uint32_t *value)
{
	int length;
	const uint8_t *data = fdt_getprop(fdt, node, name, &length);

	if (!data || (uint32_t)length < (index + 1) * 4)
		return false;
	*value = (uint32_t)dt_number(data + index * 4, 1);
	return true;
}

/* The node that the first cell of property `name` points to; negative: none. */
static int power_target(const void *fdt, int node, const char *name)
{
	uint32_t phandle;

	return read_cell(fdt, node, name, 0, &phandle) ? fdt_node_offset_by_phandle(fdt, phandle) : -FDT_ERR_NOTFOUND;
}

/*
 * regmap may be absent: the parent is it then. A value without a mask is all of the register, and the other way round.
 * Layerscape's registers are "big-endian".
 */
static void from_syscon(const struct host *host, int node, struct host_power *power)
{
	int map = power_target(host->fdt, node, "regmap");
	uint32_t offset, value, mask = ~0U;
	struct host_range reg = {0};
	bool masked = read_cell(host->fdt, node, "mask", 0, &mask);

	if (map < 0)
		map = fdt_parent_offset(host->fdt, node);
	if (!read_cell(host->fdt, node, "offset", 0, &offset) || !dt_reg_at(host->fdt, map, 0, &reg))
		return;
	if (!read_cell(host->fdt, node, "value", 0, &value)) {
		if (!masked)
			return;
		value = mask;
		mask = ~0U;
	}
	if (fdt_getprop(host->fdt, map, "big-endian", NULL)) {
		mask = __builtin_bswap32(mask);
		value = __builtin_bswap32(value);
	}
	add_poke(power, reg.base + offset, mask, value & mask);
}

void power_from_gpio(const struct host *host, int node, struct host_power *power)
{
	int controller = power_target(host->fdt, node, "gpios");
	uint32_t pin, flags, level;
	struct host_range reg = {0};

	if (!read_cell(host->fdt, node, "gpios", 1, &pin) || !read_cell(host->fdt, node, "gpios", 2, &flags) ||
	    !dt_reg_at(host->fdt, controller, 0, &reg))
		return;
	level = flags & 1U ? 0 : 1;
	if (!fdt_node_check_compatible(host->fdt, controller, "arm,pl061") && pin < 8) {
		add_poke(power, reg.base + PL061_DIR, 0, BIT(pin));
		add_poke(power, reg.base + (4U << pin), ~0U, level << pin);
	} else if (!fdt_node_check_compatible(host->fdt, controller, "fsl,imx35-gpio") && pin < 32) {
		add_poke(power, reg.base + IMX_GPIO_DR, BIT(pin), level << pin);
		add_poke(power, reg.base + IMX_GPIO_IN, 0, BIT(pin));
	}
}

static void from_vexpress(const struct host *host, int node, struct host_power *power)
{
	uint32_t function;

	if (!host->vexpress_sysreg || !read_cell(host->fdt, node, "arm,vexpress-sysreg,func", 0, &function))
		return;
	add_poke(power, host->vexpress_sysreg + VEXPRESS_CFGDATA, ~0U, 0);
	add_poke(power, host->vexpress_sysreg + VEXPRESS_CFGCTRL, ~0U, CFGCTRL_WRITE | function << CFGCTRL_FUNCTION);
}

const struct power_means power_by_syscon = {from_syscon}, power_by_gpio = {power_from_gpio},
			 power_by_vexpress = {from_vexpress};

/* The nodes that one points to may come later in the tree. */
static void note_register(struct scan *scan, const struct dt_node *node, const struct host_driver *driver, bool reset)
{
	if (scan->power_count < SCAN_POWERS_MAX)
		scan->power[scan->power_count++] = (struct power_found){driver, reset, node->offset};
}

void power_off_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	note_register(scan, node, driver, false);
}

void power_reset_probe(struct scan *scan, const struct dt_node *node, const struct host_driver *driver)
{
	note_register(scan, node, driver, true);
}

void power_resolve(struct host *host, const struct power_found *found)
{
	struct host_power *power = found->reset ? &host->reset : &host->off;
	const struct power_means *means = found->driver->data;

	if (power->count > 0)
		return;
	power->what = found->driver->compatible;
	means->resolve(host, found->offset, power);
}
