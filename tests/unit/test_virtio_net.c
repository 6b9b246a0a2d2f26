/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network cards and switches (hyp/virtio/net.c, switch.c): a frame arrives where it belongs and nowhere else, whole or
 * not at all; what drivers do wrong is counted and harms no other. The cards are one VM's here.
 */
#include "net_rig.h"

static void test_identity(void **state)
{
	(void)state;
	make(1);
	assert_int_equal(rig_read(VIRTIO_DEVICE_ID), VIRTIO_ID_NET);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 256);
	rig_write(VIRTIO_QUEUE_SEL, 3);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 0);
	rig_write(VIRTIO_DEVICE_FEATURES_SEL, 0);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES), 0x301799ab); /* CTRL_MAC_ADDR is for any-mac */
	assert_int_equal(rig_read(VIRTIO_CONFIG), 0x00005452);
	assert_int_equal(rig_read(VIRTIO_CONFIG + 4U), 0x00010000); /* link up */
	assert_int_equal(rig_read_size(0, VIRTIO_CONFIG + 10U, 2), 1500);
	assert_string_equal(net_port(&card[0]->device)->name, "web.net0");
	assert_string_equal(switch_name(switch_next(NULL)), "lan");
	assert_null(switch_next(switch_next(NULL)));
}

static void test_one_to_another(void **state)
{
	(void)state;
	start_all(3);
	assert_in_range(transmit(0, 1, 60), 1, 2);
	assert_int_equal(used(1, RECEIVE), 1);
	expect_frame(1, 0, 0, 60);
	assert_true(rig_line[1]);
	assert_false(rig_line[2]);
	assert_int_equal(used(2, RECEIVE), 0);
	assert_int_equal(used(0, RECEIVE), 0);
	assert_int_equal(used(0, TRANSMIT), 1);
	transmit(1, 0, 1514);
	expect_frame(0, 0, 1, 1514);
	assert_int_equal(count(0)->sent, 1);
	assert_int_equal(count(1)->received, 1);
	assert_int_equal(count(1)->sent, 1);
	assert_int_equal(card[0]->device.count.bytes, 60 + 1514);
	assert_int_equal(card[0]->device.count.errors, 0);
	rig_write_size(1, VIRTIO_QUEUE_NOTIFY, RECEIVE, 4); /* a buffer is looked for when there is a frame */
	work();
	assert_int_equal(used(1, RECEIVE), 1);
}

/* Who fills the receive queue looks into it by itself: a driver without EVENT_IDX is told so (2.7.10). */
static void test_needs_no_notification(void **state)
{
	(void)state;
	flag[2] = "virtio-legacy";
	make(3);
	accepted[1] = BIT(VIRTIO_F_EVENT_IDX);
	for (uint32_t slot = 0; slot < 3; slot++) {
		start(slot);
		assert_int_equal(rig_get16(used_ring(&rings[slot][RECEIVE])), slot == 1 ? 0 : VIRTQ_NO_NOTIFY);
		assert_int_equal(rig_get16(used_ring(&rings[slot][TRANSMIT])), 0);
	}
	transmit(1, 0, 60);
	expect_frame(0, 0, 1, 60);
	assert_int_equal(rig_get16(used_ring(&rings[0][RECEIVE])), VIRTQ_NO_NOTIFY);
}

/* Each of the two kinds of header on each side. */
static void test_legacy(void **state)
{
	(void)state;
	flag[1] = flag[3] = "virtio-legacy";
	start_all(4);
	for (uint32_t from = 0; from < 2; from++)
		for (uint32_t to = 2; to < 4; to++) {
			transmit(from, to, 100);
			expect_frame(to, from, from, 100);
		}
}

static void test_to_all(void **state)
{
	static const uint8_t group[MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 1};

	(void)state;
	flag[1] = flag[2] = "isolated";
	start_all(4);
	send_to(0, everyone, 60);
	for (uint32_t to = 1; to < 4; to++)
		expect_frame(to, 0, 0, 60);
	assert_int_equal(used(0, RECEIVE), 0);
	send_to(1, group, 70); /* not to the other one that is isolated */
	expect_frame(0, 0, 1, 70);
	expect_frame(3, 1, 1, 70);
	assert_int_equal(used(2, RECEIVE), 1);
	transmit(1, 2, 60);
	assert_int_equal(dropped(1, NET_ISOLATED), 1);
	assert_int_equal(used(2, RECEIVE), 1);
	transmit(2, 3, 60);
	expect_frame(3, 2, 2, 60);
	transmit(0, 2, 60);
	expect_frame(2, 1, 0, 60);
	transmit(0, 0, 60);
	assert_int_equal(dropped(0, NET_ISOLATED), 1);
	assert_int_equal(count(0)->sent, 2);
}

