/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bundle's reader: good images of every kind, each error with its one line, and blobs damaged in every place.
 * Hashes are test_bundle_hash.c's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "bundle_rig.h"
#include "fake/fake_log.h"
#include "fit.h"
#include "hyp/load/bundle.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"

static void expect_refusal(const struct fit_image *image, int err, const char *line)
{
	struct fit f = make(image);
	struct bundle_image found;

	assert_int_equal(find(&f, "linux", &found), err);
	fake_log_expect_error(line);
	fit_free(&f);
}

static void test_good_image(void **state)
{
	struct fit_image image = good;
	struct bundle_image found;
	struct fit f;

	(void)state;
	image.hash2 = "crc32";
	image.load_cells = 1;
	image.load = 0x40008000;
	image.entry_cells = 2;
	image.entry = 0x123456789aULL;
	f = make(&image);
	assert_int_equal(find(&f, "linux", &found), 0);
	assert_string_equal(found.name, "linux");
	assert_int_equal(found.size, sizeof(payload));
	assert_memory_equal(found.data, payload, sizeof(payload));
	assert_int_equal(found.compression, IMAGE_PLAIN);
	assert_true(found.has_load && found.has_entry);
	assert_int_equal(found.load, 0x40008000);
	assert_int_equal(found.entry, 0x123456789aULL);
	assert_int_equal(fake_log_count(LOG_ERR) + fake_log_count(LOG_WARN), 0);
	fit_free(&f);
}

static void test_defaults(void **state)
{
	struct fit_image image = {.name = "linux", .data = payload, .size = sizeof(payload)};
	struct fit f = make(&image);
	struct bundle_image found;

	(void)state;
	assert_int_equal(find(&f, "linux", &found), 0);
	assert_int_equal(found.compression, IMAGE_PLAIN);
	assert_false(found.has_load || found.has_entry);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm a: kernel: /images/linux: no hash node: damage would go unnoticed");
	fit_free(&f);
}

static void test_gzip_is_reported(void **state)
{
	struct fit_image image = good;
	struct bundle_image found;
	struct fit f;

	(void)state;
	image.compression = "gzip";
	f = make(&image);
	assert_int_equal(find(&f, "linux", &found), 0);
	assert_int_equal(found.compression, IMAGE_GZIP);
	fit_free(&f);
}

