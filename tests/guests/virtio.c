/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-mmio (virtio 1.2, 4.2.2) by a block device of version 2 in any slot: what the registers read as, a device's
 * life, a queue, requests. Sector n of the disk is full of words n + 1. MMU and caches are off.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/virtio.h"

#define SECTORS 64U
#define ROUNDS  100000000U

#define FRESH (MACHINE_RAM_BASE + MIB(32)) /* RAM, of which no test has touched the next 12 MiB */

static struct vq q;
static struct blk_header header;
static volatile uint32_t data[BLK_SECTOR / 4U];
static volatile uint8_t status;
static uint32_t base, slot;

static uint32_t rd(uint32_t reg)
{
	return read32(base + reg);
}

static void wr(uint32_t reg, uint32_t value)
{
	write32(base + reg, value);
}

static void test_slots(void)
{
	uint32_t good = 0, found = 0;

	for (uint32_t n = 0; n < MACHINE_VIRTIO_COUNT; n++) {
		good += read32(VIO_SLOT(n)) == VIRTIO_MAGIC && read32(VIO_SLOT(n) + VIRTIO_VENDOR_ID) == VIRTIO_VENDOR;
		if (read32(VIO_SLOT(n) + VIRTIO_DEVICE_ID) == VIO_ID_BLOCK) {
			base = VIO_SLOT(n);
			slot = n;
			found++;
		}
	}
	report_eq(good, MACHINE_VIRTIO_COUNT, "all slots say what they are");
	report_eq(found, 1, "one of them has the disk");
	report_eq(rd(VIRTIO_VERSION), 2, "version 2");
}

static void test_features(void)
{
	wr(VIRTIO_STATUS, 0);
	report_eq(rd(VIRTIO_STATUS), 0, "a reset");
	wr(VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
	wr(VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	wr(VIRTIO_DEVICE_FEATURES_SEL, 1);
	report(rd(VIRTIO_DEVICE_FEATURES) & 1U, "VERSION_1 is offered");
	wr(VIRTIO_DEVICE_FEATURES_SEL, 0);
	report(rd(VIRTIO_DEVICE_FEATURES) & BIT(VIRTIO_F_INDIRECT_DESC), "so is INDIRECT_DESC");
	report(vio_negotiate(base, 0), "FEATURES_OK stays");
}

static void test_config(void)
{
	uint32_t word = rd(VIRTIO_CONFIG), bytes = 0;

	report_eq(word, SECTORS, "the capacity");
	for (uint32_t i = 0; i < 4; i++)
		bytes |= read8(base + VIRTIO_CONFIG + i) << 8U * i;
	report_eq(bytes, word, "configuration space by bytes");
	report_eq(read16(base + VIRTIO_CONFIG) | read16(base + VIRTIO_CONFIG + 2U) << 16, word, "by half words");
}

static void test_queue(void)
{
	wr(VIRTIO_QUEUE_SEL, 99);
	report_eq(rd(VIRTIO_QUEUE_NUM_MAX), 0, "a queue that is not there has no entries");
	wr(VIRTIO_QUEUE_SEL, 0);
	report(rd(VIRTIO_QUEUE_NUM_MAX) >= VQ_SIZE, "queue 0 has enough");
	report_eq(rd(VIRTIO_QUEUE_READY), 0, "and is not ready");
	report(vq_place(base, VQ_SIZE, (uint32_t)q.desc, (uint32_t)q.avail, (uint32_t)&q.used), "now it is");
	wr(VIRTIO_STATUS, VIO_DRIVES | VIRTIO_STATUS_DRIVER_OK);
}

/* Rings in RAM that is fresh; the last one lies in two blocks of 2 MiB. */
static void test_fresh_rings(void)
{
	report(vq_place(base, VQ_SIZE, FRESH, FRESH + MIB(2), FRESH + MIB(6) - 16U), "rings in RAM that is fresh");
	wr(VIRTIO_QUEUE_READY, 0);
}

/* One request, waited for without an interrupt; false: it does not end. */
static bool request_to(uint32_t type, uint32_t sector, uint32_t to)
{
	uint16_t index = (uint16_t)(q.used.index + 1U);

	header = (struct blk_header){.type = type, .sector = sector};
	status = BLK_NO_STATUS;
	q.desc[0] = (struct vq_desc){(uint32_t)&header, sizeof(header), VIRTQ_DESC_NEXT, 1};
	q.desc[1] = (struct vq_desc){to, BLK_SECTOR, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2};
	q.desc[2] = (struct vq_desc){(uint32_t)&status, 1, VIRTQ_DESC_WRITE, 0};
	vq_offer(&q, 0);
	wr(VIRTIO_QUEUE_NOTIFY, 0);
	for (uint32_t i = 0; i < ROUNDS && q.used.index != index; i++)
		;
	return q.used.index == index;
}

static bool request(uint32_t type, uint32_t sector)
{
	return request_to(type, sector, (uint32_t)data);
}

/* A sector into RAM that is fresh, in two blocks of 2 MiB: what is around it is zero. */
static void test_fresh_data(void)
{
	uint32_t to = FRESH + MIB(10) - BLK_SECTOR / 2U, wrong = 0;

	report(request_to(0, 6, to) && status == 0, "a read into RAM that is fresh");
	for (uint32_t at = FRESH + MIB(8); at < FRESH + MIB(12); at += 4U)
		wrong += read32(at) != (at - to < BLK_SECTOR ? 7U : 0);
	report_eq(wrong, 0, "all that is around it is zero");
}

static void test_requests(void)
{
	uint32_t wrong = 0;

	for (uint32_t n = 0; n < SECTORS; n++) {
		wrong += !request(0, n) || status != 0 || q.used.ring[n % VQ_SIZE].len != BLK_SECTOR + 1U;
		for (uint32_t i = 0; i < BLK_SECTOR / 4U; i++)
			wrong += data[i] != n + 1U;
	}
	report_eq(wrong, 0, "every sector");
	report_eq(rd(VIRTIO_INTERRUPT_STATUS), VIRTIO_INT_QUEUE, "the interrupt's reason");
	wr(VIRTIO_INTERRUPT_ACK, VIRTIO_INT_QUEUE);
	report_eq(rd(VIRTIO_INTERRUPT_STATUS), 0, "acknowledged");
	report(read32(DIST_ISPENDR(MACHINE_SPI_VIRTIO(slot) / 32U)) & BIT(MACHINE_SPI_VIRTIO(slot) % 32U),
	       "the interrupt, an edge, is latched");
	report(request(0, SECTORS) && status == 1, "beyond the end: IOERR");
	report(request(77, 0) && status == 2, "an unknown request: UNSUPP");
	wr(VIRTIO_STATUS, 0);
	report_eq(rd(VIRTIO_STATUS), 0, "a reset with a queue");
	report_eq(rd(VIRTIO_QUEUE_READY), 0, "it is not ready any more");
	report_eq(rd(VIRTIO_INTERRUPT_STATUS), 0, "no interrupt");
}

/* SPIs of a GIC that no software has set up are level-sensitive; mach-virt's are edges, says the device tree. */
static void set_edge(void)
{
	uint32_t id = MACHINE_SPI_VIRTIO(slot), reg = DIST_ICFGR(id / 16U);

	write32(reg, read32(reg) | 2U << 2U * (id % 16U));
}

void guest_main(void)
{
	test_slots();
	if (!base)
		return;
	set_edge();
	test_features();
	test_config();
	test_fresh_rings();
	test_queue();
	test_fresh_data();
	test_requests();
}
