/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Discovery of the host from device trees, written here as text and compiled with dtc. With a file's name as argument
 * it prints what virt7 makes of that tree instead (tests/qemu/test_boards.py reads it for real boards).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "hyp/host/cpustart.h"
#include "hyp/host/gic.h"
#include "hyp/host/psci.h"
#include "hyp/host/scan.h"
#include "dts.h"
#include "fake_log.h"
#include "hyp/run/timer.h"
#include "mm/cache.h"
#include "mm/hypmap.h"

#define tree dts_tree

static struct host host;

void *hyp_map_device(uint64_t base, size_t size)
{
	(void)base;
	(void)size;
	return NULL;
}

static int scan(const char *text)
{
	dts_compile(text);
	fake_log_reset();
	memset(&host, 0, sizeof(host));
	return host_scan(tree, &host);
}

#define HEAD    "/dts-v1/;\n"
#define ROOT    "/ { #address-cells = <1>; #size-cells = <1>; interrupt-parent = <&gic>;\n"
#define CPUS    "cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = \"cpu\"; reg = <0>; }; };\n"
#define MEMORY  "memory@80000000 { device_type = \"memory\"; reg = <0x80000000 0x40000000>; };\n"
#define TIMER   "timer { compatible = \"arm,armv7-timer\"; interrupts = <1 13 8>, <1 14 8>, <1 11 8>, <1 10 8>; };\n"
#define GIC_TOP "gic: gic@2c001000 { #interrupt-cells = <3>; #address-cells = <0>; interrupt-controller;\n"
#define GIC_REG "reg = <0x2c001000 0x1000>, <0x2c002000 0x2000>, <0x2c004000 0x2000>, <0x2c006000 0x2000>;\n"
#define GIC     GIC_TOP "compatible = \"arm,cortex-a15-gic\"; interrupts = <1 9 4>;" GIC_REG "};\n"
#define UART    "uart0: serial@9000000 { compatible = \"arm,pl011\"; reg = <0x9000000 0x1000>; interrupts = <0 1 4>; };\n"
#define REST    CPUS MEMORY TIMER GIC

static void test_smallest(void **state)
{
	(void)state;
	assert_int_equal(scan(HEAD ROOT REST UART "};"), 0);
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.memory.count, 1);
	assert_int_equal(host.memory.range[0].base, 0x80000000);
	assert_int_equal(host.memory.range[0].size, 0x40000000);
	assert_int_equal(host.cpu_count, 1);
	assert_int_equal(host.gicd, 0x2c001000);
	assert_int_equal(host.gicc, 0x2c002000);
	assert_int_equal(host.gich, 0x2c004000);
	assert_int_equal(host.gicv, 0x2c006000);
	assert_int_equal(host.gic_maintenance_irq, 25);
	assert_int_equal(host.timer_phys_irq, 30);
	assert_int_equal(host.timer_virt_irq, 27);
	assert_int_equal(host.timer_hyp_irq, 26);
	assert_int_equal(host.uart.base, 0x9000000);
	assert_int_equal(host.uart.irq, 33);
	assert_int_equal(host.psci_cpu_on, 0);
	assert_int_equal(host.bundle_size, 0);
	assert_string_equal(host.bootargs, "");
	assert_int_equal(fake_log_count(LOG_ERR) + fake_log_count(LOG_WARN), 0);
}

