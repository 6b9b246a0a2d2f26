/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading of uImages, ELF files and software for other machines. */
#include "image_rig.h"

static void test_uimage(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 50000), *image;
	struct bundle_image inner;

	fill(data, 50000);
	image = make_uimage(t, data, 50000, 2, 0);
	t->cfg.kernel = plain("linux", image, 50064);
	expect_load(t, RAM + 0x8040);
	expect_at(t, RAM + 0x8000, data, 50000);
	expect_untouched(t, RAM + 0x8000 + 50000, 64);

	teardown(state);
	setup(state);
	data = blob(t, 50000);
	fill(data, 50000);
	image = make_uimage(t, data, 50000, 2, 0);
	t->cfg.kernel = zipped(t, "linux", image, 50064);
	expect_load(t, RAM + 0x8040);
	expect_at(t, RAM + 0x8000, data, 50000);

	inner = zipped(t, "x", data, 50000);
	image = make_uimage(t, inner.data, inner.size, 2, 1);
	t->cfg.kernel = plain("linux", image, 64 + inner.size);
	memset(fake_guestmem_at(t->vm, RAM, RAM_SIZE), 0xa5, RAM_SIZE);
	expect_load(t, RAM + 0x8040);
	expect_at(t, RAM + 0x8000, data, 50000);
	t->cfg.kernel = zipped(t, "linux", image, 64 + inner.size);
	expect_refusal(t, -EINVAL, "compressed twice, by uImage and by the bundle");
}

/* Others may take the CPU at least every 64 KiB (CAVEATS.md), also while only a CRC is made. */
static void test_uimage_preempted(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, MIB(1)), *image;

	fill(data, MIB(1));
	image = make_uimage(t, data, MIB(1), 2, 0);
	t->cfg.kernel = plain("linux", image, 64 + MIB(1));
	expect_load(t, RAM + 0x8040);
	assert_true(preempts >= MIB(1) / KIB(64));
	t->cfg.kernel = zipped(t, "linux", image, 64 + MIB(1));
	expect_load(t, RAM + 0x8040);
	assert_true(preempts >= 2 * MIB(1) / KIB(64)); /* for the CRC, and for the copy */
	image[64] ^= 1;
	t->cfg.kernel = plain("linux", image, 64 + MIB(1));
	expect_refusal(t, -EINVAL, "damaged data in uImage, its CRC does not match");
	assert_true(preempts >= MIB(1) / KIB(64));
}

static void test_uimage_noload(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 500), *image;

	fill(data, 500);
	image = make_uimage(t, data, 500, 14, 0);
	put_be32(image + 20, 0x40);
	seal_uimage(image);
	t->cfg.kernel = plain("linux", image, 564);
	expect_load(t, RAW + 0x40);
	expect_at(t, RAW, data, 500);
}

/* Another system than Linux starts without a tree, as with QEMU. */
static void test_uimage_of_another_system(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 500), *image;

	fill(data, 500);
	image = make_uimage(t, data, 500, 2, 0);
	image[28] = 17;
	seal_uimage(image);
	t->cfg.kernel = plain("uboot", image, 564);
	expect_start(t, RAM + 0x8040, 0, 0, 0);
	expect_at(t, RAM + 0x8000, data, 500);
	expect_untouched(t, DTB, GUESTDTB_MAX);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm a: kernel \"uboot\": a uImage of another system than Linux gets no device tree");
}

/* A zImage in a uImage has to unpack as any other. */
static void test_uimage_zimage(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_zimage(t, KIB(100), 0), *image;

	add_table(data, KIB(100), MIB(8), 0, 0x8000);
	image = make_uimage(t, data, KIB(100), 2, 0);
	t->cfg.kernel = plain("linux", image, KIB(100) + 64);
	expect_refusal(t, -ENOSPC, "(unpacking)");
}

static void test_uimage_errors(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		bool seal;
		const char *line;
	} rows[] = {
		{40, 0x01, false, "damaged uImage header"},
		{5, 0x5a, false, "damaged uImage header"},
		{29, 22, true, "uImage for another architecture; a guest is a 32-bit ARM program"},
		{30, 4, true, "a uImage of several files; split it (dumpimage -T multi -p 0 -o FILE) and give each as"},
		{30, 3, true, "uImage of type 3; a kernel is type 2"},
		{31, 2, true, "uImage with a compression other than none and gzip; unpack what is in it"},
		{31, 1, true, "not a gzip stream, or a damaged one"},
		{14, 0x02, true, "uImage shorter than its header says"},
		{12, 0xff, true, "uImage shorter than its header says"},
		{80, 0xff, false, "damaged data in uImage, its CRC does not match"},
		{24, 0x01, true, "damaged data in uImage, its CRC does not match"},
		{16, 0x00, true, "are not inside RAM"},
		{20, 0x00, true, "entry point 0x8040 is not inside RAM"},
	};
	struct test *t = *state;
	uint8_t *data = blob(t, 500), *image, *copy = blob(t, 564);

	fill(data, 500);
	image = make_uimage(t, data, 500, 2, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memcpy(copy, image, 564);
		copy[rows[i].at] = rows[i].value;
		if (rows[i].seal)
			seal_uimage(copy);
		t->cfg.kernel = plain("linux", copy, 564);
		assert_true(load(t) < 0);
		fake_log_expect_error(rows[i].line);
	}
}

