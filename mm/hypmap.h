/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HYP's own address space after boot/early.c: maps devices, heap, bundle and stacks into their windows (mm/layout.h)
 * and gives each CPU a few 2 MiB windows onto any physical block.
 */
#ifndef MM_HYPMAP_H
#define MM_HYPMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/addr.h"

enum hyp_mem { HYP_MEM_RW, HYP_MEM_RO, HYP_MEM_DEVICE }; /* none is executable */

/*
 * Map [base, base + size) at `va`; page-aligned. 2 MiB blocks where alignment allows, else pages, whose tables come
 * from the heap. Nothing may be mapped there yet. 0 or -ENOMEM.
 */
int hyp_map(uint32_t va, pa_t base, size_t size, enum hyp_mem kind);

/* Where HYP mode is missing and LPAE with it: no tables of ours, each device is at its own address (boot/early.c). */
extern bool hyp_is_flat;

/* Map a device's registers; returns their address, which lives for ever, or NULL. */
void *hyp_map_device(uint64_t base, size_t size);

/* Of guests' RAM that devices keep in sight, take this page away, on all CPUs: who has mapped it unmaps it later. */
void hyp_unmap_ring_page(pa_t page);

/* Take away the page at `va`, which hyp_map() mapped as a page, on all CPUs. */
void hyp_unmap_page(uint32_t va);

/*
 * This CPU's windows: one for moments, of whoever needs it; one onto disks in RAM (hyp/virtio/disk.c); and some for
 * each of two guest_views (hyp/vm/guestmem.h), which have their numbers by the first.
 */
#define HYP_VIEW_WINDOWS 4U
enum hyp_window {
	HYP_WINDOW,
	HYP_WINDOW_DISK,
	HYP_WINDOW_VIEW,
	HYP_WINDOW_VIEW_2 = HYP_WINDOW_VIEW + HYP_VIEW_WINDOWS,
	HYP_WINDOWS = HYP_WINDOW_VIEW_2 + HYP_VIEW_WINDOWS
};

/*
 * Show the 2 MiB block that holds `address` in this CPU's window and return the address of its first byte there. Not
 * nested, not kept across a call that may block; closing takes it away again. hyp_window_open() is for HYP_WINDOW. An
 * address with HYP_WINDOW_TABLE is that of a table with the block's pages, each made by hyp_window_page(): what it
 * leaves out aborts, for <arm/copy.h> as bad memory does (hyp/debug/fault.c).
 */
#define HYP_WINDOW_TABLE UINT64_C(1)
uint64_t hyp_window_page(pa_t page);
uint8_t *hyp_window_open_at(enum hyp_window window, pa_t address);
void hyp_window_close_at(enum hyp_window window);

/*
 * Open a window that is left as it is behind its use: mostly it shows that block already, and nothing is to be
 * done. The caller knows whose the block is now; who had it shown before may have lost it since.
 */
uint8_t *hyp_window_show(enum hyp_window window, pa_t address);

/* Whether a window of any CPU's shows the 2 MiB block, onto which no CPU opens one meanwhile. */
bool hyp_window_shows(pa_t block);

static inline uint8_t *hyp_window_open(pa_t address)
{
	return hyp_window_open_at(HYP_WINDOW, address);
}

static inline void hyp_window_close(void)
{
	hyp_window_close_at(HYP_WINDOW);
}

/*
 * A place for up to HYP_RING_PAGES pages of guests' RAM, to be mapped with hyp_map() and taken away with
 * hyp_unmap_page(). Its address, or 0: all places are taken. hyp_ring_release() gives it back, with nothing mapped
 * there.
 */
#define HYP_RING_PAGES 4U
uint32_t hyp_ring_reserve(void);
void hyp_ring_release(uint32_t va);

#endif
