/* SPDX-License-Identifier: BSD-2-Clause */
/* The image loader: each format plain and gzip, where things land, what is refused, and headers damaged at random. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>
#include <zlib.h>

#include "fake/fake_guestmem.h"
#include "fake/fake_log.h"
#include "fake/fake_page.h"
#include "hyp/load/guestdtb.h"
#include "hyp/load/image.h"
#include "hyp/load/usertree.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"
#include "hyp/vdev/device.h"

#define RAM      MACHINE_RAM_BASE
#define RAM_SIZE MIB(16)
#define DTB      (RAM + RAM_SIZE / 2)
#define RAW      (RAM + MACHINE_RAW_OFFSET)

struct test {
	struct vm *vm;
	struct vm_config cfg;
	struct image_entry entry;
	uint8_t *blobs[8]; /* to free */
	unsigned int blob_count;
};

static unsigned int preempts; /* calls of sched_preempt() in this load; the fake guest_load() makes none */

void sched_preempt(void)
{
	preempts++;
}

const struct device *device_first(const struct vm *vm)
{
	(void)vm;
	return NULL; /* test_guestdtb.c looks at them */
}

static struct device *bank; /* of flash, from address 0 on, which is full */

struct device *device_holding(const struct vm *vm, uint64_t at, uint64_t size)
{
	(void)vm;
	return at < MIB(64) && size <= MIB(64) - at ? bank : NULL;
}

static int load_full(struct device *device, uint64_t to, const void *from, size_t len)
{
	(void)device, (void)to, (void)from, (void)len;
	return -ENOSPC;
}

static const char *tree_is_wrong; /* what is said of the user's; NULL: it is not */

/* test_usertree.c looks at them. */
int usertree_check(const struct vm *vm, const void *fdt, size_t size, char *why)
{
	(void)vm, (void)fdt, (void)size;
	if (!tree_is_wrong)
		return 0;
	strcpy(why, tree_is_wrong);
	return -EINVAL;
}

int usertree_complete(void *fdt, const struct vm_config *cfg, const struct guestdtb_params *params)
{
	uint64_t ramdisk[2] = {params->ramdisk_start, params->ramdisk_end};

	(void)cfg;
	memcpy(fdt, ramdisk, sizeof(ramdisk));
	return (int)USERTREE_MAX;
}

static int setup(void **state)
{
	static struct test t;

	t = (struct test){.vm = fake_guestmem_new(RAM_SIZE)};
	t.cfg = (struct vm_config){.name = "a", .cpus = 1, .ram_size = RAM_SIZE, .bootargs = "quiet"};
	fake_log_reset();
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	while (t->blob_count)
		free(t->blobs[--t->blob_count]);
	fake_guestmem_free(t->vm);
	return (int)fake_page_live();
}

/* A block of exactly `size` bytes that lives as long as the test. */
static uint8_t *blob(struct test *t, size_t size)
{
	uint8_t *p = calloc(1, size ? size : 1);

	assert_non_null(p);
	assert_true(t->blob_count < ARRAY_SIZE(t->blobs));
	t->blobs[t->blob_count++] = p;
	return p;
}

static void fill(uint8_t *p, size_t size)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < size; i++) {
		x = x * 1103515245 + 12345;
		p[i] = (uint8_t)(x >> 24) & 0x3f;
	}
}

static void put32(uint8_t *p, uint32_t value)
{
	for (unsigned int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static struct bundle_image plain(const char *name, const uint8_t *data, size_t size)
{
	return (struct bundle_image){.name = name, .data = data, .size = size};
}

static struct bundle_image zipped(struct test *t, const char *name, const uint8_t *data, size_t size)
{
	struct bundle_image image = {.name = name, .compression = IMAGE_GZIP};
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)data, .avail_in = (uInt)size};
	uLong bound;
	uint8_t *scratch, *out;

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	bound = deflateBound(&z, size);
	scratch = malloc(bound);
	z.next_out = scratch;
	z.avail_out = (uInt)bound;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	image.size = z.total_out;
	out = blob(t, image.size);
	memcpy(out, scratch, image.size);
	image.data = out;
	free(scratch);
	deflateEnd(&z);
	return image;
}

static uint8_t *make_uimage(struct test *t, const uint8_t *data, size_t size, uint8_t type, uint8_t compression);

