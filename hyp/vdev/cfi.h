/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command set of a bank of NOR flash, Intel's (CFI, JEDEC JESD68; the status bits are those of Intel's StrataFlash
 * data sheets): two chips of 16 bits side by side, which software may drive in words, half words or bytes. It behaves
 * as QEMU's pflash_cfi01 of width 4 and device width 2 does (hw/block/pflash_cfi01.c), where the data sheet does not
 * say otherwise. Only the protocol: what is stored is the caller's.
 */
#ifndef HYP_VDEV_CFI_H
#define HYP_VDEV_CFI_H

#include <stdbool.h>
#include <stdint.h>

#define CFI_BANK_SIZE UINT32_C(0x04000000) /* 64 MiB */
#define CFI_SECTOR    UINT32_C(0x00040000) /* of both chips together */
#define CFI_BUFFER    4096U                /* of both chips: bytes that one buffered program takes, aligned */

/* The status register. */
#define CFI_READY     0x80U
#define CFI_ERASE_BAD 0x20U /* both: the sequence of commands was wrong */
#define CFI_WRITE_BAD 0x10U
#define CFI_LOCKED    0x02U

enum cfi_mode { CFI_ARRAY, CFI_STATUS, CFI_ID, CFI_QUERY };

/* What the next write is. */
enum cfi_step { CFI_COMMAND, CFI_WORD, CFI_ERASE, CFI_LOCK, CFI_COUNT, CFI_DATA, CFI_CONFIRM };

/* Plain data; zero is the state at power-on. */
struct cfi {
	enum cfi_mode mode;
	enum cfi_step step;
	uint32_t status;                  /* without CFI_READY: it is always */
	uint32_t left;                    /* of CFI_DATA, writes behind the next one */
	uint32_t window;                  /* bytes from the bank's start to what the buffer will be written to */
	bool begun, bad;                  /* the window is known; a write has left it */
	uint64_t buffer[CFI_BUFFER / 8U]; /* bytes, as they lie in the bank */
};

/*
 * The bank's memory. `program` clears bits: the bank has the AND of what it had and `data` afterwards; `erase` sets all
 * of a sector. Both return the bits of the status register that say what went wrong, or 0.
 */
struct cfi_memory {
	uint32_t (*program)(void *bank, uint32_t offset, const uint64_t *data, uint32_t len);
	uint32_t (*erase)(void *bank, uint32_t sector);
};

/* Reads are of the array: memory may be shown instead. */
static inline bool cfi_is_array(const struct cfi *cfi)
{
	return cfi->mode == CFI_ARRAY && cfi->step == CFI_COMMAND;
}

/* A read of `size` bytes (1, 2, 4) at `offset`, naturally aligned, where cfi_is_array() is false. */
uint32_t cfi_read(const struct cfi *cfi, uint32_t offset, uint32_t size);

/* A write of `size` bytes (1, 2, 4) at `offset`, naturally aligned, in any state. */
void cfi_write(struct cfi *cfi, const struct cfi_memory *memory, void *bank, uint32_t offset, uint32_t value,
	       uint32_t size);

#endif
