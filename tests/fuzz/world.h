/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world of the fuzz target (tests/fuzz/virtio.c): a VM of two vCPUs with two virtio devices, guest RAM with a
 * shadow of what may be there, what is known of the queues by what the driver has done, and what must hold after each
 * step.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hyp/virtio/vnet.h"
#include "virtio_rig.h"

#define DEVICES       2U
#define QUEUES        (DEVICES * VIRTIO_QUEUES_MAX)
#define SCRATCH       (RIG_DATA - 0x1000U) /* headers, status bytes, indirect tables */
#define QUEUE_ENTRIES 256U
#define REQUEST_BYTES 16U

/* What is known of a queue by what the driver has done, and not by what the device says. */
struct model {
	bool broken;
	uint32_t taken, permitted; /* entries since the queue is ready: taken by the device, made by the driver */
};

/* Of a step, in copies of guest RAM and bytes of them. */
struct step_limits {
	uint32_t copies, bytes;
};

/* What the other vCPU does in the middle of a step. */
struct race {
	uint32_t after; /* copies; 0: none */
	uint32_t offset, value;
	bool kicks;
};

extern const uint8_t *input, *input_end;
extern struct virtio_device *devices[DEVICES];
extern uint32_t queues; /* that there are, of both devices: the first one's, then the other one's */
extern struct model models[QUEUES];
extern uint8_t shadow[];
extern uint32_t vm_lives; /* resets of the VM, and its beginning */
extern const struct step_limits *limits;
extern struct race race;

void check(bool fine, const char *what);

/* The next bytes of the input. */
uint32_t take(uint32_t bytes);

/* Queues by number. */
uint32_t device_of(uint32_t q);
uint32_t index_of(uint32_t q);
uint32_t first_queue(uint32_t device);
uint32_t last_queue(uint32_t device);
struct virtq_state *queue_of(uint32_t q);

uint32_t status_of(const struct virtio_device *v);

/* The driver's own writes: RAM and its shadow. */
void poke(uint64_t ipa, const void *from, uint32_t len);
void poke16(uint64_t ipa, uint32_t value);
uint16_t peek16(uint64_t ipa);

void access_slot(uint32_t vcpu, uint32_t slot, uint32_t reg, uint32_t size, bool write, uint32_t value);
void write_word(uint32_t slot, uint32_t reg, uint32_t value);

/* Of struct fake_virtio. */
void watch_copy(uint64_t ipa, const void *from, size_t len);
void race_copy(void);

/* One step of a vCPU's work, as on its way back into the guest. False: it has none. */
bool run_step(uint32_t vcpu);

/* After each operation; at the end; behind a reset of the device. */
void check_world(void);
void check_ram(void);
void check_reset(uint32_t device);

/* A queue of the device may have been made ready. */
void follow_queues(uint32_t device);

#endif
