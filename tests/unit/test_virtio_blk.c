/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block device (hyp/virtio/blk.c, disk.c): each request in each layout that a driver may choose, malformed ones,
 * disks of each kind, their nodes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "fake_page.h"
#include "fit.h"
#include "mm/layout.h"
#include "mm/ram.h"
#include "virtio_rig.h"

extern const struct device_class virtio_blk_class;

#define IMAGE_SIZE 20000U /* 39 sectors and a part of one */
#define SECTORS    40U
#define HEADER     (RIG_DATA - 0x1000U)
#define STATUS     (RIG_DATA - 0x800U)
#define NO_STATUS  0xeeU

enum { IN, OUT, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK, IOERR, UNSUPP };

static uint8_t image[IMAGE_SIZE];
static struct fit f;
static struct bundle b;
static struct virtio_device *disk;

struct cell {
	const char *name;
	uint32_t value;
};

/* A VM with one disk, whose node says `strings` (pairs, then NULL) and `cells` (until one without a name). */
static int make(const char *const *strings, const struct cell *cells, const struct fit_image *from)
{
	rig_begin(NULL, NULL);
	fit_begin(&f);
	fit_image(&f, from);
	fit_vms(&f);
	fit_vm(&f, "web");
	assert_int_equal(fdt_begin_node(f.blob, "disk0"), 0);
	fit_string(&f, "compatible", "virt7,virtio-blk");
	for (; *strings; strings += 2)
		fit_string(&f, strings[0], strings[1]);
	for (; cells->name; cells++)
		assert_int_equal(fdt_property_u32(f.blob, cells->name, cells->value), 0);
	assert_int_equal(fdt_end_node(f.blob), 0);
	fit_vm_end(&f);
	fit_end(&f);
	assert_int_equal(bundle_open(&b, f.blob, f.size), 0);
	return device_create_all(&rig_vm, &b, fdt_path_offset(f.blob, "/vms/web"));
}

static const struct fit_image plain = {.name = "rootfs", .data = image, .size = IMAGE_SIZE, .hash = "crc32"};

static void begin(const char *const *strings, const struct cell *cells)
{
	for (uint32_t i = 0; i < IMAGE_SIZE; i++)
		image[i] = (uint8_t)(i * 7U + i / 251U);
	assert_int_equal(make(strings, cells, &plain), 0);
	disk = device_find(&rig_vm, &virtio_blk_class) ? virtio_of(device_find(&rig_vm, &virtio_blk_class)) : NULL;
	rig_start(BIT64(VIRTIO_F_INDIRECT_DESC), 0, 256);
}

static void end(void)
{
	rig_end();
	fit_free(&f);
	assert_int_equal(fake_virtio.host_released, fake_virtio.host_taken);
	assert_int_equal(ram_use.disks, 0);
}

static void begin_image(void)
{
	begin((const char *const[]){"image", "rootfs", "serial", "a serial number", NULL},
	      (const struct cell[]){{"read-only", 1}, {NULL, 0}});
}

static void begin_cow(uint32_t kib)
{
	begin((const char *const[]){"image", "rootfs", NULL}, (const struct cell[]){{"copy-on-write", kib}, {NULL, 0}});
}

static void begin_ram(uint32_t kib)
{
	begin((const char *const[]){NULL}, (const struct cell[]){{"size", kib}, {NULL, 0}});
}

static void put_header(uint32_t type, uint64_t sector)
{
	uint32_t header[4] = {type, 0, (uint32_t)sector, (uint32_t)(sector >> 32)};

	memcpy(fake_guest_at(HEADER), header, sizeof(header));
	*(uint8_t *)fake_guest_at(STATUS) = NO_STATUS;
}

static uint32_t used(void)
{
	return rig_used_len(rig_used_index() - 1U);
}

/* A request in three pieces; returns its status. Its data is at RIG_DATA. */
static uint8_t request(uint32_t type, uint64_t sector, uint32_t bytes, bool device_writes)
{
	uint16_t before = rig_used_index();

	put_header(type, sector);
	rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, bytes ? 1 : 2);
	rig_desc(1, RIG_DATA, bytes, VIRTQ_DESC_NEXT | (device_writes ? VIRTQ_DESC_WRITE : 0), 2);
	rig_desc(2, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal((uint16_t)(rig_used_index() - before), 1);
	assert_int_equal(rig_read(VIRTIO_STATUS) & VIRTIO_STATUS_NEEDS_RESET, 0);
	return *(uint8_t *)fake_guest_at(STATUS);
}

