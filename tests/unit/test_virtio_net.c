/*
 * Network cards and switches (hyp/virtio/net.c, switch.c): a frame arrives where it belongs and nowhere else, whole or
 * not at all; what drivers do wrong is counted and harms nobody else. The cards are one VM's here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include <arm/atomic.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "fake_page.h"
#include "fit.h"
#include "hyp/load/words.h"
#include "hyp/virtio/net.h"
#include "virtio_rig.h"

#define RECEIVE   0U
#define TRANSMIT  1U
#define SIZE      8U
#define UNTOUCHED 0xa5  /* what the fake RAM is filled with */
#define HZ        1000U /* fake_virtio.c */
#define CARDS_MAX 32U
#define COPIES_MAX \
	(RIG_COPIES_MAX + 2U * 112U + 256U) /* the most pieces of a frame on both sides; a look at what failed */

/* Of a card in guest RAM: its rings and buffers. */
#define AREA(slot)     (MACHINE_RAM_BASE + 0x10000U + (slot)*0x10000U)
#define RING(r)        (AREA((r)->slot) + (r)->queue * 0x2000U)
#define RING_AVAIL(r)  (RING(r) + 0x1000U)
#define RING_USED(r)   (RING(r) + 0x1800U)
#define OUT(slot)      (AREA(slot) + 0x4000U)
#define IN(slot, n)    (AREA(slot) + 0x8000U + (n)*0x800U)
#define BUFFER         0x800U
#define RECEIVE_HEADER 12U

static struct fit fit;
static struct bundle bundle;
static struct virtio_device *card[CARDS_MAX];

struct ring {
	uint32_t slot, queue;
	uint16_t avail;
};

