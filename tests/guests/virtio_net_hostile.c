/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile driver of network cards: every rule of their queues, frames and commands that can be broken, descriptors
 * that other vCPUs rewrite meanwhile. Whatever it does, its cards work after a reset, and nothing is written but what
 * they were given. Slots 0 and 1 are two cards of one switch, which sends from the first to the second.
 * Parameters: races=; native=1: only what QEMU's own cards do in the same way, two that are wired to each other.
 */
#include "tests/guests/lib/hostile.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/net.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define PAGE_LEN 4096U
#define BUFFER   2048U
#define SHORT    60U
#define TAG      0x81U /* the first byte of a VLAN's type (IEEE 802.1Q) */
#define LOST     UINT32_MAX
#define OFFLOADS \
	(BIT(NET_F_CSUM) | BIT(NET_F_GUEST_CSUM) | BIT(NET_F_HOST_TSO4) | BIT(NET_F_GUEST_TSO4) | BIT(NET_F_MRG_RXBUF))

#define ACK_NONE 0x55U

static struct {
	struct guard before;
	struct net_card from;
	uint8_t apart[2U * PAGE_LEN]; /* what is written over queues must not reach where registers are */
	struct net_card to;
	struct vq_desc table[BAD_TABLE] __attribute__((aligned(16)));
	volatile uint8_t ack;
	uint8_t frame[KIB(68)] __attribute__((aligned(4096)));
	struct guard between;
	uint8_t data[KIB(68)] __attribute__((aligned(4096)));
	struct guard behind;
} m __attribute__((aligned(4096)));

static struct vq *const sent = &m.from.queue[NET_SEND], *const received = &m.to.queue[NET_RECEIVE];
static bool native;

static uint32_t address(const volatile void *at)
{
	return (uint32_t)(uintptr_t)at;
}

static void check_guards(const char *name)
{
	report_eq(guard_wrong(&m.before) + guard_wrong(&m.between) + guard_wrong(&m.behind), 0, name);
}

static void open(uint32_t features)
{
	net_open(&m.from, 0, features | BIT(NET_F_CTRL_VQ) | BIT(NET_F_CTRL_RX));
	net_open(&m.to, 1, features | BIT(NET_F_CTRL_VQ) | BIT(NET_F_CTRL_RX));
}

static bool is_broken(const struct net_card *card)
{
	return read32(card->base + VIRTIO_STATUS) & VIRTIO_STATUS_NEEDS_RESET;
}

/* Within a fifth of a second. */
static bool comes_to(const struct vq *q, uint16_t index)
{
	uint64_t end = timer_virt.count() + read_cntfrq() / 5U;

	while (q->used.index != index && timer_virt.count() < end)
		read32(m.to.base + VIRTIO_STATUS);
	return q->used.index == index;
}

static void piece(struct vq *q, uint32_t i, uint64_t at, uint32_t len, uint32_t flags)
{
	q->desc[i] = (struct vq_desc){at, len, (uint16_t)flags, (uint16_t)(i + 1U)};
}

/* A frame to the second card, of any content behind its head. */
static void make_frame(uint32_t features)
{
	uint8_t mac[NET_MAC], *frame = m.frame + NET_HEADER;

	net_mac(&m.to, mac);
	net_head(&m.from, m.frame, mac);
	for (uint32_t i = NET_ETHER; i < sizeof(m.frame) - NET_HEADER; i++)
		frame[i] = (uint8_t)(i * 7U);
	if (!features)
		return;
	/* TCP of IPv4 in segments, its checksum left out (5.1.6.2). */
	memcpy(m.frame, (const uint8_t[]){1, 1, 54, 0, 0xa8, 5, 34, 0, 16, 0}, 10);
	memcpy(frame + 12, (const uint8_t[]){8, 0, 0x45, 0}, 4);
	frame[23] = 6;
	frame[46] = 0x50;
}

