/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of the host's devices that no other VM has, in one VM: what is given and what is not, pages that others have
 * something in, interrupts, and the host's tree in the guest's. The board has the ways of real ones: a root of one
 * cell, a controller that interrupts pass through on their way to the GIC, a nexus, and names that mach-virt has too.
 */
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
#include "hyp/load/guestdtb.h"
#include "hyp/vdev/passrest.h"
#include "hyp/vm/vm.h"
#include "dts.h"
#include "fake_log.h"
#include "fake_machine.h"
#include "fake_pass.h"

const struct device_class *const device_classes[] = {&passthrough_class, NULL};

static const char board[] =
	"/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; interrupt-parent = <&gpc>;\n"
	"compatible = \"acme,board\", \"acme,soc\";\n"
	"aliases { serial0 = \"/soc/serial@28000000\"; mmc0 = \"/soc/mmc@50000800\"; };\n"
	"chosen { stdout-path = \"serial0:115200\"; };\n"
	"cpus { #address-cells = <1>; #size-cells = <0>;\n"
	"  cpu0: cpu@0 { device_type = \"cpu\"; reg = <0>; clocks = <&ccu 9>; #cooling-cells = <2>; };\n"
	"  cpu1: cpu@1 { device_type = \"cpu\"; reg = <1>; #cooling-cells = <2>; }; };\n"
	"memory@80000000 { device_type = \"memory\"; reg = <0x80000000 0x40000000>; };\n"
	"reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges; cma: cma { size = <0x100000>; }; };\n"
	"timer { compatible = \"arm,armv7-timer\"; interrupts = <1 13 8>, <1 14 8>, <1 11 8>, <1 10 8>; };\n"
	"pmu { compatible = \"arm,cortex-a7-pmu\"; interrupts = <0 92 4>; interrupt-affinity = <&cpu0>; };\n"
	"gic: gic@2c001000 { #interrupt-cells = <3>; #address-cells = <0>; interrupt-controller;\n"
	"  compatible = \"arm,cortex-a15-gic\"; interrupts = <1 9 4>; interrupt-parent = <&gic>;\n"
	"  reg = <0x2c001000 0x1000 0x2c002000 0x2000 0x2c004000 0x2000 0x2c006000 0x2000>; };\n"
	"osc: osc { compatible = \"fixed-clock\"; #clock-cells = <0>; clock-frequency = <24000000>; };\n"
	"gpio-keys { compatible = \"gpio-keys\"; };\n"
	"gpc: gpc@20002000 { compatible = \"acme,gpc\"; reg = <0x20002000 0x1000>; interrupt-controller;\n"
	"  #interrupt-cells = <3>; interrupt-parent = <&gic>; };\n"
	"at-root@60000000 { compatible = \"acme,x\"; reg = <0x60000000 0x1000>; interrupts = <0 60 4>; };\n"
	"pl061@9030000 { compatible = \"arm,pl061\"; reg = <0x9030000 0x1000>; };\n"
	"thermal { trips { map0 { cooling-device = <&cpu0 0 1>, <&cpu1 0 1>; }; }; };\n"
	"bus@70000000 { compatible = \"simple-bus\"; #address-cells = <1>; #size-cells = <1>;\n"
	"  reg = <0x70000000 0x100000>; ranges = <0 0x70000000 0x100000>; dma-ranges = <0 0 0x40000000>;\n"
	"  leaf@1000 { compatible = \"acme,leaf\"; reg = <0x1000 0x1000>; };\n"
	"  kept@2000 { compatible = \"acme,leaf\"; reg = <0x2000 0x1000>; status = \"disabled\"; }; };\n"
	"nexus { compatible = \"simple-bus\"; #address-cells = <2>; #size-cells = <1>;\n"
	"  ranges = <0 0 0x71000000 0x10000>, <1 0 0x72000000 0x10000>;\n"
	"  #interrupt-cells = <1>; interrupt-map-mask = <0 63>;\n"
	"  interrupt-map = <0 0 0 &gic 0 1 4>, <0 0 3 &gic 0 70 4>, <0 0 4 &pins 5 8>;\n"
	"  on-nexus@1 { compatible = \"acme,y\"; reg = <1 0x100 0x100>; interrupts = <3>; }; };\n"
	"soc: soc { #address-cells = <1>; #size-cells = <1>; compatible = \"simple-bus\"; ranges;\n"
	"  ccu: ccu@20000000 { compatible = \"acme,ccu\"; reg = <0x20000000 0x400>; #clock-cells = <1>; };\n"
	"  pins: pins@20000800 { compatible = \"acme,pins\"; reg = <0x20000800 0x400>; interrupt-controller;\n"
	"    #interrupt-cells = <2>; interrupts = <0 11 4>; mmc_pins: mmc { function = \"mmc\"; }; };\n"
	"  serial@28000000 { compatible = \"arm,pl011\"; reg = <0x28000000 0x400>; interrupts = <0 20 4>; clocks = "
	"<&ccu 1>; phandle = <0x51>; };\n"
	"  serial@28000400 { compatible = \"arm,pl061\"; reg = <0x28000400 0x400>; interrupts = <0 1 4>; };\n"
	"  mmc@50000800 { compatible = \"acme,mmc\"; reg = <0x50000800 0x1800>; interrupts = <0 7 1>, <0 22 4>;\n"
	"    clocks = <&ccu 7>; pinctrl-0 = <&mmc_pins>; memory-region = <&cma>; };\n"
	"  off@50000000 { compatible = \"acme,off\"; reg = <0x50000000 0x400>; status = \"disabled\"; };\n"
	"  mixed@51000000 { compatible = \"acme,mixed\"; reg = <0x51000000 0x1000>;\n"
	"    interrupts-extended = <&gic 0 2 4>, <&pins 4 8>; };\n"
	"  pcie@52000000 { compatible = \"acme,pcie\"; device_type = \"pci\"; #address-cells = <3>; #size-cells = "
	"<2>;\n"
	"    reg = <0x52000000 0x1000>; ranges = <0x82000000 0 0 0x53000000 0 0x100000>; };\n"
	"  sata@54000000 { compatible = \"generic-ahci\"; reg = <0x54000000 0x1000>; interrupts = <0 40 4>; };\n"
	"}; };";

