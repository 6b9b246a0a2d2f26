/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of the host in a VM: claims and refusals, pages that are mapped and parts of pages that are not, interrupts,
 * and what the guest's device tree says of them.
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

static int setup(void **state)
{
	(void)state;
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
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	return 0;
}

static int create(const char *path)
{
	memcpy(paths + used, path, strlen(path) + 1U);
	used += (uint32_t)strlen(path) + 1U;
	vm.config.passthrough = (struct property_strings){paths, used};
	return device_create(&vm, &passthrough_class);
}

static void make(const char *path, uint64_t size)
{
	used = fake_pass.forwarded = 0;
	memset(&vm.bus, 0, sizeof(vm.bus));
	mmio_init(&vm.bus);
	vm.config.ram_size = size;
	assert_int_equal(create(path), 0);
	assert_int_equal(passthrough_class.finish(vm.devices), 0);
}

static void and (const char *path)
{
	memcpy(paths + used, path, strlen(path) + 1U);
	used += (uint32_t)strlen(path) + 1U;
}

/* A page that nobody shares is the guest's, where the host has it; the rest of a page of others' comes to virt7. */
static void test_pages(void **state)
{
	const struct mmio_region *region;

	(void)state;
	assert_int_equal(create("/soc/mmc@50000800"), 0);
	assert_int_equal(fake_pass.mapped, 3);
	assert_int_equal(preempts, 4); /* others may run behind each page */
	assert_int_equal(fake_pass.page[0].ipa, 0x50001000);
	assert_int_equal(fake_pass.page[0].pa, 0x50001000);
	assert_int_equal(fake_pass.page[1].pa, 0x50002000);
	assert_int_equal(fake_pass.page[2].pa, 0x50010000);
	assert_null(mmio_find(&vm.bus, 0x500007fc));
	region = mmio_find(&vm.bus, 0x50000800);
	assert_non_null(region);
	assert_ptr_equal(region, mmio_find(&vm.bus, 0x50000ffc));
	assert_null(mmio_find(&vm.bus, 0x50001000));
	assert_int_equal(fake_pass.shown, 0x50000000);
	assert_int_equal(fake_pass.forwarded, 2);
	assert_int_equal(fake_pass.irq[0].guest, 144);
	assert_int_equal(fake_pass.irq[0].host, 52);
	assert_true(!fake_pass.irq[0].edge && fake_pass.irq[1].edge);
	assert_int_equal(fake_pass.irq[1].guest, 145);
	assert_string_equal(fake_log_last(LOG_INFO),
			    "vm web: passthrough /soc/mmc@50000800: interrupt 53 is 145, by edges");
}

/* Another device is in the page: the VM has its own part of it only. */
static void test_window(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	assert_int_equal(fake_pass.mapped, 0);
	assert_non_null(mmio_find(&vm.bus, WINDOW + 0x200));
	assert_null(mmio_find(&vm.bus, WINDOW + 0x1fc));
	assert_null(mmio_find(&vm.bus, WINDOW + 0x400));
}

/* All that is in the page is the VM's: each of them is mapped, in a page of the window. */
static void test_own_page(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	and("/soc/virtio@a000200");
	assert_int_equal(create("/soc/virtio@a000000"), 0);
	assert_int_equal(fake_pass.mapped, 2);
	assert_int_equal(fake_pass.page[0].ipa, WINDOW);
	assert_int_equal(fake_pass.page[1].ipa, WINDOW + PAGE_SIZE);
	assert_int_equal(fake_pass.page[0].pa, 0xa000000);
	assert_int_equal(fake_pass.page[1].pa, 0xa000000);
	assert_null(mmio_find(&vm.bus, WINDOW + 0x200));
}

