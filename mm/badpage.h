/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The quarantine: pages of the host's RAM that are bad. One that is in here stays until virt7 ends, and no VM is given
 * it again: RAM goes out in blocks of 2 MiB, and whoever maps one asks here which of its pages are left out. Spare
 * pages stand in for those where what they held is not missed: from the next start or reset of a VM on.
 */
#ifndef MM_BADPAGE_H
#define MM_BADPAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/addr.h"

#define BADPAGE_OWNER_MAX 20U

struct bad_page {
	uint64_t pa;
	uint64_t instead; /* the spare page that stands in for it, for the VM that has its block; 0: none */
	uint64_t ipa;     /* where the VM that had it saw it; of no meaning where `guest` is false */
	bool guest;
	bool async;                    /* who touches it has an asynchronous abort, by an operator's wish */
	char owner[BADPAGE_OWNER_MAX]; /* whose it was, for people; cut */
};

/* What has become of a page of a VM's, for people. */
#define BADPAGE_TAKEN     "4 KiB taken away"
#define BADPAGE_STANDS_IN "another page stands in for it"

/*
 * Put a page into quarantine, with what its record says of `async` and `owner`. Returns the record, where the caller
 * adds the rest; NULL: it is there already, or the heap is empty.
 */
struct bad_page *badpage_add(pa_t page, bool async, const char *owner);

uint32_t badpage_count(void);

/* Whether the page is in quarantine. Without a look at the list where that is empty. */
bool badpage_is(pa_t page);

/*
 * One after the other, those in [base, base + size): NULL when there are no more. Begin with *next = 0. Those that are
 * added meanwhile may be missed.
 */
struct bad_page *badpage_next(pa_t base, uint64_t size, uint32_t *next);

/* Let a spare page stand in for it, if it has none. -ENOMEM: the host has no RAM left for that. */
int badpage_replace(struct bad_page *bad);

/* The VM that had [base, base + size) has lost it, or begins anew: its spare pages may stand in for others. */
void badpage_give_back(pa_t base, uint64_t size);

/* The record of the page for which `page` stands in; NULL: it stands in for none. */
struct bad_page *badpage_of_spare(pa_t page);

/* A page that stands in for another one is bad itself: the record of that other one, which has none any more; or NULL.
 */
struct bad_page *badpage_lose_spare(pa_t page);

/* Spare pages: how many there are, and how many of them stand in for others. */
void badpage_spares(uint32_t *all, uint32_t *used);

#endif
