/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What hostile drivers of virtio have in common: chains that no device may follow, addresses where there is no RAM,
 * guards beside what a device may write, other vCPUs that are at it meanwhile. For a VM of 64 MiB.
 */
#ifndef GUEST_HOSTILE_H
#define GUEST_HOSTILE_H

#include "tests/guests/lib/virtio.h"

#define HOSTILE_RAM_END UINT64_C(0x44000000)

#define BAD_CHAINS 20U
#define BAD_TABLE  (VQ_SIZE + 1U) /* descriptors */
#define NOWHERES   14U

/* Addresses that are not in RAM, or from which on 512 bytes are not. */
extern const uint64_t nowhere[NOWHERES];

struct guard {
	uint32_t word[1024];
};

void guard_set(struct guard *guard);

/* How many words of it have been written. */
uint32_t guard_wrong(const struct guard *guard);

uint32_t next_random(uint32_t *seed);

/*
 * Offer a chain of that number (0 to BAD_CHAINS - 1) on a queue that is as after its reset, made of descriptors of the
 * queue's and of `table`, an indirect one with BAD_TABLE of them; `data` is RAM. Without a notification. Its name.
 */
const char *bad_chain_offer(uint32_t chain, struct vq *q, struct vq_desc *table, const void *data);

/* Run fn(number of the vCPU) on all other vCPUs; it ends when others_stop is set, which others_end() does. */
extern volatile bool others_stop;
void others_begin(void (*fn)(void *arg));
void others_end(void);

#endif