/* What else is in the page is a place of virtio-mmio without a device; with one, or claimed by another, it counts. */
static void test_empty_place(void **state)
{
	struct hostdev other;

	(void)state;
	vm.config.trusted_dma = true;
	memcpy(fake_pass.registers, "virt", 4);
	fake_pass.registers[8] = 2;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	assert_int_equal(fake_pass.mapped, 0);
	device_destroy_all(&vm);

	fake_pass.registers[8] = 0;
	make("/soc/virtio@a000200", 0x10000000);
	assert_int_equal(fake_pass.mapped, 1);
	assert_int_equal(fake_pass.page[0].ipa, WINDOW);
	device_destroy_all(&vm);

	assert_null(hostdev_find("/soc/virtio@a000000", &other));
	assert_null(hostdev_claim(&other, "other"));
	make("/soc/virtio@a000200", 0x10000000);
	assert_int_equal(fake_pass.mapped, 1);
	hostdev_release(&other);
	device_destroy_all(&vm);

	fake_machine.bad = fake_pass.registers;
	fake_machine.bad_size = 4;
	make("/soc/virtio@a000200", 0x10000000);
	assert_int_equal(fake_pass.mapped, 1);
}

/* In the way of the guest's RAM; alone in its page, so that this is mapped whole. */
static void test_moved_out_of_ram(void **state)
{
	(void)state;
	vm.config.ram_size = 0x40000000;
	assert_int_equal(create("/soc/small@60000100"), 0);
	assert_int_equal(fake_pass.mapped, 1);
	assert_int_equal(fake_pass.page[0].ipa, WINDOW);
	assert_int_equal(fake_pass.page[0].pa, 0x60000000);
	assert_string_equal(fake_log_last(LOG_INFO),
			    "vm web: passthrough /soc/small@60000100: interrupt 50 is 144, by level");
}

/* Accesses of the guest reach the register in their width, and one that aborts leaves the exit's registers alone. */
static void test_accesses(void **state)
{
	struct vcpu vcpu = {.vm = &vm};
	struct mmio_access access = {.size = 1, .write = true, .value = 0x1234};

	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	assert_int_equal(mmio_access(&vcpu, WINDOW + 0x203, &access), MMIO_DONE);
	assert_int_equal(fake_pass.registers[0x203], 0x34);
	assert_int_equal(fake_pass.registers[0x204], 0);
	fake_pass.registers[0x202] = 0x56;
	access = (struct mmio_access){.size = 2};
	assert_int_equal(mmio_access(&vcpu, WINDOW + 0x202, &access), MMIO_DONE);
	assert_int_equal(access.value, 0x3456);

	fake_machine.bad = fake_pass.registers;
	fake_machine.bad_size = sizeof(fake_pass.registers);
	write_hdfar(0x1203);
	write_hpfar(0xc0000);
	write_elr_hyp(0x8000);
	for (uint32_t write = 0; write < 2; write++) {
		access = (struct mmio_access){.size = 4, .write = write};
		assert_int_equal(mmio_access(&vcpu, WINDOW + 0x200, &access), MMIO_UNHANDLED);
		assert_int_equal(read_hdfar(), 0x1203);
		assert_int_equal(read_hpfar(), 0xc0000);
		assert_int_equal(read_elr_hyp(), 0x8000);
	}
}

static void expect_refusal(const char *path, const char *line)
{
	assert_int_not_equal(create(path), 0);
	fake_log_expect_error(line);
	assert_int_equal(fake_log_count(LOG_ERR), 1);
}

static void test_untrusted(void **state)
{
	(void)state;
	expect_refusal("/soc/virtio@a000200",
		       "vm web: passthrough /soc/virtio@a000200: it may write to any RAM by itself: "
		       "only a VM that says trusted-dma gets it");
}

/* The second one is refused, and the first one given up with it. */
static void test_gives_up_all(void **state)
{
	struct hostdev dev;

	(void)state;
	and("/soc/eth@50020000");
	expect_refusal("/soc/nothing", "vm web: passthrough /soc/nothing: the host's device tree has no such node");
	assert_null(hostdev_find("/soc/eth@50020000", &dev));
	assert_null(hostdev_claim(&dev, "another"));
	hostdev_release(&dev);
}