static struct ring rings[CARDS_MAX][2];
static const uint8_t everyone[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

const struct device_class *const device_classes[] = {&virtio_net_class, NULL};

static uint32_t accepted[CARDS_MAX]; /* features beside VERSION_1 */

/* What a card's node says beside its address, 52:54:00:00:00:N, and switch "lan". */
static const char *flag[CARDS_MAX];
static uint32_t cards;

static void begin_node(uint32_t n)
{
	char name[16];

	snprintf(name, sizeof(name), "net%u", (unsigned)n);
	assert_int_equal(fdt_begin_node(fit.blob, name), 0);
	fit_string(&fit, "compatible", "virt7,virtio-net");
}

static void add_node(uint32_t n)
{
	const uint8_t mac[MAC_BYTES] = {0x52, 0x54, 0, 0, 0, (uint8_t)n};

	begin_node(n);
	fit_string(&fit, "switch", "lan");
	assert_int_equal(fdt_property(fit.blob, "local-mac-address", mac, MAC_BYTES), 0);
	if (flag[n])
		assert_int_equal(fdt_property(fit.blob, flag[n], NULL, 0), 0);
	assert_int_equal(fdt_end_node(fit.blob), 0);
}

static void begin_bundle(void)
{
	fit_begin(&fit);
	fit_vms(&fit);
	fit_vm(&fit, "web");
}

static int end_bundle(void)
{
	fit_vm_end(&fit);
	fit_end(&fit);
	bundle = (struct bundle){.fdt = fit.blob, .size = fit.size};
	rig_begin(NULL, NULL);
	rig_vm.state = VM_RUNNING;
	return device_create_all(&rig_vm, &bundle, fdt_path_offset(fit.blob, "/vms/web"));
}

static void make(uint32_t count)
{
	struct device *device;

	begin_bundle();
	cards = count;
	for (uint32_t n = 0; n < count; n++)
		add_node(n);
	assert_int_equal(end_bundle(), 0);
	device = device_find(&rig_vm, &virtio_net_class);
	for (uint32_t n = 0; n < count; n++, device = device->next)
		card[n] = virtio_of(device);
}

static int teardown(void **state)
{
	(void)state;
	rig_end();
	fit_free(&fit);
	assert_null(switch_next(NULL));
	memset(flag, 0, sizeof(flag));
	memset(accepted, 0, sizeof(accepted));
	return 0;
}

static void reg(uint32_t slot, uint32_t offset, uint32_t value)
{
	rig_write_size(slot, offset, value, 4);
}

static void set_ready(struct ring *r, uint32_t size)
{
	memset(fake_guest_at(RING(r)), 0, 0x2000);
	r->avail = 0;
	reg(r->slot, VIRTIO_QUEUE_SEL, r->queue);
	reg(r->slot, VIRTIO_QUEUE_NUM, size);
	if (card[r->slot]->legacy) {
		reg(r->slot, VIRTIO_QUEUE_ALIGN, 0x800);
		reg(r->slot, VIRTIO_QUEUE_PFN, (uint32_t)(RING(r) / 0x1000U));
		return;
	}
	reg(r->slot, VIRTIO_QUEUE_DESC_LOW, (uint32_t)RING(r));
	reg(r->slot, VIRTIO_QUEUE_DRIVER_LOW, (uint32_t)RING_AVAIL(r));
	reg(r->slot, VIRTIO_QUEUE_DEVICE_LOW, (uint32_t)RING_USED(r));
	reg(r->slot, VIRTIO_QUEUE_READY, 1);
	assert_int_equal(rig_read_size(r->slot, VIRTIO_QUEUE_READY, 4), 1);
}

/* As far as DRIVER_OK, with queues of `size` entries, and nothing in them. */
static void start_size(uint32_t slot, uint32_t size)
{
	uint32_t status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

	reg(slot, VIRTIO_STATUS, 0);
	reg(slot, VIRTIO_STATUS, status);
	if (card[slot]->legacy) {
		reg(slot, VIRTIO_GUEST_PAGE_SIZE, 0x1000);
	} else {
		reg(slot, VIRTIO_DRIVER_FEATURES_SEL, 0);
		reg(slot, VIRTIO_DRIVER_FEATURES, accepted[slot]);
		reg(slot, VIRTIO_DRIVER_FEATURES_SEL, 1);
		reg(slot, VIRTIO_DRIVER_FEATURES, 1);
		status |= VIRTIO_STATUS_FEATURES_OK;
		reg(slot, VIRTIO_STATUS, status);
	}
	for (uint32_t queue = RECEIVE; queue <= TRANSMIT; queue++) {
		rings[slot][queue] = (struct ring){.slot = slot, .queue = queue};
		set_ready(&rings[slot][queue], size);
	}
	reg(slot, VIRTIO_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
}

/* Of version 1 the used ring's place follows from the others'. */
static uint64_t used_ring(const struct ring *r)
{
	return card[r->slot]->legacy ? align_up(RING(r) + 16U * SIZE + 6U + 2U * SIZE, 0x800U) : RING_USED(r);
}

static uint64_t avail_ring(const struct ring *r)
{
	return card[r->slot]->legacy ? RING(r) + 16U * SIZE : RING_AVAIL(r);
}

static void desc(struct ring *r, uint32_t index, uint64_t at, uint32_t len, uint32_t flags, uint32_t next)
{
	rig_desc_at(RING(r), index, at, len, flags, next);
}

static void offer(struct ring *r, uint32_t head, uint32_t size)
{
	rig_set16(avail_ring(r) + 4U + 2U * (r->avail % size), (uint16_t)head);
	rig_set16(avail_ring(r) + 2U, ++r->avail);
}

static void give_buffer(uint32_t slot, uint32_t n, uint32_t len)
{
	struct ring *r = &rings[slot][RECEIVE];

	memset(fake_guest_at(IN(slot, n)), UNTOUCHED, BUFFER);
	desc(r, n, IN(slot, n), len, VIRTQ_DESC_WRITE, 0);
	offer(r, n, SIZE);
}

static void start(uint32_t slot)
{
	start_size(slot, SIZE);
	for (uint32_t n = 0; n < SIZE; n++)
		give_buffer(slot, n, BUFFER);
}

static void start_all(uint32_t count)
{
	make(count);
	for (uint32_t slot = 0; slot < count; slot++)
		start(slot);
}

static uint16_t used(uint32_t slot, uint32_t queue)
{
	return rig_get16(used_ring(&rings[slot][queue]) + 2U);
}

static uint32_t used_len(uint32_t slot, uint32_t entry)
{
	return *(uint32_t *)fake_guest_at(used_ring(&rings[slot][RECEIVE]) + 8U + 8U * (entry % SIZE));
}

/* A step does no more than what is written at net.c's head. */
static void step(void)
{
	atomic_clear(&rig_vcpu[0].thread.work, WORK_VIRTIO);
	fake_virtio.copies = fake_virtio.touches = 0;
	if (virtio_work(&rig_vcpu[0]))
		atomic_or(&rig_vcpu[0].thread.work, WORK_VIRTIO);
	assert_int_equal(fake_virtio.views, 0);
	assert_in_range(fake_virtio.touches, 0, 1);
	assert_in_range(fake_virtio.copies, 0, COPIES_MAX);
}

/* The number of steps. */
static uint32_t work(void)
{
	uint32_t steps = 0;

	for (; rig_vcpu[0].thread.work & WORK_VIRTIO; steps++) {
		step();
		assert_in_range(steps, 0, 6500);
	}
	return steps;
}

static uint32_t kick(uint32_t slot)
{
	reg(slot, VIRTIO_QUEUE_NOTIFY, TRANSMIT);
	return work();
}

static void mac_of(uint32_t n, uint8_t *mac)
{
	memcpy(mac, card[n]->state->page.byte + VIRTIO_CONFIG, MAC_BYTES);
}

/* A frame of `len` bytes behind a header that must not matter, at OUT(slot). */
static void write_frame(uint32_t slot, const uint8_t *to, const uint8_t *from, uint32_t len)
{
	uint8_t *at = fake_guest_at(OUT(slot));
	uint32_t header = card[slot]->legacy ? 10 : 12;

	memset(at, 0xee, header);
	at += header;
	for (uint32_t i = 0; i < len; i++)
		at[i] = (uint8_t)(i * 13U + slot);
	if (len >= 2U * MAC_BYTES) {
		memcpy(at, to, MAC_BYTES);
		memcpy(at + MAC_BYTES, from, MAC_BYTES);
	}
	desc(&rings[slot][TRANSMIT], 0, OUT(slot), header + len, 0, 0);
}

static uint32_t send_from(uint32_t slot, const uint8_t *to, const uint8_t *from, uint32_t len)
{
	write_frame(slot, to, from, len);
	offer(&rings[slot][TRANSMIT], 0, SIZE);
	return kick(slot);
}

static uint32_t send_to(uint32_t slot, const uint8_t *to, uint32_t len)
{
	uint8_t from[MAC_BYTES];

	mac_of(slot, from);
	return send_from(slot, to, from, len);
}

static uint32_t transmit(uint32_t slot, uint32_t to, uint32_t len)
{
	uint8_t mac[MAC_BYTES];

	mac_of(to, mac);
	return send_to(slot, mac, len);
}

/* Buffer n of `slot` has what lies at OUT(from), and nothing behind it. */
static void expect_frame(uint32_t slot, uint32_t n, uint32_t from, uint32_t len)
{
	static const uint8_t header[RECEIVE_HEADER] = {[10] = 1};
	const uint8_t *at = fake_guest_at(IN(slot, n));
	uint32_t in_header = card[slot]->legacy ? 10 : 12, out_header = card[from]->legacy ? 10 : 12;

	assert_int_equal(used_len(slot, used(slot, RECEIVE) - 1U), in_header + len);
	assert_memory_equal(at, header, in_header);
	assert_memory_equal(at + in_header, fake_guest_at(OUT(from) + out_header), len);
	assert_int_equal(at[in_header + len], UNTOUCHED);
}

static const struct net_count *count(uint32_t slot)
{
	return net_counts(&card[slot]->device);
}

static uint32_t dropped(uint32_t slot, enum net_drop why)
{
	return count(slot)->dropped[why];
}

static void test_identity(void **state)
{
	(void)state;
	make(1);
	assert_int_equal(rig_read(VIRTIO_DEVICE_ID), VIRTIO_ID_NET);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 256);
	rig_write(VIRTIO_QUEUE_SEL, 2);
	assert_int_equal(rig_read(VIRTIO_QUEUE_NUM_MAX), 0);
	rig_write(VIRTIO_DEVICE_FEATURES_SEL, 0);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES), 0x300199ab); /* CTRL_VQ, ... are not there */
	assert_int_equal(rig_read(VIRTIO_CONFIG), 0x00005452);
	assert_int_equal(rig_read(VIRTIO_CONFIG + 4U), 0x00010000); /* link up */
	assert_int_equal(rig_read_size(0, VIRTIO_CONFIG + 10U, 2), 1500);
	assert_string_equal(net_name(&card[0]->device), "web.net0");
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
	static const uint32_t wrong[] = {0, 1, 11, 12, 12 + 13, 12 + 1519, 12 + 9000, 65550};
	static const uint32_t fine[] = {12 + 14, 12 + 15, 12 + 1514, 12 + 1518};
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