/* Have the chain from descriptor 0 on served; false: it is not, or more than it. */
static bool serve(struct net_card *card, enum net_queue queue)
{
	struct vq *q = &card->queue[queue];

	vq_offer(q, 0);
	net_notify(card, queue);
	return comes_to(q, q->avail[1]);
}

static bool serve_sent(void)
{
	return serve(&m.from, NET_SEND);
}

/* A frame of so many bytes, in one piece: how many bytes have come with its header, in any number of buffers; LOST. */
static uint32_t send(uint32_t len)
{
	uint16_t index = received->used.index;
	uint32_t sum = 0;

	piece(sent, 0, address(m.frame), NET_HEADER + len, 0);
	if (!serve_sent())
		return 0;
	if (native)
		comes_to(received, (uint16_t)(index + 1U));
	if (received->used.index == index)
		return LOST;
	for (; index != received->used.index; index++)
		sum += received->used.ring[index % VQ_SIZE].len;
	return sum;
}

static void give_buffers(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		net_give(&m.to, i, address(m.data) + i * BUFFER, BUFFER);
}

/* Has it come as it was sent, in buffers one behind the other? */
static bool is_same(uint32_t len)
{
	return memcmp(m.data + NET_HEADER, m.frame + NET_HEADER, len) == 0;
}

static bool works(void)
{
	open(0);
	make_frame(0);
	memset(m.data, 0, BUFFER);
	give_buffers(1);
	return send(SHORT) == NET_HEADER + SHORT && is_same(SHORT);
}

/* --- chains ------------------------------------------------------------------------------------------------------ */

/* What the device does with the queue: of the one that is filled, for a frame. */
static void provoke(enum net_queue queue)
{
	if (queue == NET_RECEIVE)
		send(SHORT);
	else
		net_notify(&m.from, queue);
}

/* It is found, nothing more is done until a reset, and then the cards work. */
static void test_chain(enum net_queue queue, uint32_t chain)
{
	struct net_card *card = queue == NET_RECEIVE ? &m.to : &m.from;
	const char *name;
	bool broken;

	open(BIT(VIRTIO_F_INDIRECT_DESC));
	make_frame(0);
	name = bad_chain_offer(chain, &card->queue[queue], m.table, m.data);
	provoke(queue);
	broken = is_broken(card);
	provoke(queue);
	broken &= is_broken(card) && card->queue[queue].used.index == 0;
	report(broken, "queue %u: %s: nothing more until a reset", queue, name);
	report(works(), "queue %u: %s: works after it", queue, name);
}

static void test_chains(void)
{
	for (uint32_t queue = 0; queue < NET_QUEUES; queue++)
		for (uint32_t chain = 0; chain < BAD_CHAINS; chain++)
			test_chain((enum net_queue)queue, chain);
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static const struct {
	uint32_t len, features;
	bool tag, comes, same; /* same: natively too */
} frames[] = {
	{0, 0, false, false, false},
	{1, 0, false, false, false},
	{13, 0, false, false, false},
	{14, 0, false, true, false}, /* QEMU makes it a longer one */
	{15, 0, false, true, false},
	{60, 0, false, true, true},
	{1513, 0, false, true, true},
	{1514, 0, false, true, true},
	{1515, 0, false, false, false},
	{1518, 0, true, true, true},
	{1519, 0, true, false, false},
	{65550, 0, false, false, false},
	{54, OFFLOADS, false, true, true},
	{1515, OFFLOADS, false, true, true},
	{65549, OFFLOADS, false, true, true},
	{65550, OFFLOADS, false, true, false},
	{65553, OFFLOADS, false, true, false}, /* with a tag that it could have */
	{65554, OFFLOADS, false, false, false},
	{KIB(68) - NET_HEADER, OFFLOADS, false, false, false},
};

static bool frame_is_right(uint32_t i)
{
	uint32_t len = frames[i].len, came;

	open(frames[i].features);
	make_frame(frames[i].features);
	if (frames[i].tag)
		m.frame[NET_HEADER + 12U] = TAG, m.frame[NET_HEADER + 13U] = 0;
	memset(m.data, 0, sizeof(m.data));
	give_buffers(34);
	came = send(len);
	if (!frames[i].comes)
		return came == LOST;
	return came == NET_HEADER + len && is_same(len);
}

static void test_lengths(void)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(frames); i++)
		if (!native || frames[i].same)
			report(frame_is_right(i), "a frame of %u bytes", (unsigned int)frames[i].len);
}

