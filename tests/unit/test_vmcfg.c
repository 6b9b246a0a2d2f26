/* SPDX-License-Identifier: BSD-2-Clause */
/* /vms of the bundle: values and defaults, each error with its one line, one bad VM among good ones, random damage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake/fake_log.h"
#include "fit.h"
#include "hyp/lib/bits.h"
#include "hyp/load/vmcfg.h"
#include "hyp/vdev/device.h"

static const struct fit_image linux_image = {.name = "linux", .data = "kernel", .size = 6, .hash = "crc32"};
static const struct fit_image initrd_image = {.name = "initrd", .data = "ramdisk", .size = 7, .hash = "sha256"};

/* The first part of a bundle; VM nodes follow, then fit_end(). */
static void start(struct fit *f)
{
	fit_begin(f);
	fit_image(f, &linux_image);
	fit_image(f, &initrd_image);
	fit_vms(f);
	fake_log_reset();
}

/* One VM `a`, with one property set in a way of the caller's; `len` < 0: the property is deleted. */
static int parse_with(const char *property, const void *value, int len, struct vm_config *cfg)
{
	struct bundle b;
	int node = 0, vm, err;
	struct fit f;

	start(&f);
	fit_vm(&f, "a");
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(fdt_open_into(f.blob, f.blob, (int)f.size + 16384), 0);
	vm = fdt_path_offset(f.blob, "/vms/a");
	assert_int_equal(len < 0 ? fdt_delprop(f.blob, vm, property) : fdt_setprop(f.blob, vm, property, value, len),
			 0);
	assert_int_equal(bundle_open(&b, f.blob, fdt_totalsize(f.blob)), 0);
	fake_log_reset();
	err = vmcfg_next(&b, &node, cfg);
	assert_int_not_equal(node, 0);
	if (err != 1) {
		struct vm_config next;

		assert_int_equal(vmcfg_next(&b, &node, &next), 0);
	}
	/* Strings of the configuration lie in the blob. */
	cfg->bootargs = "";
	fit_free(&f);
	return err;
}

static int parse_cells(const char *property, size_t count, uint64_t value, struct vm_config *cfg)
{
	uint8_t cells[12] = {0};

	if (count == 1)
		fdt32_st(cells, (uint32_t)value);
	else
		fdt64_st(cells, value);
	return parse_with(property, cells, (int)(count * 4), cfg);
}

static void test_defaults(void **state)
{
	struct vm_config cfg;
	struct bundle b;
	int node = 0;
	struct fit f;

	(void)state;
	start(&f);
	fit_vm(&f, "a");
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	assert_int_equal(vmcfg_next(&b, &node, &cfg), 1);
	assert_string_equal(cfg.name, "a");
	assert_int_equal(cfg.cpus, 1);
	assert_int_equal(cfg.ram_size, MIB(16));
	assert_int_equal(cfg.affinity, UINT32_MAX);
	assert_int_equal(cfg.priority, 4);
	assert_true(cfg.autostart);
	assert_false(cfg.dedicated_cpus);
	assert_false(cfg.virtio_legacy);
	assert_int_equal(cfg.on_crash, VM_ACTION_STOP);
	assert_int_equal(cfg.on_reset, VM_ACTION_RESTART);
	assert_int_equal(cfg.watchdog_ms, 0);
	assert_int_equal(cfg.restart_limit, 10);
	assert_string_equal(cfg.bootargs, "");
	assert_string_equal(cfg.kernel.name, "linux");
	assert_memory_equal(cfg.kernel.data, "kernel", 6);
	assert_null(cfg.ramdisk.name);
	assert_int_equal(vmcfg_next(&b, &node, &cfg), 0);
	assert_int_equal(fake_log_count(LOG_ERR) + fake_log_count(LOG_WARN), 0);
	fit_free(&f);
}

