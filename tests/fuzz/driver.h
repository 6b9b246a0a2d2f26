/* SPDX-License-Identifier: BSD-2-Clause */
/* What a driver of any device does, in the fuzz target (tests/fuzz/virtio.c): operations, and what they are made of. */
#ifndef FUZZ_DRIVER_H
#define FUZZ_DRIVER_H

#include "world.h"

extern const uint8_t *image_bytes; /* of the image that a disk has */
extern bool networks;              /* the devices are network cards */

/* Where a ring of the queue is, if the driver does it as others do: RIG_DESC, RIG_AVAIL or RIG_USED. */
uint64_t place_of(uint32_t q, uint64_t ring);

/* A queue of the device; where there are several, the next byte says which. */
uint32_t take_queue(uint32_t device);
uint64_t take_address(void);
uint32_t take_length(void);

void put_desc(uint64_t table, uint32_t index, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next);

/* Where the driver has put the ring, or where it would have. */
void offer_to(uint32_t n, uint32_t head, uint32_t count);
void kick(uint32_t vcpu, uint32_t q);

/* Operations. */
void do_write(void);
void do_write_small(void);
void do_access_any(void);
void do_ram(void);
void do_desc(void);
void do_offer(void);
void do_kick(void);
void do_work(void);
void do_drain(void);
void do_reset(void);
void do_reset_vm(void);
void do_save(void);
void do_restore(void);
void do_start(void);
void do_race(void);
void do_trouble(void);
void do_long_chain(void);
void do_place(void);

/* Of a new VM. */
void forget_saved(void);

#endif
