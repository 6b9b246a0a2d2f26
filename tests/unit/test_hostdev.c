/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices of the host that are given away: where they are, their interrupts, what speaks against it, whose they are. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "hyp/host/hostdev.h"
#include "hyp/host/scan.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/passthrough.h"
#include "mm/hypmap.h"
#include "dts.h"
#include "fake_log.h"

static struct host host;

void *hyp_map_device(uint64_t base, size_t size)
{
	(void)base;
	(void)size;
	return NULL;
}

/* A bus in a bus with ranges and an interrupt-map, as on Versatile Express; and devices at the root. */
static const char board[] =
	"/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;\n"
	"aliases { net = \"/bus@8000000/mb/ethernet@202000000\"; };\n"
	"cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = \"cpu\"; reg = <0>; }; };\n"
	"memory@80000000 { device_type = \"memory\"; reg = <0 0x80000000 0 0x40000000>; };\n"
	"reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges; kept@a0000000 { reg = <0 0xa0000000 0 "
	"0x1000>; }; };\n"
	"timer { compatible = \"arm,armv7-timer\"; interrupts = <1 13 8>, <1 14 8>, <1 11 8>, <1 10 8>; };\n"
	"psci { compatible = \"arm,psci-0.2\"; method = \"smc\"; };\n"
	"gic: gic@2c001000 { #interrupt-cells = <3>; #address-cells = <0>; interrupt-controller;\n"
	"  compatible = \"arm,cortex-a15-gic\"; interrupts = <1 9 4>;\n"
	"  reg = <0 0x2c001000 0 0x1000 0 0x2c002000 0 0x2000 0 0x2c004000 0 0x2000 0 0x2c006000 0 0x2000>; };\n"
	"bus@8000000 { #address-cells = <1>; #size-cells = <1>; #interrupt-cells = <1>;\n"
	"  ranges = <0x8000000 0 0x8000000 0x18000000>; interrupt-map-mask = <0 63>;\n"
	"  interrupt-map = <0 15 &gic 0 15 4>, <0 9 &gic 0 9 4>, <0 10 &gic 0 10 1>, <0 5 &gic 0 5 4>;\n"
	"  mb { #address-cells = <2>; #size-cells = <1>; ranges = <2 0 0x18000000 0x4000000>, <3 0 0x1c000000 "
	"0x200000>;\n"
	"    ethernet@202000000 { compatible = \"smsc,lan9118\", \"smsc,lan9115\"; reg = <2 0x02000000 0x10000>; "
	"interrupts = <15>; };\n"
	"    io { #address-cells = <1>; #size-cells = <1>; ranges = <0 3 0 0x200000>;\n"
	"      mmc@50000 { compatible = \"arm,pl180\", \"arm,primecell\"; reg = <0x50000 0x1000>; interrupts = <9>, "
	"<10>; };\n"
	"      uart: serial@90000 { compatible = \"arm,pl011\"; reg = <0x90000 0x1000>; interrupts = <5>; };\n"
	"      long@1ff000 { compatible = \"arm,pl061\"; reg = <0x1ff000 0x3000>; };\n"
	"      lost@a0000 { compatible = \"arm,pl031\"; reg = <0xa0000 0x1000>; interrupts = <63>; }; }; }; };\n"
	"soc { #address-cells = <1>; #size-cells = <1>; ranges = <0 0 0 0xffffffff>; dma-coherent;\n"
	"  v0: virtio@1000 { compatible = \"virtio,mmio\"; reg = <0x1000 0x200>; interrupts = <0 40 1>; };\n"
	"  v1: virtio@1200 { compatible = \"virtio,mmio\"; reg = <0x1200 0x200>; interrupts = <0 41 1>; };\n"
	"  alone@2100 { compatible = \"arm,pl061\"; reg = <0x2100 0x200>; interrupts-extended = <&gic 0 42 4>, <&gic 0 "
	"43 1>; };\n"
	"  off@3000 { compatible = \"arm,pl061\"; reg = <0x3000 0x1000>; status = \"disabled\"; };\n"
	"  same-irq@4000 { compatible = \"arm,pl061\"; reg = <0x4000 0x1000>; interrupts = <0 41 1>; };\n"
	"  same-reg@1300 { compatible = \"arm,pl061\"; reg = <0x1300 0x100>; };\n"
	"  ram@90000000 { compatible = \"arm,pl061\"; reg = <0x90000000 0x1000>; };\n"
	"  mmu: mmu@5000 { reg = <0x5000 0x1000>; #iommu-cells = <0>; };\n"
	"  behind@6000 { compatible = \"arm,pl061\"; reg = <0x6000 0x1000>; iommus = <&mmu>; };\n"
	"  sdmmc@6800 { compatible = \"arm,pl18x\", \"arm,primecell\"; reg = <0x6800 0x400>; };\n"
	"  ppi@7000 { compatible = \"arm,pl061\"; reg = <0x7000 0x1000>; interrupts = <1 5 4>; };\n"
	"  i2c@8000 { #address-cells = <1>; #size-cells = <0>; reg = <0x8000 0x1000>; chip@50 { reg = <0x50>; }; };\n"
	"  below-off { #address-cells = <1>; #size-cells = <1>; ranges; status = \"disabled\";\n"
	"    child@9000 { compatible = \"arm,pl061\"; reg = <0x9000 0x1000>; }; };\n"
	"  many@a000 { reg = <0xa000 4>, <0xa004 4>, <0xa008 4>, <0xa00c 4>, <0xa010 4>, <0xa014 4>, <0xa018 4>, "
	"<0xa01c 4>,\n"
	"    <0xa020 4>, <0xa024 4>, <0xa028 4>, <0xa02c 4>, <0xa030 4>, <0xa034 4>, <0xa038 4>, <0xa03c 4>, <0xa040 "
	"4>; };\n"
	"  exti: exti@f000 { reg = <0xf000 0x1000>; interrupt-controller; #interrupt-cells = <2>; };\n"
	"  half@e000 { compatible = \"arm,pl061\"; reg = <0xe000 0x1000>; interrupts-extended = <&exti 27 1>, <&gic 0 "
	"50 "
	"4>, <&gic 0 51 4>; };\n"
	"  power: power@b000 { compatible = \"syscon\"; reg = <0xb000 0x1000>; };\n"
	"  same { #address-cells = <1>; #size-cells = <1>; ranges; dma-ranges = <0x80000000 0x80000000 0x40000000>;\n"
	"    inside { #address-cells = <2>; #size-cells = <1>; ranges; dma-ranges;\n"
	"      dma@d000 { reg = <0 0xd000 0x1000>; }; }; };\n"
	"  other { #address-cells = <1>; #size-cells = <1>; ranges;\n"
	"    dma-ranges = <0x80000000 0x80000000 0x100000>, <0xc0100000 0x80100000 0x1000000>;\n"
	"    inside { #address-cells = <1>; #size-cells = <1>; ranges;\n"
	"      dma@e000 { reg = <0xe000 0x1000>; };\n"
	"      pio@f000 { compatible = \"arm,pl061\"; reg = <0xf000 0x1000>; }; }; }; };\n"
	"poweroff { compatible = \"syscon-poweroff\"; regmap = <&power>; offset = <0x38>; value = <1>; mask = <1>; };\n"
	"chosen { stdout-path = \"/bus@8000000/mb/io/serial@90000\"; };\n"
	"};";

