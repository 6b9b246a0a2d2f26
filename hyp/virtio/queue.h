/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A split queue (virtio 1.2, 2.7), as the device sees it. The guest's copies of indices are only read once or written;
 * what counts is here. Called under the device's lock.
 *
 * A ring in the host's memory that aborts breaks the queue, whatever it was accessed for: q->wrong says so. The faults
 * overwrite ELR and SPSR, which the caller keeps (struct fault_kept of <arm/copy.h>).
 */
#ifndef HYP_VIRTIO_QUEUE_H
#define HYP_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/vm/guestmem.h"

struct vm;

#define VIRTQ_SIZE_MAX    256U
#define VIRTQ_FETCH       16U /* descriptors of a table that are read at once */
#define VIRTQ_NO_REQUEST  0U
#define VIRTQ_STEP_BYTES  KIB(32)
#define VIRTQ_STEP_PIECES 32U

/*
 * What a step of a device's work may do, and the view of the guest's RAM that it has meanwhile. One that zeroes a part
 * of a block of RAM, which is touched for the first time, ends with that.
 */
struct virtq_step {
	struct guest_view *view;
	uint32_t bytes;  /* that may still be copied */
	uint32_t pieces; /* descriptors that may still be read, and pieces of RAM copied from or to */
};

struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* What has been read of a chain so far, and where to go on. */
struct virtq_walk {
	uint32_t count, readable; /* pieces */
	uint32_t in, out;         /* bytes that the device reads, that it writes */
	uint32_t next;            /* descriptor */
};

/* A chain of descriptors in virt7's own copy: first what the device reads, then what it writes. */
struct virtq_chain {
	bool begun, whole;
	uint16_t head;
	struct guest_cursor in;  /* what the driver has written, from the first byte that the backend has not taken */
	struct guest_cursor out; /* what the device shall write */
	uint32_t phase;          /* the backend's own; VIRTQ_NO_REQUEST in a new chain */

	struct virtq_walk walk;
	bool indirect;
	ipa_t table;
	uint32_t table_count;
	uint32_t fetched_from, fetched_count;
	struct virtq_desc fetched[VIRTQ_FETCH];
};

/* What the driver has set up, and how far the queue has come: plain data. */
struct virtq_state {
	uint64_t desc, avail, used; /* IPA */
	uint32_t size;              /* as written: checked when the queue becomes ready */
	uint32_t align, pfn;        /* version 1 */
	bool ready, event_idx, indirect;
	uint16_t avail_next; /* the next entry of the available ring */
	uint16_t used_next;
	uint16_t published; /* used index that the driver knows */
	uint16_t armed;     /* avail_event that the driver knows */
};

struct virtq {
	struct virtq_state *s;
	struct guest_map desc, avail, used;
	uint32_t max; /* entries */
	uint16_t avail_seen;
	struct virtq_chain chain;
	struct guest_piece *piece; /* `max` of them */
	const char *wrong;         /* why it is broken; NULL: it is not */
};

/*
 * Before virtq_map(), and without a lock: touch the RAM of the three areas, wherever that is, while others may have the
 * CPU. What is not touched cannot be mapped.
 */
void virtq_touch(const struct virtq_state *s, struct vm *vm);

/*
 * Check what the driver has set up, and map the three areas. NULL; or what is wrong, and nothing has happened. The
 * queue begins with its first entry (`resume`: goes on with what is in the state).
 */
const char *virtq_map(struct virtq *q, struct vm *vm, bool resume);
void virtq_unmap(struct virtq *q);

enum virtq_result {
	VIRTQ_EMPTY,
	VIRTQ_CHAIN,  /* q->chain */
	VIRTQ_PART,   /* the step has read all that it may; go on with the next one */
	VIRTQ_BROKEN, /* the driver must not do that: q->wrong */
};

/*
 * A look without a view, for a VM that is not uncached: the driver has made nothing, and will say so when it does.
 * False: virtq_take() finds out.
 */
bool virtq_is_idle(const struct virtq *q);

/* There are entries of the available ring that were seen and are not taken. */
static inline bool virtq_knows_more(const struct virtq *q)
{
	return q->avail_seen != q->s->avail_next;
}

/* Read the next chain, or the rest of it. */
enum virtq_result virtq_take(struct virtq *q, struct virtq_step *step);

/*
 * A backend asks before each copy. virtq_share(): how many of the next `len` bytes at the cursor, of which there are so
 * many, this step may copy. virtq_reserve(): all of them, a few that are wanted together and not counted as bytes, at
 * most VIRTQ_STEP_PIECES. 0 and false: VIRTIO_MORE, the step is over.
 */
uint32_t virtq_share(struct virtq_step *step, const struct guest_cursor *cursor, uint32_t len);
bool virtq_reserve(struct virtq_step *step, const struct guest_cursor *cursor, uint32_t len);

/*
 * virtq_reserve() and the place to copy from or to, of what one look finds, which moves the cursor
 * (guest_take_shown()). NULL, and nothing has happened: it has to be asked for and copied as above.
 */
static inline uint8_t *virtq_take_shown(struct virtq_step *step, struct guest_cursor *cursor, uint32_t len)
{
	uint8_t *shown = step->pieces > 0 ? guest_take_shown(step->view, cursor, len) : NULL;

	step->pieces -= shown != NULL;
	return shown;
}

/* The chain is done: `written` bytes of it have been written, from the first. */
void virtq_put(struct virtq *q, const struct virtq_step *step, uint32_t written);

/* Chains that have been put since, and are not published, are as if they had not been taken. */
void virtq_rewind(struct virtq *q, uint16_t avail_next, uint16_t used_next);

/* Show the driver what has been put since the last time. True: it wants an interrupt. */
bool virtq_publish(struct virtq *q, const struct virtq_step *step);

/* Ask for a notification of the next entry. True: there is one already. */
bool virtq_rearm(struct virtq *q, const struct virtq_step *step);

#endif