static void test_twice(void **state)
{
	(void)state;
	and("/soc/eth@50020000");
	expect_refusal("/soc/eth@50020000", "it, or a part of it, is taken already by web");
}

static void test_no_words(void **state)
{
	(void)state;
	expect_refusal("/soc/odd@60001000", "its reg is not of whole words");
}

static void test_too_large(void **state)
{
	(void)state;
	expect_refusal("/soc/large@30000000", "from 0x0c000000 to 0x0e000000 do not suffice");
}

static void test_irq_in_use(void **state)
{
	(void)state;
	fake_pass.forward_error = -EBUSY;
	expect_refusal("/soc/eth@50020000", "its interrupt is in use");
}

/* Named by the node for two purposes, the interrupt is one, the host's and the guest's. */
static void test_same_irq(void **state)
{
	(void)state;
	assert_int_equal(create("/soc/pair@50030000"), 0);
	assert_int_equal(fake_pass.forwarded, 2);
	assert_int_equal(fake_pass.irq[0].guest, 144);
	assert_int_equal(fake_pass.irq[0].host, 62);
	assert_int_equal(fake_pass.irq[1].guest, 145);
}

/* Who waits for a reset lets others have the CPU: a guest can make its device take as long as virt7 waits. */
static void test_slow_reset(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/sata@50040000"), 0);
	preempts = 0;
	ends_at = &fake_pass.registers[4];
	passthrough_class.quiesce(vm.devices);
	assert_int_equal(preempts, 1);
	assert_false(vm.keeps_ram);

	ends_at = NULL;
	passthrough_class.quiesce(vm.devices);
	assert_true(preempts > 2);
	assert_true(vm.keeps_ram);
}

/* virtio's Status is written 0, and reads so: its RAM is free. */
static void test_quiet(void **state)
{
	struct device *device;

	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	device = vm.devices;
	fake_pass.registers[0x270] = 0x0f;
	fake_pass.registers[0x271] = 0xff;
	vm.keeps_ram = true;
	passthrough_class.quiesce(device);
	assert_int_equal(fake_pass.registers[0x270], 0);
	assert_int_equal(fake_pass.registers[0x271], 0);
	assert_false(vm.keeps_ram);

	fake_machine.bad = fake_pass.registers;
	fake_machine.bad_size = sizeof(fake_pass.registers);
	write_elr_hyp(0x8000);
	passthrough_class.quiesce(device);
	assert_true(vm.keeps_ram);
	assert_int_equal(read_elr_hyp(), 0x8000);
	device_destroy_all(&vm);
	assert_int_equal(fake_pass.quarantines, 1);
}

/* A master that virt7 does not know: its VM keeps its RAM, and what is no master does not count. */
static void test_never_quiet(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	and("/soc/eth@50020000");
	assert_int_equal(create("/soc/next@50000000"), 0);
	passthrough_class.quiesce(vm.devices);
	assert_true(vm.keeps_ram);
	device_destroy_all(&vm);
	assert_int_equal(fake_pass.quarantines, 1);
	assert_false(vm.keeps_ram);
}

/* The VM is destroyed, with RAM that one of its devices may still write to, and made anew with `size` bytes of RAM. */
static void make_anew(const char *path, uint64_t size)
{
	uint32_t before = fake_pass.quarantines;

	vm.config.trusted_dma = true;
	vm.extent[0] = (struct vm_extent){0x90000000, 0x90000000, 0x10000000};
	vm.extent_count = 1;
	passthrough_class.quiesce(vm.devices);
	device_destroy_all(&vm);
	assert_int_equal(fake_pass.quarantines, before + 1);
	fake_machine.bad = NULL;
	make(path, size);
}

