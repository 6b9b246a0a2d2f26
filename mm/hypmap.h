/*
 * HYP's own address space after boot/early.c: maps devices, heap, bundle and stacks into their windows (mm/layout.h)
 * and gives each CPU one 2 MiB window onto any physical block.
 */
#ifndef MM_HYPMAP_H
#define MM_HYPMAP_H

#include <stddef.h>
#include <stdint.h>

#include "hyp/lib/addr.h"

enum hyp_mem { HYP_MEM_RW, HYP_MEM_RO, HYP_MEM_DEVICE }; /* none is executable */

/*
 * Map [base, base + size) at `va`; page-aligned. 2 MiB blocks where alignment allows, else pages, whose tables come
 * from the heap. Nothing may be mapped there yet. 0 or -ENOMEM.
 */
int hyp_map(uint32_t va, pa_t base, size_t size, enum hyp_mem kind);

/* Map a device's registers; returns their address, which lives for ever, or NULL. */
void *hyp_map_device(uint64_t base, size_t size);

/* Take away the page at `va`, which hyp_map() mapped as a page, on all CPUs. */
void hyp_unmap_page(uint32_t va);

/*
 * Show the 2 MiB block that holds `address` in this CPU's window and return the address of its first byte there. Not
 * nested, not kept across a call that may block; hyp_window_close() takes it away again.
 */
uint8_t *hyp_window_open(pa_t address);
void hyp_window_close(void);

#endif
