/*
 * virtio-mmio (virtio 1.2, 4.2.2) by a block device of version 2 in any slot: what the registers read as, a device's
 * life, a queue, requests. Sector n of the disk is full of words n + 1. MMU and caches are off.
 */
#include "hyp/virtio/regs.h"
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"

#define SLOT(n)   (MACHINE_VIRTIO_BASE + (n)*MACHINE_VIRTIO_SIZE)
#define SIZE      8U
#define SECTORS   64U
#define SECTOR    512U
#define ID_BLOCK  2U
#define DRIVES    (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK)
#define NO_STATUS 0xffU
#define ROUNDS    100000000U

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct desc table[SIZE] __attribute__((aligned(16)));
static volatile uint16_t avail[3 + SIZE];
static volatile struct {
	uint16_t flags, index;
	struct {
		uint32_t id, len;
	} ring[SIZE];
} used __attribute__((aligned(4)));
static uint32_t header[4];
static volatile uint32_t data[SECTOR / 4U];
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
		good += read32(SLOT(n)) == VIRTIO_MAGIC && read32(SLOT(n) + VIRTIO_VENDOR_ID) == VIRTIO_VENDOR;
		if (read32(SLOT(n) + VIRTIO_DEVICE_ID) == ID_BLOCK) {
			base = SLOT(n);
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
	wr(VIRTIO_DRIVER_FEATURES_SEL, 0);
	wr(VIRTIO_DRIVER_FEATURES, 0);
	wr(VIRTIO_DRIVER_FEATURES_SEL, 1);
	wr(VIRTIO_DRIVER_FEATURES, 1);
	wr(VIRTIO_STATUS, DRIVES);
	report_eq(rd(VIRTIO_STATUS), DRIVES, "FEATURES_OK stays");
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
	report(rd(VIRTIO_QUEUE_NUM_MAX) >= SIZE, "queue 0 has enough");
	report_eq(rd(VIRTIO_QUEUE_READY), 0, "and is not ready");
	wr(VIRTIO_QUEUE_NUM, SIZE);
	wr(VIRTIO_QUEUE_DESC_LOW, (uint32_t)table);
	wr(VIRTIO_QUEUE_DESC_HIGH, 0);
	wr(VIRTIO_QUEUE_DRIVER_LOW, (uint32_t)avail);
	wr(VIRTIO_QUEUE_DRIVER_HIGH, 0);
	wr(VIRTIO_QUEUE_DEVICE_LOW, (uint32_t)&used);
	wr(VIRTIO_QUEUE_DEVICE_HIGH, 0);
	wr(VIRTIO_QUEUE_READY, 1);
	report_eq(rd(VIRTIO_QUEUE_READY), 1, "now it is");
	wr(VIRTIO_STATUS, DRIVES | VIRTIO_STATUS_DRIVER_OK);
}

/* One request, waited for without an interrupt; false: it does not end. */
static bool request(uint32_t type, uint32_t sector)
{
	uint16_t index = (uint16_t)(used.index + 1U);

	header[0] = type;
	header[1] = header[3] = 0;
	header[2] = sector;
	status = NO_STATUS;
	table[0] = (struct desc){(uint32_t)header, sizeof(header), VIRTQ_DESC_NEXT, 1};
	table[1] = (struct desc){(uint32_t)data, SECTOR, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2};
	table[2] = (struct desc){(uint32_t)&status, 1, VIRTQ_DESC_WRITE, 0};
	avail[2 + avail[1] % SIZE] = 0;
	dmb();
	avail[1]++;
	dmb();
	wr(VIRTIO_QUEUE_NOTIFY, 0);
	for (uint32_t i = 0; i < ROUNDS && used.index != index; i++)
		;
	return used.index == index;
}

static void test_requests(void)
{
	uint32_t wrong = 0;

	for (uint32_t n = 0; n < SECTORS; n++) {
		wrong += !request(0, n) || status != 0 || used.ring[n % SIZE].len != SECTOR + 1U;
		for (uint32_t i = 0; i < SECTOR / 4U; i++)
			wrong += data[i] != n + 1U;
	}
	report_eq(wrong, 0, "every sector");
	report_eq(rd(VIRTIO_INTERRUPT_STATUS), VIRTIO_INT_QUEUE, "the interrupt's reason");
	wr(VIRTIO_INTERRUPT_ACK, VIRTIO_INT_QUEUE);
	report_eq(rd(VIRTIO_INTERRUPT_STATUS), 0, "acknowledged");
	report(read32(GICD_ISPENDR(MACHINE_SPI_VIRTIO(slot) / 32U)) & BIT(MACHINE_SPI_VIRTIO(slot) % 32U),
	       "the interrupt, an edge, is latched");
	report(request(0, SECTORS) && status == 1, "beyond the end: IOERR");
	report(request(77, 0) && status == 2, "an unknown request: UNSUPP");
	wr(VIRTIO_STATUS, 0);
	report_eq(rd(VIRTIO_STATUS), 0, "a reset with a queue");
	report_eq(rd(VIRTIO_QUEUE_READY), 0, "it is not ready any more");
	report_eq(rd(VIRTIO_INTERRUPT_STATUS), 0, "no interrupt");
}

/* SPIs of a GIC that nobody has set up are level-sensitive; mach-virt's are edges, says the device tree. */
static void set_edge(void)
{
	uint32_t id = MACHINE_SPI_VIRTIO(slot), reg = GICD_ICFGR(id / 16U);

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
	test_queue();
	test_requests();
}
