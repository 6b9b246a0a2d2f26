/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's virtio-rng, which is asked once (hyp/host/rngdev.c). */
#include "host_rig.h"
#include "hyp/host/rngdev.h"

static uint32_t answer_len;
static bool silent;

static void answer(uint32_t queue)
{
	int head = silent ? -1 : device_take(queue);
	const struct hostq_desc *desc;
	uint8_t *at;

	if (head < 0)
		return;
	desc = device_desc(queue, (uint32_t)head);
	assert_int_equal(desc->flags, VIRTQ_DESC_WRITE);
	at = at_pa(desc->addr);
	for (uint32_t i = 0; i < desc->len && i < answer_len; i++)
		at[i] = (uint8_t)(i + 1U);
	device_put(queue, (uint32_t)head, answer_len);
}

static void begin(uint32_t version)
{
	rig_device(version, HOSTVIRTIO_RNG, BIT64(28));
	device.on_notify = answer;
	rig_host.virtio[0] = 0xa003e00;
	rig_host.virtio_count = 1;
	answer_len = 32;
	silent = false;
}

static uint32_t words[8];

static uint32_t read_all(void)
{
	memset(words, 0, sizeof(words));
	return rngdev_read(&rig_host, words, ARRAY_SIZE(words));
}

static void expect_quiet(void)
{
	assert_int_equal(device.word[VIRTIO_STATUS / 4U], 0);
	assert_int_equal(heap_freed, 2); /* the buffer and the queue */
}

static void test_read(void **state)
{
	(void)state;
	for (uint32_t version = 1; version <= 2; version++) {
		begin(version);
		assert_int_equal(read_all(), 8);
		for (uint32_t i = 0; i < sizeof(words); i++)
			assert_int_equal(((uint8_t *)words)[i], i + 1U);
		expect_quiet();
	}
	begin(2);
	answer_len = 11;
	assert_int_equal(read_all(), 2);
	expect_quiet();
	begin(2);
	answer_len = 4096; /* more than it may have written */
	assert_int_equal(read_all(), 8);
	begin(2);
	silent = true;
	assert_int_equal(read_all(), 0);
	expect_quiet();
}

static void test_none(void **state)
{
	(void)state;
	begin(2);
	device.word[VIRTIO_DEVICE_ID / 4U] = HOSTVIRTIO_BLOCK;
	assert_int_equal(read_all(), 0);
	assert_int_equal(device.resets, 0);
	begin(2);
	rig_host.virtio_count = 0;
	assert_int_equal(read_all(), 0);
	begin(2);
	device.unmapped = true;
	assert_int_equal(read_all(), 0);
	begin(2);
	device.queue_max[0] = 0;
	assert_int_equal(read_all(), 0);
	begin(2);
	heap_end = 0;
	assert_int_equal(read_all(), 0);
	begin(2);
	device.refuses = true;
	assert_int_equal(read_all(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
