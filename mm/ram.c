/* SPDX-License-Identifier: BSD-2-Clause */
/* Free RAM as a short sorted list of ranges: VMs come and go in pieces of hundreds of MiB, so it stays short. */
#include <stdbool.h>

#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "mm/ram.h"

#define RANGES_MAX 128U

static struct {
	struct spinlock lock;
	unsigned int count;
	struct {
		uint64_t base, size;
	} range[RANGES_MAX];
} ram;

/* What was added, as it was said: constant behind boot. */
static struct {
	unsigned int count;
	struct {
		uint64_t base, size;
	} range[RANGES_MAX];
} all;

struct ram_use ram_use;

static void delete_at(unsigned int i)
{
	for (ram.count--; i < ram.count; i++)
		ram.range[i] = ram.range[i + 1];
}

/* Insert at its place and join it to its neighbours. Returns the bytes that were lost because the list is full. */
static uint64_t insert_bank(uint64_t base, uint64_t size)
{
	unsigned int i = 0;

	while (i < ram.count && ram.range[i].base < base)
		i++;
	if (i > 0 && ram.range[i - 1].base + ram.range[i - 1].size == base) {
		ram.range[--i].size += size;
	} else {
		if (ram.count == RANGES_MAX)
			return size;
		for (unsigned int j = ram.count++; j > i; j--)
			ram.range[j] = ram.range[j - 1];
		ram.range[i].base = base;
		ram.range[i].size = size;
	}
	if (i + 1 < ram.count && ram.range[i].base + ram.range[i].size == ram.range[i + 1].base) {
		ram.range[i].size += ram.range[i + 1].size;
		delete_at(i + 1);
	}
	return 0;
}

/* Not under ram.lock, which is below the console's. */
static void report_lost(uint64_t lost)
{
	if (lost)
		log_warn("host: RAM in more than %u pieces, lost %llu KiB", RANGES_MAX,
			 (unsigned long long)(lost / 1024U));
}

/* Where [base, base + size) ends, at most at the last physical address: a device tree may say anything. */
static uint64_t end_of(uint64_t base, uint64_t size)
{
	return base >= BIT64(ADDR_BITS) ? base : base + MIN(size, BIT64(ADDR_BITS) - base);
}

bool ram_is(pa_t at)
{
	for (unsigned int i = 0; i < all.count; i++)
		if (at.v - all.range[i].base < all.range[i].size)
			return true;
	return false;
}

static void note_bank(uint64_t base, uint64_t size)
{
	if (all.count < RANGES_MAX) {
		all.range[all.count].base = base;
		all.range[all.count++].size = size;
	}
}

void ram_add(uint64_t base, uint64_t size)
{
	uint64_t end = align_down(end_of(base, size), BLOCK_SIZE);

	note_bank(base, size);
	if (base >= BIT64(ADDR_BITS))
		return;
	base = align_up(base, BLOCK_SIZE);
	if (end <= base)
		return;
	ram_remove(base, end - base); /* what is stated twice is there once */
	report_lost(insert_bank(base, end - base));
}

void ram_remove(uint64_t base, uint64_t size)
{
	uint64_t end = align_up(end_of(base, size), BLOCK_SIZE);

	if (size == 0)
		return;
	base = align_down(base, BLOCK_SIZE);
	for (unsigned int i = 0; i < ram.count;) {
		uint64_t r_base = ram.range[i].base, r_end = r_base + ram.range[i].size;

		if (!ranges_overlap(base, end - base, r_base, r_end - r_base)) {
			i++;
			continue;
		}
		delete_at(i);
		if (r_base < base)
			report_lost(insert_bank(r_base, base - r_base));
		if (end < r_end)
			report_lost(insert_bank(end, r_end - end));
		i = 0;
	}
}

uint64_t ram_take(uint64_t size, bool low, pa_t *base)
{
	unsigned int best = RANGES_MAX;
	uint64_t got = 0;

	spin_lock(&ram.lock);
	for (unsigned int i = 0; i < ram.count; i++) {
		uint64_t end = ram.range[i].base + ram.range[i].size, usable;

		if (low)
			end = MIN(end, BIT64(32));
		usable = end > ram.range[i].base ? MIN(end - ram.range[i].base, size) : 0;
		if (usable > got) {
			got = usable;
			best = i;
		}
	}
	if (best != RANGES_MAX) {
		*base = pa(ram.range[best].base);
		ram.range[best].base += got;
		ram.range[best].size -= got;
		if (ram.range[best].size == 0)
			delete_at(best);
	}
	spin_unlock(&ram.lock);
	return got;
}

/* Its range with a place for the piece; RANGES_MAX: none. Holder of ram.lock. */
static unsigned int find_place(uint64_t size, uint64_t align, uint64_t from, uint64_t to, uint64_t *at)
{
	unsigned int i;

	for (i = 0; i < ram.count; i++) {
		uint64_t end = MIN(ram.range[i].base + ram.range[i].size, to);

		*at = align_up(MAX(ram.range[i].base, from), align);
		if (*at <= end && size <= end - *at)
			break;
	}
	return i < ram.count ? i : RANGES_MAX;
}

bool ram_take_in(uint64_t size, uint64_t align, uint64_t from, uint64_t to, pa_t *base)
{
	uint64_t at, end, lost = 0;
	unsigned int i;

	spin_lock(&ram.lock);
	i = find_place(size, align, from, to, &at);
	if (i != RANGES_MAX) {
		*base = pa(at);
		end = ram.range[i].base + ram.range[i].size;
		ram.range[i].size = at - ram.range[i].base;
		if (ram.range[i].size == 0)
			delete_at(i);
		if (end > at + size)
			lost = insert_bank(at + size, end - (at + size));
	}
	spin_unlock(&ram.lock);
	report_lost(lost);
	return i != RANGES_MAX;
}

void ram_release(pa_t base, uint64_t size)
{
	uint64_t lost;

	spin_lock(&ram.lock);
	lost = insert_bank(base.v, size);
	spin_unlock(&ram.lock);
	report_lost(lost);
}

void ram_account(uint64_t *use)
{
	uint64_t gone = ram_use.reserved + ram_use.virt7 + ram_use.bundle;

	*use += ram_use.total - gone - ram_available();
}

uint64_t ram_available(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < ram.count; i++)
		sum += ram.range[i].size;
	return sum;
}
