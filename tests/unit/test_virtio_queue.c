/* SPDX-License-Identifier: BSD-2-Clause */
/* Split queues (hyp/virtio/queue.c): chains of every layout that a driver may make, and of those that it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_machine.h"
#include "fake_virtio.h"
#include "hyp/virtio/queue.h"
#include "hyp/lib/virtio_regs.h"
#include "hyp/vm/vm.h"

#define SIZE  8U
#define BASE  MACHINE_RAM_BASE
#define DESC  (BASE + 0x1000U)
#define AVAIL (BASE + 0x2000U)
#define USED  (BASE + 0x3000U)
#define TABLE (BASE + 0x4000U)
#define DATA  (BASE + 0x8000U)

static struct vm vm;
static struct virtq_state state_;
static struct guest_piece pieces[SIZE];
static struct virtq q;
static struct virtq_step step;
static uint16_t offered;

static void set16(uint64_t at, uint16_t value)
{
	*(uint16_t *)fake_guest_at(at) = value;
}

static uint16_t get16(uint64_t at)
{
	return *(uint16_t *)fake_guest_at(at);
}

static void new_step(void)
{
	static struct guest_view view;

	step.bytes = VIRTQ_STEP_BYTES;
	step.pieces = VIRTQ_STEP_PIECES;
	view = (struct guest_view){.uncached = fake_virtio.uncached};
	for (uint32_t i = 0; i < HYP_VIEW_WINDOWS; i++)
		view.shown[i].block = GUEST_NO_BLOCK;
	step.view = &view;
}

static void begin(void)
{
	fake_machine_reset();
	fake_virtio_reset();
	fake_virtio.views = 1;
	memset(fake_guest_at(DESC), 0, 0x3000);
	state_ = (struct virtq_state){
		.desc = DESC, .avail = AVAIL, .used = USED, .size = SIZE, .event_idx = true, .indirect = true};
	q = (struct virtq){.s = &state_, .max = SIZE, .piece = pieces};
	assert_null(virtq_map(&q, &vm, false));
	offered = 0;
	new_step();
}

static void desc(uint64_t table, uint32_t index, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	struct virtq_desc *d = fake_guest_at(table + 16U * index);

	*d = (struct virtq_desc){addr, len, (uint16_t)flags, (uint16_t)next};
}

static void offer(uint32_t head)
{
	set16(AVAIL + 4U + 2U * (offered % SIZE), (uint16_t)head);
	set16(AVAIL + 2U, ++offered);
}

static void expect_broken(const char *why)
{
	assert_int_equal(virtq_take(&q, &step), VIRTQ_BROKEN);
	assert_string_equal(q.wrong, why);
}

/* What the driver says of the places of its rings. */
static void test_map(void **state)
{
	static const struct {
		uint64_t desc, avail, used;
		uint32_t size;
		const char *wrong;
	} bad[] = {
		{DESC + 8U, AVAIL, USED, SIZE, "its descriptors or rings are not aligned"},
		{DESC, AVAIL + 1U, USED, SIZE, "its descriptors or rings are not aligned"},
		{DESC, AVAIL, USED + 2U, SIZE, "its descriptors or rings are not aligned"},
		{DESC, AVAIL, USED, 0, "its size is not a power of two up to QueueNumMax"},
		{DESC, AVAIL, USED, 3, "its size is not a power of two up to QueueNumMax"},
		{DESC, AVAIL, USED, 2U * SIZE, "its size is not a power of two up to QueueNumMax"},
		{DESC, AVAIL, USED, BIT(31), "its size is not a power of two up to QueueNumMax"},
		{BASE - 0x1000U, AVAIL, USED, SIZE, "its descriptors or rings are not in RAM"},
		{DESC, UINT64_MAX - 1U, USED, SIZE, "its descriptors or rings are not in RAM"},
		{DESC, AVAIL, BASE + FAKE_GUEST_RAM - 64U, SIZE, "its descriptors or rings are not in RAM"},
		{0, 0, 0, SIZE, "its descriptors or rings are not in RAM"},
		{UINT64_MAX - 15U, AVAIL, USED, SIZE, "its descriptors or rings are not in RAM"},
	};

	(void)state;
	begin();
	assert_int_equal(fake_virtio.maps, 3);
	virtq_unmap(&q);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		state_ = (struct virtq_state){
			.desc = bad[i].desc, .avail = bad[i].avail, .used = bad[i].used, .size = bad[i].size};
		assert_string_equal(virtq_map(&q, &vm, false), bad[i].wrong);
		assert_int_equal(fake_virtio.maps, 0);
	}
}