/* As on Versatile Express: three buses with ranges, and an interrupt-map on the outermost. */
static void test_nested_buses(void **state)
{
	(void)state;
	assert_int_equal(
		scan(HEAD
		     "/ { #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;\n"
		     "bus@8000000 { #address-cells = <1>; #size-cells = <1>; #interrupt-cells = <1>;\n"
		     "  ranges = <0x8000000 0 0x8000000 0x18000000>; interrupt-map-mask = <0 63>;\n"
		     "  interrupt-map = <0 4 &gic 0 4 4>, <0 5 &gic 0 105 4>, <0 6 &gic 0 6 4>;\n"
		     "  mb@8000000 { #address-cells = <2>; #size-cells = <1>;\n"
		     "    ranges = <0 0 0x8000000 0x4000000>, <3 0 0x1c000000 0x4000000>;\n"
		     "    io@3 { #address-cells = <1>; #size-cells = <1>; ranges = <0 3 0 0x200000>;\n"
		     "      serial@90000 { compatible = \"arm,pl011\", \"arm,primecell\"; reg = <0x90000 0x1000>;\n"
		     "        interrupts = <5>; }; }; }; };\n" CPUS TIMER
		     "memory@8 { device_type = \"memory\"; reg = <0 0x80000000 0 0x40000000>, <8 0 4 0>; };\n" GIC_TOP
		     "compatible = \"arm,cortex-a15-gic\", \"arm,cortex-a9-gic\";\n"
		     "reg = <0 0x2c001000 0 0x1000 0 0x2c002000 0 0x2000 0 0x2c004000 0 0x2000 0 0x2c006000 0 0x2000>; "
		     "};\n"
		     "};"),
		0);
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.uart.base, 0x1c090000);
	assert_int_equal(host.uart.irq, 32 + 105);
	assert_int_equal(host.gicv, 0x2c006000);
	assert_int_equal(host.memory.count, 2);
	assert_true(host.memory.range[1].base == 0x800000000ULL && host.memory.range[1].size == 0x400000000ULL);
}

/* A controller between device and GIC that keeps the three cells (i.MX), and one that does not (STM32): polled. */
static void test_interrupt_parents(void **state)
{
	(void)state;
	scan(HEAD ROOT REST "gpc: gpc { #interrupt-cells = <3>; interrupt-controller; };\n"
			    "serial@1 { compatible = \"arm,pl011\"; reg = <1 1>; interrupt-parent = <&gpc>; "
			    "interrupts = <0 26 4>; }; };");
	assert_int_equal(host.uart.irq, 58);
	scan(HEAD ROOT REST
	     "exti: exti { #interrupt-cells = <2>; interrupt-controller; };\n"
	     "serial@1 { compatible = \"arm,pl011\"; reg = <1 1>; interrupts-extended = <&exti 26 4>; }; };");
	assert_int_equal(host.uart.irq, 0);
	scan(HEAD ROOT REST
	     "serial@1 { compatible = \"arm,pl011\"; reg = <1 1>; interrupts-extended = <&gic 0 7 4>; }; };");
	assert_int_equal(host.uart.irq, 39);
	scan(HEAD ROOT REST "serial@1 { compatible = \"arm,pl011\"; reg = <1 1>; }; };");
	assert_int_equal(host.uart.irq, 0);
	/* a nexus that leads nowhere, and one that leads to itself */
	scan(HEAD ROOT REST
	     "nexus: nexus { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <1 &nexus 1>; };\n"
	     "serial@1 { compatible = \"arm,pl011\"; reg = <1 1>; interrupt-parent = <&nexus>; "
	     "interrupts = <1>; }; };");
	assert_int_equal(host.uart.irq, 0);
	scan(HEAD ROOT REST "serial@1 { compatible = \"arm,pl011\"; reg = <1 1>; interrupt-parent = <77>; "
			    "interrupts = <1>; }; };");
	assert_int_equal(host.uart.irq, 0);
}

#define SERIALS                                                                                                       \
	"soc { #address-cells = <1>; #size-cells = <1>; ranges;\n"                                                    \
	"serial@1000 { compatible = \"arm,pl011\"; reg = <0x1000 16>; status = \"disabled\"; };\n"                    \
	"serial@2000 { compatible = \"arm,pl011\"; reg = <0x2000 16>; };\n"                                           \
	"serial@3000 { compatible = \"acme,new-uart\", \"snps,dw-apb-uart\"; reg = <0x3000 16>; reg-shift = <2>; }; " \
	"};\n"

static void test_stdout_path(void **state)
{
	(void)state;
	scan(HEAD ROOT REST SERIALS "};");
	assert_int_equal(host.uart.base, 0x2000);
	scan(HEAD ROOT REST "chosen { stdout-path = \"/soc/serial@3000\"; };" SERIALS "};");
	assert_int_equal(host.uart.base, 0x3000);
	assert_int_equal(host.uart.reg_shift, 2);
	assert_string_equal(host.uart.compatible, "snps,dw-apb-uart");
	scan(HEAD ROOT REST SERIALS "chosen { stdout-path = \"serial7:115200n8\"; }; "
				    "aliases { serial7 = \"/soc/serial@3000\"; }; };");
	assert_int_equal(host.uart.base, 0x3000);
	/* what is named is not there: the first that is */
	scan(HEAD ROOT REST SERIALS
	     "chosen { stdout-path = \"serial0\"; }; aliases { serial1 = \"/soc/serial@3000\"; }; };");
	assert_int_equal(host.uart.base, 0x2000);
	scan(HEAD ROOT REST SERIALS "chosen { stdout-path = \"/soc/serial@9\"; }; };");
	assert_int_equal(host.uart.base, 0x2000);
	assert_int_not_equal(scan(HEAD ROOT REST "};"), 0);
}

