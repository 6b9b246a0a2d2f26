/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk of the host's (hyp/virtio/hostdisk.h) in memory, whose requests end when a test says so. */
#ifndef FAKE_HOSTDISK_H
#define FAKE_HOSTDISK_H

#include "hyp/virtio/hostdisk.h"

#define FAKE_DISK_SECTORS 4096U

struct fake_hostdisk {
	uint8_t data[FAKE_DISK_SECTORS * DISKDEV_SECTOR];
	uint64_t sectors;
	bool read_only, can_flush;
	const char *wrong;          /* with opening it */
	bool full;                  /* no slot is free */
	int read_error;             /* of hostdisk_read_sector() */
	uint32_t reads;             /* of that */
	int move_error;             /* of hostdisk_move() */
	uint32_t moves, flushes;    /* of that */
	uint32_t taken;             /* slots that users have */
	uint32_t begun;             /* requests so far */
	struct hostdisk_user *user; /* whose request is under way; NULL: none is */
	enum diskdev_type type;
	uint64_t sector;
	uint32_t len;
	uint8_t slot[DISKDEV_BYTES];
	uint32_t pieces;                      /* that a request may have */
	bool copies;                          /* not now */
	bool late;                            /* the one under way */
	uint32_t lent;                        /* requests that were left in RAM */
	const struct hostdisk_direct *direct; /* of the one under way; NULL: it is in the slot */
	uint8_t *(*at_pa)(pa_t at);           /* what RAM there is for those */
	const struct hostdisk_claim *other;   /* who has some of the sectors already */
	uint32_t claims;
};

extern struct fake_hostdisk fake_hostdisk;

void fake_hostdisk_reset(void);

/* The request that is under way ends, well or not, and its user is woken. */
void fake_hostdisk_end(bool failed);

/* There is a slot for the one who waits. */
void fake_hostdisk_free(struct hostdisk_user *user);

#endif
