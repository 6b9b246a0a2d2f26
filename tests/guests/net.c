/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network cards under load and in need of an answer. role=N in the boot arguments:
 *
 *   0  sends to two receivers in turn, as quickly as it can, frames of many lengths that say what is in them
 *   1  receives, for ever, after a look whether anything has come from before it began; with resets=N it resets its
 * card N times among frames, and ends. crash=1: its watchdog finds that it neither sleeps nor takes interrupts 2
 * answers each frame 3  asks that one, and says how long it took: rounds=N 4  sends to all, as quickly as it can
 *
 * The MAC of a card is PREFIX and its role; of the second receiver, 5. Only for tests in tests/qemu.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/net.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/timer.h"

enum role { SENDS, RECEIVES, ANSWERS, ASKS, FLOODS, ROLES };

#define SECOND_RECEIVER 5U
#define BUFFERS         UINT32_C(0x40200000) /* of 8 MiB: behind the image, which is zeroed, before the device tree */
#define BUFFER          2048U
#define BUFFERS_END     (BUFFERS + VQ_SIZE * BUFFER)
#define STANDING        UINT32_C(0xa5a5a5a5)
#define FRAME_MAX       1514U
#define SHORT           64U
#define BATCH           (VQ_SIZE / 2U)
#define SPI             MACHINE_SPI_VIRTIO(0)

static struct net_card card;
static uint16_t taken;
static uint32_t crash;

static void mac_of(uint32_t role, uint8_t *mac)
{
	memcpy(mac, (const uint8_t[]){0x52, 0x54, 0, 0, 0, (uint8_t)role}, NET_MAC);
}