static void test_everything_set(void **state)
{
	struct vm_config cfg;
	struct bundle b;
	int node = 0;
	struct fit f;

	(void)state;
	start(&f);
	assert_int_equal(fdt_begin_node(f.blob, "web-1.a_b+c"), 0);
	fit_string(&f, "compatible", "virt7,vm");
	assert_int_equal(fdt_property_u32(f.blob, "cpus", 8), 0);
	assert_int_equal(fdt_property_u64(f.blob, "memory", 0x800000), 0);
	fit_string(&f, "kernel", "linux");
	fit_string(&f, "ramdisk", "initrd");
	fit_string(&f, "bootargs", "console=ttyAMA0 quiet");
	fit_string(&f, "cpu-model", "cortex-a7");
	assert_int_equal(fdt_property_u32(f.blob, "cpu-affinity", 0x5), 0);
	assert_int_equal(fdt_property_u32(f.blob, "priority", 7), 0);
	assert_int_equal(fdt_property_u32(f.blob, "autostart", 0), 0);
	assert_int_equal(fdt_property(f.blob, "dedicated-cpus", NULL, 0), 0);
	assert_int_equal(fdt_property(f.blob, "virtio-legacy", NULL, 0), 0);
	fit_string(&f, "on-crash", "stop");
	fit_string(&f, "on-reset", "stop");
	assert_int_equal(fdt_property_u32(f.blob, "watchdog-ms", 1500), 0);
	assert_int_equal(fdt_end_node(f.blob), 0);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	assert_int_equal(vmcfg_next(&b, &node, &cfg), 1);
	assert_string_equal(cfg.name, "web-1.a_b+c");
	assert_int_equal(cfg.cpus, 8);
	assert_int_equal(cfg.ram_size, GIB(8));
	assert_int_equal(cfg.affinity, 5);
	assert_int_equal(cfg.priority, 7);
	assert_false(cfg.autostart);
	assert_true(cfg.dedicated_cpus);
	assert_true(cfg.virtio_legacy);
	assert_int_equal(cfg.on_crash, VM_ACTION_STOP); /* in spite of the watchdog */
	assert_int_equal(cfg.on_reset, VM_ACTION_STOP);
	assert_int_equal(cfg.watchdog_ms, 1500);
	assert_string_equal(cfg.bootargs, "console=ttyAMA0 quiet");
	assert_string_equal(cfg.cpu_model, "cortex-a7");
	assert_memory_equal(cfg.ramdisk.data, "ramdisk", 7);
	assert_int_equal(fake_log_count(LOG_ERR) + fake_log_count(LOG_WARN), 0);
	fit_free(&f);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *property;
		size_t cells;
		uint64_t value;
		const char *line; /* NULL: good */
	} rows[] = {
		{"cpus", 1, 1, NULL},
		{"cpus", 1, 8, NULL},
		{"cpus", 2, 8, NULL},
		{"cpus", 1, 0, "vm a: /vms/a: cpus: not a number from 1 to 8"},
		{"cpus", 1, 9, "vm a: /vms/a: cpus: not a number from 1 to 8"},
		{"cpus", 2, 0x100000001ULL, "vm a: /vms/a: cpus: not a number from 1 to 8"},
		{"cpus", 3, 1, "vm a: /vms/a: cpus: not a number from 1 to 8"},
		{"memory", 1, 8192, NULL},
		{"memory", 2, 8192, NULL},
		{"memory", 2, 1023ULL << 20, NULL},
		{"memory", 1, 6144, "vm a: /vms/a: memory: less than 8 MiB (the number is in KiB)"},
		{"memory", 1, 512, "vm a: /vms/a: memory: less than 8 MiB"},
		{"memory", 1, 0, "vm a: /vms/a: memory: less than 8 MiB"},
		{"memory", 1, 8193, "vm a: /vms/a: memory: not a multiple of 2048"},
		{"memory", 1, 9216, "vm a: /vms/a: memory: not a multiple of 2048"},
		{"memory", 2, (1023ULL << 20) + 2048, "vm a: /vms/a: memory: more than 1023 GiB"},
		{"memory", 2, UINT64_MAX & ~2047ULL, "vm a: /vms/a: memory: more than 1023 GiB"},
		{"memory", 2, 1ULL << 54, "vm a: /vms/a: memory: more than 1023 GiB"},
		{"memory", 3, 8192, "vm a: /vms/a: memory: not a number of one or two cells, in KiB"},
		{"cpu-affinity", 1, 0x80000000, NULL},
		{"cpu-affinity", 1, 0, "vm a: /vms/a: cpu-affinity: not a mask of physical CPUs"},
		{"cpu-affinity", 2, 1ULL << 32, "vm a: /vms/a: cpu-affinity: not a mask of physical CPUs"},
		{"priority", 1, 0, NULL},
		{"priority", 1, 8, "vm a: /vms/a: priority: not a number from 0 to 7"},
		{"autostart", 1, 1, NULL},
		{"autostart", 0, 0, NULL},
		{"autostart", 1, 2, "vm a: /vms/a: autostart: not <0> or <1>"},
		{"autostart", 3, 1, "vm a: /vms/a: autostart: not <0> or <1>"},
		{"dedicated-cpus", 1, 1, NULL},
		{"virtio-legacy", 1, 0, NULL},
		{"virtio-legacy", 1, 2, "vm a: /vms/a: virtio-legacy: not <0> or <1>"},
		{"dedicated-cpus", 1, 2, "vm a: /vms/a: dedicated-cpus: not <0> or <1>"},
		{"restart-limit", 1, 0, NULL},
		{"restart-limit", 1, 1000000, NULL},
		{"restart-limit", 1, 1000001, "vm a: /vms/a: restart-limit: not a number from 0 (no limit) to 1000000"},
		{"watchdog-ms", 1, 10, NULL},
		{"watchdog-ms", 2, 3600000, NULL},
		{"watchdog-ms", 1, 0, "vm a: /vms/a: watchdog-ms: not a number from 10 to 3600000, in milliseconds"},
		{"watchdog-ms", 1, 9, "vm a: /vms/a: watchdog-ms: not a number from 10"},
		{"watchdog-ms", 1, 3600001, "vm a: /vms/a: watchdog-ms: not a number from 10"},
	};
	struct vm_config cfg;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = parse_cells(rows[i].property, rows[i].cells, rows[i].value, &cfg);

		if (!rows[i].line) {
			assert_int_equal(err, 1);
			assert_int_equal(fake_log_count(LOG_ERR) + fake_log_count(LOG_WARN), 0);
		} else {
			assert_int_equal(err, -EINVAL);
			fake_log_expect_error(rows[i].line);
		}
	}
}