static void test_memory(void **state)
{
	(void)state;
	scan(HEAD
	     "/memreserve/ 0x80000000 0x1000;\n" ROOT CPUS TIMER GIC UART
	     "memory { device_type = \"memory\"; reg = <0 0x10000000>, <0x20000000 0>, <0x40000000 0x1000000>; };\n"
	     "memory@1 { device_type = \"memory\"; reg = <0xe000000 0x1000>; status = \"disabled\"; };\n"
	     "reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges;\n"
	     "  pool { size = <0x400000>; }; optee@8 { reg = <0x8000000 0x10000>, <0x9000000 0x20000>; no-map; }; }; "
	     "};");
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.memory.count, 2);
	assert_int_equal(host.memory.range[0].base, 0);
	assert_int_equal(host.memory.range[0].size, 0x10000000);
	assert_int_equal(host.memory.range[1].base, 0x40000000);
	assert_int_equal(host.reserved.count, 3);
	assert_int_equal(host.reserved.range[1].base, 0x9000000);
	assert_int_equal(host.reserved.range[1].size, 0x20000);
	assert_int_equal(host.reserved.range[2].base, 0x80000000);
}

static void test_too_many_ranges(void **state)
{
	char text[4096] = HEAD ROOT CPUS TIMER GIC UART "memory { device_type = \"memory\"; reg = <";

	(void)state;
	for (int i = 1; i < 20; i++)
		sprintf(text + strlen(text), "0x%x 0x1000 ", i * 0x100000);
	strcat(text, ">; }; };");
	scan(text);
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.memory.count, HOST_RANGES_MAX);
	assert_non_null(strstr(fake_log_last(LOG_WARN), "19 memory ranges"));
}

/* Trees that stop at the CPU interface, where the distances say that the rest is where an A7 has it (STM32MP1). */
static void test_gic_completed(void **state)
{
	(void)state;
	scan(HEAD ROOT CPUS MEMORY TIMER UART GIC_TOP "compatible = \"arm,cortex-a7-gic\";\n"
						      "reg = <0xa0021000 0x1000>, <0xa0022000 0x2000>; }; };");
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.gich, 0xa0024000);
	assert_int_equal(host.gicv, 0xa0026000);
	scan(HEAD ROOT CPUS MEMORY TIMER UART GIC_TOP "compatible = \"arm,cortex-a7-gic\";\n"
						      "reg = <0x1000 0x1000>, <0x2000 0x2000>, <0x4000 0x2000>; }; };");
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.gicv, 0x6000);
	scan(HEAD ROOT CPUS MEMORY TIMER UART GIC_TOP "compatible = \"arm,cortex-a7-gic\";\n"
						      "reg = <0x1000 0x1000>, <0x2000 0x2000>, <0x5000 0x2000>; }; };");
	assert_int_not_equal(host_check(&host), 0);
	fake_log_expect_error("has no region 3");
}

static void test_disabled_timer_counts(void **state)
{
	(void)state;
	scan(HEAD ROOT CPUS MEMORY GIC UART "timer { compatible = \"arm,armv7-timer\"; status = \"disabled\";\n"
					    "interrupts = <1 13 8>, <1 14 8>, <1 11 8>, <1 10 8>; }; };");
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.timer_hyp_irq, 26);
}