/* In as many steps as it takes, and each gets it once. */
static void test_to_many(void **state)
{
	(void)state;
	start_all(CARDS_MAX);
	assert_in_range(send_to(0, everyone, 1514), 2, CARDS_MAX);
	for (uint32_t to = 1; to < CARDS_MAX; to++) {
		assert_int_equal(used(to, RECEIVE), 1);
		expect_frame(to, 0, 0, 1514);
	}
	assert_int_equal(used(0, TRANSMIT), 1);
	assert_int_equal(count(0)->sent, 1);
}

/* Cards that take nothing of a frame to all cost its sender something, too: a step has an end. */
static void test_to_many_without_buffers(void **state)
{
	(void)state;
	make(CARDS_MAX);
	for (uint32_t slot = 0; slot < CARDS_MAX; slot++)
		start_size(slot, SIZE);
	assert_in_range(send_to(0, everyone, 60), 2, CARDS_MAX);
	for (uint32_t to = 1; to < CARDS_MAX; to++)
		assert_int_equal(dropped(to, NET_NO_BUFFER), 1);
	assert_int_equal(count(0)->sent, 1);
}

static void test_wrong_source(void **state)
{
	static const uint8_t other[MAC_BYTES] = {0x52, 0x54, 0, 9, 9, 9};
	uint8_t mac[MAC_BYTES], neighbour[MAC_BYTES];

	(void)state;
	start_all(3);
	mac_of(1, mac);
	mac_of(2, neighbour);
	send_from(0, mac, other, 60);
	send_from(0, mac, neighbour, 60);
	send_from(0, everyone, everyone, 60);
	assert_int_equal(dropped(0, NET_SPOOFED), 3);
	assert_int_equal(used(0, TRANSMIT), 3);
	assert_int_equal(used(1, RECEIVE), 0);
	assert_int_equal(card[0]->device.count.errors, 3);
	send_to(0, other, 60);
	assert_int_equal(dropped(0, NET_UNKNOWN), 1);
}

/* What a port may send from is learned, is forgotten after a while, and never is another port's own. */
static void test_any_mac(void **state)
{
	static const uint8_t behind[MAC_BYTES] = {0x02, 0, 0, 0, 0, 7}, group[MAC_BYTES] = {0x03, 0, 0, 0, 0, 7};
	uint8_t mac[MAC_BYTES], neighbour[MAC_BYTES];

	(void)state;
	flag[0] = flag[2] = "allow-any-mac";
	start_all(4);
	mac_of(1, mac);
	mac_of(3, neighbour);
	send_to(1, behind, 60);
	assert_int_equal(dropped(1, NET_UNKNOWN), 1);
	send_from(0, mac, behind, 60);
	expect_frame(1, 0, 0, 60);
	send_to(1, behind, 60);
	expect_frame(0, 0, 1, 60);
	send_from(2, mac, behind, 60); /* it moves */
	send_to(1, behind, 60);
	expect_frame(2, 0, 1, 60);
	fake_machine.reg[SYSREG_cntpct] += (uint64_t)SWITCH_AGE_S * HZ;
	send_to(1, behind, 60);
	expect_frame(2, 1, 1, 60);
	fake_machine.reg[SYSREG_cntpct]++;
	send_to(1, behind, 60);
	assert_int_equal(dropped(1, NET_UNKNOWN), 2);
	send_from(0, mac, neighbour, 60);
	send_from(0, mac, group, 60);
	assert_int_equal(dropped(0, NET_SPOOFED), 2);
	transmit(1, 3, 60);
	expect_frame(3, 0, 1, 60);
}

