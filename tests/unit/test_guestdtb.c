/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generated device tree against what QEMU 7.2 says of `-M virt,gic-version=2 -cpu cortex-a15` (dumpdtb): whole
 * properties, byte by byte, and nothing that the VM does not have.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "hyp/console/console.h"
#include "hyp/lib/bits.h"
#include "hyp/load/guestdtb.h"
#include "hyp/load/tree.h"
#include "hyp/run/timer.h"
#include "hyp/vdev/device.h"
#include "vgic/vgic.h"

/* What devices would do, but for describe(). */
int console_getc(struct console_stream *stream)
{
	(void)stream;
	return -1;
}

void vgic_pulse(struct vm *vm, uint32_t cpu, uint32_t id)
{
	(void)vm, (void)cpu, (void)id;
}

void vgic_set_line(struct vm *vm, uint32_t cpu, uint32_t id, bool level)
{
	(void)vm, (void)cpu, (void)id, (void)level;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	(void)timer, (void)deadline;
}

void timer_take_out(struct timer *timer)
{
	(void)timer;
}

void timer_drain(struct timer *timer)
{
	(void)timer;
}

uint32_t timer_hz(void)
{
	return 1;
}

extern const struct device_class vrng_class;

static struct vm vm; /* with the devices of every VM */

static int setup(void **state)
{
	(void)state;
	return device_create_all(&vm, NULL, 0);
}

static int teardown(void **state)
{
	(void)state;
	device_destroy_all(&vm);
	return 0;
}

static uint64_t buffer[GUESTDTB_MAX / 8];

static const struct vm_config one = {.name = "a", .cpus = 1, .ram_size = MIB(512), .bootargs = ""};

static void make(const struct vm_config *cfg, const struct guestdtb_params *params)
{
	struct guestdtb_params all = *params;
	int size;

	all.devices = device_first(&vm);
	memset(buffer, 0xa5, sizeof(buffer));
	size = guestdtb_make(cfg, &all, buffer, sizeof(buffer));
	assert_in_range(size, 1, GUESTDTB_MAX);
	assert_int_equal(fdt_check_full(buffer, (size_t)size), 0);
	assert_int_equal(fdt_totalsize(buffer), size);
}

static void expect(const char *path, const char *name, const void *value, size_t len)
{
	int node = fdt_path_offset(buffer, path), actual;
	const void *p = fdt_getprop(buffer, node, name, &actual);

	if (!p)
		fail_msg("%s has no %s", path, name);
	if ((size_t)actual != len || memcmp(p, value, len) != 0)
		fail_msg("%s: %s is not as expected (%d bytes)", path, name, actual);
}

/* Strings with \0 between them; the last one's is added. */
#define expect_text(path, name, text) expect((path), (name), (text), sizeof(text))

static void expect_cells(const char *path, const char *name, const uint32_t *cells, size_t count)
{
	fdt32_t value[16];

	for (size_t i = 0; i < count; i++)
		value[i] = cpu_to_fdt32(cells[i]);
	expect(path, name, value, count * 4);
}

#define expect_list(path, name, ...) \
	expect_cells((path), (name), (const uint32_t[]){__VA_ARGS__}, ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__})))

static void expect_absent(const char *path, const char *name)
{
	assert_null(fdt_getprop(buffer, fdt_path_offset(buffer, path), name, NULL));
}

static unsigned int count_subnodes(const char *path)
{
	unsigned int count = 0;
	int node;

	fdt_for_each_subnode(node, buffer, fdt_path_offset(buffer, path))
		count++;
	return count;
}