/* More than 4 GiB have no chain; nearly as much is a frame that is too long. */
static void test_longest(void)
{
	open(OFFLOADS);
	make_frame(OFFLOADS);
	give_buffers(1);
	for (uint32_t i = 0; i < VQ_SIZE; i++)
		piece(sent, i, address(m.frame), MIB(60), i + 1U < VQ_SIZE ? VIRTQ_DESC_NEXT : 0);
	report(serve_sent(), "a frame of 3,840 MiB");
	report(received->used.index == 0 && !is_broken(&m.from), "is lost");
}

/* What the header says of checksums and segments, at random. */
static void test_headers(void)
{
	uint32_t seed = 11, lost = 0, served = 0;

	for (uint32_t i = 0; i < 300; i++) {
		if (i % 8U == 0) {
			open(i % 16U ? OFFLOADS : OFFLOADS & ~BIT(NET_F_GUEST_TSO4));
			give_buffers(34);
		}
		make_frame(OFFLOADS);
		for (uint32_t n = i % 5U; n > 0; n--)
			m.frame[next_random(&seed) % (NET_HEADER + 56U)] = (uint8_t)next_random(&seed);
		lost += send(14U + next_random(&seed) % 4000U) == LOST;
		served += sent->used.index == sent->avail[1];
	}
	report(served == 300 && lost < 300, "headers at random, of which %u are lost", (unsigned int)lost);
	report(works(), "works after it");
}

/* --- buffers ----------------------------------------------------------------------------------------------------- */

/* As many buffers of a byte as there are descriptors left, behind `first` bytes in one. */
static void give_bytes(uint32_t first)
{
	if (first)
		net_give(&m.to, 0, address(m.data), first);
	for (uint32_t i = first ? 1 : 0; i < VQ_SIZE; i++)
		net_give(&m.to, i, address(m.data) + first + i - (first ? 1U : 0), 1);
}

/* One buffer in pieces of a byte, `count` of them. */
static void give_pieces(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		piece(received, i, address(m.data) + i, 1, VIRTQ_DESC_WRITE | (i + 1U < count ? VIRTQ_DESC_NEXT : 0));
	vq_offer(received, 0);
}

static void test_buffers(void)
{
	make_frame(0);
	if (!native) {
		open(0);
		give_bytes(0);
		report_eq(send(SHORT), LOST, "into a buffer of one byte");
		open(OFFLOADS);
		give_bytes(0);
		report_eq(send(SHORT), LOST, "into buffers of one byte");
		open(OFFLOADS);
		give_bytes(26);
		report_eq(send(200), LOST, "into as many as there are, which are too few");
		open(0);
		net_give(&m.to, 0, address(m.data), 0);
		report_eq(send(SHORT), LOST, "into a buffer of no byte");
		open(0);
		net_give(&m.to, 0, address(m.data), NET_HEADER + SHORT - 1U);
		report_eq(send(SHORT), LOST, "into a buffer that is a byte too short");
		open(0);
		piece(received, 0, address(m.data), BUFFER, 0);
		vq_offer(received, 0);
		report_eq(send(SHORT), LOST, "into a buffer that may not be written");
		open(OFFLOADS);
		give_bytes(26);
		report(send(50) == NET_HEADER + 50U && is_same(50),
		       "the head in one buffer, the rest in those of a byte");
		report_eq(m.data[10], 37, "which are counted");
	}
	open(0);
	memset(m.data, 0, BUFFER);
	give_pieces(VQ_SIZE);
	report(send(52) == NET_HEADER + 52U && is_same(52), "in pieces of a byte");
	open(0);
	net_give(&m.to, 0, address(m.data), NET_HEADER + SHORT);
	report(send(SHORT) == NET_HEADER + SHORT && is_same(SHORT), "into a buffer that is as long");
	report(works(), "works after it");
}

