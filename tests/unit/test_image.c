/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading of raw images, zImages and compressed images; with much RAM, without memory, and headers damaged at random.
 */
#include "image_rig.h"

/* ---- raw and zImage ---- */

static void test_raw(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 5001);

	fill(data, 5001);
	t->cfg.kernel = plain("linux", data, 5001);
	expect_load(t, RAW);
	assert_true(t->entry.raw);
	expect_at(t, RAW, data, 5001);
	expect_untouched(t, RAW + 5001, 4096);
	expect_untouched(t, RAM, MACHINE_RAW_OFFSET);
	/* One copy for the image, one for the device tree. */
	assert_int_equal(fake_guestmem_loads(t->vm), 2);
	assert_int_equal(initrd_property(t, "linux,initrd-start"), 0);
}

static void test_raw_smallest(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 1);

	data[0] = 0x42;
	t->cfg.kernel = plain("linux", data, 1);
	expect_load(t, RAW);
	expect_at(t, RAW, data, 1);
}

static void test_raw_gzip(void **state)
{
	struct test *t = *state;
	size_t size = KIB(300) + 17;
	uint8_t *data = blob(t, size);

	fill(data, size);
	t->cfg.kernel = zipped(t, "linux", data, size);
	expect_load(t, RAW);
	expect_at(t, RAW, data, size);
	expect_untouched(t, RAW + size, 4096);
}

/* What holds nothing cannot be started, nor told of. */
static void test_empty(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 100), *image;

	t->cfg.kernel = zipped(t, "linux", data, 0);
	expect_refusal(t, -EINVAL, "vm a: kernel \"linux\": empty; give the image a file");
	image = make_uimage(t, t->cfg.kernel.data, t->cfg.kernel.size, 2, 1);
	t->cfg.kernel = plain("linux", image, 64 + t->cfg.kernel.size);
	expect_refusal(t, -EINVAL, "vm a: kernel \"linux\": empty; give the image a file");
	t->cfg.kernel = plain("linux", data, 100);
	t->cfg.ramdisk = zipped(t, "initrd", data, 0);
	expect_refusal(t, -EINVAL, "vm a: ramdisk \"initrd\": empty; give the image a file");
}

/* Where there is room, and the entry counts from there. */
static void test_anywhere(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 4096);

	fill(data, 4096);
	t->cfg.kernel = plain("linux", data, 4096);
	t->cfg.kernel.anywhere = true;
	expect_load(t, RAW);
	t->cfg.kernel.has_entry = true;
	expect_load(t, RAW);
	t->cfg.kernel.entry = 0x40;
	expect_load(t, RAW + 0x40);
	assert_true(t->entry.raw);
}

static void test_load_and_entry(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 4096);

	fill(data, 4096);
	t->cfg.kernel = plain("linux", data, 4096);
	t->cfg.kernel.has_load = true;
	t->cfg.kernel.load = RAM + 0x123000;
	expect_load(t, RAM + 0x123000);
	expect_at(t, RAM + 0x123000, data, 4096);
	t->cfg.kernel.has_entry = true;
	t->cfg.kernel.entry = RAM + 0x123081;
	expect_load(t, RAM + 0x123081);
	t->cfg.kernel.entry = 0x1000;
	expect_refusal(t, -EINVAL,
		       "vm a: kernel \"linux\": entry point 0x1000 is not inside RAM (0x40000000 to 0x41000000)");
	t->cfg.kernel.has_entry = false;
	t->cfg.kernel.load = 0x8000;
	expect_refusal(t, -ENOSPC,
		       "vm a: kernel \"linux\": 4 KiB at 0x8000 are not inside RAM (0x40000000 to 0x41000000)");
	t->cfg.kernel.load = 0;
	expect_refusal(t, -ENOSPC,
		       "vm a: kernel \"linux\": 4 KiB at 0x0 are not inside RAM (0x40000000 to 0x41000000); "
		       "what is made for address 0 starts in flash (mkbundle: flash)");
	t->cfg.kernel.load = RAM + RAM_SIZE - 4095;
	expect_refusal(t, -ENOSPC, "are not inside RAM");
	t->cfg.kernel.load = UINT64_MAX - 100;
	expect_refusal(t, -ENOSPC, "are not inside RAM");
	t->cfg.kernel.load = DTB - 4095;
	expect_refusal(t, -ENOSPC, "overlap the device tree, 16 KiB at 0x40800000; give the VM more memory");
	t->cfg.kernel.load = RAM + RAM_SIZE - 4096;
	expect_load(t, RAM + RAM_SIZE - 4096);
}