/* Who has the device again, and needs as much, has the RAM again; before that nobody gets it. */
static void test_claimed_again(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/next@50000000"), 0);
	make_anew("/soc/eth@50020000", 0x10000000);
	assert_int_equal(fake_pass.adoptions + fake_pass.ends, 0);
	device_destroy_all(&vm);
	make("/soc/next@50000000", 0x8000000);
	assert_int_equal(fake_pass.adoptions + fake_pass.ends, 0);
	device_destroy_all(&vm);
	make("/soc/next@50000000", 0x10000000);
	assert_int_equal(fake_pass.adoptions, 1);
	assert_int_equal(vm.extent[0].pa, 0x90000000);
	assert_true(vm.keeps_ram);

	/* It is out of quarantine, and goes there again with this one. */
	make_anew("/soc/next@50000000", 0x10000000);
	assert_int_equal(fake_pass.adoptions, 2);
	assert_int_equal(fake_pass.ends, 0);
	vm.keeps_ram = false;
}

/* It is made anew and destroyed without a start in between: the device is what it was, and so is the quarantine. */
static void test_claimed_and_never_started(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/next@50000000"), 0);
	make_anew("/soc/next@50000000", 0x10000000);
	assert_int_equal(fake_pass.adoptions, 1);
	device_destroy_all(&vm);
	assert_int_equal(fake_pass.quarantines, 2);
	make("/soc/eth@50020000", 0x10000000);
	assert_int_equal(fake_pass.ends, 0);
	assert_int_equal(fake_pass.adoptions, 1);
	device_destroy_all(&vm);
	make("/soc/next@50000000", 0x10000000);
	assert_int_equal(fake_pass.ends, 0);
	assert_int_equal(fake_pass.adoptions, 2);
	vm.keeps_ram = false;
}

/* A device that did not answer, and now does: the RAM is anybody's. */
static void test_reset_at_last(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000200"), 0);
	fake_machine.bad = fake_pass.registers;
	fake_machine.bad_size = sizeof(fake_pass.registers);
	make_anew("/soc/virtio@a000200", 0x8000000);
	assert_int_equal(fake_pass.ends, 1);
	assert_int_equal(fake_pass.adoptions, 0);
}

/* --- the guest's tree */

static uint8_t guest[0x4000] __attribute__((aligned(8)));

static void write_tree(void)
{
	struct tree t = {.fdt = guest, .cpus = 1};

	assert_int_equal(fdt_create(guest, sizeof(guest)), 0);
	assert_int_equal(fdt_finish_reservemap(guest), 0);
	tree_begin(&t, "");
	passthrough_class.describe(device_first(&vm), &t);
	tree_end(&t);
	assert_int_equal(t.err, 0);
	assert_int_equal(fdt_finish(guest), 0);
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

	assert_non_null(value);
	assert_int_equal(len, 4 * count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(fdt32_ld(value + i), cells[i]);
}

#define EXPECT_CELLS(path, name, ...) \
	expect_cells(path, name, ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__})), (const uint32_t[]){__VA_ARGS__})

static void expect_absent(const char *path, const char *name)
{
	if (fdt_getprop(guest, node_at(path), name, NULL))
		fail_msg("%s has %s", path, name);
}

static uint32_t clock_of(const char *path, uint32_t index)
{
	int len;
	const fdt32_t *value = fdt_getprop(guest, node_at(path), "clocks", &len);
	int clock = fdt_node_offset_by_phandle(guest, fdt32_ld(value + index));

	assert_true(clock > 0);
	assert_int_equal(fdt_node_check_compatible(guest, clock, "fixed-clock"), 0);
	return fdt32_ld(fdt_getprop(guest, clock, "clock-frequency", &len));
}

#define MMC "/passthrough/mmc@50000800"