static void test_values_arrive(void **state)
{
	struct vm_config cfg;

	(void)state;
	parse_cells("memory", 2, 1023ULL << 20, &cfg);
	assert_int_equal(cfg.ram_size, 1023ULL << 30);
	parse_cells("cpus", 2, 3, &cfg);
	assert_int_equal(cfg.cpus, 3);
	parse_cells("cpu-affinity", 1, 0x80000000, &cfg);
	assert_int_equal(cfg.affinity, 0x80000000);
	parse_cells("priority", 1, 0, &cfg);
	assert_int_equal(cfg.priority, 0);
	parse_cells("autostart", 0, 0, &cfg);
	assert_true(cfg.autostart);
	parse_cells("watchdog-ms", 1, 250, &cfg);
	assert_int_equal(cfg.watchdog_ms, 250);
	assert_int_equal(cfg.on_crash, VM_ACTION_RESTART);
}

static void test_strings(void **state)
{
	static char longest[VM_BOOTARGS_MAX + 1];
	static const struct {
		const char *property, *value;
		int len, err;
		const char *line;
	} rows[] = {
		{"compatible", NULL, -1, -EINVAL, "vm a: /vms/a: compatible: missing; a VM says \"virt7,vm\""},
		{"compatible", "xen,domain", 11, -EINVAL, "vm a: /vms/a: compatible: not \"virt7,vm\""},
		{"memory", NULL, -1, -EINVAL, "vm a: /vms/a: memory: missing; say how much RAM"},
		{"kernel", NULL, -1, -EINVAL, "vm a: /vms/a: kernel: missing; name the image under /images"},
		{"kernel", "", 1, -EINVAL, "vm a: /vms/a: kernel: not the name of a node"},
		{"kernel", "abc", 3, -EINVAL, "vm a: /vms/a: kernel: not the name of a node"},
		{"kernel", "gone", 5, -ENOENT, "vm a: /vms/a: kernel: no image \"gone\" under /images"},
		{"kernel", "linux/hash-1", 13, -ENOENT, "vm a: /vms/a: kernel: no image \"linux/hash-1\""},
		{"ramdisk", "gone", 5, -ENOENT, "vm a: /vms/a: ramdisk: no image \"gone\" under /images"},
		{"ramdisk", "a\0b", 4, -EINVAL, "vm a: /vms/a: ramdisk: not the name of a node"},
		{"fdt", "gone", 5, -ENOENT, "vm a: /vms/a: fdt: no image \"gone\" under /images"},
		{"cpu-model", "", 1, -EINVAL, "vm a: /vms/a: cpu-model: not the name of a model, such as"},
		{"cpu-model", "cortex-a7", 9, -EINVAL, "vm a: /vms/a: cpu-model: not the name of a model, such as"},
		{"bootargs", "", 0, -EINVAL, "vm a: /vms/a: bootargs: not a string"},
		{"bootargs", "abc", 3, -EINVAL, "vm a: /vms/a: bootargs: not a string"},
		{"on-crash", "reboot", 7, -EINVAL, "vm a: /vms/a: on-crash: not \"stop\" or \"restart\""},
		{"on-crash", "stop", 4, -EINVAL, "vm a: /vms/a: on-crash: not \"stop\" or \"restart\""},
		{"memory-errors", "late", 5, -EINVAL, "vm a: /vms/a: memory-errors: not \"access\" or \"early\""},
		{"on-reset", "", 1, -EINVAL, "vm a: /vms/a: on-reset: not \"stop\" or \"restart\""},
		{"bootargs", longest, VM_BOOTARGS_MAX + 1, -EINVAL, "vm a: /vms/a: bootargs: longer than 4095"},
	};
	struct vm_config cfg;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse_with(rows[i].property, rows[i].value, rows[i].len, &cfg), rows[i].err);
		fake_log_expect_error(rows[i].line);
	}
	assert_int_equal(parse_with("bootargs", longest + 1, VM_BOOTARGS_MAX, &cfg), 1);
	assert_int_equal(parse_with("compatible", "x,y\0virt7,vm", 13, &cfg), 1);
	assert_int_equal(parse_with("on-crash", "restart", 8, &cfg), 1);
	assert_int_equal(cfg.on_crash, VM_ACTION_RESTART);
	assert_int_equal(cfg.memory_errors, VM_MEMORY_ERRORS_ACCESS);
	assert_int_equal(parse_with("memory-errors", "early", 6, &cfg), 1);
	assert_int_equal(cfg.memory_errors, VM_MEMORY_ERRORS_EARLY);
	assert_int_equal(parse_with("on-reset", "stop", 5, &cfg), 1);
	assert_int_equal(cfg.on_reset, VM_ACTION_STOP);
}