static int load(struct test *t)
{
	int err;

	fake_log_reset();
	preempts = 0;
	err = image_load_vm(t->vm, &t->cfg, &t->entry);
	assert_int_equal(fake_page_live(), 0);
	assert_int_equal(fake_log_count(LOG_ERR), err ? 1 : 0);
	return err;
}

static void expect_start(struct test *t, uint64_t pc, uint64_t dtb, uint32_t r1, uint32_t r2)
{
	if (load(t))
		fail_msg("refused: %s", fake_log_last(LOG_ERR));
	assert_int_equal(t->entry.pc, pc);
	assert_int_equal(t->entry.dtb, dtb);
	assert_int_equal(t->entry.r1, r1);
	assert_int_equal(t->entry.r2, r2);
	if (dtb) {
		size_t room = dtb == RAM ? MIB(1) : GUESTDTB_MAX;

		assert_int_equal(fdt_check_full(fake_guestmem_at(t->vm, dtb, room), room), 0);
	}
}

/* As Linux is started. */
static void expect_load(struct test *t, uint64_t pc)
{
	uint64_t dtb = MACHINE_RAM_BASE + MIN(t->cfg.ram_size / 2, (uint64_t)MACHINE_DTB_OFFSET);

	expect_start(t, pc, dtb, UINT32_MAX, (uint32_t)dtb);
}

static void expect_refusal(struct test *t, int err, const char *line)
{
	assert_int_equal(load(t), err);
	fake_log_expect_error(line);
}

static void expect_at(struct test *t, uint64_t at, const uint8_t *data, size_t size)
{
	assert_memory_equal(fake_guestmem_at(t->vm, at, size), data, size);
}

static void expect_untouched(struct test *t, uint64_t at, size_t size)
{
	const uint8_t *p = fake_guestmem_at(t->vm, at, size);

	for (size_t i = 0; i < size; i++)
		assert_int_equal(p[i], 0xa5);
}

static uint64_t initrd_property(struct test *t, const char *name)
{
	const void *fdt = fake_guestmem_at(t->vm, t->entry.dtb, GUESTDTB_MAX);
	const void *p = fdt_getprop(fdt, fdt_path_offset(fdt, "/chosen"), name, NULL);

	return p ? fdt64_ld(p) : 0;
}

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

static uint8_t *make_zimage(struct test *t, size_t size, uint32_t start)
{
	uint8_t *data = blob(t, size);

	fill(data, size);
	put32(data + 0x24, 0x016f2818);
	put32(data + 0x28, start);
	put32(data + 0x2c, start + (uint32_t)size);
	put32(data + 0x34, 0);
	return data;
}

