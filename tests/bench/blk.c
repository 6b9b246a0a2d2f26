/* The block driver of the bench guest (virtio 1.2, 4.2 and 5.2). Interrupts stay masked and are read at the GIC. */
#include "tests/bench/blk.h"

#include "hyp/virtio/regs.h"
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"

#define REG(offset) (MACHINE_VIRTIO_BASE + (offset))
#define SPI         MACHINE_SPI_VIRTIO(0)
#define QUEUE       256U
#define ID_BLOCK    2U
#define SHORT_READ  KIB(4)
#define PIECE       KIB(8) /* of 1 MiB */
#define PIECES      (MIB(1) / PIECE)
#define READ        0U

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* What a request touches of the machine. */
struct ports {
	volatile uint32_t *notify, *status, *ack, *iar, *eoi;
	volatile uint16_t *done; /* its count changes when the request has been served */
};

static struct desc table[QUEUE] __attribute__((aligned(16)));
static struct desc pieces[PIECES + 2U] __attribute__((aligned(16)));
static volatile uint16_t avail[3U + QUEUE];
static volatile struct {
	uint16_t flags, index;
	struct {
		uint32_t id, len;
	} ring[QUEUE];
} used __attribute__((aligned(4)));
static uint32_t header[4]; /* READ of sector 0 */
static volatile uint8_t status;
static uint32_t ram[5] = {0, VIRTIO_INT_QUEUE, 0, SPI, 0};
static volatile uint16_t ram_done;

static const struct ports device_ports = {(uint32_t *)REG(VIRTIO_QUEUE_NOTIFY),
					  (uint32_t *)REG(VIRTIO_INTERRUPT_STATUS),
					  (uint32_t *)REG(VIRTIO_INTERRUPT_ACK),
					  (uint32_t *)GICC_IAR,
					  (uint32_t *)GICC_EOIR,
					  &used.index};
static const struct ports ram_ports = {&ram[0], &ram[1], &ram[2], &ram[3], &ram[4], &ram_done};

static struct desc desc_of(const volatile void *at, uint32_t len, uint32_t flags, uint32_t next)
{
	return (struct desc){(uint32_t)at, len, (uint16_t)flags, (uint16_t)next};
}

static void make_chains(uint32_t buffer)
{
	table[0] = desc_of(header, sizeof(header), VIRTQ_DESC_NEXT, 1);
	table[1] = desc_of((void *)buffer, SHORT_READ, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
	table[2] = desc_of(&status, 1, VIRTQ_DESC_WRITE, 0);
	table[3] = desc_of(pieces, sizeof(pieces), VIRTQ_DESC_INDIRECT, 0);
	pieces[0] = table[0];
	for (uint32_t i = 1; i <= PIECES; i++)
		pieces[i] =
			desc_of((void *)(buffer + (i - 1U) * PIECE), PIECE, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, i + 1U);
	pieces[PIECES + 1U] = table[2];
}

bool blk_init(uint32_t buffer)
{
	const uint32_t drives = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK;

	if (read32(REG(VIRTIO_VERSION)) != 2 || read32(REG(VIRTIO_DEVICE_ID)) != ID_BLOCK)
		return false;
	make_chains(buffer);
	write32(REG(VIRTIO_STATUS), 0);
	write32(REG(VIRTIO_DRIVER_FEATURES_SEL), 0);
	write32(REG(VIRTIO_DRIVER_FEATURES), BIT(VIRTIO_F_INDIRECT_DESC));
	write32(REG(VIRTIO_DRIVER_FEATURES_SEL), 1);
	write32(REG(VIRTIO_DRIVER_FEATURES), 1);
	write32(REG(VIRTIO_STATUS), drives);
	write32(REG(VIRTIO_QUEUE_SEL), 0);
	write32(REG(VIRTIO_QUEUE_NUM), QUEUE);
	write32(REG(VIRTIO_QUEUE_DESC_LOW), (uint32_t)table);
	write32(REG(VIRTIO_QUEUE_DRIVER_LOW), (uint32_t)avail);
	write32(REG(VIRTIO_QUEUE_DEVICE_LOW), (uint32_t)&used);
	write32(REG(VIRTIO_QUEUE_READY), 1);
	write32(REG(VIRTIO_STATUS), drives | VIRTIO_STATUS_DRIVER_OK);
	gic_edge(SPI, true);
	gic_target_self(SPI);
	gic_enable(SPI);
	return read32(REG(VIRTIO_STATUS)) == (drives | VIRTIO_STATUS_DRIVER_OK);
}

/* Not inlined: with the ports of RAM the compiler would leave half of it out. */
static void __attribute__((noinline, noclone)) request(const struct ports *ports, uint16_t head)
{
	uint16_t seen = *ports->done;
	uint32_t irq;

	avail[2U + avail[1] % QUEUE] = head;
	dmb();
	avail[1]++;
	dmb();
	*ports->notify = 0;
	while ((irq = *ports->iar) != SPI)
		wfi(); /* of a long request the rest is served then */
	*ports->ack = *ports->status;
	if (*ports->done == seen)
		status = 0xff;
	*ports->eoi = irq;
}

static void requests(const struct ports *ports, uint16_t head, uint32_t rounds)
{
	for (; rounds > 0; rounds--)
		request(ports, head);
	/* The device has seen none of those to RAM: what it sees next is as it has left it. */
	if (ports == &ram_ports)
		avail[1] = used.index;
}

void row_virtio_kick(uint32_t rounds)
{
	for (; rounds > 0; rounds--)
		*device_ports.notify = 0;
}

void row_virtio_4k(uint32_t rounds)
{
	requests(&device_ports, 0, rounds);
}

void row_virtio_4k_own(uint32_t rounds)
{
	requests(&ram_ports, 0, rounds);
}

void row_virtio_1m(uint32_t rounds)
{
	requests(&device_ports, 3, rounds);
}

void row_virtio_1m_own(uint32_t rounds)
{
	requests(&ram_ports, 3, rounds);
}
