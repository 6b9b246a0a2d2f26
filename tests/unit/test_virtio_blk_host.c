/* SPDX-License-Identifier: BSD-2-Clause */
/* A block device whose sectors are on a disk of the host's (hyp/virtio/blk_host.c). */
#include "blk_host_rig.h"

static void test_identity(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rig_read(VIRTIO_CONFIG), COUNT);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES) & 0xffffffU, BIT(2) | BIT(6) | BIT(9)); /* no DISCARD */
	assert_int_equal(fake_hostdisk.claims, 1);
	ask(GET_ID, 0, 20);
	assert_int_equal(status(), OK);
	ask(DISCARD, 0, 0);
	assert_int_equal(status(), UNSUPP);
	assert_int_equal(fake_hostdisk.begun, 0);
}

static void test_read(void **state)
{
	uint16_t before;

	(void)state;
	begin();
	before = rig_used_index();
	ask(IN, 7, 4096);
	assert_int_equal(status(), PENDING);
	assert_int_equal(fake_hostdisk.sector, FIRST + 7U);
	assert_int_equal(fake_hostdisk.len, 4096);
	rig_kick(); /* whoever asks meanwhile learns nothing */
	assert_int_equal(fake_hostdisk.begun, 1);
	answer(false);
	assert_int_equal(status(), OK);
	assert_memory_equal(data(), on_disk(7), 4096);
	assert_int_equal((uint16_t)(rig_used_index() - before), 1);
	assert_int_equal(rig_used_len(before), 4097);
	assert_int_equal(fake_hostdisk.taken, 0);
}

/* In parts of a slot each, between which others have it. */
static void test_long(void **state)
{
	(void)state;
	begin();
	ask(IN, 0, 100U * 1024U);
	for (uint32_t part = 0; part < 4; part++) {
		assert_int_equal(status(), PENDING);
		assert_int_equal(fake_hostdisk.sector, FIRST + part * 64U);
		assert_int_equal(fake_hostdisk.len, part < 3 ? DISKDEV_BYTES : 4096U);
		answer(false);
	}
	assert_int_equal(status(), OK);
	assert_memory_equal(data(), on_disk(0), 100U * 1024U);
	memset(data(), 0x5a, 100U * 1024U);
	ask(OUT, 3, 100U * 1024U);
	for (uint32_t part = 0; part < 4; part++)
		answer(false);
	assert_int_equal(status(), OK);
	assert_memory_equal(data(), on_disk(3), 100U * 1024U);
	assert_int_not_equal(on_disk(3)[-1], 0x5a);
	assert_int_not_equal(on_disk(203)[0], 0x5a);
}

/* Whatever the pieces, and of however many steps they are. */
static void test_pieces(void **state)
{
	static const struct {
		uint32_t len, each;
	} some[] = {{4096, 4096}, {DISKDEV_BYTES, 8192},         {512, 3},
		    {4096, 511},  {DISKDEV_BYTES + 4096U, 5000}, {DISKDEV_BYTES, 300}};

	(void)state;
	begin();
	for (uint32_t i = 0; i < ARRAY_SIZE(some); i++) {
		uint32_t len = some[i].len, each = some[i].each;
		uint16_t before = rig_used_index();

		memset(data(), 0xa5, len + 200U * 8U);
		ask_in_pieces(IN, 9, len, each);
		for (uint32_t part = 0; part * DISKDEV_BYTES < len; part++)
			answer(false);
		assert_int_equal(status(), OK);
		assert_int_equal(rig_used_len(before), len + 1U);
		check_pieces(9, len, each);
		assert_int_equal(data()[each], 0xa5);
		for (uint32_t done = 0; done < len + 200U * 8U; done++)
			data()[done] = (uint8_t)(done * 7U + done / 255U);
		ask_in_pieces(OUT, 11, len, each);
		for (uint32_t part = 0; part * DISKDEV_BYTES < len; part++)
			answer(false);
		assert_int_equal(status(), OK);
		check_pieces(11, len, each);
	}
	assert_int_equal(fake_hostdisk.taken, 0);
}

static void test_bounds(void **state)
{
	(void)state;
	begin();
	ask(IN, COUNT, 512);
	assert_int_equal(status(), IOERR);
	ask(OUT, COUNT - 1U, 1024);
	assert_int_equal(status(), IOERR);
	ask(OUT, UINT64_MAX, 512);
	assert_int_equal(status(), IOERR);
	ask(OUT, 0, 511);
	assert_int_equal(status(), IOERR);
	assert_int_equal(fake_hostdisk.begun, 0);
	ask(OUT, COUNT - 1U, 512);
	answer(false);
	assert_int_equal(status(), OK);
}

