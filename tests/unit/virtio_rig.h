/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver of one virtio device under the host build: registers through the bus of the VM, one queue in the fake guest
 * RAM. Addresses are IPA.
 */
#ifndef VIRTIO_RIG_H
#define VIRTIO_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "fake_virtio.h"
#include "hyp/virtio/virtio.h"
#include "hyp/vm/vm.h"

#define RIG_DESC  (MACHINE_RAM_BASE + 0x1000U)
#define RIG_AVAIL (MACHINE_RAM_BASE + 0x3000U)
#define RIG_USED  (MACHINE_RAM_BASE + 0x4000U)
#define RIG_DATA  (MACHINE_RAM_BASE + 0x10000U)

extern struct vm rig_vm;
extern struct vcpu rig_vcpu[2];
extern bool rig_shown; /* views show all of guest RAM (struct fake_virtio) */
extern bool rig_line[MACHINE_VIRTIO_COUNT];
extern uint32_t rig_edges; /* rises of all lines */

/* A VM of two vCPUs with its slots and a device of `class`, which comes from a node called `name`, in a quiet world. */
struct virtio_device *rig_begin(const struct device_class *class, const char *name);
/* The VM alone, in the world as it is. */
void rig_make_vm(void);
struct virtio_device *rig_add(const struct device_class *class, const char *name);
void rig_end(void);

/* A register of slot 0, by a word or by `size` bytes. */
uint32_t rig_read(uint32_t reg);
void rig_write(uint32_t reg, uint32_t value);
uint32_t rig_read_size(uint32_t slot, uint32_t reg, uint32_t size);
void rig_write_size(uint32_t slot, uint32_t reg, uint32_t value, uint32_t size);

/* Accept `features` and make queue `queue` of `size` entries ready, by version 2. */
void rig_start(uint64_t features, uint32_t queue, uint32_t size);

/* Descriptor `index` of the queue. */
void rig_desc(uint32_t index, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next);
void rig_desc_at(uint64_t table, uint32_t index, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next);

/* Put a head into the available ring. */
void rig_offer(uint32_t head);

/*
 * Copies of a step: one for each piece of RAM or fetch of a table, which are counted as pieces, and where data is cut
 * at a disk's pages.
 */
#define RIG_COPIES_MAX (VIRTQ_STEP_PIECES + VIRTQ_STEP_BYTES / 4096U + 1U)

/* One step of the vCPU's work, which zeroes a part of one block of RAM at most; fake_virtio says what else it did. */
void rig_step(void);

/* Notify a queue, of slot 0; the number of steps, 0 or 1, that this was. */
uint32_t rig_notify(uint32_t queue);

/* Notify queue 0 and do all of the vCPU's work; the number of steps. */
uint32_t rig_kick(void);
uint32_t rig_work(void);

uint16_t rig_used_index(void);
/* The entry of the used ring. */
uint32_t rig_used_id(uint32_t entry);
uint32_t rig_used_len(uint32_t entry);
uint16_t rig_get16(uint64_t at);
void rig_set16(uint64_t at, uint16_t value);

#endif