static void test_node(void **state)
{
	static const char *const absent[] = {"resets", "reset-names", "pinctrl-0",    "pinctrl-names",
					     "status", "cd-gpios",    "vqmmc-supply", "interrupt-parent"};
	int len, supply;

	(void)state;
	assert_int_equal(create("/soc/mmc@50000800"), 0);
	write_tree();
	assert_string_equal(fdt_getprop(guest, node_at("/passthrough"), "compatible", NULL), "simple-bus");
	assert_memory_equal(fdt_getprop(guest, node_at(MMC), "compatible", &len), "arm,pl180\0arm,primecell", 24);
	EXPECT_CELLS(MMC, "reg", 0, 0x50000800, 0, 0x2000, 0, 0x50010000, 0, 0x1000);
	EXPECT_CELLS(MMC, "interrupts", 0, 112, 4, 0, 113, 1);
	EXPECT_CELLS(MMC, "bus-width", 4);
	EXPECT_CELLS(MMC, "max-frequency", 12000000);
	assert_memory_equal(fdt_getprop(guest, node_at(MMC), "clock-names", &len), "apb_pclk\0mclk", 14);
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		expect_absent(MMC, absent[i]);
	assert_int_equal(clock_of(MMC, 0), 50000000);
	assert_int_equal(clock_of(MMC, 1), 24000000);

	supply = fdt_node_offset_by_phandle(guest, fdt32_ld(fdt_getprop(guest, node_at(MMC), "vmmc-supply", &len)));
	assert_int_equal(fdt_node_check_compatible(guest, supply, "regulator-fixed"), 0);
	expect_absent("/passthrough/fixed33", "gpio");
	EXPECT_CELLS("/passthrough/fixed33", "regulator-max-microvolt", 3300000);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm web: passthrough /soc/mmc@50000800: cd-gpios: left out of the guest's tree");
	assert_int_equal(fake_log_count(LOG_WARN), 5); /* resets, pinctrl-0, cd-gpios, vqmmc-supply, the clock */
}

#define ETH "/passthrough/eth@50020000"

static void test_same_irq_node(void **state)
{
	(void)state;
	assert_int_equal(create("/soc/pair@50030000"), 0);
	write_tree();
	EXPECT_CELLS("/passthrough/pair@50030000", "interrupts", 0, 112, 4, 0, 113, 4, 0, 112, 4);
}

/* The guest has those interrupts that arrive at the GIC, and their names. */
static void test_lost_interrupt(void **state)
{
	int len;
	const char *names;

	(void)state;
	assert_int_equal(create("/soc/half@50070000"), 0);
	write_tree();
	EXPECT_CELLS("/passthrough/half@50070000", "interrupts", 0, 112, 4);
	names = fdt_getprop(guest, node_at("/passthrough/half@50070000"), "interrupt-names", &len);
	assert_int_equal(len, 5);
	assert_string_equal(names, "work");
	assert_int_equal(fake_log_count(LOG_WARN), 1);
}

/* A phandle means another node in the guest. */
static void test_left_out(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/sata@50040000"), 0);
	write_tree();
	expect_absent("/passthrough/sata@50040000", "memory-region");
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm web: passthrough /soc/sata@50040000: memory-region: left out of the guest's tree");
}

/* What lies below the node comes along, with its phandles; the frequency is the consumer's own. */
static void test_below(void **state)
{
	int len, phy;

	(void)state;
	assert_int_equal(create("/soc/eth@50020000"), 0);
	write_tree();
	phy = fdt_node_offset_by_phandle(guest, fdt32_ld(fdt_getprop(guest, node_at(ETH), "phy-handle", &len)));
	assert_int_equal(phy, node_at(ETH "/mdio/phy@1"));
	EXPECT_CELLS(ETH "/mdio/phy@1", "reg", 1);
	expect_absent(ETH "/mdio/phy@1", "interrupts");
	expect_absent(ETH "/mdio/phy@1", "reset-gpios");
	assert_int_equal(clock_of(ETH, 0), 125000000);
	expect_absent(ETH, "dma-coherent");
}

static void test_coherent(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create("/soc/virtio@a000000"), 0);
	write_tree();
	assert_non_null(fdt_getprop(guest, node_at("/passthrough/virtio@c000000"), "dma-coherent", NULL));
}

