/* SPDX-License-Identifier: BSD-2-Clause */
/* Variables of a VM's flash that are kept on a disk of the host's (hyp/vdev/flashkeep.c). */
#include "vflash_rig.h"

#define KEPT_FIRST 100U /* sectors */
#define KEPT_COUNT 1100U
#define KEPT_BYTES (2U * SECTOR) /* whole sectors of flash that are in there */
#define HOST       "/virtio_mmio@a003e00"
#define KEPT(at)   fake_hostdisk.data[KEPT_FIRST * DISKDEV_SECTOR + (at)]
#define REFUSED    "vm web: /vms/web/flash: "
#define REFUSED_BY REFUSED "vars-host \"" HOST "\": "

static uint32_t kept_first, kept_count, kept_partition;

static int make_kept(const char *host, const char *image)
{
	rig_begin(NULL, NULL);
	memset(&fake_flash, 0, sizeof(fake_flash));
	fit_begin(&f);
	fit_image(&f, &(struct fit_image){.name = "CODE", .data = code, .size = CODE_SIZE, .hash = "crc32"});
	fit_vms(&f);
	fit_vm(&f, "web");
	assert_int_equal(fdt_begin_node(f.blob, "flash"), 0);
	fit_string(&f, "compatible", "virt7,cfi-flash");
	fit_string(&f, "code", "CODE");
	if (host)
		fit_string(&f, "vars-host", host);
	if (image)
		fit_string(&f, "vars", image);
	if (kept_partition)
		assert_int_equal(fdt_property_u32(f.blob, "vars-partition", kept_partition), 0);
	if (kept_count) {
		const fdt32_t range[] = {cpu_to_fdt32(kept_first), cpu_to_fdt32(kept_count)};

		assert_int_equal(fdt_property(f.blob, "vars-range", range, sizeof(range)), 0);
	}
	assert_int_equal(fdt_end_node(f.blob), 0);
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	return device_create_all(&rig_vm, &b, fdt_path_offset(f.blob, "/vms/web"));
}

static void begin_kept(void)
{
	fake_hostdisk_reset();
	fake_hostdisk.can_flush = true;
	memset(&KEPT(3U * PAGE_SIZE), 0xff, 2U * PAGE_SIZE);
	kept_first = KEPT_FIRST;
	kept_count = KEPT_COUNT;
	kept_partition = 0;
	if (make_kept(HOST, NULL))
		fail_msg("%s", fake_log_last(LOG_ERR));
}

static void end_kept(void)
{
	end();
	assert_int_equal(fake_hostdisk.claims, 0);
}

static void program(uint64_t at, uint32_t value)
{
	put(at, 0x00400040, 4);
	put(at, value, 4);
}

/* The disk has what the guest sees, and what is not the bank's there is as it was. */
static void expect_kept(const uint8_t *before)
{
	put(VARS, 0xff, 1);
	for (uint32_t at = 0; at < KEPT_BYTES; at += 4) {
		uint32_t there;

		memcpy(&there, &KEPT(at), sizeof(there));
		assert_int_equal(get(VARS + at, 4), there);
	}
	assert_memory_equal(fake_hostdisk.data, before, KEPT_FIRST * DISKDEV_SECTOR);
	assert_memory_equal(&KEPT(KEPT_BYTES), before + KEPT_FIRST * DISKDEV_SECTOR + KEPT_BYTES,
			    sizeof(fake_hostdisk.data) - KEPT_FIRST * DISKDEV_SECTOR - KEPT_BYTES);
}

static void test_kept(void **state)
{
	static uint8_t before[sizeof(fake_hostdisk.data)];

	(void)state;
	begin_kept();
	memcpy(before, fake_hostdisk.data, sizeof(before));
	expect_kept(before);
	assert_true(mmio_show(&rig_vcpu[0], VARS));
	assert_int_equal(shown(VARS + 5), KEPT(5));
	fake_hostdisk.moves = 0;
	erase(VARS + SECTOR);
	assert_int_equal(KEPT(SECTOR), 0xff); /* when the store is over */
	assert_int_equal(KEPT(2U * SECTOR - 1U), 0xff);
	assert_int_equal(KEPT(SECTOR - 1U), before[KEPT_FIRST * DISKDEV_SECTOR + SECTOR - 1U]);
	assert_int_equal(fake_hostdisk.moves, SECTOR / KIB(16) + 1U);
	assert_int_equal(fake_hostdisk.flushes, 1);
	program(VARS + SECTOR + 0x1004U, 0x12345678);
	assert_int_equal(KEPT(SECTOR + 0x1004U), 0x78);
	assert_int_equal(fake_hostdisk.flushes, 2);
	assert_int_equal(get(VARS, 4), 0x00800080);
	expect_kept(before);
	fake_hostdisk.moves = 0;
	put(VARS, 0xff, 1);
	put(VARS, 0x90, 4); /* what changes nothing writes nothing */
	assert_int_equal(fake_hostdisk.moves, 0);
	device_reset_all(&rig_vm);
	expect_kept(before);
	end_kept();
	begin_kept();
	fake_hostdisk.can_flush = false;
	erase(VARS);
	assert_int_equal(fake_hostdisk.flushes, 0);
	end_kept();
}

