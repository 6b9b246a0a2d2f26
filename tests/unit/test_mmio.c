/* SPDX-License-Identifier: BSD-2-Clause */
/* The MMIO bus: overlap of regions, the look-up against a linear model, what is indexed, alignment, widths. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "hyp/exit/mmio.h"
#include "hyp/vm/vm.h"

static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};

/* The device's view of the last access, and what it answers. */
static struct {
	unsigned int calls;
	void *device;
	bool write;
	uint32_t offset, size, value;
	uint64_t answer;
	bool refuse;
} seen;

static uint64_t device_read(struct vcpu *from, void *device, uint32_t offset, uint32_t size)
{
	assert_ptr_equal(from, &vcpu);
	seen.calls++;
	seen.device = device;
	seen.write = false;
	seen.offset = offset;
	seen.size = size;
	return seen.answer;
}

static bool device_write(struct vcpu *from, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	device_read(from, device, offset, size);
	seen.write = true;
	seen.value = value;
	return !seen.refuse;
}

static struct mmio_ops ops = {device_read, device_write, MMIO_ANY};

static int setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(&seen, 0, sizeof(seen));
	vcpu.bus = &vm.bus;
	ops.widths = MMIO_ANY;
	return 0;
}

static int add(uint64_t base, uint64_t size)
{
	return mmio_add(&vm.bus, base, size, &ops, (void *)(uintptr_t)base);
}

static enum mmio_result access_at(uint64_t at, uint32_t size, bool write, uint32_t *value)
{
	struct mmio_access access = {.size = size, .write = write, .value = *value};
	enum mmio_result result = mmio_access(&vcpu, at, &access);

	*value = access.value;
	return result;
}

static enum mmio_result read_at(uint64_t at, uint32_t size)
{
	uint32_t value = 0;

	return access_at(at, size, false, &value);
}

static void test_overlap(void **state)
{
	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	assert_int_equal(add(0x1000, 0x1000), -EEXIST);
	assert_int_equal(add(0x1ffc, 4), -EEXIST);
	assert_int_equal(add(0x0ffc, 8), -EEXIST);
	assert_int_equal(add(0x0000, 0x4000), -EEXIST);
	assert_int_equal(add(0x1800, 4), -EEXIST);
	assert_int_equal(add(0x2000, 4), 0);
	assert_int_equal(add(0x0ffc, 4), 0);
	assert_int_equal(vm.bus.count, 3);
}

static void test_invalid(void **state)
{
	(void)state;
	assert_int_equal(add(0x1000, 0), -EINVAL);
	assert_int_equal(add(0x1002, 4), -EINVAL);
	assert_int_equal(add(0x1000, 6), -EINVAL);
	assert_int_equal(add(BIT64(40), 4), -EINVAL);
	assert_int_equal(add(BIT64(40) - 4, 8), -EINVAL);
	assert_int_equal(add(4, UINT64_MAX - 3), -EINVAL);
	assert_int_equal(add(0, BIT64(32)), -EINVAL); /* offsets have 32 bits */
	assert_int_equal(add(BIT64(40) - 4, 4), 0);
}

static void test_full(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < MMIO_REGIONS_MAX; i++)
		assert_int_equal(add((MMIO_REGIONS_MAX - i) * 0x1000, 0x1000), 0);
	assert_int_equal(add(0x1000, 0x1000), -EEXIST);
	assert_int_equal(add(0x1000000, 0x1000), -ENOSPC);
	assert_int_equal(vm.bus.count, MMIO_REGIONS_MAX);
}

static const struct mmio_region *find_linear(uint64_t at)
{
	for (uint32_t i = 1; i <= vm.bus.count; i++)
		if (at >= vm.bus.region[i].base && at < vm.bus.region[i].base + vm.bus.region[i].size)
			return &vm.bus.region[i];
	return NULL;
}

/* With 0 ... 48 regions, at every border and beside it. */
static void test_find(void **state)
{
	(void)state;
	assert_null(mmio_find(&vm.bus, 0));
	for (uint64_t i = 0; i < MMIO_REGIONS_MAX; i++) {
		/* some touch, some have gaps, inserted from both ends */
		uint64_t n = i % 2 ? 100 - i : i;

		assert_int_equal(add(n * 0x100, n % 3 ? 0x100 : 0x80), 0);
		for (uint64_t at = 0; at < 102 * 0x100; at += 0x40) {
			assert_ptr_equal(mmio_find(&vm.bus, at), find_linear(at));
			assert_ptr_equal(mmio_find(&vm.bus, at + 0x3f), find_linear(at + 0x3f));
		}
		assert_null(mmio_find(&vm.bus, UINT64_MAX));
	}
}

