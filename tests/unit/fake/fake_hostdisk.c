/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_hostdisk.h. */
#include "fake_hostdisk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct fake_hostdisk fake_hostdisk;

void fake_hostdisk_reset(void)
{
	memset(&fake_hostdisk, 0, sizeof(fake_hostdisk));
	fake_hostdisk.sectors = FAKE_DISK_SECTORS;
	for (size_t i = 0; i < sizeof(fake_hostdisk.data); i++)
		fake_hostdisk.data[i] = (uint8_t)(i * 5U + i / 509U);
}

const char *hostdisk_open(const char *path, struct hostdisk **disk)
{
	assert_string_equal(path, "/virtio_mmio@a003e00");
	*disk = fake_hostdisk.wrong ? NULL : (struct hostdisk *)(void *)&fake_hostdisk;
	return fake_hostdisk.wrong;
}

const struct hostdisk_claim *hostdisk_claim(struct hostdisk *disk, struct hostdisk_claim *claim)
{
	(void)disk, (void)claim;
	fake_hostdisk.claims += !fake_hostdisk.other;
	return fake_hostdisk.other;
}

void hostdisk_unclaim(struct hostdisk *disk, struct hostdisk_claim *claim)
{
	(void)disk, (void)claim;
	fake_hostdisk.claims--;
}

uint64_t hostdisk_sectors(const struct hostdisk *disk)
{
	(void)disk;
	return fake_hostdisk.sectors;
}

bool hostdisk_is_read_only(const struct hostdisk *disk)
{
	(void)disk;
	return fake_hostdisk.read_only;
}

bool hostdisk_can_flush(const struct hostdisk *disk)
{
	(void)disk;
	return fake_hostdisk.can_flush;
}

uint8_t *hostdisk_ask(struct hostdisk *disk, struct hostdisk_user *user)
{
	(void)disk;
	if (fake_hostdisk.full) {
		user->asks = user->waits = true;
		return NULL;
	}
	fake_hostdisk.taken++;
	user->asks = true;
	user->data = fake_hostdisk.slot;
	return user->data;
}

static void put_request(struct hostdisk_user *user, enum diskdev_type type, uint64_t sector, uint32_t len)
{
	assert_true(user->data && !fake_hostdisk.user);
	assert_true(len % DISKDEV_SECTOR == 0 && (len == 0) == (type == DISKDEV_FLUSH));
	fake_hostdisk.user = user;
	fake_hostdisk.type = type;
	fake_hostdisk.sector = sector;
	fake_hostdisk.len = len;
	fake_hostdisk.begun++;
	user->ended = false;
}

uint32_t hostdisk_pieces(const struct hostdisk *disk)
{
	(void)disk;
	return fake_hostdisk.pieces;
}

static void check_pieces(const struct hostdisk_direct *direct)
{
	uint32_t len = 0;

	assert_in_range(direct->count, 1, fake_hostdisk.pieces);
	for (uint32_t i = 0; i < direct->count; i++) {
		pa_t at = direct->piece[i].at;

		assert_true(direct->piece[i].len > 0);
		assert_int_equal(at.v >> BLOCK_SHIFT, (at.v + direct->piece[i].len - 1U) >> BLOCK_SHIFT);
		len += direct->piece[i].len;
	}
	assert_int_equal(len, direct->len);
	assert_true(len <= DISKDEV_DIRECT);
}

enum hostdisk_begun hostdisk_begin_direct(struct hostdisk *disk, struct hostdisk_user *user,
					  const struct hostdisk_direct *direct)
{
	check_pieces(direct);
	if (fake_hostdisk.copies)
		return HOSTDISK_COPIES;
	if (!hostdisk_take(disk, user))
		return HOSTDISK_WAITS;
	put_request(user, direct->type, direct->sector, direct->len);
	fake_hostdisk.direct = direct;
	return HOSTDISK_BEGUN;
}

bool hostdisk_is_late(const struct hostdisk_user *user)
{
	(void)user;
	return fake_hostdisk.late;
}

