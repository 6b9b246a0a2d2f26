/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block device whose requests a disk of the host's moves from and to the guest's RAM itself (hyp/virtio/blk_host.c):
 * what is told to it, when it is not, and who waits for it.
 */
#include "blk_host_rig.h"

#define PIECES 30U

static uint8_t *guest_at_pa(pa_t at)
{
	return fake_guest_at(MACHINE_RAM_BASE + (at.v - FAKE_GUEST_PA));
}

static void begin_direct(uint32_t pieces)
{
	begin();
	rig_end();
	fit_free(&f);
	fake_hostdisk.pieces = pieces;
	fake_hostdisk.at_pa = guest_at_pa;
	begin_disk();
}

static uint32_t direct_parts, copied_parts;

/* Until the request has ended. */
static void answer_all(void)
{
	direct_parts = copied_parts = 0;
	while (fake_hostdisk.user) {
		direct_parts += fake_hostdisk.direct != NULL;
		copied_parts += fake_hostdisk.direct == NULL;
		answer(false);
	}
}

static void expect_parts(uint32_t direct, uint32_t copied)
{
	assert_int_equal(status(), OK);
	assert_int_equal(direct_parts, direct);
	assert_int_equal(copied_parts, copied);
	assert_int_equal(fake_hostdisk.taken, 0);
}

static void fill(uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		data()[i] = (uint8_t)(i * 7U + i / 255U + seed);
}

static void test_reads_and_writes(void **state)
{
	uint16_t before;

	(void)state;
	begin_direct(PIECES);
	before = rig_used_index();
	memset(fake_hostdisk.slot, 0x66, sizeof(fake_hostdisk.slot));
	ask(IN, 7, 4096);
	assert_int_equal(status(), PENDING);
	assert_int_equal(fake_hostdisk.direct->count, 1);
	assert_int_equal(fake_hostdisk.direct->piece[0].at.v, FAKE_GUEST_PA + (RIG_DATA - MACHINE_RAM_BASE));
	rig_kick(); /* whoever asks meanwhile learns nothing */
	assert_int_equal(fake_hostdisk.begun, 1);
	answer_all();
	expect_parts(1, 0);
	assert_memory_equal(data(), on_disk(7), 4096);
	assert_int_equal(rig_used_len(before), 4097);
	fill(DISKDEV_DIRECT + 4096U, 0);
	ask(OUT, 3, DISKDEV_DIRECT + 4096U);
	answer_all();
	expect_parts(2, 0);
	assert_memory_equal(data(), on_disk(3), DISKDEV_DIRECT + 4096U);
	for (uint32_t i = 0; i < sizeof(fake_hostdisk.slot); i++)
		assert_int_equal(fake_hostdisk.slot[i], 0x66);
	ask(IN, 0, 512);
	answer(true);
	assert_int_equal(status(), IOERR);
	ask(FLUSH, 0, 0);
	assert_null(fake_hostdisk.direct);
	answer(false);
	assert_int_equal(status(), OK);
}

/* What of a chain is direct, and what is not: pieces of any length, as many as there may be, to whole sectors. */
static void test_layouts(void **state)
{
	static const struct {
		uint32_t most, len, each, direct, copied;
	} some[] = {
		{PIECES, 4096, 4096, 1, 0},
		{PIECES, 4096, 512, 1, 0},
		{PIECES, 4096, 300, 1, 0},
		{PIECES, 512, 3, 0, 1}, /* 171 pieces */
		{PIECES, 58U * 1024U, 2048, 1, 0},
		{PIECES, 62U * 1024U, 2048, 2, 0}, /* one place too many */
		{PIECES, 64U * 1024U, 700, 0, 2},
		{1, 4096, 4096, 1, 0},
		{1, 4096, 2048, 0, 1},
		{8, 128U * 1024U, 16384, 1, 0},
		{8, 128U * 1024U, 8192, 2, 0},
		{0, 4096, 4096, 0, 1},
	};

	(void)state;
	for (uint32_t i = 0; i < 2U * ARRAY_SIZE(some); i++) {
		uint32_t len = some[i / 2U].len, each = some[i / 2U].each, room = len + (len / each + 1U) * 8U;

		begin_direct(some[i / 2U].most);
		memset(data(), 0xa5, room);
		if (i % 2U)
			fill(room, i);
		ask_in_pieces(i % 2U ? OUT : IN, 9, len, each);
		answer_all();
		expect_parts(some[i / 2U].direct, some[i / 2U].copied);
		check_pieces(9, len, each);
		assert_true(i % 2U || data()[each] == 0xa5);
		end(state);
	}
	begin_direct(PIECES);
}

