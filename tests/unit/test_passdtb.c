/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's device tree says of devices of the host, and such devices by a tree of the user's (passthrough-dtb).
 */
#include "pass_rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_node),           TEST(test_below),    TEST(test_coherent),      TEST(test_frequency),
		TEST(test_none),           TEST(test_dtb),      TEST(test_dtb_master),    TEST(test_dtb_refused),
		TEST(test_lost_interrupt), TEST(test_left_out), TEST(test_same_irq_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