/* What is sent, in pieces: 26 of a byte for header and head, and more than virt7 allows for the rest. */
static void test_pieces(void)
{
	uint32_t len[] = {NET_ETHER, 50, 51}, wrong = 0;

	for (uint32_t n = 0; n < ARRAY_SIZE(len); n++) {
		uint32_t count = NET_HEADER + len[n];

		open(0);
		memset(m.data, 0, BUFFER);
		give_buffers(1);
		for (uint32_t i = 0; i < count && i < VQ_SIZE; i++)
			piece(sent, i, address(m.frame) + i, 1, i + 1U < count ? VIRTQ_DESC_NEXT : 0);
		if (count > VQ_SIZE)
			break;
		wrong += !serve_sent() || is_broken(&m.from);
		wrong += len[n] == NET_ETHER && (received->used.index != 1 || !is_same(NET_ETHER));
	}
	report_eq(wrong, 0, "frames in pieces of a byte");
	open(0);
	give_buffers(1);
	piece(sent, 0, address(m.frame), NET_HEADER + SHORT, VIRTQ_DESC_WRITE);
	report(serve_sent() && received->used.index == 0, "a frame that may not be read");
	report(works(), "works after it");
}

/* --- places ------------------------------------------------------------------------------------------------------ */

static uint32_t wrong_places(uint64_t at)
{
	uint32_t wrong = 0;

	open(0);
	give_buffers(1);
	piece(sent, 0, at, 512, 0);
	wrong += !serve_sent() || received->used.index != 0;
	piece(sent, 0, address(m.frame), 30, VIRTQ_DESC_NEXT);
	piece(sent, 1, at, 512, 0);
	wrong += !serve_sent() || received->used.index != 0;
	piece(sent, 0, address(m.frame), NET_HEADER + SHORT, 0);
	wrong += !serve_sent() || received->used.index != 1;

	/* A buffer that is nowhere goes back empty, the one behind it gets the next frame. */
	open(0);
	piece(received, 0, at, 512, VIRTQ_DESC_WRITE);
	vq_offer(received, 0);
	net_give(&m.to, 1, address(m.data), BUFFER);
	wrong += send(500) != 0;
	wrong += send(SHORT) != NET_HEADER + SHORT;
	for (uint32_t queue = 0; queue < NET_QUEUES; queue++)
		for (uint32_t area = 0; area < 3; area++) {
			uint64_t place[3] = {address(m.data), address(m.data) + 2048U, address(m.data) + 4096U};

			place[area] = at & ~UINT64_C(15);
			write32(m.from.base + VIRTIO_QUEUE_SEL, queue);
			write32(m.from.base + VIRTIO_QUEUE_READY, 0);
			wrong += vq_place_of(m.from.base, queue, VQ_SIZE, place[0], place[1], place[2]);
		}
	return wrong;
}

static void test_places(void)
{
	make_frame(0);
	for (uint32_t i = 0; i < NOWHERES; i++)
		report_eq(wrong_places(nowhere[i]), 0, "frames, buffers and rings where there is no RAM");
	report(works(), "works after it");
}

