/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk on virtio-mmio (virtio 1.2, 5.2) as a disk of the host's (diskdev.h). Compiled for speed. */
#include "hyp/host/diskdev.h"

#include <assert.h>

#include "hyp/host/virtio.h"
#include "hyp/lib/virtio_regs.h"
#include "mm/page.h"

#define F_SEG_MAX 2U
#define F_RO      5U
#define F_FLUSH   9U

#define S_OK        0U
#define DESCRIPTORS 3U /* of a slot: header, data, status; */
#define QUEUE_SIZE  32U

/* and one of its own for a table with header, status, and pieces behind them. */
#define TABLE_FIRST   (DISKDEV_SLOTS * DESCRIPTORS)
#define TABLE_STATUS  1U
#define TABLE_PIECES  2U
#define TABLE_ENTRIES (TABLE_PIECES + DISKDEV_PIECES)

static_assert(TABLE_FIRST + DISKDEV_SLOTS <= QUEUE_SIZE, "each slot has its own");
static_assert(TABLE_ENTRIES <= QUEUE_SIZE, "no chain is longer than the queue (2.7.5.3.1)");

#define CONFIG_SEG_MAX 12U /* 5.2.4 */

/* What the device reads and writes beside the data (5.2.6). */
struct wire {
	uint32_t type, reserved;
	uint64_t sector;
	uint8_t status;
};

struct diskvirtio {
	struct diskdev dev;
	struct hostvirtio v;
	struct hostq q;
	uint32_t writes[DISKDEV_SLOTS]; /* so many bytes are what the device has to write, to memory */
	uint32_t head[DISKDEV_SLOTS];   /* of its last request */
	struct wire wire[DISKDEV_SLOTS];
	struct hostq_desc table[DISKDEV_SLOTS][TABLE_ENTRIES];
};

static struct diskvirtio *diskvirtio_of(struct diskdev *dev)
{
	return container_of(dev, struct diskvirtio, dev);
}

static const char *diskvirtio_find(struct diskdev *dev, const struct host *host, const char *path)
{
	struct diskvirtio *disk = diskvirtio_of(dev);
	const char *wrong = hostvirtio_find(&disk->v, host, path);

	dev->node = disk->v.node;
	dev->irq = disk->v.irq;
	return wrong;
}

static void describe_table(struct diskvirtio *disk, uint32_t index)
{
	struct hostq_desc *table = disk->table[index], *own = &disk->q.desc[index * DESCRIPTORS];

	table[0] = own[0];
	table[0].next = TABLE_PIECES;
	table[TABLE_STATUS] = own[2];
	disk->q.desc[TABLE_FIRST + index] = (struct hostq_desc){
		.addr = page_pa(table).v, .len = sizeof(disk->table[index]), .flags = VIRTQ_DESC_INDIRECT};
}

static void describe_slot(struct diskvirtio *disk, uint32_t index)
{
	struct hostq_desc *desc = &disk->q.desc[index * DESCRIPTORS];
	struct wire *wire = &disk->wire[index];

	desc[0] = (struct hostq_desc){
		.addr = page_pa(wire).v, .len = offsetof(struct wire, status), .flags = VIRTQ_DESC_NEXT};
	desc[1] = (struct hostq_desc){.addr = page_pa(disk->dev.slot[index]).v,
				      .next = (uint16_t)(index * DESCRIPTORS + 2U)};
	desc[2] = (struct hostq_desc){
		.addr = page_pa(&wire->status).v, .len = sizeof(wire->status), .flags = VIRTQ_DESC_WRITE};
	describe_table(disk, index);
}

/*
 * How many pieces a request may have. A device that sees RAM past the caches would miss what is in them, and
 * one that knows no tables has no room for them in its queue. Without SEG_MAX it need not take more than one; how long
 * one may be nothing limits, as SIZE_MAX is not accepted.
 */
static uint32_t count_pieces(const struct diskvirtio *disk)
{
	const struct hostvirtio *v = &disk->v;
	uint32_t seg_max = 1;

	if (!v->coherent || !(v->features & BIT64(VIRTIO_F_INDIRECT_DESC)))
		return 0;
	if (v->features & BIT64(F_SEG_MAX))
		hostvirtio_config(v, CONFIG_SEG_MAX, &seg_max, sizeof(seg_max));
	return MIN(seg_max, DISKDEV_PIECES);
}

#define FEATURES (BIT64(F_SEG_MAX) | BIT64(F_RO) | BIT64(F_FLUSH) | BIT64(VIRTIO_F_INDIRECT_DESC))