/* Pieces that lie behind each other are one; one that goes on in the next block of 2 MiB is two. */
static void test_pieces_meet(void **state)
{
	(void)state;
	begin_direct(PIECES);
	rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, 1);
	memcpy(fake_guest_at(HEADER), (uint32_t[4]){IN, 0, 5, 0}, 16);
	*(uint8_t *)fake_guest_at(STATUS) = PENDING;
	rig_desc(1, MACHINE_RAM_BASE + BLOCK_SIZE - 1024U, 512, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
	rig_desc(2, MACHINE_RAM_BASE + BLOCK_SIZE - 512U, 1024, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 3);
	rig_desc(3, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(fake_hostdisk.direct->count, 2);
	assert_int_equal(fake_hostdisk.direct->piece[0].len, 1024);
	assert_int_equal(fake_hostdisk.direct->piece[1].len, 512);
	answer_all();
	expect_parts(1, 0);
	assert_memory_equal(fake_guest_at(MACHINE_RAM_BASE + BLOCK_SIZE - 1024U), on_disk(5), 1536);
}

/* One descriptor of data, wherever it says. */
static void ask_at(uint32_t type, uint64_t at, uint32_t len)
{
	memcpy(fake_guest_at(HEADER), (uint32_t[4]){type, 0, 2, 0}, 16);
	*(uint8_t *)fake_guest_at(STATUS) = PENDING;
	rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, at, len, VIRTQ_DESC_NEXT | (type == OUT ? 0 : VIRTQ_DESC_WRITE), 2);
	rig_desc(2, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
}

/* Nothing but RAM of the VM is told to the disk, whatever a driver says. */
static void test_hostile(void **state)
{
	static const struct {
		uint64_t at;
		uint32_t len;
	} some[] = {
		{MACHINE_RAM_BASE - 512U, 512},
		{MACHINE_RAM_BASE - 512U, 1024},
		{MACHINE_RAM_BASE + FAKE_GUEST_RAM - 512U, 1024},
		{MACHINE_RAM_BASE + FAKE_GUEST_RAM, 512},
		{MACHINE_RAM_BASE + BIT64(32), 512},
		{MACHINE_RAM_BASE + BIT64(40), 512},
		{UINT64_MAX - 511U, 512},
		{UINT64_MAX - 511U, 1024},
		{0, 512},                  /* flash, */
		{MACHINE_UART_BASE, 4096}, /* and a device */
	};

	(void)state;
	begin_direct(PIECES);
	for (uint32_t i = 0; i < 2U * ARRAY_SIZE(some); i++) {
		ask_at(i % 2U ? OUT : IN, some[i / 2U].at, some[i / 2U].len);
		while (fake_hostdisk.user) {
			assert_null(fake_hostdisk.direct);
			answer(false);
		}
		assert_int_equal(status(), IOERR);
	}
	assert_int_equal(fake_hostdisk.taken, 0);
}

/* RAM, and behind it what is none, or has a bad page: of the first whole sectors are told, and the rest fails, or is
 * copied. */
static void test_hostile_end(void **state)
{
	(void)state;
	begin_direct(PIECES);
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t behind = i / 2U ? MACHINE_RAM_BASE + BLOCK_SIZE : MACHINE_UART_BASE;

		memcpy(fake_guest_at(HEADER), (uint32_t[4]){i % 2U ? OUT : IN, 0, 2, 0}, 16);
		*(uint8_t *)fake_guest_at(STATUS) = PENDING;
		rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, 1);
		rig_desc(1, RIG_DATA, 32868, VIRTQ_DESC_NEXT | (i % 2U ? 0 : VIRTQ_DESC_WRITE), 2);
		rig_desc(2, behind, 412, VIRTQ_DESC_NEXT | (i % 2U ? 0 : VIRTQ_DESC_WRITE), 3);
		rig_desc(3, STATUS, 1, VIRTQ_DESC_WRITE, 0);
		fake_virtio.bad_page = i / 2U ? FAKE_GUEST_PA + BLOCK_SIZE : 0;
		rig_offer(0);
		rig_kick();
		assert_int_equal(fake_hostdisk.direct->len, 32768);
		answer_all();
		assert_int_equal(status(), i / 2U ? OK : IOERR);
	}
	assert_int_equal(fake_hostdisk.taken, 0);
}

