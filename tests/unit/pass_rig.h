/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of passthrough share: a host of many devices, and a VM that is to have some of them. */
#ifndef TESTS_UNIT_PASS_RIG_H
#define TESTS_UNIT_PASS_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "hyp/host/scan.h"
#include "hyp/load/tree.h"
#include "hyp/vdev/passthrough.h"
#include "hyp/vm/vm.h"
#include "dts.h"
#include "fake_log.h"
#include "fake_machine.h"
#include "fake_pass.h"

#define WINDOW MACHINE_PASS_BASE

static const char board[] =
	"/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;\n"
	"cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = \"cpu\"; reg = <0>; }; };\n"
	"memory@80000000 { device_type = \"memory\"; reg = <0 0x80000000 0 0x40000000>; };\n"
	"timer { compatible = \"arm,armv7-timer\"; interrupts = <1 13 8>, <1 14 8>, <1 11 8>, <1 10 8>; };\n"
	"gic: gic@2c001000 { #interrupt-cells = <3>; #address-cells = <0>; interrupt-controller;\n"
	"  compatible = \"arm,cortex-a15-gic\"; interrupts = <1 9 4>;\n"
	"  reg = <0 0x2c001000 0 0x1000 0 0x2c002000 0 0x2000 0 0x2c004000 0 0x2000 0 0x2c006000 0 0x2000>; };\n"
	"osc: osc { compatible = \"fixed-clock\"; #clock-cells = <0>; clock-frequency = <50000000>; };\n"
	"ccu: ccu@20000000 { compatible = \"acme,ccu\"; reg = <0 0x20000000 0 0x1000>; #clock-cells = <1>; "
	"#reset-cells = <1>; };\n"
	"pins: pins@20001000 { reg = <0 0x20001000 0 0x1000>; mmc_pins: mmc { function = \"mmc\"; }; };\n"
	"v33: fixed33 { compatible = \"regulator-fixed\"; regulator-name = \"3V3\"; regulator-min-microvolt = "
	"<3300000>;\n"
	"  regulator-max-microvolt = <3300000>; gpio = <&pins 3 0>; phandle = <0x77>; };\n"
	"pmic: pmic { compatible = \"acme,ldo\"; regulator-name = \"vqmmc\"; };\n"
	"serial@9000000 { compatible = \"arm,pl011\"; reg = <0 0x9000000 0 0x1000>; interrupts = <0 1 4>; };\n"
	"soc { #address-cells = <1>; #size-cells = <1>; ranges = <0 0 0 0xffffffff>;\n"
	"  virtio@a000000 { compatible = \"virtio,mmio\"; reg = <0xa000000 0x200>; interrupts = <0 16 1>; "
	"dma-coherent; };\n"
	"  virtio@a000200 { compatible = \"virtio,mmio\"; reg = <0xa000200 0x200>; interrupts = <0 17 1>; };\n"
	"  small@60000100 { compatible = \"arm,pl061\"; reg = <0x60000100 0x100>; interrupts = <0 18 4>; };\n"
	"  odd@60001000 { compatible = \"arm,pl061\"; reg = <0x60001000 2>; };\n"
	"  odd-too@60001002 { compatible = \"arm,pl061\"; reg = <0x60001002 2>; };\n"
	"  large@30000000 { compatible = \"arm,pl061\"; reg = <0x30000000 0x4000000>; };\n"
	"  mmc@50000800 { compatible = \"arm,pl180\", \"arm,primecell\"; reg = <0x50000800 0x2000>, <0x50010000 "
	"0x1000>;\n"
	"    interrupts = <0 20 4>, <0 21 1>; interrupt-names = \"cmd\", \"pio\"; max-frequency = <12000000>;\n"
	"    clocks = <&osc>, <&ccu 7>; clock-names = \"apb_pclk\", \"mclk\"; vmmc-supply = <&v33>; vqmmc-supply = "
	"<&pmic>;\n"
	"    resets = <&ccu 1>; reset-names = \"ahb\"; pinctrl-names = \"default\"; pinctrl-0 = <&mmc_pins>;\n"
	"    cd-gpios = <&pins 4 0>; bus-width = <4>; status = \"okay\"; phandle = <0x99>; };\n"
	"  pair@50030000 { compatible = \"arm,pl061\"; reg = <0x50030000 0x1000>; interrupts = <0 30 4>,\n"
	"    <0 31 4>, <0 30 4>; };\n"
	"  exti: exti@50060000 { reg = <0x50060000 0x1000>; interrupt-controller; #interrupt-cells = <2>; };\n"
	"  half@50070000 { compatible = \"arm,pl061\"; reg = <0x50070000 0x1000>; interrupts-extended = <&exti 27 1>,\n"
	"    <&gic 0 33 4>; interrupt-names = \"wakeup\", \"work\"; };\n"
	"  low@50080000 { compatible = \"arm,pl061\"; reg = <0x50080000 0x1000>; interrupts = <0 2 4>; };\n"
	"  sata@50040000 { compatible = \"generic-ahci\"; reg = <0x50040000 0x1000>; memory-region = <&pins>; };\n"
	"  next@50000000 { reg = <0x50000000 0x800>; };\n"
	"  eth@50020000 { compatible = \"smsc,lan9118\"; reg = <0x50020000 0x1000>; interrupts = <0 22 4>; phy-handle "
	"= <&phy>;\n"
	"    clocks = <&ccu 3>; clock-frequency = <125000000>;\n"
	"    mdio { #address-cells = <1>; #size-cells = <0>;\n"
	"      phy: phy@1 { reg = <1>; interrupts = <5 8>; interrupt-parent = <&pins>; reset-gpios = <&pins 1 0>; }; "
	"}; };\n"
	"}; };";