static void expect_elf(struct test *t, const uint8_t *data)
{
	static const uint8_t zero[21000];

	memset(fake_guestmem_at(t->vm, RAM, RAM_SIZE), 0xa5, RAM_SIZE);
	expect_start(t, RAM + 0x1234, 0, 0, 0);
	expect_at(t, RAM, data, 20000);
	expect_at(t, RAM + 0x100000, data + 40000, 9000);
	expect_at(t, RAM + 0x100000 + 9000, zero, 21000);
	expect_untouched(t, RAM + 20000, 4096);
	expect_untouched(t, RAM + 0x100000 + 30000, 4096);
}

static void test_elf(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_elf(t, 50000, 0xc0001234, segments, ARRAY_SIZE(segments));

	t->cfg.kernel = plain("linux", data, 50000);
	expect_elf(t, data);
	assert_false(t->entry.raw);
	t->cfg.kernel = zipped(t, "linux", data, 50000);
	expect_elf(t, data);
}

/* Debug information behind the segments is inflated for the CRC's sake: others may take the CPU all the same. */
static void test_elf_preempted(void **state)
{
	struct test *t = *state;
	size_t size = 50000 + MIB(1);
	uint8_t *data = make_elf(t, size, 0xc0001234, segments, ARRAY_SIZE(segments));

	t->cfg.kernel = zipped(t, "linux", data, size);
	expect_elf(t, data);
	assert_true(preempts >= MIB(1) / KIB(64));
}

static void test_elf_thumb_entry(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_elf(t, 50000, 0x40100101, segments, 1);

	t->cfg.kernel = plain("linux", data, 50000);
	expect_start(t, RAM + 0x100101, RAM, 0, 0);
}

/* Where a program looks for its tree, by the lowest byte of it that is in memory. */
static void test_elf_tree(void **state)
{
	struct segment one = {1, 40000, 0x40100000, 0x40100000, 9000, 30000};
	struct test *t = *state;
	uint8_t *data = make_elf(t, 50000, 0x40100000, &one, 1);

	t->cfg.kernel = plain("linux", data, 50000);
	expect_start(t, RAM + 0x100000, RAM, 0, 0);
	expect_untouched(t, RAM + MIB(8), GUESTDTB_MAX);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
	put32(data + 52 + 8, 0x400fffff);
	put32(data + 52 + 12, 0x400fffff);
	expect_start(t, RAM + 0x100000, 0, 0, 0);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm a: kernel \"linux\": an ELF file that begins less than 1 MiB above the start of RAM "
			    "gets no device tree; Linux wants its zImage");
	t->cfg.quiet = true;
	expect_start(t, RAM + 0x100000, 0, 0, 0);
	assert_int_equal(fake_log_count(LOG_WARN), 0);
}

/* Its tree says where it is, which is where Linux' would be. */
static void test_elf_ramdisk(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_elf(t, 50000, 0x40100101, segments, 1);

	t->cfg.kernel = plain("linux", data, 50000);
	t->cfg.ramdisk = plain("initrd", data, 5000);
	expect_start(t, RAM + 0x100101, RAM, 0, 0);
	assert_int_equal(initrd_property(t, "linux,initrd-start"), DTB - KIB(8));
	assert_int_equal(initrd_property(t, "linux,initrd-end"), DTB - KIB(8) + 5000);
	expect_at(t, DTB - KIB(8), data, 5000);
}

/* Position-independent: as it stands, at its physical addresses. */
static void test_elf_shared(void **state)
{
	struct test *t = *state;
	uint8_t *data = make_elf(t, 50000, 0x40100000, segments, 1);

	data[16] = 3;
	t->cfg.kernel = plain("linux", data, 50000);
	expect_start(t, RAM + 0x100000, RAM, 0, 0);
	expect_at(t, RAM + 0x100000, data + 40000, 9000);
}