static void test_image_errors(void **state)
{
	static const struct {
		struct fit_image image;
		const char *line;
	} rows[] = {
		{{.name = "linux"}, "/images/linux: data: missing"},
		{{.name = "linux", .data = payload, .size = 0}, "/images/linux: data: empty"},
		{{.name = "linux", .data = payload, .size = 4, .arch = "arm64"}, "/images/linux: arch: not \"arm\""},
		{{.name = "linux", .data = payload, .size = 4, .compression = "lzma"}, "compression: not supported"},
		{{.name = "linux", .data = payload, .size = 4, .load_cells = 3}, "/images/linux: load: not a number"},
		{{.name = "linux", .data = payload, .size = 4, .entry_cells = 3}, "/images/linux: entry: not a number"},
		{{.name = "linux", .data = payload, .size = 4, .hash = "md6"}, "/images/linux/hash-1: algo: not supp"},
		{{.name = "linux", .data = payload, .size = 4, .hash = "sha7", .hash2 = "md6"}, "hash@2: algo: not"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_refusal(&rows[i].image, -EINVAL, rows[i].line);
}

static void test_no_such_image(void **state)
{
	struct fit f = make(&good);
	struct bundle_image found;

	(void)state;
	assert_int_equal(find(&f, "linuxx", &found), -ENOENT);
	fake_log_expect_error("vm a: /vms/a: kernel: no image \"linuxx\" under /images; add it or correct the name");
	fit_free(&f);
}

/* Address 0 is where no guest's RAM is: U-Boot's way to say that any will do. */
static void test_anywhere(void **state)
{
	struct fit_image image = good;
	struct bundle_image found;
	struct fit f;

	(void)state;
	image.load_cells = image.entry_cells = 1;
	image.load = image.entry = 0;
	f = make(&image);
	assert_int_equal(find(&f, "linux", &found), 0);
	assert_true(found.anywhere && found.has_entry && !found.has_load);
	fit_free(&f);
	image.load = 0x40200000;
	f = make(&image);
	assert_int_equal(find(&f, "linux", &found), 0);
	assert_true(!found.anywhere && found.has_load);
	fit_free(&f);
}

void sched_preempt(void)
{
}

/* As mkimage -E makes it: the payload behind the tree. Properties by name; NULL: absent. */
static unsigned int tree_padding; /* makes the tree longer by so many bytes, no more than 9 */

static struct fit make_external(const char *where, uint64_t offset, bool has_size, uint64_t size)
{
	struct fit f, cut;

	fit_begin(&f);
	assert_int_equal(fdt_begin_node(f.blob, "linux"), 0);
	assert_int_equal(fdt_property_u64(f.blob, where, offset), 0);
	if (has_size)
		assert_int_equal(fdt_property_u64(f.blob, "data-size", size), 0);
	assert_int_equal(fdt_end_node(f.blob), 0);
	fit_vms(&f);
	fit_vm(&f, "a");
	/* The name goes into the block of strings, which comes last and is not padded. */
	assert_int_equal(fdt_property_u32(f.blob, "padding-012345678" + 9 - tree_padding, 0), 0);
	fit_vm_end(&f);
	fit_end(&f);
	f.size = (size_t)align_up(f.size, 4);
	memcpy(f.blob + f.size, payload, sizeof(payload));
	f.size += sizeof(payload);
	cut = fit_cut(&f, f.size);
	fit_free(&f);
	fake_log_reset();
	return cut;
}

static void test_external_data(void **state)
{
	struct fit f = make_external("data-offset", 4, true, sizeof(payload) - 4);
	struct bundle_image found;
	uint64_t base;

	(void)state;
	assert_int_equal(find(&f, "linux", &found), 0);
	assert_int_equal(found.size, sizeof(payload) - 4);
	assert_memory_equal(found.data, payload + 4, sizeof(payload) - 4);
	base = f.size - sizeof(payload);
	fit_free(&f);

	f = make_external("data-position", base, true, sizeof(payload));
	/* The name is two characters longer: so is the tree, by one cell. */
	base = f.size - sizeof(payload);
	fit_free(&f);
	f = make_external("data-position", base, true, sizeof(payload));
	assert_int_equal(find(&f, "linux", &found), 0);
	assert_memory_equal(found.data, payload, sizeof(payload));
	fit_free(&f);
}

static void test_external_data_is_aligned(void **state)
{
	struct bundle_image found;
	struct fit f;

	(void)state;
	for (tree_padding = 0; tree_padding < 9; tree_padding++) {
		f = make_external("data-offset", 0, true, sizeof(payload));
		assert_int_equal(find(&f, "linux", &found), 0);
		assert_memory_equal(found.data, payload, sizeof(payload));
		fit_free(&f);
	}
	tree_padding = 0;
}

static void test_external_data_beyond(void **state)
{
	static const struct {
		const char *where;
		uint64_t offset, size;
	} rows[] = {
		{"data-offset", 0, sizeof(payload) + 1},
		{"data-offset", 1, sizeof(payload)},
		{"data-offset", sizeof(payload) + 1, 0},
		{"data-offset", 0x100000000ULL, 4},
		{"data-offset", UINT64_MAX, 4},
		{"data-offset", UINT64_MAX - 4, 8},
		{"data-offset", 4, UINT64_MAX},
		{"data-offset", 4, UINT64_MAX - 3},
		{"data-position", UINT64_MAX, 2},
		{"data-position", 0, UINT64_MAX},
		{"data-position", 0x80000000, 0x80000000},
	};
	struct bundle_image found;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fit f = make_external(rows[i].where, rows[i].offset, true, rows[i].size);

		assert_int_equal(find(&f, "linux", &found), -EINVAL);
		fake_log_expect_error("/images/linux: data-size: the data ends beyond the bundle; load the whole file");
		fit_free(&f);
	}
}

static void test_external_data_malformed(void **state)
{
	struct fit f = make_external("data-offset", 0, false, 0);
	struct bundle_image found;

	(void)state;
	assert_int_equal(find(&f, "linux", &found), -EINVAL);
	fake_log_expect_error("/images/linux: data-size: missing or malformed");
	fit_free(&f);
	f = make_external("data-offset", 0, true, 0);
	assert_int_equal(find(&f, "linux", &found), -EINVAL);
	fake_log_expect_error("/images/linux: data: empty");
	fit_free(&f);
}

/* What it calls so is the first one of that name, with a unit address or without. */
static void expect_node(const struct fit *f, const char *name)
{
	struct bundle_image found;
	int len;

	assert_int_equal(find(f, name, &found), 0);
	assert_ptr_equal(found.data,
			 fdt_getprop(f->blob, fdt_subnode_offset(f->blob, fdt_path_offset(f->blob, "/images"), name),
				     "data", &len));
}

/* More than the index has places for, and two of one name: each is found, as libfdt does. */
static void test_many_images(void **state)
{
	struct fit_image image = good;
	char name[16];
	struct fit f;

	(void)state;
	image.name = name;
	for (uint32_t few = 0; few < 2; few++) {
		fit_begin(&f);
		for (uint32_t i = 0; i < 2U * BUNDLE_SLOTS && !few; i++) {
			snprintf(name, sizeof(name), "image%u", i % (2U * BUNDLE_SLOTS - 1U));
			fit_image(&f, &image);
		}
		if (few) {
			fit_image(&f, &(struct fit_image){.name = "x@1", .data = payload, .size = 1});
			fit_image(&f, &(struct fit_image){.name = "x", .data = payload, .size = 2});
		}
		fit_vms(&f);
		fit_vm(&f, "a");
		fit_vm_end(&f);
		fit_end(&f);
		for (uint32_t i = 0; i < 2U * BUNDLE_SLOTS - 1U && !few; i += 7U) {
			snprintf(name, sizeof(name), "image%u", i);
			expect_node(&f, name);
		}
		if (few) {
			expect_node(&f, "x");
			expect_node(&f, "x@1");
		}
		fit_free(&f);
	}
}

/* The first of one name is what a name stands for. */
static void test_vms_by_name(void **state)
{
	static const char *const names[] = {"a", "b", "a", "c"};
	struct bundle b;
	struct fit f;

	(void)state;
	fit_begin(&f);
	fit_image(&f, &good);
	fit_vms(&f);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		fit_vm(&f, names[i]);
		fit_vm_end(&f);
	}
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	assert_int_equal(b.vm_count, 4);
	assert_int_equal(bundle_vm_named(&b, "a"), 0);
	assert_int_equal(bundle_vm_named(&b, "b"), 1);
	assert_int_equal(bundle_vm_named(&b, "c"), 3);
	assert_int_equal(bundle_vm_named(&b, "d"), -ENOENT);
	for (uint32_t i = 0; i < 4; i++) {
		assert_string_equal(fdt_get_name(f.blob, b.vm[i].node, NULL), names[i]);
		assert_int_equal(bundle_vm_number(&b, b.vm[i].node), i);
		assert_int_equal(bundle_vm_number(&b, b.vm[i].node + 1), i + 1U);
	}
	assert_int_equal(bundle_vm_number(&b, 0), 0);
	fit_free(&f);
}

