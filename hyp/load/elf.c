/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF files as kernels: the ELF specification for 32-bit ARM. Segments go to their physical addresses,
 * position-independent or not, and where the guest finds its device tree depends on the lowest of them, as with QEMU
 * (hw/arm/boot.c, include/hw/elf_ops.h).
 */
#include <errno.h>
#include <string.h>

#include "hyp/load/loader.h"
#include "hyp/load/words.h"

/* Offsets in the file header and in a program header. */
#define ELF_MAGIC     UINT32_C(0x464c457f)
#define ELF_ENTRY     24U
#define ELF_PHOFF     28U
#define ELF_PHENTSIZE 42U
#define ELF_PHNUM     44U
#define ELF_HEADER    52U
#define PH_TYPE       0U
#define PH_OFFSET     4U
#define PH_VADDR      8U
#define PH_PADDR      12U
#define PH_FILESZ     16U
#define PH_MEMSZ      20U
#define PH_SIZE       32U
#define PH_LOAD       1U

/* What QEMU needs of room for its tree at the start of RAM. */
#define TREE_ROOM MIB(1)

struct elf {
	uint32_t entry;
	unsigned int count;
	uint8_t phs[LOADER_ELF_MAX * PH_SIZE];
};

bool elf_is(const uint8_t *header, size_t len)
{
	return len >= ELF_HEADER && le32(header) == ELF_MAGIC;
}

/* The next program header from `ph` on, or from the first where that is NULL, of something in memory. NULL: none. */
static const uint8_t *next_segment(const struct elf *elf, const uint8_t *ph)
{
	ph = ph ? ph + PH_SIZE : elf->phs;
	while (ph < elf->phs + (size_t)elf->count * PH_SIZE && (le32(ph + PH_TYPE) != PH_LOAD || !le32(ph + PH_MEMSZ)))
		ph += PH_SIZE;
	return ph < elf->phs + (size_t)elf->count * PH_SIZE ? ph : NULL;
}

/* ELF files of another kind than virt7 can start have been refused already (hyp/load/foreign.h). */
static const char *check_headers(const uint8_t *header)
{
	if (le16(header + ELF_PHENTSIZE) != PH_SIZE || !le16(header + ELF_PHNUM) ||
	    le16(header + ELF_PHNUM) > LOADER_ELF_MAX)
		return WORDS_ELF_HEADERS;
	return NULL;
}

static int read_headers(struct loader *l, const uint8_t *header, struct elf *elf)
{
	const char *wrong = check_headers(header);
	int err;

	if (wrong) {
		loader_refuse(l, "%s", wrong);
		return -EINVAL;
	}
	elf->entry = le32(header + ELF_ENTRY);
	elf->count = le16(header + ELF_PHNUM);
	err = image_stream_seek(&l->stream, le32(header + ELF_PHOFF));
	if (!err)
		err = image_stream_read(&l->stream, elf->phs, (size_t)elf->count * PH_SIZE);
	if (err)
		return loader_fail(l, err);
	if (!next_segment(elf, NULL)) {
		loader_refuse(l, "%s", WORDS_ELF_EMPTY);
		return -EINVAL;
	}
	return 0;
}

/* At the start of RAM, where it is out of the segments' way; there and nowhere else such programs look for it. */
static void place_tree(struct loader *l, const struct elf *elf)
{
	uint64_t low = UINT64_MAX, high = 0;
	const uint8_t *ph = NULL;
	bool room;

	while ((ph = next_segment(elf, ph))) {
		low = MIN(low, (uint64_t)le32(ph + PH_PADDR));
		high = MAX(high, (uint64_t)le32(ph + PH_PADDR) + le32(ph + PH_MEMSZ));
	}
	room = low >= l->ram_base + TREE_ROOM || high <= l->ram_base;
	loader_place_tree(l, room ? l->ram_base : 0);
	l->is_linux = false;
	if (!room && !l->cfg->quiet)
		log_warn("vm %s: %s \"%.40s\": " WORDS_ELF_NO_TREE, l->cfg->name, l->what, l->image->name);
}

static int load_segment(struct loader *l, const uint8_t *ph)
{
	uint32_t paddr = le32(ph + PH_PADDR), filesz = le32(ph + PH_FILESZ), memsz = le32(ph + PH_MEMSZ);
	int err;

	if (filesz > memsz) {
		loader_refuse(l, WORDS_ELF_SEGMENT, (unsigned int)filesz, (unsigned int)memsz);
		return -EINVAL;
	}
	err = loader_claim(l, paddr, memsz, "");
	if (err)
		return err;
	err = image_stream_seek(&l->stream, le32(ph + PH_OFFSET));
	if (!err)
		err = loader_write(l, paddr, filesz);
	if (!err)
		err = loader_zero(l, (uint64_t)paddr + filesz, memsz - filesz);
	return err ? loader_fail(l, err) : 0;
}

/* An entry given as a virtual address moves with its segment. */
int elf_load(struct loader *l, const uint8_t *header, uint64_t *pc)
{
	const uint8_t *ph = NULL;
	struct elf elf;
	int err = read_headers(l, header, &elf);

	if (err)
		return err;
	place_tree(l, &elf);
	*pc = elf.entry;
	while ((ph = next_segment(&elf, ph))) {
		err = load_segment(l, ph);
		if (err)
			return err;
		if (elf.entry - le32(ph + PH_VADDR) < le32(ph + PH_MEMSZ))
			*pc = elf.entry - le32(ph + PH_VADDR) + le32(ph + PH_PADDR);
	}
	return 0;
}
