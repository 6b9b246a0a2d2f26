/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What network cards leave to others (hyp/virtio/offload.c): checksums, large frames, many buffers a frame, for
 * receivers that know of it and that do not; and drivers that do anything.
 */
#include "net_rig.h"
#include "hyp/virtio/offload.h"

#define CSUM       BIT(0)
#define GUEST_CSUM BIT(1)
#define GUEST_TSO  (BIT(7) | BIT(8))
#define HOST_TSO   (BIT(11) | BIT(12))
#define MRG_RXBUF  BIT(15)
#define LARGE      (MACHINE_RAM_BASE + MIB(3)) /* for what OUT() has no room for */
#define IP_AT      14U

static void put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t be16(const uint8_t *at)
{
	return (uint32_t)(at[0] << 8 | at[1]);
}

/* RFC 1071, the plain way: 0xffff of what has its checksum in it. */
static uint32_t plain_sum(uint32_t sum, const uint8_t *at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2U ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffffU) + (sum >> 16);
	return sum;
}

/* TCP or UDP and its pseudo header, in a frame without options of IP. */
static uint32_t transport_sum(const uint8_t *frame, uint32_t len, bool v6)
{
	uint32_t at = IP_AT + (v6 ? 40U : 20U), addresses = IP_AT + (v6 ? 8U : 12U);

	return plain_sum(frame[IP_AT + (v6 ? 6U : 9U)] + len - at + plain_sum(0, frame + addresses, at - addresses),
			 frame + at, len - at);
}

/* A frame of TCP at LARGE as Linux would leave it to its card, with `data` bytes in it; its length. */
static uint32_t write_tcp(uint32_t data, uint32_t gso_size, bool v6)
{
	uint8_t *at = fake_guest_at(LARGE), *frame = at + 12;
	uint32_t ip_len = v6 ? 40 : 20, tcp_at = IP_AT + ip_len, len = tcp_at + 32U + data;
	struct {
		uint8_t flags, type;
		uint16_t header_len, size, start, offset, buffers;
	} header = {
		1,     gso_size ? v6 ? 4 : 1 : 0, (uint16_t)(tcp_at + 32U), (uint16_t)gso_size, (uint16_t)tcp_at, 16,
		0x7777};

	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 7U + i / 256U);
	memcpy(at, &header, sizeof(header));
	mac_of(1, frame);
	mac_of(0, frame + MAC_BYTES);
	put_be16(frame + 12, v6 ? 0x86dd : 0x0800);
	frame[IP_AT] = v6 ? 0x60 : 0x45;
	if (v6) {
		frame[IP_AT + 6U] = 6;
	} else {
		frame[IP_AT + 9U] = 6;
		put_be16(frame + IP_AT + 4U, 0xffff); /* the next one's identification is 0 */
		put_be16(frame + IP_AT + 6U, 0x4000);
	}
	frame[tcp_at + 12U] = 0x80;
	frame[tcp_at + 13U] = 0x19; /* ACK, PSH, FIN */
	put_be16(frame + tcp_at + 4U, 0xffff);
	put_be16(frame + tcp_at + 6U, 0xff00);
	put_be16(frame + tcp_at + 16U, 0);
	put_be16(frame + tcp_at + 16U, plain_sum(6U + len - tcp_at, frame + IP_AT + (v6 ? 8U : 12U), v6 ? 32 : 8));
	return len;
}

static void send_large(uint32_t len)
{
	desc(&rings[0][TRANSMIT], 0, LARGE, 12U + len, 0, 0);
	offer(&rings[0][TRANSMIT], 0, SIZE);
	kick(0);
}

static const uint8_t *received(uint32_t n)
{
	return (const uint8_t *)fake_guest_at(IN(1, n)) + 12U;
}

static void start_two(uint32_t sender, uint32_t receiver)
{
	accepted[0] = sender;
	accepted[1] = receiver;
	start_all(2);
}

