/* SPDX-License-Identifier: BSD-2-Clause */
/* See partition.h. Whatever is on the disk is no more than numbers, which are checked against the disk's size. */
#include "hyp/virtio/partition.h"

#include <string.h>

#include <libfdt.h>
#include <zlib.h>

#include "hyp/lib/bits.h"
#include "hyp/load/words.h"

#define UNREADABLE "the disk cannot be read"
#define NO_TABLE   "the disk has no partitions"
#define ABSENT     "the disk has no partition of this number"
#define DAMAGED    "the table of partitions is damaged"

#define MBR_ENTRIES   446U
#define MBR_ENTRY     16U
#define MBR_PRIMARY   4U
#define MBR_TYPE      4U
#define MBR_FIRST     8U
#define MBR_COUNT     12U
#define MBR_SIGNATURE 510U
#define TYPE_GPT      0xeeU
#define CHAIN_MAX     64U /* of extended partitions */

#define GPT_SECTOR      1U
#define GPT_HEADER_SIZE 12U
#define GPT_HEADER_CRC  16U
#define GPT_TABLE       72U
#define GPT_COUNT       80U
#define GPT_ENTRY_SIZE  84U
#define GPT_FIRST       32U /* of an entry */
#define GPT_LAST        40U
#define GPT_HEADER_MIN  92U

