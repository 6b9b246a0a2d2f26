/* SPDX-License-Identifier: BSD-2-Clause */
/* A device tree of the user's: what of it is looked for in the VM's machine, what is said, and what is added. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "hyp/exit/mmio.h"
#include "hyp/load/usertree.h"
#include "hyp/run/sched.h"
#include "hyp/vm/vm.h"

#define OTHER 0x0b000000U /* nothing is there */

static struct vm vm;
static uint64_t buffer[USERTREE_MAX / 8];
static char why[USERTREE_WHY];

void sched_preempt(void)
{
}

static uint64_t no_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	(void)vcpu, (void)device, (void)offset, (void)size;
	return 0;
}

static int setup(void **state)
{
	static const struct mmio_ops ops = {no_read, NULL, MMIO_WORD};

	(void)state;
	vm = (struct vm){.config = {.cpus = 2, .ram_size = MIB(64)}};
	mmio_init(&vm.bus);
	assert_int_equal(mmio_add(&vm.bus, MACHINE_UART_BASE, MACHINE_UART_SIZE, &ops, NULL), 0);
	assert_int_equal(mmio_add(&vm.bus, MACHINE_ECAM_BASE, MACHINE_ECAM_SIZE, &ops, NULL), 0);
	assert_int_equal(fdt_create_empty_tree(buffer, sizeof(buffer)), 0);
	assert_int_equal(fdt_setprop_u32(buffer, 0, "#address-cells", 2), 0);
	assert_int_equal(fdt_setprop_u32(buffer, 0, "#size-cells", 2), 0);
	return 0;
}

static int add(const char *parent, const char *name)
{
	int node = fdt_add_subnode(buffer, fdt_path_offset(buffer, parent), name);

	assert_true(node > 0);
	return node;
}

static void set_cells(int node, const char *name, const uint32_t *cells, size_t count)
{
	fdt32_t value[32];

	for (size_t i = 0; i < count; i++)
		value[i] = cpu_to_fdt32(cells[i]);
	assert_int_equal(fdt_setprop(buffer, node, name, value, (int)(count * 4U)), 0);
}

#define set(node, name, ...) \
	set_cells((node), (name), (const uint32_t[]){__VA_ARGS__}, ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__})))

static int check(void)
{
	memset(why, 0, sizeof(why));
	return usertree_check(&vm, buffer, sizeof(buffer), why);
}

static void expect_fit(void)
{
	if (check())
		fail_msg("%s", why);
}

static void expect_refused(const char *line)
{
	assert_int_equal(check(), -EINVAL);
	assert_string_equal(why, line);
}

static void test_empty(void **state)
{
	(void)state;
	expect_fit();
}

static void test_memory(void **state)
{
	int node = add("/", "memory@40000000");

	(void)state;
	assert_int_equal(fdt_setprop_string(buffer, node, "device_type", "memory"), 0);
	set(node, "reg", 0, 0x40000000, 0, 0x4000000);
	expect_fit();
	set(node, "reg", 0, 0x40000000, 0, 0x1000000, 0, 0x43000000, 0, 0x1000000);
	expect_fit();
	set(node, "reg", 0, 0x40000000, 0, 0x1000000, 0, 0x43000000, 0, 0x1000001);
	expect_refused(
		"/memory@40000000: memory at 0x43000000 to 0x44000000, and the VM's is 0x40000000 to 0x43ffffff; "
		"change one of them");
	set(node, "reg", 0, 0x40000000, 1, 0);
	assert_int_equal(check(), -EINVAL);
	set(node, "reg", 0, 0x40000000, UINT32_MAX, UINT32_MAX);
	assert_int_equal(check(), -EINVAL);
	set(node, "reg", 0, 0x3fffffff, 0, 2);
	assert_int_equal(check(), -EINVAL);
	set(node, "reg", 0, 0x09000000, 0, 0x1000); /* a device is no memory */
	assert_int_equal(check(), -EINVAL);
}