/* Two to read, one to write, in any order of the table; the used ring; the interrupt. */
static void test_chain(void **state)
{
	(void)state;
	begin();
	assert_int_equal(virtq_take(&q, &step), VIRTQ_EMPTY);
	desc(DESC, 5, DATA, 16, VIRTQ_DESC_NEXT, 2);
	desc(DESC, 2, DATA + 100U, 10, VIRTQ_DESC_NEXT, 7);
	desc(DESC, 7, DATA + 200U, 1, VIRTQ_DESC_WRITE, 0);
	offer(5);
	assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN);
	assert_int_equal(step.pieces, VIRTQ_STEP_PIECES - 3U);
	assert_int_equal(q.chain.in.left, 26);
	assert_int_equal(q.chain.out.left, 1);
	assert_int_equal(q.chain.out.piece->at.v, DATA + 200U);
	assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN); /* that chain again */
	virtq_put(&q, &step, 1);
	assert_int_equal(get16(USED + 2U), 0); /* not yet */
	assert_true(virtq_publish(&q, &step));
	assert_int_equal(get16(USED + 2U), 1);
	assert_int_equal(*(uint32_t *)fake_guest_at(USED + 4U), 5);
	assert_int_equal(*(uint32_t *)fake_guest_at(USED + 8U), 1);
	assert_false(virtq_publish(&q, &step));
	assert_int_equal(virtq_take(&q, &step), VIRTQ_EMPTY);
}

/* An order that the architecture does not give by itself: index before entry, entry before index. */
static void test_barriers(void **state)
{
	(void)state;
	begin();
	desc(DESC, 0, DATA, 1, 0, 0);
	offer(0);
	assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN);
	assert_int_equal(fake_machine.events, 1);
	assert_int_equal(fake_machine.event[0].op, FAKE_DMB_ISH);
	virtq_put(&q, &step, 0);
	virtq_publish(&q, &step);
	assert_int_equal(fake_machine.events, 3);
	virtq_rearm(&q, &step);
	assert_int_equal(fake_machine.events, 4);
}

static void test_indirect(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < 6; i++)
		desc(TABLE, i, DATA + i, 1, (i < 5 ? VIRTQ_DESC_NEXT : 0) | (i > 2 ? VIRTQ_DESC_WRITE : 0), i + 1U);
	desc(DESC, 1, DATA + 50U, 4, VIRTQ_DESC_NEXT, 3);
	desc(DESC, 3, TABLE, 6U * 16U, VIRTQ_DESC_INDIRECT | VIRTQ_DESC_WRITE, 0); /* WRITE counts for nothing there */
	offer(1);
	assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN);
	assert_int_equal(q.chain.in.left, 7);
	assert_int_equal(q.chain.out.left, 3);
}

