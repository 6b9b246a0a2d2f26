/* SPDX-License-Identifier: BSD-2-Clause */
/* Hashes of a bundle's images: each kind of them, several, wrong ones, and when they are computed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "bundle_rig.h"
#include "fake/fake_log.h"
#include "fit.h"
#include "hyp/load/bundle.h"
#include "hyp/lib/bits.h"
#include "hyp/run/sched.h"

/* Change one byte of the payload: each algo must see it. */
static void expect_mismatch(const char *hash, const char *hash2, const char *line)
{
	struct fit_image image = good;
	struct bundle_image found;
	struct fit f;
	int len;

	image.hash = hash;
	image.hash2 = hash2;
	f = make(&image);
	((char *)(uintptr_t)fdt_getprop(f.blob, fdt_path_offset(f.blob, "/images/linux"), "data", &len))[7] ^= 1;
	assert_int_equal(find(&f, "linux", &found), -EBADMSG);
	fake_log_expect_error(line);
	fit_free(&f);
}

static void test_hash_mismatch(void **state)
{
	(void)state;
	expect_mismatch("sha256", NULL, "vm a: kernel: /images/linux/hash-1: value: does not match");
	expect_mismatch("crc32", NULL, "/images/linux/hash-1: value: does not match");
	expect_mismatch(NULL, "crc32", "/images/linux/hash@2: value: does not match");
	expect_mismatch("sha1", NULL, "/images/linux/hash-1: value: does not match");
	expect_mismatch("md5", NULL, "/images/linux/hash-1: value: does not match");
	expect_mismatch("md6", "crc32", "/images/linux/hash@2: value: does not match");
}

/* One that virt7 does not know does no harm beside one that matches. */
static void test_unknown_hash(void **state)
{
	static const char *const pairs[][2] = {
		{"crc32", "sha512"}, {"sha512", "crc32"}, {"sha1", "blake"}, {"x", "md5"}};
	struct fit_image image = good;
	struct bundle_image found;
	struct fit f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		image.hash = pairs[i][0];
		image.hash2 = pairs[i][1];
		f = make(&image);
		assert_int_equal(find(&f, "linux", &found), 0);
		assert_int_equal(fake_log_count(LOG_WARN), 1);
		assert_non_null(
			strstr(fake_log_last(LOG_WARN), "algo: not known, passed over: another hash has matched"));
		fit_free(&f);
	}
}

#define LOOKS 6U /* of a search for an image: between the properties */

static uint32_t preempts;

void sched_preempt(void)
{
	preempts++;
}

/* Others get the CPU in between, however large the image is; each byte counts nevertheless, wherever the cuts are. */
static void test_hash_in_steps(void **state)
{
	static uint8_t large[KIB(64) + 77U];
	static const char *const hash[] = {"sha256", "crc32"};
	struct fit_image big = {.name = "linux", .data = large, .arch = "arm"};
	struct bundle_image found;

	(void)state;
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(i * 7U + i / 253U);
	for (uint32_t i = 0; i < 2; i++)
		for (size_t size = sizeof(large) - 600U; size <= sizeof(large); size += 50U) {
			struct fit f;

			big.hash = hash[i];
			big.size = size;
			preempts = 0;
			f = make(&big);
			assert_int_equal(find(&f, "linux", &found), 0);
			assert_in_range(preempts, size / KIB(2), size / 100U);
			fit_free(&f);
		}
}

/* A bad second hash is not hidden by a good first one. */
static void test_every_hash_counts(void **state)
{
	struct fit_image image = good;
	struct bundle_image found;
	struct fit f;
	int node, len;

	(void)state;
	image.hash2 = "crc32";
	f = make(&image);
	node = fdt_path_offset(f.blob, "/images/linux/hash@2");
	((char *)(uintptr_t)fdt_getprop(f.blob, node, "value", &len))[0] ^= 1;
	assert_int_equal(find(&f, "linux", &found), -EBADMSG);
	fake_log_expect_error("hash@2: value: does not match");
	fit_free(&f);
}

static void test_hash_value_malformed(void **state)
{
	struct fit f = make(&good);
	struct bundle_image found;
	int node = fdt_path_offset(f.blob, "/images/linux/hash-1");

	(void)state;
	assert_int_equal(fdt_setprop(f.blob, node, "value", "12345678", 8), 0);
	assert_int_equal(find(&f, "linux", &found), -EINVAL);
	fake_log_expect_error("hash-1: value: of the wrong size for its algo");
	assert_int_equal(fdt_delprop(f.blob, node, "value"), 0);
	fake_log_reset();
	assert_int_equal(find(&f, "linux", &found), -EINVAL);
	fake_log_expect_error("hash-1: value: missing; mkimage computes it, dtc does not");
	/* A list of strings where one is expected. */
	assert_int_equal(fdt_setprop(f.blob, node, "algo", "crc32\0x", 8), 0);
	fake_log_reset();
	assert_int_equal(find(&f, "linux", &found), -EINVAL);
	fake_log_expect_error("hash-1: algo: missing or malformed");
	fit_free(&f);
}

/* Each hash of an image is computed once, good or bad, until all are to be checked again; another bundle has its own.
 */
static void test_hashed_once(void **state)
{
	struct fit_image image = good;
	struct bundle_image found;
	struct fit f, cut;
	struct bundle b, other;
	uint8_t *data;

	(void)state;
	image.hash2 = "crc32";
	f = make(&image);
	cut = fit_cut(&f, f.size);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	other = b;
	other.fdt = cut.blob;
	preempts = 0;
	assert_int_equal(bundle_find_image(&b, "a", "kernel", "linux", &found), 0);
	assert_int_equal(preempts, LOOKS + 2U);
	data = f.blob + (found.data - f.blob);
	data[0] ^= 1U;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(bundle_find_image(&b, "b", "ramdisk", "linux", &found), 0);
	assert_int_equal(preempts, 4U * LOOKS + 2U);
	bundle_check_again();
	for (uint32_t i = 0; i < 3; i++) {
		fake_log_reset();
		assert_int_equal(bundle_find_image(&b, "b", "ramdisk", "linux", &found), -EBADMSG);
		fake_log_expect_error("vm b: ramdisk: /images/linux/hash-1: value: does not match");
	}
	assert_int_equal(preempts, 7U * LOOKS + 3U); /* the first hash says no */
	data[0] ^= 1U;
	assert_int_equal(bundle_find_image(&b, "b", "kernel", "linux", &found), -EBADMSG);
	assert_int_equal(bundle_find_image(&other, "b", "kernel", "linux", &found), 0);
	assert_int_equal(preempts, 9U * LOOKS + 5U);
	bundle_check_again();
	assert_int_equal(bundle_find_image(&b, "b", "kernel", "linux", &found), 0);
	fit_free(&cut);
	fit_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_mismatch),        cmocka_unit_test(test_unknown_hash),
		cmocka_unit_test(test_hash_in_steps),        cmocka_unit_test(test_every_hash_counts),
		cmocka_unit_test(test_hash_value_malformed), cmocka_unit_test(test_hashed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
