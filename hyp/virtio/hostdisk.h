/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks of the host's, which virt7 drives (hyp/host/diskdev.h) for several VMs at a time.
 *
 * A request goes through a slot: 32 KiB of virt7's own memory, a few of which a disk has. So a request whose owner has
 * gone meanwhile, or was reset, ends unheard, and no device ever writes into memory that has changed hands. As long as
 * such a request writes, no user with a claim to these sectors gets a slot: a disk ends requests in any order, and
 * what is old would replace what is new. Where the disk does not answer for 5 s there is a line, and one for each such
 * request, whose slot stays taken until the disk ends it. A user that finds no slot free waits in a queue, in the order
 * of coming; one owner has one slot at a time.
 */
#ifndef HYP_VIRTIO_HOSTDISK_H
#define HYP_VIRTIO_HOSTDISK_H

#include "hyp/host/diskdev.h"
#include "hyp/lib/list.h"

#include <arm/spinlock.h>

struct hostdisk;

/* Sectors that a user has a claim to. */
struct hostdisk_claim {
	uint64_t first, count;
	bool read_only;
	const char *vm, *device; /* for people */
	struct hostdisk_claim *next;
};

/* A user, with requests. There may be any number of users. */
struct hostdisk_user {
	/* What it waits for has come. Under the disk's lock, from any context. */
	void (*wake)(struct hostdisk_user *user);
	const struct hostdisk_claim *claim; /* where its requests are; NULL: it reads, and anywhere */
	bool asks;                          /* its own: from hostdisk_take() to hostdisk_give() */
	/* written under the disk's lock */
	struct list node;
	bool waits;    /* for a slot */
	uint32_t slot; /* which it has, */
	uint8_t *data; /* and its memory; NULL: none */
	bool ended;    /* its request */
	bool failed;
};

/* Where hostdisk_open() looks. Once. */
void hostdisk_init(const struct host *host);

/*
 * The disk at `path` of the host's tree, or the one that is open already. NULL, and *disk; else what is wrong, in words
 * for people. On the boot CPU.
 */
const char *hostdisk_open(const char *path, struct hostdisk **disk);

/*
 * From now on these sectors have a user. NULL; else who has some of them already, unless both only read, and nothing
 * has happened. On the boot CPU.
 */
const struct hostdisk_claim *hostdisk_claim(struct hostdisk *disk, struct hostdisk_claim *claim);
void hostdisk_unclaim(struct hostdisk *disk, struct hostdisk_claim *claim);

uint64_t hostdisk_sectors(const struct hostdisk *disk);
bool hostdisk_is_read_only(const struct hostdisk *disk);
bool hostdisk_can_flush(const struct hostdisk *disk); /* else there is nothing to flush */

/*
 * The user's slot, DISKDEV_BYTES of memory; NULL: none is free, and `wake` comes when there is one. A slot is its
 * user's until it is given back, so that no lock is needed to see it: hostdisk_ask() is for who has none.
 */
uint8_t *hostdisk_ask(struct hostdisk *disk, struct hostdisk_user *user);

static inline uint8_t *hostdisk_take(struct hostdisk *disk, struct hostdisk_user *user)
{
	uint8_t *data = __atomic_load_n(&user->data, __ATOMIC_RELAXED); /* what is done there depends on it */

	return data ? data : hostdisk_ask(disk, user);
}

/* Begin a request with the user's slot, from `sector` on, of which `len` bytes, a multiple of the sector, are moved. */
void hostdisk_begin(struct hostdisk *disk, struct hostdisk_user *user, enum diskdev_type type, uint64_t sector,
		    uint32_t len);

/* Give the slot back, whatever it does, and wait for none; nothing to do for who has not asked. Then `wake` does not
 * come any more. */
void hostdisk_give(struct hostdisk *disk, struct hostdisk_user *user);

/* Has the request ended? *failed: in vain. */
static inline bool hostdisk_ended(const struct hostdisk_user *user, bool *failed)
{
	bool ended = __atomic_load_n(&user->ended, __ATOMIC_ACQUIRE);

	*failed = user->failed;
	return ended;
}

/*
 * A request, and wait until it has ended, while others may have the CPU (sched_preempt()), for HOSTDISK_WAIT_S at most.
 * Its data is `len` bytes at `data`, DISKDEV_BYTES at most. Those of one `claim` (struct hostdisk_user) are one at a
 * time. 0; -EIO; -ETIMEDOUT, and its end is told no more.
 */
#define HOSTDISK_WAIT_S 5U
int hostdisk_move(struct hostdisk *disk, const struct hostdisk_claim *claim, enum diskdev_type type, uint64_t sector,
		  void *data, uint32_t len);

/* One sector, read so, but for a second at most. On the boot CPU, for those who find out what is on it. */
int hostdisk_read_sector(struct hostdisk *disk, uint64_t sector, uint8_t *to);

#endif