static void test_offset_and_device(void **state)
{
	(void)state;
	assert_int_equal(add(0x09000000, 0x1000), 0);
	assert_int_equal(add(0x8000000000, 0x1000), 0);
	assert_int_equal(read_at(0x09000018, 4), MMIO_DONE);
	assert_int_equal(seen.offset, 0x18);
	assert_int_equal((uintptr_t)seen.device, 0x09000000);
	assert_int_equal(read_at(0x8000000ffc, 4), MMIO_DONE);
	assert_int_equal(seen.offset, 0xffc);
	assert_int_equal((uintptr_t)seen.device, 0x8000000000);
	assert_int_equal(read_at(0x0000000ffc, 4), MMIO_UNHANDLED); /* the low word alone is no address */
	assert_int_equal(seen.calls, 2);
}

/* Other functions, of the region that begins there, for the same device. */
static void test_replace(void **state)
{
	static const struct mmio_ops words = {device_read, device_write, MMIO_WORD};

	(void)state;
	assert_int_equal(add(0x1000, 0x80), 0);
	assert_int_equal(add(0x1080, 0x80), 0);
	mmio_replace(&vm.bus, 0x1080, &words);
	mmio_replace(&vm.bus, 0x1084, &words); /* no region's beginning */
	assert_int_equal(add(0x0f00, 0x80), 0);
	assert_int_equal(read_at(0x1000, 1), MMIO_DONE);
	assert_int_equal(read_at(0x1080, 1), MMIO_UNHANDLED);
	assert_int_equal(read_at(0x1084, 4), MMIO_DONE);
	assert_int_equal((uintptr_t)seen.device, 0x1080);
}

static void test_result_is_the_devices(void **state)
{
	uint32_t value = 0;

	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	seen.answer = MMIO_ABORT;
	assert_int_equal(read_at(0x1000, 4), MMIO_UNHANDLED);
	seen.answer = UINT32_MAX;
	assert_int_equal(access_at(0x1000, 4, false, &value), MMIO_DONE);
	assert_int_equal(value, UINT32_MAX);
	seen.refuse = true;
	assert_int_equal(access_at(0x1000, 4, true, &value), MMIO_UNHANDLED);
}

/* The device is not asked. */
static void test_unaligned(void **state)
{
	static const uint32_t bad[][2] = {{1, 2}, {3, 2}, {1, 4}, {2, 4}, {3, 4}, {0xffe, 4}, {0xfff, 2}, {0, 8}};

	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(read_at(0x1000 + bad[i][0], bad[i][1]), MMIO_UNHANDLED);
	assert_int_equal(seen.calls, 0);
}

/* A register does not answer in a width that it does not have. */
static void test_widths(void **state)
{
	(void)state;
	for (uint32_t widths = 0; widths <= MMIO_ANY; widths++) {
		setup(state);
		ops.widths = widths;
		assert_int_equal(add(0x1000, 0x1000), 0);
		for (uint32_t size = 1; size <= 4; size *= 2)
			assert_int_equal(read_at(0x1000, size), widths & size ? MMIO_DONE : MMIO_UNHANDLED);
		assert_int_equal(seen.calls, (uint32_t)__builtin_popcount(widths));
	}
}

static void test_ends(void **state)
{
	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	assert_int_equal(read_at(0x1ffc, 4), MMIO_DONE);
	assert_int_equal(read_at(0x1ffe, 2), MMIO_DONE);
	assert_int_equal(read_at(0x1fff, 1), MMIO_DONE);
	assert_int_equal(seen.offset, 0xfff);
	assert_int_equal(read_at(0x2000, 1), MMIO_UNHANDLED);
	assert_int_equal(read_at(0x0fff, 1), MMIO_UNHANDLED);
	assert_int_equal(read_at(UINT64_MAX, 1), MMIO_UNHANDLED);
}

/* A store brings only its width; a read is the device's, whatever the caller left there. */
static void test_values(void **state)
{
	uint32_t value = 0xa1b2c3d4;

	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	assert_int_equal(access_at(0x1000, 4, true, &value), MMIO_DONE);
	assert_int_equal(seen.value, 0xa1b2c3d4);
	assert_int_equal(access_at(0x1002, 2, true, &value), MMIO_DONE);
	assert_int_equal(seen.value, 0xc3d4);
	value = 0xa1b2c3d4;
	assert_int_equal(access_at(0x1003, 1, true, &value), MMIO_DONE);
	assert_int_equal(seen.value, 0xd4);
	value = 0xffffffff;
	seen.answer = 0x12;
	assert_int_equal(access_at(0x1000, 4, false, &value), MMIO_DONE);
	assert_int_equal(value, 0x12);
}

/* What hyp/exit/exit.c finds by itself: the region, or one that refuses. */
static const struct mmio_region *find_indexed(uint64_t at)
{
	uint32_t number = (uint32_t)(at >> 12 << 4);
	const struct mmio_page *page = mmio_page(&vm.bus, number);
	const struct mmio_region *region = mmio_block(&vm.bus, page, (uint32_t)at);

	return page->number == number && region != &vm.bus.region[0] ? region : NULL;
}