static void test_errors(void **state)
{
	(void)state;
	begin();
	ask(IN, 0, 4096);
	answer(true);
	assert_int_equal(status(), IOERR);
	ask(OUT, 0, 4096);
	answer(true);
	assert_int_equal(status(), IOERR);
	ask(IN, 0, 512); /* it works on */
	answer(false);
	assert_int_equal(status(), OK);
	fake_virtio.bad = RIG_DATA;
	fake_virtio.bad_size = 512;
	ask(IN, 0, 512);
	answer(false);
	assert_int_equal(status(), IOERR);
	ask(OUT, 0, 512); /* nothing is asked of the disk */
	assert_int_equal(status(), IOERR);
	assert_int_equal(fake_hostdisk.begun, 4);
}

static void test_flush(void **state)
{
	(void)state;
	begin();
	ask(FLUSH, 0, 0);
	assert_int_equal(fake_hostdisk.type, DISKDEV_FLUSH);
	assert_int_equal(status(), PENDING);
	answer(false);
	assert_int_equal(status(), OK);
	ask(FLUSH, 0, 0);
	answer(true);
	assert_int_equal(status(), IOERR);
	fake_hostdisk.can_flush = false;
	ask(FLUSH, 0, 0);
	assert_int_equal(status(), OK);
	assert_int_equal(fake_hostdisk.begun, 2);
}

static struct hostdisk_user *waits_for;

static void test_waits_for_slot(void **state)
{
	(void)state;
	begin();
	ask(FLUSH, 0, 0);
	waits_for = fake_hostdisk.user;
	answer(false);
	fake_hostdisk.full = true;
	ask(IN, 0, 512);
	assert_int_equal(status(), PENDING);
	assert_int_equal(fake_hostdisk.begun, 1);
	fake_hostdisk_free(waits_for);
	rig_work();
	answer(false);
	assert_int_equal(status(), OK);
}

/* Nothing is written after a reset, and what comes then is not taken for the new driver's. */
static void test_reset(void **state)
{
	(void)state;
	begin();
	memset(data(), 0x77, 4096);
	ask(IN, 0, 4096);
	rig_write(VIRTIO_STATUS, 0);
	assert_int_equal(fake_hostdisk.taken, 0);
	assert_null(fake_hostdisk.user);
	for (uint32_t i = 0; i < 4096; i++)
		assert_int_equal(data()[i], 0x77);
	rig_start(FEATURES, 0, 256);
	ask(IN, 1, 512);
	assert_int_equal(status(), PENDING);
	answer(false);
	assert_int_equal(status(), OK);
	ask(IN, 2, 512);
	virtio_restore(device_find(&rig_vm, &virtio_blk_class)); /* the chain is read anew */
	rig_work();
	assert_int_equal(fake_hostdisk.begun, 4);
	answer(false);
	assert_memory_equal(data(), on_disk(2), 512);
}

/* A driver that takes its queue away keeps no slot from others, whatever was under way. */
static void test_queue_closed(void **state)
{
	(void)state;
	begin();
	ask(IN, 0, 512);
	assert_int_equal(fake_hostdisk.taken, 1);
	rig_write(VIRTIO_QUEUE_SEL, 0);
	rig_write(VIRTIO_QUEUE_READY, 0);
	assert_int_equal(fake_hostdisk.taken, 0);
	assert_null(fake_hostdisk.user);
	rig_write(VIRTIO_STATUS, 0);
	rig_start(FEATURES, 0, 256);
	ask(IN, 0, 512);
	virtio_restore(device_find(&rig_vm, &virtio_blk_class));
	assert_int_equal(fake_hostdisk.taken, 0);
}

/* A VM that is paused keeps no slot from others: its request is made anew when it goes on. */
static void test_pause(void **state)
{
	struct device *device;

	(void)state;
	begin();
	device = device_find(&rig_vm, &virtio_blk_class);
	ask(IN, 5, 512);
	virtio_blk_class.settle(device);
	assert_int_equal(fake_hostdisk.taken, 0);
	rig_work();
	assert_int_equal(fake_hostdisk.begun, 2);
	answer(false);
	assert_int_equal(status(), OK);
	assert_memory_equal(data(), on_disk(5), 512);
	memset(data(), 0x31, 100U * 1024U);
	ask(OUT, 1, 100U * 1024U);
	answer(false);
	answer(false);
	virtio_blk_class.settle(device);
	rig_work();
	assert_int_equal(fake_hostdisk.sector, FIRST + 1U); /* from the first byte on */
	for (uint32_t part = 0; part < 4; part++)
		answer(false);
	assert_int_equal(status(), OK);
	assert_memory_equal(data(), on_disk(1), 100U * 1024U);
}