static uint32_t buffer_of(uint32_t i)
{
	return BUFFERS + i * BUFFER;
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* Frames of the same length have the same content: words that count up from the length. */
static uint32_t make_frame(uint32_t i, const uint8_t *to, uint32_t len)
{
	uint32_t at = buffer_of(i);

	net_head(&card, (uint8_t *)(uintptr_t)at, to);
	for (uint32_t n = NET_HEADER + NET_ETHER + 2U; n + 4U <= NET_HEADER + len; n += 4U)
		write32(at + n, len + n);
	card.queue[NET_SEND].desc[i] = (struct vq_desc){at, NET_HEADER + len, 0, 0};
	return i;
}

/* All that is offered is sent before it returns. */
static void send(void)
{
	struct vq *q = &card.queue[NET_SEND];

	net_notify(&card, NET_SEND);
	while (q->used.index != q->avail[1])
		read32(card.base + VIRTIO_STATUS);
}

static void send_for_ever(const uint8_t *to, const uint8_t *or_to)
{
	for (uint32_t i = 0; i < VQ_SIZE; i++)
		make_frame(i, i & 1U ? or_to : to, i < 8U ? SHORT : FRAME_MAX - (i - 8U) * 23U);
	for (;;) {
		for (uint32_t i = 0; i < BATCH; i++)
			vq_offer(&card.queue[NET_SEND], card.queue[NET_SEND].avail[1] % VQ_SIZE);
		send();
	}
}

static void sends(void)
{
	uint8_t to[NET_MAC], or_to[NET_MAC];

	mac_of(RECEIVES, to);
	mac_of(SECOND_RECEIVER, or_to);
	send_for_ever(to, or_to);
}

static void floods(void)
{
	static const uint8_t all[NET_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	send_for_ever(all, all);
}

/* --- receiving --------------------------------------------------------------------------------------------------- */

static void open(void)
{
	net_open(&card, 0, 0);
	card.queue[NET_SEND].avail[0] = VIRTQ_NO_INTERRUPT;
	taken = 0;
}

static void give_all(void)
{
	for (uint32_t i = 0; i < VQ_SIZE; i++)
		net_give(&card, i, buffer_of(i), BUFFER);
}

static bool has_frame(void)
{
	return card.queue[NET_RECEIVE].used.index != taken;
}

/* An edge, which a masked WFI wakes up for. */
static void set_interrupt(void)
{
	gic_init();
	write32(DIST_ICFGR(SPI / 16U), read32(DIST_ICFGR(SPI / 16U)) | 2U << 2U * (SPI % 16U));
	gic_target_self(SPI);
	gic_enable(SPI);
}

static void await_frame(void)
{
	while (!has_frame()) {
		uint32_t iar;

		if (crash)
			continue;
		wfi();
		iar = read32(CPUIF_IAR);
		write32(card.base + VIRTIO_INTERRUPT_ACK, read32(card.base + VIRTIO_INTERRUPT_STATUS));
		write32(CPUIF_EOIR, iar);
	}
	dmb();
}

/* The next frame's buffer; its length is that of the frame with the header. */
static uint32_t take(uint32_t *len)
{
	volatile struct vq_used *used = &card.queue[NET_RECEIVE].used;
	uint32_t i = taken % VQ_SIZE, id = used->ring[i].id;

	*len = used->ring[i].len;
	taken++;
	return id;
}

/* As its sender has made it? */
static bool is_whole(uint32_t at, uint32_t len)
{
	uint8_t mac[NET_MAC];

	mac_of(SENDS, mac);
	if (len < NET_HEADER + SHORT || len > NET_HEADER + FRAME_MAX)
		return false;
	for (uint32_t n = NET_HEADER + NET_ETHER + 2U; n + 4U <= len; n += 4U)
		if (read32(at + n) != len - NET_HEADER + n)
			return false;
	return memcmp((const void *)(uintptr_t)(at + NET_HEADER + NET_MAC), mac, NET_MAC) == 0;
}

static void fill(uint32_t word)
{
	for (uint32_t at = BUFFERS; at < BUFFERS_END; at += 4U)
		write32(at, word);
}

static uint32_t differs(uint32_t word)
{
	uint32_t sum = 0;

	for (uint32_t at = BUFFERS; at < BUFFERS_END; at += 4U)
		sum += read32(at) != word;
	return sum;
}

/* `frames` of them, or without end: whole, and given back. */
static bool receive(uint32_t frames)
{
	uint32_t len, id;
	bool fine = true;

	for (uint32_t n = 0; frames == 0 || n < frames; n++) {
		await_frame();
		id = take(&len);
		if (id >= VQ_SIZE || !is_whole(buffer_of(id), len)) {
			report(false, "frame %u of %u bytes", (unsigned int)n, (unsigned int)len);
			fine = false;
			id %= VQ_SIZE;
		}
		vq_offer(&card.queue[NET_RECEIVE], id);
	}
	return fine;
}

static void reset_often(uint32_t resets)
{
	uint32_t written = 0, bad = 0, flew = 0;

	for (uint32_t i = 0; i < resets; i++) {
		open();
		give_all();
		bad += !receive(i % 97U + 1U);
		write32(card.base + VIRTIO_STATUS, 0);
		flew += has_frame();
		fill(STANDING);
		timer_delay(300);
		written += differs(STANDING);
	}
	report_eq(written, 0, "nothing is written after a reset");
	report_eq(bad, 0, "frames are whole");
	printf("net: %u of %u with more to come\n", (unsigned int)flew, (unsigned int)resets);
}

/* RAM is zeroed when a VM begins anew: what is there has been written since. */
static void receives(void)
{
	uint32_t resets = param("resets=", 0), found = differs(0);

	crash = param("crash=", 0);
	timer_delay(500);
	found += differs(0);
	if (found) {
		report_eq(found, 0, "nothing has come from before the reset");
		return;
	}
	mmu_short_init();
	mmu_short_on();
	if (resets) {
		reset_often(resets);
		return;
	}
	open();
	give_all();
	receive(0);
}

/* --- round trips ------------------------------------------------------------------------------------------------- */

static void reply(const uint8_t *to)
{
	make_frame(0, to, SHORT);
	vq_offer(&card.queue[NET_SEND], 0);
	send();
}

/* Buffers of their own: BUFFERS are for what is sent. */
static uint8_t space[VQ_SIZE][256];

static void give_space(void)
{
	for (uint32_t i = 0; i < VQ_SIZE; i++)
		net_give(&card, i, (uint32_t)(uintptr_t)space[i], sizeof(space[i]));
}

/* Whether the next frame is from there. Others are lost, as one to all of many lengths is. */
static bool take_from(const uint8_t *mac)
{
	uint32_t len, id;
	bool is;

	await_frame();
	id = take(&len) % VQ_SIZE;
	is = memcmp(space[id] + NET_HEADER + NET_MAC, mac, NET_MAC) == 0;
	vq_offer(&card.queue[NET_RECEIVE], id);
	return is;
}

static void answers(void)
{
	uint8_t mac[NET_MAC];

	mac_of(ASKS, mac);
	give_space();
	for (;;)
		if (take_from(mac))
			reply(mac);
}

/* Until there is an answer, also where one that has no buffer left has lost the frame; how often that was. */
static uint32_t ask(const uint8_t *mac)
{
	uint32_t again = 0;
	uint64_t end;

	do {
		reply(mac);
		end = timer_virt.count() + timer_ticks(100000);
		while (timer_virt.count() < end)
			if (take_from(mac))
				return again;
		again++;
	} while (true);
}

/* The first one is not counted: it finds out that the other one is there. */
static void asks(void)
{
	uint32_t rounds = param("rounds=", 100), us = read_cntfrq() / 1000000U;
	uint64_t began, took, sum = 0, longest = 0;
	uint32_t again = 0;
	uint8_t mac[NET_MAC];

	mac_of(ANSWERS, mac);
	give_space();
	timer_delay(100000); /* the others begin */
	for (uint32_t i = 0; i <= rounds; i++) {
		began = timer_virt.count();
		again += ask(mac);
		took = timer_virt.count() - began;
		if (i == 0)
			continue;
		sum += took;
		longest = took > longest ? took : longest;
	}
	printf("net: %u sent again\n", (unsigned int)again);
	printf("round trip: %u us, %u us at most\n", (unsigned int)(sum / rounds / us), (unsigned int)(longest / us));
	for (;;)
		take_from(mac);
}

void guest_main(void)
{
	static void (*const roles[ROLES])(void) = {sends, receives, answers, asks, floods};
	uint32_t role = param("role=", ROLES);

	if (role >= ROLES || read32(VIO_SLOT(0) + VIRTIO_DEVICE_ID) != VIO_ID_NET) {
		report(false, "a role, and a card");
		return;
	}
	set_interrupt();
	if (role != RECEIVES) {
		mmu_short_init();
		mmu_short_on();
		open();
	}
	printf("net: begins\n");
	roles[role]();
}
