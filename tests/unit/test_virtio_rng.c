/* SPDX-License-Identifier: BSD-2-Clause */
/* The entropy device (hyp/virtio/rng.c): whatever layout its driver offers is filled with numbers, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "virtio_rig.h"

#define QUEUE_SIZE 8U
#define MOST       256U /* bytes that a request gets */
#define UNTOUCHED  0xa5 /* what the fake RAM is filled with */

extern const struct device_class vrng_class;

static struct virtio_device *rng;

static int setup(void **state)
{
	(void)state;
	rng = rig_begin(&vrng_class, "rng");
	rig_start(BIT64(VIRTIO_F_VERSION_1), 0, QUEUE_SIZE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_end();
	return 0;
}

static const uint8_t *data(void)
{
	return fake_guest_at(RIG_DATA);
}

/* tests/unit/fake/fake_random.c counts from 1. */
static void expect_numbers(const uint8_t *at, uint32_t len, uint32_t first)
{
	for (uint32_t n = 0; n < len; n++)
		assert_int_equal(at[n], (uint8_t)(first + n));
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(rig_read(VIRTIO_DEVICE_ID), VIRTIO_ID_RNG);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 64);
}

static void test_as_many_as_are_wanted(void **state)
{
	(void)state;
	rig_desc(0, RIG_DATA, 100, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	assert_in_range(rig_kick(), 1, 2); /* the last look may be a step too */
	assert_int_equal(rig_used_len(0), 100);
	expect_numbers(data(), 100, 1);
	assert_int_equal(data()[100], UNTOUCHED);
	assert_int_equal(rng->device.count.bytes, 100);
}

/* Three pieces, and what the driver only reads before them stays as it is. */
static void test_pieces(void **state)
{
	(void)state;
	rig_desc(0, RIG_DATA + 1000, 16, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, RIG_DATA, 1, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
	rig_desc(2, RIG_DATA + 10, 7, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 3);
	rig_desc(3, RIG_DATA + 100, 2, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(rig_used_len(0), 10);
	expect_numbers(data(), 1, 1);
	expect_numbers(data() + 10, 7, 2);
	expect_numbers(data() + 100, 2, 9);
	assert_int_equal(data()[1], UNTOUCHED);
	assert_int_equal(data()[1000], UNTOUCHED);
}

static void test_a_long_request_gets_a_part(void **state)
{
	(void)state;
	rig_desc(0, RIG_DATA, 0x10000, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(rig_used_len(0), MOST);
	expect_numbers(data(), MOST, 1);
	assert_int_equal(data()[MOST], UNTOUCHED);
}

/* However much is offered, the vCPU's interrupts wait for one request only. */
static void test_a_request_is_a_step(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 4; n++) {
		rig_desc(n, RIG_DATA + n * MOST, MOST, VIRTQ_DESC_WRITE, 0);
		rig_offer(n);
	}
	assert_in_range(rig_kick(), 4, 5);
	assert_int_equal(rig_used_index(), 4);
	for (uint32_t n = 0; n < 4; n++)
		expect_numbers(data() + n * MOST, MOST, 1);
}

/* Nothing to write to, and RAM that aborts: used with no byte, counted, and the next request is served. */
static void test_bad_requests(void **state)
{
	(void)state;
	rig_desc(0, RIG_DATA, 16, 0, 0);
	rig_offer(0);
	fake_virtio.bad = RIG_DATA + 0x1000;
	fake_virtio.bad_size = 0x1000;
	rig_desc(1, RIG_DATA + 0x1000, 16, VIRTQ_DESC_WRITE, 0);
	rig_offer(1);
	rig_desc(2, RIG_DATA, 16, VIRTQ_DESC_WRITE, 0);
	rig_offer(2);
	rig_kick();
	assert_int_equal(rig_used_index(), 3);
	assert_int_equal(rig_used_len(0), 0);
	assert_int_equal(rig_used_len(1), 0);
	assert_int_equal(rig_used_len(2), 16);
	assert_int_equal(rng->device.count.errors, 2);
	assert_int_equal(rng->device.count.bytes, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_as_many_as_are_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_long_request_gets_a_part, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_request_is_a_step, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_requests, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