static struct host host;
static struct vm vm;
static uint8_t index_room[0x10000] __attribute__((aligned(8)));
static uint8_t guest[0x10000] __attribute__((aligned(8)));

uint32_t timer_hz(void)
{
	return 1000000;
}

void sched_preempt(void)
{
	fake_machine.reg[SYSREG_cntpct] += 10000;
}

static int setup(void **state)
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
	vm.config.cpus = 1;
	vm.config.trusted_dma = true;
	vm.config.bootargs = "clk_ignore_unused";
	vm.config.ram_shift = 0x80000000 - MACHINE_RAM_BASE;
	vm.config.passthrough = (struct property_strings){"rest", 5};
	mmio_init(&vm.bus);
	assert_int_equal(host_scan(dts_tree, &host), 0);
	assert_int_equal(host_check(&host), 0);
	fake_pass.lines = 160;
	fake_pass.busy = 52; /* the console's */
	hostdev_init(&host);
	assert_true(dt_index_size(host.tree_nodes) <= sizeof(index_room));
	memset(index_room, 0, sizeof(index_room));
	return dt_index_make(dts_tree, index_room, host.tree_nodes);
}

static int teardown(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	return 0;
}

static void create(void)
{
	assert_int_equal(device_create_all(&vm, NULL, 0), 0);
}

static bool is_mapped(uint64_t page)
{
	bool found = false;

	for (uint32_t i = 0; i < fake_pass.mapped; i++)
		if (fake_pass.page[i].pa == page) {
			assert_int_equal(fake_pass.page[i].ipa, page);
			assert_false(found); /* once */
			found = true;
		}
	return found;
}