static int setup(void **state)
{
	(void)state;
	dts_compile(board);
	fake_log_reset();
	memset(&host, 0, sizeof(host));
	assert_int_equal(host_scan(dts_tree, &host), 0);
	assert_int_equal(host_check(&host), 0);
	hostdev_init(&host);
	return 0;
}

static struct hostdev found(const char *name)
{
	struct hostdev dev;

	assert_null(hostdev_find(name, &dev));
	return dev;
}

#define MMC "/bus@8000000/mb/io/mmc@50000"

static void test_place(void **state)
{
	struct hostdev dev = found("net");

	(void)state;
	assert_string_equal(dev.path, "/bus@8000000/mb/ethernet@202000000");
	assert_int_equal(dev.reg_count, 1);
	assert_int_equal(dev.reg[0].base, 0x1a000000);
	assert_int_equal(dev.reg[0].size, 0x10000);
	assert_int_equal(dev.irq_count, 1);
	assert_int_equal(dev.irq[0].id, 47);
	assert_false(dev.irq[0].edge || dev.master || dev.iommu || dev.coherent);

	dev = found(MMC);
	assert_int_equal(dev.reg[0].base, 0x1c050000);
	assert_int_equal(dev.irq_count, 2);
	assert_int_equal(dev.irq[0].id, 41);
	assert_int_equal(dev.irq[1].id, 42);
	assert_true(!dev.irq[0].edge && dev.irq[1].edge);
}