static uint32_t load_le32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t load_le64(const uint8_t *at)
{
	return load_le32(at) | (uint64_t)load_le32(at + 4) << 32;
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static const uint8_t *mbr_entry(const uint8_t *sector, uint32_t index)
{
	return sector + MBR_ENTRIES + index * MBR_ENTRY;
}

static bool has_signature(const uint8_t *sector)
{
	return sector[MBR_SIGNATURE] == 0x55 && sector[MBR_SIGNATURE + 1U] == 0xaa;
}

/* The extended one: a chain of sectors with a partition and the way to the next sector in each. */
static const char *find_logical(struct hostdisk *disk, uint64_t start, uint32_t number, uint64_t *first,
				uint64_t *count)
{
	uint8_t sector[DISKDEV_SECTOR];
	uint64_t at = start;

	for (uint32_t n = 0; n < CHAIN_MAX; n++) {
		if (at >= hostdisk_sectors(disk))
			return DAMAGED;
		if (hostdisk_read_sector(disk, at, sector))
			return UNREADABLE;
		if (!has_signature(sector))
			return DAMAGED;
		if (n == number) {
			*first = at + load_le32(mbr_entry(sector, 0) + MBR_FIRST);
			*count = load_le32(mbr_entry(sector, 0) + MBR_COUNT);
			return mbr_entry(sector, 0)[MBR_TYPE] ? NULL : ABSENT;
		}
		if (!is_extended(mbr_entry(sector, 1)[MBR_TYPE]))
			return ABSENT;
		at = start + load_le32(mbr_entry(sector, 1) + MBR_FIRST);
	}
	return ABSENT;
}

static const char *find_in_mbr(struct hostdisk *disk, const uint8_t *sector, uint32_t number, uint64_t *first,
			       uint64_t *count)
{
	const uint8_t *entry;

	if (number > MBR_PRIMARY) {
		for (uint32_t i = 0; i < MBR_PRIMARY; i++)
			if (is_extended(mbr_entry(sector, i)[MBR_TYPE]))
				return find_logical(disk, load_le32(mbr_entry(sector, i) + MBR_FIRST),
						    number - MBR_PRIMARY - 1U, first, count);
		return ABSENT;
	}
	entry = mbr_entry(sector, number - 1U);
	*first = load_le32(entry + MBR_FIRST);
	*count = load_le32(entry + MBR_COUNT);
	if (is_extended(entry[MBR_TYPE]))
		return "an extended partition, which holds others: those from 5 on";
	return entry[MBR_TYPE] ? NULL : ABSENT;
}

/* UEFI 2.10, 5.3.2. The sums of all entries are for who writes them; that of the header says that it is one. */
static bool is_gpt_header(const uint8_t *header)
{
	static const uint8_t none[4];
	uint32_t size = load_le32(header + GPT_HEADER_SIZE);
	uLong crc;

	if (memcmp(header, "EFI PART", 8) != 0 || size < GPT_HEADER_MIN || size > DISKDEV_SECTOR)
		return false;
	crc = crc32_z(0, header, GPT_HEADER_CRC);
	crc = crc32_z(crc, none, sizeof(none));
	crc = crc32_z(crc, header + GPT_HEADER_CRC + 4U, size - GPT_HEADER_CRC - 4U);
	return crc == load_le32(header + GPT_HEADER_CRC);
}

static const char *find_in_gpt(struct hostdisk *disk, uint32_t number, uint64_t *first, uint64_t *count)
{
	static const uint8_t unused[16];
	uint8_t sector[DISKDEV_SECTOR];
	uint32_t entry_size, offset;
	uint64_t table;

	if (hostdisk_read_sector(disk, GPT_SECTOR, sector))
		return UNREADABLE;
	entry_size = load_le32(sector + GPT_ENTRY_SIZE);
	/* 128 bytes times a power of two (5.3.2). No more than a sector, so that an entry lies in one. */
	if (!is_gpt_header(sector) || entry_size < 128U || entry_size > DISKDEV_SECTOR ||
	    entry_size & (entry_size - 1U))
		return DAMAGED;
	if (number > load_le32(sector + GPT_COUNT))
		return ABSENT;
	table = load_le64(sector + GPT_TABLE) + (uint64_t)(number - 1U) * entry_size / DISKDEV_SECTOR;
	offset = (number - 1U) * entry_size % DISKDEV_SECTOR;
	if (table >= hostdisk_sectors(disk))
		return DAMAGED;
	if (hostdisk_read_sector(disk, table, sector))
		return UNREADABLE;
	if (!memcmp(sector + offset, unused, sizeof(unused)))
		return ABSENT;
	*first = load_le64(sector + offset + GPT_FIRST);
	*count = load_le64(sector + offset + GPT_LAST) - *first + 1U;
	return NULL;
}

const char *partition_find(struct hostdisk *disk, uint32_t number, uint64_t *first, uint64_t *count)
{
	uint8_t sector[DISKDEV_SECTOR];
	const char *wrong;

	if (number == 0 || hostdisk_sectors(disk) <= GPT_SECTOR)
		return ABSENT;
	if (hostdisk_read_sector(disk, 0, sector))
		return UNREADABLE;
	if (!has_signature(sector))
		return NO_TABLE;
	if (mbr_entry(sector, 0)[MBR_TYPE] == TYPE_GPT)
		wrong = find_in_gpt(disk, number, first, count);
	else
		wrong = find_in_mbr(disk, sector, number, first, count);
	if (wrong)
		return wrong;
	return *count > 0 && *first < hostdisk_sectors(disk) && *count <= hostdisk_sectors(disk) - *first
		       ? NULL
		       : "the partition reaches beyond the disk's end";
}

const char *partition_place(struct hostdisk *disk, uint32_t number, struct hostdisk_claim *claim)
{
	uint64_t sectors = hostdisk_sectors(disk);

	if (number > 0)
		return partition_find(disk, number, &claim->first, &claim->count);
	if (claim->count == 0)
		claim->count = sectors;
	return claim->first < sectors && claim->count <= sectors - claim->first ? NULL : WORDS_DISK_BEYOND;
}

const char *partition_parse_range(const void *fdt, int node, const char *name, struct hostdisk_claim *claim)
{
	int len;
	const uint8_t *cells = fdt_getprop(fdt, node, name, &len);
	uint32_t each = (uint32_t)len / 2U;

	if (each != 4U && each != 8U)
		return WORDS_DISK_RANGE;
	claim->first = each == 4U ? fdt32_ld((const void *)cells) : fdt64_ld((const void *)cells);
	claim->count = each == 4U ? fdt32_ld((const void *)(cells + each)) : fdt64_ld((const void *)(cells + each));
	return claim->count > 0 ? NULL : WORDS_DISK_RANGE;
}