/* RAM that has not been touched: a block a step, the sender's and the receiver's. */
static void test_first_touch(void **state)
{
	(void)state;
	start_all(2);
	fake_virtio.fresh =
		BIT64((OUT(0) - MACHINE_RAM_BASE) / KIB(64)) | BIT64((IN(1, 0) - MACHINE_RAM_BASE) / KIB(64));
	assert_in_range(transmit(0, 1, 1514), 3, 4);
	expect_frame(1, 0, 0, 1514);
	assert_int_equal(count(0)->sent, 1);
	assert_int_equal(count(1)->received, 1);
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

/* Offloads */

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

/* The receiver knows that it is missing, and nobody computes it. */
static void test_checksum_left_out(void **state)
{
	uint32_t len;

	(void)state;
	start_two(CSUM, GUEST_CSUM);
	len = write_tcp(101, 0, false);
	send_large(len);
	assert_int_equal(used_len(1, 0), 12U + len);
	assert_memory_equal(received(0), fake_guest_at(LARGE + 12U), len);
	assert_memory_equal(fake_guest_at(IN(1, 0)), fake_guest_at(LARGE), 10);
	assert_int_equal(rig_get16(IN(1, 0) + 10U), 1);
	accepted[0] = 0; /* and now the header says nothing */
	start(0);
	send_large(len);
	assert_int_equal(rig_get16(IN(1, 1)), 0);
	assert_int_equal(rig_get16(IN(1, 1) + 6U), 0);
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
	send_large(write_tcp(3000, 1000, false)); /* nobody has spoken of large ones */
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
	for (uint32_t n = 0; n < cards && len != 2; n++) {
		const struct virtq *q = &card[n]->queue[RECEIVE];
		bool found = !card[n]->receive_lock.held;

		for (uint32_t i = q->chain.readable; !found && i < q->chain.count; i++)
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
	start_all(4);
	seed = 7;
	fake_virtio.on_copy_out = watch;
	for (uint32_t round = 0; round < ROUNDS; round++) {
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

/* Without one of its own: the same in each boot, and another for each device. */
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

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_one_to_another),
		TEST(test_legacy),
		TEST(test_to_all),
		TEST(test_to_many),
		TEST(test_wrong_source),
		TEST(test_any_mac),
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
		TEST(test_saved_and_restored),
		TEST(test_default_mac),
		TEST(test_checksum_left_out),
		TEST(test_checksum_made_good),
		TEST(test_headers_that_are_wrong),
		TEST(test_large_to_one_who_takes_it),
		TEST(test_buffers_of_a_byte),
		TEST(test_large_into_ram_that_is_none),
		TEST(test_large_to_one_who_does_not),
		TEST(test_many_segments),
		TEST(test_large_that_is_no_tcp),
		TEST(test_anything),
		cmocka_unit_test(test_nodes_that_are_wrong),
		cmocka_unit_test(test_ports_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