/* A node that a class of devices knows is that one's. */
static const struct device_class device_class = {.name = "device", .compatible = "test,device"};
const struct device_class *const device_classes[] = {&device_class, NULL};

static void test_unknown_things_are_warned_of(void **state)
{
	struct vm_config cfg;
	struct bundle b;
	int node = 0;
	struct fit f;

	(void)state;
	assert_int_equal(parse_cells("cpu", 1, 1, &cfg), 1);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	assert_string_equal(fake_log_last(LOG_WARN), "vm a: /vms/a: cpu: unknown property, ignored");

	start(&f);
	fit_vm(&f, "a");
	assert_int_equal(fdt_begin_node(f.blob, "net0"), 0);
	assert_int_equal(fdt_property_u32(f.blob, "inner", 1), 0);
	assert_int_equal(fdt_end_node(f.blob), 0);
	assert_int_equal(fdt_begin_node(f.blob, "net1"), 0);
	fit_string(&f, "compatible", "test,device");
	assert_int_equal(fdt_end_node(f.blob), 0);
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	assert_int_equal(vmcfg_next(&b, &node, &cfg), 1);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	assert_string_equal(
		fake_log_last(LOG_WARN),
		"vm a: /vms/a/net0: unknown node, ignored: its \"compatible\" is of no device that virt7 has");
	assert_int_equal(cfg.node, fdt_path_offset(f.blob, "/vms/a"));
	assert_int_equal(vmcfg_next(&b, &node, &cfg), 0);
	fit_free(&f);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{"x", true},
		{"debian-12.4", true},
		{"0123456789012345678901234567890", true},
		{"01234567890123456789012345678901", false},
		{"", false},
		{"a b", false},
		{"vm@1", false},
		{"-a", false},
		{".a", false},
		{"a\x1b[2J", false},
		{"\xc3\xa4", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config cfg;
		struct bundle b;
		int node = 0;
		struct fit f;

		start(&f);
		fit_vm(&f, rows[i].name);
		fit_vm_end(&f);
		fit_end(&f);
		assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
		assert_int_equal(vmcfg_next(&b, &node, &cfg), rows[i].good ? 1 : -EINVAL);
		if (!rows[i].good)
			fake_log_expect_error("vm number 1: /vms: name: use 1 to 31 letters");
		fit_free(&f);
	}
}

