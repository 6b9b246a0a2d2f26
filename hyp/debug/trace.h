/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace: what each CPU did last, in a ring of its own that no other CPU writes. While it is off it costs nothing:
 * it is a second table of vectors.
 */
#ifndef HYP_DEBUG_TRACE_H
#define HYP_DEBUG_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_RECORDS 4096U /* of each CPU, a power of two */

enum trace_what {
	TRACE_TRAP,   /* data: HSR */
	TRACE_IRQ,    /* an interrupt took the CPU from the guest */
	TRACE_ENTER,  /* back into the guest */
	TRACE_INJECT, /* data: the interrupt's ID, put into a list register on the way */

	/* Of the virtio device in slot `device`: what its driver has written, */
	TRACE_VIRTIO_KICK,  /* data: queue */
	TRACE_VIRTIO_RESET, /* data: 0 */
	/* and what the device has done since the last record of it, whichever CPU did it. */
	TRACE_VIRTIO_DONE,  /* data: requests */
	TRACE_VIRTIO_BYTES, /* data: bytes */
	TRACE_VIRTIO_IRQ,   /* data: interrupts */
};

struct trace_record {
	uint64_t time; /* CNTPCT */
	uint8_t what, vm, vcpu, device;
	uint32_t data;
};

/*
 * On or off, on all CPUs; returns at once, trace_settled() says when they all have followed. The first time it takes
 * memory: -ENOMEM. What is in the rings stays.
 */
int trace_switch(bool on);
bool trace_settled(void);
bool trace_is_on(void);

/* Records that CPU `cpu` has written since boot; the last TRACE_RECORDS are there, by that count. Only while off. */
uint32_t trace_count(uint32_t cpu);
const struct trace_record *trace_at(uint32_t cpu, uint32_t index);

#endif