/* Beyond the end of a bus's range there may be anything: it is not the device's, whatever its reg says. */
static void test_beyond_the_bus(void **state)
{
	struct hostdev dev = found("/bus@8000000/mb/io/long@1ff000");

	(void)state;
	assert_int_equal(dev.reg[0].base, 0x1c1ff000);
	assert_int_equal(dev.reg[0].size, 0x1000);
}

/* One that goes elsewhere, as to what wakes the board up, is left out; the others keep their places. */
static void test_lost_interrupt(void **state)
{
	struct hostdev dev = found("/soc/half@e000");

	(void)state;
	assert_true(dev.irq_lost);
	assert_int_equal(dev.irq_count, 2);
	assert_int_equal(dev.irq[0].id, 82);
	assert_int_equal(dev.irq[1].id, 83);
	assert_int_equal(dev.irq_place[0], 1);
	assert_int_equal(dev.irq_place[1], 2);
}

/* What a driver of virt7's claims by its node only is claimed with its registers and its interrupt. */
static void test_driver_claims_all(void **state)
{
	struct hostdev own = {.node = found("/soc/virtio@1200").node}, reg = found("/soc/same-reg@1300"),
		       irq = found("/soc/same-irq@4000");

	(void)state;
	assert_null(hostdev_claim(&own, "virt7, for disks"));
	assert_ptr_equal(hostdev_claim(&reg, "a VM"), &own);
	assert_ptr_equal(hostdev_claim(&irq, "a VM"), &own);
	hostdev_release(&own);
}

/* What is not known as harmless may write to RAM; caches are those of the bus above. */
static void test_masters(void **state)
{
	struct hostdev dev = found("/soc/virtio@1200");

	(void)state;
	assert_true(dev.master && dev.coherent && dev.irq[0].edge);
	assert_int_equal(dev.irq[0].id, 73);
	dev = found("/soc/i2c@8000");
	assert_true(dev.master);
	assert_true(found("/soc/sdmmc@6800").master); /* PL18x may be any of its kind: STM32MP1's writes to RAM */
	dev = found("/soc/alone@2100");
	assert_false(dev.master);
	assert_int_equal(dev.irq_count, 2);
	assert_int_equal(dev.irq[0].id, 74);
	assert_int_equal(dev.irq[1].id, 75);
	assert_true(dev.irq[1].edge);
	assert_true(found("/soc/behind@6000").iommu);
}