static uint8_t *data(void)
{
	return fake_guest_at(RIG_DATA);
}

static void test_identity(void **state)
{
	(void)state;
	begin_image();
	assert_int_equal(rig_read(VIRTIO_DEVICE_ID), 2);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES) & 0xffffffU, BIT(2) | BIT(5) | BIT(6) | BIT(9));
	assert_int_equal(rig_read(VIRTIO_CONFIG), SECTORS);
	assert_int_equal(rig_read(VIRTIO_CONFIG + 4U), 0);
	assert_int_equal(rig_read(VIRTIO_CONFIG + 12U), 254);
	assert_int_equal(rig_read(VIRTIO_CONFIG + 20U), 512);
	end();
	begin_cow(8);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES) & 0xffffffU, BIT(2) | BIT(6) | BIT(9));
	end();
	begin_ram(64);
	assert_int_equal(rig_read(VIRTIO_DEVICE_FEATURES) & 0xffffffU, BIT(2) | BIT(6) | BIT(9) | BIT(13) | BIT(14));
	assert_int_equal(rig_read(VIRTIO_CONFIG), 128);
	assert_int_equal(rig_read(VIRTIO_CONFIG + 36U), 65536);
	assert_int_equal(rig_read(VIRTIO_CONFIG + 52U), 1);
	end();
}

static void test_read(void **state)
{
	(void)state;
	begin_image();
	assert_int_equal(request(IN, 0, SECTORS * 512U, true), OK);
	assert_int_equal(used(), SECTORS * 512U + 1U);
	assert_memory_equal(data(), image, IMAGE_SIZE);
	for (uint32_t i = IMAGE_SIZE; i < SECTORS * 512U; i++)
		assert_int_equal(data()[i], 0);
	assert_int_equal(request(IN, 3, 1024, true), OK);
	assert_memory_equal(data(), image + 3 * 512, 1024);
	assert_int_equal(disk->device.count.bytes, SECTORS * 512U + 1024U);
	assert_int_equal(request(FLUSH, 0, 0, false), OK);
	assert_int_equal(used(), 1);
	assert_int_equal(request(GET_ID, 0, 20, true), OK);
	assert_int_equal(used(), 21);
	assert_memory_equal(data(), "a serial number\0\0\0\0\0", 20);
	end();
}

