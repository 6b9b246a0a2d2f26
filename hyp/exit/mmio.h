/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MMIO bus of a VM: regions of IPA, two functions each, found in one step by page and block. The functions get
 * offsets relative to their region and naturally aligned accesses that lie wholly inside it; they run on the vCPU that
 * made the access, in HYP, and must not block.
 */
#ifndef HYP_EXIT_MMIO_H
#define HYP_EXIT_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"

struct vcpu;

/* The value of a read that no device answers: external abort to the guest. */
#define MMIO_ABORT BIT64(32)

/* Widths in bytes, and masks of them. */
#define MMIO_BYTE 1U
#define MMIO_HALF 2U
#define MMIO_WORD 4U
#define MMIO_ANY  (MMIO_BYTE | MMIO_HALF | MMIO_WORD)

/*
 * A function that refuses (MMIO_ABORT, false) has done nothing, nor copied guest memory: it is called once more for the
 * same access, whose address HDFAR and HPFAR must still have (<arm/copy.h>).
 */
struct mmio_ops {
	/* `size` bytes at `offset`: the value, zero-extended, or MMIO_ABORT. */
	uint64_t (*read)(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size);
	/* `value` is zero-extended. False: external abort. */
	bool (*write)(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size);
	uint32_t widths; /* others are an external abort */
};

struct mmio_region {
	struct mmio_ops ops;
	void *device;
	uint64_t base; /* IPA */
	uint32_t size; /* bytes */
};

/* mmio_add_memory() */
typedef bool (*mmio_show_fn)(struct vcpu *vcpu, void *device, uint32_t offset);

#define MMIO_REGIONS_MAX 64U
#define MMIO_PAGES_MAX   64U

/* A page's blocks: none holds two regions that the index knows. */
#define MMIO_BLOCK_SHIFT 7U
#define MMIO_BLOCKS      (PAGE_SIZE >> MMIO_BLOCK_SHIFT)

#define MMIO_SLOT_BITS 9U
#define MMIO_SLOTS     (1U << MMIO_SLOT_BITS)

struct mmio_page {
	uint8_t block[MMIO_BLOCKS]; /* of bus->region; 0: none that the index knows */
	uint32_t number;            /* as HPFAR shows it: IPA[39:12] at [31:4] */
};

/*
 * The index comes first, where an instruction's offset reaches. A page is in the slot that its number times the
 * multiplier gives, alone: the multiplier is chosen so when a page comes. Slot and block are bit fields and the arrays
 * as large as these can say, so that no guess of the processor's reads beyond them.
 */
struct mmio_bus {
	const struct mmio_page *slot[MMIO_SLOTS];
	uint32_t multiplier;
	uint32_t count, page_count;
	bool searched;                                   /* there are regions that the index does not know */
	struct mmio_region region[MMIO_REGIONS_MAX + 1]; /* from 1; 0 refuses */
	struct mmio_page page[MMIO_PAGES_MAX + 1];       /* from 1; 0 is in the empty slots */
	mmio_show_fn show[MMIO_REGIONS_MAX + 1];         /* of the regions; NULL: no memory is behind it */
};

static inline uint32_t mmio_slot(uint32_t number, uint32_t multiplier)
{
	return number * multiplier >> (32U - MMIO_SLOT_BITS);
}

/* The page that may be `number`. */
static inline const struct mmio_page *mmio_page(const struct mmio_bus *bus, uint32_t number)
{
	return bus->slot[mmio_slot(number, bus->multiplier)];
}

/* The region that `offset` in a page of the bus belongs to; one that refuses each access where the index has none. */
static inline const struct mmio_region *mmio_block(const struct mmio_bus *bus, const struct mmio_page *page,
						   uint32_t offset)
{
	return &bus->region[page->block[FIELD(offset, MMIO_BLOCK_SHIFT, PAGE_SHIFT - MMIO_BLOCK_SHIFT)]];
}

/* An empty bus; mmio_add() does it for the first region. */
void mmio_init(struct mmio_bus *bus);

/*
 * Add a region before the VM runs: whole words, less than 4 GiB. One of whole blocks, a few pages and words is indexed,
 * others are searched for. 0; -EINVAL; -EEXIST where it overlaps another; -ENOSPC when the bus is full.
 */
int mmio_add(struct mmio_bus *bus, uint64_t base, uint64_t size, const struct mmio_ops *ops, void *device);

/*
 * mmio_add(), also before the VM runs, for registers with memory behind them, of which `show` maps what is around
 * `offset` for the guest to read. True: it has, and the access is to be made again. False: it is not memory now, and
 * read() answers. Writes are the registers'.
 */
int mmio_add_memory(struct mmio_bus *bus, uint64_t base, uint64_t size, const struct mmio_ops *ops, void *device,
		    mmio_show_fn show);

/* Before the VM runs: the region that begins at `base`, if there is one, has these functions from now on. */
void mmio_replace(struct mmio_bus *bus, uint64_t base, const struct mmio_ops *ops);

/* The region that holds `at`, or NULL. */
const struct mmio_region *mmio_find(const struct mmio_bus *bus, uint64_t at);

/* Whether there is memory of a device at IPA `at`, which is shown now. */
bool mmio_show(struct vcpu *vcpu, uint64_t at);

enum mmio_result {
	MMIO_DONE,      /* a read's value is set */
	MMIO_UNHANDLED, /* no device there, or not in this width: external abort to the guest */
};

struct mmio_access {
	uint32_t size; /* bytes */
	bool write;
	uint32_t value;
};

/* Any access at IPA `at`. */
enum mmio_result mmio_access(struct vcpu *vcpu, uint64_t at, struct mmio_access *access);

#endif