/* Only a bus master's own addresses of RAM count, and those of each bus above it. */
static void test_dma_ranges(void **state)
{
	struct hostdev dev;
	const char *why = hostdev_find("/soc/other/inside/dma@e000", &dev);

	(void)state;
	assert_true(found("/soc/same/inside/dma@d000").master);
	assert_false(found("/soc/other/inside/pio@f000").master);
	assert_non_null(why);
	assert_non_null(strstr(why, "dma-ranges"));
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} rows[] = {
		{"/soc/nothing@1", "no such node"},
		{"eth7", "no such alias"},
		{"/", "the root"},
		{"/soc", "no registers"},
		{"/bus@8000000/mb/io/serial@90000", "UART of virt7's own console"},
		{"/bus@8000000/mb/io/lost@a0000", "none of its interrupts arrives"},
		{"/gic@2c001000", "the GIC"},
		{"/timer", "virt7's own"},
		{"/psci", "virt7's own"},
		{"/cpus/cpu@0", "a CPU"},
		{"/memory@80000000", "the host's RAM"},
		{"/reserved-memory/kept@a0000000", "the host's RAM"},
		{"/soc/ram@90000000", "the host's RAM"},
		{"/soc/off@3000", "is not \"okay\""},
		{"/soc/below-off/child@9000", "is not \"okay\""},
		{"/soc/ppi@7000", "no SPI"},
		{"/soc/i2c@8000/chip@50", "no registers"},
		{"/soc/many@a000", "more than 16 ranges"},
		{"/soc/power@b000", "switches the machine off"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hostdev dev;
		const char *why = hostdev_find(rows[i].name, &dev);

		if (!why || !strstr(why, rows[i].why))
			fail_msg("%s: %s", rows[i].name, why ? why : "is given away");
	}
}

static void test_claims(void **state)
{
	struct hostdev first = found("/soc/virtio@1200"), again = found("/soc/virtio@1200"),
		       page = found("/soc/virtio@1000"), irq = found("/soc/same-irq@4000"),
		       reg = found("/soc/same-reg@1300");

	(void)state;
	assert_null(hostdev_claim(&first, "a"));
	assert_ptr_equal(hostdev_claim(&again, "b"), &first);
	assert_ptr_equal(hostdev_claim(&irq, "b"), &first);
	assert_ptr_equal(hostdev_claim(&reg, "b"), &first);
	assert_string_equal(first.owner, "a");
	assert_null(hostdev_claim(&page, "b"));
	hostdev_release(&first);
	assert_null(hostdev_claim(&again, "b"));
	hostdev_release(&page);
	hostdev_release(&again);
	assert_null(hostdev_claim(&irq, "c"));
	hostdev_release(&irq);
	hostdev_release(&irq); /* it has none */

	/* virt7's own driver knows the node; the same claim again is no other. */
	first = (struct hostdev){.node = first.node};
	assert_null(hostdev_claim(&first, "virt7"));
	assert_null(hostdev_claim(&first, "virt7"));
	assert_ptr_equal(hostdev_claim(&again, "b"), &first);
	hostdev_release(&first);
	assert_null(hostdev_claim(&again, "b"));
	hostdev_release(&again);
}

/* Nodes that no driver claims, and those that are off, count; so do GICH and GICV. */
static void test_pages(void **state)
{
	struct hostdev virtio = found("/soc/virtio@1200"), alone = found("/soc/alone@2100");

	(void)state;
	assert_true(passpage_is_shared(&virtio, 0x1000, NULL));
	assert_true(passpage_is_shared(&virtio, 0x1fff, NULL));
	assert_false(passpage_is_shared(&alone, 0x2000, NULL));
	assert_true(passpage_is_shared(&alone, 0x3000, NULL));
	assert_true(passpage_is_shared(&alone, 0x2c007000, NULL));
}

static uint32_t node_count;
static uint8_t index_room[0x10000] __attribute__((aligned(8)));

static int compare_node(const struct dt_node *node, void *arg)
{
	const struct dt_node *again = arg;

	assert_int_equal(again[node_count].offset, node->offset);
	assert_int_equal(again[node_count].depth, node->depth);
	assert_memory_equal(again[node_count].prop, node->prop, sizeof(node->prop));
	assert_true(!node->parent == (node->depth == 0));
	for (const struct dt_node *above = node->parent; above; above = above->parent)
		assert_true(above->offset < node->offset && dt_is_below(dts_tree, node->offset, above->offset));
	node_count++;
	return 0;
}

