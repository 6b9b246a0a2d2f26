/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a block device reads and writes: an image of the bundle, an image under pages of RAM that have been written
 * since (copy-on-write), or zeroes under such pages (a blank disk). RAM is taken when the disk is made, so that a write
 * cannot fail for want of it but by the disk's own budget; it stays until the VM is destroyed, and is scrubbed then.
 */
#ifndef HYP_VIRTIO_DISK_H
#define HYP_VIRTIO_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/vm/guestmem.h"

#define DISK_SECTOR     512U
#define DISK_PIECES_MAX 8U

struct disk {
	uint64_t size;        /* bytes, whole sectors */
	const uint8_t *image; /* NULL: zeroes */
	uint64_t image_size;
	uint32_t *page;       /* by 4 KiB of the disk: 0, as in the image; else the number of its page of RAM, from 1 */
	uint32_t pages;       /* so many are in that table */
	uint32_t used, limit; /* pages of RAM */
	uint32_t bad_seen;    /* of all bad pages, so many were known when `has_bad` was found out */
	bool has_bad;         /* some of them are of the disk's RAM */
	uint32_t pieces;
	struct {
		uint64_t pa, size;
	} piece[DISK_PIECES_MAX]; /* of RAM */
};

/*
 * `image` may be NULL, and `size` is the disk's then. `ram` bytes of RAM for what is written; 0: nothing can be. 0;
 * -ENOMEM: the heap is empty; -ENOSPC: the host has not so much RAM free.
 */
int disk_make(struct disk *disk, const uint8_t *image, uint64_t size, uint64_t ram);
void disk_free(struct disk *disk);

/*
 * Copy `len` bytes at byte `at` of the disk, which has them, to or from guest RAM. 0; -ENOSPC: what may be written is
 * used up; -EIO: a bad page, here or there; or as guest_copy_in(). After an error a part may have been copied. A page
 * of the disk has all of a write's bytes or none, where it had not been written before.
 */
int disk_read(struct disk *disk, uint64_t at, struct guest_view *view, struct guest_cursor *to, uint32_t len);
int disk_write(struct disk *disk, uint64_t at, struct guest_view *view, struct guest_cursor *from, uint32_t len);

/*
 * HYP's address of `len` bytes at byte `at` of the disk, which has them, where they are in one place and good: to read;
 * to write, in a page that has been written before. NULL: it is not so. Good until another page of a disk is shown
 * here.
 */
const uint8_t *disk_shown(struct disk *disk, uint64_t at, uint32_t len);
uint8_t *disk_place(struct disk *disk, uint64_t at, uint32_t len);

/* Whether the page is of the disk's RAM. */
bool disk_owns(const struct disk *disk, pa_t page);

/* Zeroes, of a disk without an image. */
int disk_zero(struct disk *disk, uint64_t at, uint32_t len);

#endif
