/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of loading share: a VM of 16 MiB, images of each kind, and what is expected of where they lie. */
#ifndef TESTS_UNIT_IMAGE_RIG_H
#define TESTS_UNIT_IMAGE_RIG_H

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

static inline int load_full(struct device *device, uint64_t to, const void *from, size_t len)
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

static inline int setup(void **state)
{
	static struct test t;

	t = (struct test){.vm = fake_guestmem_new(RAM_SIZE)};
	t.cfg = (struct vm_config){.name = "a", .cpus = 1, .ram_size = RAM_SIZE, .bootargs = "quiet"};
	fake_log_reset();
	*state = &t;
	return 0;
}

static inline int teardown(void **state)
{
	struct test *t = *state;

	while (t->blob_count)
		free(t->blobs[--t->blob_count]);
	fake_guestmem_free(t->vm);
	return (int)fake_page_live();
}

/* A block of exactly `size` bytes that lives as long as the test. */
static inline uint8_t *blob(struct test *t, size_t size)
{
	uint8_t *p = calloc(1, size ? size : 1);

	assert_non_null(p);
	assert_true(t->blob_count < ARRAY_SIZE(t->blobs));
	t->blobs[t->blob_count++] = p;
	return p;
}

static inline void fill(uint8_t *p, size_t size)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < size; i++) {
		x = x * 1103515245 + 12345;
		p[i] = (uint8_t)(x >> 24) & 0x3f;
	}
}

static inline void put32(uint8_t *p, uint32_t value)
{
	for (unsigned int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static inline struct bundle_image plain(const char *name, const uint8_t *data, size_t size)
{
	return (struct bundle_image){.name = name, .data = data, .size = size};
}

static inline struct bundle_image zipped(struct test *t, const char *name, const uint8_t *data, size_t size)
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

static inline int load(struct test *t)
{
	int err;

	fake_log_reset();
	preempts = 0;
	err = image_load_vm(t->vm, &t->cfg, &t->entry);
	assert_int_equal(fake_page_live(), 0);
	assert_int_equal(fake_log_count(LOG_ERR), err ? 1 : 0);
	return err;
}

static inline void expect_start(struct test *t, uint64_t pc, uint64_t dtb, uint32_t r1, uint32_t r2)
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
static inline void expect_load(struct test *t, uint64_t pc)
{
	uint64_t dtb = MACHINE_RAM_BASE + MIN(t->cfg.ram_size / 2, (uint64_t)MACHINE_DTB_OFFSET);

	expect_start(t, pc, dtb, UINT32_MAX, (uint32_t)dtb);
}

static inline void expect_refusal(struct test *t, int err, const char *line)
{
	assert_int_equal(load(t), err);
	fake_log_expect_error(line);
}

static inline void expect_at(struct test *t, uint64_t at, const uint8_t *data, size_t size)
{
	assert_memory_equal(fake_guestmem_at(t->vm, at, size), data, size);
}

static inline void expect_untouched(struct test *t, uint64_t at, size_t size)
{
	const uint8_t *p = fake_guestmem_at(t->vm, at, size);

	for (size_t i = 0; i < size; i++)
		assert_int_equal(p[i], 0xa5);
}

static inline uint64_t initrd_property(struct test *t, const char *name)
{
	const void *fdt = fake_guestmem_at(t->vm, t->entry.dtb, GUESTDTB_MAX);
	const void *p = fdt_getprop(fdt, fdt_path_offset(fdt, "/chosen"), name, NULL);

	return p ? fdt64_ld(p) : 0;
}

static inline uint8_t *make_zimage(struct test *t, size_t size, uint32_t start)
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
static inline void add_table(uint8_t *data, size_t size, uint32_t kernel, uint32_t bss, uint32_t text_offset)
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

/* ---- uImage ---- */

static inline void put_be32(uint8_t *p, uint32_t value)
{
	fdt32_st(p, value);
}

static inline void seal_uimage(uint8_t *image)
{
	put_be32(image + 4, 0);
	put_be32(image + 4, (uint32_t)crc32(0, image, 64));
}

static inline uint8_t *make_uimage(struct test *t, const uint8_t *data, size_t size, uint8_t type, uint8_t compression)
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

/* ---- ELF ---- */

struct segment {
	uint32_t type, offset, vaddr, paddr, filesz, memsz;
};

static inline uint8_t *make_elf(struct test *t, size_t size, uint32_t entry, const struct segment *segments,
				size_t count)
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

#endif