/* Header, data and status in pieces of one byte, in a table, and header and data in one piece. */
static void test_layouts(void **state)
{
	const uint64_t table = RIG_DATA + 0x10000U;

	(void)state;
	begin_cow(64);
	put_header(IN, 1);
	for (uint32_t i = 0; i < 16; i++)
		rig_desc(i, HEADER + i, 1, VIRTQ_DESC_NEXT, i + 1U);
	for (uint32_t i = 0; i < 128; i++)
		rig_desc(16 + i, RIG_DATA + 4U * i, 4, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 17 + i);
	rig_desc(144, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(*(uint8_t *)fake_guest_at(STATUS), OK);
	assert_int_equal(used(), 513);
	assert_memory_equal(data(), image + 512, 512);

	put_header(IN, 2); /* data and status in one piece */
	rig_desc_at(table, 0, HEADER, 16, VIRTQ_DESC_NEXT, 1);
	rig_desc_at(table, 1, RIG_DATA, 513, VIRTQ_DESC_WRITE, 0);
	rig_desc(0, table, 32, VIRTQ_DESC_INDIRECT, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(data()[512], OK);
	assert_memory_equal(data(), image + 1024, 512);

	put_header(OUT, 2); /* header and data in one piece */
	memmove(fake_guest_at(RIG_DATA), fake_guest_at(HEADER), 16);
	memset(data() + 16, 0x3c, 512);
	rig_desc(0, RIG_DATA, 528, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(*(uint8_t *)fake_guest_at(STATUS), OK);
	assert_int_equal(used(), 1);
	assert_int_equal(request(IN, 2, 512, true), OK);
	for (uint32_t i = 0; i < 512; i++)
		assert_int_equal(data()[i], 0x3c);
	end();
}

static void test_malformed(void **state)
{
	(void)state;
	begin_image();
	assert_int_equal(request(IN, SECTORS, 512, true), IOERR);
	assert_int_equal(used(), 0); /* what is in front of the status was not written */
	assert_int_equal(request(IN, SECTORS - 1U, 1024, true), IOERR);
	assert_int_equal(request(IN, UINT64_MAX, 512, true), IOERR);
	assert_int_equal(request(IN, UINT64_MAX / 512U + 1U, 512, true), IOERR);
	assert_int_equal(request(IN, 0, 511, true), IOERR);
	assert_int_equal(request(OUT, 0, 512, false), IOERR); /* read-only */
	assert_int_equal(used(), 1);
	assert_int_equal(request(DISCARD, 0, 16, false), UNSUPP);
	assert_int_equal(request(99, 0, 0, false), UNSUPP);
	assert_int_equal(request(IN, 0, 0, true), OK); /* nothing, done */
	assert_int_equal(disk->device.count.errors, 8);
	/* No place for a status; a header that is too short; one that is not in RAM; a status that is not. */
	put_header(IN, 0);
	rig_desc(0, HEADER, 16, 0, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(used(), 0);
	rig_desc(0, HEADER, 15, VIRTQ_DESC_NEXT, 2);
	rig_offer(0);
	rig_kick();
	assert_int_equal(used(), 0);
	rig_desc(0, 0, 16, VIRTQ_DESC_NEXT, 2);
	rig_offer(0);
	rig_kick();
	assert_int_equal(used(), 0);
	rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, 2);
	rig_desc(2, UINT64_MAX, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(used(), 0);
	assert_int_equal(*(uint8_t *)fake_guest_at(STATUS), NO_STATUS);
	/* Data that is not in RAM. */
	rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, 0x0a000000, 512, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
	rig_desc(2, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(*(uint8_t *)fake_guest_at(STATUS), IOERR);
	assert_int_equal(request(IN, 0, 512, true), OK);
	assert_memory_equal(data(), image, 512);
	end();
}

/* What is written is read, the rest is the image; beyond the budget a write fails, and what is there stays right. */
static void test_copy_on_write(void **state)
{
	(void)state;
	begin_cow(8); /* two pages of five */
	memset(data(), 0x11, 512);
	assert_int_equal(request(OUT, 1, 512, false), OK);
	assert_int_equal(request(IN, 0, 4096, true), OK);
	assert_memory_equal(data(), image, 512);
	assert_int_equal(data()[512], 0x11);
	assert_memory_equal(data() + 1024, image + 1024, 4096 - 1024);
	memset(data(), 0x22, 1024);
	assert_int_equal(request(OUT, SECTORS - 2U, 1024, false), OK); /* the end, behind the image's */
	assert_int_equal(request(OUT, SECTORS - 1U, 512, false), OK);
	assert_int_equal(request(OUT, 8, 512, false), IOERR);
	assert_string_equal(fake_log_last(LOG_WARN),
			    "vm web: disk0: the 8 KiB of copy-on-write are used up; writes fail from here on");
	assert_int_equal(request(OUT, 16, 512, false), IOERR);
	assert_int_equal(fake_log_count(LOG_WARN), 1);
	assert_int_equal(request(OUT, 2, 512, false), OK); /* a page that is there already */
	assert_int_equal(request(IN, 8, 512, true), OK);
	assert_memory_equal(data(), image + 8 * 512, 512);
	device_reset_all(&rig_vm); /* it is kept over a reset of the VM */
	rig_start(0, 0, 256);
	assert_int_equal(request(IN, 1, 512, true), OK);
	assert_int_equal(data()[0], 0x11);
	assert_int_equal(fake_virtio.host_taken, MIB(2));
	end();
	assert_int_equal(fake_virtio.scrubbed, 1);
}

/* What a failed first write has left in RAM is not to be read: no write has said that it is the disk's. */
static void test_failed_write(void **state)
{
	(void)state;
	begin_ram(64);
	put_header(OUT, 0);
	rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, RIG_DATA, 2048, VIRTQ_DESC_NEXT, 2);
	rig_desc(2, 0, 2048, VIRTQ_DESC_NEXT, 3);
	rig_desc(3, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
	assert_int_equal(*(uint8_t *)fake_guest_at(STATUS), IOERR);
	assert_int_equal(request(IN, 0, 4096, true), OK);
	for (uint32_t i = 0; i < 4096; i++)
		assert_int_equal(data()[i], 0);
	end();
}

/* The guest's RAM at `at` aborts; 0: nowhere. */
static void spoil(uint64_t at)
{
	fake_machine.bad = at ? fake_guest_at(at) : NULL;
	fake_virtio.bad = at;
	fake_machine.bad_size = fake_virtio.bad_size = at ? 1 : 0;
}

/*
 * Without a header nothing is done, without data there is an error, without a status the driver does not hear of what
 * has been done; and each request counts once.
 */
static void test_aborts(void **state)
{
	static const struct {
		uint64_t at;
		uint8_t status;
		uint32_t used, errors, moved;
	} row[] = {
		{HEADER + 8U, NO_STATUS, 0, 1, 0}, {RIG_DATA + 100U, IOERR, 1, 1, 0}, {STATUS, NO_STATUS, 0, 0, 512}};

	(void)state;
	for (uint32_t i = 0; i < 2U * ARRAY_SIZE(row); i++) {
		bool in = i % 2U == 0;

		begin_ram(64);
		memset(data(), 0x11, 512);
		assert_int_equal(request(OUT, 0, 512, false), OK);
		memset(data(), 0x22, 512);
		fake_write(SYSREG_elr_hyp, 0x40001234U);
		spoil(row[i / 2U].at);
		assert_int_equal(request(in ? IN : OUT, 0, 512, in), row[i / 2U].status);
		spoil(0);
		assert_int_equal(used(), row[i / 2U].used);
		assert_int_equal(read_elr_hyp(), 0x40001234U);
		assert_int_equal(disk->device.count.errors, row[i / 2U].errors);
		assert_int_equal(disk->device.count.bytes, 512U + row[i / 2U].moved);
		assert_int_equal(disk->device.count.requests, 2);
		assert_int_equal(data()[0], in && row[i / 2U].moved ? 0x11 : 0x22);
		assert_int_equal(request(IN, 0, 512, true), OK);
		assert_int_equal(data()[511], !in && row[i / 2U].moved ? 0x22 : 0x11);
		end();
	}
}

static uint8_t zero(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	uint32_t segment[4] = {(uint32_t)sector, (uint32_t)(sector >> 32), sectors, flags};

	memcpy(data(), segment, sizeof(segment));
	return request(type, 0, sizeof(segment), false);
}

static void test_ram_disk(void **state)
{
	(void)state;
	begin_ram(3072); /* in two pieces of RAM */
	assert_int_equal(request(IN, 6143, 512, true), OK);
	assert_int_equal(data()[0] | data()[511], 0);
	for (uint32_t at = 0; at < 6144; at += 128) {
		memset(data(), (int)(at / 128 + 1), 65536);
		assert_int_equal(request(OUT, at, 65536, false), OK);
	}
	for (uint32_t at = 0; at < 6144; at += 128) {
		assert_int_equal(request(IN, at, 65536, true), OK);
		assert_int_equal(data()[0], at / 128 + 1);
		assert_int_equal(data()[65535], at / 128 + 1);
	}
	assert_int_equal(zero(DISCARD, 1, 2, 0), OK);
	assert_int_equal(request(IN, 0, 2048, true), OK);
	assert_int_equal(data()[511], 1);
	assert_int_equal(data()[512] | data()[1535], 0);
	assert_int_equal(data()[1536], 1);
	assert_int_equal(zero(WRITE_ZEROES, 0, 6144, 1), OK);
	assert_int_equal(request(IN, 6016, 65536, true), OK);
	assert_int_equal(data()[0] | data()[65535], 0);
	assert_int_equal(zero(DISCARD, 0, 1, 1), UNSUPP);
	assert_int_equal(zero(WRITE_ZEROES, 0, 1, 2), UNSUPP);
	assert_int_equal(zero(WRITE_ZEROES, 6144, 1, 0), IOERR);
	assert_int_equal(zero(WRITE_ZEROES, 0, 65537, 0), IOERR);
	assert_int_equal(request(DISCARD, 0, 15, false), IOERR);
	end();
	assert_int_equal(fake_virtio.scrubbed, 2);
}

/* A long request is done in steps, and a reset between two of them ends it. */
/* A page of the disk's RAM is bad: an error of what needs it, and who writes all of it has another one. */
static void test_bad_page(void **state)
{
	(void)state;
	begin_ram(64);
	memset(data(), 0x11, 8192);
	assert_int_equal(request(OUT, 0, 8192, false), OK); /* the first two pages */
	assert_false(virtio_blk_class.owns(&disk->device, pa(FAKE_HOST_PA - PAGE_SIZE)));
	assert_true(virtio_blk_class.owns(&disk->device, pa(FAKE_HOST_PA + PAGE_SIZE)));
	fake_virtio.bad_page = FAKE_HOST_PA + PAGE_SIZE;
	assert_int_equal(request(IN, 0, 4096, true), OK);
	assert_int_equal(request(IN, 8, 512, true), IOERR);
	assert_int_equal(request(IN, 0, 8192, true), IOERR);
	assert_int_equal(request(OUT, 9, 512, false), IOERR);
	memset(data(), 0x22, 4096);
	assert_int_equal(request(OUT, 8, 4096, false), OK);
	memset(data(), 0, 4096);
	assert_int_equal(request(IN, 8, 4096, true), OK);
	assert_int_equal(data()[4095], 0x22);
	fake_virtio.bad_page = FAKE_HOST_PA + 3U * PAGE_SIZE; /* the next one, which no guest has */
	memset(data(), 0x33, 4096);
	assert_int_equal(request(OUT, 16, 512, false), OK);
	assert_int_equal(request(IN, 16, 512, true), OK);
	assert_int_equal(data()[0], 0x33);
	fake_virtio.bad_page = FAKE_HOST_PA + 4U * PAGE_SIZE;
	assert_int_equal(request(IN, 16, 512, true), IOERR);
	assert_int_equal(zero(WRITE_ZEROES, 16, 1, 0), IOERR);
	assert_int_equal(zero(WRITE_ZEROES, 16, 8, 0), OK);
	assert_int_equal(request(IN, 16, 512, true), OK);
	assert_int_equal(data()[0], 0);
	end();
}

/* Bad pages elsewhere are looked at once, however often the disk is used. */
static void test_bad_elsewhere(void **state)
{
	uint32_t looks;

	(void)state;
	begin_ram(64);
	fake_virtio.bad_page = FAKE_HOST_PA + FAKE_HOST_RAM;
	assert_int_equal(request(OUT, 0, 8192, false), OK);
	looks = fake_virtio.bad_looks;
	assert_int_equal(looks, 1); /* it has one piece of RAM */
	assert_int_equal(request(IN, 0, 8192, true), OK);
	assert_int_equal(request(OUT, 32, 8192, false), OK);
	assert_int_equal(fake_virtio.bad_looks, looks);
	fake_virtio.bad_page = 0;
	assert_int_equal(request(IN, 0, 8192, true), OK);
	end();
}

static void test_steps(void **state)
{
	(void)state;
	begin_ram(1024);
	put_header(OUT, 0);
	memset(data(), 0x77, 131072);
	rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, RIG_DATA, 131072, VIRTQ_DESC_NEXT, 2);
	rig_desc(2, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	assert_int_equal(rig_kick(), 5); /* the last one finds the queue empty */
	rig_offer(0);
	rig_notify(0);
	rig_write(VIRTIO_STATUS, 0);
	*(uint8_t *)fake_guest_at(STATUS) = NO_STATUS;
	rig_work();
	assert_int_equal(*(uint8_t *)fake_guest_at(STATUS), NO_STATUS);
	end();
}

/*
 * A request in as many pieces as there may be, each in RAM that the guest has not touched: a step copies no more pieces
 * than it may, and zeroes a part of one block (rig_work() looks at each). It is served right nevertheless.
 */
static void test_scattered(void **state)
{
	const uint64_t fresh = ~UINT64_C(0xff), block = KIB(64);
	const uint64_t table = MACHINE_RAM_BASE + 60U * block + block - 200U; /* over the border of two */
	uint32_t pieces = 238, at = 0;

	(void)state;
	begin_cow(64);
	put_header(IN, 0);
	for (uint32_t i = 0; i < 16; i++) {
		memcpy(fake_guest_at(MACHINE_RAM_BASE + (8U + i) * block), (uint8_t *)fake_guest_at(HEADER) + i, 1);
		rig_desc_at(table, i, MACHINE_RAM_BASE + (8U + i) * block, 1, VIRTQ_DESC_NEXT, i + 1U);
	}
	for (uint32_t i = 0; i < pieces; i++) /* 238 * 43 + 6 is 20 sectors */
		rig_desc_at(table, 16U + i, MACHINE_RAM_BASE + (24U + i % 32U) * block + 64U * i, i ? 43 : 49,
			    VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 17U + i);
	rig_desc_at(table, 16U + pieces, MACHINE_RAM_BASE + 63U * block, 1, VIRTQ_DESC_WRITE, 0);
	rig_desc(0, table, (17U + pieces) * 16U, VIRTQ_DESC_INDIRECT, 0);
	fake_virtio.fresh = fresh;
	rig_offer(0);
	assert_in_range(rig_kick(), (16 + 32 + 2 + 1) * VM_TOUCH_STEPS + 256 / VIRTQ_STEP_PIECES,
			55 * VM_TOUCH_STEPS); /* blocks to touch, descriptors to read */
	assert_int_equal(used(), 20U * 512U + 1U);
	for (uint32_t i = 0; i < pieces; i++) {
		uint32_t len = i ? 43 : 49;

		assert_memory_equal(fake_guest_at(MACHINE_RAM_BASE + (24U + i % 32U) * block + 64U * i), image + at,
				    len);
		at += len;
	}
	assert_int_equal(*(uint8_t *)fake_guest_at(MACHINE_RAM_BASE + 63U * block), OK);
	end();
}

/* A buffer for the serial number that is too short for it gets what it has room for, and no more is said of it. */
static void test_short_id(void **state)
{
	(void)state;
	begin_image();
	memset(data(), 0x99, 32);
	assert_int_equal(request(GET_ID, 0, 7, true), OK);
	assert_int_equal(used(), 8);
	assert_memory_equal(data(), "a seria\x99", 8);
	assert_int_equal(request(GET_ID, 0, 0, true), OK);
	assert_int_equal(used(), 1);
	assert_int_equal(request(GET_ID, 0, 30, true), OK);
	assert_int_equal(used(), 20); /* behind it a gap before the status */
	end();
}

/* Each node that is refused, with its one line. */
static void test_nodes(void **state)
{
	static const struct {
		const char *strings[5];
		struct cell cells[3];
		const char *error;
	} bad[] = {
		{{NULL}, {{NULL, 0}}, "no disk: give image, or size for a blank one, or host"},
		{{"image", "rootfs", NULL},
		 {{NULL, 0}},
		 "an image cannot be written: say read-only, or copy-on-write = <KiB>"},
		{{"image", "rootfs", NULL}, {{"size", 8}, {NULL, 0}}, "image and size: give one of them"},
		{{NULL}, {{"size", 8}, {"copy-on-write", 8}}, "size and copy-on-write: give one of them"},
		{{"image", "rootfs", NULL},
		 {{"read-only", 1}, {"copy-on-write", 8}},
		 "read-only and copy-on-write: give one of them"},
		{{NULL}, {{"size", 3}, {NULL, 0}}, "size: less than 4 KiB (the number is in KiB)"},
		{{NULL}, {{"size", 6}, {NULL, 0}}, "size: not a multiple of 4 (the number is in KiB)"},
		{{"serial", "123456789012345678901", NULL},
		 {{"size", 8}},
		 "serial: not a string of 1 to 20 characters"},
		{{NULL},
		 {{"size", 8}, {"readonly", 1}},
		 "readonly: unknown property of a device; correct it or take it out"},
		{{NULL},
		 {{"size", 10240}, {NULL, 0}},
		 "10240 KiB: the host has not so much RAM free; take less, or give the host more memory"},
	};
	char line[160];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cell cells[3] = {bad[i].cells[0], bad[i].cells[0].name ? bad[i].cells[1] : bad[i].cells[0]};

		assert_int_equal(make(bad[i].strings, cells, &plain), -EINVAL);
		snprintf(line, sizeof(line), "vm web: /vms/web/disk0: %s", bad[i].error);
		assert_string_equal(fake_log_last(LOG_ERR), line);
		assert_int_equal(fake_log_count(LOG_ERR), 1);
		end();
	}
	assert_int_equal(make((const char *const[]){"image", "nix", NULL},
			      (const struct cell[]){{"read-only", 1}, {NULL, 0}}, &plain),
			 -EINVAL);
	assert_int_equal(fake_log_count(LOG_ERR), 1);
	end();
}

static int show(void **state)
{
	(void)state;
	rig_shown = true;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),      cmocka_unit_test(test_read),
		cmocka_unit_test(test_layouts),       cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_copy_on_write), cmocka_unit_test(test_failed_write),
		cmocka_unit_test(test_bad_elsewhere), cmocka_unit_test(test_ram_disk),
		cmocka_unit_test(test_steps),         cmocka_unit_test(test_scattered),
		cmocka_unit_test(test_short_id),      cmocka_unit_test(test_bad_page),
		cmocka_unit_test(test_nodes),         cmocka_unit_test(test_aborts),
	};

	/* Once more with requests that are served at once where they are of the usual shape. */
	return cmocka_run_group_tests(tests, NULL, NULL) + cmocka_run_group_tests_name("shown", tests, show, NULL);
}
