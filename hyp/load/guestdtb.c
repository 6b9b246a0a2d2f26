/*
 * The guest's device tree: the nodes, names, compatible strings, phandles and interrupt cells that QEMU's virt board
 * (hw/arm/virt.c) gives, for the devices that the VM has. One function a group of nodes, listed in `groups`; a new
 * device is a new line there. Bindings: the devicetree documentation under the name in each `compatible`.
 */
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include "hyp/load/guestdtb.h"
#include "hyp/lib/bits.h"

/* Cells of the arm,gic binding. */
#define GIC_SPI      0U
#define GIC_PPI      1U
#define GIC_EDGE_HI  1U
#define GIC_LEVEL_HI 4U
#define GIC_PPI_CPUS 8U /* shift of the mask of CPUs, in the flags of a PPI */
#define SPI_FIRST    32U
#define PPI_FIRST    16U

/* QEMU gives out phandles in the order of creation: the clock, the CPUs from the last to the first, the GIC. */
#define PHANDLE_CLOCK     0x8000U
#define PHANDLE_GIC(t)    (PHANDLE_CLOCK + 1U + (t)->cfg->cpus)
#define PHANDLE_GPIO(t)   (PHANDLE_GIC(t) + 2U) /* QEMU's GIC has a node for MSIs in between */
#define PHANDLE_CPU(t, n) (PHANDLE_CLOCK + (t)->cfg->cpus - (n))

#define KEY_POWER    116U /* as Linux numbers its keys */
#define APB_CLOCK_HZ 24000000U
#define UART_PATH    "/pl011@9000000"

/* A tree in the making. The first error stays, and everything after it does nothing. */
struct tree {
	const struct vm_config *cfg;
	const struct guestdtb_params *params;
	void *fdt;
	int err;
};

static void begin_node(struct tree *t, const char *name)
{
	if (!t->err)
		t->err = fdt_begin_node(t->fdt, name);
}

/* A node named `name` + a number in hexadecimal: its unit address, or its index. Not by snprintf(), which is large. */
static void begin_numbered(struct tree *t, const char *name, uint32_t number)
{
	size_t len = strlen(name), digits = 1;
	char full[24];

	while (digits < 8U && number >> (4U * digits))
		digits++;
	if (len + digits >= sizeof(full)) {
		t->err = -FDT_ERR_NOSPACE;
		return;
	}
	memcpy(full, name, len);
	for (size_t i = 0; i < digits; i++)
		full[len + i] = "0123456789abcdef"[FIELD(number, 4U * (digits - 1U - i), 4U)];
	full[len + digits] = '\0';
	begin_node(t, full);
}

static void end_node(struct tree *t)
{
	if (!t->err)
		t->err = fdt_end_node(t->fdt);
}

static void put(struct tree *t, const char *name, const void *value, size_t len)
{
	if (!t->err)
		t->err = fdt_property(t->fdt, name, value, (int)len);
}

static void put_flag(struct tree *t, const char *name)
{
	put(t, name, NULL, 0);
}

static void put_string(struct tree *t, const char *name, const char *value)
{
	put(t, name, value, strlen(value) + 1U);
}

/* A list of strings is written as one literal with \0 between them. */
#define put_strings(t, name, literal) put((t), (name), (literal), sizeof(literal))

static void put_cells(struct tree *t, const char *name, const uint32_t *cells, size_t count)
{
	fdt32_t value[16];

	if (count > ARRAY_SIZE(value)) {
		t->err = -FDT_ERR_NOSPACE;
		return;
	}
	for (size_t i = 0; i < count; i++)
		value[i] = cpu_to_fdt32(cells[i]);
	put(t, name, value, count * sizeof(value[0]));
}

#define put_list(t, name, ...) \
	put_cells((t), (name), (const uint32_t[]){__VA_ARGS__}, ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__})))

static void put_cell(struct tree *t, const char *name, uint32_t cell)
{
	put_cells(t, name, &cell, 1);
}

static void put_number64(struct tree *t, const char *name, uint64_t value)
{
	put_list(t, name, (uint32_t)(value >> 32), (uint32_t)value);
}

