/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checked access to a guest's memory by IPA: the only way in. A range that is not wholly inside the VM's RAM is refused
 * before the first byte of it moves. Blocks that the guest has not touched yet are scrubbed and mapped on the way
 * (guest RAM then counts as touched). Memory that aborts is an error of the call and nothing worse.
 *
 * HYP and a guest whose caches are on see the same memory: both map it as Normal, write-back, inner shareable
 * (DDI 0406C A3.5.4). Around the accesses for a guest whose caches are off, and only then, lines are cleaned and
 * invalidated (A3.5.7).
 *
 * s2.lock is taken inside, below the locks of devices (hyp/run/percpu.h).
 */
#ifndef HYP_VM_GUESTMEM_H
#define HYP_VM_GUESTMEM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"
#include "mm/hypmap.h"

struct vm;

/*
 * Copy `len` bytes out of or into guest RAM. 0, -EFAULT where the range is not the guest's RAM, -ENOMEM, or -EIO where
 * the host's memory aborts. What is loaded may be executed, by a guest that starts with its caches off. guest_load()
 * lets others have the CPU now and then. Not while a view is open here.
 */
int guest_read(struct vm *vm, ipa_t from, void *to, size_t len);
int guest_load(struct vm *vm, ipa_t to, const void *from, size_t len);

/*
 * Whether a vCPU of the VM may look past the caches: as far as HYP knows, which is for certain where it is the one that
 * asks. One that has turned them off since, on another CPU and without set/way maintenance, is not seen.
 */
bool guest_is_uncached(const struct vm *vm);

/*
 * A VM's RAM in some of this CPU's windows, for as long as a step of a device's work takes: they stay on their 2 MiB
 * blocks until others are needed, so that a request's data and what stands around it do not drive each other out, and
 * over the end of the view, so that the next one of the VM here begins with them, unless a block has been taken from it
 * meanwhile (struct s2: generation). Two views may be open on a CPU, with a number each (HYP_WINDOW_VIEW and
 * HYP_WINDOW_VIEW_2); none is kept where others may get the CPU.
 */
struct guest_shown {
	uint32_t block; /* guest_block() of what the window shows; GUEST_NO_BLOCK: nothing */
	uint8_t *at;    /* where it is */
};

struct guest_view {
	struct vm *vm;
	uint32_t placed;     /* the block that guest_place() has found last, of guest_block(); GUEST_NO_BLOCK: none; */
	uint64_t generation; /* of the VM's RAM, as the view was opened */
	uint32_t place;      /* where that is, a number of the host's blocks */
	uint32_t bad;        /* and badpage_count(), with which it has none */
	uint32_t window;     /* the first */
	uint32_t next;       /* that shows something else, of its windows */
	bool uncached;
	struct guest_shown shown[HYP_VIEW_WINDOWS];
};

#define GUEST_NO_BLOCK (UINT32_MAX - 1U)

/* The number of the block with the address; UINT32_MAX, which none has, where there cannot be RAM. */
static inline uint32_t guest_block(uint64_t at)
{
	return at < BIT64(ADDR_BITS) ? (uint32_t)(at >> BLOCK_SHIFT) : UINT32_MAX;
}

/*
 * Some of what is shown is bad memory by now: each CPU takes away what its windows show, where it next serves
 * interrupts, for there it uses none. Until then they are open on the page, and it is read there only by
 * speculation.
 */
void guest_views_forget(void);

/* Each CPU as it comes up. */
void guest_views_init_cpu(void);

struct guest_view *guest_view_open(struct vm *vm, uint32_t window);
void guest_view_close(struct guest_view *view);

/* Copies between HYP and the view's guest; after an error some of the bytes may have been written. */
int guest_copy_in(struct guest_view *view, ipa_t from, void *to, size_t len);
int guest_copy_out(struct guest_view *view, ipa_t to, const void *from, size_t len);

/*
 * For work in steps: zeroing a part of a block at its first touch is a step of its own (vm_touch_part()). False: this
 * was such a step, for one that [at, at + len) lies in. True: all have been touched, or a copy fails for the reason for
 * which that could not be.
 */
bool guest_present(struct guest_view *view, ipa_t at, size_t len);

/* guest_present() of what is copied next: it is shown already, where it lies in one block. */
bool guest_show(struct guest_view *view, ipa_t at, size_t len);

/* Where the view shows the block, or NULL: not now. */
static inline const struct guest_shown *guest_find_shown(const struct guest_view *view, uint32_t block)
{
	const struct guest_shown *shown = view->shown;

	static_assert(HYP_VIEW_WINDOWS == 4U, "these");
	if (block == shown[0].block)
		return shown;
	if (block == shown[1].block)
		return shown + 1;
	if (block == shown[2].block)
		return shown + 2;
	return block == shown[3].block ? shown + 3 : NULL;
}

/*
 * HYP's address of [at, at + len), len > 0, which lies in one block that the view shows already, and so is the guest's,
 * whose caches are on. NULL: it is not so. Good until the view shows something else.
 */
