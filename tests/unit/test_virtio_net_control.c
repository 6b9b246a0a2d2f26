/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control queue of a network card (hyp/virtio/net_control.c): what its driver wants arrives, and what it does not
 * want stays away; commands in any layout, and wrong ones, end in an answer.
 */
#include "net_rig.h"

#define F_CTRL_RX    18U
#define F_CTRL_EXTRA 20U
#define F_CTRL_MAC   23U
#define FEATURES     (BIT(F_CTRL_VQ) | BIT(F_CTRL_RX) | BIT(F_CTRL_EXTRA))

#define RX        0U
#define PROMISC   0U
#define ALLMULTI  1U
#define ALLUNI    2U
#define NOMULTI   3U
#define NOUNI     4U
#define NOBCAST   5U
#define MAC       1U
#define TABLE_SET 0U
#define ADDR_SET  1U

#define OK     0U
#define ERROR  1U
#define SILENT 0xa5U /* no answer has been written */

#define ANSWER(slot) (COMMAND(slot) + 0x1800U)

static const uint8_t group[MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 1}, other_group[MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 2};
static const uint8_t behind[MAC_BYTES] = {2, 0, 0, 0, 0, 7};

/* The command at COMMAND(slot), `len` bytes in pieces of `each`; its answer. */
static uint8_t ask_pieces(uint32_t slot, uint32_t len, uint32_t each)
{
	struct ring *r = &rings[slot][CONTROL];
	uint64_t table = COMMAND(slot) + 0x1000U;
	uint8_t *answer = fake_guest_at(ANSWER(slot));
	uint32_t index = 0;

	*answer = SILENT;
	for (uint32_t at = 0; at < len; at += each, index++)
		rig_desc_at(table, index, COMMAND(slot) + at, MIN(each, len - at), VIRTQ_DESC_NEXT, index + 1U);
	rig_desc_at(table, index++, ANSWER(slot), 1, VIRTQ_DESC_WRITE, 0);
	assert_in_range(index, 1, SIZE);
	memcpy(fake_guest_at(RING(r)), fake_guest_at(table), (size_t)index * 16U);
	offer(r, 0, SIZE);
	reg(slot, VIRTIO_QUEUE_NOTIFY, CONTROL);
	work();
	return *answer;
}

static uint8_t ask(uint32_t slot, uint32_t len)
{
	return ask_pieces(slot, len, 512);
}

static uint8_t set_mode(uint32_t slot, uint8_t mode, uint8_t on)
{
	memcpy(fake_guest_at(COMMAND(slot)), (uint8_t[]){RX, mode, on}, 3);
	return ask_pieces(slot, 3, 1);
}

/* Two lists: `one` times `behind`, `many` groups, of which the first is `group`. The command's length. */
static uint32_t write_table(uint32_t slot, uint32_t one, uint32_t many)
{
	uint8_t *at = fake_guest_at(COMMAND(slot)), *begun = at;

	*at++ = MAC;
	*at++ = TABLE_SET;
	memcpy(at, &one, sizeof(one));
	at += sizeof(one);
	for (uint32_t i = 0; i < one; i++, at += MAC_BYTES)
		memcpy(at, behind, MAC_BYTES);
	memcpy(at, &many, sizeof(many));
	at += sizeof(many);
	for (uint32_t i = 0; i < many; i++, at += MAC_BYTES)
		memcpy(at, group, MAC_BYTES);
	return (uint32_t)(at - begun);
}

static void start_control(uint32_t count, bool legacy)
{
	accepted[1] = FEATURES;
	if (legacy)
		flag[1] = "virtio-legacy";
	start_all(count);
}

/* What has come to card 1 since the last time. */
static uint32_t come(void)
{
	static uint32_t before;
	uint32_t now = count(1)->received, since = now - before;

	before = now;
	if (now == 0)
		since = 0;
	return since;
}

