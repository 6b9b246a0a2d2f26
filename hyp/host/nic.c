/* SPDX-License-Identifier: BSD-2-Clause */
/* See nic.h. */
#include "hyp/host/nic.h"

#include <errno.h>
#include <string.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/virtio_regs.h"
#include "mm/page.h"

#define F_MAC    5U
#define F_STATUS 16U

#define CONFIG_STATUS 6U /* 5.1.4 */
#define S_LINK_UP     1U

#define QUEUE_RECEIVE  0U
#define QUEUE_TRANSMIT 1U

/* 5.1.6; version 1 has no count of buffers without MRG_RXBUF. */
#define HEADER_BYTES        12U
#define HEADER_BYTES_LEGACY 10U
#define BUFFER_BYTES        2048U

static uint8_t *nic_buffer(uint8_t *buffers, uint32_t index)
{
	return buffers + (size_t)index * BUFFER_BYTES;
}

static void describe_buffer(const struct hostq *q, uint32_t index, const uint8_t *at, uint16_t flags)
{
	q->desc[index] = (struct hostq_desc){.addr = page_pa(at).v, .len = BUFFER_BYTES, .flags = flags};
}

static const char *make_buffers(struct nic *nic)
{
	uint32_t order = page_order((size_t)NIC_BUFFERS * BUFFER_BYTES);

	nic->in = page_alloc(order);
	nic->out = page_alloc(order);
	if (!nic->in || !nic->out)
		return "virt7's heap is too small for its buffers";
	for (uint32_t i = 0; i < nic->receive.size; i++) {
		describe_buffer(&nic->receive, i, nic_buffer(nic->in, i), VIRTQ_DESC_WRITE);
		hostq_put(&nic->receive, i);
	}
	for (uint32_t i = 0; i < nic->transmit.size; i++)
		describe_buffer(&nic->transmit, i, nic_buffer(nic->out, i), 0);
	nic->free = nic->transmit.size == 64U ? UINT64_MAX : BIT64(nic->transmit.size) - 1U;
	return NULL;
}

static const char *nic_make_queues(struct nic *nic)
{
	const char *wrong = hostq_open(&nic->v, &nic->receive, QUEUE_RECEIVE, NIC_BUFFERS);

	if (!wrong)
		wrong = hostq_open(&nic->v, &nic->transmit, QUEUE_TRANSMIT, NIC_BUFFERS);
	return wrong ? wrong : make_buffers(nic);
}

const char *nic_open(struct nic *nic)
{
	const char *wrong = hostvirtio_open(&nic->v, HOSTVIRTIO_NET, BIT64(F_MAC) | BIT64(F_STATUS));

	if (wrong)
		return wrong;
	if (!(nic->v.features & BIT64(F_MAC)))
		return "the card has no address of its own";
	if (nic->v.legacy && !(nic->v.features & BIT64(VIRTIO_F_ANY_LAYOUT)))
		return "a card of an older kind than virt7 drives"; /* header and frame in pieces of their own */
	nic->header_len = nic->v.legacy ? HEADER_BYTES_LEGACY : HEADER_BYTES;
	hostvirtio_config(&nic->v, 0, nic->mac, NIC_MAC_BYTES);
	wrong = nic_make_queues(nic);
	if (wrong) {
		nic_close(nic);
		return wrong;
	}
	hostq_interrupt(&nic->transmit, false);
	hostvirtio_start(&nic->v);
	hostq_notify(&nic->receive);
	return NULL;
}

void nic_close(struct nic *nic)
{
	hostvirtio_reset(&nic->v);
}

uint8_t *nic_room(struct nic *nic)
{
	uint32_t index, len;

	for (uint32_t n = 0; n < NIC_BUFFERS && hostq_take(&nic->transmit, &index, &len); n++)
		nic->free |= BIT64(index);
	if (!nic->free)
		return NULL;
	return nic_buffer(nic->out, lowest_bit64(nic->free)) + nic->header_len;
}

void nic_send(struct nic *nic, const uint8_t *room, uint32_t len)
{
	uint32_t index = (uint32_t)(room - nic->out) / BUFFER_BYTES;

	nic->free &= ~BIT64(index);
	nic->transmit.desc[index].len = nic->header_len + len; /* the header is zeroes: nothing is left to others */
	hostq_put(&nic->transmit, index);
	hostq_notify(&nic->transmit);
}

const uint8_t *nic_received(struct nic *nic, uint32_t *len)
{
	if (!hostq_take(&nic->receive, &nic->taken, len))
		return NULL;
	*len = *len > nic->header_len && *len <= BUFFER_BYTES ? *len - nic->header_len : 0;
	return nic_buffer(nic->in, nic->taken) + nic->header_len;
}

void nic_drop(struct nic *nic)
{
	hostq_put(&nic->receive, nic->taken);
	hostq_notify(&nic->receive);
}

bool nic_wait(struct nic *nic)
{
	return !hostq_interrupt(&nic->receive, true);
}

void nic_busy(struct nic *nic)
{
	hostq_interrupt(&nic->receive, false);
}

bool nic_acknowledge(struct nic *nic)
{
	return hostvirtio_acknowledge(&nic->v) & VIRTIO_INT_CONFIG;
}

bool nic_has_link(const struct nic *nic)
{
	uint16_t status = 0;

	if (!(nic->v.features & BIT64(F_STATUS)))
		return true;
	hostvirtio_config(&nic->v, CONFIG_STATUS, &status, sizeof(status));
	return status & S_LINK_UP;
}
