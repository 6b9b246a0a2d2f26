/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror port of a switch (hyp/virtio/capture.c): what is sent is kept, as far as there is room, and nothing else.
 */
#include "hyp/virtio/capture.h"
#include "net_rig.h"

#define BYTES 64U

static struct capture capture;

static void start_capture(uint32_t bytes)
{
	start_all(2);
	fake_machine.reg[SYSREG_cntpct] = 77;
	assert_int_equal(capture_begin(&capture, switch_next(NULL), bytes), 0);
	assert_null(capture_first(&capture));
}

static void test_frames(void **state)
{
	const struct captured *frame;

	(void)state;
	start_capture(BYTES);
	transmit(0, 1, 60);
	transmit(1, 0, 1514);
	for (uint32_t slot = 0; slot < 2; slot++) {
		frame = capture_first(&capture);
		assert_non_null(frame);
		assert_int_equal(frame->time, 77);
		assert_int_equal(frame->len, slot ? 1514 : 60);
		assert_int_equal(frame->kept, slot ? BYTES : 60);
		assert_memory_equal(frame->bytes, fake_guest_at(OUT(slot) + 12U), frame->kept);
		capture_drop(&capture);
	}
	assert_null(capture_first(&capture));
	capture_end(&capture);
	transmit(0, 1, 60);
	assert_int_equal(count(1)->received, 2);
}

/* To no card that is here, and to all, once; not what is no frame of the card's. */
static void test_what_counts(void **state)
{
	static const uint8_t absent[MAC_BYTES] = {0x52, 0x54, 0, 9, 9, 9};
	uint8_t mac[MAC_BYTES];

	(void)state;
	start_capture(CAPTURE_BYTES_MAX);
	mac_of(1, mac);
	send_to(0, absent, 60);
	send_to(0, everyone, 61);
	send_from(0, mac, absent, 62);
	send_from(0, mac, mac, 13);
	assert_int_equal(capture.put, 2);
	assert_int_equal(capture_first(&capture)->len, 60);
	capture_drop(&capture);
	assert_int_equal(capture_first(&capture)->len, 61);
	capture_end(&capture);
}

static void test_full(void **state)
{
	(void)state;
	start_capture(CAPTURE_BYTES_MAX);
	for (uint32_t n = 0; n < capture.slots + 3U; n++) {
		if (n % SIZE == 0)
			start(0);
		transmit(0, 1, 60 + n);
	}
	assert_int_equal(capture.lost, 3);
	for (uint32_t n = 0; n < capture.slots; n++, capture_drop(&capture))
		assert_int_equal(capture_first(&capture)->len, 60 + n);
	assert_null(capture_first(&capture));
	start(0);
	transmit(0, 1, 60);
	assert_int_equal(capture_first(&capture)->len, 60);
	capture_end(&capture);
}

/* The switch outlives its cards as long as a capture looks. */
static void test_without_cards(void **state)
{
	(void)state;
	start_capture(BYTES);
	device_destroy_all(&rig_vm);
	assert_non_null(switch_next(NULL));
	capture_end(&capture);
	assert_null(switch_next(NULL));
}

static void test_no_memory(void **state)
{
	(void)state;
	start_all(2);
	fake_page_set_empty(true);
	assert_int_equal(capture_begin(&capture, switch_next(NULL), BYTES), -ENOMEM);
	fake_page_set_empty(false);
	transmit(0, 1, 60);
	assert_int_equal(count(1)->received, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_frames),        TEST(test_what_counts), TEST(test_full),
		TEST(test_without_cards), TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