/* All queues in the same rings, over the frame and what comes. */
static void test_overlaps(void)
{
	for (uint32_t i = 0; i < 8; i++) {
		struct net_card *card = i & 1U ? &m.from : &m.to;
		uint32_t at = address(i & 2U ? m.frame : m.data);

		open(0);
		make_frame(0);
		give_buffers(4);
		for (uint32_t queue = 0; queue < NET_QUEUES; queue++) {
			write32(card->base + VIRTIO_QUEUE_SEL, queue);
			write32(card->base + VIRTIO_QUEUE_READY, 0);
			vq_place_of(card->base, queue, VQ_SIZE, at, i & 4U ? at + 16U : at, at + 32U);
		}
		for (uint32_t n = 0; n < 8; n++) {
			((volatile uint16_t *)(uintptr_t)at)[i & 4U ? 9 : 1] = (uint16_t)(n * 5U);
			for (uint32_t queue = 0; queue < NET_QUEUES; queue++)
				net_notify(card, (enum net_queue)queue);
			net_notify(&m.from, NET_SEND);
		}
	}
	report(works(), "works after rings that overlap");
}

static void test_registers(void)
{
	static const uint32_t sizes[] = {0, 3, 96, 512, UINT32_MAX};
	static const uint32_t queues[] = {NET_QUEUES, 31, 32, BIT(16), BIT(31), UINT32_MAX};
	uint32_t wrong = 0;

	open(0);
	for (uint32_t i = 0; i < ARRAY_SIZE(queues); i++) {
		write32(m.from.base + VIRTIO_QUEUE_NOTIFY, queues[i]);
		write32(m.from.base + VIRTIO_QUEUE_SEL, queues[i]);
		wrong += read32(m.from.base + VIRTIO_QUEUE_NUM_MAX) != 0;
	}
	for (uint32_t queue = 0; queue < NET_QUEUES; queue++)
		for (uint32_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			write32(m.from.base + VIRTIO_QUEUE_SEL, queue);
			write32(m.from.base + VIRTIO_QUEUE_READY, 0);
			wrong += vq_place_of(m.from.base, queue, sizes[i], address(m.data), address(m.data) + PAGE_LEN,
					     address(m.data) + 2U * PAGE_LEN);
		}
	report_eq(wrong, 0, "numbers and sizes of queues");
	report(works(), "works after it");
}

/* --- commands ---------------------------------------------------------------------------------------------------- */

#define CLASS_RX  0U
#define CLASS_MAC 1U
#define OK        0U
#define ERR       1U

static const struct {
	const char *name;
	uint32_t len;
	uint8_t bytes[40];
	uint8_t ack;
	bool same;
} commands[] = {
	{"nothing", 0, {0}, ERR, false},
	{"a class and no command", 1, {CLASS_RX}, ERR, false},
	{"a mode that is not said", 2, {CLASS_RX, 0}, ERR, true},
	{"all that comes", 3, {CLASS_RX, 0, 1}, OK, true},
	{"no more", 3, {CLASS_RX, 0, 0}, OK, true},
	{"a mode that was not negotiated", 3, {CLASS_RX, 2, 1}, ERR, false},
	{"a mode that there is not", 3, {CLASS_RX, 6, 1}, ERR, true},
	{"class 2", 4, {2, 0, 1, 0}, ERR, false},
	{"class 4", 4, {4, 0, 1, 0}, ERR, false},
	{"class 255", 3, {255, 255, 255}, ERR, true},
	{"an address, not negotiated", 8, {CLASS_MAC, 1, 2, 2, 2, 2, 2, 2}, ERR, false},
	{"an address that ends", 5, {CLASS_MAC, 1, 2, 2, 2}, ERR, true},
	{"no addresses", 10, {CLASS_MAC, 0}, OK, true},
	{"one list of two", 6, {CLASS_MAC, 0}, ERR, true},
	{"a list that ends", 15, {CLASS_MAC, 0, 2, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2}, ERR, true},
	{"4 G addresses", 20, {CLASS_MAC, 0, 255, 255, 255, 255}, ERR, true},
	{"as many as wrap", 20, {CLASS_MAC, 0, 0xab, 0xaa, 0xaa, 0xaa}, ERR, true}, /* times 6: 2 */
	{"two and two", 34, {CLASS_MAC, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 3, 2}, OK, true},
};