/* What has not been touched is zeroed before the disk is told of it. */
static void test_first_touch(void **state)
{
	(void)state;
	begin_direct(PIECES);
	fake_virtio.fresh = BIT64(2) | BIT64(3);
	fake_virtio.touches = 0;
	ask_at(IN, MACHINE_RAM_BASE + 0x2fe00U, 1024);
	assert_int_equal(fake_virtio.fresh, 0);
	assert_int_equal(fake_hostdisk.begun, 1);
	assert_int_equal(fake_hostdisk.direct->len, 1024);
	answer_all();
	expect_parts(1, 0);
}

/* A guest that looks past the caches has copies; and one that has begun to, of what was read meanwhile. */
static void test_uncached(void **state)
{
	(void)state;
	begin_direct(PIECES);
	fake_virtio.uncached = true;
	ask(IN, 0, 512);
	answer_all();
	expect_parts(0, 1);
	fake_virtio.uncached = false;
	ask(IN, 1, 512);
	assert_non_null(fake_hostdisk.direct);
	fake_virtio.uncached = true;
	answer_all();
	expect_parts(1, 1);
	assert_memory_equal(data(), on_disk(1), 512);
	fake_virtio.uncached = false;
	ask(OUT, 1, 512);
	fake_virtio.uncached = true;
	answer_all();
	expect_parts(1, 0);
	fake_virtio.uncached = false;
	ask(IN, 1, 100U * 1024U); /* from here on as before */
	answer_all();
	expect_parts(1, 0);
}

/* A page turns bad while the disk is at it: a copy finds out whether it was the request's. */
static void test_bad_page(void **state)
{
	(void)state;
	begin_direct(PIECES);
	ask(IN, 3, 512);
	fake_virtio.bad_page = FAKE_GUEST_PA + BLOCK_SIZE; /* in another block */
	answer_all();
	expect_parts(1, 1);
	assert_memory_equal(data(), on_disk(3), 512);
	ask(IN, 3, 512); /* known before */
	answer_all();
	expect_parts(1, 0);
	fake_virtio.bad_page = FAKE_GUEST_PA; /* in that of the data */
	ask(IN, 3, 512);
	answer_all();
	expect_parts(0, 1);
	for (uint32_t i = 0; i < 2; i++) {
		fake_virtio.bad_page = fake_virtio.bad_size = 0;
		ask(i ? OUT : IN, 3, 512);
		assert_non_null(fake_hostdisk.direct);
		fake_virtio.bad_page = FAKE_GUEST_PA + (RIG_DATA - MACHINE_RAM_BASE);
		fake_virtio.bad = RIG_DATA;
		fake_virtio.bad_size = 512;
		answer_all();
		assert_int_equal(status(), IOERR);
	}
}

/* A disk with a request that has lost its owner takes no others of that kind. */
static void test_not_now(void **state)
{
	(void)state;
	begin_direct(PIECES);
	fake_hostdisk.copies = true;
	ask(IN, 0, 100U * 1024U);
	answer_all();
	expect_parts(0, 4);
	fake_hostdisk.copies = false;
	ask(IN, 0, 100U * 1024U);
	answer_all();
	expect_parts(1, 0);
}