static void test_broken(void **state)
{
	const uint32_t next = VIRTQ_DESC_NEXT, write = VIRTQ_DESC_WRITE, indirect = VIRTQ_DESC_INDIRECT;

	(void)state;
	begin();
	desc(DESC, 0, DATA, 1, next, 1);
	desc(DESC, 1, DATA, 1, next, 0);
	offer(0);
	expect_broken("a chain that is longer than the queue"); /* a loop */
	begin();
	desc(DESC, 0, DATA, 1, next, SIZE);
	offer(0);
	expect_broken("a descriptor whose next one is outside of its table");
	begin();
	offer(SIZE);
	expect_broken("an entry of the available ring is no descriptor");
	begin();
	set16(AVAIL + 2U, SIZE + 1U);
	expect_broken("the available index is further ahead than the queue is long");
	begin();
	set16(AVAIL + 2U, UINT16_MAX); /* one back */
	expect_broken("the available index is further ahead than the queue is long");
	begin();
	desc(DESC, 0, DATA, 1, next | write, 1);
	desc(DESC, 1, DATA, 1, 0, 0);
	offer(0);
	expect_broken("a descriptor for the device to read behind one to write");
	begin();
	desc(DESC, 0, DATA, UINT32_MAX, next, 1);
	desc(DESC, 1, DATA, UINT32_MAX, 0, 0);
	offer(0);
	expect_broken("a chain of 4 GiB or more");

	begin();
	desc(DESC, 0, TABLE, 0, indirect, 0);
	offer(0);
	expect_broken("an indirect table whose length is not one of descriptors");
	begin();
	desc(DESC, 0, TABLE, 24, indirect, 0);
	offer(0);
	expect_broken("an indirect table whose length is not one of descriptors");
	begin();
	desc(DESC, 0, TABLE, 16, indirect | next, 1);
	offer(0);
	expect_broken("an indirect descriptor inside of a table, or that goes on");
	begin();
	desc(TABLE, 0, TABLE, 16, indirect, 0);
	desc(DESC, 0, TABLE, 16, indirect, 0);
	offer(0);
	expect_broken("an indirect descriptor inside of a table, or that goes on");
	begin();
	desc(TABLE, 0, DATA, 1, next, 1);
	desc(DESC, 0, TABLE, 16, indirect, 0);
	offer(0);
	expect_broken("a descriptor whose next one is outside of its table");
	begin();
	desc(DESC, 0, BASE + FAKE_GUEST_RAM - 16U, 32, indirect, 0);
	desc(BASE + FAKE_GUEST_RAM - 16U, 0, DATA, 1, next, 1);
	offer(0);
	expect_broken("an indirect table that is not in RAM");
	begin();
	desc(DESC, 0, UINT64_MAX - 15U, 32, indirect, 0);
	offer(0);
	expect_broken("an indirect table that is not in RAM");
	begin();
	for (uint32_t i = 0; i <= SIZE; i++)
		desc(TABLE, i, DATA, 1, i < SIZE ? next : 0, i + 1U);
	desc(DESC, 0, TABLE, 16U * (SIZE + 1U), indirect, 0);
	offer(0);
	expect_broken("a chain that is longer than the queue");
	begin();
	state_.indirect = false;
	desc(DESC, 0, TABLE, 16, indirect, 0);
	offer(0);
	expect_broken("an indirect descriptor, which was not negotiated");
}

/* A chain as long as the queue, in steps of three descriptors. */
static void test_parts(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < SIZE; i++)
		desc(DESC, i, DATA + i, 1, i + 1U < SIZE ? VIRTQ_DESC_NEXT : 0, i + 1U);
	offer(0);
	for (uint32_t parts = 0; parts < 2; parts++) {
		step.pieces = 3;
		assert_int_equal(virtq_take(&q, &step), VIRTQ_PART);
		memset(fake_guest_at(DESC), 0xff, 16U * (parts + 1U)); /* what has been read counts */
	}
	step.pieces = 3;
	assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN);
	assert_int_equal(q.chain.in.left, SIZE);
}

/* The driver is told where it wants to be told, and tells when it is asked to, also where the indices wrap. */
static void test_event_index(void **state)
{
	(void)state;
	begin();
	desc(DESC, 0, DATA, 1, 0, 0);
	set16(AVAIL + 4U + 2U * SIZE, 1); /* used_event: with the second entry */
	for (uint32_t i = 0; i < 70000; i++) {
		offer(0);
		assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN);
		new_step();
		virtq_put(&q, &step, 0);
		assert_int_equal(virtq_publish(&q, &step), i % 65536U == 1);
	}
	assert_false(virtq_rearm(&q, &step));
	assert_int_equal(get16(USED + 4U + 8U * SIZE), (uint16_t)70000);
	offer(0); /* between two looks */
	q.s->armed = 0;
	assert_true(virtq_rearm(&q, &step));

	begin();
	state_.event_idx = false;
	offer(0);
	virtq_take(&q, &step);
	virtq_put(&q, &step, 0);
	set16(AVAIL, VIRTQ_NO_INTERRUPT);
	assert_false(virtq_publish(&q, &step));
	offer(0);
	virtq_take(&q, &step);
	virtq_put(&q, &step, 0);
	set16(AVAIL, 0);
	assert_true(virtq_publish(&q, &step));
	assert_false(virtq_rearm(&q, &step));
	assert_int_equal(get16(USED + 4U + 8U * SIZE), 0);
}

