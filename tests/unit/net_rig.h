/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network cards in a VM of virtio_rig.h, each with its rings and buffers in guest RAM, for the tests of
 * hyp/virtio/net.c, switch.c and offload.c. A program has one of all this.
 */
#ifndef NET_RIG_H
#define NET_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "fake_page.h"
#include "fit.h"
#include "hyp/load/words.h"
#include "hyp/virtio/net.h"
#include "virtio_rig.h"

#define RECEIVE   0U
#define TRANSMIT  1U
#define CONTROL   2U
#define F_CTRL_VQ 17U
#define SIZE      8U
#define UNTOUCHED 0xa5  /* what the fake RAM is filled with */
#define HZ        1000U /* fake_virtio.c */
#define CARDS_MAX 32U
#define COPIES_MAX \
	(RIG_COPIES_MAX + 2U * 112U + 256U) /* the most pieces of a frame on both sides; a look at what failed */

/* Of a card in guest RAM: its rings and buffers. */
#define AREA(slot)     (MACHINE_RAM_BASE + 0x10000U + (slot)*0x10000U)
#define RING(r)        (AREA((r)->slot) + ((r)->queue == CONTROL ? 0xc000U : (r)->queue * 0x2000U))
#define RING_AVAIL(r)  (RING(r) + 0x1000U)
#define RING_USED(r)   (RING(r) + 0x1800U)
#define OUT(slot)      (AREA(slot) + 0x4000U)
#define IN(slot, n)    (AREA(slot) + 0x8000U + (n)*0x800U)
#define COMMAND(slot)  (AREA(slot) + 0xe000U)
#define BUFFER         0x800U
#define RECEIVE_HEADER 12U

static struct fit fit;
static struct bundle bundle;
static struct virtio_device *card[CARDS_MAX];

struct ring {
	uint32_t slot, queue;
	uint16_t avail;
};