static inline uint8_t *guest_shown(const struct guest_view *view, ipa_t at, size_t len)
{
	uint32_t offset = (uint32_t)at.v & (BLOCK_SIZE - 1U);
	const struct guest_shown *shown = guest_find_shown(view, guest_block(at.v));

	return likely(shown && !view->uncached && len <= BLOCK_SIZE - offset) ? shown->at + offset : NULL;
}

/* From one VM's RAM to another's, in one copy. */
int guest_copy_across(struct guest_view *to_view, ipa_t to, struct guest_view *from_view, ipa_t from, size_t len);

/* A place in a list of pieces of guest RAM, which is virt7's own copy of what the guest has written down. */
struct guest_piece {
	ipa_t at;
	uint32_t len;
};

struct guest_cursor {
	const struct guest_piece *piece;
	uint32_t offset; /* into the first piece */
	uint32_t left;   /* bytes, over all pieces */
};

/* At the start of `count` pieces. 0, or -EMSGSIZE: together they are longer than 4 GiB less a byte. */
int guest_cursor_init(struct guest_cursor *cursor, const struct guest_piece *piece, uint32_t count);

/*
 * Copy `len` bytes from or to the cursor's place, which moves behind them, whatever the pieces' layout. -ENODATA, and
 * nothing done, where fewer are left; else as the copies above.
 */
int guest_gather(struct guest_view *view, struct guest_cursor *from, void *to, size_t len);
int guest_scatter(struct guest_view *view, struct guest_cursor *to, const void *from, size_t len);
int guest_forward(struct guest_view *to_view, struct guest_cursor *to, struct guest_view *from_view,
		  struct guest_cursor *from, size_t len);

/*
 * Where the next `len` bytes are, not 0, and the cursor moves behind them. NULL, and nothing has happened: they are
 * not all there, or do not lie in one piece that guest_shown() shows.
 */
uint8_t *guest_take_shown(const struct guest_view *view, struct guest_cursor *cursor, size_t len);

/*
 * How many of the next `len` bytes, of which there are so many, lie in *pieces pieces at most, which are counted down.
 * Pieces without a byte count for nothing. 0: guest_present() is false of one of them.
 */
uint32_t guest_share(struct guest_view *view, const struct guest_cursor *cursor, uint32_t len, uint32_t *pieces);

/*
 * Where the guest's RAM from `at` on is in the host's, and how many of `len` bytes, not 0, are there in one block. 0:
 * it is no RAM, or has not been touched; or a device of the host's is not to be told of it: a page of the block is bad,
 * or the guest looks past the caches. The place is good as long as the VM has its RAM, and no page of it turns bad.
 */
uint32_t guest_place(struct guest_view *view, ipa_t at, uint32_t len, pa_t *place);

/* guest_place() of the next `len` bytes, of which there are so many; the cursor moves behind what it finds. */
uint32_t guest_take_place(struct guest_view *view, struct guest_cursor *cursor, uint32_t len, pa_t *place);

/* The usual case, where no page of the host's is bad: true, and all of them are there. */
static inline bool guest_is_placed(const struct guest_view *view, ipa_t at, uint32_t len, pa_t *place)
{
	uint32_t offset = (uint32_t)at.v & (BLOCK_SIZE - 1U);

	if (view->placed != guest_block(at.v) || view->uncached || len > BLOCK_SIZE - offset)
		return false;
	*place = pa((uint64_t)view->place << BLOCK_SHIFT | offset);
	return true;
}

/* Past `len` bytes, which are there, without a look at them. */
void guest_skip(struct guest_cursor *cursor, size_t len);

/* guest_skip(), where the bytes mostly are the first piece, or of it. */
static inline void guest_skip_some(struct guest_cursor *cursor, uint32_t len)
{
	if (len > cursor->piece->len - cursor->offset) {
		guest_skip(cursor, len);
		return;
	}
	cursor->offset += len;
	cursor->left -= len;
	if (cursor->offset == cursor->piece->len && cursor->left > 0) {
		cursor->piece++;
		cursor->offset = 0;
	}
}

/*
 * Guest RAM that HYP sees for longer: a ring, from when a queue is made ready until it is not, so that no access to it
 * opens a window. `at` is where byte `ipa` is.
 */
struct guest_map {
	uint8_t *at;
	uint32_t len;
};

/*
 * Before the map, and without a lock: touch what lies in RAM of [from, from + len), len > 0. Others may have the CPU
 * meanwhile.
 */
void guest_touch_ring(struct vm *vm, ipa_t from, uint32_t len);

/*
 * Map [from, from + len), len > 0. 0; -EFAULT, -ENOMEM as above; -EIO: it has not been touched, or a page is bad;
 * -ENOSPC: too much is mapped already. The caller undoes it before the VM's RAM is given back, and only when no CPU
 * uses the map any more.
 */
int guest_map_ring(struct vm *vm, ipa_t from, uint32_t len, struct guest_map *map);
void guest_unmap_ring(struct guest_map *map);

/*
 * For a VM that is uncached: before HYP reads, and after it has written, `len` bytes at `offset` of the map. Ordering
 * (DMB) is the caller's.
 */
void guest_map_sync(const struct guest_map *map, uint32_t offset, uint32_t len);

#endif