/* What the last three syncs of the used ring found there, its index and the first entry's length. */
static struct {
	uint16_t index;
	uint32_t len;
} synced[3];

static void on_sync(const uint8_t *at, uint32_t len)
{
	const uint8_t *used = fake_guest_at(USED);

	if (at < used || at + len > used + 0x1000U)
		return;
	synced[0] = synced[1];
	synced[1] = synced[2];
	synced[2].index = get16(USED + 2U);
	synced[2].len = *(uint32_t *)fake_guest_at(USED + 8U);
}

/*
 * Where the guest looks past the caches, no line is there before an access of HYP's: a store to a part of it would take
 * the rest, as old as it may be, to memory. Nor is one left behind.
 */
static void test_uncached(void **state)
{
	(void)state;
	begin();
	step.view->uncached = true;
	fake_virtio.on_sync = on_sync;
	desc(DESC, 0, DATA, 1, 0, 0);
	offer(0);
	assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN);
	assert_int_equal(fake_virtio.synced, 2 * (2 + 2 + 16));
	virtq_put(&q, &step, 7);
	assert_int_equal(synced[1].len, 0);
	assert_int_equal(synced[2].len, 7);
	virtq_publish(&q, &step);
	assert_int_equal(synced[1].index, 0);
	assert_int_equal(synced[2].index, 1);
	assert_int_equal(fake_virtio.synced, 2 * (20 + 8 + 2 + 2));
	virtq_rearm(&q, &step);
	assert_int_equal(fake_virtio.synced, 2 * (32 + 2 + 2));
}

static void spoil(uint64_t at)
{
	fake_machine.bad = fake_guest_at(at);
	fake_machine.bad_size = 1;
}

/* Each place of the rings in turn is in memory that aborts, which breaks the queue and nothing else. */
static void test_aborts(void **state)
{
	static const char *const why = "the host's memory under its rings does not answer";

	(void)state;
	begin();
	spoil(AVAIL + 2U);
	expect_broken(why);
	begin();
	offer(0);
	spoil(AVAIL + 4U);
	expect_broken(why);
	begin();
	offer(0);
	spoil(DESC + 15U);
	expect_broken(why);
	/* What is put is not shown where it cannot be written. */
	begin();
	desc(DESC, 0, DATA, 1, 0, 0);
	offer(0);
	assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN);
	spoil(USED + 8U);
	virtq_put(&q, &step, 1);
	assert_string_equal(q.wrong, why);
	assert_false(virtq_publish(&q, &step));
	assert_int_equal(get16(USED + 2U), 0);
	/* Its index; what the driver wants; avail_event. */
	for (uint32_t i = 0; i < 3; i++) {
		begin();
		desc(DESC, 0, DATA, 1, 0, 0);
		offer(0);
		assert_int_equal(virtq_take(&q, &step), VIRTQ_CHAIN);
		virtq_put(&q, &step, 1);
		spoil(i == 0 ? USED + 2U : i == 1 ? AVAIL + 4U + 2U * SIZE : USED + 4U + 8U * SIZE);
		assert_int_equal(virtq_publish(&q, &step), i == 2);
		virtq_rearm(&q, &step);
		assert_string_equal(q.wrong, why);
	}
	/* The next driver finds a queue that works. */
	fake_machine.bad_size = 0;
	virtq_unmap(&q);
	assert_null(virtq_map(&q, &vm, false));
	assert_null(q.wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),         cmocka_unit_test(test_chain),    cmocka_unit_test(test_barriers),
		cmocka_unit_test(test_indirect),    cmocka_unit_test(test_broken),   cmocka_unit_test(test_parts),
		cmocka_unit_test(test_event_index), cmocka_unit_test(test_uncached), cmocka_unit_test(test_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