/* good, no memory, good again, a name twice, good: the bad ones are passed over, each with its line. */
static void test_bad_among_good(void **state)
{
	static const struct {
		const char *name;
		int result;
		const char *line;
	} rows[] = {
		{"a", 1, NULL}, {"b", -EINVAL, "vm b: /vms/b: memory: missing"},
		{"c", 1, NULL}, {"a", -EEXIST, "vm a: /vms/a: name: taken by an earlier VM; choose another"},
		{"d", 1, NULL},
	};
	struct vm_config cfg;
	struct bundle b;
	int node = 0;
	struct fit f;

	(void)state;
	start(&f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].name, "b") != 0) {
			fit_vm(&f, rows[i].name);
		} else {
			assert_int_equal(fdt_begin_node(f.blob, "b"), 0);
			fit_string(&f, "compatible", "virt7,vm");
		}
		fit_vm_end(&f);
	}
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_log_reset();
		assert_int_equal(vmcfg_next(&b, &node, &cfg), rows[i].result);
		assert_string_equal(cfg.name, rows[i].result == -EEXIST ? "" : rows[i].name);
		if (rows[i].line)
			fake_log_expect_error(rows[i].line);
		else
			assert_int_equal(fake_log_count(LOG_ERR), 0);
	}
	assert_int_equal(vmcfg_next(&b, &node, &cfg), 0);
	fit_free(&f);
}

/* What a VM that was accepted may count on. */
static void check_accepted(const struct vm_config *cfg)
{
	assert_in_range(cfg->cpus, 1, MACHINE_MAX_CPUS);
	assert_true(cfg->ram_size >= MACHINE_RAM_MIN && cfg->ram_size <= MACHINE_RAM_END - MACHINE_RAM_BASE);
	assert_int_equal(cfg->ram_size % MIB(2), 0);
	assert_in_range(strlen(cfg->name), 1, VM_NAME_MAX - 1);
	assert_true(strlen(cfg->bootargs) < VM_BOOTARGS_MAX);
	assert_non_null(cfg->kernel.name);
	assert_non_null(cfg->kernel.data);
	assert_true(!cfg->ramdisk.name || cfg->ramdisk.data);
	assert_int_not_equal(cfg->affinity, 0);
}

static void use(const struct fit *f)
{
	struct vm_config cfg;
	struct bundle b;
	int node = 0, err;

	if (bundle_open(&b, f->blob, f->size))
		return;
	for (unsigned int calls = 0;; calls++) {
		assert_true(calls <= BUNDLE_MAX_VMS);
		fake_log_reset();
		err = vmcfg_next(&b, &node, &cfg);
		assert_int_equal(fake_log_count(LOG_ERR), err < 0 ? 1 : 0);
		if (!err)
			break;
		if (err > 0)
			check_accepted(&cfg);
	}
}

static void test_random_damage(void **state)
{
	struct fit whole, f;

	(void)state;
	start(&whole);
	fit_vm(&whole, "a");
	fit_string(&whole, "ramdisk", "initrd");
	fit_string(&whole, "bootargs", "quiet");
	fit_vm_end(&whole);
	fit_vm(&whole, "b");
	assert_int_equal(fdt_property_u32(whole.blob, "cpus", 2), 0);
	assert_int_equal(fdt_property_u32(whole.blob, "cpu-affinity", 2), 0);
	fit_vm_end(&whole);
	fit_end(&whole);
	srandom(9);
	for (unsigned int round = 0; round < 20000; round++) {
		f = fit_cut(&whole, whole.size);
		for (long flips = 1 + random() % 4; flips; flips--)
			f.blob[(size_t)random() % f.size] ^= (uint8_t)(1U << random() % 8);
		use(&f);
		fit_free(&f);
	}
	fit_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_everything_set),
		cmocka_unit_test(test_numbers),       cmocka_unit_test(test_values_arrive),
		cmocka_unit_test(test_strings),       cmocka_unit_test(test_unknown_things_are_warned_of),
		cmocka_unit_test(test_names),         cmocka_unit_test(test_bad_among_good),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
