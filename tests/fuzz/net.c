/* SPDX-License-Identifier: BSD-2-Clause */
/* See net.h. */
#include "net.h"

#include <string.h>

#include "driver.h"
#include "hyp/virtio/offload.h"

#define RECEIVE     0U
#define TRANSMIT    1U
#define CONTROL     2U
#define FRAMES      (RIG_DATA + 0x2000U) /* what is sent lies behind what buffers begin with */
#define FRAME_ROOM  0x1f00U
#define PIECES_MAX  40U
#define BUFFERS_MAX 64U

void card_mac(uint32_t slot, uint8_t *mac)
{
	memcpy(mac, (const uint8_t[]){0x52, 0x54, 0, 0, 0, (uint8_t)(slot + 1U)}, MAC_BYTES);
}

/* Its own address, the other's, that of all, or one of no card. */
static void address_frame(uint8_t *frame, uint32_t slot, uint32_t to)
{
	card_mac(to & 1U ? slot : !slot, frame);
	if (to == 2U)
		memset(frame, 0xff, MAC_BYTES);
	else if (to == 3U)
		frame[5] = 9;
	card_mac(slot, frame + MAC_BYTES);
}

/* IP of either version and TCP, as far as a segment's headers are looked at. */
static void write_headers(uint8_t *frame, bool v6)
{
	static const uint8_t ipv4[] = {0x08, 0x00, 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6};
	static const uint8_t ipv6[] = {0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 6, 64};

	memcpy(frame + 12, v6 ? ipv6 : ipv4, v6 ? sizeof(ipv6) : sizeof(ipv4));
	frame[(v6 ? 54U : 34U) + 12U] = 0x50;
}

/* What is left to others: the usual for such headers, or anything. */
static struct net_header offload_of(uint32_t how, bool v6)
{
	struct net_header h = {.flags = NET_NEEDS_CSUM, .csum_start = v6 ? 54 : 34, .csum_offset = 16};

	if (how & 1U) {
		h.gso_type = v6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4;
		h.gso_size = (uint16_t)(1U + 8U * take(1));
	}
	if (how & 2U) {
		h.flags = (uint8_t)take(1);
		h.csum_start = (uint16_t)take(2);
		h.csum_offset = (uint16_t)take(1);
	}
	return h;
}

/*
 * In pieces of `each` bytes, the last one with the rest; what is longer than the room for it begins anew there. The
 * descriptor behind them.
 */
static uint32_t put_pieces(uint64_t table, uint32_t len, uint32_t each, bool goes_on)
{
	uint32_t index = 0, at = 0;

	for (; index + 1U < PIECES_MAX && len - at > each; index++, at += each)
		put_desc(table, index, FRAMES + at % FRAME_ROOM, each, VIRTQ_DESC_NEXT, index + 1U);
	put_desc(table, index, FRAMES + at % FRAME_ROOM, len - at, goes_on ? VIRTQ_DESC_NEXT : 0, index + 1U);
	return index + 1U;
}

void do_frame(void)
{
	uint32_t how = take(1), slot = how & 1U, to = how >> 1 & 3U, offload = take(1),
		 q = first_queue(slot) + TRANSMIT;
	struct net_header header = {0};
	bool v6 = how & 8U;
	uint8_t bytes[160] = {0};
	uint32_t len = take_length(), each = how & 16U ? 1U + take(1) : 4096U;
	uint32_t skip = devices[slot]->legacy && !(how & 32U) ? 2U : 0; /* version 1 without MRG_RXBUF */

	if (offload & 4U)
		header = offload_of(offload, v6);
	memcpy(bytes, &header, sizeof(header));
	address_frame(bytes + sizeof(header) - skip, slot, to);
	write_headers(bytes + sizeof(header) - skip, v6);
	poke(FRAMES, bytes, sizeof(bytes));
	put_pieces(place_of(q, RIG_DESC), len, each, false);
	offer_to(q, 0, 1);
	kick(how >> 7, q);
}

/* Of one length, in one piece or two, which may lie on each other and on what is sent. */
void do_buffers(void)
{
	static const uint32_t lengths[] = {1536, 64, 1, 12, 11, 0, 4096, 70000};
	uint32_t how = take(1), slot = how & 1U, len = lengths[how >> 1 & 7U], count = 1U + take(1) % BUFFERS_MAX;
	uint32_t q = first_queue(slot) + RECEIVE, first = how & 16U ? take(1) : 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = 2U * i, size = queue_of(q)->size;
		uint64_t at = RIG_DATA + (how & 32U ? i * 0x80U : 0);

		if (index + 1U >= size)
			break;
		put_desc(place_of(q, RIG_DESC), index, at, first ? first : len,
			 VIRTQ_DESC_WRITE | (first ? VIRTQ_DESC_NEXT : 0), index + 1U);
		put_desc(place_of(q, RIG_DESC), index + 1U, at + first, len, VIRTQ_DESC_WRITE, 0);
		offer_to(q, index, 1);
	}
}

/* A mode, an address, or two lists, in pieces. */
void do_control(void)
{
	uint32_t how = take(1), slot = how & 1U, q = first_queue(slot) + CONTROL, one = take(1), many = take(2);
	uint8_t bytes[64] = {(uint8_t)(how >> 1 & 3U), (uint8_t)(how >> 3 & 7U), (uint8_t)one, (uint8_t)(one >> 4)};
	uint32_t at = 6U + MAC_BYTES * one, each = 1U + take(1), len = at + 4U + MAC_BYTES * many;

	poke(FRAMES, bytes, sizeof(bytes));
	poke(FRAMES + at % FRAME_ROOM, &many, sizeof(many));
	put_desc(place_of(q, RIG_DESC), put_pieces(place_of(q, RIG_DESC), len, each, true), SCRATCH, take(1),
		 VIRTQ_DESC_WRITE, 0);
	offer_to(q, 0, 1);
	kick(how >> 7, q);
}

void do_pause(void)
{
	rig_vm.state = take(1) & 1U ? VM_PAUSED : VM_RUNNING;
}