static void test_devices(void **state)
{
	int node = add("/", "uart@9000000");

	(void)state;
	set(node, "reg", 0, MACHINE_UART_BASE, 0, 0x1000);
	expect_fit();
	set(node, "reg", 0, MACHINE_UART_BASE + 0xfff, 0, 0);
	expect_fit();
	set(node, "reg", 0, MACHINE_UART_BASE, 0, 0x1001);
	expect_refused(
		"/uart@9000000: the VM has nothing at 0x9000000 to 0x9001000; take the node out, or give the VM such "
		"a device");
	set(node, "reg", 0, MACHINE_GICD_BASE, 0, 0x10000, 0, MACHINE_GICC_BASE, 0, 0x10000);
	expect_fit();
	set(node, "reg", 0, MACHINE_GICC_BASE, 0, 0x20000);
	assert_int_equal(check(), -EINVAL);
	set(node, "reg", 0x40, 0x10000000, 0, 0x10000000);
	expect_fit();
	set(node, "reg", 0, 0x42000000, 0, 0x1000); /* of RAM, such as reserved memory */
	expect_fit();
	set(node, "reg", 0, OTHER, 0, 4);
	assert_int_equal(check(), -EINVAL);
	assert_int_equal(fdt_setprop_string(buffer, node, "status", "disabled"), 0);
	expect_fit();
	assert_int_equal(fdt_setprop_string(buffer, node, "status", "okay"), 0);
	assert_int_equal(check(), -EINVAL);
	set(node, "reg", 0, MACHINE_UART_BASE, 0);
	expect_refused("/uart@9000000: reg: not as long as #address-cells and #size-cells have it");
}

/* Below a bus whose addresses are others; below one that has none of the CPU's. */
static void test_buses(void **state)
{
	int bus = add("/", "soc"), node;

	(void)state;
	set(bus, "#address-cells", 1);
	set(bus, "#size-cells", 1);
	node = add("/soc", "uart@100");
	set(node, "reg", 0x100, 0x100);
	expect_fit();
	bus = fdt_path_offset(buffer, "/soc");
	set(bus, "ranges", 0x40, 0, MACHINE_UART_BASE, 0x40, 0, 0, OTHER, 0x10000);
	expect_refused(
		"/soc/uart@100: the VM has nothing at 0xb000100 to 0xb0001ff; take the node out, or give the VM such a "
		"device");
	set(bus, "ranges", 0, 0, MACHINE_UART_BASE, 0x10000);
	expect_fit();
	set(bus, "ranges", 0, 0, MACHINE_UART_BASE, 0x80); /* nowhere */
	expect_fit();
	assert_int_equal(fdt_setprop(buffer, bus, "ranges", NULL, 0), 0);
	assert_int_equal(check(), -EINVAL);
	node = fdt_path_offset(buffer, "/soc/uart@100");
	set(node, "reg", MACHINE_UART_BASE, 0x100);
	expect_fit();
	set(fdt_path_offset(buffer, "/soc"), "#address-cells", 3); /* PCI's */
	expect_fit();
	set(fdt_path_offset(buffer, "/soc"), "#address-cells", 0xffffffff);
	expect_fit();
}

static void test_cpus(void **state)
{
	int cpus = add("/", "cpus"), cpu;

	(void)state;
	set(cpus, "#address-cells", 1);
	set(cpus, "#size-cells", 0);
	cpu = add("/cpus", "cpu@1");
	assert_int_equal(fdt_setprop_string(buffer, cpu, "device_type", "cpu"), 0);
	set(cpu, "reg", 1);
	expect_fit();
	set(cpu, "reg", 2);
	expect_refused("/cpus/cpu@1: the VM has 2 CPUs; take the node out, or change cpus");
	set(cpu, "reg", 1, 0);
	expect_refused("/cpus/cpu@1: reg: not as long as #address-cells and #size-cells have it");
}

static void test_depth(void **state)
{
	char path[64] = "";

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		add(*path ? path : "/", "n");
		strcat(path, "/n");
	}
	expect_fit();
	add(path, "n");
	expect_refused("more than 8 nodes inside one another; take some out");
}

static void test_names(void **state)
{
	int node = add("/", "a\033[2J\x80@b000000");

	(void)state;
	set(node, "reg", 0, OTHER, 0, 4);
	assert_int_equal(check(), -EINVAL);
	assert_non_null(strstr(why, "/a?[2J?@b000000: "));
	assert_int_equal(fdt_nop_node(buffer, node), 0);
	node = add("/", "a-name-that-is-longer-than-what-is-printed-of-it-which-is-not-a-lot@b000000");
	set(node, "reg", 0, OTHER, 0, 4);
	assert_int_equal(check(), -EINVAL);
	assert_non_null(strstr(why, "a node deep inside: "));
}

/* Told early of memory errors, a guest must know where. */
static void test_memory_errors(void **state)
{
	(void)state;
	vm.config.memory_errors = VM_MEMORY_ERRORS_EARLY;
	expect_refused(
		"memory-errors is \"early\", and no node says \"virt7,memory-errors\"; leave that out, or add it");
	assert_int_equal(fdt_setprop_string(buffer, add("/", "errors"), "compatible", "virt7,memory-errors"), 0);
	expect_fit();
}