/* The receiver knows that the checksum is missing, and virt7 does not compute it. */
static void test_checksum_left_out(void **state)
{
	static const uint8_t nothing[10];
	uint32_t len;

	(void)state;
	start_two(CSUM, GUEST_CSUM);
	len = write_tcp(101, 0, false);
	send_large(len);
	assert_int_equal(used_len(1, 0), 12U + len);
	assert_memory_equal(received(0), fake_guest_at(LARGE + 12U), len);
	assert_memory_equal(fake_guest_at(IN(1, 0)), fake_guest_at(LARGE), 10);
	assert_int_equal(rig_get16(IN(1, 0) + 10U), 1);
	memset(fake_guest_at(LARGE), 0,
	       1); /* a frame that needs nothing: its header says nothing, whatever stands there */
	send_large(len);
	assert_memory_equal(fake_guest_at(IN(1, 1)), nothing, sizeof(nothing));
	accepted[0] = 0; /* nor of one who has not said that it leaves something */
	start(0);
	memset(fake_guest_at(LARGE), 1, 1);
	send_large(len);
	assert_memory_equal(fake_guest_at(IN(1, 2)), nothing, sizeof(nothing));
}

/* The receiver does not: its frame has a checksum, whatever the length, and in each of its pieces. */
static void test_checksum_made_good(void **state)
{
	static const uint8_t no_header[10];

	(void)state;
	start_two(CSUM, 0);
	for (uint32_t n = 0; n < SIZE; n++) {
		uint32_t data = n * n * 29U + n, len = write_tcp(data, 0, n % 2U);

		send_large(len);
		assert_int_equal(used_len(1, n), 12U + len);
		assert_memory_equal(fake_guest_at(IN(1, n)), no_header, sizeof(no_header));
		assert_int_equal(transport_sum(received(n), len, n % 2U), 0xffff);
		memset(fake_guest_at(IN(1, n) + 12U + IP_AT + 36U + n % 2U * 20U), 0, 2);
		memset(fake_guest_at(LARGE + 12U + IP_AT + 36U + n % 2U * 20U), 0, 2);
		assert_memory_equal(received(n), fake_guest_at(LARGE + 12U), len);
	}
}

static void test_headers_that_are_wrong(void **state)
{
	static const struct {
		uint32_t at, value;
	} wrong[] = {{6, 13}, {6, 0xffff},       {8, 0xffff},          {6, 132},
		     {4, 0},  {0, 3U << 8 | 1U}, {0, 0x81U << 8 | 1U}, {0, 1U << 8}};

	(void)state;
	start_two(CSUM | HOST_TSO, GUEST_CSUM | GUEST_TSO);
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint32_t len = write_tcp(64, 100, false);

		rig_set16(LARGE + wrong[i].at, (uint16_t)wrong[i].value);
		send_large(len);
		assert_int_equal(dropped(0, NET_MALFORMED), i + 1U);
	}
	*(uint8_t *)fake_guest_at(LARGE + 12U) |= 1U;
	rig_set16(LARGE, 1U << 8 | 1U);
	send_large(write_tcp(64, 100, false));
	assert_int_equal(count(1)->received, 1);
	memcpy(fake_guest_at(LARGE + 12U), everyone, MAC_BYTES); /* TCP is for one */
	send_large(130);
	assert_int_equal(dropped(0, NET_MALFORMED), ARRAY_SIZE(wrong) + 1U);
	accepted[0] = CSUM;
	start(0);
	send_large(write_tcp(3000, 1000, false)); /* no driver has spoken of large ones */
	assert_int_equal(dropped(0, NET_MALFORMED), ARRAY_SIZE(wrong) + 2U);
	assert_int_equal(count(1)->received, 1);
}

/* Whole, over as many buffers as it takes; where they do not suffice they all stay. */
static void test_large_to_one_who_takes_it(void **state)
{
	uint32_t len, at;

	(void)state;
	start_two(CSUM | HOST_TSO, GUEST_CSUM | GUEST_TSO | MRG_RXBUF);
	len = write_tcp(9000, 1448, true);
	send_large(len);
	assert_int_equal(used(1, RECEIVE), 5);
	assert_int_equal(rig_get16(IN(1, 0) + 10U), 5);
	assert_memory_equal(fake_guest_at(IN(1, 0)), fake_guest_at(LARGE), 10);
	at = BUFFER - 12U;
	assert_memory_equal(received(0), fake_guest_at(LARGE + 12U), at);
	for (uint32_t n = 1; n < 5; n++) {
		uint32_t part = MIN(len - at, BUFFER);

		assert_int_equal(used_len(1, n), part);
		assert_memory_equal(fake_guest_at(IN(1, n)), fake_guest_at(LARGE + 12U + at), part);
		at += part;
	}
	assert_int_equal(at, len);
	assert_int_equal(count(1)->received, 1);

	send_large(len); /* three are left */
	assert_int_equal(dropped(1, NET_NO_BUFFER), 1);
	assert_int_equal(used(1, RECEIVE), 5);
	send_large(write_tcp(5000, 1448, false));
	assert_int_equal(used(1, RECEIVE), 8);
	assert_int_equal(rig_get16(IN(1, 5) + 10U), 3);
	assert_int_equal(count(0)->sent, 3);
}

