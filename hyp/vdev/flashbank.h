/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a bank of flash holds: 64 MiB, of which only pages that differ from a fill byte and from erased flash cost RAM.
 * Guests read it as memory: tables of stage 2 that belong to the bank, read-only, are put into the VM's IPA space and
 * taken away again. Callers see to it that no other CPU is at work on the bank.
 */
#ifndef HYP_VDEV_FLASHBANK_H
#define HYP_VDEV_FLASHBANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "hyp/vdev/cfi.h"

#define FLASH_PAGES      (CFI_BANK_SIZE / PAGE_SIZE)
#define FLASH_TABLES     (CFI_BANK_SIZE / BLOCK_SIZE)
#define FLASH_PIECES_MAX 8U

struct vm;

struct flash_bank {
	struct vm *vm;
	ipa_t base;
	bool read_only; /* for commands */
	bool exec;
	bool shown;                    /* some of it may be in the VM's IPA space */
	uint64_t *table[FLASH_TABLES]; /* of 2 MiB each; NULL: all of it is as `blank` */
	uint64_t *blank;
	uint8_t *fill, *erased; /* a page of each, of virt7's heap, which all such pages are */
	uint32_t promised;      /* pages of the heap for tables to come */
	uint32_t pieces;        /* of RAM */
	struct {
		uint64_t pa, size;
	} piece[FLASH_PIECES_MAX];
	uint32_t pages; /* of RAM; in use: */
	uint32_t used[FLASH_PAGES / 32U];
};

/*
 * `bank` is zero but for vm, base, read_only and exec. It holds `size` bytes of `image` (NULL: none) and `fill` behind
 * them, and has room in RAM for these, for `room` bytes, and at least 2 MiB. May let others have the CPU. 0; -ENOMEM:
 * the heap is empty; -ENOSPC: the host has not so much RAM free; -EIO: that does not answer. After an error nothing is
 * left.
 */
int flash_bank_make(struct flash_bank *bank, const uint8_t *image, uint32_t size, uint32_t room, uint8_t fill);
void flash_bank_free(struct flash_bank *bank);

/* Show the 2 MiB around `offset` to the guest, or nothing any more. -ENOMEM: the heap is empty. */
int flash_bank_show(struct flash_bank *bank, uint32_t offset);
void flash_bank_hide(struct flash_bank *bank);

/*
 * A page of its RAM, which is bad from now on, if any of the bank is there: what it held is lost, and not shown any
 * more. Reads and writes there fail until its sector is erased, or it is renewed, which makes it what it was at first,
 * without an image.
 */
bool flash_bank_owns(const struct flash_bank *bank, pa_t page);
void flash_bank_lose(struct flash_bank *bank, pa_t page);
bool flash_bank_is_lost(const struct flash_bank *bank, uint32_t offset);
void flash_bank_renew(struct flash_bank *bank, uint32_t offset);

/* Copy bytes that lie in one page. 0 or -EIO. */
int flash_bank_read(const struct flash_bank *bank, uint32_t offset, void *to, uint32_t len);

/* The page that `offset` is in holds nothing but this byte; -1: it may hold anything. */
int flash_bank_same(const struct flash_bank *bank, uint32_t offset);

/*
 * While nothing is shown. Replace bytes, or clear the bits that are 0 in `masks`, which are bytes in memory order and
 * ones behind `len`, of one page. 0, -EIO, or -ENOSPC: the bank's RAM is full.
 */
int flash_bank_write(struct flash_bank *bank, uint32_t offset, const void *from, uint32_t len);
int flash_bank_clear(struct flash_bank *bank, uint32_t offset, const uint64_t *masks, uint32_t len);

/* A sector: all bits set. */
void flash_bank_erase(struct flash_bank *bank, uint32_t sector);

/* Bytes of RAM that it has. */
uint64_t flash_bank_ram(const struct flash_bank *bank);

#endif