/* Behind the disk's end nothing is written, nor kept. */
static void test_kept_end(void **state)
{
	(void)state;
	begin_kept();
	fake_hostdisk.moves = 0;
	assert_int_equal(get(VARS + KEPT_BYTES, 4), UINT32_MAX);
	program(VARS + KEPT_BYTES, 0);
	assert_int_equal(get(VARS, 4), 0x00920092);
	put(VARS, 0x50, 4);
	erase(VARS + KEPT_BYTES);
	assert_int_equal(get(VARS, 4), 0x00a200a2);
	put(VARS, 0xff, 1);
	assert_int_equal(get(VARS + KEPT_BYTES, 4), UINT32_MAX);
	assert_int_equal(fake_hostdisk.moves, 0);
	end_kept();
}

/* What the disk does not take is an error of the command, and goes with the next one. */
static void test_kept_errors(void **state)
{
	static uint8_t before[sizeof(fake_hostdisk.data)];

	(void)state;
	begin_kept();
	memcpy(before, fake_hostdisk.data, sizeof(before));
	fake_hostdisk.move_error = -EIO;
	erase(VARS);
	assert_int_equal(get(VARS, 4) & 0xffU, 0x90);
	assert_string_equal(fake_log_last(LOG_WARN), REFUSED "host \"" HOST "\": it does not take what has changed: "
							     "writes fail until it does");
	put(VARS, 0x50, 4);
	expect_status(VARS, 0x90); /* it is tried again with each store */
	fake_hostdisk.move_error = 0;
	put(VARS, 0x50, 4);
	expect_status(VARS, 0x80);
	expect_kept(before);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	end_kept();
	fake_hostdisk_reset();
	fake_hostdisk.move_error = -ETIMEDOUT;
	assert_int_equal(make_kept(HOST, NULL), -EINVAL);
	assert_string_equal(fake_log_last(LOG_ERR), REFUSED_BY "the disk cannot be read");
	end_kept();
}

static void refuse_kept(const char *host, const char *image, const char *line)
{
	assert_int_equal(make_kept(host, image), -EINVAL);
	assert_string_equal(fake_log_last(LOG_ERR), line);
	end_kept();
}

static void test_kept_refused(void **state)
{
	static const struct hostdisk_claim other = {.vm = "mail", .device = "disk0"};

	(void)state;
	fake_hostdisk_reset();
	kept_partition = kept_count = 0;
	refuse_kept(HOST, "CODE", REFUSED "vars and vars-host: give one of them");
	kept_count = SECTOR / DISKDEV_SECTOR - 1U;
	refuse_kept(HOST, NULL, REFUSED_BY "less than a sector of flash, 256 KiB");
	refuse_kept(NULL, NULL,
		    REFUSED "vars-partition or vars-range, and no vars-host: give the disk's path in the host's device "
			    "tree");
	kept_partition = 1;
	refuse_kept(HOST, NULL, REFUSED "vars-partition and vars-range: give one of them");
	kept_count = 0;
	refuse_kept(HOST, NULL, REFUSED_BY "the disk has no partitions");
	kept_partition = 0;
	fake_hostdisk.read_only = true;
	refuse_kept(HOST, NULL, REFUSED_BY "the host's disk can only be read");
	fake_hostdisk.read_only = false;
	fake_hostdisk.other = &other;
	refuse_kept(HOST, NULL,
		    REFUSED_BY "mail.disk0 has sectors of it; give another partition, or read-only to both");
	fake_hostdisk.other = NULL;
	fake_hostdisk.wrong = "what is wrong";
	refuse_kept(HOST, NULL, REFUSED_BY "what is wrong");
	kept_first = FAKE_DISK_SECTORS;
	kept_count = 1024;
	fake_hostdisk.wrong = NULL;
	refuse_kept(HOST, NULL, REFUSED_BY "the range reaches beyond the disk's end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_kept_end),
		cmocka_unit_test(test_kept_errors),
		cmocka_unit_test(test_kept_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