/* As many in a second as it may, at once or one after the other; what is to one card has no limit. */
static void test_group_limit(void **state)
{
	(void)state;
	group_limit = 10;
	start_all(2);
	fake_machine.reg[SYSREG_cntpct] = 10U * HZ;
	for (uint32_t n = 0; n < 15; n++)
		send_to(0, everyone, 60);
	assert_int_equal(dropped(0, NET_STORM), 5);
	assert_int_equal(count(0)->sent, 10);
	start(1);
	transmit(0, 1, 60);
	assert_int_equal(count(0)->sent, 11);
	send_to(1, everyone, 60); /* each card has its own */
	assert_int_equal(dropped(1, NET_STORM), 0);
	for (uint32_t n = 0; n < 20; n++) {
		fake_machine.reg[SYSREG_cntpct] += HZ / 20U;
		send_to(0, everyone, 60);
	}
	assert_int_equal(dropped(0, NET_STORM), 15);
	fake_machine.reg[SYSREG_cntpct] += 100U * HZ;
	for (uint32_t n = 0; n < 15; n++)
		send_to(0, everyone, 60);
	assert_int_equal(dropped(0, NET_STORM), 20);
}

/* More addresses than there is room for: the newest are known, and nothing else is lost. */
static void test_learned_is_bounded(void **state)
{
	uint8_t mac[MAC_BYTES], behind[MAC_BYTES] = {0x02};

	(void)state;
	flag[0] = "allow-any-mac";
	start_all(2);
	mac_of(1, mac);
	for (uint32_t n = 0; n < 4U * SWITCH_LEARNED; n++) {
		fake_machine.reg[SYSREG_cntpct]++;
		behind[4] = (uint8_t)(n >> 8);
		behind[5] = (uint8_t)n;
		send_from(0, mac, behind, 60);
		send_to(1, behind, 60);
		assert_int_equal(dropped(1, NET_UNKNOWN), 0);
		if (used(0, RECEIVE) % SIZE == 0) {
			start(0);
			start(1);
		}
	}
	behind[4] = behind[5] = 0;
	send_to(1, behind, 60);
	assert_int_equal(dropped(1, NET_UNKNOWN), 1);
	transmit(1, 0, 60);
	assert_int_equal(dropped(1, NET_UNKNOWN), 1);
}

static void send_len(uint32_t len)
{
	desc(&rings[0][TRANSMIT], 0, OUT(0), len, 0, 0);
	offer(&rings[0][TRANSMIT], 0, SIZE);
	kick(0);
}

/* By the length of header and frame together. */
static void test_lengths(void **state)
{
	static const uint32_t wrong[] = {0, 1, 11, 12, 12 + 13, 12 + 1515, 12 + 1518, 12 + 9000, 65550};
	static const uint32_t fine[] = {12 + 14, 12 + 15, 12 + 1514};
	uint8_t from[MAC_BYTES];

	(void)state;
	start_all(2);
	mac_of(0, from);
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		write_frame(0, everyone, from, 100);
		send_len(wrong[i]);
		assert_int_equal(dropped(0, NET_MALFORMED), i + 1U);
	}
	assert_int_equal(used(1, RECEIVE), 0);
	assert_int_equal(used(0, TRANSMIT), ARRAY_SIZE(wrong));
	for (uint32_t i = 0; i < ARRAY_SIZE(fine); i++) {
		write_frame(0, everyone, from, fine[i] - 12U);
		send_len(fine[i]);
		expect_frame(1, i, 0, fine[i] - 12U);
	}
	/* A VLAN's tag is no part of the MTU. */
	write_frame(0, everyone, from, 1519);
	memcpy((uint8_t *)fake_guest_at(OUT(0)) + 12U + 12U, "\x81\x00", 2);
	send_len(12 + 1519);
	assert_int_equal(dropped(0, NET_MALFORMED), ARRAY_SIZE(wrong) + 1U);
	send_len(12 + 1518);
	assert_int_equal(used_len(1, ARRAY_SIZE(fine)), 12U + 1518U);
	assert_int_equal(rig_read(VIRTIO_STATUS) & VIRTIO_STATUS_NEEDS_RESET, 0);
}

/* In `pieces` of whatever size, the last one with the rest; through an indirect table. */
static void scatter_out(uint32_t pieces, uint32_t each, uint32_t len)
{
	uint64_t table = OUT(0) + 0x3000U;

	for (uint32_t i = 0; i < pieces; i++)
		rig_desc_at(table, i, OUT(0) + i * each, i + 1U < pieces ? each : len - i * each,
			    i + 1U < pieces ? VIRTQ_DESC_NEXT : 0, i + 1U);
	desc(&rings[0][TRANSMIT], 0, table, 16U * pieces, VIRTQ_DESC_INDIRECT, 0);
	offer(&rings[0][TRANSMIT], 0, SIZE);
	kick(0);
}

