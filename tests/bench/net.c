/* SPDX-License-Identifier: BSD-2-Clause */
/* The network driver of the bench guest (virtio 1.2, 5.1), as Linux' works. Interrupts stay masked, read at the GIC. */
#include "tests/bench/net.h"

#include "tests/bench/virtio.h"
#include "tests/guests/lib/gic.h"

#define ID_NET       1U
#define SENDER       0U
#define RECEIVER     1U
#define SPI          MACHINE_SPI_VIRTIO(RECEIVER)
#define F_CSUM       0U
#define F_GUEST_CSUM 1U
#define F_GUEST_TSO4 7U
#define F_HOST_TSO4  11U
#define F_MRG_RXBUF  15U
#define FEATURES                                                                                     \
	(BIT(F_CSUM) | BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) | BIT(F_HOST_TSO4) | BIT(F_MRG_RXBUF) | \
	 BIT(VIRTIO_F_EVENT_IDX))

#define MAC_BYTES     6U
#define HEADER        12U
#define FRAME         (HEADER + 1514U)
#define LARGE         (HEADER + 14U + 20U + 20U + 65160U) /* 45 segments of 1448 bytes */
#define LARGE_PIECE   KIB(4)
#define LARGE_PIECES  ((LARGE + LARGE_PIECE - 1U) / LARGE_PIECE)
#define BUFFER        1536U
#define LARGE_BUFFERS ((LARGE + BUFFER - 1U) / BUFFER)
#define BATCH         8U
#define LARGE_FIRST   1U /* descriptor */

/* What a frame touches of the machine. */
struct ports {
	volatile uint32_t *notify, *status, *ack, *iar, *eoi;
	volatile struct vq *send, *receive;
};

static volatile struct vq to_send, received, sends_nothing, own_send, own_receive;
static uint32_t ram[5] = {0, VIRTIO_INT_QUEUE, 0, SPI, 0};
static uint16_t taken, own_taken; /* of what has been received */

static const struct ports device_ports = {(uint32_t *)VIRTIO_AT(SENDER, VIRTIO_QUEUE_NOTIFY),
					  (uint32_t *)VIRTIO_AT(RECEIVER, VIRTIO_INTERRUPT_STATUS),
					  (uint32_t *)VIRTIO_AT(RECEIVER, VIRTIO_INTERRUPT_ACK),
					  (uint32_t *)CPUIF_IAR,
					  (uint32_t *)CPUIF_EOIR,
					  &to_send,
					  &received};
static const struct ports ram_ports = {&ram[0], &ram[1], &ram[2], &ram[3], &ram[4], &own_send, &own_receive};

static void copy_mac(uint8_t *to, uint32_t slot)
{
	for (uint32_t i = 0; i < MAC_BYTES; i++)
		to[i] = *(volatile uint8_t *)VIRTIO_AT(slot, VIRTIO_CONFIG + i);
}

/* An Ethernet frame of IPv4 with its virtio header. */
static void make_frame(uint8_t *at)
{
	copy_mac(at + HEADER, RECEIVER);
	copy_mac(at + HEADER + MAC_BYTES, SENDER);
	at[HEADER + 12U] = 0x08;
}

/* A checksum of TCP that is left out, and segments (5.1.6.2). */
static void make_large(uint8_t *at)
{
	make_frame(at);
	at[0] = 1;
	at[1] = 1;
	*(uint16_t *)(at + 2) = 54;
	*(uint16_t *)(at + 4) = 1448;
	*(uint16_t *)(at + 6) = 34;
	*(uint16_t *)(at + 8) = 16;
}

static void make_chains(uint32_t buffer)
{
	to_send.desc[0] = vq_desc((void *)buffer, FRAME, 0, 0);
	for (uint32_t i = 0; i < LARGE_PIECES; i++) {
		uint32_t at = i * LARGE_PIECE, len = LARGE - at < LARGE_PIECE ? LARGE - at : LARGE_PIECE;

		to_send.desc[LARGE_FIRST + i] =
			vq_desc((void *)(buffer + KIB(64) + at), len, i + 1U < LARGE_PIECES ? VIRTQ_DESC_NEXT : 0,
				LARGE_FIRST + i + 1U);
	}
	for (uint32_t i = 0; i < VQ_SIZE; i++) {
		received.desc[i] = vq_desc((void *)(buffer + KIB(256) + i * BUFFER), BUFFER, VIRTQ_DESC_WRITE, 0);
		received.avail.ring[i] = (uint16_t)i;
		own_receive.avail.ring[i] = (uint16_t)i;
	}
	received.avail.index = VQ_SIZE;
}

bool net_init(uint32_t buffer)
{
	volatile struct vq *const sender[] = {&sends_nothing, &to_send}, *const receiver[] = {&received};

	make_frame((uint8_t *)buffer);
	make_large((uint8_t *)(buffer + KIB(64)));
	make_chains(buffer);
	to_send.avail.used_event = 0x8000; /* no interrupt for what has been sent, but one in 65,536 */
	return vq_begin(SENDER, ID_NET, FEATURES, sender, 2) && vq_begin(RECEIVER, ID_NET, FEATURES, receiver, 1);
}

/* Buffers that have been filled are given back as they are; which of them that were the used ring says. */
static void take(volatile struct vq *queue, uint16_t *done, uint32_t buffers)
{
	for (; buffers > 0; buffers--, ++*done) {
		uint32_t id = queue->used.ring[*done % VQ_SIZE].id;

		queue->avail.ring[queue->avail.index % VQ_SIZE] = (uint16_t)id;
		dmb();
		queue->avail.index++;
	}
	queue->avail.used_event = *done;
}

/* `count` frames of one descriptor chain, which come in `buffers`. */
static void __attribute__((noinline, noclone))
exchange(const struct ports *ports, uint16_t *done, uint16_t head, uint32_t count, uint32_t buffers)
{
	uint32_t irq;

	for (uint32_t i = 0; i < count; i++)
		ports->send->avail.ring[(ports->send->avail.index + i) % VQ_SIZE] = head;
	dmb();
	ports->send->avail.index = (uint16_t)(ports->send->avail.index + count);
	dmb();
	*ports->notify = 1;
	while ((irq = *ports->iar) != SPI)
		wfi();
	*ports->ack = *ports->status;
	take(ports->receive, done, buffers);
	*ports->eoi = irq;
}

static void exchange_all(uint32_t rounds, uint16_t head, uint32_t count, uint32_t buffers)
{
	for (; rounds > 0; rounds -= count)
		exchange(&device_ports, &taken, head, count, buffers);
	if (received.used.index != taken)
		printf("bench: a frame was lost\n");
}

static void exchange_own(uint32_t rounds, uint16_t head, uint32_t count, uint32_t buffers)
{
	for (; rounds > 0; rounds -= count)
		exchange(&ram_ports, &own_taken, head, count, buffers);
}

void row_net_frame(uint32_t rounds)
{
	exchange_all(rounds, 0, 1, 1);
}

void row_net_frame_own(uint32_t rounds)
{
	exchange_own(rounds, 0, 1, 1);
}

void row_net_batch(uint32_t rounds)
{
	exchange_all(rounds, 0, BATCH, BATCH);
}

void row_net_batch_own(uint32_t rounds)
{
	exchange_own(rounds, 0, BATCH, BATCH);
}

void row_net_large(uint32_t rounds)
{
	exchange_all(rounds, LARGE_FIRST, 1, LARGE_BUFFERS);
}

void row_net_large_own(uint32_t rounds)
{
	exchange_own(rounds, LARGE_FIRST, 1, LARGE_BUFFERS);
}
