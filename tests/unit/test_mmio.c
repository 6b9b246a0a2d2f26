/* The MMIO bus: order and overlap of regions, search against a linear model, alignment, widths, the vCPU's hint. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "hyp/mmio.h"
#include "hyp/vm.h"

static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};

/* The device's view of the last access, and what it answers. */
static struct {
	unsigned int calls;
	void *device;
	struct mmio_access access;
	uint32_t answer;
	enum mmio_result result;
} seen;

static enum mmio_result device_access(struct vcpu *from, void *device, struct mmio_access *access)
{
	assert_ptr_equal(from, &vcpu);
	seen.calls++;
	seen.device = device;
	seen.access = *access;
	if (!access->write)
		access->value |= seen.answer;
	return seen.result;
}

static int setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(&seen, 0, sizeof(seen));
	vcpu.mmio_hint = NULL;
	return 0;
}

static int add(uint64_t base, uint64_t size)
{
	return mmio_add(&vm.bus, base, size, device_access, (void *)(uintptr_t)base);
}

static enum mmio_result access_at(uint64_t at, uint32_t size, bool write, uint32_t *value)
{
	struct mmio_access access = {.offset = 0xdeadbeef, .size = size, .write = write, .value = *value};
	enum mmio_result result = mmio_access(&vcpu, at, &access);

	*value = access.value;
	return result;
}

static enum mmio_result read_at(uint64_t at, uint32_t size)
{
	uint32_t value = 0;

	return access_at(at, size, false, &value);
}

static void test_sorted(void **state)
{
	(void)state;
	assert_int_equal(add(0x09000000, 0x1000), 0);
	assert_int_equal(add(0x08000000, 0x1000), 0);
	assert_int_equal(add(0x8000000000, 0x1000), 0);
	assert_int_equal(add(0x0a000000, 0x200), 0);
	assert_int_equal(add(0x0a000200, 0x200), 0);
	assert_int_equal(vm.bus.count, 5);
	for (uint32_t i = 1; i < vm.bus.count; i++)
		assert_true(vm.bus.region[i - 1].base < vm.bus.region[i].base);
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
	for (uint32_t i = 0; i < vm.bus.count; i++)
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
	assert_int_equal(seen.access.offset, 0x18);
	assert_int_equal((uintptr_t)seen.device, 0x09000000);
	assert_int_equal(read_at(0x8000000ffc, 4), MMIO_DONE);
	assert_int_equal(seen.access.offset, 0xffc);
	assert_int_equal((uintptr_t)seen.device, 0x8000000000);
	assert_int_equal(read_at(0x0000000ffc, 4), MMIO_UNHANDLED); /* the low word alone is no address */
	assert_int_equal(seen.calls, 2);
}

static void test_result_is_the_devices(void **state)
{
	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	seen.result = MMIO_RETRY;
	assert_int_equal(read_at(0x1000, 4), MMIO_RETRY);
	seen.result = MMIO_UNHANDLED;
	assert_int_equal(read_at(0x1000, 4), MMIO_UNHANDLED);
}

/* The device is not asked; also where the hint would have matched. */
static void test_unaligned(void **state)
{
	static const uint32_t bad[][2] = {{1, 2}, {3, 2}, {1, 4}, {2, 4}, {3, 4}, {0xffe, 4}, {0xfff, 2}, {0, 8}};

	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			assert_int_equal(read_at(0x1000 + bad[i][0], bad[i][1]), MMIO_UNHANDLED);
		assert_int_equal(seen.calls, pass);
		assert_int_equal(read_at(0x1000, 4), MMIO_DONE);
	}
}

static void test_ends(void **state)
{
	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	assert_int_equal(read_at(0x1ffc, 4), MMIO_DONE);
	assert_int_equal(read_at(0x1ffe, 2), MMIO_DONE);
	assert_int_equal(read_at(0x1fff, 1), MMIO_DONE);
	assert_int_equal(seen.access.offset, 0xfff);
	assert_int_equal(read_at(0x2000, 1), MMIO_UNHANDLED);
	assert_int_equal(read_at(0x0fff, 1), MMIO_UNHANDLED);
	assert_int_equal(read_at(UINT64_MAX, 1), MMIO_UNHANDLED);
}

/* A store brings only its width; a read starts at 0 whatever the caller left there. */
static void test_values(void **state)
{
	uint32_t value = 0xa1b2c3d4;

	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	assert_int_equal(access_at(0x1000, 4, true, &value), MMIO_DONE);
	assert_int_equal(seen.access.value, 0xa1b2c3d4);
	assert_int_equal(access_at(0x1002, 2, true, &value), MMIO_DONE);
	assert_int_equal(seen.access.value, 0xc3d4);
	value = 0xa1b2c3d4;
	assert_int_equal(access_at(0x1003, 1, true, &value), MMIO_DONE);
	assert_int_equal(seen.access.value, 0xd4);
	value = 0xffffffff;
	seen.answer = 0x12;
	assert_int_equal(access_at(0x1000, 4, false, &value), MMIO_DONE);
	assert_int_equal(value, 0x12);
}

/* Follows the accesses, survives a miss, and is never believed where it does not match. */
static void test_hint(void **state)
{
	(void)state;
	assert_int_equal(add(0x1000, 0x1000), 0);
	assert_int_equal(add(0x3000, 0x1000), 0);
	assert_int_equal(read_at(0x3004, 4), MMIO_DONE);
	assert_ptr_equal(vcpu.mmio_hint, &vm.bus.region[1]);
	assert_int_equal(read_at(0x2ffc, 4), MMIO_UNHANDLED);
	assert_int_equal(read_at(0x4000, 4), MMIO_UNHANDLED);
	assert_ptr_equal(vcpu.mmio_hint, &vm.bus.region[1]);
	assert_int_equal(read_at(0x1008, 4), MMIO_DONE);
	assert_int_equal((uintptr_t)seen.device, 0x1000);
	assert_ptr_equal(vcpu.mmio_hint, &vm.bus.region[0]);
	vm.bus.count = 0; /* no search for the same region again */
	assert_int_equal(read_at(0x1ffc, 4), MMIO_DONE);
	assert_int_equal(seen.access.offset, 0xffc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sorted, setup),
		cmocka_unit_test_setup(test_overlap, setup),
		cmocka_unit_test_setup(test_invalid, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_find, setup),
		cmocka_unit_test_setup(test_offset_and_device, setup),
		cmocka_unit_test_setup(test_result_is_the_devices, setup),
		cmocka_unit_test_setup(test_unaligned, setup),
		cmocka_unit_test_setup(test_ends, setup),
		cmocka_unit_test_setup(test_values, setup),
		cmocka_unit_test_setup(test_hint, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