static void accept_indirect(uint32_t slot)
{
	reg(slot, VIRTIO_STATUS, 0);
	reg(slot, VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	reg(slot, VIRTIO_DRIVER_FEATURES_SEL, 0);
	reg(slot, VIRTIO_DRIVER_FEATURES, BIT(VIRTIO_F_INDIRECT_DESC));
	reg(slot, VIRTIO_DRIVER_FEATURES_SEL, 1);
	reg(slot, VIRTIO_DRIVER_FEATURES, 1);
	reg(slot, VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	for (uint32_t queue = RECEIVE; queue <= TRANSMIT; queue++)
		set_ready(&rings[slot][queue], 128); /* a chain is no longer than its queue */
	reg(slot, VIRTIO_STATUS,
	    VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
}

static void test_sent_in_pieces(void **state)
{
	uint8_t from[MAC_BYTES];

	(void)state;
	start_all(2);
	accept_indirect(0);
	mac_of(0, from);
	write_frame(0, everyone, from, 400);
	scatter_out(2, 12, 412);
	expect_frame(1, 0, 0, 400);
	scatter_out(2, 7, 412);
	expect_frame(1, 1, 0, 400);
	scatter_out(51, 1, 412); /* 25 pieces behind the front */
	assert_int_equal(dropped(0, NET_MALFORMED), 1);
	scatter_out(50, 1, 412);
	expect_frame(1, 2, 0, 400);
	scatter_out(120, 1, 412);
	assert_int_equal(dropped(0, NET_MALFORMED), 2);
	assert_int_equal(used(0, TRANSMIT), 5);
}

static void test_received_in_pieces(void **state)
{
	uint64_t table = IN(1, 4);

	(void)state;
	start_all(2);
	accept_indirect(1);
	for (uint32_t i = 0; i < 24; i++)
		rig_desc_at(table, i, IN(1, 0) + i, i < 23 ? 1 : 1000,
			    VIRTQ_DESC_WRITE | (i < 23 ? VIRTQ_DESC_NEXT : 0), i + 1U);
	memset(fake_guest_at(IN(1, 0)), UNTOUCHED, BUFFER);
	desc(&rings[1][RECEIVE], 0, table, 24 * 16, VIRTQ_DESC_INDIRECT, 0);
	offer(&rings[1][RECEIVE], 0, SIZE);
	transmit(0, 1, 60);
	expect_frame(1, 0, 0, 60);
	table += 24U * 16U;
	for (uint32_t i = 0; i < 100; i++)
		rig_desc_at(table, i, IN(1, 0) + i, 1, VIRTQ_DESC_WRITE | (i < 99 ? VIRTQ_DESC_NEXT : 0), i + 1U);
	desc(&rings[1][RECEIVE], 1, table, 100 * 16, VIRTQ_DESC_INDIRECT, 0);
	offer(&rings[1][RECEIVE], 1, SIZE);
	transmit(0, 1, 60); /* more descriptors than are read at once */
	transmit(0, 1, 80); /* more pieces than a frame is put into */
	assert_int_equal(dropped(1, NET_SMALL), 2);
	assert_int_equal(used(1, RECEIVE), 1);
	transmit(0, 1, 76);
	expect_frame(1, 0, 0, 76);
	assert_int_equal(used(0, TRANSMIT), 4);
}

/* None, too small, not writable: the frame is lost, the sender goes on, and a buffer waits for one that fits. */
static void test_buffers(void **state)
{
	(void)state;
	make(2);
	start(0);
	start_size(1, SIZE);
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_NO_BUFFER), 1);
	give_buffer(1, 0, 12 + 59);
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_SMALL), 1);
	assert_int_equal(used(1, RECEIVE), 0);
	transmit(0, 1, 59);
	expect_frame(1, 0, 0, 59);
	give_buffer(1, 1, 1);
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_SMALL), 2);
	start_size(1, SIZE);
	desc(&rings[1][RECEIVE], 0, IN(1, 0), BUFFER, 0, 0);
	offer(&rings[1][RECEIVE], 0, SIZE);
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_SMALL), 3);
	assert_int_equal(used(0, TRANSMIT), 5);
	assert_int_equal(count(1)->received, 1);
	assert_int_equal(rig_read_size(1, VIRTIO_STATUS, 4) & VIRTIO_STATUS_NEEDS_RESET, 0);
}

