/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block device's insides: blk.c has its life and its requests, blk_host.c what becomes of them where its sectors are
 * on a disk of the host's (hyp/virtio/hostdisk.h).
 */
#ifndef HYP_VIRTIO_VBLK_H
#define HYP_VIRTIO_VBLK_H

#include "hyp/virtio/hostdisk.h"
#include "hyp/virtio/disk.h"
#include "hyp/virtio/virtio.h"

#define F_FLUSH 9U /* features: it may ask for what has been written to be kept */

#define T_IN           0U
#define T_OUT          1U
#define T_FLUSH        4U
#define T_GET_ID       8U
#define T_DISCARD      11U
#define T_WRITE_ZEROES 13U

#define S_OK     0U
#define S_IOERR  1U
#define S_UNSUPP 2U

/* The request of the chain that is being served; a new chain begins a new one. */
struct blk_request {
	uint32_t type;
	uint64_t at;   /* byte of the disk */
	uint64_t left; /* bytes */
	uint32_t done; /* that have been written for the driver */
	/* of a disk of the host's */
	uint32_t part;       /* bytes that it is asked for at once; */
	uint32_t part_moved; /* of those, that have been copied */
	bool part_begun;     /* it has been asked, */
	bool direct;         /* and moves the part from or to the guest's RAM itself, */
	uint32_t bad;        /* of which so many pages of the host's RAM were known to be bad; */
	bool copies;         /* this part is to be copied */
	bool flush;          /* it is to be flushed */
	bool gap;            /* between these and the status there is room that was not written */
	uint8_t status;
};

struct vblk {
	struct virtio_device virtio;
	/* of its node */
	const char *image, *serial;
	bool read_only;
	uint64_t cow, size;    /* bytes */
	const char *host_path; /* NULL: not on a disk of the host's */
	uint32_t partition;    /* of that; 0: not one of those */
	struct hostdisk_claim claim;
	struct hostdisk *host; /* NULL: in RAM, or an image; else of the other one only the size counts */
	struct hostdisk_user user;
	uint32_t pieces;               /* of the guest's RAM that its requests may have; 0: they are copied; */
	struct hostdisk_direct direct; /* the one under way in these */
	struct disk disk;
	bool full_said;
	struct blk_request request;
	struct virtio_state state; /* saved, from here on */
};

static inline struct vblk *vblk_of(struct virtio_device *v)
{
	return container_of(v, struct vblk, virtio);
}

/* In RAM alone. */
static inline bool vblk_is_blank(const struct vblk *b)
{
	return !b->disk.image && !b->host;
}

static inline void vblk_fail(struct blk_request *r)
{
	r->status = S_IOERR;
	r->left = 0;
	r->flush = false;
}

/* NULL; else what does not go together in its node. */
const char *vblk_check_host(const struct vblk *b);

/* Find its sectors on the host's disk. 0, or -EINVAL after a logged line. */
int vblk_open_host(struct vblk *b);

/* Does the request need the host's disk? */
static inline bool vblk_is_for_host(const struct blk_request *r)
{
	return r->flush || (r->left > 0 && (r->type == T_IN || r->type == T_OUT));
}

/* A part of such a request. VIRTIO_DONE: all of it is done, or it has failed. */
enum virtio_served vblk_serve_host(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step);

/*
 * The request that may be under way is dropped: the guest does not hear of it. One in the guest's RAM has been waited
 * for, or the VM crashes.
 */
void vblk_drop_host(struct vblk *b);

/* A request is under way in the guest's RAM, and has not been so for too long. Under the device's lock. */
bool vblk_must_wait(const struct vblk *b);

#endif
