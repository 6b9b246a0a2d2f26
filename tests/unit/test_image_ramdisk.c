/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a ramdisk and a device tree of the user's go. */
#include "image_rig.h"

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

#define row(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		row(test_ramdisk),
		row(test_ramdisk_load),
		row(test_flash),
		row(test_ramdisk_above),
		row(test_ramdisk_and_records),
		row(test_ramdisk_and_growth),
		row(test_tree_of_firmware),
		row(test_usertree),
		row(test_usertree_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
