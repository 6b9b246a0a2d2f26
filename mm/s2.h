/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 2: a VM's IPA space (DDI 0406C B3.6.2, VTCR: 40-bit input, level 1 of two concatenated tables). Memory is
 * mapped 2 MiB at a time, by one block or, where s2_pages, by 512 pages; devices in 4 KiB pages. What is not mapped
 * faults to HYP.
 */
#ifndef MM_S2_H
#define MM_S2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arm/spinlock.h>

#include "hyp/lib/addr.h"

struct s2 {
	struct spinlock lock; /* writers of the tables; the hardware walks without it */
	uint64_t *root;       /* level 1, 1024 entries, of which */
	uint32_t gibs;        /* the first so many may have a table below */
	uint64_t vttbr;       /* root and VMID */
	uint32_t reserved;    /* pages of the heap promised for the tables of RAM */
	uint32_t blocks;      /* 2 MiB blocks of RAM mapped so far: the touched set */
	uint64_t generation;  /* of no other struct s2, and another one when a block is taken away */
};

/*
 * RAM in 4 KiB pages: for hosts where blocks are slow, as QEMU is, whose TLB forgets everything at each TLBIMVA as long
 * as it holds a block. Hardware wants blocks. Set at boot, before there are VMs.
 */
extern bool s2_pages;

/* Make an empty IPA space with a VMID of its own. 0, -ENOMEM, or -ENOSPC when all 255 VMIDs are taken. */
int s2_init(struct s2 *s2);

/* Free the tables and the VMID; no CPU may be running on them, nor have them in VTTBR (vcpu_switch()). */
void s2_destroy(struct s2 *s2);

/* Set aside what the tables for `size` bytes of RAM at `at` take, until s2_forget(): mapping it cannot fail. 0 or
 * -ENOMEM. */
int s2_reserve(struct s2 *s2, ipa_t at, uint64_t size);

/* Map 2 MiB of RAM (aligned), or `size` bytes of a device. Holder of s2->lock. 0; -ENOMEM where nothing is reserved. */
int s2_map_block(struct s2 *s2, ipa_t at, pa_t to);
int s2_map_device(struct s2 *s2, ipa_t at, pa_t to, size_t size);

/*
 * Memory of a device, read-only: tables of 2 MiB that belong to the device, S2_TABLE_ENTRIES entries each.
 * s2_show_table() links one at `at`, where it may be already (aligned; holder of s2->lock; 0 or -ENOMEM),
 * s2_hide_tables() takes away all that lie in the range, and no CPU knows of them behind it: only then their entries
 * may change.
 */
#define S2_TABLE_ENTRIES 512U
uint64_t s2_memory_entry(pa_t page, bool exec);
pa_t s2_entry_pa(uint64_t entry);
uint64_t s2_lost_entry(uint64_t entry); /* the entry of a page that is not shown any more */
bool s2_entry_is_lost(uint64_t entry);
int s2_show_table(struct s2 *s2, ipa_t at, const uint64_t *table);
void s2_hide_tables(struct s2 *s2, ipa_t at, size_t size);

/* The physical address behind `at`, if it is mapped. */
bool s2_lookup(const struct s2 *s2, ipa_t at, pa_t *out);

/*
 * Blocks with bad pages (mm/badpage.h) are always mapped by pages: spare ones, and holes where there is none. The
 * guest's access to a hole comes to HYP.
 *
 * s2_prepare() readies the pages of a block that is not mapped, for s2_map_block(); *show is then what HYP sees it by.
 * s2_take_page() takes the page at `at`, which is in quarantine, away from a block that is mapped, on all CPUs (break
 * before make, B3.10.1); where it is not, -ENOENT. Both 0 or -ENOMEM. Holder of s2->lock.
 */
int s2_prepare(struct s2 *s2, ipa_t at, pa_t to, pa_t *show);
int s2_take_page(struct s2 *s2, ipa_t at);

/* Whether `at` is a hole. *async: who touches it has an asynchronous abort. */
bool s2_is_hole(const struct s2 *s2, ipa_t at, bool *async);

/* What shows the 2 MiB of RAM at `at` in a window of HYP's, if they are mapped (mm/hypmap.h). */
bool s2_show(const struct s2 *s2, ipa_t at, pa_t *show);

/* Whether `page` of virt7's heap is one of the tables. */
bool s2_owns_table(const struct s2 *s2, pa_t page);

/*
 * The next mapped block of RAM at or after *at: true with *at and *to set, which is for windows (s2_show()). Walks the
 * touched set without a lock: blocks are added while the VM lives, never taken away.
 */
bool s2_next_block(const struct s2 *s2, ipa_t *at, pa_t *to);

/*
 * s2_next_block() for every block that has been mapped since s2_forget(), now or before an s2_clear(): what may hold
 * something of the VM's.
 */
bool s2_next_dirty(const struct s2 *s2, ipa_t *at, pa_t *to);

/*
 * Take all RAM blocks away again: the VM's memory counts as untouched. No vCPU of it may be running. s2_forget() also
 * forgets what was dirty: the RAM is no longer the VM's.
 */
void s2_clear(struct s2 *s2);
void s2_forget(struct s2 *s2);

#endif