/* In pieces of `size` bytes; the answer. */
static uint32_t command(struct net_card *card, const uint8_t *bytes, uint32_t len, uint32_t size)
{
	struct vq *q = &card->queue[NET_CONTROL];
	uint32_t i = 0;

	m.ack = ACK_NONE;
	for (uint32_t at = 0; at < len; at += size, i++)
		piece(q, i, address(bytes) + at, len - at < size ? len - at : size, VIRTQ_DESC_NEXT);
	piece(q, i, address(&m.ack), 1, VIRTQ_DESC_WRITE);
	return serve(card, NET_CONTROL) ? m.ack : ACK_NONE;
}

static void test_commands(void)
{
	open(0);
	for (uint32_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (native && !commands[i].same)
			continue;
		report_eq(command(&m.from, commands[i].bytes, commands[i].len, 64), commands[i].ack, commands[i].name);
		report_eq(command(&m.from, commands[i].bytes, commands[i].len, 1), commands[i].ack,
			  "in pieces of a byte");
	}
	memset(m.frame, 2, sizeof(m.frame));
	memcpy(m.frame, (const uint8_t[]){CLASS_MAC, 0, 0x90, 1, 0, 0}, 6);
	memset(m.frame + 6U + 400U * NET_MAC, 0, 4);
	report_eq(command(&m.from, m.frame, 10U + 400U * NET_MAC, 2000), OK, "400 addresses");
}

static void test_answers(void)
{
	static const uint8_t all[] = {CLASS_RX, 0, 1};
	struct vq *q = &m.from.queue[NET_CONTROL];
	uint32_t wrong = 0;

	open(0);
	for (uint32_t i = 0; i < NOWHERES; i++) {
		piece(q, 0, address(all), sizeof(all), VIRTQ_DESC_NEXT);
		piece(q, 1, i < 5U || i > 6U ? nowhere[i] : HOSTILE_RAM_END, 1, VIRTQ_DESC_WRITE);
		wrong += !serve(&m.from, NET_CONTROL);
		piece(q, 0, nowhere[i], 512, VIRTQ_DESC_NEXT);
		piece(q, 1, address(&m.ack), 1, VIRTQ_DESC_WRITE);
		m.ack = ACK_NONE;
		wrong += !serve(&m.from, NET_CONTROL) || m.ack == ACK_NONE;
	}
	piece(q, 0, address(all), sizeof(all), 0);
	wrong += !serve(&m.from, NET_CONTROL);
	piece(q, 0, address(&m.ack), 1, VIRTQ_DESC_WRITE);
	wrong += !serve(&m.from, NET_CONTROL) || m.ack != ERR;
	report_eq(wrong, 0, "answers and commands where there is no RAM, or none");
	report(works(), "works after it");
}

/* A group's frames come when it is in the table. */
static void test_filter(void)
{
	static const uint8_t none[] = {CLASS_RX, 0, 0};
	static const uint8_t group[] = {CLASS_MAC, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 2, 2, 2, 2, 2};

	open(0);
	make_frame(0);
	memset(m.frame + NET_HEADER, 2, NET_MAC);
	m.frame[NET_HEADER] = 3;
	give_buffers(4);
	report_eq(send(SHORT), NET_HEADER + SHORT, "to a group, with all that comes");
	report_eq(command(&m.to, none, sizeof(none), 64), OK, "only what it has asked for");
	report_eq(send(SHORT), LOST, "to a group that it has not");
	report_eq(command(&m.to, group, sizeof(group), 64), OK, "a group");
	report_eq(send(SHORT), NET_HEADER + SHORT, "to that group");
}

/* --- other vCPUs ------------------------------------------------------------------------------------------------- */

