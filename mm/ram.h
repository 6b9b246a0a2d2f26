/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's RAM that guests may get: what the device tree gives, less what is reserved, virt7 and the bundle. Handed
 * out in 2 MiB blocks, whole VMs at a time.
 */
#ifndef MM_RAM_H
#define MM_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/addr.h"

/* Boot: add a range of RAM, then take parts of it away. Bytes; any alignment; partial blocks are lost. */
void ram_add(uint64_t base, uint64_t size);
void ram_remove(uint64_t base, uint64_t size);

/* Whether the address is in what was added, whoever has it. */
bool ram_is(pa_t at);

/*
 * Where the host's RAM went, in bytes; whole 2 MiB blocks, so that
 *   total = reserved + virt7 + bundle + disks + quarantine + spare + what VMs have + ram_available()
 * holds. Boot fills it: ram_account() adds to *use what has gone from the free RAM since the last call.
 */
struct ram_use {
	uint64_t total;
	uint64_t reserved;   /* by the board's firmware and device tree */
	uint64_t virt7;      /* image, heap, and the host's device tree */
	uint64_t bundle;     /* with what has been unpacked of it */
	uint64_t disks;      /* of VMs, in RAM, and their flash */
	uint64_t quarantine; /* what bus masters may still write to (hyp/vm/vm.h) */
	uint64_t spare;      /* blocks of pages that stand in for bad ones (mm/badpage.h) */
};

extern struct ram_use ram_use;

void ram_account(uint64_t *use);

/*
 * Take up to `size` bytes (a multiple of 2 MiB) in one piece, below 4 GiB where `low`. Returns the bytes taken, 0 when
 * nothing is left, and their address in *base: the largest free piece where none is large enough.
 */
uint64_t ram_take(uint64_t size, bool low, pa_t *base);

/* ram_take() for a VM's RAM: the blocks are unused yet. Each is used from its first touch on: ram_begin_use(). */
uint64_t ram_take_unused(uint64_t size, pa_t *base);

/*
 * Take all of `size` bytes in one piece that begins at a multiple of `align` and lies in [from, to); all multiples of
 * 2 MiB. False: there is none. For a VM's RAM, as ram_take_unused().
 */
bool ram_take_in(uint64_t size, uint64_t align, uint64_t from, uint64_t to, pa_t *base);

/* Give a piece back. */
void ram_release(pa_t base, uint64_t size);

/*
 * Each 2 MiB block has two flags. "Unused": no guest or device can write to it, and what is in it is not wanted: it is
 * free, or a VM's that has not touched it. "Zero": all of it is zero, in the memory itself (at the point of coherency),
 * with no line of it in a cache. CPUs that have nothing else to do zero what is unused (mm/zero.h). Who is about to
 * show a block to a guest or device, or to write to it, says so: ram_begin_use() takes both flags back, and tells
 * whether it was zero; it waits for a CPU that is at work there. ram_take() does that for all that it gives,
 * ram_release() makes blocks unused.
 *
 * ram_set_zero(): its owner has zeroed it, and can write to it no more.
 * ram_track_use(): at boot, once; `flags` has ram_flag_bytes() bytes, zero. Without it blocks have no flags.
 */
size_t ram_flag_bytes(void);
void ram_track_use(void *flags);
bool ram_begin_use(pa_t block);
void ram_set_zero(pa_t block);

/*
 * CPU `cpu` may zero a part of *block, from *done bytes on; ram_end_part() says how much of the block is zero then, or
 * 0 where it is not to be zeroed. False: no unused block is left that is not zero. A look is bounded: *block is
 * RAM_NO_BLOCK where it has found none yet.
 */
#define RAM_NO_BLOCK UINT64_MAX
bool ram_claim_part(uint32_t cpu, pa_t *block, uint32_t *done);
void ram_end_part(uint32_t cpu, uint32_t done);

/* Free bytes now, and all that ram_add()/ram_remove() left for guests. */
uint64_t ram_available(void);

#endif