static struct ring rings[CARDS_MAX][3];
static const uint8_t everyone[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

const struct device_class *const device_classes[] = {&virtio_net_class, NULL};

static uint32_t accepted[CARDS_MAX]; /* features beside VERSION_1; of version 1 too */

/* What a card's node says beside its address, 52:54:00:00:00:N, and switch "lan". */
static const char *flag[CARDS_MAX];
static uint32_t cards, group_limit; /* 0: none that counts, with HZ */

static inline void begin_node(uint32_t n)
{
	char name[16];

	snprintf(name, sizeof(name), "net%u", (unsigned)n);
	assert_int_equal(fdt_begin_node(fit.blob, name), 0);
	fit_string(&fit, "compatible", "virt7,virtio-net");
}

static inline void add_node(uint32_t n)
{
	const uint8_t mac[MAC_BYTES] = {0x52, 0x54, 0, 0, 0, (uint8_t)n};

	begin_node(n);
	fit_string(&fit, "switch", "lan");
	assert_int_equal(fdt_property(fit.blob, "local-mac-address", mac, MAC_BYTES), 0);
	assert_int_equal(fdt_property_u32(fit.blob, "broadcast-limit", group_limit ? group_limit : 1000000), 0);
	if (flag[n])
		assert_int_equal(fdt_property(fit.blob, flag[n], NULL, 0), 0);
	assert_int_equal(fdt_end_node(fit.blob), 0);
}

static inline void begin_bundle(void)
{
	fit_begin(&fit);
	fit_vms(&fit);
	fit_vm(&fit, "web");
}

static inline int end_bundle(void)
{
	fit_vm_end(&fit);
	fit_end(&fit);
	assert_int_equal(bundle_open(&bundle, fit.blob, fit.size), 0);
	rig_begin(NULL, NULL);
	rig_vm.state = VM_RUNNING;
	return device_create_all(&rig_vm, &bundle, fdt_path_offset(fit.blob, "/vms/web"));
}

static inline void make(uint32_t count)
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

static inline int teardown(void **state)
{
	(void)state;
	rig_end();
	fit_free(&fit);
	assert_null(switch_next(NULL));
	memset(flag, 0, sizeof(flag));
	group_limit = 0;
	memset(accepted, 0, sizeof(accepted));
	return 0;
}

static inline void reg(uint32_t slot, uint32_t offset, uint32_t value)
{
	rig_write_size(slot, offset, value, 4);
}

static inline void set_ready(struct ring *r, uint32_t size)
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
static inline void start_size(uint32_t slot, uint32_t size)
{
	uint32_t status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

	reg(slot, VIRTIO_STATUS, 0);
	reg(slot, VIRTIO_STATUS, status);
	if (card[slot]->legacy) {
		reg(slot, VIRTIO_GUEST_PAGE_SIZE, 0x1000);
		reg(slot, VIRTIO_DRIVER_FEATURES_SEL, 0);
		reg(slot, VIRTIO_DRIVER_FEATURES, accepted[slot]);
	} else {
		reg(slot, VIRTIO_DRIVER_FEATURES_SEL, 0);
		reg(slot, VIRTIO_DRIVER_FEATURES, accepted[slot]);
		reg(slot, VIRTIO_DRIVER_FEATURES_SEL, 1);
		reg(slot, VIRTIO_DRIVER_FEATURES, 1);
		status |= VIRTIO_STATUS_FEATURES_OK;
		reg(slot, VIRTIO_STATUS, status);
	}
	for (uint32_t queue = RECEIVE; queue <= (accepted[slot] & BIT(F_CTRL_VQ) ? CONTROL : TRANSMIT); queue++) {
		rings[slot][queue] = (struct ring){.slot = slot, .queue = queue};
		set_ready(&rings[slot][queue], size);
	}
	reg(slot, VIRTIO_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
}

/* Of version 1 the used ring's place follows from the others'. */
static inline uint64_t used_ring(const struct ring *r)
{
	return card[r->slot]->legacy ? align_up(RING(r) + 16U * SIZE + 6U + 2U * SIZE, 0x800U) : RING_USED(r);
}

static inline uint64_t avail_ring(const struct ring *r)
{
	return card[r->slot]->legacy ? RING(r) + 16U * SIZE : RING_AVAIL(r);
}

static inline void desc(struct ring *r, uint32_t index, uint64_t at, uint32_t len, uint32_t flags, uint32_t next)
{
	rig_desc_at(RING(r), index, at, len, flags, next);
}

static inline void offer(struct ring *r, uint32_t head, uint32_t size)
{
	rig_set16(avail_ring(r) + 4U + 2U * (r->avail % size), (uint16_t)head);
	rig_set16(avail_ring(r) + 2U, ++r->avail);
}

static inline void give_buffer(uint32_t slot, uint32_t n, uint32_t len)
{
	struct ring *r = &rings[slot][RECEIVE];

	memset(fake_guest_at(IN(slot, n)), UNTOUCHED, BUFFER);
	desc(r, n, IN(slot, n), len, VIRTQ_DESC_WRITE, 0);
	offer(r, n, SIZE);
}

static inline void start(uint32_t slot)
{
	start_size(slot, SIZE);
	for (uint32_t n = 0; n < SIZE; n++)
		give_buffer(slot, n, BUFFER);
}

static inline void start_all(uint32_t count)
{
	make(count);
	for (uint32_t slot = 0; slot < count; slot++)
		start(slot);
}

static inline uint16_t used(uint32_t slot, uint32_t queue)
{
	return rig_get16(used_ring(&rings[slot][queue]) + 2U);
}

static inline uint32_t used_len(uint32_t slot, uint32_t entry)
{
	return *(uint32_t *)fake_guest_at(used_ring(&rings[slot][RECEIVE]) + 8U + 8U * (entry % SIZE));
}

/* A step does no more than what is written at net_send.c's head. */
static inline void step(void)
{
	rig_step();
	assert_in_range(fake_virtio.copies, 0, COPIES_MAX);
}

/* The number of steps. */
static inline uint32_t work(void)
{
	uint32_t steps = 0;

	for (; rig_vcpu[0].thread.work & WORK_VIRTIO; steps++) {
		step();
		assert_in_range(steps, 0, 6500);
	}
	return steps;
}

static inline uint32_t kick(uint32_t slot)
{
	uint32_t before = fake_virtio.opened;

	reg(slot, VIRTIO_QUEUE_NOTIFY, TRANSMIT);
	return (fake_virtio.opened > before) + work();
}

static inline void mac_of(uint32_t n, uint8_t *mac)
{
	memcpy(mac, card[n]->state->page.byte + VIRTIO_CONFIG, MAC_BYTES);
}

/* A frame of `len` bytes behind a header that must not matter, at OUT(slot). */
static inline void write_frame(uint32_t slot, const uint8_t *to, const uint8_t *from, uint32_t len)
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

static inline uint32_t send_from(uint32_t slot, const uint8_t *to, const uint8_t *from, uint32_t len)
{
	write_frame(slot, to, from, len);
	offer(&rings[slot][TRANSMIT], 0, SIZE);
	return kick(slot);
}

static inline uint32_t send_to(uint32_t slot, const uint8_t *to, uint32_t len)
{
	uint8_t from[MAC_BYTES];

	mac_of(slot, from);
	return send_from(slot, to, from, len);
}

static inline uint32_t transmit(uint32_t slot, uint32_t to, uint32_t len)
{
	uint8_t mac[MAC_BYTES];

	mac_of(to, mac);
	return send_to(slot, mac, len);
}

/* Buffer n of `slot` has what lies at OUT(from), and nothing behind it. */
static inline void expect_frame(uint32_t slot, uint32_t n, uint32_t from, uint32_t len)
{
	static const uint8_t header[RECEIVE_HEADER] = {[10] = 1};
	const uint8_t *at = fake_guest_at(IN(slot, n));
	uint32_t in_header = card[slot]->legacy ? 10 : 12, out_header = card[from]->legacy ? 10 : 12;

	assert_int_equal(used_len(slot, used(slot, RECEIVE) - 1U), in_header + len);
	assert_memory_equal(at, header, in_header);
	assert_memory_equal(at + in_header, fake_guest_at(OUT(from) + out_header), len);
	assert_int_equal(at[in_header + len], UNTOUCHED);
}

static inline const struct net_count *count(uint32_t slot)
{
	return net_counts(&card[slot]->device);
}

static inline uint32_t dropped(uint32_t slot, enum net_drop why)
{
	return count(slot)->dropped[why];
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

#endif