/* The frequency that the VM says, where the host's tree says none. */
static void test_frequency(void **state)
{
	(void)state;
	vm.config.passthrough_hz = 100000000;
	assert_int_equal(create("/soc/mmc@50000800"), 0);
	write_tree();
	assert_int_equal(clock_of(MMC, 0), 50000000);
	assert_int_equal(clock_of(MMC, 1), 100000000);
}

/* A VM without any has no node of it. */
static void test_none(void **state)
{
	(void)state;
	assert_int_equal(device_create(&vm, &passthrough_class), 0);
	write_tree();
	assert_true(fdt_path_offset(guest, "/passthrough") < 0);
}

/* --- passthrough-dtb */

/* The VM with this partial tree. */
static int create_by_dtb(const char *text)
{
	static uint8_t saved[0x4000], partial[0x1000];

	memcpy(saved, dts_tree, sizeof(saved));
	dts_compile(text);
	memcpy(partial, dts_tree, sizeof(partial));
	memcpy(dts_tree, saved, sizeof(saved));
	vm.config.passthrough_dtb =
		(struct bundle_image){.name = "xen", .data = partial, .size = fdt_totalsize(partial)};
	assert_int_equal(device_create(&vm, &passthrough_class), 0);
	return passthrough_class.finish(vm.devices);
}

#define PARTIAL(nodes)                                                                                  \
	"/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; aliases { mmc0 = &mmc; };\n"            \
	"gic: gic { #interrupt-cells = <3>; interrupt-controller; };\n"                                 \
	"passthrough { compatible = \"simple-bus\"; ranges; #address-cells = <2>; #size-cells = <2>;\n" \
	"clk: clk { compatible = \"fixed-clock\"; #clock-cells = <0>; clock-frequency = <1000>; };\n" nodes "}; };"

#define MMC_NODE(more)                                                                                      \
	"mmc: mmc@c100800 { compatible = \"acme,better\"; reg = <0 0xc100800 0 0x1800>; clocks = <&clk>;\n" \
	"interrupt-parent = <&gic>; interrupts = <0 20 4>, <0 21 1>;\n" more "};\n"

/* Where the user says, by the host's interrupt numbers, described as the user describes it. */
static void test_dtb(void **state)
{
	(void)state;
	assert_int_equal(
		create_by_dtb(PARTIAL(MMC_NODE(
			"xen,path = \"/soc/mmc@50000800\";\n"
			"xen,reg = <0 0x50000800 0 0x2000 0 0xc100800>, <0 0x50010000 0 0x1000 0 0x50010000>;"))),
		0);
	assert_int_equal(fake_pass.mapped, 3);
	assert_int_equal(fake_pass.page[0].ipa, 0xc101000);
	assert_int_equal(fake_pass.page[0].pa, 0x50001000);
	assert_int_equal(fake_pass.page[2].ipa, 0x50010000);
	assert_null(mmio_find(&vm.bus, 0xc1007fc));
	assert_non_null(mmio_find(&vm.bus, 0xc100800));
	assert_int_equal(fake_pass.irq[0].guest, 52);
	assert_int_equal(fake_pass.irq[1].guest, 53);
	assert_string_equal(fake_log_last(LOG_INFO),
			    "vm web: passthrough /soc/mmc@50000800: interrupt 53 is 53, by edges");
	write_tree();
	EXPECT_CELLS("/passthrough/mmc@c100800", "interrupts", 0, 20, 4, 0, 21, 1);
	EXPECT_CELLS("/passthrough/mmc@c100800", "interrupt-parent", vm.config.gic_phandle);
	EXPECT_CELLS("/passthrough/mmc@c100800", "clocks", fdt_get_phandle(guest, node_at("/passthrough/clk")));
	expect_absent("/passthrough/mmc@c100800", "xen,path");
	expect_absent("/passthrough/mmc@c100800", "xen,reg");
	assert_non_null(fdt_path_offset(vm.config.alias_tree, "mmc0"));
}