/* Pages that are the VM's alone are mapped, once; of others it has its parts. Windows of buses are no registers. */
static void test_pages(void **state)
{
	(void)state;
	create();
	assert_true(is_mapped(0x20000000)); /* of two that are both given */
	assert_true(is_mapped(0x20002000));
	assert_true(is_mapped(0x50001000));
	assert_true(is_mapped(0x60000000));
	assert_true(is_mapped(0x70001000));
	assert_true(is_mapped(0x72000000));
	assert_true(is_mapped(0x54000000));
	assert_false(is_mapped(0x50000000));
	assert_false(is_mapped(0x28000000));
	assert_false(is_mapped(0x70000000));
	assert_false(is_mapped(0x70002000));
	assert_false(is_mapped(0x52000000));
	assert_false(is_mapped(0x2c006000));
	assert_false(is_mapped(0x9030000));
	assert_null(mmio_find(&vm.bus, 0x28000000));
	assert_non_null(mmio_find(&vm.bus, 0x28000400));
	assert_null(mmio_find(&vm.bus, 0x50000400));
	assert_non_null(mmio_find(&vm.bus, 0x50000800));
}

static uint32_t guest_irq(uint32_t host_id)
{
	for (uint32_t i = 0; i < fake_pass.forwarded; i++)
		if (fake_pass.irq[i].host == host_id)
			return fake_pass.irq[i].guest;
	return 0;
}

/* Every SPI of the GIC's that no other VM has is the VM's, by its number but where mach-virt has that. */
static void test_interrupts(void **state)
{
	(void)state;
	create();
	assert_int_equal(guest_irq(32), 32);
	assert_int_equal(guest_irq(54), 54);
	assert_int_equal(guest_irq(159), 159);
	assert_int_equal(guest_irq(52), 0);
	assert_int_equal(guest_irq(33), 255);
	assert_int_equal(guest_irq(34), 254);
	assert_int_equal(guest_irq(39), 253);
	assert_int_equal(guest_irq(42), 252);
	assert_int_equal(fake_pass.forwarded, 127);
}

/* No VM gets anything any more; what this one has given up can be had again. */
static void test_claims(void **state)
{
	struct hostdev dev;

	(void)state;
	create();
	assert_null(hostdev_find("/soc/serial@28000400", &dev));
	assert_string_equal(hostdev_claim(&dev, "another")->owner, "web");
	device_destroy_all(&vm);
	assert_null(hostdev_claim(&dev, "another"));
	hostdev_release(&dev);
}

/* What others have, and what the VM has by name, is not in it; nor is there a second one. */
static void test_others_have(void **state)
{
	struct hostdev dev, second = {0};

	(void)state;
	vm.config.passthrough = (struct property_strings){"rest\0/soc/mixed@51000000", 25};
	assert_null(hostdev_find("/at-root@60000000", &dev));
	assert_null(hostdev_claim(&dev, "another"));
	create();
	assert_false(is_mapped(0x60000000));
	assert_true(is_mapped(0x51000000));
	assert_string_equal(hostdev_claim_rest(&second, "third")->owner, "web");
	hostdev_release(&dev);
}

static void test_untrusted(void **state)
{
	(void)state;
	vm.config.trusted_dma = false;
	assert_int_equal(device_create_all(&vm, NULL, 0), -EINVAL);
	fake_log_expect_error(
		"vm web: passthrough rest: bus masters are among it: only a VM that says trusted-dma gets it");
}

static void test_lines(void **state)
{
	(void)state;
	vm.config.bootargs = "console=ttyAMA0";
	create();
	assert_int_equal(fake_log_count(LOG_ERR), 0);
	assert_int_equal(fake_log_count(LOG_WARN), 3); /* pl061, pcie, clocks */
	assert_string_equal(fake_log_last(LOG_INFO),
			    "vm web: passthrough rest: 10 devices and 127 interrupts of the host's, "
			    "bus masters among them that virt7 cannot make quiet: trusted-dma");
}

/* AHCI is made quiet; of the others virt7 does not know how. */
static void test_quiesce(void **state)
{
	(void)state;
	create();
	fake_pass.registers[4] = 0;
	vm.keeps_ram = false;
	passthrough_class.quiesce(vm.devices);
	assert_int_equal(fake_pass.registers[4] & 1, 1);
	assert_true(vm.keeps_ram);
	vm.keeps_ram = false;
}

/* --- the guest's tree */