/* Header and the first 14 bytes have no place in the first buffer: it stays. Behind it a byte each will do. */
static void test_buffers_of_a_byte(void **state)
{
	(void)state;
	accepted[1] = MRG_RXBUF;
	make(2);
	start(0);
	start_size(1, SIZE);
	give_buffer(1, 0, 25);
	give_buffer(1, 1, BUFFER);
	transmit(0, 1, 60);
	assert_int_equal(dropped(1, NET_SMALL), 1);
	assert_int_equal(used(1, RECEIVE), 0);
	start_size(1, SIZE);
	give_buffer(1, 0, 26);
	for (uint32_t n = 1; n < SIZE; n++)
		give_buffer(1, n, 1);
	transmit(0, 1, 14U + SIZE);
	assert_int_equal(dropped(1, NET_NO_BUFFER), 1);
	assert_int_equal(used(1, RECEIVE), 0);
	transmit(0, 1, 14U + SIZE - 1U);
	assert_int_equal(used(1, RECEIVE), SIZE);
	assert_int_equal(rig_get16(IN(1, 0) + 10U), SIZE);
	for (uint32_t n = 1; n < SIZE; n++)
		assert_memory_equal(fake_guest_at(IN(1, n)), fake_guest_at(OUT(0) + 26U + n - 1U), 1);
}

/* The header of the first buffer in pieces, the number of buffers too: one of `first` bytes, one of a byte, the rest.
 */
static void test_header_in_pieces(void **state)
{
	(void)state;
	accepted[1] = MRG_RXBUF;
	make(2);
	start(0);
	for (uint32_t first = 0; first < 14; first++) {
		struct ring *r = &rings[1][RECEIVE];

		start_size(1, SIZE);
		give_buffer(1, 3, 40);
		r->avail = 0;
		desc(r, 0, IN(1, 0), first, VIRTQ_DESC_WRITE | VIRTQ_DESC_NEXT, 1);
		desc(r, 1, IN(1, 1), 1, VIRTQ_DESC_WRITE | VIRTQ_DESC_NEXT, 2);
		desc(r, 2, IN(1, 2), 40, VIRTQ_DESC_WRITE, 0);
		memset(fake_guest_at(IN(1, 0)), UNTOUCHED, BUFFER);
		offer(r, 0, SIZE);
		offer(r, 3, SIZE);
		transmit(0, 1, 64);
		assert_int_equal(used(1, RECEIVE), 2);
		for (uint32_t at = 10; at < 12; at++) {
			uint64_t place = at < first    ? IN(1, 0) + at
					 : at == first ? IN(1, 1)
						       : IN(1, 2) + at - first - 1U;

			assert_int_equal(*(uint8_t *)fake_guest_at(place), at == 10 ? 2 : 0);
		}
		assert_int_equal(used_len(1, 0) + used_len(1, 1), 12U + 64U);
		assert_int_equal(*(uint8_t *)fake_guest_at(IN(1, 0) + first), UNTOUCHED);
	}
}

/* The first of the buffers goes back empty, or the sender's frame is lost. */
static void test_large_into_ram_that_is_none(void **state)
{
	uint32_t len;

	(void)state;
	start_two(CSUM | HOST_TSO, GUEST_CSUM | GUEST_TSO | MRG_RXBUF);
	len = write_tcp(5000, 1448, false);
	fake_virtio.bad = IN(1, 2);
	fake_virtio.bad_size = 1;
	send_large(len);
	assert_int_equal(dropped(1, NET_FAULT), 1);
	assert_int_equal(used(1, RECEIVE), 1);
	assert_int_equal(used_len(1, 0), 0);
	fake_virtio.bad = LARGE + 4000U;
	send_large(len);
	assert_int_equal(dropped(0, NET_MALFORMED), 1);
	assert_int_equal(used(1, RECEIVE), 1);
	fake_virtio.bad = fake_virtio.bad_size = 0;
	fake_virtio.fresh = BIT64((IN(1, 2) - MACHINE_RAM_BASE) / KIB(64));
	send_large(len);
	assert_int_equal(used(1, RECEIVE), 4);
	assert_int_equal(rig_get16(IN(1, 1) + 10U), 3);
}