/* Part of a device's registers, without a /gic; the device is the VM's like any other, and is made quiet. */
static void test_dtb_master(void **state)
{
	(void)state;
	vm.config.trusted_dma = true;
	assert_int_equal(create_by_dtb("/dts-v1/; / { passthrough { #address-cells = <1>; #size-cells = <1>; v@0 {\n"
				       "xen,path = \"/soc/virtio@a000200\"; xen,reg = <0xa000200 0x100 0xc000200>;\n"
				       "xen,force-assign-without-iommu; }; }; };"),
			 0);
	assert_non_null(mmio_find(&vm.bus, 0xc0002fc));
	assert_null(mmio_find(&vm.bus, 0xc000300));
	assert_int_equal(vm.config.gic_phandle, 0xfde8);
	fake_pass.registers[0x270] = 0x0f;
	passthrough_class.quiesce(vm.devices);
	assert_int_equal(fake_pass.registers[0x270], 0);
}

static void test_dtb_refused(void **state)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{"/dts-v1/; / { };", "xen: no /passthrough in it"},
		{PARTIAL(MMC_NODE("xen,reg = <0 0 0 0 0 0>;")), "/passthrough/mmc@c100800: xen,reg without xen,path"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/no\";")), "/soc/no: the host's device tree has no such node"},
		{PARTIAL(MMC_NODE("xen,path = \"/serial@9000000\";")), "the UART of virt7's own console"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/virtio@a000200\";")),
		 "it may write to any RAM by itself: only with xen,force-assign-without-iommu"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/virtio@a000200\"; xen,force-assign-without-iommu;")),
		 "only a VM that says trusted-dma gets it"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/mmc@50000800\"; xen,reg = <0 0x50000800 0 0x2000 0 0xc100000>;")),
		 "xen,reg: the guest's address is not alike in its page"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/mmc@50000800\"; xen,reg = <0 0x50020000 0 0x1000 0 0xc100000>;")),
		 "xen,reg: not registers of that device"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/mmc@50000800\"; xen,reg = <0 0x50000800 0 0x8000 0 0xc100800>;")),
		 "xen,reg: not registers of that device"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/mmc@50000800\"; xen,reg = <0 0x50000800 0 0x2000 0 0x8000800>;")),
		 "xen,reg: the guest's machine has something else there"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/mmc@50000800\"; xen,reg = <0 0x50000800>;")),
		 "xen,reg: not rows of"},
		{PARTIAL(MMC_NODE("xen,path = \"/soc/low@50080000\";")),
		 "the guest's machine has an interrupt of the same number"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(state);
		assert_int_not_equal(create_by_dtb(rows[i].text), 0);
		fake_log_expect_error(rows[i].line);
		assert_int_equal(fake_log_count(LOG_ERR), 1);
		device_destroy_all(&vm);
	}
	setup(state);
	vm.config.passthrough = (struct property_strings){"rest", 5};
	assert_int_not_equal(create_by_dtb(PARTIAL(MMC_NODE(""))), 0);
	fake_log_expect_error("xen: beside passthrough: name the devices in one of them");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pages),
		TEST(test_window),
		TEST(test_own_page),
		TEST(test_empty_place),
		TEST(test_moved_out_of_ram),
		TEST(test_accesses),
		TEST(test_untrusted),
		TEST(test_gives_up_all),
		TEST(test_twice),
		TEST(test_no_words),
		TEST(test_too_large),
		TEST(test_irq_in_use),
		TEST(test_quiet),
		TEST(test_never_quiet),
		TEST(test_node),
		TEST(test_below),
		TEST(test_coherent),
		TEST(test_frequency),
		TEST(test_none),
		TEST(test_same_irq),
		TEST(test_dtb),
		TEST(test_dtb_master),
		TEST(test_dtb_refused),
		TEST(test_slow_reset),
		TEST(test_claimed_again),
		TEST(test_claimed_and_never_started),
		TEST(test_reset_at_last),
		TEST(test_lost_interrupt),
		TEST(test_left_out),
		TEST(test_same_irq_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