static void root_properties(struct tree *t)
{
	put_string(t, "compatible", "linux,dummy-virt");
	put_string(t, "model", "linux,dummy-virt");
	put_cell(t, "#address-cells", 2);
	put_cell(t, "#size-cells", 2);
	put_cell(t, "interrupt-parent", PHANDLE_GIC(t));
}

static void aliases_node(struct tree *t)
{
	begin_node(t, "aliases");
	put_string(t, "serial0", UART_PATH);
	end_node(t);
}

static void chosen_node(struct tree *t)
{
	begin_node(t, "chosen");
	put_string(t, "stdout-path", UART_PATH);
	if (*t->cfg->bootargs)
		put_string(t, "bootargs", t->cfg->bootargs);
	if (t->params->ramdisk_end > t->params->ramdisk_start) {
		put_number64(t, "linux,initrd-start", t->params->ramdisk_start);
		put_number64(t, "linux,initrd-end", t->params->ramdisk_end);
	}
	end_node(t);
}

static void memory_node(struct tree *t)
{
	uint64_t size = t->cfg->ram_size;

	begin_numbered(t, "memory@", (uint32_t)MACHINE_RAM_BASE);
	put_string(t, "device_type", "memory");
	put_list(t, "reg", 0, (uint32_t)MACHINE_RAM_BASE, (uint32_t)(size >> 32), (uint32_t)size);
	end_node(t);
}