static void test_zimage(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_zimage(t, KIB(100), 0);

	t->cfg.kernel = plain("linux", data, KIB(100));
	expect_load(t, RAW);
	assert_false(t->entry.raw);
	expect_at(t, RAW, data, KIB(100));
	assert_int_equal(fake_guestmem_loads(t->vm), 2);
	t->cfg.kernel = zipped(t, "linux", data, KIB(100));
	expect_load(t, RAW);
	expect_at(t, RAW, data, KIB(100));
}

static void test_zimage_start(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_zimage(t, KIB(100), (uint32_t)RAM + 0x200000);

	t->cfg.kernel = plain("linux", data, KIB(100));
	expect_load(t, RAM + 0x200000);
	expect_at(t, RAM + 0x200000, data, KIB(100));
	t->cfg.kernel.has_load = true;
	t->cfg.kernel.load = RAM + 0x300000;
	expect_load(t, RAM + 0x300000);
}

/* A device tree appended to the zImage is loaded with it; a bss counted in the header needs room. */
static void test_zimage_end(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_zimage(t, KIB(100), 0);

	put32(data + 0x2c, KIB(90));
	t->cfg.kernel = plain("linux", data, KIB(100));
	expect_load(t, RAW);
	expect_at(t, RAW, data, KIB(100));
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	put32(data + 0x2c, KIB(200));
	expect_load(t, RAW);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm a: kernel \"linux\": has 100 of the 200 KiB that its zImage header states");
	put32(data + 0x2c, MIB(8));
	expect_refusal(t, -ENOSPC, "vm a: kernel \"linux\": 8192 KiB at 0x40010000 overlap the device tree");
}

static void test_zimage_growth_exact(void **state)
{
	struct test *t = *state;
	size_t size = KIB(100);
	uint8_t *data = make_zimage(t, size, 0);
	uint32_t room = RAM_SIZE / 2 - 0x8000;

	/* It moves itself behind the unpacked kernel, with 68 KiB of heap and stack. */
	add_table(data, size, room - KIB(168), 0, 0x8000);
	t->cfg.kernel = plain("linux", data, size);
	expect_load(t, RAW);
	add_table(data, size, room - KIB(168) + 1, 0, 0x8000);
	expect_refusal(t, -ENOSPC,
		       "vm a: kernel \"linux\": 8161 KiB (unpacking) at 0x40008000 overlap the device tree, 16 KiB at "
		       "0x40800000; give the VM more memory");
	add_table(data, size, room - KIB(500), KIB(500), 0x8000);
	expect_load(t, RAW);
	add_table(data, size, room - KIB(500), KIB(500) + 1, 0x8000);
	expect_refusal(t, -ENOSPC, "(unpacking)");
	add_table(data, size, room - KIB(168), 0, 0x208000);
	expect_refusal(t, -ENOSPC, "(unpacking) at 0x40208000");
	add_table(data, size, UINT32_MAX, UINT32_MAX, UINT32_MAX);
	expect_refusal(t, -ENOSPC, "(unpacking)");
}

/* Without the table, and with tables that make no sense, the kernel is given the benefit of the doubt. */
static void test_zimage_growth_estimated(void **state)
{
	struct test *t = *state;
	size_t size = MIB(2);
	uint8_t *data = make_zimage(t, size, 0);

	t->cfg.kernel = plain("linux", data, size);
	expect_load(t, RAW);
	add_table(data, size, UINT32_MAX, 0, 0x8000);
	put32(data + 0x38, 0xfffffffc);
	expect_load(t, RAW);
	put32(data + 0x38, (uint32_t)size - 8);
	expect_load(t, RAW);
	put32(data + 0x38, 0x100);
	put32(data + 0x108, (uint32_t)size - 3);
	expect_load(t, RAW);
}

/* A table beyond the image, in what RAM held before, is not believed. */
static void test_zimage_stale_table(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_zimage(t, 5000, 0);

	add_table(data, 5000, 0, 0, 0x8000);
	put32(data + 0x108, 0x64);
	put32(data + 0x64, UINT32_MAX);
	put32(data + 0x2c, 0x100);
	t->cfg.kernel = plain("linux", data, 5000);
	expect_refusal(t, -ENOSPC, "(unpacking)");
	t->cfg.kernel.size = 0x100;
	expect_load(t, RAW);
}

/* ---- gzip ---- */