static void test_waits_for_slot(void **state)
{
	struct hostdisk_user *user;

	(void)state;
	begin_direct(PIECES);
	ask(FLUSH, 0, 0);
	user = fake_hostdisk.user;
	answer(false);
	fake_hostdisk.full = true;
	ask(IN, 4, 512);
	assert_int_equal(fake_hostdisk.begun, 1);
	fake_hostdisk_free(user);
	rig_work();
	assert_non_null(fake_hostdisk.direct);
	answer_all();
	expect_parts(1, 0);
	assert_memory_equal(data(), on_disk(4), 512);
}

/* With trusted-dma a VM may keep its RAM over its end, for other reasons: nothing is lent of it. */
static void test_trusted(void **state)
{
	(void)state;
	begin();
	rig_end();
	fit_free(&f);
	fake_hostdisk.pieces = PIECES;
	begin_node();
	rig_vm.config.trusted_dma = true;
	fit_string(&f, "host", PATH);
	add_range(FIRST, COUNT);
	assert_int_equal(end_node(), 0);
	rig_start(FEATURES, 0, 256);
	ask(IN, 0, 512);
	answer_all();
	expect_parts(0, 1);
}

static uint32_t waits;

static void end_third(void)
{
	const struct virtio_device *v = virtio_of(device_find(&rig_vm, &virtio_blk_class));

	assert_int_equal(v->lock.held + v->receive_lock.held, 0);
	if (++waits == 3)
		fake_hostdisk_end(false);
}

/* What closes the queue, in all ways that a driver and virt7 have. */
static void close_by(uint32_t way)
{
	struct device *device = device_find(&rig_vm, &virtio_blk_class);

	if (way == 0) {
		rig_write(VIRTIO_STATUS, 0);
	} else if (way == 1) {
		rig_write(VIRTIO_QUEUE_SEL, 0);
		rig_write(VIRTIO_QUEUE_READY, 0);
	} else if (way == 2) {
		virtio_blk_class.quiesce(device);
	} else if (way == 3) {
		virtio_blk_class.reset(device);
	} else {
		virtio_blk_class.restore(device);
	}
}

#define WAYS 5U

/* A request in the guest's RAM is waited for, with no lock held, and is then no more. */
static void test_waited_for(void **state)
{
	(void)state;
	for (uint32_t way = 0; way < WAYS; way++) {
		begin_direct(PIECES);
		fake_virtio.on_preempt = end_third;
		waits = 0;
		ask(way % 2U ? OUT : IN, 5, 4096);
		close_by(way);
		assert_int_equal(waits, 3);
		assert_null(fake_hostdisk.user);
		assert_int_equal(fake_hostdisk.lent, 0);
		assert_int_equal(rig_vcpu[0].thread.work & WORK_STOP, 0);
		close_by(way);
		assert_int_equal(waits, 3); /* nothing is left */
		fake_virtio.on_preempt = NULL;
		if (way < WAYS - 1U) {
			rig_write(VIRTIO_STATUS, 0);
			rig_start(FEATURES, 0, 256);
			ask(IN, 1, 512);
		} else {
			rig_work();
		}
		answer_all();
		expect_parts(1, 0);
		end(state);
	}
	begin_direct(PIECES);
}

static void end_and_serve(void)
{
	waits++;
	if (fake_hostdisk.user)
		answer(false);
	rig_work();
}

/* What the driver has offered behind it is not begun meanwhile, though another vCPU looks. */
static void test_waits_for_one(void **state)
{
	(void)state;
	begin_direct(PIECES);
	for (uint32_t i = 0; i < 3; i++)
		ask_at(OUT, RIG_DATA, 4096);
	assert_int_equal(fake_hostdisk.begun, 1);
	fake_virtio.on_preempt = end_and_serve;
	waits = 0;
	close_by(0);
	assert_int_equal(waits, 1);
	assert_int_equal(fake_hostdisk.begun, 1);
	assert_null(fake_hostdisk.user);
	fake_virtio.on_preempt = NULL;
}

static void be_late(void)
{
	fake_hostdisk.late = ++waits == 3;
}

