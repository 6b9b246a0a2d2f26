/* SPDX-License-Identifier: BSD-2-Clause */
/* How large the heap is: as it always was for few VMs, and for many enough for each of them, whatever they ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake/fake_log.h"
#include "fit.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/option.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/device.h"
#include "hyp/vm/heapsize.h"
#include "hyp/vm/vm.h"
#include "mm/layout.h"

/* One in every VM, and two that nodes name. */
static const struct device_class common_class = {.name = "common", .size = 100};
static const struct device_class large_class = {
	.name = "large", .compatible = "test,large", .size = 5000, .heap = 60000};
static const struct device_class talk_class = {.name = "talk", .compatible = "test,talk", .size = 100, .logs = true};
const struct device_class *const device_classes[] = {&common_class, &large_class, &talk_class, NULL};

struct options options;
bool s2_pages;
static struct fit f;
static struct bundle b;

void sched_preempt(void)
{
}

/* A VM, with these nodes of devices. */
struct wanted {
	uint32_t cpus, devices;
	uint64_t mib;
	const char *compatible;
	const char *passthrough;
};

static uint64_t tree_bytes_of_host;
static bool gives; /* what the last bundle says */

static void add_vm(uint32_t i, const struct wanted *w)
{
	char name[24];

	snprintf(name, sizeof(name), "vm%u", i);
	assert_int_equal(fdt_begin_node(f.blob, name), 0);
	if (w->cpus)
		assert_int_equal(fdt_property_u32(f.blob, "cpus", w->cpus), 0);
	if (w->mib)
		assert_int_equal(fdt_property_u64(f.blob, "memory", w->mib * 1024U), 0);
	if (w->passthrough)
		fit_string(&f, w->passthrough, "rest");
	for (uint32_t d = 0; d < w->devices; d++) {
		snprintf(name, sizeof(name), "device%u", d);
		assert_int_equal(fdt_begin_node(f.blob, name), 0);
		fit_string(&f, "compatible", w->compatible);
		assert_int_equal(fdt_end_node(f.blob), 0);
	}
	assert_int_equal(fdt_end_node(f.blob), 0);
}

/* Of a bundle with so many of them, in MiB. */
static uint64_t size_with(uint32_t count, struct wanted w, uint64_t ram)
{
	uint64_t size;

	fit_begin(&f);
	fit_vms(&f);
	for (uint32_t i = 0; i < count; i++)
		add_vm(i, &w);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	gives = bundle_gives_devices(&b);
	size = heap_size_for(&b, ram, tree_bytes_of_host);
	assert_int_equal(size % BLOCK_SIZE, 0);
	fit_free(&f);
	return size;
}

static int setup(void **state)
{
	(void)state;
	options.console_log = 16;
	s2_pages = true;
	fake_log_reset();
	return 0;
}

static void test_without_a_bundle(void **state)
{
	static const struct bundle none;

	(void)state;
	assert_int_equal(heap_size_for(&none, MIB(8), 0), MIB(4));
	assert_int_equal(heap_size_for(&none, GIB(1), 0), MIB(4));
	assert_int_equal(heap_size_for(&none, GIB(2), 0), MIB(8));
	assert_int_equal(heap_size_for(&none, GIB(2) + 256U, 0), MIB(10));
	assert_int_equal(heap_size_for(&none, GIB(1024), 0), LAYOUT_HEAP_END - LAYOUT_HEAP);
}

/* One VM has what it always had, all of RAM in tables included: its guest loses nothing. */
static void test_few(void **state)
{
	(void)state;
	for (uint64_t ram = MIB(32); ram <= GIB(64); ram *= 2U) {
		uint64_t before = align_up(MAX(ram / 256U, (uint64_t)MIB(4)), BLOCK_SIZE);

		assert_int_equal(size_with(1, (struct wanted){.cpus = 4, .mib = ram >> 20}, ram), before);
		assert_int_equal(size_with(4, (struct wanted){.cpus = 1, .mib = ram >> 22}, ram), before);
	}
}