static int keep_node(const struct dt_node *node, void *arg)
{
	struct dt_node *to = arg;

	to[node_count++] = *node;
	return 0;
}

static int make_index(uint32_t nodes)
{
	memset(index_room, 0, sizeof(index_room));
	assert_true(dt_index_size(nodes) <= sizeof(index_room));
	return dt_index_make(dts_tree, index_room, nodes);
}

/* With the index all is found as without. */
static void test_index(void **state)
{
	static const char *const paths[] = {"/",
					    "/soc",
					    "/soc/virtio@1200",
					    "/soc/virtio",
					    "/soc/none",
					    "/bus/mb/io/mmc@50000",
					    "/bus@8000000/mb/",
					    "net",
					    "net/",
					    "net/none",
					    "none",
					    "/soc/virtio@1",
					    "//soc//alone@2100",
					    "/so",
					    ""};
	static struct dt_node nodes[64];
	int found[ARRAY_SIZE(paths)], phandle[32];

	(void)state;
	assert_int_equal(dt_index_make(dts_tree, NULL, 0), 0);
	node_count = 0;
	assert_int_equal(dt_walk(dts_tree, keep_node, nodes), 0);
	assert_int_equal(node_count, host.tree_nodes);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		found[i] = dt_by_path(dts_tree, paths[i]);
	for (uint32_t i = 0; i < ARRAY_SIZE(phandle); i++)
		phandle[i] = dt_by_phandle(dts_tree, i);
	assert_true(dt_by_phandle(dts_tree, 1) > 0);

	assert_int_equal(make_index(host.tree_nodes), 0);
	node_count = 0;
	assert_int_equal(dt_walk(dts_tree, compare_node, nodes), 0);
	assert_int_equal(node_count, host.tree_nodes);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (found[i] < 0 ? dt_by_path(dts_tree, paths[i]) >= 0 : dt_by_path(dts_tree, paths[i]) != found[i])
			fail_msg("%s: %d, was %d", paths[i], dt_by_path(dts_tree, paths[i]), found[i]);
	for (uint32_t i = 0; i < ARRAY_SIZE(phandle); i++)
		assert_true(phandle[i] < 0 ? dt_by_phandle(dts_tree, i) < 0 : dt_by_phandle(dts_tree, i) == phandle[i]);
	assert_int_equal(dt_index_make(dts_tree, NULL, 0), 0);
}

/* Where it has no room for all nodes there is none, and all is found as before. */
static void test_no_index(void **state)
{
	(void)state;
	assert_int_equal(make_index(host.tree_nodes - 1U), -EINVAL);
	node_count = 0;
	found("/soc/virtio@1200");
	assert_true(dt_by_phandle(dts_tree, 1) > 0);
}

static int setup_index(void **state)
{
	setup(state);
	return make_index(host.tree_nodes);
}

static int drop_index(void **state)
{
	(void)state;
	return dt_index_make(dts_tree, NULL, 0);
}

#define TEST_BOTH(test) \
	cmocka_unit_test_setup(test, setup), cmocka_unit_test_setup_teardown(test, setup_index, drop_index)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_BOTH(test_place),
		TEST_BOTH(test_masters),
		TEST_BOTH(test_refused),
		TEST_BOTH(test_claims),
		TEST_BOTH(test_beyond_the_bus),
		TEST_BOTH(test_lost_interrupt),
		TEST_BOTH(test_driver_claims_all),
		TEST_BOTH(test_pages),
		TEST_BOTH(test_dma_ranges),
		cmocka_unit_test_setup(test_index, setup),
		cmocka_unit_test_setup(test_no_index, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