static void test_psci(void **state)
{
	(void)state;
	scan(HEAD ROOT REST UART
	     "psci { compatible = \"arm,psci-1.0\", \"arm,psci-0.2\", \"arm,psci\"; method = \"smc\"; "
	     "cpu_on = <0x1234>; }; };");
	assert_int_equal(host.psci_cpu_on, 0x84000003);
	assert_int_equal(host.psci_system_off, 0x84000008);
	assert_false(host.psci_hvc);
	scan(HEAD ROOT REST UART "psci { compatible = \"arm,psci\"; method = \"smc\"; cpu_on = <0x1234>; }; };");
	assert_int_equal(host.psci_cpu_on, 0x1234);
	assert_int_equal(host.psci_system_off, 0);
	scan(HEAD ROOT REST UART "psci { compatible = \"arm,psci-0.2\", \"arm,psci\"; method = \"hvc\"; "
				 "cpu_on = <0x1234>; }; };"); /* a guest's */
	assert_int_equal(host.psci_cpu_on, 0);
	assert_int_equal(host.psci_system_off, 0);
	assert_true(host.psci_hvc);
	scan(HEAD ROOT REST UART "psci { compatible = \"arm,psci\"; method = \"hvc\"; cpu_on = <0x1234>; }; };");
	assert_false(host.psci_hvc); /* the first PSCI has no SYSTEM_OFF */
}

static void test_cpus(void **state)
{
	(void)state;
	scan(HEAD ROOT MEMORY TIMER GIC UART "cpus { #address-cells = <2>; #size-cells = <0>;\n"
					     "cpu@100 { device_type = \"cpu\"; reg = <0 0x80000100>; };\n"
					     "cpu@101 { device_type = \"cpu\"; reg = <0 0x101>; enable-method = "
					     "\"spin-table\"; cpu-release-addr = <1 2>; };\n"
					     "cpu-map { cluster0 { core0 { cpu = <1>; }; }; };\n"
					     "cpu@102 { device_type = \"cpu\"; reg = <0 0x102>; enable-method = "
					     "\"psci\"; cpu-release-addr = <1>; }; }; };");
	assert_int_equal(host.cpu_count, 3);
	assert_int_equal(host.cpu[0].mpidr, 0x100);
	assert_int_equal(host.cpu[1].mpidr, 0x101);
	assert_true(host.cpu[1].release == 0x100000002ULL);
	assert_int_equal(host.cpu[2].release, 0);
}

/* "disabled" is one that is to be started. */
static void test_failed_cpus(void **state)
{
	(void)state;
	scan(HEAD ROOT MEMORY TIMER GIC UART
	     "cpus { #address-cells = <1>; #size-cells = <0>;\n"
	     "cpu@0 { device_type = \"cpu\"; reg = <0>; }; cpu@1 { device_type = \"cpu\"; reg = <1>; status = "
	     "\"fail\"; };\n"
	     "cpu@2 { device_type = \"cpu\"; reg = <2>; status = \"disabled\"; };\n"
	     "cpu@3 { device_type = \"cpu\"; reg = <3>; status = \"fail-ecc\"; }; }; };");
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.cpu_count, 2);
	assert_int_equal(host.cpu[1].mpidr, 2);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "host: 2 of the CPUs in the device tree have status \"fail\" and are left out");
}

static void test_enable_method(void **state)
{
	(void)state;
	scan(HEAD ROOT MEMORY TIMER GIC UART
	     "cpus { #address-cells = <1>; #size-cells = <0>; enable-method = \"allwinner,sun6i-a31\";\n"
	     "cpu@0 { device_type = \"cpu\"; reg = <0>; };\n"
	     "cpu@1 { device_type = \"cpu\"; reg = <1>; enable-method = \"spin-table\"; cpu-release-addr = <0x1234>; "
	     "}; }; };");
	assert_string_equal(host.cpu[0].method, "allwinner,sun6i-a31");
	assert_int_equal(host.cpu[0].release, 0);
	assert_string_equal(host.cpu[1].method, "spin-table");
	assert_int_equal(host.cpu[1].release, 0x1234);
	scan(HEAD ROOT REST UART "};");
	assert_null(host.cpu[0].method);
}

static void expect_poke(const struct host_power *power, unsigned int i, uint64_t address, uint32_t clear, uint32_t set)
{
	assert_true(i < power->count);
	assert_int_equal(power->poke[i].address, address);
	assert_int_equal(power->poke[i].clear, clear);
	assert_int_equal(power->poke[i].set, set);
}