static void test_modes(bool legacy)
{
	start_control(2, legacy);
	(void)come();
	send_to(0, group, 60);
	assert_int_equal(come(), 1); /* until the driver says otherwise */
	assert_int_equal(set_mode(1, PROMISC, 0), OK);
	send_to(0, group, 60);
	assert_int_equal(come(), 0);
	send_to(0, everyone, 60);
	transmit(0, 1, 60);
	assert_int_equal(come(), 2);
	assert_int_equal(set_mode(1, ALLMULTI, 1), OK);
	send_to(0, group, 60);
	assert_int_equal(come(), 1);
	assert_int_equal(set_mode(1, NOMULTI, 1), OK);
	send_to(0, group, 60);
	assert_int_equal(come(), 0);
	assert_int_equal(set_mode(1, NOBCAST, 1), OK);
	assert_int_equal(set_mode(1, NOUNI, 1), OK);
	send_to(0, everyone, 60);
	transmit(0, 1, 60);
	assert_int_equal(come(), 0);
	assert_int_equal(set_mode(1, PROMISC, 1), OK);
	send_to(0, group, 60);
	assert_int_equal(come(), 1);
	assert_int_equal(set_mode(1, 6, 1), ERROR);
	assert_int_equal(set_mode(1, 255, 1), ERROR);
	assert_int_equal(dropped(1, NET_DOWN) + dropped(1, NET_NO_BUFFER), 0); /* what it does not want is not lost */
}

static void test_modes_2(void **state)
{
	(void)state;
	test_modes(false);
}

static void test_modes_1(void **state)
{
	(void)state;
	test_modes(true);
}

static void test_table(void **state)
{
	(void)state;
	flag[1] = "allow-any-mac";
	start_control(2, false);
	(void)come();
	assert_int_equal(set_mode(1, PROMISC, 0), OK);
	for (uint32_t each = 4; each < 24; each++) {
		start(1);
		(void)come();
		assert_int_equal(set_mode(1, PROMISC, 0), OK);
		assert_int_equal(ask_pieces(1, write_table(1, 0, 0), each), OK);
		send_to(0, group, 60);
		assert_int_equal(come(), 0);
		assert_int_equal(ask_pieces(1, write_table(1, 1, 1), each), OK);
		send_to(0, group, 60);
		assert_int_equal(come(), 1);
		send_to(0, other_group, 60);
		assert_int_equal(come(), 0);
		transmit(0, 1, 60);
		assert_int_equal(come(), 1);
	}
}

/* More than are read: all of the kind. As many as are read take several steps. */
static void test_long_tables(void **state)
{
	uint32_t len;

	(void)state;
	start_control(2, false);
	(void)come();
	assert_int_equal(set_mode(1, PROMISC, 0), OK);
	assert_int_equal(ask(1, write_table(1, 256, 256)), OK);
	send_to(0, group, 60);
	send_to(0, other_group, 60);
	assert_int_equal(come(), 1);
	assert_int_equal(ask(1, write_table(1, 300, 257)), OK);
	send_to(0, group, 60);
	send_to(0, other_group, 60);
	assert_int_equal(come(), 2);
	len = write_table(1, 2, 2);
	assert_int_equal(ask(1, len - 1U), ERROR);
	send_to(0, other_group, 60);
	assert_int_equal(come(), 1); /* as it was */
	for (uint32_t cut = 0; cut < len; cut++)
		assert_int_equal(ask(1, cut), ERROR);
	memset(fake_guest_at(COMMAND(1) + 2U), 0xff, 4);
	assert_int_equal(ask(1, len), ERROR);
}