static void test_damaged(void **state)
{
	uint32_t x = 1;

	(void)state;
	test_cpus(NULL);
	set(fdt_path_offset(buffer, "/cpus/cpu@1"), "reg", 1);
	test_buses(NULL);
	assert_int_equal(fdt_pack(buffer), 0);
	assert_int_equal(usertree_check(&vm, buffer, 39, why), -EINVAL);
	assert_string_equal(why, "not a device tree, or a damaged one");
	for (uint32_t i = 0; i < 20000; i++) {
		size_t size = fdt_totalsize(buffer);
		uint8_t *copy = malloc(size);

		memcpy(copy, buffer, size);
		for (uint32_t n = 0; n < 3; n++) {
			x = x * 1103515245 + 12345;
			copy[(x >> 8) % size] ^= (uint8_t)(1U << (x >> 28 & 7U));
		}
		usertree_check(&vm, copy, size, why);
		free(copy);
	}
}

static const char *text_of(const char *name)
{
	return fdt_getprop(buffer, fdt_path_offset(buffer, "/chosen"), name, NULL);
}

static void test_complete(void **state)
{
	const struct vm_config cfg = {.bootargs = "quiet"};
	const struct guestdtb_params params = {.ramdisk_start = 0x44000000, .ramdisk_end = 0x44001000};
	const fdt64_t *start;
	int size;

	(void)state;
	set(add("/", "serial@9000000"), "reg", 0, MACHINE_UART_BASE, 0, 0x1000);
	fdt_setprop_string(buffer, fdt_path_offset(buffer, "/serial@9000000"), "compatible", "arm,pl011");
	assert_int_equal(fdt_pack(buffer), 0);
	size = usertree_complete(buffer, &cfg, &params);
	assert_in_range(size, 1, USERTREE_MAX);
	assert_int_equal(fdt_check_full(buffer, (size_t)size), 0);
	assert_string_equal(text_of("stdout-path"), "/serial@9000000");
	assert_string_equal(text_of("bootargs"), "quiet");
	start = fdt_getprop(buffer, fdt_path_offset(buffer, "/chosen"), "linux,initrd-start", NULL);
	assert_true(fdt64_ld(start) == 0x44000000);
	assert_non_null(text_of("rng-seed"));
	assert_non_null(text_of("kaslr-seed"));
}

/* What the tree says itself stays, but for what the VM's node says. */
static void test_complete_keeps(void **state)
{
	const struct vm_config cfg = {.bootargs = ""};
	const struct guestdtb_params params = {0};
	int chosen = add("/", "chosen");

	(void)state;
	fdt_setprop_string(buffer, chosen, "stdout-path", "/mine");
	fdt_setprop_string(buffer, chosen, "bootargs", "mine");
	assert_in_range(usertree_complete(buffer, &cfg, &params), 1, USERTREE_MAX);
	assert_string_equal(text_of("stdout-path"), "/mine");
	assert_string_equal(text_of("bootargs"), "mine");
	assert_null(text_of("linux,initrd-start"));
}

/* The largest file and the longest command line. */
static void test_room(void **state)
{
	static char line[VM_BOOTARGS_MAX];
	const struct vm_config cfg = {.bootargs = line};
	const struct guestdtb_params params = {.ramdisk_start = 1, .ramdisk_end = 2};
	static uint8_t large[USERTREE_FILE_MAX];
	int room = (int)USERTREE_FILE_MAX;

	(void)state;
	memset(line, 'x', sizeof(line) - 1U);
	assert_int_equal(fdt_pack(buffer), 0);
	room -= (int)fdt_totalsize(buffer) + 24;
	assert_int_equal(fdt_open_into(buffer, buffer, sizeof(buffer)), 0);
	assert_int_equal(fdt_setprop(buffer, 0, "large", large, room), 0);
	assert_int_equal(fdt_pack(buffer), 0);
	assert_in_range(fdt_totalsize(buffer), USERTREE_FILE_MAX - 24U, USERTREE_FILE_MAX);
	assert_in_range(usertree_complete(buffer, &cfg, &params), USERTREE_FILE_MAX, USERTREE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, setup),          cmocka_unit_test_setup(test_memory, setup),
		cmocka_unit_test_setup(test_devices, setup),        cmocka_unit_test_setup(test_buses, setup),
		cmocka_unit_test_setup(test_cpus, setup),           cmocka_unit_test_setup(test_depth, setup),
		cmocka_unit_test_setup(test_names, setup),          cmocka_unit_test_setup(test_memory_errors, setup),
		cmocka_unit_test_setup(test_damaged, setup),        cmocka_unit_test_setup(test_complete, setup),
		cmocka_unit_test_setup(test_complete_keeps, setup), cmocka_unit_test_setup(test_room, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