static void test_syscon_power(void **state)
{
	(void)state;
	scan(HEAD ROOT REST UART "soc { #address-cells = <1>; #size-cells = <1>; ranges = <0 0x2000000 0x100000>;\n"
				 "snvs: snvs@cc000 { reg = <0xcc000 0x4000>;\n"
				 "poweroff { compatible = \"syscon-poweroff\"; regmap = <&snvs>; offset = <0x38>; "
				 "value = <0x61>; mask = <0x60>; };\n"
				 "reboot { compatible = \"syscon-reboot\"; offset = <4>; mask = <7>; }; }; }; };");
	assert_int_equal(host.off.count, 1);
	expect_poke(&host.off, 0, 0x20cc038, 0x60, 0x60);
	assert_string_equal(host.off.what, "syscon-poweroff");
	assert_int_equal(host.reset.count, 1);
	expect_poke(&host.reset, 0, 0x20cc004, ~0U, 7); /* a mask alone is the value, the syscon its parent */
	scan(HEAD ROOT REST UART
	     "dcfg: a { reg = <0x1000 0x100>; big-endian; };\n"
	     "r { compatible = \"syscon-reboot\"; regmap = <&dcfg>; offset = <0xb0>; mask = <2>; };\n"
	     "p { compatible = \"syscon-poweroff\"; regmap = <&dcfg>; offset = <0>; value = <4>; "
	     "mask = <6>; }; };");
	expect_poke(&host.reset, 0, 0x10b0, ~0U, 0x02000000);
	expect_poke(&host.off, 0, 0x1000, 0x06000000, 0x04000000);
	/* one that is disabled, leads nowhere, or says nothing */
	scan(HEAD ROOT REST UART "a: a { reg = <0x1000 16>; };\n"
				 "p1 { compatible = \"syscon-poweroff\"; regmap = <&a>; offset = <0>; value = <1>; "
				 "status = \"disabled\"; };\n"
				 "p2 { compatible = \"syscon-poweroff\"; regmap = <99>; offset = <0>; value = <1>; };\n"
				 "p3 { compatible = \"syscon-poweroff\"; regmap = <&a>; value = <1>; };\n"
				 "p4 { compatible = \"syscon-poweroff\"; regmap = <&a>; offset = <8>; }; };");
	assert_int_equal(host.off.count, 0);
}

static void test_gpio_power(void **state)
{
	(void)state;
	scan(HEAD ROOT REST UART
	     "gp: gpio@9000 { compatible = \"arm,pl061\", \"arm,primecell\"; reg = <0x9000 0x1000>; };\n"
	     "im: gpio@a000 { compatible = \"fsl,imx7d-gpio\", \"fsl,imx35-gpio\"; reg = <0xa000 0x1000>; };\n"
	     "off { compatible = \"gpio-poweroff\"; gpios = <&gp 3 0>; };\n"
	     "again { compatible = \"gpio-restart\"; gpios = <&im 17 1>; }; };");
	assert_int_equal(host.off.count, 2);
	expect_poke(&host.off, 0, 0x9400, 0, 8); /* the data register keeps nothing of a pin that is an input */
	expect_poke(&host.off, 1, 0x9020, ~0U, 8);
	assert_int_equal(host.reset.count, 2);
	expect_poke(&host.reset, 0, 0xa000, 1U << 17, 0); /* active low */
	expect_poke(&host.reset, 1, 0xa004, 0, 1U << 17);
	scan(HEAD ROOT REST UART "gp: gpio@9000 { compatible = \"acme,gpio\"; reg = <0x9000 0x1000>; };\n"
				 "off { compatible = \"gpio-poweroff\"; gpios = <&gp 3 0>; }; };");
	assert_int_equal(host.off.count, 0);
}

static void test_vexpress_power(void **state)
{
	(void)state;
	scan(HEAD ROOT REST UART
	     "mcc { shutdown { compatible = \"arm,vexpress-shutdown\"; arm,vexpress-sysreg,func = <8 0>; };\n"
	     "reboot { compatible = \"arm,vexpress-reboot\"; arm,vexpress-sysreg,func = <9 0>; }; };\n"
	     "sysreg@1c010000 { compatible = \"arm,vexpress-sysreg\"; reg = <0x1c010000 0x1000>; }; };");
	assert_int_equal(host.vexpress_sysreg, 0x1c010000);
	expect_poke(&host.off, 0, 0x1c0100a0, ~0U, 0);
	expect_poke(&host.off, 1, 0x1c0100a4, ~0U, 0xc0800000);
	expect_poke(&host.reset, 1, 0x1c0100a4, ~0U, 0xc0900000);
}