static void expect_segment(uint32_t n, uint32_t index, uint32_t size, uint32_t data, bool v6)
{
	const uint8_t *frame = received(n), *whole = fake_guest_at(LARGE + 12U);
	uint32_t tcp_at = IP_AT + (v6 ? 40U : 20U), part = MIN(size, data - index * size), len = tcp_at + 32U + part;
	bool last = index * size + part == data;

	assert_int_equal(used_len(1, n), 12U + len);
	assert_int_equal(rig_get16(IN(1, n)), 0);
	assert_memory_equal(frame, whole, 14);
	if (v6) {
		assert_int_equal(be16(frame + IP_AT + 4U), 32U + part);
	} else {
		assert_int_equal(be16(frame + IP_AT + 2U), 52U + part);
		assert_int_equal(be16(frame + IP_AT + 4U), (0xffffU + index) & 0xffffU);
		assert_int_equal(plain_sum(0, frame + IP_AT, 20), 0xffff);
	}
	assert_int_equal(be16(frame + tcp_at + 4U) << 16 | be16(frame + tcp_at + 6U), 0xffffff00U + index * size);
	assert_int_equal(frame[tcp_at + 13U], last ? 0x19 : 0x10);
	assert_int_equal(transport_sum(frame, len, v6), 0xffff);
	assert_memory_equal(frame + tcp_at + 32U, whole + tcp_at + 32U + index * size, part);
}

static void test_large_to_one_who_does_not(void **state)
{
	(void)state;
	start_two(CSUM | HOST_TSO, 0);
	for (uint32_t v6 = 0; v6 < 2; v6++) {
		send_large(write_tcp(3333, 1000, v6));
		for (uint32_t index = 0; index < 4; index++)
			expect_segment(4U * v6 + index, index, 1000, 3333, v6);
		assert_int_equal(used(1, RECEIVE), 4U * v6 + 4U);
	}
	assert_int_equal(count(0)->sent, 2);
	assert_int_equal(count(1)->received, 8);
	accepted[1] = GUEST_TSO; /* which counts for nothing without GUEST_CSUM */
	start(1);
	send_large(write_tcp(3333, 1000, false));
	assert_int_equal(used(1, RECEIVE), 4);
}

/* In as many steps as it takes, and each is sent once; what there is no buffer for is lost. */
static void test_many_segments(void **state)
{
	(void)state;
	start_two(CSUM | HOST_TSO, 0);
	desc(&rings[0][TRANSMIT], 0, LARGE, 12U + write_tcp(65000, 10, false), 0, 0);
	offer(&rings[0][TRANSMIT], 0, SIZE);
	assert_in_range(kick(0), 1000, 6500);
	assert_int_equal(used(1, RECEIVE), SIZE);
	assert_int_equal(dropped(1, NET_NO_BUFFER), 6500 - SIZE);
	assert_int_equal(used(0, TRANSMIT), 1);
	for (uint32_t index = 0; index < SIZE; index++)
		expect_segment(index, index, 10, 65000, false);
}

/* What is not the TCP that its header names is not cut. */
static void test_large_that_is_no_tcp(void **state)
{
	static const struct {
		uint32_t at, value;
	} wrong[] = {{12, 0x86},     {IP_AT, 0x65}, {IP_AT + 9, 17}, {IP_AT + 6, 0x20},
		     {IP_AT + 7, 1}, {IP_AT, 0x4f}, {46, 0xf0}};
	uint32_t lost = 0;

	(void)state;
	start_two(CSUM | HOST_TSO, 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint32_t len = write_tcp(i < 5 ? 3000 : 0, 1000, false);

		*(uint8_t *)fake_guest_at(LARGE + 12U + wrong[i].at) = (uint8_t)wrong[i].value;
		send_large(len);
		assert_int_equal(dropped(0, NET_MALFORMED), ++lost);
	}
	assert_int_equal(used(1, RECEIVE), 0);
}

/* A long frame, into 2 KiB each of these. */
#define MANY       64U
#define MANY_AT(n) (MACHINE_RAM_BASE + MIB(2) + (n)*BUFFER)

