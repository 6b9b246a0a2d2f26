/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio's rows of the bench guest: a disk in slot 0, other devices in the others. */
#ifndef BENCH_BLK_H
#define BENCH_BLK_H

#include <stdbool.h>
#include <stdint.h>

/* False: slot 0 has no disk of version 2. */
bool blk_init(uint32_t buffer);

/*
 * Rows. A read is a whole request of a driver's: the ring filled, a kick, the interrupt acknowledged at the GIC and at
 * the device. Those whose name ends in "own" do the same but to RAM: what is left of the others is the hypervisor's.
 */
void row_virtio_kick(uint32_t rounds);
void row_virtio_4k(uint32_t rounds);
void row_virtio_4k_own(uint32_t rounds);
void row_virtio_1m(uint32_t rounds);
void row_virtio_1m_own(uint32_t rounds);

#endif