static void test_as_qemu(void **state)
{
	const struct guestdtb_params params = {0};

	(void)state;
	make(&one, &params);
	assert_int_equal(count_subnodes("/"), 13);
	expect_text("/", "compatible", "linux,dummy-virt");
	expect_text("/", "model", "linux,dummy-virt");
	expect_list("/", "#address-cells", 2);
	expect_list("/", "#size-cells", 2);
	expect_list("/", "interrupt-parent", 0x8002);
	expect_text("/psci", "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
	expect_text("/psci", "method", "hvc");
	expect_text("/hypervisor", "compatible", "virt7,hypervisor"); /* virt7's own */
	expect_list("/psci", "cpu_suspend", 0x84000001);
	expect_list("/psci", "cpu_off", 0x84000002);
	expect_list("/psci", "cpu_on", 0x84000003);
	expect_list("/psci", "migrate", 0x84000005);
	expect_text("/memory@40000000", "device_type", "memory");
	expect_list("/memory@40000000", "reg", 0, 0x40000000, 0, 0x20000000);
	expect_text("/timer", "compatible", "arm,armv7-timer");
	expect("/timer", "always-on", "", 0);
	expect_list("/timer", "interrupts", 1, 13, 0x104, 1, 14, 0x104, 1, 11, 0x104, 1, 10, 0x104);
	expect_absent("/timer", "clock-frequency");
	expect_text("/intc@8000000", "compatible", "arm,cortex-a15-gic");
	expect_list("/intc@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000);
	expect("/intc@8000000", "interrupt-controller", "", 0);
	expect("/intc@8000000", "ranges", "", 0);
	expect_list("/intc@8000000", "#interrupt-cells", 3);
	expect_list("/intc@8000000", "#address-cells", 2);
	expect_list("/intc@8000000", "#size-cells", 2);
	expect_list("/intc@8000000", "phandle", 0x8002);
	expect_text("/apb-pclk", "compatible", "fixed-clock");
	expect_list("/apb-pclk", "#clock-cells", 0);
	expect_list("/apb-pclk", "clock-frequency", 24000000);
	expect_text("/apb-pclk", "clock-output-names", "clk24mhz");
	expect_list("/apb-pclk", "phandle", 0x8000);
	expect_text("/pl011@9000000", "compatible", "arm,pl011\0arm,primecell");
	expect_list("/pl011@9000000", "reg", 0, 0x9000000, 0, 0x1000);
	expect_list("/pl011@9000000", "interrupts", 0, 1, 4);
	expect_list("/pl011@9000000", "clocks", 0x8000, 0x8000);
	expect_text("/pl011@9000000", "clock-names", "uartclk\0apb_pclk");
	expect_text("/pl031@9010000", "compatible", "arm,pl031\0arm,primecell");
	expect_list("/pl031@9010000", "reg", 0, 0x9010000, 0, 0x1000);
	expect_list("/pl031@9010000", "interrupts", 0, 2, 4);
	expect_list("/pl031@9010000", "clocks", 0x8000);
	expect_text("/pl031@9010000", "clock-names", "apb_pclk");
	expect_text("/pl061@9030000", "compatible", "arm,pl061\0arm,primecell");
	expect_list("/pl061@9030000", "reg", 0, 0x9030000, 0, 0x1000);
	expect_list("/pl061@9030000", "interrupts", 0, 7, 4);
	expect_list("/pl061@9030000", "clocks", 0x8000);
	expect_text("/pl061@9030000", "clock-names", "apb_pclk");
	expect_list("/pl061@9030000", "#gpio-cells", 2);
	expect("/pl061@9030000", "gpio-controller", "", 0);
	expect_list("/pl061@9030000", "phandle", 0x8004);
	expect_text("/gpio-keys", "compatible", "gpio-keys");
	expect_text("/gpio-keys/poweroff", "label", "GPIO Key Poweroff");
	expect_list("/gpio-keys/poweroff", "linux,code", 0x74);
	expect_list("/gpio-keys/poweroff", "gpios", 0x8004, 3, 0);
	expect_text("/aliases", "serial0", "/pl011@9000000");
	expect_text("/chosen", "stdout-path", "/pl011@9000000");
	expect("/chosen", "kaslr-seed", "\1\2\3\4\5\6\7\10", 8); /* tests/unit/fake/fake_random.c */
	expect("/chosen", "rng-seed", "\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37 !\"#$%&'(",
	       32);
	expect_absent("/chosen", "bootargs");
	expect_absent("/chosen", "linux,initrd-start");
	expect_absent("/chosen", "linux,initrd-end");
}

static void test_one_cpu(void **state)
{
	const struct guestdtb_params params = {0};

	(void)state;
	make(&one, &params);
	expect_list("/cpus", "#address-cells", 1);
	expect_list("/cpus", "#size-cells", 0);
	assert_int_equal(count_subnodes("/cpus"), 2);
	expect_text("/cpus/cpu@0", "device_type", "cpu");
	expect_text("/cpus/cpu@0", "compatible", "arm,cortex-a15");
	expect_list("/cpus/cpu@0", "reg", 0);
	expect_list("/cpus/cpu@0", "phandle", 0x8001);
	expect_absent("/cpus/cpu@0", "enable-method");
	expect_list("/cpus/cpu-map/socket0/cluster0/core0", "cpu", 0x8001);
}

static char early_path[64];

static void test_holes(void **state)
{
	struct guestdtb_params params = {0};

	(void)state;
	make(&one, &params);
	assert_true(fdt_path_offset(buffer, "/reserved-memory") < 0);
	params.hole_count = GUESTDTB_HOLES;
	for (uint32_t i = 0; i < GUESTDTB_HOLES; i++)
		params.hole[i] = 0x140001000 + i * 0x2000ULL;
	make(&one, &params);
	expect_list("/reserved-memory", "#address-cells", 2);
	expect_list("/reserved-memory", "#size-cells", 2);
	expect("/reserved-memory", "ranges", "", 0);
	assert_int_equal(count_subnodes("/reserved-memory"), GUESTDTB_HOLES);
	expect_list("/reserved-memory/bad-page@140001000", "reg", 1, 0x40001000, 0, 0x1000);
	expect("/reserved-memory/bad-page@140003000", "no-map", "", 0);
}

static void test_early(void **state)
{
	const struct guestdtb_params params = {0};
	struct vm_config cfg = one;

	(void)state;
	cfg.memory_errors = VM_MEMORY_ERRORS_EARLY;
	make(&cfg, &params);
	assert_int_equal(count_subnodes("/reserved-memory"), 1);
	assert_true(cfg.ram_size < MIB(1024));
	snprintf(early_path, sizeof(early_path), "/reserved-memory/memory-errors@%llx",
		 (unsigned long long)(MACHINE_RAM_BASE + cfg.ram_size - 0x1000U));
	expect(early_path, "no-map", "", 0);
}

static void describe_much(const struct device *device, struct tree *t)
{
	static const uint8_t much[KIB(20)];

	(void)device;
	tree_begin(t, "passthrough");
	tree_bytes(t, "much", much, sizeof(much));
	tree_end(t);
}

/* A tree with nodes of the host's may be larger. */
static void test_large(void **state)
{
	static const struct device_class class = {.name = "much", .describe = describe_much};
	static const struct device device = {.class = &class};
	static uint8_t large[GUESTDTB_LARGE] __attribute__((aligned(8)));
	const struct guestdtb_params params = {.devices = &device};
	struct vm_config cfg = one;
	int size;

	(void)state;
	assert_int_equal(guestdtb_make(&cfg, &params, large, sizeof(large)), -ENOSPC);
	cfg.passthrough = (struct property_strings){"/a", 3};
	size = guestdtb_make(&cfg, &params, large, sizeof(large));
	assert_in_range(size, KIB(20), GUESTDTB_LARGE);
	assert_int_equal(fdt_check_full(large, (size_t)size), 0);
}

static void test_eight_cpus(void **state)
{
	const struct guestdtb_params params = {.cpu_compatible = "arm,cortex-a7"};
	struct vm_config cfg = one;

	(void)state;
	cfg.cpus = 8;
	make(&cfg, &params);
	assert_int_equal(count_subnodes("/cpus"), 9);
	expect_text("/cpus/cpu@0", "enable-method", "psci");
	expect_text("/cpus/cpu@7", "enable-method", "psci");
	expect_text("/cpus/cpu@7", "compatible", "arm,cortex-a7");
	expect_list("/cpus/cpu@7", "reg", 7);
	expect_list("/cpus/cpu@0", "phandle", 0x8008);
	expect_list("/cpus/cpu@7", "phandle", 0x8001);
	expect_list("/cpus/cpu-map/socket0/cluster0/core7", "cpu", 0x8001);
	expect_list("/intc@8000000", "phandle", 0x8009);
	expect_list("/", "interrupt-parent", 0x8009);
	expect_list("/timer", "interrupts", 1, 13, 0xff04, 1, 14, 0xff04, 1, 11, 0xff04, 1, 10, 0xff04);
}

static void test_what_the_caller_says(void **state)
{
	const struct guestdtb_params params = {
		.ramdisk_start = 0x47ff0000, .ramdisk_end = 0x48000000, .clock_hz = 19200000};
	struct vm_config cfg = one;

	(void)state;
	cfg.ram_size = GIB(5) + MIB(2);
	cfg.bootargs = "console=ttyAMA0 quiet";
	make(&cfg, &params);
	expect_list("/memory@40000000", "reg", 0, 0x40000000, 1, 0x40200000);
	expect_text("/chosen", "bootargs", "console=ttyAMA0 quiet");
	expect_list("/chosen", "linux,initrd-start", 0, 0x47ff0000);
	expect_list("/chosen", "linux,initrd-end", 0, 0x48000000);
	expect_list("/timer", "clock-frequency", 19200000);
}

/* The largest that a configuration can ask for fits; each size too small is an error and stays inside the buffer. */
static void test_sizes(void **state)
{
	static char bootargs[VM_BOOTARGS_MAX];
	const struct guestdtb_params params = {
		.ramdisk_start = 0x47ff0000, .ramdisk_end = 0x48000000, .clock_hz = 1, .devices = device_first(&vm)};
	struct vm_config cfg = one;
	int size, needed;

	(void)state;
	memset(bootargs, 'x', sizeof(bootargs) - 1);
	cfg.bootargs = bootargs;
	cfg.cpus = 8;
	needed = guestdtb_make(&cfg, &params, buffer, sizeof(buffer));
	assert_in_range(needed, 1, GUESTDTB_MAX);
	for (size = 0; size < needed; size += 13) {
		void *small = malloc((size_t)size + 1);

		assert_non_null(small);
		assert_int_equal(guestdtb_make(&cfg, &params, small, (size_t)size), -ENOSPC);
		free(small);
	}
}

/* Whatever a byte of it says, a tree is good where fdt_check_full() says so, and not else. */
static void test_check(void **state)
{
	static const uint8_t values[] = {0, 1, 2, 3, 4, 9, 0x7f, 0xff};
	const struct guestdtb_params none = {0};
	uint8_t *bytes = (uint8_t *)buffer;
	uint32_t bad = 0;
	size_t size;

	(void)state;
	make(&one, &none);
	size = fdt_totalsize(buffer);
	for (size_t cut = 0; cut <= size; cut += cut < 80 ? 1 : 97)
		assert_int_equal(!tree_check(buffer, cut), !fdt_check_full(buffer, cut));
	assert_int_equal(tree_check(buffer, size), 0);
	for (size_t at = 0; at < size; at++)
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			uint8_t was = bytes[at];

			bytes[at] = values[i];
			assert_int_equal(!tree_check(buffer, size), !fdt_check_full(buffer, size));
			bad += tree_check(buffer, size) != 0;
			bytes[at] = was;
		}
	assert_true(bad > size);
}

/* The largest tree that a VM can have fits: all of its slots, CPUs and boot arguments. Last, for the devices stay. */
static void test_all_devices(void **state)
{
	static char bootargs[VM_BOOTARGS_MAX];
	struct vm_config cfg = one;
	struct guestdtb_params params = {.ramdisk_end = 1, .clock_hz = 1, .devices = device_first(&vm)};

	(void)state;
	memset(bootargs, 'x', sizeof(bootargs) - 1);
	cfg.bootargs = bootargs;
	cfg.cpus = 8;
	for (uint32_t i = 0; i < MACHINE_VIRTIO_COUNT; i++)
		assert_int_equal(device_create(&vm, &vrng_class), 0);
	assert_in_range(guestdtb_make(&cfg, &params, buffer, sizeof(buffer)), 1, GUESTDTB_MAX);
	assert_true(fdt_path_offset(buffer, "/virtio_mmio@a003e00") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_qemu),
		cmocka_unit_test(test_one_cpu),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_eight_cpus),
		cmocka_unit_test(test_what_the_caller_says),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_all_devices),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
