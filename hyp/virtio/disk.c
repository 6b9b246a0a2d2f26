/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks in RAM and in the bundle (hyp/virtio/disk.h). Compiled for speed. */
#include <errno.h>

#include <arm/copy.h>
#include <arm/nospec.h>

#include "hyp/lib/bits.h"
#include "hyp/virtio/disk.h"
#include "hyp/vm/scrub.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"
#include "mm/page.h"
#include "mm/ram.h"

static uint8_t zeroes[PAGE_SIZE]; /* never written */

static size_t table_size(const struct disk *disk)
{
	return disk->pages * sizeof(*disk->page);
}

static int disk_take_ram(struct disk *disk, uint64_t size)
{
	while (size > 0) {
		pa_t base = pa(0);
		uint64_t got = disk->pieces < DISK_PIECES_MAX ? ram_take(size, false, &base) : 0;

		if (got == 0)
			return -ENOSPC;
		disk->piece[disk->pieces].pa = base.v;
		disk->piece[disk->pieces++].size = got;
		ram_use.disks += got;
		size -= got;
	}
	return 0;
}

int disk_make(struct disk *disk, const uint8_t *image, uint64_t size, uint64_t ram)
{
	int ret;

	*disk = (struct disk){.size = align_up(size, DISK_SECTOR), .image = image, .image_size = image ? size : 0};
	if (ram == 0)
		return 0;
	disk->pages = (uint32_t)(align_up(disk->size, PAGE_SIZE) / PAGE_SIZE);
	disk->limit = (uint32_t)(ram / PAGE_SIZE);
	disk->page = page_alloc(page_order(table_size(disk)));
	if (!disk->page)
		return -ENOMEM;
	ret = disk_take_ram(disk, align_up(ram, BLOCK_SIZE));
	if (ret)
		disk_free(disk);
	return ret;
}

/* Only pages that have been used hold something: they are the first ones, and one more where a first write failed. */
static void scrub_piece(const struct disk *disk, uint32_t piece, uint64_t used)
{
	for (uint64_t at = 0; at < MIN(used, disk->piece[piece].size); at += BLOCK_SIZE)
		vm_scrub_block(pa(disk->piece[piece].pa + at));
}

void disk_free(struct disk *disk)
{
	uint64_t used = (uint64_t)MIN(disk->used + 1U, disk->limit) * PAGE_SIZE;

	for (uint32_t i = 0; i < disk->pieces; i++) {
		scrub_piece(disk, i, used);
		used -= MIN(used, disk->piece[i].size);
		ram_release(pa(disk->piece[i].pa), disk->piece[i].size);
		ram_use.disks -= disk->piece[i].size;
	}
	if (disk->page)
		page_free(disk->page, page_order(table_size(disk)));
	*disk = (struct disk){0};
}

bool disk_owns(const struct disk *disk, pa_t page)
{
	for (uint32_t i = 0; i < disk->pieces; i++)
		if (page.v - disk->piece[i].pa < disk->piece[i].size)
			return true;
	return false;
}

/* The address of a page of RAM, numbered from 0, which exists. */
static uint64_t page_address(const struct disk *disk, uint32_t page)
{
	uint64_t offset = (uint64_t)page * PAGE_SIZE;
	uint32_t i = 0;

	while (offset >= disk->piece[i].size)
		offset -= disk->piece[i++].size;
	return disk->piece[i].pa + offset;
}

/* More bad pages are known than before. */
static void look_for_bad(struct disk *disk)
{
	disk->bad_seen = badpage_count();
	disk->has_bad = false;
	for (uint32_t i = 0; i < disk->pieces; i++) {
		uint32_t next = 0;

		disk->has_bad |= badpage_next(pa(disk->piece[i].pa), disk->piece[i].size, &next) != NULL;
	}
}

/* The list of bad pages may be long, and few disks have any: those that have none pay for it once. */
static bool is_bad(struct disk *disk, uint64_t at)
{
	if (unlikely(disk->bad_seen != badpage_count()))
		look_for_bad(disk);
	return unlikely(disk->has_bad) && badpage_is(pa(at));
}

/* Show it. NULL: it is bad. */
static uint8_t *disk_show_page(struct disk *disk, uint32_t page)
{
	uint64_t at = page_address(disk, page);

	if (unlikely(is_bad(disk, at)))
		return NULL;
	return hyp_window_show(HYP_WINDOW_DISK, pa(at)) + (at & (BLOCK_SIZE - 1U));
}

/* The number, from 1, of the page of RAM that stands for the disk's page with `at`; 0: none does. */
static inline uint32_t disk_page_at(const struct disk *disk, uint64_t at)
{
	return disk->page ? disk->page[index_nospec((uint32_t)(at / PAGE_SIZE), disk->pages)] : 0;
}

/* Byte `at` of the disk, in the page of RAM that stands for its page, disk_page_at(), and is shown now. NULL: it is
 * bad. */