static void give_many(void)
{
	start_size(1, MANY);
	for (uint32_t n = 0; n < MANY; n++) {
		desc(&rings[1][RECEIVE], n, MANY_AT(n), BUFFER, VIRTQ_DESC_WRITE, 0);
		offer(&rings[1][RECEIVE], n, MANY);
	}
}

/* The frame that begins in buffer *n, which counts up, with what is in front of it; its length. */
static uint32_t take_frame(uint32_t *n, uint8_t *to)
{
	uint32_t len = 0;

	for (uint32_t buffers = rig_get16(MANY_AT(*n) + 10U); buffers > 0; buffers--, (*n)++) {
		uint32_t part = *(uint32_t *)fake_guest_at(RING_USED(&rings[1][RECEIVE]) + 8U + 8U * *n);

		memcpy(to + len, fake_guest_at(MANY_AT(*n)), part);
		len += part;
	}
	return len;
}

/* Of `data` bytes in segments of `size` those from `from` on, a large frame that lacks its checksum. */
static void expect_part(const uint8_t *at, uint32_t len, uint32_t from, uint32_t size, uint32_t data, bool v6)
{
	const uint8_t *frame = at + 12, *whole = fake_guest_at(LARGE + 12U);
	uint32_t tcp_at = IP_AT + (v6 ? 40U : 20U), part = len - 12U - tcp_at - 32U,
		 addresses = IP_AT + (v6 ? 8U : 12U);
	bool large = part > size;

	assert_int_equal(at[0], 1);
	assert_int_equal(at[1], large ? v6 ? 4 : 1 : 0);
	assert_int_equal(at[4] | at[5] << 8, large ? size : 0);
	assert_int_equal(at[6] | at[7] << 8, tcp_at);
	assert_int_equal(at[8] | at[9] << 8, 16);
	if (v6) {
		assert_int_equal(be16(frame + IP_AT + 4U), 32U + part);
	} else {
		assert_int_equal(be16(frame + IP_AT + 2U), 52U + part);
		assert_int_equal(be16(frame + IP_AT + 4U), (0xffffU + from / size) & 0xffffU);
		assert_int_equal(plain_sum(0, frame + IP_AT, 20), 0xffff);
	}
	assert_int_equal(be16(frame + tcp_at + 4U) << 16 | be16(frame + tcp_at + 6U), 0xffffff00U + from);
	assert_int_equal(frame[tcp_at + 13U], from + part == data ? 0x19 : 0x10);
	assert_int_equal(be16(frame + tcp_at + 16U), plain_sum(6U + 32U + part, frame + addresses, v6 ? 32 : 8));
	assert_memory_equal(frame + tcp_at + 32U, whole + tcp_at + 32U + from, part);
}

/* Where an interrupt waits it goes in parts, which lose nothing; else whole. */
static void test_long_with_an_interrupt(void **state)
{
	static const struct {
		uint32_t data, size, parts;
	} frames[] = {{60000, 1448, 4}, {2 * 15928 + 100, 1448, 3}, {40000, 65535, 3}, {40000, 16384, 3}};
	static uint8_t got[NET_FRAME_MAX + 12U];

	(void)state;
	start_two(CSUM | HOST_TSO, GUEST_CSUM | GUEST_TSO | MRG_RXBUF);
	for (uint32_t i = 0; i < 2U * ARRAY_SIZE(frames); i++) {
		uint32_t data = frames[i / 2U].data, size = frames[i / 2U].size, from = 0, n = 0, parts = 0;
		uint32_t len = write_tcp(data, size, i % 2U), received_before = count(1)->received;

		give_many();
		fake_virtio.interrupt = false;
		send_large(len);
		assert_int_equal(take_frame(&n, got), 12U + len);
		assert_memory_equal(got + 12, fake_guest_at(LARGE + 12U), len);
		give_many();
		n = 0;
		fake_virtio.interrupt = true;
		send_large(len);
		for (; from < data; parts++) {
			uint32_t part = take_frame(&n, got);

			assert_in_range(part, 0, 12U + NET_HEAD_MAX + KIB(16));
			expect_part(got, part, from, MIN(size, KIB(16)), data, i % 2U);
			from += part - (len - data) - 12U;
		}
		assert_int_equal(parts, frames[i / 2U].parts);
		assert_int_equal(used(1, RECEIVE), n);
		assert_int_equal(count(1)->received - received_before, 1U + parts);
	}
	assert_int_equal(count(0)->sent, 4U * ARRAY_SIZE(frames));
}