static void test_chosen(void **state)
{
	(void)state;
	scan(HEAD ROOT REST UART "chosen { bootargs = \"gic.lrs=2\"; linux,initrd-start = <0 0x48000000>; "
				 "linux,initrd-end = <0x48001000>; }; };");
	assert_string_equal(host.bootargs, "gic.lrs=2");
	assert_int_equal(host.bundle, 0x48000000);
	assert_int_equal(host.bundle_size, 0x1000);
	assert_int_equal(host.chosen, fdt_path_offset(host.fdt, "/chosen"));
	scan(HEAD ROOT REST UART "chosen { linux,initrd-start = <2>; linux,initrd-end = <1>; }; };");
	assert_int_equal(host.bundle_size, 0);
}

static void test_what_is_missing(void **state)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{HEAD ROOT CPUS TIMER GIC UART "};", "no memory node"},
		{HEAD ROOT MEMORY TIMER GIC UART "};", "no /cpus/cpu@* node"},
		{HEAD "/ { #address-cells = <1>; #size-cells = <1>;" CPUS MEMORY TIMER UART "};",
		 "host: no GICv2 in the device tree (arm,gic-400, arm,cortex-a15-gic or arm,cortex-a7-gic)"},
		{HEAD ROOT CPUS MEMORY TIMER GIC_TOP
		 "compatible = \"arm,cortex-a9-gic\"; reg = <0x1000 0x1000>; };" UART "};",
		 "host: gic@2c001000 is arm,cortex-a9-gic, not arm,gic-400, arm,cortex-a15-gic or "
		 "arm,cortex-a7-gic"},
		{HEAD "/ { #address-cells = <1>; #size-cells = <1>; compatible = \"linux,dummy-virt\"; gic: gic { "
		      "compatible = "
		      "\"arm,gic-v3\"; };" CPUS MEMORY TIMER UART "};",
		 "host: gic is arm,gic-v3, not arm,gic-400, arm,cortex-a15-gic or "
		 "arm,cortex-a7-gic; on QEMU add gic-version=2 to -M virt"},
		{HEAD ROOT CPUS MEMORY GIC UART "};", "no architected timer"},
		{HEAD ROOT CPUS MEMORY TIMER GIC_TOP
		 "compatible = \"arm,cortex-a15-gic\"; reg = <0x8000000 0x10000>, <0x8010000 0x10000>; };" UART "};",
		 "GIC node gic@2c001000 has no region 2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(scan(rows[i].text), 0);
		assert_int_not_equal(host_check(&host), 0);
		fake_log_expect_error(rows[i].line);
	}
}

#define OWN(irqs, gic_irq)                                                                                       \
	HEAD ROOT CPUS MEMORY UART "timer { compatible = \"arm,armv7-timer\"; interrupts = <1 13 8>, " irqs      \
				   "; };\n" GIC_TOP "compatible = \"arm,cortex-a15-gic\"; interrupts = " gic_irq \
				   ";" GIC_REG "}; };"
#define UART_OF(irq) HEAD ROOT REST "serial@1 { compatible = \"arm,pl011\"; reg = <1 1>; interrupts = " irq "; }; };"

