/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the guest virtio_hostile share: a queue with all that its requests need, and a device that it
 * drives. */
#ifndef GUESTS_VIRTIO_HOSTILE_H
#define GUESTS_VIRTIO_HOSTILE_H

#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/hostile.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/timer.h"

#define PAGE_LEN 4096U
#define RAM_SLOT 9U

/* What devices bring in flight, from the blank disk: it is filled with it once. */
#define BIG       UINT32_C(0x42800000) /* the device tree is at half of RAM */
#define BIG_LEN   MIB(4)
#define BIG_FIRST 8U /* sector of it; below is what is kept over resets */
#define FLYING    UINT32_C(0x5a5a5a5a)
#define STANDING  UINT32_C(0xa5a5a5a5)
#define KEPT      UINT32_C(0x6a17d600)

enum outcome { NOTHING, SERVED, BROKEN };

struct hostile_memory {
	struct guard before;
	struct vq q;
	struct vq_desc table[2U * VQ_SIZE] __attribute__((aligned(16)));
	struct blk_header header;
	volatile uint8_t status;
	uint8_t slack[2U * PAGE_LEN]; /* behind each place of test_race(), for its longest piece */
	struct guard between;
	uint8_t data[16U * PAGE_LEN] __attribute__((aligned(4096)));
	struct guard behind;
};

extern struct hostile_memory m;

#define q      (m.q)
#define header (m.header)
#define data   (m.data)
#define table  (m.table)

extern uint32_t base, resets, vcpus;
extern volatile uint32_t kicked;

/* virtio_hostile-resets.c */
void test_device_resets(void);
void test_vm_resets(bool own);

static inline uint32_t address(const volatile void *at)
{
	return (uint32_t)(uintptr_t)at;
}

static inline void check_guards(const char *name)
{
	report_eq(guard_wrong(&m.before) + guard_wrong(&m.between) + guard_wrong(&m.behind), 0, name);
}

static inline bool place(uint32_t size)
{
	return vq_place(base, size, address(q.desc), address(q.avail), address(&q.used));
}

/* A device that is set up as it should be. */
static inline void open(uint32_t slot, uint32_t features)
{
	base = VIO_SLOT(slot);
	vio_negotiate(base, features);
	memset(&q, 0, sizeof(q));
	place(VQ_SIZE);
	write32(base + VIRTIO_STATUS, VIO_DRIVES | VIRTIO_STATUS_DRIVER_OK);
}

static inline bool is_broken(void)
{
	return read32(base + VIRTIO_STATUS) & VIRTIO_STATUS_NEEDS_RESET;
}

/* Notify, and wait for what comes of it, a fifth of a second. */
static inline enum outcome kick(void)
{
	uint16_t index = q.used.index;
	uint64_t end;

	write32(base + VIRTIO_QUEUE_NOTIFY, 0);
	end = timer_virt.count() + read_cntfrq() / 5U;
	do {
		if (is_broken())
			return BROKEN;
		if (q.used.index != index)
			return SERVED;
	} while (timer_virt.count() < end);
	return NOTHING;
}

static inline void set(uint32_t i, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	q.desc[i] = (struct vq_desc){addr, len, (uint16_t)flags, (uint16_t)next};
}

static inline void set_table(uint32_t i, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	table[i] = (struct vq_desc){addr, len, (uint16_t)flags, (uint16_t)next};
}

static inline void set_header(uint32_t type, uint64_t sector)
{
	header = (struct blk_header){.type = type, .sector = sector};
	m.status = BLK_NO_STATUS;
}

/* A request as it should be, of whatever content; its status. */
static inline uint32_t request(uint32_t type, uint64_t sector, uint32_t at, uint32_t len)
{
	set_header(type, sector);
	set(0, address(&header), sizeof(header), VIRTQ_DESC_NEXT, 1);
	set(1, at, len, VIRTQ_DESC_NEXT | (type == BLK_IN ? VIRTQ_DESC_WRITE : 0), 2);
	set(2, address(&m.status), 1, VIRTQ_DESC_WRITE, 0);
	vq_offer(&q, 0);
	kick();
	return m.status;
}

static inline bool holds(const void *at, uint32_t len, uint32_t word)
{
	const uint32_t *p = at;

	for (uint32_t i = 0; i < len / 4U; i++)
		if (p[i] != word)
			return false;
	return true;
}

/* After all that was done to it. */
static inline bool works(uint32_t slot)
{
	open(slot, 0);
	memset(data, 0, BLK_SECTOR);
	return request(BLK_IN, 5, address(data), BLK_SECTOR) == BLK_OK && holds(data, BLK_SECTOR, 6);
}

#endif