/* A driver that knows of no flush has each request's data kept before it hears of it (5.2.6.2). */
static void test_writes_through(void **state)
{
	(void)state;
	begin();
	rig_write(VIRTIO_STATUS, 0);
	rig_start(BIT64(VIRTIO_F_INDIRECT_DESC), 0, 256);
	ask(OUT, 3, DISKDEV_BYTES + 512U);
	answer(false);
	answer(false);
	assert_int_equal(status(), PENDING);
	assert_int_equal(fake_hostdisk.type, DISKDEV_FLUSH);
	answer(false);
	assert_int_equal(status(), OK);
	assert_int_equal(fake_hostdisk.begun, 3);
	ask(OUT, 3, 512);
	answer(false);
	answer(true);
	assert_int_equal(status(), IOERR);
	ask(IN, 3, 512);
	answer(false);
	assert_int_equal(status(), OK);
	fake_hostdisk.can_flush = false;
	ask(OUT, 3, 512);
	answer(false);
	assert_int_equal(status(), OK);
	assert_int_equal(fake_hostdisk.begun, 7);
}

static int refuse_node(const char *line)
{
	int ret = end_node();

	assert_int_equal(ret, -EINVAL);
	assert_non_null(strstr(fake_log_last(LOG_ERR), line));
	assert_int_equal(fake_hostdisk.claims, 0);
	rig_end();
	fit_free(&f);
	return 0;
}

#define AT "vm web: /vms/web/disk0: host \"" PATH "\": "

static void test_refused(void **state)
{
	const struct hostdisk_claim other = {.vm = "db", .device = "disk3"};

	(void)state;
	fake_hostdisk_reset();
	begin_node();
	assert_int_equal(fdt_property_u32(f.blob, "partition", 1), 0);
	refuse_node(WORDS_DISK_NO_HOST);
	begin_node();
	fit_string(&f, "host", PATH);
	assert_int_equal(fdt_property_u32(f.blob, "size", 64), 0);
	refuse_node(WORDS_DISK_HOST);
	begin_node();
	fit_string(&f, "host", PATH);
	add_range(1, 2);
	assert_int_equal(fdt_property_u32(f.blob, "partition", 1), 0);
	refuse_node(WORDS_DISK_PARTS);
	begin_node();
	fit_string(&f, "host", PATH);
	add_range(1, 0);
	refuse_node(WORDS_DISK_RANGE);
	begin_node();
	fit_string(&f, "host", PATH);
	assert_int_equal(fdt_property_u32(f.blob, "range", 1), 0);
	refuse_node(WORDS_DISK_RANGE);
	begin_node();
	fit_string(&f, "host", PATH);
	add_range(FAKE_DISK_SECTORS, 1);
	refuse_node(AT WORDS_DISK_BEYOND);
	begin_node();
	fit_string(&f, "host", PATH);
	add_range(1, FAKE_DISK_SECTORS);
	refuse_node(AT WORDS_DISK_BEYOND);
	begin_node();
	fit_string(&f, "host", PATH);
	assert_int_equal(fdt_property_u32(f.blob, "partition", 1), 0);
	refuse_node(AT "the disk has no partitions");
	fake_hostdisk.read_only = true;
	begin_node();
	fit_string(&f, "host", PATH);
	refuse_node(AT WORDS_DISK_RO);
	fake_hostdisk.read_only = false;
	fake_hostdisk.wrong = "it burns";
	begin_node();
	fit_string(&f, "host", PATH);
	refuse_node(AT "it burns");
	fake_hostdisk.wrong = NULL;
	fake_hostdisk.other = &other;
	begin_node();
	fit_string(&f, "host", PATH);
	refuse_node(AT "db.disk3 has sectors of it; give another partition, or read-only to both");
}

/* What views show of the guest's RAM changes nothing but the way that is taken. */
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
		TEST(test_identity), TEST(test_read),           TEST(test_long),
		TEST(test_bounds),   TEST(test_errors),         TEST(test_flush),
		TEST(test_reset),    TEST(test_waits_for_slot), cmocka_unit_test(test_refused),
		TEST(test_pause),    TEST(test_queue_closed),   TEST(test_writes_through),
		TEST(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) + cmocka_run_group_tests(tests, show_ram, NULL);
}
