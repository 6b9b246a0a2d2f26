/* SPDX-License-Identifier: BSD-2-Clause */
/* See flashkeep.h. */
#include "hyp/vdev/flashkeep.h"

#include <errno.h>

#include "hyp/load/words.h"
#include "hyp/run/sched.h"
#include "hyp/virtio/partition.h"
#include "mm/page.h"

#define KEEP_BYTES KIB(16) /* at once: what is copied with interrupts masked */

#define ERASED_WORD UINT32_MAX

static const char *find_sectors(struct flash_keep *keep)
{
	const char *wrong = partition_place(keep->disk, keep->partition, &keep->claim);
	uint64_t bytes;

	if (wrong)
		return wrong;
	bytes = MIN(keep->claim.count, CFI_BANK_SIZE / DISKDEV_SECTOR) * DISKDEV_SECTOR;
	keep->size = (uint32_t)bytes / CFI_SECTOR * CFI_SECTOR;
	return keep->size > 0 ? NULL : WORDS_FLASH_SHORT;
}

const char *flash_keep_open(struct flash_keep *keep, const struct hostdisk_claim **other)
{
	const char *wrong = hostdisk_open(keep->path, &keep->disk);

	*other = NULL;
	if (!wrong && hostdisk_is_read_only(keep->disk))
		wrong = WORDS_FLASH_RO;
	if (!wrong)
		wrong = find_sectors(keep);
	if (wrong)
		return wrong;
	keep->buffer = page_alloc(page_order(KEEP_BYTES));
	if (!keep->buffer)
		return WORDS_FLASH_HEAP;
	*other = hostdisk_claim(keep->disk, &keep->claim);
	if (*other)
		page_free(keep->buffer, page_order(KEEP_BYTES));
	return *other ? WORDS_DISK_TAKEN : NULL;
}

void flash_keep_close(struct flash_keep *keep)
{
	hostdisk_unclaim(keep->disk, &keep->claim);
	page_free(keep->buffer, page_order(KEEP_BYTES));
}

static int move_kept(struct flash_keep *keep, enum diskdev_type type, uint32_t offset, uint32_t len)
{
	return hostdisk_move(keep->disk, &keep->claim, type, keep->claim.first + offset / DISKDEV_SECTOR, keep->buffer,
			     len);
}

static bool is_erased(const uint8_t *page)
{
	const uint32_t *word = (const uint32_t *)(const void *)page;

	for (uint32_t i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		if (word[i] != ERASED_WORD)
			return false;
	return true;
}

int flash_keep_load(struct flash_keep *keep, struct flash_bank *bank)
{
	int ret = 0;

	for (uint32_t at = 0; !ret && at < keep->size; at += PAGE_SIZE) {
		const uint8_t *page = keep->buffer + at % KEEP_BYTES;

		if (at % KEEP_BYTES == 0)
			ret = move_kept(keep, DISKDEV_READ, at, KEEP_BYTES);
		if (!ret && !is_erased(page))
			ret = flash_bank_write(bank, at, page, PAGE_SIZE);
	}
	return ret;
}

void flash_keep_mark(struct flash_keep *keep, uint32_t offset, uint32_t len)
{
	if (!keep->disk)
		return;
	keep->from = keep->to > 0 ? MIN(keep->from, offset) : offset;
	keep->to = MAX(keep->to, offset + len);
}

/* Another vCPU's save is waited for, so that what is older never comes behind what is newer. */
static void begin_saving(struct flash_keep *keep, struct spinlock *lock)
{
	spin_lock(lock);
	while (keep->saving) {
		spin_unlock(lock);
		sched_preempt();
		spin_lock(lock);
	}
	keep->saving = true;
	spin_unlock(lock);
}

static int copy_out(struct flash_keep *keep, const struct flash_bank *bank, struct spinlock *lock, uint32_t at,
		    uint32_t len)
{
	int ret = 0;

	spin_lock(lock);
	for (uint32_t done = 0; !ret && done < len; done += PAGE_SIZE)
		ret = flash_bank_read(bank, at + done, keep->buffer + done, PAGE_SIZE);
	spin_unlock(lock);
	return ret;
}

/* Whole pages, as the bank has them when their turn comes. */
static int write_out(struct flash_keep *keep, const struct flash_bank *bank, struct spinlock *lock, uint32_t from,
		     uint32_t to)
{
	int ret = 0;

	for (uint32_t at = from, len; !ret && at < to; at += len) {
		len = MIN(to - at, KEEP_BYTES);
		ret = copy_out(keep, bank, lock, at, len);
		if (!ret)
			ret = move_kept(keep, DISKDEV_WRITE, at, len);
	}
	if (!ret && hostdisk_can_flush(keep->disk))
		ret = move_kept(keep, DISKDEV_FLUSH, 0, 0);
	return ret;
}

int flash_keep_save(struct flash_keep *keep, const struct flash_bank *bank, struct spinlock *lock)
{
	uint32_t from, to;
	int ret = 0;

	begin_saving(keep, lock);
	spin_lock(lock);
	from = keep->from / PAGE_SIZE * PAGE_SIZE;
	to = (keep->to + PAGE_SIZE - 1U) / PAGE_SIZE * PAGE_SIZE;
	keep->from = keep->to = 0;
	spin_unlock(lock);
	if (to > from)
		ret = write_out(keep, bank, lock, from, to);
	spin_lock(lock);
	if (ret)
		flash_keep_mark(keep, from, to - from);
	keep->saving = false;
	spin_unlock(lock);
	return ret;
}