/* The receiver's buffer goes back empty, and the next one is used; the sender's frame is lost, and no buffer is. */
static void test_ram_that_is_none(void **state)
{
	struct ring *r;

	(void)state;
	make(2);
	start(0);
	start_size(1, SIZE);
	r = &rings[1][RECEIVE];
	desc(r, 0, MACHINE_UART_BASE, BUFFER, VIRTQ_DESC_WRITE, 0);
	offer(r, 0, SIZE);
	give_buffer(1, 1, BUFFER);
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_FAULT), 1);
	assert_int_equal(used_len(1, 0), 0);
	transmit(0, 1, 60);
	expect_frame(1, 1, 0, 60);
	give_buffer(1, 2, BUFFER);
	fake_virtio.bad = IN(1, 2) + 20U;
	fake_virtio.bad_size = 1;
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_FAULT), 2);
	assert_int_equal(dropped(0, NET_MALFORMED), 0);

	give_buffer(1, 3, BUFFER);
	fake_virtio.bad = OUT(0) + 40U;
	transmit(0, 1, 60);
	assert_int_equal(dropped(0, NET_MALFORMED), 1);
	fake_virtio.bad = OUT(0) + 3U;
	transmit(0, 1, 60);
	assert_int_equal(dropped(0, NET_MALFORMED), 2);
	fake_virtio.bad = fake_virtio.bad_size = 0;
	assert_int_equal(used(1, RECEIVE), 3);
	transmit(0, 1, 60);
	expect_frame(1, 3, 0, 60);
	assert_int_equal(used(0, TRANSMIT), 6);
}

/* A receiver that breaks its queue is alone with that. */
static void test_receiver_breaks_its_queue(void **state)
{
	(void)state;
	start_all(3);
	rig_set16(avail_ring(&rings[1][RECEIVE]) + 2U, 1000);
	send_to(0, everyone, 60);
	assert_int_not_equal(rig_read_size(1, VIRTIO_STATUS, 4) & VIRTIO_STATUS_NEEDS_RESET, 0);
	assert_int_equal(rig_read_size(0, VIRTIO_STATUS, 4) & VIRTIO_STATUS_NEEDS_RESET, 0);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm web: net1: queue 0: the available index is further ahead than the "
			    "queue is long; the device stops until its driver resets it");
	expect_frame(2, 0, 0, 60);
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_DOWN), 2);
	start(1);
	transmit(0, 1, 60);
	expect_frame(1, 0, 0, 60);
}

static void test_down(void **state)
{
	(void)state;
	make(2);
	start(0);
	transmit(0, 1, 60);
	start(1);
	transmit(0, 1, 60);
	expect_frame(1, 0, 0, 60);
	reg(1, VIRTIO_STATUS, 0);
	transmit(0, 1, 60);
	start(1);
	for (uint32_t state_of_vm = VM_CREATED; state_of_vm <= VM_ENDING; state_of_vm++) {
		rig_vm.state = state_of_vm;
		if (state_of_vm != VM_RUNNING)
			transmit(0, 1, 60);
	}
	assert_int_equal(used(1, RECEIVE), 0);
	assert_int_equal(dropped(1, NET_DOWN), 2 + VM_ENDING);
	rig_vm.state = VM_RUNNING;
	device_reset_all(&rig_vm);
	start(0);
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_DOWN), 3 + VM_ENDING);
	assert_int_equal(used(0, TRANSMIT), 1);
}

/* The driver rewrites the front between the look at it and the copy. */
static void rewrite(void)
{
	if (fake_virtio.copies > 0)
		memset(fake_guest_at(OUT(0) + 12U), 0x77, 2U * MAC_BYTES);
}

static void test_front_is_read_once(void **state)
{
	const uint8_t *at;
	uint8_t mac[MAC_BYTES];

	(void)state;
	start_all(2);
	mac_of(0, mac);
	fake_virtio.on_copy = rewrite;
	fake_virtio.copies = 0;
	send_to(0, everyone, 60);
	at = fake_guest_at(OUT(0) + 12U);
	assert_int_equal(at[0], 0x77);
	at = fake_guest_at(IN(1, 0) + 12U);
	assert_memory_equal(at, everyone, MAC_BYTES);
	assert_memory_equal(at + MAC_BYTES, mac, MAC_BYTES);
}