static uint8_t *show_written(struct disk *disk, uint64_t at, uint32_t page)
{
	uint8_t *shown = disk_show_page(disk, page - 1U);

	return shown ? shown + (at & (PAGE_SIZE - 1U)) : NULL;
}

/* What the image has at `at`, and at most `len` of how much that is, behind its end zeroes. */
static const uint8_t *image_at(const struct disk *disk, uint64_t at, uint32_t *len)
{
	if (at < disk->image_size) {
		*len = (uint32_t)MIN(*len, disk->image_size - at);
		return disk->image + at;
	}
	*len = MIN(*len, PAGE_SIZE);
	return zeroes;
}

/* How many of `len` bytes are in one page of the disk. */
static uint32_t in_page(uint64_t at, uint32_t len)
{
	return MIN(len, PAGE_SIZE - ((uint32_t)at & (PAGE_SIZE - 1U)));
}

/* Byte `at` of the disk, and how many of *len are in one place there. NULL: the page is bad. */
static const uint8_t *data_at(struct disk *disk, uint64_t at, uint32_t *len)
{
	uint32_t page = disk_page_at(disk, at);

	if (disk->page)
		*len = in_page(at, *len);
	return page ? show_written(disk, at, page) : image_at(disk, at, len);
}

const uint8_t *disk_shown(struct disk *disk, uint64_t at, uint32_t len)
{
	uint32_t here = len;
	const uint8_t *from = data_at(disk, at, &here);

	return here == len ? from : NULL;
}

uint8_t *disk_place(struct disk *disk, uint64_t at, uint32_t len)
{
	uint32_t page = disk_page_at(disk, at);

	return page && in_page(at, len) == len ? show_written(disk, at, page) : NULL;
}

int disk_read(struct disk *disk, uint64_t at, struct guest_view *view, struct guest_cursor *to, uint32_t len)
{
	int ret = 0;

	while (!ret && len > 0) {
		uint32_t n = len;
		const uint8_t *from = data_at(disk, at, &n);

		ret = from ? guest_scatter(view, to, from, n) : -EIO;
		at += n;
		len -= n;
	}
	return ret;
}

/* The page of the disk that holds `at` as it is, where nothing has been written. */
static int fill_page(const struct disk *disk, uint64_t at, uint8_t *to)
{
	int ret = 0;

	at = align_down(at, PAGE_SIZE);
	for (uint32_t done = 0, n; !ret && done < PAGE_SIZE; done += n) {
		const uint8_t *from;

		n = PAGE_SIZE - done;
		from = image_at(disk, at + done, &n);
		ret = copy_checked(to + done, from, n);
	}
	return ret;
}

/* A first write: the page counts once all of it is there, or what was in that RAM before would be to be read. */
static int write_new(struct disk *disk, uint64_t at, struct guest_view *view, struct guest_cursor *from, uint32_t len)
{
	uint8_t *to = NULL;
	int ret = 0;

	while (disk->used < disk->limit && (to = disk_show_page(disk, disk->used)) == NULL)
		disk->used++; /* a bad one stays counted as used */
	if (!to)
		return -ENOSPC;
	if (len < PAGE_SIZE)
		ret = fill_page(disk, at, to);
	if (!ret)
		ret = guest_gather(view, from, to + (at & (PAGE_SIZE - 1U)), len);
	if (!ret)
		disk->page[at / PAGE_SIZE] = ++disk->used;
	return ret;
}

/* What is lost is written anew by who writes all of the page, into another one, as a drive would do it. */
static int write_old(struct disk *disk, uint64_t at, struct guest_view *view, struct guest_cursor *from, uint32_t len)
{
	uint8_t *to = show_written(disk, at, disk_page_at(disk, at));

	if (!to)
		return len == PAGE_SIZE ? write_new(disk, at, view, from, len) : -EIO;
	return guest_gather(view, from, to, len);
}

int disk_write(struct disk *disk, uint64_t at, struct guest_view *view, struct guest_cursor *from, uint32_t len)
{
	int ret = disk->page ? 0 : -ENOSPC;

	while (!ret && len > 0) {
		uint32_t n = in_page(at, len);

		if (disk_page_at(disk, at))
			ret = write_old(disk, at, view, from, n);
		else
			ret = write_new(disk, at, view, from, n);
		at += n;
		len -= n;
	}
	return ret;
}

static int zero_page(struct disk *disk, uint64_t at, uint32_t len)
{
	uint8_t *to = show_written(disk, at, disk_page_at(disk, at));

	if (!to && len < PAGE_SIZE)
		return -EIO;
	if (!to) {
		disk->page[at / PAGE_SIZE] = 0; /* a disk without an image reads as zeroes there */
		return 0;
	}
	return copy_checked(to, zeroes, len);
}

int disk_zero(struct disk *disk, uint64_t at, uint32_t len)
{
	int ret = disk->page ? 0 : -ENOSPC;

	while (!ret && len > 0) {
		uint32_t n = in_page(at, len);

		if (disk_page_at(disk, at))
			ret = zero_page(disk, at, n);
		at += n;
		len -= n;
	}
	return ret;
}