/* What a VM takes is in it, for each one more; and only the half of 2 MiB on top. */
static void test_many(void **state)
{
	uint64_t vm = sizeof(struct vm) + sizeof(struct vcpu) + HYP_STACK_SIZE + 5U * PAGE_SIZE + KIB(16) + 100U, size;

	(void)state;
	for (uint32_t count = 32; count <= BUNDLE_MAX_VMS; count++) {
		size = size_with(count, (struct wanted){.mib = 8}, GIB(4));
		assert_true(size >= MIB(1) + count * (vm + 4U * PAGE_SIZE));
		assert_true(size <= MAX(MIB(3) + count * (vm + 8U * PAGE_SIZE), (uint64_t)MIB(16)));
	}
	s2_pages = false;
	size = size_with(BUNDLE_MAX_VMS, (struct wanted){.mib = 8}, GIB(4));
	assert_true(size >= MIB(1) + BUNDLE_MAX_VMS * vm && size <= MIB(3) + BUNDLE_MAX_VMS * (vm + 4U * PAGE_SIZE));
}

/* The index of the host's tree counts once, where a VM has devices of it. */
static void test_index(void **state)
{
	static const char *const asks[] = {NULL, "passthrough", "passthrough-dtb"};
	uint64_t before = size_with(64, (struct wanted){.mib = 8}, GIB(1));

	(void)state;
	assert_false(bundle_gives_devices(&(struct bundle){0}));
	tree_bytes_of_host = MIB(6);
	for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
		assert_int_equal(size_with(64, (struct wanted){.mib = 8, .passthrough = asks[i]}, GIB(1)),
				 before + MIB(6));
		assert_int_equal(gives, asks[i] != NULL);
	}
	tree_bytes_of_host = 0;
}

/* What one wants beside that counts; the two sizes are rounded up. */
static void test_wishes(void **state)
{
	uint64_t plain = size_with(64, (struct wanted){.mib = 8}, GIB(1)), more;

	(void)state;
	more = size_with(64, (struct wanted){.cpus = 8, .mib = 8}, GIB(1)) - plain;
	assert_in_range(more, 64U * 7U * HYP_STACK_SIZE - MIB(2), 64U * 7U * 2U * HYP_STACK_SIZE + MIB(2));
	more = size_with(64, (struct wanted){.mib = 8, .devices = 2, .compatible = "test,large"}, GIB(1)) - plain;
	assert_in_range(more, 64U * 2U * KIB(8 + 60) - MIB(2), 64U * 2U * KIB(8 + 64) + MIB(2));
	more = size_with(64, (struct wanted){.mib = 8, .devices = 3, .compatible = "test,talk"}, GIB(1)) - plain;
	assert_in_range(more, 64U * 3U * KIB(16) - MIB(2), 64U * 3U * KIB(20) + MIB(2));
	assert_int_equal(size_with(64, (struct wanted){.mib = 8, .devices = 3, .compatible = "no,such"}, GIB(1)),
			 plain);
	options.console_log = 64;
	more = size_with(64, (struct wanted){.mib = 8}, GIB(1)) - plain;
	assert_in_range(more, 64U * KIB(48) - MIB(2), 64U * KIB(48) + MIB(2));
}

/* RAM that a bundle asks for is counted up to what there is, once; and the heap never takes more than an eighth. */
static void test_absurd(void **state)
{
	uint64_t size = size_with(64, (struct wanted){.mib = 1024}, GIB(1));

	(void)state;
	assert_in_range(size, MIB(8), MIB(12));
	assert_int_equal(size_with(64, (struct wanted){.mib = UINT64_MAX >> 10}, GIB(1)), size);
	assert_int_equal(size_with(255, (struct wanted){.cpus = UINT32_MAX, .mib = 8}, MIB(256)), MIB(32));
	assert_int_equal(size_with(255, (struct wanted){.mib = 8}, MIB(16)), MIB(4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_without_a_bundle, setup),
		cmocka_unit_test_setup(test_few, setup),
		cmocka_unit_test_setup(test_many, setup),
		cmocka_unit_test_setup(test_index, setup),
		cmocka_unit_test_setup(test_wishes, setup),
		cmocka_unit_test_setup(test_absurd, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
