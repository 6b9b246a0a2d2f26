/* SPDX-License-Identifier: BSD-2-Clause */
/* See lent.h. There are few records, and mostly none. */
#include "hyp/vm/lent.h"

#include <errno.h>
#include <stddef.h>

#include <arm/spinlock.h>

#include "hyp/lib/log.h"
#include "hyp/run/sched.h"
#include "hyp/run/thread.h"
#include "hyp/vm/scrub.h"
#include "hyp/vm/vm.h"
#include "mm/ram.h"

static struct {
	struct spinlock lock; /* all of it, and what is in the records of the list */
	struct lent *first;
	uint32_t keeping; /* VMs that are giving their RAM back: no block becomes free meanwhile */
	struct thread *thread;
} lent;

static pa_t lent_block(const struct pa_piece *piece)
{
	return pa(align_down(piece->at.v, BLOCK_SIZE));
}

void lent_leave(struct lent *l)
{
	spin_lock(&lent.lock);
	l->state = LENT_OUT;
	l->kept = 0;
	l->next = lent.first;
	__atomic_store_n(&lent.first, l, __ATOMIC_RELEASE);
	spin_unlock(&lent.lock);
}

static void lent_unlink(struct lent *l)
{
	struct lent **at = &lent.first;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	__atomic_store_n(&l->state, LENT_IDLE, __ATOMIC_RELEASE);
}

/* Where its VM has that RAM still, there is nothing to do. */
void lent_end(struct lent *l)
{
	bool later;

	spin_lock(&lent.lock);
	later = l->kept != 0;
	if (later)
		l->state = LENT_BACK;
	else
		lent_unlink(l);
	spin_unlock(&lent.lock);
	if (later)
		sched_wake(lent.thread);
}

static bool has_piece(const struct vm *vm, const struct pa_piece *piece)
{
	for (uint32_t i = 0; i < vm->extent_count; i++)
		if (piece->at.v - vm->extent[i].pa < vm->extent[i].size)
			return true;
	return false;
}

/* Under the lock, as all below. */
static struct lent *find_lent(const struct vm *vm)
{
	for (struct lent *l = lent.first; l; l = l->next)
		for (uint32_t i = 0; i < l->count; i++)
			if (l->state == LENT_OUT && !(l->kept & BIT(i)) && has_piece(vm, &l->piece[i]))
				return l;
	return NULL;
}

const char *lent_to(const struct vm *vm)
{
	const struct lent *l;

	if (likely(!__atomic_load_n(&lent.first, __ATOMIC_ACQUIRE)))
		return NULL;
	spin_lock(&lent.lock);
	l = find_lent(vm);
	spin_unlock(&lent.lock);
	return l ? l->to : NULL; /* which stays */
}

/* Whether a block is in quarantine for some piece of any request. */
static bool any_kept(pa_t block)
{
	for (const struct lent *l = lent.first; l; l = l->next)
		for (uint32_t i = 0; i < l->count; i++)
			if (l->kept & BIT(i) && lent_block(&l->piece[i]).v == block.v)
				return true;
	return false;
}

/* Pieces of a block mostly lie one behind the other, and the block is looked for once. */
static uint64_t keep_pieces(const struct vm *vm, struct lent *l)
{
	uint64_t bytes = 0, last = UINT64_MAX;

	for (uint32_t i = 0; i < l->count; i++) {
		uint64_t block = lent_block(&l->piece[i]).v;

		if (l->kept & BIT(i) || !has_piece(vm, &l->piece[i]))
			continue;
		bytes += block == last || any_kept(pa(block)) ? 0 : BLOCK_SIZE;
		l->kept |= BIT(i);
		last = block;
	}
	return bytes;
}

/* Of one request. NULL: of each that has some of the VM's RAM it is kept. */
static const char *keep_next(const struct vm *vm, uint64_t *bytes)
{
	struct lent *l;

	spin_lock(&lent.lock);
	l = find_lent(vm);
	if (l)
		*bytes += keep_pieces(vm, l);
	spin_unlock(&lent.lock);
	return l ? l->to : NULL;
}

bool lent_is_kept(pa_t block)
{
	bool kept;

	spin_lock(&lent.lock);
	kept = any_kept(block);
	spin_unlock(&lent.lock);
	return kept;
}

static void forget_block(struct lent *l, pa_t block)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (lent_block(&l->piece[i]).v == block.v)
			l->kept &= ~BIT(i);
}

/* A block less in the record of a request that has ended; *free: no other request has it. False: there is none. */
static bool take_block(struct lent *l, pa_t *block, bool *free)
{
	if (!l->kept)
		return false;
	*block = lent_block(&l->piece[lowest_bit(l->kept)]);
	forget_block(l, *block);
	*free = !any_kept(*block);
	return true;
}

static struct lent *find_back(void)
{
	struct lent *l = lent.keeping > 0 ? NULL : lent.first;

	while (l && l->state != LENT_BACK)
		l = l->next;
	return l;
}

void lent_settle(void)
{
	bool back;

	spin_lock(&lent.lock);
	lent.keeping--;
	back = find_back() != NULL;
	spin_unlock(&lent.lock);
	if (back)
		sched_wake(lent.thread);
}

uint64_t lent_keep(const struct vm *vm, const char **to)
{
	uint64_t bytes = 0;
	const char *next;

	if (likely(!__atomic_load_n(&lent.first, __ATOMIC_ACQUIRE)))
		return 0;
	spin_lock(&lent.lock);
	lent.keeping++;
	spin_unlock(&lent.lock);
	while ((next = keep_next(vm, &bytes)) != NULL) {
		*to = next;
		sched_preempt();
	}
	if (!bytes)
		lent_settle();
	return bytes;
}

/* What the next record that is back leaves to do. False: nothing, for now. */
static bool next_lent_block(pa_t *block, bool *free, const char **to)
{
	struct lent *l;
	bool found = false;

	spin_lock(&lent.lock);
	while (!found && (l = find_back()) != NULL) {
		*to = l->to;
		found = take_block(l, block, free);
		if (!l->kept)
			lent_unlink(l);
	}
	spin_unlock(&lent.lock);
	return found;
}

static void free_block(pa_t block)
{
	vm_scrub_block(block);
	__atomic_fetch_sub(&ram_use.quarantine, BLOCK_SIZE, __ATOMIC_RELAXED);
	ram_release(block, BLOCK_SIZE);
}

static void free_blocks(void)
{
	const char *to = NULL;
	uint32_t blocks = 0;
	bool free;
	pa_t block;

	while (next_lent_block(&block, &free, &to)) {
		if (!free)
			continue;
		free_block(block);
		blocks++;
	}
	if (blocks)
		log_info("host: %u MiB of RAM are out of quarantine: %s has ended its requests there",
			 (unsigned)(blocks * (BLOCK_SIZE >> 20)), to);
}

static void lent_serve(void *arg)
{
	for (;;) {
		free_blocks();
		sched_block();
	}
}

int lent_start(void)
{
	if (!lent.thread)
		lent.thread = thread_create(lent_serve, NULL, SCHED_PRIORITY_OWN);
	return lent.thread ? 0 : -ENOMEM;
}