/* What virt7 cannot cut is put whole; and so is what is not long. */
static void test_what_is_not_cut(void **state)
{
	static uint8_t got[NET_FRAME_MAX + 12U];
	uint32_t len, n;

	(void)state;
	start_two(CSUM | HOST_TSO, GUEST_CSUM | GUEST_TSO | MRG_RXBUF);
	fake_virtio.interrupt = true;
	give_many();
	len = write_tcp(60000, 1448, false);
	*(uint8_t *)fake_guest_at(LARGE + 12U + IP_AT + 9U) = 17;
	send_large(len);
	assert_int_equal(used(1, RECEIVE), 30);
	n = 0;
	assert_int_equal(take_frame(&n, got), 12U + len);
	assert_memory_equal(got + 12, fake_guest_at(LARGE + 12U), len);
	give_many();
	send_large(write_tcp(16000, 1448, false));
	assert_int_equal(rig_get16(MANY_AT(0) + 10U), 8);
	assert_int_equal(used(1, RECEIVE), 8);
	start_size(1, MANY);
	for (n = 0; n < MANY; n++) {
		desc(&rings[1][RECEIVE], n, MANY_AT(n), 600, VIRTQ_DESC_WRITE, 0);
		offer(&rings[1][RECEIVE], n, MANY);
	}
	send_large(write_tcp(16000, 1448, false));
	assert_int_equal(used(1, RECEIVE), 27);
}

/* No buffer gets more than a part's data at once, whether an interrupt waits or not: the receiver knows of no
 * MRG_RXBUF. */
static void test_long_into_one_buffer(void **state)
{
	static uint8_t got[NET_FRAME_MAX + 12U];
	const uint32_t room = KIB(66), data = 50000;
	uint32_t len, from = 0;

	(void)state;
	start_two(CSUM | HOST_TSO, GUEST_CSUM | GUEST_TSO);
	start_size(1, SIZE);
	for (uint32_t n = 0; n < SIZE; n++) {
		desc(&rings[1][RECEIVE], n, MANY_AT(0) + n * room, room, VIRTQ_DESC_WRITE, 0);
		offer(&rings[1][RECEIVE], n, SIZE);
	}
	len = write_tcp(data, 1448, true);
	send_large(len);
	assert_int_equal(used(1, RECEIVE), 4);
	for (uint32_t n = 0; n < 4; n++) {
		uint32_t part = used_len(1, n);

		memcpy(got, fake_guest_at(MANY_AT(0) + n * room), part);
		expect_part(got, part, from, 1448, data, true);
		from += part - (len - data) - 12U;
	}
	assert_int_equal(from, data);
	assert_int_equal(count(0)->sent, 1);
}

/* Drivers that do anything */

#define ROUNDS 100000U

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % below;
}

static uint32_t any_length(void)
{
	static const uint32_t lengths[] = {0,    1,    2,    10,   12,    13,    26,         60,
					   1514, 1526, 2048, 9000, 65535, 65550, 0xfffff000, UINT32_MAX};

	return lengths[any(ARRAY_SIZE(lengths))] + any(4) - any(2);
}

static uint64_t any_address(uint32_t slot)
{
	const uint64_t places[] = {OUT(slot),
				   IN(slot, any(8)),
				   LARGE + any(1000),
				   AREA(slot),
				   MACHINE_RAM_BASE + FAKE_GUEST_RAM - any(100),
				   MACHINE_UART_BASE,
				   UINT64_MAX - any(100)};

	return places[any(ARRAY_SIZE(places))];
}

/* What is written lies in the chain that the receiver's driver gave for it (but for the number of buffers). */
static void watch(uint64_t at, const void *from, size_t len)
{
	(void)from;
	for (uint32_t n = 0; n < cards && len > 2; n++) {
		const struct virtq *q = &card[n]->queue[RECEIVE];
		bool found = !card[n]->receive_lock.held;

		for (uint32_t i = q->chain.walk.readable; !found && i < q->chain.walk.count; i++)
			found = at >= q->piece[i].at.v && at - q->piece[i].at.v + len <= q->piece[i].len;
		assert_true(found);
	}
}

