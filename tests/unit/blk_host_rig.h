/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of a block device on a disk of the host's share: the device, and requests of its driver. */
#ifndef TESTS_UNIT_BLK_HOST_RIG_H
#define TESTS_UNIT_BLK_HOST_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "fake_hostdisk.h"
#include "fake_log.h"
#include "fit.h"
#include "hyp/load/words.h"
#include "virtio_rig.h"

extern const struct device_class virtio_blk_class;

#define PATH   "/virtio_mmio@a003e00"
#define HEADER (RIG_DATA - 0x1000U)
#define STATUS (RIG_DATA - 0x800U)
#define FIRST  100U /* of the range */
#define COUNT  1000U

#define FEATURES (BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(9)) /* FLUSH */

enum { IN, OUT, FLUSH = 4, GET_ID = 8, DISCARD = 11 };
enum { OK, IOERR, UNSUPP, PENDING = 0xee };

static struct fit f;
static struct bundle b;

static void begin_node(void)
{
	rig_begin(NULL, NULL);
	fake_log_reset();
	fit_begin(&f);
	fit_vms(&f);
	fit_vm(&f, "web");
	assert_int_equal(fdt_begin_node(f.blob, "disk0"), 0);
	fit_string(&f, "compatible", "virt7,virtio-blk");
}

static int end_node(void)
{
	assert_int_equal(fdt_end_node(f.blob), 0);
	fit_vm_end(&f);
	fit_end(&f);
	b = (struct bundle){.fdt = f.blob, .size = f.size};
	return device_create_all(&rig_vm, &b, fdt_path_offset(f.blob, "/vms/web"));
}

static void add_range(uint32_t first, uint32_t count)
{
	const fdt32_t cells[] = {cpu_to_fdt32(first), cpu_to_fdt32(count)};

	assert_int_equal(fdt_property(f.blob, "range", cells, sizeof(cells)), 0);
}

static void begin_disk(void)
{
	begin_node();
	fit_string(&f, "host", PATH);
	add_range(FIRST, COUNT);
	assert_int_equal(end_node(), 0);
	rig_start(FEATURES, 0, 256);
}

static void begin(void)
{
	fake_hostdisk_reset();
	fake_hostdisk.can_flush = true;
	begin_disk();
}

static int end(void **state)
{
	(void)state;
	rig_end();
	fit_free(&f);
	assert_int_equal(fake_hostdisk.taken, 0);
	assert_int_equal(fake_hostdisk.claims, 0);
	return 0;
}

static uint8_t *data(void)
{
	return fake_guest_at(RIG_DATA);
}

static uint8_t *on_disk(uint64_t sector)
{
	return fake_hostdisk.data + (FIRST + sector) * DISKDEV_SECTOR;
}

static uint8_t status(void)
{
	return *(uint8_t *)fake_guest_at(STATUS);
}

/* As far as it goes without the disk's answer. */
static inline void ask(uint32_t type, uint64_t sector, uint32_t bytes)
{
	uint32_t header[4] = {type, 0, (uint32_t)sector, (uint32_t)(sector >> 32)};

	memcpy(fake_guest_at(HEADER), header, sizeof(header));
	*(uint8_t *)fake_guest_at(STATUS) = PENDING;
	rig_desc(0, HEADER, 16, VIRTQ_DESC_NEXT, bytes ? 1 : 2);
	rig_desc(1, RIG_DATA, bytes, VIRTQ_DESC_NEXT | (type == OUT ? 0 : VIRTQ_DESC_WRITE), 2);
	rig_desc(2, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
}

static inline void answer(bool failed)
{
	fake_hostdisk_end(failed);
	rig_work();
}

/* In pieces of `each` bytes, with gaps between them, behind an empty one, and a header in two. */
static inline void ask_in_pieces(uint32_t type, uint64_t sector, uint32_t bytes, uint32_t each)
{
	uint32_t header[4] = {type, 0, (uint32_t)sector, 0},
		 flags = VIRTQ_DESC_NEXT | (type == OUT ? 0 : VIRTQ_DESC_WRITE);
	uint32_t at = RIG_DATA, next = 3;

	memcpy(fake_guest_at(HEADER), header, sizeof(header));
	*(uint8_t *)fake_guest_at(STATUS) = PENDING;
	rig_desc(0, HEADER, 10, VIRTQ_DESC_NEXT, 1);
	rig_desc(1, HEADER + 10U, 6, VIRTQ_DESC_NEXT, 2);
	rig_desc(2, RIG_DATA, 0, flags, 3);
	for (; bytes > 0; bytes -= MIN(bytes, each), at += each + 8U, next++)
		rig_desc(next, at, MIN(bytes, each), flags, next + 1U);
	rig_desc(next, STATUS, 1, VIRTQ_DESC_WRITE, 0);
	rig_offer(0);
	rig_kick();
}

static inline void check_pieces(uint64_t sector, uint32_t bytes, uint32_t each)
{
	for (uint32_t done = 0; done < bytes; done += MIN(bytes - done, each))
		assert_memory_equal(data() + done / each * (each + 8U), on_disk(sector) + done,
				    MIN(bytes - done, each));
}

#endif