/* arm,psci is PSCI 0.1, whose users need the function IDs; they are those of 0.2 (DEN 0022, QEMU fdt_add_psci_node). */
static void psci_node(struct tree *t)
{
	begin_node(t, "psci");
	put_strings(t, "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
	put_string(t, "method", "hvc");
	put_cell(t, "cpu_suspend", 0x84000001U);
	put_cell(t, "cpu_off", 0x84000002U);
	put_cell(t, "cpu_on", 0x84000003U);
	put_cell(t, "migrate", 0x84000005U);
	end_node(t);
}

static void cpu_map_node(struct tree *t)
{
	begin_node(t, "cpu-map");
	begin_node(t, "socket0");
	begin_node(t, "cluster0");
	for (uint32_t n = 0; n < t->cfg->cpus; n++) {
		begin_numbered(t, "core", n);
		put_cell(t, "cpu", PHANDLE_CPU(t, n));
		end_node(t);
	}
	end_node(t);
	end_node(t);
	end_node(t);
}

/* `reg` is the MPIDR's affinity: with a GICv2 up to 8 CPUs are one cluster. */
static void cpus_node(struct tree *t)
{
	const char *compatible = t->params->cpu_compatible;

	begin_node(t, "cpus");
	put_cell(t, "#address-cells", 1);
	put_cell(t, "#size-cells", 0);
	for (uint32_t n = 0; n < t->cfg->cpus; n++) {
		begin_numbered(t, "cpu@", n);
		put_string(t, "device_type", "cpu");
		put_string(t, "compatible", compatible ? compatible : "arm,cortex-a15");
		if (t->cfg->cpus > 1)
			put_string(t, "enable-method", "psci");
		put_cell(t, "reg", n);
		put_cell(t, "phandle", PHANDLE_CPU(t, n));
		end_node(t);
	}
	cpu_map_node(t);
	end_node(t);
}

static void timer_node(struct tree *t)
{
	uint32_t flags = GIC_LEVEL_HI | (BIT(t->cfg->cpus) - 1U) << GIC_PPI_CPUS;

	begin_node(t, "timer");
	put_string(t, "compatible", "arm,armv7-timer");
	/* virt7 wakes a vCPU that sleeps in WFI, whatever state the physical CPU is in. */
	put_flag(t, "always-on");
	put_list(t, "interrupts", GIC_PPI, MACHINE_PPI_TIMER_SEC - PPI_FIRST, flags, GIC_PPI,
		 MACHINE_PPI_TIMER_PHYS - PPI_FIRST, flags, GIC_PPI, MACHINE_PPI_TIMER_VIRT - PPI_FIRST, flags, GIC_PPI,
		 MACHINE_PPI_TIMER_HYP - PPI_FIRST, flags);
	if (t->params->clock_hz)
		put_cell(t, "clock-frequency", t->params->clock_hz);
	end_node(t);
}

static void gic_node(struct tree *t)
{
	begin_numbered(t, "intc@", MACHINE_GICD_BASE);
	put_string(t, "compatible", "arm,cortex-a15-gic");
	put_list(t, "reg", 0, MACHINE_GICD_BASE, 0, MACHINE_GICD_WINDOW, 0, MACHINE_GICC_BASE, 0, MACHINE_GICC_WINDOW);
	put_flag(t, "interrupt-controller");
	put_cell(t, "#interrupt-cells", 3);
	put_cell(t, "#address-cells", 2);
	put_cell(t, "#size-cells", 2);
	put_flag(t, "ranges");
	put_cell(t, "phandle", PHANDLE_GIC(t));
	end_node(t);
}

static void clock_node(struct tree *t)
{
	begin_node(t, "apb-pclk");
	put_string(t, "compatible", "fixed-clock");
	put_cell(t, "#clock-cells", 0);
	put_cell(t, "clock-frequency", APB_CLOCK_HZ);
	put_string(t, "clock-output-names", "clk24mhz");
	put_cell(t, "phandle", PHANDLE_CLOCK);
	end_node(t);
}

/* What the ARM PrimeCell devices have in common. */
static void put_reg_spi(struct tree *t, uint32_t base, uint32_t size, uint32_t irq)
{
	put_list(t, "reg", 0, base, 0, size);
	put_list(t, "interrupts", GIC_SPI, irq - SPI_FIRST, GIC_LEVEL_HI);
}

static void uart_node(struct tree *t)
{
	begin_numbered(t, "pl011@", MACHINE_UART_BASE);
	put_strings(t, "compatible", "arm,pl011\0arm,primecell");
	put_reg_spi(t, MACHINE_UART_BASE, MACHINE_UART_SIZE, MACHINE_SPI_UART);
	put_list(t, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
	put_strings(t, "clock-names", "uartclk\0apb_pclk");
	end_node(t);
}

static void rtc_node(struct tree *t)
{
	begin_numbered(t, "pl031@", MACHINE_RTC_BASE);
	put_strings(t, "compatible", "arm,pl031\0arm,primecell");
	put_reg_spi(t, MACHINE_RTC_BASE, MACHINE_RTC_SIZE, MACHINE_SPI_RTC);
	put_cell(t, "clocks", PHANDLE_CLOCK);
	put_string(t, "clock-names", "apb_pclk");
	end_node(t);
}

static void gpio_node(struct tree *t)
{
	begin_numbered(t, "pl061@", MACHINE_GPIO_BASE);
	put_strings(t, "compatible", "arm,pl061\0arm,primecell");
	put_reg_spi(t, MACHINE_GPIO_BASE, MACHINE_GPIO_SIZE, MACHINE_SPI_GPIO);
	put_cell(t, "#gpio-cells", 2);
	put_flag(t, "gpio-controller");
	put_cell(t, "clocks", PHANDLE_CLOCK);
	put_string(t, "clock-names", "apb_pclk");
	put_cell(t, "phandle", PHANDLE_GPIO(t));
	end_node(t);
}

static void power_key_node(struct tree *t)
{
	begin_node(t, "gpio-keys");
	put_string(t, "compatible", "gpio-keys");
	begin_node(t, "poweroff");
	put_string(t, "label", "GPIO Key Poweroff");
	put_cell(t, "linux,code", KEY_POWER);
	put_list(t, "gpios", PHANDLE_GPIO(t), MACHINE_GPIO_POWER_LINE, 0);
	end_node(t);
	end_node(t);
}

static void (*const groups[])(struct tree *t) = {
	root_properties, /* first: properties come before subnodes */
	aliases_node,    chosen_node, memory_node, psci_node, cpus_node, timer_node,
	gic_node,        clock_node,  uart_node,   rtc_node,  gpio_node, power_key_node,
};

int guestdtb_make(const struct vm_config *cfg, const struct guestdtb_params *params, void *buf, size_t size)
{
	struct tree t = {.cfg = cfg, .params = params, .fdt = buf};

	t.err = fdt_create(buf, (int)MIN(size, (size_t)GUESTDTB_MAX));
	if (!t.err)
		t.err = fdt_finish_reservemap(buf);
	begin_node(&t, "");
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		groups[i](&t);
	end_node(&t);
	if (!t.err)
		t.err = fdt_finish(buf);
	return t.err ? -ENOSPC : (int)fdt_totalsize(buf);
}
