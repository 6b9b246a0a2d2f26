/* SPDX-License-Identifier: BSD-2-Clause */
/* See rngdev.h. */
#include "hyp/host/rngdev.h"

#include <string.h>

#include "hyp/host/virtio.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/virtio_regs.h"
#include "mm/page.h"

#define QUEUE_SIZE  8U
#define READY_POLLS 1000000U

/* The first transport with such a device in it. */
static bool find_rng(const struct host *host, struct hostvirtio *v)
{
	for (unsigned int i = 0; i < host->virtio_count; i++)
		if (hostvirtio_is_at(v, host->virtio[i], HOSTVIRTIO_RNG))
			return true;
	return false;
}

static uint32_t poll_answer(struct hostq *q, uint32_t size)
{
	uint32_t desc, len;

	for (uint32_t n = 0; n < READY_POLLS; n++)
		if (hostq_take(q, &desc, &len))
			return MIN(len, size);
	return 0;
}

/* One buffer; a device that is silent is reset before its memory is another's. */
static uint32_t ask_random(struct hostvirtio *v, uint32_t *words, uint32_t size)
{
	uint8_t *buffer = page_alloc(0);
	uint32_t len = 0;
	struct hostq q;

	if (!buffer)
		return 0;
	if (!hostq_open(v, &q, 0, QUEUE_SIZE)) {
		hostvirtio_start(v);
		q.desc[0] = (struct hostq_desc){.addr = page_pa(buffer).v, .len = size, .flags = VIRTQ_DESC_WRITE};
		hostq_interrupt(&q, false);
		hostq_put(&q, 0);
		hostq_notify(&q);
		len = poll_answer(&q, size);
		if (!hostvirtio_reset(v))
			return 0; /* and keeps what it has */
		hostq_close(&q);
	}
	memcpy(words, buffer, len);
	explicit_bzero(buffer, PAGE_SIZE);
	page_free(buffer, 0);
	return len;
}

uint32_t rngdev_read(const struct host *host, uint32_t *words, uint32_t count)
{
	struct hostvirtio v = {0};

	if (!find_rng(host, &v) || hostvirtio_open(&v, HOSTVIRTIO_RNG, 0))
		return 0;
	return ask_random(&v, words, count * (uint32_t)sizeof(*words)) / (uint32_t)sizeof(*words);
}