/* The table of Linux 4.15 and later: unpacked size, bss, text offset. */
static void add_table(uint8_t *data, size_t size, uint32_t kernel, uint32_t bss, uint32_t text_offset)
{
	uint8_t *table = data + 0x100;

	put32(data + 0x34, 0x45454545);
	put32(data + 0x38, 0x100);
	put32(table, 6);
	put32(table + 4, 0x5a534c4b);
	put32(table + 8, (uint32_t)size - 4);
	put32(table + 12, bss);
	put32(table + 16, text_offset);
	put32(data + size - 4, kernel);
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

/* ---- uImage ---- */

static void put_be32(uint8_t *p, uint32_t value)
{
	fdt32_st(p, value);
}

static void seal_uimage(uint8_t *image)
{
	put_be32(image + 4, 0);
	put_be32(image + 4, (uint32_t)crc32(0, image, 64));
}

static uint8_t *make_uimage(struct test *t, const uint8_t *data, size_t size, uint8_t type, uint8_t compression)
{
	uint8_t *image = blob(t, 64 + size);

	memcpy(image + 64, data, size);
	put_be32(image, 0x27051956);
	put_be32(image + 12, (uint32_t)size);
	put_be32(image + 16, (uint32_t)RAM + 0x8000);
	put_be32(image + 20, (uint32_t)RAM + 0x8040);
	put_be32(image + 24, (uint32_t)crc32(0, data, (uInt)size));
	image[28] = 5;
	image[29] = 2;
	image[30] = type;
	image[31] = compression;
	seal_uimage(image);
	return image;
}

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

/* ---- ELF ---- */

struct segment {
	uint32_t type, offset, vaddr, paddr, filesz, memsz;
};

static uint8_t *make_elf(struct test *t, size_t size, uint32_t entry, const struct segment *segments, size_t count)
{
	uint8_t *data = blob(t, size), *ph = data + 52;

	fill(data, size);
	memset(data, 0, 52);
	put32(data, 0x464c457f);
	put32(data + 4, 0x00010101);
	put32(data + 16, 40 << 16 | 2);
	put32(data + 24, entry);
	put32(data + 28, 52);
	put32(data + 40, 32 << 16 | 52);
	put32(data + 44, (uint32_t)count);
	for (size_t i = 0; i < count; i++, ph += 32) {
		put32(ph, segments[i].type);
		put32(ph + 4, segments[i].offset);
		put32(ph + 8, segments[i].vaddr);
		put32(ph + 12, segments[i].paddr);
		put32(ph + 16, segments[i].filesz);
		put32(ph + 20, segments[i].memsz);
	}
	return data;
}

/* The second segment lies before the first in the file, and a note is not loaded at all. */
static const struct segment segments[] = {
	{1, 40000, 0x40100000, 0x40100000, 9000, 30000},
	{4, 0, 0x1000, 0x1000, 100, 100},
	{1, 0, 0xc0000000, 0x40000000, 20000, 20000},
	{1, 0, 0, 0, 0, 0},
};

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

/* ---- ramdisk ---- */

static void expect_ramdisk(struct test *t, uint64_t start, const uint8_t *data, size_t size)
{
	expect_load(t, RAW);
	assert_int_equal(initrd_property(t, "linux,initrd-start"), start);
	assert_int_equal(initrd_property(t, "linux,initrd-end"), start + size);
	expect_at(t, start, data, size);
}

static void test_ramdisk(void **state)
{
	struct test *t = *state;
	size_t size = KIB(40) + 5;
	uint8_t *kernel = blob(t, 100), *data = blob(t, size), *image;
	struct bundle_image gz;

	fill(data, size);
	t->cfg.kernel = plain("linux", kernel, 100);
	t->cfg.ramdisk = plain("initrd", data, size);
	expect_ramdisk(t, DTB - KIB(44), data, size);
	expect_untouched(t, DTB - KIB(44) - 4096, 4096);
	/* What the bundle compressed is undone; what only looks compressed is passed on. */
	gz = zipped(t, "initrd", data, size);
	t->cfg.ramdisk = gz;
	expect_ramdisk(t, DTB - KIB(44), data, size);
	t->cfg.ramdisk.compression = IMAGE_PLAIN;
	expect_ramdisk(t, align_down(DTB - gz.size, 4096), gz.data, gz.size);
	image = make_uimage(t, data, size, 3, 0);
	t->cfg.ramdisk = plain("initrd", image, size + 64);
	expect_ramdisk(t, DTB - KIB(44), data, size);
	image[70] ^= 1;
	expect_refusal(t, -EINVAL, "vm a: ramdisk \"initrd\": damaged data in uImage");
	image[70] ^= 1;
	/* Whatever compression the header names, of which it holds another or none. */
	for (uint8_t compression = 0; compression < 8; compression++) {
		image[31] = compression;
		seal_uimage(image);
		t->cfg.ramdisk = plain("initrd", image, size + 64);
		expect_ramdisk(t, DTB - KIB(44), data, size);
		t->cfg.ramdisk = zipped(t, "initrd", image, size + 64);
		expect_ramdisk(t, DTB - KIB(44), data, size);
		free(t->blobs[--t->blob_count]);
	}
}

static void test_ramdisk_load(void **state)
{
	struct test *t = *state;
	uint8_t *kernel = blob(t, 100), *data = blob(t, 5000);

	fill(data, 5000);
	t->cfg.kernel = plain("linux", kernel, 100);
	t->cfg.ramdisk = plain("initrd", data, 5000);
	t->cfg.ramdisk.has_load = true;
	t->cfg.ramdisk.load = RAM + 0x300000;
	expect_ramdisk(t, RAM + 0x300000, data, 5000);
	t->cfg.ramdisk.load = RAW - 4999;
	expect_refusal(t, -ENOSPC,
		       "vm a: ramdisk \"initrd\": 5 KiB at 0x4000ec79 overlap the kernel, 1 KiB at 0x40010000");
	t->cfg.ramdisk.load = 0x1000;
	expect_refusal(t, -ENOSPC, "vm a: ramdisk \"initrd\": 5 KiB at 0x1000 are not inside RAM");
}

/* A kernel may be in a device's memory, which may have no room for it; a ramdisk may not. */
static void test_flash(void **state)
{
	static const struct device_class class = {.load = load_full};
	struct test *t = *state;
	uint8_t *kernel = blob(t, 100);
	struct device device = {.class = &class};

	bank = &device;
	t->cfg.kernel = plain("linux", kernel, 100);
	t->cfg.kernel.has_load = true;
	expect_refusal(t, -ENOSPC,
		       "vm a: kernel \"linux\": larger than the 2 MiB that a bank of flash without an image has; "
		       "give a smaller kernel");
	t->cfg.kernel.has_load = false;
	t->cfg.ramdisk = plain("initrd", kernel, 100);
	t->cfg.ramdisk.has_load = true;
	t->cfg.ramdisk.load = 0x1000;
	expect_refusal(t, -ENOSPC, "vm a: ramdisk \"initrd\": 1 KiB at 0x1000 are not inside RAM");
	bank = NULL;
}

static void test_ramdisk_above(void **state)
{
	struct test *t = *state;
	size_t size = RAM_SIZE / 2 - MACHINE_RAW_OFFSET - KIB(4);
	uint8_t *kernel = blob(t, KIB(4) + 1), *data = blob(t, RAM_SIZE / 2);

	fill(data, RAM_SIZE / 2);
	t->cfg.kernel = plain("linux", kernel, KIB(4));
	t->cfg.ramdisk = plain("initrd", data, size);
	expect_ramdisk(t, RAW + KIB(4), data, size);
	/* A byte more of kernel, and there is no room below. */
	t->cfg.kernel.size++;
	expect_ramdisk(t, DTB + GUESTDTB_MAX, data, size);
	t->cfg.ramdisk.size = RAM_SIZE / 2 - GUESTDTB_MAX;
	expect_ramdisk(t, DTB + GUESTDTB_MAX, data, RAM_SIZE / 2 - GUESTDTB_MAX);
	t->cfg.ramdisk.size++;
	expect_refusal(t, -ENOSPC,
		       "vm a: ramdisk \"initrd\": 8177 KiB fit neither between the kernel and the device tree at "
		       "0x40800000 nor above it (RAM ends at 0x41000000)");
}

/* virt7 writes into the last page of a VM that is told early of memory errors: nothing else is put there. */
static void test_ramdisk_and_records(void **state)
{
	struct test *t = *state;
	uint8_t *data = blob(t, 5000);

	fill(data, 5000);
	t->cfg.kernel = plain("raw", data, 100);
	t->cfg.ramdisk = plain("initrd", data, 5000);
	t->cfg.ramdisk.has_load = true;
	t->cfg.ramdisk.load = RAM + RAM_SIZE - 5000;
	expect_ramdisk(t, RAM + RAM_SIZE - 5000, data, 5000);
	t->cfg.memory_errors = VM_MEMORY_ERRORS_EARLY;
	expect_refusal(t, -ENOSPC,
		       "vm a: ramdisk \"initrd\": 5 KiB at 0x40ffec78 overlap the page of memory errors, 4 KiB at "
		       "0x40fff000");
	t->cfg.ramdisk.load -= PAGE_SIZE;
	expect_ramdisk(t, RAM + RAM_SIZE - PAGE_SIZE - 5000, data, 5000);
}

/* The kernel will unpack to where the ramdisk would otherwise be. */
static void test_ramdisk_and_growth(void **state)
{
	struct test *t = *state;
	size_t size = KIB(100);
	uint8_t *data = make_zimage(t, size, 0), *ramdisk = blob(t, KIB(64));

	fill(ramdisk, KIB(64));
	t->cfg.kernel = plain("linux", data, size);
	t->cfg.ramdisk = plain("initrd", ramdisk, KIB(64));
	add_table(data, size, RAM_SIZE / 2 - 0x8000 - KIB(168) - KIB(64), 0, 0x8000);
	expect_ramdisk(t, DTB - KIB(64), ramdisk, KIB(64));
	add_table(data, size, RAM_SIZE / 2 - 0x8000 - KIB(168) - KIB(64) + 1, 0, 0x8000);
	expect_ramdisk(t, DTB + GUESTDTB_MAX, ramdisk, KIB(64));
	/* The estimate keeps it away as well. */
	put32(data + 0x34, 0);
	expect_ramdisk(t, DTB - KIB(64), ramdisk, KIB(64));
}

/* ---- a tree of the user's ---- */

static void test_usertree(void **state)
{
	struct test *t = *state;
	uint8_t *tree = blob(t, USERTREE_FILE_MAX + 1), *data = blob(t, 5000);

	fill(tree, USERTREE_FILE_MAX + 1);
	fill(data, 5000);
	t->cfg.kernel = plain("linux", data, 5000);
	t->cfg.fdt = plain("own", tree, USERTREE_FILE_MAX);
	assert_int_equal(load(t), 0);
	assert_int_equal(t->entry.dtb, DTB);
	expect_at(t, DTB + 16, tree + 16, USERTREE_FILE_MAX - 16);
	t->cfg.fdt = zipped(t, "own", tree, USERTREE_FILE_MAX);
	assert_int_equal(load(t), 0);
	expect_at(t, DTB + 16, tree + 16, USERTREE_FILE_MAX - 16);
	t->cfg.fdt = plain("own", tree, USERTREE_FILE_MAX + 1);
	expect_refusal(t, -E2BIG, "vm a: fdt \"own\": not a device tree, or a damaged one");
	fdt32_st(tree, FDT_MAGIC);
	expect_refusal(t, -E2BIG, "vm a: fdt \"own\": 57 KiB, of which 56 fit; take out what the guest does not need");
	t->cfg.fdt.size = 100;
	tree_is_wrong = "no good";
	expect_refusal(t, -EINVAL, "vm a: fdt \"own\": no good");
	tree_is_wrong = NULL;
}

/* Its room is larger than that of virt7's tree, and nothing else is put there. */
static void test_usertree_room(void **state)
{
	struct test *t = *state;
	uint8_t *tree = blob(t, 100), *data = blob(t, RAM_SIZE / 2 - MACHINE_RAW_OFFSET);
	uint64_t ramdisk[2];

	fill(data, 5000);
	t->cfg.kernel = plain("linux", data, RAM_SIZE / 2 - MACHINE_RAW_OFFSET);
	t->cfg.ramdisk = plain("initrd", data, 5000);
	t->cfg.fdt = plain("own", tree, 100);
	assert_int_equal(load(t), 0);
	memcpy(ramdisk, fake_guestmem_at(t->vm, DTB, sizeof(ramdisk)), sizeof(ramdisk));
	assert_true(ramdisk[0] == DTB + USERTREE_MAX && ramdisk[1] == DTB + USERTREE_MAX + 5000);
	expect_at(t, DTB + USERTREE_MAX, data, 5000);
}

/* Firmware adds to the tree where it is: there is room in it, and none that has something else in it. */
static void test_tree_of_firmware(void **state)
{
	struct test *t = *state;

	expect_start(t, MACHINE_FLASH_BASE, RAM, 0, 0);
	assert_int_equal(fdt_totalsize(fake_guestmem_at(t->vm, RAM, 40)), MIB(1));
	expect_untouched(t, RAM + GUESTDTB_MAX, MIB(1));
	t->cfg.kernel = plain("linux", blob(t, 100), 100);
	expect_load(t, RAW);
	assert_in_range(fdt_totalsize(fake_guestmem_at(t->vm, DTB, 40)), 40, GUESTDTB_MAX / 2);
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
	expect_refusal(t, -ENOMEM, "vm a: no memory to load its images with");
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
		row(test_gzip_errors),
		row(test_gzip_members),
		row(test_gzip_padded),
		row(test_gzip_silent),
		row(test_gzip_forgotten),
		row(test_foreign),
		row(test_foreign_x86),
		row(test_ramdisk),
		row(test_ramdisk_load),
		row(test_flash),
		row(test_ramdisk_above),
		row(test_ramdisk_and_records),
		row(test_ramdisk_and_growth),
		row(test_tree_of_firmware),
		row(test_usertree),
		row(test_usertree_room),
		row(test_large_ram),
		row(test_no_memory),
		row(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
