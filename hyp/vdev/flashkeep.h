/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bank of flash whose content is on a disk of the host's (hyp/virtio/hostdisk.h): read when the VM is made, and
 * written as the guest's commands change it. The store that ends such a command takes until the disk has all of it, so
 * that a guest never believes anything done that would be gone without power, and one command's data is there before
 * the next one begins. Others have the CPU meanwhile. Bytes behind the disk's end are as erased, and locked.
 */
#ifndef HYP_VDEV_FLASHKEEP_H
#define HYP_VDEV_FLASHKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include <arm/spinlock.h>

#include "hyp/vdev/flashbank.h"
#include "hyp/virtio/hostdisk.h"

struct flash_keep {
	/* of the node */
	const char *path; /* NULL: the bank is in RAM alone, and all else is zero */
	uint32_t partition;
	struct hostdisk_claim claim;
	struct hostdisk *disk;
	uint8_t *buffer;
	uint32_t size; /* bytes of the bank that are on the disk */
	/* under the flash's lock */
	bool saving;
	uint32_t from, to; /* bytes of the bank that the disk has not; none: 0, 0 */
};

/*
 * Find the disk, and claim its sectors for claim->vm and claim->device. NULL; else what is wrong, or whose it is
 * (*other). On the boot CPU.
 */
const char *flash_keep_open(struct flash_keep *keep, const struct hostdisk_claim **other);
void flash_keep_close(struct flash_keep *keep);

/* What the disk has, into the bank, which is as erased. 0 or the error. */
int flash_keep_load(struct flash_keep *keep, struct flash_bank *bank);

/* The bank's bytes from `offset` on have changed, or may have. Under the lock. */
void flash_keep_mark(struct flash_keep *keep, uint32_t offset, uint32_t len);

/* Write all that is marked, and wait. 0; else the error, and it stays marked. Without the lock, which is the flash's.
 */
int flash_keep_save(struct flash_keep *keep, const struct flash_bank *bank, struct spinlock *lock);

static inline bool flash_keep_lacks(const struct flash_keep *keep)
{
	return keep->to > 0;
}

#endif