static void write_tree(void)
{
	struct guestdtb_params params = {.devices = vm.devices};

	assert_in_range(guestdtb_make(&vm.config, &params, guest, sizeof(guest)), 1, sizeof(guest));
	assert_int_equal(fdt_check_full(guest, sizeof(guest)), 0);
}

static int node_at(const char *path)
{
	int node = fdt_path_offset(guest, path);

	if (node < 0)
		fail_msg("no %s", path);
	return node;
}

static void expect_cells(const char *path, const char *name, uint32_t count, const uint32_t *cells)
{
	int len;
	const fdt32_t *value = fdt_getprop(guest, node_at(path), name, &len);

	if (!value)
		fail_msg("%s has no %s", path, name);
	assert_int_equal(len, 4 * count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(fdt32_ld(value + i), cells[i]);
}

#define EXPECT_CELLS(path, name, ...) \
	expect_cells(path, name, ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__})), (const uint32_t[]){__VA_ARGS__})

static uint32_t phandle(const char *path)
{
	return fdt_get_phandle(guest, node_at(path));
}

static void expect_status(const char *path, const char *status)
{
	const char *text = fdt_getprop(guest, node_at(path), "status", NULL);

	if (status && text)
		assert_string_equal(text, status);
	assert_true(!status == !text);
}

/* Which nodes are there, and in which state. */
static void test_nodes(void **state)
{
	static const char *const absent[] = {"/reserved-memory",   "/pmu",           "/gic@2c001000",
					     "/memory@80000000/x", "/pl061@9030000", "/__symbols__"};
	int root_nodes = 0, node;

	(void)state;
	create();
	write_tree();
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		if (fdt_path_offset(guest, absent[i]) >= 0)
			fail_msg("%s is there", absent[i]);
	expect_status("/soc/mmc@50000800", NULL);
	expect_status("/soc/off@50000000", "disabled");
	expect_status("/soc/serial@28000000", "disabled");
	expect_status("/soc/pcie@52000000", "disabled");
	expect_status("/bus@70000000/kept@2000", "disabled");
	node_at("/host-gpio-keys");
	node_at("/soc/pins@20000800/mmc");
	fdt_for_each_subnode(node, guest, 0) {
		root_nodes++;
		assert_int_equal(fdt_subnode_offset(guest, 0, fdt_get_name(guest, node, NULL)), node); /* once */
	}
	assert_true(root_nodes > 12);
	assert_memory_equal(fdt_getprop(guest, 0, "compatible", NULL), "linux,dummy-virt\0acme,board\0acme,soc", 36);
	assert_string_equal(fdt_getprop(guest, node_at("/aliases"), "mmc0", NULL), "/soc/mmc@50000800");
	assert_string_equal(fdt_getprop(guest, node_at("/aliases"), "serial0", NULL), "/pl011@9000000");
	assert_null(fdt_getprop(guest, node_at("/soc/mmc@50000800"), "memory-region", NULL));
}

/* All phandles are different, and lead where they did. */
static void test_phandles(void **state)
{
	uint32_t seen[64], count = 0;

	(void)state;
	create();
	write_tree();
	for (int node = 0; node >= 0; node = fdt_next_node(guest, node, NULL)) {
		uint32_t own = fdt_get_phandle(guest, node);

		for (uint32_t i = 0; own && i < count; i++)
			assert_int_not_equal(seen[i], own);
		if (own)
			seen[count++] = own;
	}
	EXPECT_CELLS("/soc/mmc@50000800", "clocks", phandle("/soc/ccu@20000000"), 7);
	EXPECT_CELLS("/soc/mmc@50000800", "pinctrl-0", phandle("/soc/pins@20000800/mmc"));
	EXPECT_CELLS("/cpus/cpu@0", "clocks", phandle("/soc/ccu@20000000"), 9);
	EXPECT_CELLS("/thermal/trips/map0", "cooling-device", phandle("/cpus/cpu@0"), 0, 1, phandle("/host-cpus/cpu-1"),
		     0, 1);
	EXPECT_CELLS("/", "interrupt-parent", phandle("/intc@8000000"));
	EXPECT_CELLS("/gpc@20002000", "interrupt-parent", phandle("/intc@8000000"));
}

