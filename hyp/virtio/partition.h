/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a partition of a disk lies: MBR with its extended partitions, or GPT (UEFI 2.10, chapter 5). */
#ifndef HYP_VIRTIO_PARTITION_H
#define HYP_VIRTIO_PARTITION_H

#include "hyp/virtio/hostdisk.h"

/*
 * Partition `number` of the disk, as Linux counts them: from 1, and those in an MBR's extended one from 5. NULL, and
 * where it is, which is on the disk; else what is wrong, in words for people. On the boot CPU.
 */
const char *partition_find(struct hostdisk *disk, uint32_t number, uint64_t *first, uint64_t *count);

/*
 * The sectors that a node says: of the partition of that number; 0: claim->first and count; of count 0, the whole disk.
 * NULL, and they are in the claim and on the disk; else what is wrong, for people. On the boot CPU.
 */
const char *partition_place(struct hostdisk *disk, uint32_t number, struct hostdisk_claim *claim);

/* A property <FIRST COUNT> of one cell or of two each, not empty, to the claim. NULL, or what is wrong. */
const char *partition_parse_range(const void *fdt, int node, const char *name, struct hostdisk_claim *claim);

#endif
