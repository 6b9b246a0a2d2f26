/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks of the host's, which virt7 drives (hyp/host/diskdev.h) for several VMs at a time.
 *
 * A request goes through a slot, a few of which a disk has. It has 32 KiB of virt7's own memory there, or, where the
 * disk's driver can, pieces of a VM's RAM, without a copy. One in virt7's own memory, whose owner has gone meanwhile or
 * was reset, ends unheard. One in a VM's RAM is waited for before its owner goes, and its slot is free as soon as it
 * has ended; where it does not end in 5 s, no VM is given that RAM until it does (hyp/vm/lent.h), and all others go
 * through virt7's memory until then. As long as a request without an owner writes, no user with a claim to these
 * sectors gets a slot: a disk ends requests in any order, and what is old would replace what is new. Where the disk
 * does not answer for 5 s there is a line, and one for each such request, whose slot stays taken until the disk ends
 * it. A user that finds no slot free waits in a queue, in the order of coming; one owner has one slot at a time.
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
	uint64_t since; /* CNTPCT at which that was begun */
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

/* These sectors have no user any more, and no CPU is on its way to wake one. */
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

/* How many pieces a request may have in place of the slot's memory; 0: it has that. */
uint32_t hostdisk_pieces(const struct hostdisk *disk);

/* A request in pieces of RAM, each in one block of 2 MiB. It stays as it is until that has ended. */
struct hostdisk_direct {
	enum diskdev_type type;
	uint64_t sector;
	uint32_t len, count; /* bytes of all, pieces */
	struct pa_piece piece[DISKDEV_PIECES];
};

/*
 * Begin such a request, with a slot that the user has, or one that is free. When it has ended the slot is no longer the
 * user's, who calls hostdisk_done() then.
 */
enum hostdisk_begun {
	HOSTDISK_BEGUN,
	HOSTDISK_WAITS, /* no slot is free, as of hostdisk_ask() */
	HOSTDISK_COPIES /* not now: it has to go through the slot's memory */
} hostdisk_begin_direct(struct hostdisk *disk, struct hostdisk_user *user, const struct hostdisk_direct *direct);

static inline void hostdisk_done(struct hostdisk_user *user)
{
	user->ended = user->asks = false;
}

/* Its request has been under way for HOSTDISK_WAIT_S: it is waited for no longer. */
bool hostdisk_is_late(const struct hostdisk_user *user);

/*
 * Give the slot back, whatever it does, and wait for none; nothing to do for who has not asked. Then `wake` does not
 * come any more. True: its request is under way in pieces of RAM, which are lent from now on.
 */
bool hostdisk_leave(struct hostdisk *disk, struct hostdisk_user *user);

static inline bool hostdisk_give(struct hostdisk *disk, struct hostdisk_user *user)
{
	return user->asks && hostdisk_leave(disk, user);
}

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