/* Numbers that lead nowhere: virt7 does not run without a CPU's own interrupts, and polls the UART. */
static void test_interrupt_numbers(void **state)
{
	static const struct {
		const char *text, *line;
	} own[] = {
		{OWN("<0 14 8>, <1 11 8>, <1 10 8>", "<1 9 4>"),
		 "interrupt 46 of the PL1 timer is not a PPI (16 to 31)"},
		{OWN("<1 14 8>, <1 0x10000 8>, <1 10 8>", "<1 9 4>"), "interrupt 65552 of the virtual timer"},
		{OWN("<1 14 8>, <1 12 8>, <1 10 8>", "<1 9 4>"),
		 "interrupt 28 of the virtual timer: virt7 needs PPI 27"},
		{OWN("<1 14 8>, <1 11 8>, <1 16 8>", "<1 9 4>"), "interrupt 32 of the HYP timer"},
		{OWN("<1 14 8>, <1 11 8>, <1 0xffffffff 8>", "<1 9 4>"), "interrupt 15 of the HYP timer"},
		{OWN("<1 14 8>, <1 11 8>, <1 10 8>", "<1 0x7fffffff 4>"), "interrupt 2147483663 of the GIC"},
	};
	static const struct {
		const char *text;
		uint32_t irq;
		const char *line;
	} uarts[] = {
		{UART_OF("<0 0 4>"), 32, ""},
		{UART_OF("<0 987 4>"), 1019, ""},
		{UART_OF("<0 988 4>"), 0, "host: interrupt 1020 of the UART is not an SPI (32 to 1019): it is polled"},
		{UART_OF("<1 9 4>"), 0, "host: interrupt 25 of the UART is not an SPI (32 to 1019): it is polled"},
		{UART_OF("<0 0xffffffdf 4>"), 0,
		 "host: interrupt 4294967295 of the UART is not an SPI (32 to 1019): it is polled"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		scan(own[i].text);
		assert_int_not_equal(host_check(&host), 0);
		fake_log_expect_error(own[i].line);
	}
	scan(OWN("<1 0 8>, <1 11 8>, <1 15 8>", "<1 14 4>"));
	assert_int_equal(host_check(&host), 0);
	for (size_t i = 0; i < sizeof(uarts) / sizeof(uarts[0]); i++) {
		scan(uarts[i].text);
		assert_int_equal(host_check(&host), 0);
		assert_int_equal(host.uart.irq, uarts[i].irq);
		assert_string_equal(fake_log_last(LOG_WARN), uarts[i].line);
	}
}

/* What there is no room for: CPUs and RAM are left out, but no VM may write to memory that is reserved. */
static void test_too_many(void **state)
{
	static char text[8192];
	char *end = text + sprintf(text, HEAD ROOT REST UART);

	(void)state;
	for (unsigned int i = 1; i <= 8; i++)
		end += sprintf(end, "c%u { device_type = \"cpu\"; reg = <%u>; };\n", i, i);
	for (unsigned int i = 0; i < 16; i++)
		end += sprintf(end, "m%u { device_type = \"memory\"; reg = <0x%x 0x1000>; };\n", i,
			       0x90000000U + i * 0x2000U);
	strcpy(end, "};");
	scan(text);
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(fake_log_count(LOG_WARN), 2);
	assert_string_equal(fake_log_last(LOG_WARN), "host: 9 CPUs in the device tree, virt7 uses the first 8");
	assert_int_equal(host.cpu_count, 8);
	assert_int_equal(host.cpu[7].mpidr, 7);
	assert_int_equal(host.memory.count, 16);
	end = text +
	      sprintf(text, HEAD ROOT REST UART "reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges;\n");
	for (unsigned int i = 0; i < 17; i++)
		end += sprintf(end, "r%u { reg = <0x%x 0x1000>; };\n", i, 0x80000000U + i * 0x2000U);
	strcpy(end, "}; };");
	scan(text);
	assert_int_not_equal(host_check(&host), 0);
	fake_log_expect_error("the device tree reserves 17 ranges of memory, virt7 can keep away from 16");
}

/* The transports that are there, as many as fit. */
static void test_virtio(void **state)
{
	static char text[8192];
	char *end = text + sprintf(text, HEAD ROOT REST UART);

	(void)state;
	for (unsigned int i = 0; i < HOST_VIRTIO_MAX + 2U; i++)
		end += sprintf(end, "v%u { compatible = \"virtio,mmio\"; reg = <0x%x 0x200>;%s };\n", i,
			       0xa000000U + i * 0x200U, i == 1 ? " status = \"disabled\";" : "");
	strcpy(end, "};");
	scan(text);
	assert_int_equal(host.virtio_count, HOST_VIRTIO_MAX);
	assert_int_equal(host.virtio[0], 0xa000000);
	assert_int_equal(host.virtio[1], 0xa000400);
}

/* Absurd numbers of cells, values that end early, trees that are too deep or cut off: nothing is read that is not
 * there. */
static void test_malformed(void **state)
{
	uint32_t size;

	(void)state;
	assert_int_not_equal(scan(HEAD "/ { #address-cells = <5>; #size-cells = <1>;" UART "};"), 0);
	assert_int_not_equal(scan(HEAD "/ { #address-cells = <0>; #size-cells = <1>;" UART "};"), 0);
	assert_int_not_equal(scan(HEAD "/ { #address-cells = [01]; #size-cells = <1>;" UART "};"), 0);
	assert_int_not_equal(scan(HEAD ROOT "gic: bus { ranges = <1 2 3>;" UART "}; };"), 0);
	assert_int_not_equal(scan(HEAD ROOT "gic: bus {" UART "}; };"), 0); /* no ranges: not on the CPU's bus */
	assert_int_not_equal(scan(HEAD ROOT "gic: serial { compatible = \"arm,pl011\"; reg = <1>; }; };"), 0);
	assert_int_not_equal(scan(HEAD ROOT "gic: serial { compatible = [61 62]; reg = <1 1>; }; };"), 0);
	scan(HEAD ROOT "a{b{c{d{e{f{g{h{i{j{k{l{};};};};};};};};};};};}; " UART REST "};");
	assert_int_equal(host_check(&host), 0);
	assert_int_equal(host.uart.irq, 33);

	/* cut off anywhere: noticed */
	dts_compile(HEAD ROOT UART REST "};");
	size = fdt_size_dt_struct(tree);
	for (uint32_t cut = 0; cut < size; cut++) {
		fdt_set_size_dt_struct(tree, cut);
		memset(&host, 0, sizeof(host));
		host_scan(tree, &host);
		assert_int_not_equal(host.tree_error, 0);
	}
	fake_log_reset();
	assert_int_not_equal(host_check(&host), 0);
	fake_log_expect_error("the device tree is damaged");
}

static void show_power(const char *what, uint32_t psci, const struct host_power *power)
{
	printf("%s%s%s", what, psci ? " by PSCI" : "", psci && power->count ? ", else" : "");
	if (power->count)
		printf(" by %s", power->what);
	printf("%s\n", psci || power->count ? "" : ": no means that virt7 knows");
}

/* What cpustart.c reaches for when a CPU is started, which no test does here. */
uint8_t *hyp_window_open_at(enum hyp_window which, pa_t address)
{
	(void)which, (void)address;
	return NULL;
}

void hyp_window_close_at(enum hyp_window which)
{
	(void)which;
}

uint32_t timer_hz(void)
{
	return 0;
}

void cache_clean(const void *start, size_t size)
{
	(void)start, (void)size;
}

void gic_send_sgi_others(uint32_t sgi)
{
	(void)sgi;
}

int psci_host_cpu_on(uint32_t mpidr, uint32_t entry, uint32_t context)
{
	(void)mpidr, (void)entry, (void)context;
	return -1;
}

static int show(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (!file || fread(tree, 1, sizeof(tree), file) == 0)
		return 1;
	fclose(file);
	if (host_scan(tree, &host))
		printf("no uart\n");
	else
		printf("uart %s 0x%llx irq %u\n", host.uart.compatible, (unsigned long long)host.uart.base,
		       host.uart.irq);
	if (host_check(&host))
		printf("error %s\n", fake_log_last(LOG_ERR));
	printf("gic 0x%llx 0x%llx 0x%llx 0x%llx maintenance %u\n", (unsigned long long)host.gicd,
	       (unsigned long long)host.gicc, (unsigned long long)host.gich, (unsigned long long)host.gicv,
	       host.gic_maintenance_irq);
	printf("timer %u %u\n", host.timer_virt_irq, host.timer_hyp_irq);
	for (unsigned int i = 0; i < host.cpu_count; i++) {
		const char *means = cpustart_means(&host, &host.cpu[i]);

		printf("cpu 0x%x started by %s\n", host.cpu[i].mpidr, means ? means : "no means that virt7 knows");
	}
	show_power("off", host.psci_system_off, &host.off);
	show_power("reset", host.psci_system_reset, &host.reset);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smallest),
		cmocka_unit_test(test_nested_buses),
		cmocka_unit_test(test_interrupt_parents),
		cmocka_unit_test(test_stdout_path),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_too_many_ranges),
		cmocka_unit_test(test_gic_completed),
		cmocka_unit_test(test_disabled_timer_counts),
		cmocka_unit_test(test_psci),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_enable_method),
		cmocka_unit_test(test_failed_cpus),
		cmocka_unit_test(test_syscon_power),
		cmocka_unit_test(test_gpio_power),
		cmocka_unit_test(test_vexpress_power),
		cmocka_unit_test(test_chosen),
		cmocka_unit_test(test_what_is_missing),
		cmocka_unit_test(test_interrupt_numbers),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_virtio),
	};

	return argc > 1 ? show(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