/* bundle_look() finds what bundle_open() finds, and says nothing of what that would refuse. */
static void test_look(void **state)
{
	struct fit f = make(&good);
	struct bundle b;

	(void)state;
	assert_true(bundle_look(&b, f.blob, f.size));
	assert_ptr_equal(b.fdt, f.blob);
	assert_int_equal(b.vm_count, 1);
	assert_false(bundle_look(&b, f.blob, f.size - 1));
	assert_null(b.fdt);
	assert_false(bundle_look(&b, "hi\n", 3));
	assert_int_equal(fdt_del_node(f.blob, fdt_path_offset(f.blob, "/vms/a")), 0);
	assert_false(bundle_look(&b, f.blob, f.size));
	assert_null(b.fdt);
	assert_int_equal(fake_log_count(LOG_ERR) + fake_log_count(LOG_WARN) + fake_log_count(LOG_INFO), 0);
	fit_free(&f);
}

static void expect_closed(const void *blob, size_t size, int err, const char *line)
{
	struct bundle b;

	fake_log_reset();
	assert_int_equal(bundle_open(&b, blob, size), err);
	assert_null(b.fdt);
	fake_log_expect_error(line);
}

static void test_open_errors(void **state)
{
	struct fit f = make(&good), cut;
	uint8_t *moved = malloc(f.size + 4);

	(void)state;
	cut = fit_cut(&f, 0);
	expect_closed(cut.blob, 0, -EINVAL, "bundle: truncated: 0 bytes were handed over");
	fit_free(&cut);
	assert_non_null(moved);
	memcpy(moved + 4, f.blob, f.size);
	expect_closed(moved + 4, f.size, -EINVAL, "bundle: not at an 8-byte boundary");
	free(moved);
	f.blob[0] ^= 1;
	expect_closed(f.blob, f.size, -EINVAL, "bundle: not a FIT image; make one with mkbundle or mkimage -f");
	expect_closed("hi\n", 3, -EINVAL, "bundle: not a FIT image; make one with mkbundle or mkimage -f");
	expect_closed("a note\tof two\r\nlines\n", 21, -EINVAL,
		      "bundle: a text, not a FIT image; hand over the file that mkbundle made");
	expect_closed("caf\xc3\xa9", 5, -EINVAL, "bundle: not a FIT image; make one with mkbundle or mkimage -f");
	f.blob[0] ^= 1;
	fdt_set_off_dt_struct(f.blob, 0x7ffffffc);
	expect_closed(f.blob, f.size, -EINVAL, "bundle: ");
	fit_free(&f);
}