void hostdisk_begin(struct hostdisk *disk, struct hostdisk_user *user, enum diskdev_type type, uint64_t sector,
		    uint32_t len)
{
	(void)disk;
	assert_true(len <= DISKDEV_BYTES);
	put_request(user, type, sector, len);
	fake_hostdisk.direct = NULL;
}

bool hostdisk_leave(struct hostdisk *disk, struct hostdisk_user *user)
{
	bool lends = fake_hostdisk.user == user && fake_hostdisk.direct;

	(void)disk;
	fake_hostdisk.taken -= user->data != NULL;
	fake_hostdisk.lent += lends;
	if (fake_hostdisk.user == user)
		fake_hostdisk.user = NULL;
	user->data = NULL;
	user->asks = user->waits = user->ended = false;
	return lends;
}

int hostdisk_move(struct hostdisk *disk, const struct hostdisk_claim *claim, enum diskdev_type type, uint64_t sector,
		  void *data, uint32_t len)
{
	uint8_t *at = fake_hostdisk.data + sector * DISKDEV_SECTOR;

	(void)disk;
	assert_true(len <= DISKDEV_BYTES && (len == 0) == (type == DISKDEV_FLUSH));
	assert_true(!len || (sector >= claim->first && sector + len / DISKDEV_SECTOR <= claim->first + claim->count &&
			     sector + len / DISKDEV_SECTOR <= FAKE_DISK_SECTORS));
	fake_hostdisk.moves++;
	fake_hostdisk.flushes += type == DISKDEV_FLUSH;
	if (fake_hostdisk.move_error)
		return fake_hostdisk.move_error;
	if (type == DISKDEV_READ)
		memcpy(data, at, len);
	else
		memcpy(at, data, len);
	return 0;
}

int hostdisk_read_sector(struct hostdisk *disk, uint64_t sector, uint8_t *to)
{
	(void)disk;
	assert_in_range(sector, 0, fake_hostdisk.sectors - 1U);
	fake_hostdisk.reads++;
	if (!fake_hostdisk.read_error && sector < FAKE_DISK_SECTORS)
		memcpy(to, fake_hostdisk.data + sector * DISKDEV_SECTOR, DISKDEV_SECTOR);
	return fake_hostdisk.read_error;
}

static void move_bytes(uint8_t *memory, uint8_t *at, uint32_t len)
{
	if (fake_hostdisk.type == DISKDEV_READ)
		memcpy(memory, at, len);
	else
		memcpy(at, memory, len);
}

static void move_pieces(uint8_t *at)
{
	for (uint32_t i = 0; i < fake_hostdisk.direct->count; i++) {
		const struct pa_piece *piece = &fake_hostdisk.direct->piece[i];

		move_bytes(fake_hostdisk.at_pa(piece->at), at, piece->len);
		at += piece->len;
	}
}

void fake_hostdisk_end(bool failed)
{
	struct hostdisk_user *user = fake_hostdisk.user;
	uint8_t *at = fake_hostdisk.data + fake_hostdisk.sector * DISKDEV_SECTOR;

	assert_non_null(user);
	if (!failed && fake_hostdisk.len > 0) {
		assert_true(fake_hostdisk.sector + fake_hostdisk.len / DISKDEV_SECTOR <= FAKE_DISK_SECTORS);
		if (fake_hostdisk.direct)
			move_pieces(at);
		else
			move_bytes(fake_hostdisk.slot, at, fake_hostdisk.len);
	}
	if (fake_hostdisk.direct) {
		fake_hostdisk.taken--;
		user->data = NULL;
	}
	fake_hostdisk.user = NULL;
	user->ended = true;
	user->failed = failed;
	user->wake(user);
}

void fake_hostdisk_free(struct hostdisk_user *user)
{
	assert_true(user->waits);
	fake_hostdisk.full = user->waits = false;
	fake_hostdisk.taken++;
	user->data = fake_hostdisk.slot;
	user->wake(user);
}
