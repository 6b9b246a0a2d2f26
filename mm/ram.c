/* SPDX-License-Identifier: BSD-2-Clause */
/* Free RAM as a short sorted list of ranges: VMs come and go in pieces of hundreds of MiB, so it stays short. */
#include <stdbool.h>
#include <stddef.h>

#include <arm/barrier.h>
#include <arm/spinlock.h>

#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "mm/layout.h"
#include "mm/ram.h"

#define RANGES_MAX 128U
#define LOOKS_MAX  64U /* words of flags that ram_claim_part() looks at */

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
	uint32_t blocks;
	struct {
		uint64_t base, size;
		uint32_t first; /* number of its first block */
	} range[RANGES_MAX];
} all;

/* Of a block that a CPU zeroes. `busy`: at this moment; written by that CPU. */
struct claim {
	uint64_t block;
	uint32_t done;
	bool valid;
	volatile bool busy;
};

/* Blocks' flags, a bit each, by number; NULL: there are none. Under ram.lock. */
static struct {
	uint32_t *unused, *zero;
	uint32_t words, next; /* the block where the next look for work begins */
	volatile bool dirty;  /* there may be some */
	struct claim claim[CPU_MAX];
} state;

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
	if (all.count == RANGES_MAX || base >= BIT64(ADDR_BITS))
		return;
	all.range[all.count].base = base;
	all.range[all.count].first = all.blocks;
	all.range[all.count++].size = size;
	all.blocks +=
		(uint32_t)((align_up(end_of(base, size), BLOCK_SIZE) - align_down(base, BLOCK_SIZE)) >> BLOCK_SHIFT);
}

/*
 * The block's number, and how many have the next ones; 0: it has no flags. Blocks that lie in no bank as a whole have a
 * number, too, for which no caller asks.
 */
static uint32_t number_of(uint64_t block, uint32_t *number)
{
	for (unsigned int i = 0; state.words && i < all.count; i++)
		if (block - all.range[i].base < all.range[i].size) {
			*number = all.range[i].first +
				  (uint32_t)((block - align_down(all.range[i].base, BLOCK_SIZE)) >> BLOCK_SHIFT);
			return (i + 1U < all.count ? all.range[i + 1U].first : all.blocks) - *number;
		}
	return 0;
}

static uint64_t block_of(uint32_t number)
{
	unsigned int i = 0;

	while (i + 1U < all.count && all.range[i + 1U].first <= number)
		i++;
	return align_down(all.range[i].base, BLOCK_SIZE) + ((uint64_t)(number - all.range[i].first) << BLOCK_SHIFT);
}

/* Holder of ram.lock, here and below. */
static void make_unused(uint64_t base, uint64_t size)
{
	uint32_t left = (uint32_t)(size >> BLOCK_SHIFT), number, count;

	while (left && (count = number_of(base, &number)) != 0) {
		count = MIN(count, left);
		base += (uint64_t)count << BLOCK_SHIFT;
		for (left -= count; count--; number++)
			state.unused[number / 32U] |= BIT(number % 32U);
	}
	state.next = 0;
	state.dirty = true;
}

/* A CPU that zeroes the block ends its part. */
static void end_claims(uint64_t block)
{
	for (struct claim *c = state.claim; c < state.claim + CPU_MAX; c++)
		if (c->valid && c->block == block) {
			c->valid = false;
			while (__atomic_load_n(&c->busy, __ATOMIC_ACQUIRE))
				yield();
		}
}

static bool begin_use(uint64_t block)
{
	uint32_t number, word, bit;
	bool zero;

	if (!number_of(block, &number))
		return false;
	word = number / 32U;
	bit = BIT(number % 32U);
	zero = state.zero[word] & bit;
	state.unused[word] &= ~bit;
	state.zero[word] &= ~bit;
	if (!zero)
		end_claims(block);
	return zero;
}

bool ram_begin_use(pa_t block)
{
	bool zero;

	spin_lock(&ram.lock);
	zero = begin_use(block.v);
	spin_unlock(&ram.lock);
	return zero;
}

static void set_zero(uint64_t block)
{
	uint32_t number;

	if (number_of(block, &number))
		state.zero[number / 32U] |= BIT(number % 32U);
}

void ram_set_zero(pa_t block)
{
	spin_lock(&ram.lock);
	set_zero(block.v);
	spin_unlock(&ram.lock);
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

static uint64_t take_largest(uint64_t size, bool low, pa_t *base)
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

uint64_t ram_take_unused(uint64_t size, pa_t *base)
{
	return take_largest(size, false, base);
}

uint64_t ram_take(uint64_t size, bool low, pa_t *base)
{
	uint64_t got = take_largest(size, low, base);

	for (uint64_t at = 0; at < got; at += BLOCK_SIZE)
		ram_begin_use(pa_add(*base, at));
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
	make_unused(base.v, size);
	spin_unlock(&ram.lock);
	report_lost(lost);
}

size_t ram_flag_bytes(void)
{
	return 2U * sizeof(uint32_t) * ((all.blocks + 31U) / 32U);
}

void ram_track_use(void *flags)
{
	if (!flags)
		return;
	state.words = (all.blocks + 31U) / 32U;
	state.unused = flags;
	state.zero = state.unused + state.words;
	for (unsigned int i = 0; i < ram.count; i++)
		make_unused(ram.range[i].base, ram.range[i].size);
}

static bool is_claimed(uint64_t block)
{
	bool claimed = false;

	for (uint32_t i = 0; i < CPU_MAX; i++)
		claimed |= state.claim[i].valid && state.claim[i].block == block;
	return claimed;
}

/* The next block that is to be zeroed, and that no CPU has yet, as far as LOOKS_MAX words go; RAM_NO_BLOCK: none. */
static uint64_t find_work(void)
{
	for (uint32_t looks = 0; looks < LOOKS_MAX && state.next < 32U * state.words; looks++) {
		uint32_t word = state.next / 32U,
			 left = state.unused[word] & ~state.zero[word] & ~(BIT(state.next % 32U) - 1U);
		uint64_t block;

		state.next = left ? 32U * word + lowest_bit(left) : 32U * (word + 1U);
		if (!left)
			continue;
		block = block_of(state.next++);
		if (!is_claimed(block))
			return block;
	}
	state.dirty = state.next < 32U * state.words;
	return RAM_NO_BLOCK;
}

bool ram_claim_part(uint32_t cpu, pa_t *block, uint32_t *done)
{
	struct claim *c = &state.claim[cpu];

	if (!state.dirty && !c->valid)
		return false;
	spin_lock(&ram.lock);
	if (!c->valid)
		*c = (struct claim){.block = find_work()};
	c->valid = c->busy = c->block != RAM_NO_BLOCK;
	*block = pa(c->block);
	*done = c->done;
	spin_unlock(&ram.lock);
	return true;
}

void ram_end_part(uint32_t cpu, uint32_t done)
{
	struct claim *c = &state.claim[cpu];

	__atomic_store_n(&c->busy, false, __ATOMIC_RELEASE); /* who has taken the block waits for this, with the lock */
	spin_lock(&ram.lock);
	if (c->valid) {
		c->done = done;
		c->valid = done > 0 && done < BLOCK_SIZE;
		if (done == BLOCK_SIZE)
			set_zero(c->block);
	}
	spin_unlock(&ram.lock);
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
