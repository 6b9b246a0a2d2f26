/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Early word of memory errors (`memory-errors = "early"`): a page of the VM's RAM, its last one, in which virt7 writes
 * a record for each bad page, and an interrupt behind it. A public contract: docs/memory-errors.md.
 */
#ifndef HYP_VDEV_VMEMERR_H
#define HYP_VDEV_VMEMERR_H

#include <stdint.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"

#define VMEMERR_VERSION  1U
#define VMEMERR_CAPACITY 126U
#define VMEMERR_LOST     1U /* what the page held is gone */
#define VMEMERR_ASYNC    BIT(0)

/* Little-endian. Record n, from 0, is in slot n % capacity, and complete once `written` is greater than n. */
struct vmemerr_header {
	uint32_t version, record_size, capacity;
	uint32_t written; /* records since the VM's start, modulo 2^32 */
	uint32_t zero[4];
};

struct vmemerr_record {
	uint64_t ipa;
	uint32_t size; /* bytes */
	uint32_t severity;
	uint32_t count; /* of errors so far, this one included */
	uint32_t flags;
	uint64_t zero;
};

#endif