/* RAM that has not been touched: a part of a block a step, the sender's and the receiver's. */
static void test_first_touch(void **state)
{
	(void)state;
	start_all(2);
	fake_virtio.fresh =
		BIT64((OUT(0) - MACHINE_RAM_BASE) / KIB(64)) | BIT64((IN(1, 0) - MACHINE_RAM_BASE) / KIB(64));
	assert_in_range(transmit(0, 1, 1514), 2U * VM_TOUCH_STEPS + 1U, 2U * VM_TOUCH_STEPS + 2U);
	expect_frame(1, 0, 0, 1514);
	assert_int_equal(count(0)->sent, 1);
	assert_int_equal(count(1)->received, 1);
}

/* Who makes a sender zero block after block of RAM for one frame does not get it. */
static void test_touches_are_bounded(void **state)
{
	const uint64_t table = IN(1, 4), far = MACHINE_RAM_BASE + 48U * KIB(64);

	(void)state;
	start_all(2);
	accept_indirect(1);
	for (uint32_t i = 0; i < 10; i++)
		rig_desc_at(table, i, far + i * KIB(64), 200, VIRTQ_DESC_WRITE | (i < 9 ? VIRTQ_DESC_NEXT : 0), i + 1U);
	desc(&rings[1][RECEIVE], 0, table, 10 * 16, VIRTQ_DESC_INDIRECT, 0);
	offer(&rings[1][RECEIVE], 0, SIZE);
	fake_virtio.fresh = UINT64_C(0x3ff) << 48;
	assert_in_range(transmit(0, 1, 1514), 4U * VM_TOUCH_STEPS + 1U, 4U * VM_TOUCH_STEPS + 2U);
	assert_int_equal(__builtin_popcountll(fake_virtio.fresh), 10 - 4);
	assert_int_equal(dropped(1, NET_NO_BUFFER), 1);
	assert_int_equal(count(0)->sent, 1);
	for (uint32_t i = 0; i < 4; i++)
		transmit(0, 1, 1514);
	assert_int_equal(count(1)->received, 1); /* the buffer has waited */
}

static void test_saved_and_restored(void **state)
{
	static uint8_t saved[2][8192];

	(void)state;
	start_all(2);
	transmit(0, 1, 60);
	for (uint32_t n = 0; n < 2; n++) {
		assert_in_range(device_saved_size(&card[n]->device), 1, sizeof(saved[n]));
		device_save(&card[n]->device, saved[n]);
	}
	device_reset_all(&rig_vm);
	for (uint32_t n = 0; n < 2; n++)
		device_restore(&card[n]->device, saved[n]);
	work();
	transmit(0, 1, 61);
	expect_frame(1, 1, 0, 61);
	assert_int_equal(used(1, RECEIVE), 2);
	assert_int_equal(used(0, TRANSMIT), 2);
}

/* A card that is given no address has one in all boots, and each card another. */
static void test_default_mac(void **state)
{
	/* as tools/bundlecheck.py has it */
	static const uint8_t expected[2][MAC_BYTES] = {{0x52, 0x54, 0x00, 0x87, 0x45, 0xa3},
						       {0x52, 0x54, 0x00, 0x87, 0x47, 0x57}};

	(void)state;
	begin_bundle();
	for (uint32_t n = 0; n < 2; n++) {
		begin_node(n);
		fit_string(&fit, "switch", n ? "b" : "a");
		assert_int_equal(fdt_end_node(fit.blob), 0);
	}
	assert_int_equal(end_bundle(), 0);
	for (uint32_t n = 0; n < 2; n++)
		for (uint32_t i = 0; i < MAC_BYTES; i++)
			assert_int_equal(rig_read_size(n, VIRTIO_CONFIG + i, 1), expected[n][i]);
	assert_string_equal(switch_name(switch_next(NULL)), "a");
	assert_string_equal(switch_name(switch_next(switch_next(NULL))), "b");
}

static void refuse(const char *line)
{
	assert_int_equal(end_bundle(), -EINVAL);
	assert_string_equal(fake_log_last(LOG_ERR), line);
	rig_end();
	fit_free(&fit);
	assert_null(switch_next(NULL));
}

static void refuse_node(const char *network, const void *mac, uint32_t mac_len, const char *line)
{
	begin_bundle();
	begin_node(0);
	if (network)
		fit_string(&fit, "switch", network);
	if (mac)
		assert_int_equal(fdt_property(fit.blob, "local-mac-address", mac, (int)mac_len), 0);
	assert_int_equal(fdt_end_node(fit.blob), 0);
	refuse(line);
}