static void test_gzip_errors(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 100000), *copy;
	struct bundle_image good;

	fill(data, 100000);
	good = zipped(t, "linux", data, 100000);
	copy = blob(t, good.size);
	memcpy(copy, good.data, good.size);
	t->cfg.kernel = good;
	t->cfg.kernel.data = copy;
	for (size_t size = 0; size < good.size; size += 1 + size / 16) {
		uint8_t *cut = malloc(size ? size : 1);

		memcpy(cut, good.data, size);
		t->cfg.kernel.data = cut;
		t->cfg.kernel.size = size;
		assert_true(load(t) < 0);
		free(cut);
	}
	t->cfg.kernel.size = good.size;
	t->cfg.kernel.data = copy;
	copy[good.size - 6] ^= 1; /* the CRC */
	expect_refusal(t, -EBADMSG,
		       "vm a: kernel \"linux\": not a gzip stream, or a damaged one; make the bundle again");
	copy[good.size - 6] ^= 1;
	put32(copy + good.size - 4, 100001);
	expect_refusal(t, -EBADMSG, "damaged one");
	put32(copy + good.size - 4, 99999);
	expect_refusal(t, -EBADMSG, "damaged one");
	put32(copy + good.size - 4, UINT32_MAX);
	expect_refusal(t, -EBADMSG, "damaged one");
	put32(copy + good.size - 4, 0);
	expect_refusal(t, -EBADMSG, "damaged one");
	put32(copy + good.size - 4, 100000);
	copy[good.size / 2] ^= 0x10;
	expect_refusal(t, -EBADMSG, "damaged one");
	t->cfg.kernel = plain("linux", data, 1000);
	t->cfg.kernel.compression = IMAGE_GZIP;
	expect_refusal(t, -EBADMSG, "not a gzip stream");
}

/* RFC 1952 allows several members in a file; they are one after the other, wherever a step of reading ends. */
static void test_gzip_members(void **state)
{
	static const size_t firsts[] = {1, KIB(16) - 1, KIB(16), KIB(16) + 1, 40000};
	struct test *t = *state;
	uint8_t *data = blob(t, 60000), *both;

	fill(data, 60000);
	for (size_t i = 0; i < ARRAY_SIZE(firsts); i++) {
		struct bundle_image one = zipped(t, "linux", data, firsts[i]);
		struct bundle_image two = zipped(t, "linux", data + firsts[i], 60000 - firsts[i]);

		both = malloc(one.size + two.size);
		memcpy(both, one.data, one.size);
		memcpy(both + one.size, two.data, two.size);
		t->cfg.kernel = one;
		t->cfg.kernel.data = both;
		t->cfg.kernel.size += two.size;
		memset(fake_guestmem_at(t->vm, RAM, RAM_SIZE), 0xa5, RAM_SIZE);
		expect_load(t, RAW);
		expect_at(t, RAW, data, 60000);
		expect_untouched(t, RAW + 60000, 4096);
		free(both);
		free(t->blobs[--t->blob_count]);
		free(t->blobs[--t->blob_count]);
	}
}

/* Zeroes behind a stream fill something up; anything else is damage. */
static void test_gzip_padded(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 60000), *padded;
	struct bundle_image image;

	fill(data, 60000);
	image = zipped(t, "linux", data, 60000);
	padded = blob(t, image.size + 5000);
	memcpy(padded, image.data, image.size);
	t->cfg.kernel = image;
	t->cfg.kernel.data = padded;
	for (size_t more = 1; more <= 5000; more += 1 + more / 2) {
		t->cfg.kernel.size = image.size + more;
		expect_load(t, RAW);
		expect_at(t, RAW, data, 60000);
	}
	padded[image.size + 4999] = 1;
	t->cfg.kernel.size = image.size + 5000;
	expect_refusal(t, -EBADMSG, "damaged one");
	padded[image.size] = 1;
	expect_refusal(t, -EBADMSG, "damaged one");
}

/* A long name or empty blocks are input without any output: others get the CPU meanwhile. */
static void test_gzip_silent(void **state)
{
	enum { HEAD = 10, NAME = 3, HAS_NAME = 8, BLOCK = 5 };
	struct test *t = *state;
	uint8_t *data = blob(t, 1000), *named, *blocks;
	struct bundle_image image;

	fill(data, 1000);
	image = zipped(t, "linux", data, 1000);
	named = blob(t, image.size + MIB(1));
	memcpy(named, image.data, HEAD);
	named[NAME] = HAS_NAME;
	memset(named + HEAD, 'x', MIB(1) - 1);
	memcpy(named + HEAD + MIB(1), image.data + HEAD, image.size - HEAD);
	t->cfg.kernel = image;
	t->cfg.kernel.data = named;
	t->cfg.kernel.size = image.size + MIB(1);
	expect_load(t, RAW);
	expect_at(t, RAW, data, 1000);
	assert_true(preempts >= MIB(1) / KIB(4));
	blocks = blob(t, image.size + BLOCK * KIB(100));
	memcpy(blocks, image.data, HEAD);
	for (size_t i = 0; i < KIB(100); i++) /* stored, not the last one, of no bytes */
		memcpy(blocks + HEAD + BLOCK * i, (const uint8_t[]){0, 0, 0, 0xff, 0xff}, BLOCK);
	memcpy(blocks + HEAD + BLOCK * KIB(100), image.data + HEAD, image.size - HEAD);
	t->cfg.kernel.data = blocks;
	t->cfg.kernel.size = image.size + BLOCK * KIB(100);
	expect_load(t, RAW);
	expect_at(t, RAW, data, 1000);
	assert_true(preempts >= BLOCK * KIB(100) / KIB(4));
}