static const char *diskvirtio_start(struct diskdev *dev, bool *ready)
{
	struct diskvirtio *disk = diskvirtio_of(dev);
	const char *wrong = hostvirtio_open(&disk->v, HOSTVIRTIO_BLOCK, FEATURES);

	if (!wrong)
		wrong = hostq_open(&disk->v, &disk->q, 0, QUEUE_SIZE);
	if (wrong)
		return wrong;
	if (disk->q.size < QUEUE_SIZE)
		return "its queue is too short";
	hostvirtio_config(&disk->v, 0, &dev->sectors, sizeof(dev->sectors));
	dev->read_only = disk->v.features & BIT64(F_RO);
	dev->can_flush = disk->v.features & BIT64(F_FLUSH);
	dev->pieces = count_pieces(disk);
	for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
		describe_slot(disk, i);
	hostvirtio_start(&disk->v);
	*ready = true;
	return NULL;
}

static bool diskvirtio_stop(struct diskdev *dev)
{
	struct diskvirtio *disk = diskvirtio_of(dev);
	bool quiet = hostvirtio_reset(&disk->v);

	if (quiet && disk->q.desc)
		hostq_close(&disk->q);
	return quiet;
}

static void diskvirtio_acknowledge(struct diskdev *dev)
{
	hostvirtio_acknowledge(&diskvirtio_of(dev)->v);
}

/* The header of a request with `len` bytes of data, and what the device is to write. */
static void write_header(struct diskvirtio *disk, uint32_t slot, enum diskdev_type type, uint64_t sector, uint32_t len)
{
	struct wire *wire = &disk->wire[slot];

	wire->type = type;
	wire->sector = type == DISKDEV_FLUSH ? 0 : sector;
	wire->status = UINT8_MAX;
	disk->writes[slot] = (type == DISKDEV_READ ? len : 0) + (uint32_t)sizeof(wire->status);
}

static void put_request(struct diskvirtio *disk, uint32_t slot, uint32_t desc)
{
	disk->head[slot] = desc;
	hostq_put(&disk->q, desc);
	hostq_notify(&disk->q);
}

static uint16_t data_flags(enum diskdev_type type)
{
	return (uint16_t)(VIRTQ_DESC_NEXT | (type == DISKDEV_READ ? VIRTQ_DESC_WRITE : 0));
}

static void diskvirtio_begin(struct diskdev *dev, uint32_t slot, enum diskdev_type type, uint64_t sector, uint32_t len)
{
	struct diskvirtio *disk = diskvirtio_of(dev);
	uint32_t first = slot * DESCRIPTORS;
	struct hostq_desc *desc = &disk->q.desc[first];

	write_header(disk, slot, type, sector, len);
	desc[0].next = (uint16_t)(len > 0 ? first + 1U : first + 2U);
	desc[1].len = len;
	desc[1].flags = data_flags(type);
	put_request(disk, slot, first);
}

static void diskvirtio_begin_pieces(struct diskdev *dev, uint32_t slot, enum diskdev_type type, uint64_t sector,
				    const struct pa_piece *piece, uint32_t count)
{
	struct diskvirtio *disk = diskvirtio_of(dev);
	struct hostq_desc *desc = &disk->table[slot][TABLE_PIECES];
	uint32_t len = 0;

	for (uint32_t i = 0; i < count; i++) {
		desc[i] = (struct hostq_desc){.addr = piece[i].at.v,
					      .len = piece[i].len,
					      .flags = data_flags(type),
					      .next = (uint16_t)(TABLE_PIECES + i + 1U)};
		len += piece[i].len;
	}
	desc[count - 1U].next = TABLE_STATUS;
	write_header(disk, slot, type, sector, len);
	put_request(disk, slot, TABLE_FIRST + slot);
}

/*
 * It says how much it has written: less than the sectors and the status means that what others had there before is
 * still in the buffer. Devices of version 1 need not say it rightly (2.7.8.1).
 */
static bool is_short(const struct diskvirtio *disk, uint32_t slot, uint32_t written)
{
	return !disk->v.legacy && written < disk->writes[slot];
}

static bool diskvirtio_take(struct diskdev *dev, uint32_t *slot, const char **wrong)
{
	struct diskvirtio *disk = diskvirtio_of(dev);
	uint32_t desc, written;

	if (!hostq_take(&disk->q, &desc, &written))
		return false;
	*slot = desc < TABLE_FIRST ? desc / DESCRIPTORS : desc - TABLE_FIRST;
	*wrong = NULL;
	if (*slot >= DISKDEV_SLOTS || desc != disk->head[*slot]) {
		*slot = DISKDEV_SLOTS; /* nothing that it was asked for */
		return true;
	}
	if (disk->wire[*slot].status != S_OK)
		*wrong = "an error of the device's";
	else if (is_short(disk, *slot, written))
		*wrong = "the device has not written all of it";
	return true;
}

const struct diskdev_driver diskdev_virtio = {
	.compatible = "virtio,mmio",
	.size = sizeof(struct diskvirtio),
	.find = diskvirtio_find,
	.start = diskvirtio_start,
	.stop = diskvirtio_stop,
	.acknowledge = diskvirtio_acknowledge,
	.begin = diskvirtio_begin,
	.begin_pieces = diskvirtio_begin_pieces,
	.take = diskvirtio_take,
};
