/* SPDX-License-Identifier: BSD-2-Clause */
/* The block driver of the bench guest (virtio 1.2, 4.2 and 5.2). Interrupts stay masked and are read at the GIC. */
#include "tests/bench/blk.h"

#include "tests/bench/virtio.h"
#include "tests/guests/lib/gic.h"

#define REG(offset) VIRTIO_AT(0, offset)
#define SPI         MACHINE_SPI_VIRTIO(0)
#define ID_BLOCK    2U
#define SHORT_READ  KIB(4)
#define PIECE       KIB(8) /* of 1 MiB */
#define PIECES      (MIB(1) / PIECE)
#define READ        0U

/* What a request touches of the machine. */
struct ports {
	volatile uint32_t *notify, *status, *ack, *iar, *eoi;
	volatile uint16_t *done; /* its count changes when the request has been served */
};

static volatile struct vq queue;
static struct vq_desc pieces[PIECES + 2U] __attribute__((aligned(16)));
static uint32_t header[4]; /* READ of sector 0 */
static volatile uint8_t status;
static uint32_t ram[5] = {0, VIRTIO_INT_QUEUE, 0, SPI, 0};
static volatile uint16_t ram_done;

static const struct ports device_ports = {(uint32_t *)REG(VIRTIO_QUEUE_NOTIFY),
					  (uint32_t *)REG(VIRTIO_INTERRUPT_STATUS),
					  (uint32_t *)REG(VIRTIO_INTERRUPT_ACK),
					  (uint32_t *)CPUIF_IAR,
					  (uint32_t *)CPUIF_EOIR,
					  &queue.used.index};
static const struct ports ram_ports = {&ram[0], &ram[1], &ram[2], &ram[3], &ram[4], &ram_done};

static void make_chains(uint32_t buffer)
{
	queue.desc[0] = vq_desc(header, sizeof(header), VIRTQ_DESC_NEXT, 1);
	queue.desc[1] = vq_desc((void *)buffer, SHORT_READ, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
	queue.desc[2] = vq_desc(&status, 1, VIRTQ_DESC_WRITE, 0);
	queue.desc[3] = vq_desc(pieces, sizeof(pieces), VIRTQ_DESC_INDIRECT, 0);
	pieces[0] = queue.desc[0];
	for (uint32_t i = 1; i <= PIECES; i++)
		pieces[i] =
			vq_desc((void *)(buffer + (i - 1U) * PIECE), PIECE, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, i + 1U);
	pieces[PIECES + 1U] = queue.desc[2];
}

bool blk_init(uint32_t buffer)
{
	volatile struct vq *const queues[] = {&queue};

	make_chains(buffer);
	return vq_begin(0, ID_BLOCK, BIT(VIRTIO_F_INDIRECT_DESC), queues, ARRAY_SIZE(queues));
}

/* Not inlined: with the ports of RAM the compiler would leave half of it out. */
static void __attribute__((noinline, noclone)) request(const struct ports *ports, uint16_t head)
{
	uint16_t seen = *ports->done;
	uint32_t irq;

	queue.avail.ring[queue.avail.index % VQ_SIZE] = head;
	dmb();
	queue.avail.index++;
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
		queue.avail.index = queue.used.index;
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