static void test_nodes_that_are_wrong(void **state)
{
	static const uint8_t group[MAC_BYTES] = {1}, none[MAC_BYTES], fine[MAC_BYTES + 1U] = {2};

	(void)state;
	refuse_node(NULL, NULL, 0, "vm web: /vms/web/net0: switch: missing; name the switch that it is plugged into");
	refuse_node("a b", NULL, 0, "vm web: /vms/web/net0: switch: " WORDS_NAME);
	refuse_node("", NULL, 0, "vm web: /vms/web/net0: switch: " WORDS_NAME);
	refuse_node("a", group, MAC_BYTES, "vm web: /vms/web/net0: local-mac-address: " WORDS_MAC);
	refuse_node("a", none, MAC_BYTES, "vm web: /vms/web/net0: local-mac-address: " WORDS_MAC);
	refuse_node("a", fine, MAC_BYTES + 1U, "vm web: /vms/web/net0: local-mac-address: " WORDS_MAC);
	refuse_node("a", fine, MAC_BYTES - 1U, "vm web: /vms/web/net0: local-mac-address: " WORDS_MAC);
	begin_bundle();
	add_node(1);
	add_node(2);
	begin_node(3);
	fit_string(&fit, "switch", "lan");
	assert_int_equal(
		fdt_property(fit.blob, "local-mac-address", (const uint8_t[]){0x52, 0x54, 0, 0, 0, 1}, MAC_BYTES), 0);
	assert_int_equal(fdt_end_node(fit.blob), 0);
	refuse("vm web: /vms/web/net3: web.net1 has 52:54:00:00:00:01 on this switch; give another local-mac-address");
}

/* The switch itself: places are used again, an address comes back with its port, the last port takes it away. */
static void test_ports_come_and_go(void **state)
{
	static struct switch_port port[SWITCH_PORTS_MAX + 1U];
	static struct spinlock lock;
	struct switch_port *found;
	uint32_t index = 0;

	(void)state;
	rig_begin(NULL, NULL);
	for (uint32_t i = 0; i <= SWITCH_PORTS_MAX; i++) {
		port[i] = (struct switch_port){.mac = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}, .lock = &lock};
		assert_int_equal(switch_join("a", &port[i], &found), i < SWITCH_PORTS_MAX ? 0 : -ENOSPC);
	}
	assert_int_equal(switch_lock_port(&port[0], port[200].mac, &found), SWITCH_FOUND);
	assert_ptr_equal(found, &port[200]);
	spin_unlock(&lock);
	switch_leave(&port[200]);
	switch_leave(&port[200]);
	assert_int_equal(switch_lock_port(&port[0], port[200].mac, &found), SWITCH_UNKNOWN);
	memcpy(port[256].mac, port[3].mac, MAC_BYTES);
	assert_int_equal(switch_join("a", &port[256], &found), -EEXIST);
	assert_ptr_equal(found, &port[3]);
	assert_int_equal(switch_join("b", &port[256], &found), 0);
	assert_int_equal(switch_lock_port(&port[256], port[4].mac, &found), SWITCH_UNKNOWN);
	assert_null(switch_lock_next(&port[256], &index));
	switch_leave(&port[256]);
	for (uint32_t i = 0; i < SWITCH_PORTS_MAX; i++)
		if (i != 200)
			switch_leave(&port[i]);
	assert_null(switch_next(NULL));
	fake_page_set_empty(true);
	assert_int_equal(switch_join("a", &port[0], &found), -ENOMEM);
	fake_page_set_empty(false);
	rig_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_one_to_another),
		TEST(test_needs_no_notification),
		TEST(test_legacy),
		TEST(test_to_all),
		TEST(test_to_many),
		TEST(test_to_many_without_buffers),
		TEST(test_wrong_source),
		TEST(test_any_mac),
		TEST(test_group_limit),
		TEST(test_learned_is_bounded),
		TEST(test_lengths),
		TEST(test_sent_in_pieces),
		TEST(test_received_in_pieces),
		TEST(test_buffers),
		TEST(test_ram_that_is_none),
		TEST(test_receiver_breaks_its_queue),
		TEST(test_down),
		TEST(test_front_is_read_once),
		TEST(test_first_touch),
		TEST(test_touches_are_bounded),
		TEST(test_saved_and_restored),
		TEST(test_default_mac),
		cmocka_unit_test(test_nodes_that_are_wrong),
		cmocka_unit_test(test_ports_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