/* Addresses are of 32 bits: a virtual one below the entry by wrapping is one. */
static void test_elf_entry_wraps(void **state)
{
	static const struct segment high = {1, 0, 0xfffff000, 0x40100000, 20000, 20000};
	struct test *t = *state;
	uint8_t *data = make_elf(t, 50000, 0x10, &high, 1);

	t->cfg.kernel = plain("linux", data, 50000);
	expect_start(t, RAM + 0x101010, RAM, 0, 0);
}

static void test_elf_errors(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *line;
	} rows[] = {
		{4, 2, "a 64-bit ELF file; a guest is a 32-bit ARM program"},
		{18, 62, "an ELF file for another processor; a guest is a 32-bit ARM program"},
		{5, 2, "a big-endian ELF file; a guest starts little-endian"},
		{16, 1, "an ELF object file (.o, .ko); link it to a program"},
		{42, 40, "ELF with no program headers, or with more than 16"},
		{44, 0, "ELF with no program headers, or with more than 16"},
		{44, 17, "ELF with no program headers, or with more than 16"},
		{31, 1, "shorter than its headers say"},                /* e_phoff */
		{52 + 7, 0x10, "shorter than its headers say"},         /* p_offset */
		{52 + 19, 0x10, "damaged ELF: a segment has"},          /* p_filesz */
		{52 + 15, 0x80, "are not inside RAM"},                  /* p_paddr */
		{52 + 22, 0xff, "are not inside RAM"},                  /* p_memsz */
		{27, 0x10, "entry point 0x10100000 is not inside RAM"}, /* e_entry */
	};
	struct test *t = *state;
	uint8_t *data = make_elf(t, 50000, 0x40100000, segments, 1), *copy = blob(t, 50000);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memcpy(copy, data, 50000);
		copy[rows[i].at] = rows[i].value;
		t->cfg.kernel = plain("linux", copy, 50000);
		assert_true(load(t) < 0);
		fake_log_expect_error(rows[i].line);
	}
	/* Nothing to load: the entry is in RAM, but not in the image. */
	put32(data + 52, 0);
	t->cfg.kernel = plain("linux", data, 50000);
	expect_refusal(t, -EINVAL, "ELF without anything to load");
}

/* ---- what is no guest ---- */

static void test_foreign(void **state)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t count;
		const char *line;
	} rows[] = {
		{56, "ARMd", 4, "a Linux kernel for arm64 (Image); a guest is a 32-bit ARM program"},
		{0, "070701", 6, "a cpio archive; give it as ramdisk"},
		{0, "#!/bin/sh\n", 10, "a script (#!); give a kernel"},
		{36, "\x01\x6f\x28\x18", 4, "a big-endian zImage; a guest starts little-endian"},
		{0, "MZ", 2, "an EFI program; it needs firmware: give a zImage, a raw image or an ELF file"},
		{0, "\xd0\x0d\xfe\xed", 4,
		 "a device tree or a FIT image; take the kernel out of it (dumpimage -T flat_dt"},
		{0,
		 "\xfd"
		 "7zXZ\0",
		 6, "compressed with xz; uncompress it"},
	};
	struct test *t = *state;
	uint8_t *data = blob(t, 1000);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fill(data, 1000);
		memcpy(data + rows[i].at, rows[i].bytes, rows[i].count);
		t->cfg.kernel = plain("linux", data, 1000);
		expect_refusal(t, -EINVAL, rows[i].line);
		t->cfg.kernel = zipped(t, "linux", data, 1000);
		expect_refusal(t, -EINVAL, rows[i].line);
		free(t->blobs[--t->blob_count]);
	}
	/* Cut short of what would tell: a raw image. */
	t->cfg.kernel = plain("linux", data, 5);
	expect_load(t, RAW);
}

/* Magic far into the file, and only half of it. */
static void test_foreign_x86(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 1000);

	memcpy(data + 0x202, "HdrS", 4);
	t->cfg.kernel = plain("linux", data, 1000);
	expect_load(t, RAW);
	memcpy(data + 0x1fe, "\x55\xaa", 2);
	expect_refusal(t, -EINVAL, "a Linux kernel for x86 (bzImage); a guest is a 32-bit ARM program");
	t->cfg.kernel.size = 0x205;
	expect_load(t, RAW);
}

#define row(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		row(test_uimage),
		row(test_uimage_preempted),
		row(test_uimage_noload),
		row(test_uimage_of_another_system),
		row(test_uimage_zimage),
		row(test_uimage_errors),
		row(test_elf),
		row(test_elf_preempted),
		row(test_elf_thumb_entry),
		row(test_elf_tree),
		row(test_elf_ramdisk),
		row(test_elf_shared),
		row(test_elf_entry_wraps),
		row(test_elf_errors),
		row(test_foreign),
		row(test_foreign_x86),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