static void any_trouble(void)
{
	fake_virtio.bad = any(2) ? 0 : any(2) ? IN(any(cards), any(8)) + any(100) : LARGE + any(5000);
	fake_virtio.bad_size = fake_virtio.bad ? any(2000) : 0;
	fake_virtio.fresh = any(3) ? 0 : (uint64_t)any(UINT32_MAX) << any(32);
	fake_virtio.uncached = !any(8);
	rig_vm.state = any(8) ? VM_RUNNING : VM_PAUSED;
}

static void any_frame(uint32_t slot)
{
	uint32_t len =
		any(3) ? write_tcp(any(3) ? any(2000) : any(60000), any(3) ? any(2000) : 0, any(2)) : any_length();

	if (!any(4))
		rig_set16(LARGE + 2U * any(40), (uint16_t)any(0x10000));
	mac_of(slot, (uint8_t *)fake_guest_at(LARGE + 12U + MAC_BYTES));
	if (any(3))
		mac_of(any(cards), fake_guest_at(LARGE + 12U));
	if (!any(20))
		memcpy(fake_guest_at(LARGE + 12U), everyone, MAC_BYTES);
	desc(&rings[slot][TRANSMIT], 0, LARGE + 2U * card[slot]->legacy, len + (card[slot]->legacy ? 10U : 12U), 0, 0);
	offer(&rings[slot][TRANSMIT], 0, SIZE);
}

static void any_operation(uint32_t slot)
{
	struct ring *r = &rings[slot][any(2)];
	static uint8_t saved[8192];

	switch (any(16)) {
	case 0:
		accepted[slot] = any(3) ? 0x199ab : any(0x20000) & 0x199ab;
		accepted[slot] |= any(2) << VIRTIO_F_INDIRECT_DESC | any(2) << VIRTIO_F_EVENT_IDX;
		any(4) ? start(slot) : start_size(slot, SIZE);
		break;
	case 1:
		desc(r, any(SIZE), any_address(slot), any_length(), any(8), any(SIZE + 1U));
		break;
	case 3:
		offer(r, any(16) ? any(SIZE) : any(0x10000), SIZE);
		break;
	case 4:
		reg(slot, any(64) * 4U, any(8) ? any(8) : any(UINT32_MAX));
		break;
	case 5:
		any_trouble();
		break;
	case 6:
		device_save(&card[slot]->device, saved);
		device_restore(&card[slot]->device, saved);
		break;
	case 7:
		if (!any(4))
			reg(slot, VIRTIO_STATUS, 0);
		break;
	case 2:
	case 8:
	case 9:
	case 10:
		give_buffer(slot, any(SIZE), any(2) ? BUFFER : any_length());
		break;
	default:
		any_frame(slot);
		break;
	}
}

static void test_anything(void **state)
{
	(void)state;
	flag[1] = "virtio-legacy";
	flag[2] = "allow-any-mac";
	flag[3] = "isolated";
	group_limit = 1;
	start_all(4);
	seed = 7;
	fake_virtio.on_copy_out = watch;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		fake_machine.reg[SYSREG_cntpct]++;
		any_operation(any(cards));
		reg(any(cards), VIRTIO_QUEUE_NOTIFY, any(3));
		for (uint32_t n = 0; n < 20U && rig_vcpu[0].thread.work & WORK_VIRTIO; n++)
			step();
		for (uint32_t n = 0; n < cards; n++)
			assert_false(card[n]->lock.held || card[n]->receive_lock.held || card[n]->irq_lock.held);
	}
	for (uint32_t n = 0; n < NET_DROPS; n++) /* it has seen something */
		assert_true(dropped(0, (enum net_drop)n) + dropped(1, (enum net_drop)n) + dropped(2, (enum net_drop)n) +
				    dropped(3, (enum net_drop)n) >
			    0);
	assert_true(count(0)->sent > 100 && count(1)->received > 100);
	fake_virtio.on_copy_out = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_checksum_left_out),
		TEST(test_checksum_made_good),
		TEST(test_headers_that_are_wrong),
		TEST(test_large_to_one_who_takes_it),
		TEST(test_buffers_of_a_byte),
		TEST(test_header_in_pieces),
		TEST(test_large_into_ram_that_is_none),
		TEST(test_large_to_one_who_does_not),
		TEST(test_many_segments),
		TEST(test_large_that_is_no_tcp),
		TEST(test_long_with_an_interrupt),
		TEST(test_what_is_not_cut),
		TEST(test_long_into_one_buffer),
		TEST(test_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