static void test_gzip_forgotten(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 1000);

	t->cfg.kernel = zipped(t, "linux", data, 1000);
	t->cfg.kernel.compression = IMAGE_PLAIN;
	expect_refusal(
		t, -EINVAL,
		"vm a: kernel \"linux\": compressed with gzip; a kernel says so by compression = \"gzip\" (mkbundle: "
		"kernel-compression=gzip)");
}

/* ---- the rest ---- */

static void test_large_ram(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 100);

	fake_guestmem_free(t->vm);
	t->vm = fake_guestmem_new(MIB(512));
	t->cfg.ram_size = GIB(8);
	t->cfg.kernel = plain("linux", data, 100);
	expect_load(t, RAW);
	assert_int_equal(t->entry.dtb, RAM + MIB(128));
	t->cfg.kernel.has_entry = true;
	t->cfg.kernel.entry = GIB(4);
	expect_refusal(t, -EINVAL, "entry point 0x100000000 is not inside RAM");
}

static void test_no_memory(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 100);

	t->cfg.kernel = plain("linux", data, 100);
	fake_page_set_empty(true);
	expect_refusal(t, -ENOMEM,
		       "vm a: virt7's heap has no room to load its images with; give the board more RAM, "
		       "or the bundle fewer VMs");
	fake_page_set_empty(false);
	t->cfg.ramdisk = plain("initrd", data, 100);
	fake_guestmem_fail_after(t->vm, 2);
	expect_refusal(t, -EFAULT, "vm a: device tree at 0x40800000: guest RAM cannot be written");
	fake_guestmem_fail_after(t->vm, fake_guestmem_loads(t->vm) + 1);
	expect_refusal(t, -EFAULT, "vm a: ramdisk \"initrd\": guest RAM cannot be written");
}

static void test_random_damage(void **state)
{
	struct test *t = *state;
	uint8_t *elf = make_elf(t, 50000, 0x40100101, segments, ARRAY_SIZE(segments));
	uint8_t *zimage = make_zimage(t, 5000, 0), *uimage, *copy = blob(t, 50000);
	struct bundle_image images[4];

	add_table(zimage, 5000, 30000, 5000, 0x8000);
	uimage = make_uimage(t, zimage, 5000, 2, 0);
	images[0] = plain("elf", elf, 50000);
	images[1] = plain("zimage", zimage, 5000);
	images[2] = plain("uimage", uimage, 5064);
	images[3] = zipped(t, "gz", zimage, 5000);
	srandom(10);
	for (unsigned int round = 0; round < 20000; round++) {
		const struct bundle_image *image = &images[round % 4];

		memcpy(copy, image->data, image->size);
		for (long flips = 1 + random() % 3; flips; flips--)
			copy[(size_t)random() % (round % 8 < 4 ? 320 : image->size)] ^= (uint8_t)(1U << random() % 8);
		if (round % 4 == 2)
			seal_uimage(copy);
		t->cfg.kernel = *image;
		t->cfg.kernel.data = copy;
		t->cfg.ramdisk = plain("initrd", copy, 1000);
		if (!load(t))
			assert_in_range(t->entry.pc, RAM, RAM + RAM_SIZE - 1);
	}
}

#define row(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		row(test_raw),
		row(test_raw_smallest),
		row(test_raw_gzip),
		row(test_empty),
		row(test_anywhere),
		row(test_load_and_entry),
		row(test_zimage),
		row(test_zimage_start),
		row(test_zimage_end),
		row(test_zimage_growth_exact),
		row(test_zimage_growth_estimated),
		row(test_zimage_stale_table),
		row(test_gzip_errors),
		row(test_gzip_members),
		row(test_gzip_padded),
		row(test_gzip_silent),
		row(test_gzip_forgotten),
		row(test_large_ram),
		row(test_no_memory),
		row(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