/* Of the root's children in two cells; below, as they were. */
static void test_addresses(void **state)
{
	(void)state;
	create();
	write_tree();
	EXPECT_CELLS("/", "#address-cells", 2);
	EXPECT_CELLS("/at-root@60000000", "reg", 0, 0x60000000, 0, 0x1000);
	EXPECT_CELLS("/bus@70000000", "reg", 0, 0x70000000, 0, 0x100000);
	EXPECT_CELLS("/bus@70000000", "ranges", 0, 0, 0x70000000, 0x100000);
	EXPECT_CELLS("/bus@70000000", "dma-ranges", 0, 0, 0, 0x40000000);
	EXPECT_CELLS("/nexus", "ranges", 0, 0, 0, 0x71000000, 0x10000, 1, 0, 0, 0x72000000, 0x10000);
	EXPECT_CELLS("/bus@70000000/leaf@1000", "reg", 0x1000, 0x1000);
	assert_non_null(fdt_getprop(guest, node_at("/soc"), "ranges", NULL));
}

/* As they were, by the root's controller too, but where a number is mach-virt's. */
static void test_interrupt_properties(void **state)
{
	uint32_t gic;

	(void)state;
	create();
	write_tree();
	gic = phandle("/intc@8000000");
	EXPECT_CELLS("/at-root@60000000", "interrupts", 0, 60, 4);
	EXPECT_CELLS("/at-root@60000000", "interrupt-parent", phandle("/gpc@20002000"));
	EXPECT_CELLS("/soc", "interrupt-parent", phandle("/gpc@20002000"));
	EXPECT_CELLS("/soc/pins@20000800", "interrupts", 0, 11, 4);
	EXPECT_CELLS("/soc/mmc@50000800", "interrupts-extended", gic, 0, 221, 1, phandle("/gpc@20002000"), 0, 22, 4);
	assert_null(fdt_getprop(guest, node_at("/soc/mmc@50000800"), "interrupts", NULL));
	EXPECT_CELLS("/soc/mixed@51000000", "interrupts-extended", gic, 0, 222, 4, phandle("/soc/pins@20000800"), 4, 8);
	EXPECT_CELLS("/nexus", "interrupt-map", 0, 0, 0, gic, 0, 0, 0, 223, 4, 0, 0, 3, gic, 0, 0, 0, 70, 4, 0, 0, 4,
		     phandle("/soc/pins@20000800"), 5, 8);
	EXPECT_CELLS("/nexus/on-nexus@1", "interrupts", 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Many nodes turn out not to fit: each of them says in the guest's tree that it is disabled. */
static void test_many_left_out(void **state)
{
	static char text[sizeof(board) + 60 * 80];
	size_t used = sizeof(board) - sizeof("}; };");
	char path[32];

	(void)state;
	memcpy(text, board, used);
	for (uint32_t i = 0; i < 50; i++)
		used += (size_t)sprintf(text + used, "odd@%x { compatible = \"acme,odd\"; reg = <0x%x 2>; };",
					0x5a000000U + 4U * i, 0x5a000000U + 4U * i);
	strcpy(text + used, "near@5a000f00 { reg = <0x5a000f00 0x100>; status = \"disabled\"; }; }; };");
	dt_index_make(NULL, NULL, 0);
	dts_compile(text);
	memset(&host, 0, sizeof(host));
	assert_int_equal(host_scan(dts_tree, &host), 0);
	assert_int_equal(host_check(&host), 0);
	create();
	write_tree();
	for (uint32_t i = 0; i < 50; i++) {
		sprintf(path, "/soc/odd@%x", 0x5a000000U + 4U * i);
		expect_status(path, "disabled");
	}
	vm.keeps_ram = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pages),     TEST(test_interrupts), TEST(test_claims),        TEST(test_others_have),
		TEST(test_untrusted), TEST(test_lines),      TEST(test_many_left_out), TEST(test_quiesce),
		TEST(test_nodes),     TEST(test_phandles),   TEST(test_addresses),     TEST(test_interrupt_properties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