/* One that does not end is given up: the RAM is lent from then on, and the vCPUs find that at the checkpoint. */
static void test_given_up(void **state)
{
	(void)state;
	for (uint32_t way = 0; way < WAYS; way++) {
		begin_direct(PIECES);
		fake_virtio.on_preempt = be_late;
		waits = 0;
		rig_vcpu[1].thread.cpu = NULL; /* it has no place yet */
		ask(IN, 5, 4096);
		close_by(way);
		assert_int_equal(waits, 3);
		assert_int_equal(fake_hostdisk.lent, 1);
		assert_int_equal(rig_vcpu[0].thread.work & WORK_STOP, WORK_STOP);
		assert_int_equal(rig_vcpu[1].thread.work & WORK_STOP, 0);
		end(state);
	}
	begin_direct(PIECES);
}

/* Other registers are written without a wait, and so is what one that copies is reset by. */
static void test_not_waited_for(void **state)
{
	(void)state;
	begin_direct(PIECES);
	fake_virtio.on_preempt = be_late;
	ask(IN, 5, 4096);
	waits = 0;
	rig_write(VIRTIO_QUEUE_SEL, 0);
	rig_write(VIRTIO_QUEUE_NUM, 7);
	rig_write(VIRTIO_STATUS, rig_read(VIRTIO_STATUS));
	rig_write_size(0, VIRTIO_STATUS, 0, 1);
	assert_int_equal(waits, 0);
	fake_virtio.on_preempt = NULL;
	answer_all();
	expect_parts(1, 0);
	fake_hostdisk.copies = true;
	ask(IN, 5, 4096);
	fake_virtio.on_preempt = be_late;
	rig_write(VIRTIO_STATUS, 0);
	assert_int_equal(waits, 0);
	assert_int_equal(fake_hostdisk.lent, 0);
}

/* The request of a VM that is paused ends, its slot is free, and what came of it is seen when the VM goes on. */
static void test_pause(void **state)
{
	struct device *device;

	(void)state;
	begin_direct(PIECES);
	device = device_find(&rig_vm, &virtio_blk_class);
	ask(IN, 5, DISKDEV_DIRECT + 512U);
	virtio_blk_class.settle(device);
	assert_non_null(fake_hostdisk.user);
	fake_hostdisk_end(false);
	assert_int_equal(fake_hostdisk.taken, 0);
	virtio_blk_class.settle(device);
	assert_int_equal(status(), PENDING);
	rig_work();
	assert_int_equal(fake_hostdisk.begun, 2); /* the next part */
	answer_all();
	assert_int_equal(status(), OK);
	assert_memory_equal(data(), on_disk(5), DISKDEV_DIRECT + 512U);
}

/* A driver breaks its queue with a request under way, which ends; only who closes the queue waits for it. */
static void test_broken(void **state)
{
	struct virtio_device *v;

	(void)state;
	begin_direct(PIECES);
	v = virtio_of(device_find(&rig_vm, &virtio_blk_class));
	ask(IN, 5, 512);
	v->lock.held = 1;
	virtio_break(v, 0, "no reason");
	v->lock.held = 0;
	assert_non_null(fake_hostdisk.user);
	assert_int_equal(fake_hostdisk.lent, 0);
	fake_virtio.on_preempt = end_third;
	waits = 0;
	rig_write(VIRTIO_STATUS, 0);
	assert_int_equal(waits, 3);
	fake_virtio.on_preempt = NULL;
	rig_start(FEATURES, 0, 256);
	ask(IN, 5, 512);
	answer_all();
	expect_parts(1, 0);
}

static int show_ram(void **state)
{
	(void)state;
	rig_shown = true;
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reads_and_writes), TEST(test_layouts),
		TEST(test_pieces_meet),      TEST(test_hostile),
		TEST(test_hostile_end),      TEST(test_first_touch),
		TEST(test_uncached),         TEST(test_bad_page),
		TEST(test_not_now),          TEST(test_waits_for_slot),
		TEST(test_trusted),          TEST(test_waited_for),
		TEST(test_waits_for_one),    TEST(test_given_up),
		TEST(test_not_waited_for),   TEST(test_pause),
		TEST(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) + cmocka_run_group_tests(tests, show_ram, NULL);
}
