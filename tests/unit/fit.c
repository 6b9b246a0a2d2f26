/* SPDX-License-Identifier: BSD-2-Clause */
/* FIT images for tests: see fit.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>
#include <md5.h>
#include <sha1.h>
#include <sha2.h>
#include <zlib.h>

#include "fit.h"

#define FIT_MAX (4U * 1024U * 1024U)

void fit_string(struct fit *f, const char *name, const char *value)
{
	assert_int_equal(fdt_property(f->blob, name, value, (int)strlen(value) + 1), 0);
}

static void put_number(struct fit *f, const char *name, uint64_t value, int cells)
{
	if (cells == 1)
		assert_int_equal(fdt_property_u32(f->blob, name, (uint32_t)value), 0);
	else if (cells == 2)
		assert_int_equal(fdt_property_u64(f->blob, name, value), 0);
	else if (cells)
		assert_int_equal(fdt_property(f->blob, name, "123456789012", cells * 4), 0);
}

static void put_hash(struct fit *f, const char *node, const char *algo, const struct fit_image *image)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	if (!algo)
		return;
	assert_int_equal(fdt_begin_node(f->blob, node), 0);
	fit_string(f, "algo", algo);
	if (!strcmp(algo, "crc32")) {
		uint32_t crc = (uint32_t)crc32(0, image->data, (uInt)image->size);

		assert_int_equal(fdt_property_u32(f->blob, "value", crc), 0);
	} else if (!strcmp(algo, "sha1")) {
		SHA1_CTX sha1;

		SHA1Init(&sha1);
		SHA1Update(&sha1, image->data, image->size);
		SHA1Final(digest, &sha1);
		assert_int_equal(fdt_property(f->blob, "value", digest, SHA1_DIGEST_LENGTH), 0);
	} else if (!strcmp(algo, "md5")) {
		MD5_CTX md5;

		MD5Init(&md5);
		MD5Update(&md5, image->data, image->size);
		MD5Final(digest, &md5);
		assert_int_equal(fdt_property(f->blob, "value", digest, MD5_DIGEST_LENGTH), 0);
	} else {
		SHA256Init(&ctx);
		SHA256Update(&ctx, image->data, image->size);
		SHA256Final(digest, &ctx);
		assert_int_equal(fdt_property(f->blob, "value", digest, sizeof(digest)), 0);
	}
	assert_int_equal(fdt_end_node(f->blob), 0);
}

void fit_begin(struct fit *f)
{
	f->blob = aligned_alloc(8, FIT_MAX);
	assert_non_null(f->blob);
	memset(f->blob, 0, FIT_MAX);
	f->size = 0;
	assert_int_equal(fdt_create(f->blob, (int)FIT_MAX), 0);
	assert_int_equal(fdt_finish_reservemap(f->blob), 0);
	assert_int_equal(fdt_begin_node(f->blob, ""), 0);
	fit_string(f, "description", "test");
	assert_int_equal(fdt_begin_node(f->blob, "images"), 0);
}

void fit_image(struct fit *f, const struct fit_image *image)
{
	assert_int_equal(fdt_begin_node(f->blob, image->name), 0);
	if (image->data)
		assert_int_equal(fdt_property(f->blob, "data", image->data, (int)image->size), 0);
	if (image->compression)
		fit_string(f, "compression", image->compression);
	if (image->arch)
		fit_string(f, "arch", image->arch);
	put_number(f, "load", image->load, image->load_cells);
	put_number(f, "entry", image->entry, image->entry_cells);
	put_hash(f, "hash-1", image->hash, image);
	put_hash(f, "hash@2", image->hash2, image);
	assert_int_equal(fdt_end_node(f->blob), 0);
}

void fit_vms(struct fit *f)
{
	assert_int_equal(fdt_end_node(f->blob), 0);
	assert_int_equal(fdt_begin_node(f->blob, "vms"), 0);
}

void fit_vm(struct fit *f, const char *name)
{
	assert_int_equal(fdt_begin_node(f->blob, name), 0);
	fit_string(f, "compatible", "virt7,vm");
	assert_int_equal(fdt_property_u64(f->blob, "memory", 0x4000), 0);
	fit_string(f, "kernel", "linux");
}

void fit_vm_end(struct fit *f)
{
	assert_int_equal(fdt_end_node(f->blob), 0);
}

void fit_end(struct fit *f)
{
	assert_int_equal(fdt_end_node(f->blob), 0);
	assert_int_equal(fdt_end_node(f->blob), 0);
	assert_int_equal(fdt_finish(f->blob), 0);
	f->size = fdt_totalsize(f->blob);
}

void fit_free(struct fit *f)
{
	free(f->blob);
	f->blob = NULL;
}

struct fit fit_cut(const struct fit *f, size_t size)
{
	struct fit cut = {.blob = malloc(size ? size : 1), .size = size};

	assert_non_null(cut.blob);
	memcpy(cut.blob, f->blob, size);
	return cut;
}