static void test_no_vms(void **state)
{
	struct fit f = make(&good);

	(void)state;
	assert_int_equal(fdt_del_node(f.blob, fdt_path_offset(f.blob, "/vms/a")), 0);
	expect_closed(f.blob, f.size, -ENOENT, "bundle: /vms is empty; add a node for each virtual machine");
	assert_int_equal(fdt_del_node(f.blob, fdt_path_offset(f.blob, "/vms")), 0);
	expect_closed(f.blob, f.size, -ENOENT, "bundle: no /vms node");
	assert_int_equal(fdt_del_node(f.blob, fdt_path_offset(f.blob, "/images")), 0);
	expect_closed(f.blob, f.size, -EINVAL, "bundle: no /images node: a device tree, but not a FIT image");
	fit_free(&f);
}

static void test_too_many_vms(void **state)
{
	char name[] = "vm00";
	struct bundle b;
	struct fit f;

	(void)state;
	for (unsigned int count = BUNDLE_MAX_VMS; count <= BUNDLE_MAX_VMS + 1; count++) {
		fit_begin(&f);
		fit_image(&f, &good);
		fit_vms(&f);
		for (unsigned int i = 0; i < count; i++) {
			name[2] = (char)('0' + i / 10);
			name[3] = (char)('0' + i % 10);
			fit_vm(&f, name);
			fit_vm_end(&f);
		}
		fit_end(&f);
		fake_log_reset();
		if (count == BUNDLE_MAX_VMS)
			assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
		else
			expect_closed(f.blob, f.size, -EINVAL, "bundle: /vms has 256 nodes; 255 is the limit");
		fit_free(&f);
	}
}

static void test_truncated_anywhere(void **state)
{
	struct fit f = make(&good);

	(void)state;
	for (size_t size = 0; size < f.size; size++) {
		struct fit cut = fit_cut(&f, size);

		expect_closed(cut.blob, cut.size, -EINVAL, "bundle: ");
		fit_free(&cut);
	}
	fit_free(&f);
}

/* Whatever a blob says, each call that fails logs one line, and each that works gives data inside the blob. */
static void use(const struct fit *f)
{
	struct bundle_image image;
	struct bundle b;
	int err;

	fake_log_reset();
	err = bundle_open(&b, f->blob, f->size);
	assert_int_equal(fake_log_count(LOG_ERR), err ? 1 : 0);
	if (err)
		return;
	fake_log_reset();
	err = bundle_find_image(&b, "a", "kernel", "linux", &image);
	assert_int_equal(fake_log_count(LOG_ERR), err ? 1 : 0);
	if (err)
		return;
	assert_true(image.size > 0 && image.size <= f->size);
	assert_true(image.data >= f->blob && image.data + image.size <= f->blob + f->size);
}

static void test_random_damage(void **state)
{
	struct fit_image image = good;
	struct fit whole, f;

	(void)state;
	image.hash2 = "crc32";
	image.load_cells = 2;
	whole = make(&image);
	srandom(7);
	for (unsigned int round = 0; round < 20000; round++) {
		f = fit_cut(&whole, whole.size);
		for (long flips = 1 + random() % 4; flips; flips--)
			f.blob[(size_t)random() % f.size] ^= (uint8_t)(1U << random() % 8);
		use(&f);
		fit_free(&f);
	}
	fit_free(&whole);
}

static void test_random_damage_external(void **state)
{
	struct fit whole = make_external("data-offset", 0, true, sizeof(payload)), f;

	(void)state;
	srandom(8);
	for (unsigned int round = 0; round < 20000; round++) {
		f = fit_cut(&whole, whole.size);
		f.blob[(size_t)random() % f.size] = (uint8_t)random();
		use(&f);
		fit_free(&f);
	}
	fit_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_image),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_gzip_is_reported),
		cmocka_unit_test(test_image_errors),
		cmocka_unit_test(test_no_such_image),
		cmocka_unit_test(test_anywhere),
		cmocka_unit_test(test_external_data),
		cmocka_unit_test(test_external_data_is_aligned),
		cmocka_unit_test(test_external_data_beyond),
		cmocka_unit_test(test_external_data_malformed),
		cmocka_unit_test(test_many_images),
		cmocka_unit_test(test_vms_by_name),
		cmocka_unit_test(test_look),
		cmocka_unit_test(test_open_errors),
		cmocka_unit_test(test_no_vms),
		cmocka_unit_test(test_too_many_vms),
		cmocka_unit_test(test_truncated_anywhere),
		cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_random_damage_external),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