static void spoil(struct vq *q, uint32_t i, uint32_t *seed)
{
	uint64_t places[] = {address(m.frame),  address(m.data),      address(m.table), address(m.from.queue), 0,
			     MACHINE_UART_BASE, HOSTILE_RAM_END - 8U, UINT64_MAX};
	uint32_t what = next_random(seed);
	struct vq_desc *desc = what & 64U ? &m.table[i] : &q->desc[i];

	switch (what % 7U) {
	case 0:
		desc->addr = places[next_random(seed) % ARRAY_SIZE(places)];
		break;
	case 1:
		desc->len = next_random(seed) % (i & 1U ? 64U : 2U * PAGE_LEN);
		break;
	case 2:
		desc->flags = (uint16_t)(next_random(seed) % 8U);
		break;
	case 3:
		desc->next = (uint16_t)(next_random(seed) % (VQ_SIZE + 1U));
		break;
	case 4:
		q->avail[2U + i] = (uint16_t)(next_random(seed) % VQ_SIZE);
		break;
	case 5:
		q->avail[1] = (uint16_t)(q->avail[1] + next_random(seed) % 4U);
		break;
	default:
		((volatile uint8_t *)m.frame)[next_random(seed) % 80U] = (uint8_t)next_random(seed);
		break;
	}
}

/*
 * Every queue of both cards, and what is sent, while another vCPU has them served. No piece is longer than two pages,
 * nor begins but at the places above and at the buffers: a guard that changes is the device's mistake.
 */
static void scribble(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	while (!others_stop) {
		uint32_t n = next_random(&seed), queue = n % NET_QUEUES;
		struct net_card *card = n & 16U ? &m.from : &m.to;

		spoil(&card->queue[queue], (n >> 5) % VQ_SIZE, &seed);
		if (n % 64U == 0)
			write32(VIO_SLOT(n >> 12 & 1U) + VIRTIO_QUEUE_NOTIFY, queue);
	}
}

static void test_race(uint32_t races)
{
	uint32_t broken = 0;

	others_begin(scribble);
	for (uint32_t i = 0; i < races; i++) {
		if (i % 32U == 0 || is_broken(&m.from) || is_broken(&m.to)) {
			broken += is_broken(&m.from) || is_broken(&m.to);
			open(BIT(VIRTIO_F_INDIRECT_DESC) | (i & 1U ? OFFLOADS : 0));
			make_frame(i & 1U ? OFFLOADS : 0);
			give_buffers(16);
		}
		piece(sent, i % 8U, address(m.frame), 1000, i & 2U ? VIRTQ_DESC_NEXT : 0);
		vq_offer(&m.from.queue[NET_SEND], i % 8U);
		vq_offer(&m.from.queue[NET_CONTROL], i % 3U);
		net_notify(&m.from, NET_SEND);
		net_notify(&m.from, NET_CONTROL);
	}
	others_end();
	write32(m.from.base + VIRTIO_STATUS, 0);
	write32(m.to.base + VIRTIO_STATUS, 0);
	report(broken > 0, "descriptors rewritten meanwhile: %u times broken", (unsigned int)broken);
	report(works(), "works after it");
}

void guest_main(void)
{
	uint32_t races = param("races=", 1000);

	native = param("native=", 0) != 0;
	mmu_short_init();
	mmu_short_on();
	guard_set(&m.before);
	guard_set(&m.between);
	guard_set(&m.behind);
	report(works(), "works");
	test_lengths();
	test_buffers();
	test_commands();
	if (!native) {
		test_chains();
		test_longest();
		test_headers();
		test_pieces();
		test_places();
		test_overlaps();
		test_registers();
		test_answers();
		test_filter();
	}
	check_guards("nothing beside what the cards were given");
	if (!native && smp_count() > 1) {
		test_race(races);
		check_guards("nor while others wrote");
	}
}