static struct host host;
static struct vm vm;
static uint8_t index_room[0x10000] __attribute__((aligned(8)));
static char paths[1024];
static uint32_t used, preempts;
static uint8_t *ends_at; /* a register of one byte that is 0 once others have had the CPU */

void sched_preempt(void)
{
	preempts++;
	fake_machine.reg[SYSREG_cntpct] += 10000; /* 10 ms */
	if (ends_at)
		*ends_at = 0;
}

uint32_t timer_hz(void)
{
	return 1000000;
}

static inline int setup(void **state)
{
	(void)state;
	dt_index_make(NULL, NULL, 0);
	dts_compile(board);
	fake_log_reset();
	fake_machine_reset();
	memset(&fake_pass, 0, sizeof(fake_pass));
	memset(&host, 0, sizeof(host));
	memset(&vm, 0, sizeof(vm));
	memcpy(vm.config.name, "web", 4);
	vm.config.ram_size = 0x10000000;
	mmio_init(&vm.bus);
	used = preempts = 0;
	ends_at = NULL;
	assert_int_equal(host_scan(dts_tree, &host), 0);
	assert_int_equal(host_check(&host), 0);
	hostdev_init(&host);
	assert_true(dt_index_size(host.tree_nodes) <= sizeof(index_room));
	memset(index_room, 0, sizeof(index_room));
	return dt_index_make(dts_tree, index_room, host.tree_nodes);
}

static inline int teardown(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	return 0;
}

static inline int create(const char *path)
{
	memcpy(paths + used, path, strlen(path) + 1U);
	used += (uint32_t)strlen(path) + 1U;
	vm.config.passthrough = (struct property_strings){paths, used};
	return device_create(&vm, &passthrough_class);
}

static inline void make(const char *path, uint64_t size)
{
	used = fake_pass.forwarded = 0;
	memset(&vm.bus, 0, sizeof(vm.bus));
	mmio_init(&vm.bus);
	vm.config.ram_size = size;
	assert_int_equal(create(path), 0);
	assert_int_equal(passthrough_class.finish(vm.devices), 0);
}

static inline void and (const char *path)
{
	memcpy(paths + used, path, strlen(path) + 1U);
	used += (uint32_t)strlen(path) + 1U;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