static uint32_t random32(void)
{
	static uint64_t x = 88172645463325252U;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

/* Blocks, pages, several pages; near each other, so that many share a page or overlap, and anywhere in 40 bits. */
static void add_random(void)
{
	uint64_t base = random32() % 4 ? 0x08000000U + (random32() & 0x3ff80U) : (uint64_t)random32() << 8;
	uint64_t size = 128U << random32() % 8;

	add(base & ~UINT64_C(127), random32() % 8 ? size : 4);
}

/* Every region of random sets, its borders, and the pages beside it. */
static void test_random_sets(void **state)
{
	for (uint32_t set = 0; set < 300; set++) {
		setup(state);
		for (uint32_t i = 0, n = random32() % 80; i < n; i++)
			add_random();
		for (uint32_t i = 1; i <= vm.bus.count; i++)
			for (uint64_t at = vm.bus.region[i].base - 0x1080; at < vm.bus.region[i].base + 0x2000;
			     at += 0x3c)
				assert_ptr_equal(mmio_find(&vm.bus, at), find_linear(at));
		for (uint32_t i = 1; i <= vm.bus.count; i++)
			if (!vm.bus.searched)
				assert_ptr_equal(find_indexed(vm.bus.region[i].base), &vm.bus.region[i]);
	}
}

/* As many devices as a VM may get, wherever their pages lie: none needs a search. */
static void test_all_are_indexed(void **state)
{
	static const uint32_t steps[] = {0x1000, 0x2000, 0x10000, 0x100000, 0x1000000};

	for (uint32_t i = 0; i < ARRAY_SIZE(steps); i++) {
		setup(state);
		for (uint32_t n = 0; n < 48; n++)
			assert_int_equal(add(0x08000000 + (uint64_t)n * steps[i], 0x1000), 0);
		assert_false(vm.bus.searched);
	}
	for (uint32_t set = 0; set < 100; set++) {
		setup(state);
		for (uint32_t n = 0; n < 40; n++)
			add((uint64_t)random32() << 12 & (BIT64(40) - 1), 0x1000);
		assert_false(vm.bus.searched);
	}
}

/* A page of 32 regions; one of words; one of several pages; one that is not. */
static void test_what_is_indexed(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 32; i++)
		assert_int_equal(add(0x1000 + i * 128, 128), 0);
	assert_int_equal(add(0x40000, 0x10000), 0);
	assert_false(vm.bus.searched);
	assert_ptr_equal(find_indexed(0x1fff), &vm.bus.region[32]);
	assert_ptr_equal(find_indexed(0x4ffff), &vm.bus.region[33]);
	assert_null(find_indexed(0x50000));
	assert_int_equal(add(0x2000, 0x84), 0);
	assert_true(vm.bus.searched);
	assert_null(find_indexed(0x2000));
	assert_ptr_equal(mmio_find(&vm.bus, 0x2080), &vm.bus.region[34]);
	ops.widths = MMIO_BYTE;
	assert_int_equal(add(0x3000, 0x1000), 0);
	assert_null(find_indexed(0x3000));
	assert_int_equal(read_at(0x3000, 1), MMIO_DONE);
	ops.widths = MMIO_ANY;
	assert_int_equal(add(0x100000, 0x11000), 0);
	assert_null(find_indexed(0x100000));
	assert_int_equal(read_at(0x110ffc, 4), MMIO_DONE);
	assert_int_equal(seen.offset, 0x10ffc);
}

/* What the empty blocks of a page lead to. */
static void test_region_0_refuses(void **state)
{
	const struct mmio_region *none = &vm.bus.region[0];

	(void)state;
	assert_int_equal(add(0x1000, 128), 0);
	assert_ptr_equal(mmio_block(&vm.bus, mmio_page(&vm.bus, 0x10), 0x1080), none);
	assert_true(none->ops.read(&vcpu, none->device, 0, 4) & MMIO_ABORT);
	assert_false(none->ops.write(&vcpu, none->device, 0, 0, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_overlap, setup),
		cmocka_unit_test_setup(test_invalid, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_find, setup),
		cmocka_unit_test_setup(test_offset_and_device, setup),
		cmocka_unit_test_setup(test_result_is_the_devices, setup),
		cmocka_unit_test_setup(test_unaligned, setup),
		cmocka_unit_test_setup(test_replace, setup),
		cmocka_unit_test_setup(test_widths, setup),
		cmocka_unit_test_setup(test_ends, setup),
		cmocka_unit_test_setup(test_values, setup),
		cmocka_unit_test_setup(test_random_sets, setup),
		cmocka_unit_test_setup(test_all_are_indexed, setup),
		cmocka_unit_test_setup(test_what_is_indexed, setup),
		cmocka_unit_test_setup(test_region_0_refuses, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