static void test_address(void **state)
{
	uint8_t *at;

	(void)state;
	flag[1] = "allow-any-mac";
	start_all(3);
	rig_write_size(1, VIRTIO_DEVICE_FEATURES_SEL, 0, 4);
	assert_true(rig_read_size(1, VIRTIO_DEVICE_FEATURES, 4) & BIT(F_CTRL_MAC));
	rig_write_size(0, VIRTIO_DEVICE_FEATURES_SEL, 0, 4);
	assert_false(rig_read_size(0, VIRTIO_DEVICE_FEATURES, 4) & BIT(F_CTRL_MAC));
	accepted[1] = FEATURES | BIT(F_CTRL_MAC);
	start(1);
	at = fake_guest_at(COMMAND(1));
	memcpy(at, (uint8_t[]){MAC, ADDR_SET}, 2);
	memcpy(at + 2, group, MAC_BYTES);
	assert_int_equal(ask(1, 8), ERROR);
	memcpy(at + 2, behind, MAC_BYTES);
	assert_int_equal(ask(1, 7), ERROR);
	assert_int_equal(ask(1, 8), OK);
	assert_memory_equal(&card[1]->state->page.byte[VIRTIO_CONFIG], behind, MAC_BYTES);
	assert_int_equal(set_mode(1, PROMISC, 0), OK);
	send_from(1, everyone, behind, 60); /* now it is known where that is */
	(void)come();
	send_to(0, behind, 60);
	assert_int_equal(come(), 1);
	start(1);
	assert_int_equal(card[1]->state->page.byte[VIRTIO_CONFIG + 5U], 1); /* a reset gives it its own again */
}

/* Without the feature there is no such command; other commands there are not; no room for the answer. */
static void test_refused(void **state)
{
	(void)state;
	accepted[1] = BIT(F_CTRL_VQ);
	start_all(2);
	assert_int_equal(set_mode(1, PROMISC, 0), ERROR);
	assert_int_equal(set_mode(1, ALLUNI, 1), ERROR);
	assert_int_equal(ask(1, write_table(1, 1, 1)), ERROR);
	for (uint32_t class = 0; class < 256; class ++) {
		memset(fake_guest_at(COMMAND(1)), (int)class, 8);
		assert_int_equal(ask(1, 8), ERROR);
	}
	desc(&rings[1][CONTROL], 0, COMMAND(1), 8, 0, 0);
	offer(&rings[1][CONTROL], 0, SIZE);
	reg(1, VIRTIO_QUEUE_NOTIFY, CONTROL);
	work();
	assert_int_equal(card[1]->state->page.word[VIRTIO_STATUS / 4U] & VIRTIO_STATUS_NEEDS_RESET, 0);
}

/* Answers in RAM that the guest has not touched: a part of a block a step (work() looks at each), and each command
 * counts once.
 */
static void test_answers_touch(void **state)
{
	const uint64_t far = MACHINE_RAM_BASE + 48U * KIB(64);
	struct ring *r = &rings[1][CONTROL];

	(void)state;
	start_control(2, false);
	memcpy(fake_guest_at(COMMAND(1)), (uint8_t[]){RX, PROMISC, 0}, 3);
	for (uint32_t i = 0; i < SIZE / 2U; i++) {
		*(uint8_t *)fake_guest_at(far + i * KIB(64)) = SILENT;
		desc(r, 2U * i, COMMAND(1), 3, VIRTQ_DESC_NEXT, 2U * i + 1U);
		desc(r, 2U * i + 1U, far + i * KIB(64), 1, VIRTQ_DESC_WRITE, 0);
		offer(r, 2U * i, SIZE);
	}
	fake_virtio.fresh = UINT64_C(0xf) << 48;
	fake_virtio.touches = 0;
	reg(1, VIRTIO_QUEUE_NOTIFY, CONTROL);
	assert_in_range(fake_virtio.touches, 0, 1);
	work();
	assert_int_equal(fake_virtio.fresh, 0);
	for (uint32_t i = 0; i < SIZE / 2U; i++)
		assert_int_equal(*(uint8_t *)fake_guest_at(far + i * KIB(64)), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_modes_2), TEST(test_modes_1), TEST(test_table),         TEST(test_long_tables),
		TEST(test_address), TEST(test_refused), TEST(test_answers_touch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
