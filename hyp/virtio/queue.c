/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Split queues (virtio 1.2, 2.7; hyp/virtio/queue.h). Whatever the driver writes meanwhile, every field is read once,
 * and nothing that it says is believed a second time. Compiled for speed.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include <arm/barrier.h>
#include <arm/copy.h>
#include <arm/nospec.h>

#include "hyp/lib/bits.h"
#include "hyp/virtio/queue.h"
#include "hyp/lib/virtio_regs.h"

#define DESC_BYTES  16U
#define DESC_ALIGN  16U
#define AVAIL_ALIGN 2U
#define USED_ALIGN  4U
#define USED_BYTES  8U

/* Offsets in the available and in the used ring (2.7.6, 2.7.8). */
#define RING_FLAGS 0U
#define RING_INDEX 2U
#define RING_FIRST 4U

static_assert(sizeof(struct virtq_desc) == DESC_BYTES && offsetof(struct virtq_desc, next) == 14U, "2.7.5");

static uint32_t avail_entry(uint32_t entry)
{
	return RING_FIRST + 2U * entry;
}

static uint32_t used_entry(uint32_t entry)
{
	return RING_FIRST + USED_BYTES * entry;
}

/* The driver's word for when it wants an interrupt is behind its ring, the device's for notifications behind the other.
 */
#define USED_EVENT(q)  avail_entry((q)->s->size)
#define AVAIL_EVENT(q) used_entry((q)->s->size)

#define TOO_LONG    "a chain of 4 GiB or more"
#define RING_ABORTS "the host's memory under its rings does not answer"

/* A guest that looks past the caches shares no line with HYP: none is there before an access, nor behind it. */
static inline void ring_sync(const struct guest_map *map, uint32_t offset, uint32_t len, const struct virtq_step *step)
{
	if (unlikely(step->view->uncached))
		guest_map_sync(map, offset, len);
}

/* The half word; -EIO: the host's memory aborts, and q->wrong says so. */
static inline int ring_read16(struct virtq *q, const struct guest_map *map, uint32_t offset,
			      const struct virtq_step *step)
{
	int value;

	ring_sync(map, offset, sizeof(uint16_t), step);
	value = load16_checked(map->at + offset);
	ring_sync(map, offset, sizeof(uint16_t), step);
	if (unlikely(value < 0))
		q->wrong = RING_ABORTS;
	return value;
}

static inline int ring_write16(struct virtq *q, uint32_t offset, const struct virtq_step *step, uint16_t value)
{
	int ret;

	ring_sync(&q->used, offset, sizeof(value), step);
	ret = store16_checked(q->used.at + offset, value);
	ring_sync(&q->used, offset, sizeof(value), step);
	if (unlikely(ret))
		q->wrong = RING_ABORTS;
	return ret;
}

static const char *check_size(const struct virtq *q)
{
	uint32_t size = q->s->size;

	if (size == 0 || size > q->max || (size & (size - 1U)) != 0)
		return "its size is not a power of two up to QueueNumMax";
	return NULL;
}

static const char *check_places(const struct virtq *q)
{
	if (q->s->desc % DESC_ALIGN || q->s->avail % AVAIL_ALIGN || q->s->used % USED_ALIGN)
		return "its descriptors or rings are not aligned";
	return check_size(q);
}

static void forget_chain(struct virtq *q)
{
	q->chain.begun = q->chain.whole = false;
}

static void begin_at(struct virtq *q, bool resume)
{
	struct virtq_state *s = q->s;

	if (!resume)
		s->avail_next = s->used_next = s->published = s->armed = 0;
	q->avail_seen = s->avail_next;
	q->wrong = NULL;
	forget_chain(q);
}

static uint32_t desc_bytes(const struct virtq_state *s)
{
	return s->size * DESC_BYTES;
}

static uint32_t avail_bytes(const struct virtq_state *s)
{
	return avail_entry(s->size) + sizeof(uint16_t);
}

static uint32_t used_bytes(const struct virtq_state *s)
{
	return used_entry(s->size) + sizeof(uint16_t);
}

void virtq_touch(const struct virtq_state *s, struct vm *vm)
{
	if (s->size == 0 || s->size > VIRTQ_SIZE_MAX)
		return;
	guest_touch_ring(vm, ipa(s->desc), desc_bytes(s));
	guest_touch_ring(vm, ipa(s->avail), avail_bytes(s));
	guest_touch_ring(vm, ipa(s->used), used_bytes(s));
}

static int map_areas(struct virtq *q, struct vm *vm)
{
	const struct virtq_state *s = q->s;
	int ret = guest_map_ring(vm, ipa(s->desc), desc_bytes(s), &q->desc);

	if (ret)
		return ret;
	ret = guest_map_ring(vm, ipa(s->avail), avail_bytes(s), &q->avail);
	if (ret)
		goto out_desc;
	ret = guest_map_ring(vm, ipa(s->used), used_bytes(s), &q->used);
	if (!ret)
		return 0;
	guest_unmap_ring(&q->avail);
out_desc:
	guest_unmap_ring(&q->desc);
	return ret;
}

const char *virtq_map(struct virtq *q, struct vm *vm, bool resume)
{
	const char *wrong = check_places(q);
	int ret;

	if (!wrong && (ret = map_areas(q, vm)) != 0)
		wrong = ret == -EFAULT ? "its descriptors or rings are not in RAM" : "virt7 cannot map its rings";
	if (wrong)
		return wrong;
	begin_at(q, resume);
	return NULL;
}

void virtq_unmap(struct virtq *q)
{
	guest_unmap_ring(&q->used);
	guest_unmap_ring(&q->avail);
	guest_unmap_ring(&q->desc);
	forget_chain(q);
}

static enum virtq_result virtq_broken(struct virtq *q, const char *why)
{
	q->wrong = why;
	return VIRTQ_BROKEN;
}

/* How many entries the driver has made that are not taken; -EIO. Looks into the ring only where it knows of none. */
static inline int virtq_available(struct virtq *q, const struct virtq_step *step)
{
	uint16_t next = q->s->avail_next;

	if (q->avail_seen == next) {
		int index = ring_read16(q, &q->avail, RING_INDEX, step);

		if (unlikely(index < 0))
			return index;
		q->avail_seen = (uint16_t)index;
	}
	return (uint16_t)(q->avail_seen - next);
}

bool virtq_is_idle(const struct virtq *q)
{
	uint16_t next = q->s->avail_next;

	return q->avail_seen == next && (!q->s->event_idx || q->s->armed == next) &&
	       load16_checked(q->avail.at + RING_INDEX) == next;
}

/* The first descriptor of the next chain. VIRTQ_PART: it is in *head. */
static enum virtq_result next_head(struct virtq *q, const struct virtq_step *step, uint32_t *head)
{
	int pending = virtq_available(q, step), entry;
	uint32_t size = q->s->size;

	if (pending == 0)
		return VIRTQ_EMPTY;
	if (unlikely(pending < 0))
		return VIRTQ_BROKEN;
	if ((uint32_t)pending > size)
		return virtq_broken(q, "the available index is further ahead than the queue is long");
	dmb_ish(); /* what the index says is there is read behind it (2.7.13.3) */
	entry = ring_read16(q, &q->avail, avail_entry(q->s->avail_next & (size - 1U)), step);
	if (unlikely(entry < 0))
		return VIRTQ_BROKEN;
	*head = (uint32_t)entry;
	return *head < size ? VIRTQ_PART : virtq_broken(q, "an entry of the available ring is no descriptor");
}

static enum virtq_result virtq_begin_chain(struct virtq *q, const struct virtq_step *step)
{
	struct virtq_chain *c = &q->chain;
	uint32_t head;
	enum virtq_result found = next_head(q, step, &head);

	if (found != VIRTQ_PART)
		return found;
	c->begun = true;
	c->whole = c->indirect = false;
	c->head = (uint16_t)head;
	c->phase = VIRTQ_NO_REQUEST;
	c->walk = (struct virtq_walk){.next = head};
	c->table_count = q->s->size;
	c->fetched_count = 0;
	return VIRTQ_PART;
}

/* The descriptor at `from`, which is HYP's address and a multiple of 4. 0 or -EIO. */
static inline int read_descriptor(const uint8_t *from, struct virtq_desc *desc)
{
	uint32_t word[4];

	if (unlikely(load_words_checked(word, from)))
		return -EIO;
	desc->addr = word[0] | (uint64_t)word[1] << 32;
	desc->len = word[2];
	desc->flags = (uint16_t)word[3];
	desc->next = (uint16_t)(word[3] >> 16);
	return 0;
}

/* Of the queue's own table. */
static int read_direct(const struct virtq *q, const struct virtq_step *step, struct virtq_desc *desc)
{
	uint32_t offset = index_nospec(q->chain.walk.next, VIRTQ_SIZE_MAX) * DESC_BYTES;
	int ret;

	ring_sync(&q->desc, offset, DESC_BYTES, step);
	ret = read_descriptor(q->desc.at + offset, desc);
	ring_sync(&q->desc, offset, DESC_BYTES, step);
	return ret;
}

/* 0; -EAGAIN: not in this step, which is over; or as guest_copy_in(). */
static int fetch_indirect(struct virtq_chain *c, struct virtq_step *step)
{
	uint32_t next = c->walk.next, count = MIN(c->table_count - next, VIRTQ_FETCH);
	ipa_t from = ipa_add(c->table, (uint64_t)next * DESC_BYTES);

	if (!guest_present(step->view, from, (size_t)count * DESC_BYTES)) {
		step->pieces = 0;
		return -EAGAIN;
	}
	c->fetched_from = next;
	c->fetched_count = count;
	return guest_copy_in(step->view, from, c->fetched, (size_t)count * DESC_BYTES);
}

/* Of an indirect table: several are read at once. As fetch_indirect(). */
static int read_indirect(struct virtq_chain *c, struct virtq_step *step, struct virtq_desc *desc)
{
	if (c->walk.next - c->fetched_from >= c->fetched_count) {
		int ret = fetch_indirect(c, step);

		if (ret)
			return ret;
	}
	*desc = c->fetched[index_nospec(c->walk.next - c->fetched_from, VIRTQ_FETCH)];
	return 0;
}

/* The rest of the chain is in a table elsewhere (2.7.5.3). */
static const char *enter_table(struct virtq *q, struct virtq_desc desc)
{
	struct virtq_chain *c = &q->chain;

	if (!q->s->indirect)
		return "an indirect descriptor, which was not negotiated";
	if (c->indirect || desc.flags & VIRTQ_DESC_NEXT)
		return "an indirect descriptor inside of a table, or that goes on";
	if (desc.len == 0 || desc.len % DESC_BYTES)
		return "an indirect table whose length is not one of descriptors";
	c->indirect = true;
	c->table = ipa(desc.addr);
	c->table_count = desc.len / DESC_BYTES;
	c->walk.next = 0;
	c->fetched_count = 0;
	return NULL;
}

/* NULL, or what is wrong with it. *last: it is. */
static inline const char *add_piece(struct virtq_walk *w, struct guest_piece *pieces, uint32_t size,
				    uint32_t table_count, const struct virtq_desc *desc, bool *last)
{
	struct guest_piece *piece = &pieces[w->count];

	if (unlikely(w->count == size))
		return "a chain that is longer than the queue";
	if (desc->flags & VIRTQ_DESC_WRITE) {
		if (unlikely(__builtin_add_overflow(w->out, desc->len, &w->out)))
			return TOO_LONG;
	} else {
		if (unlikely(w->readable++ != w->count))
			return "a descriptor for the device to read behind one to write";
		if (unlikely(__builtin_add_overflow(w->in, desc->len, &w->in)))
			return TOO_LONG;
	}
	w->count++;
	piece->at = ipa(desc->addr);
	piece->len = desc->len;
	w->next = desc->next;
	*last = !(desc->flags & VIRTQ_DESC_NEXT);
	return *last || w->next < table_count ? NULL : "a descriptor whose next one is outside of its table";
}

/* One by one: where the guest looks past the caches, or its table lies in no one block that is shown. */
static __attribute__((noinline)) const char *walk_apart(struct virtq *q, struct virtq_step *step)
{
	struct virtq_chain *c = &q->chain;
	struct virtq_desc desc;
	int ret;

	step->pieces--;
	if (!c->indirect && read_direct(q, step, &desc))
		return RING_ABORTS;
	if (c->indirect) {
		ret = read_indirect(c, step, &desc);
		if (ret)
			return ret == -EAGAIN ? NULL : "an indirect table that is not in RAM";
	}
	if (desc.flags & VIRTQ_DESC_INDIRECT)
		return enter_table(q, desc);
	return add_piece(&c->walk, q->piece, q->s->size, c->table_count, &desc, &c->whole);
}

/* HYP's address of the table that is walked, all of which is in sight; NULL: walk_apart(). */
static const uint8_t *shown_table(const struct virtq *q, const struct virtq_step *step)
{
	const struct virtq_chain *c = &q->chain;

	if (!c->indirect)
		return step->view->uncached ? NULL : q->desc.at;
	if (c->table.v % sizeof(uint32_t) || c->table_count > VIRTQ_SIZE_MAX)
		return NULL;
	return guest_shown(step->view, c->table, c->table_count * DESC_BYTES);
}

/* All that this step may read of it. */
static __attribute__((noinline)) const char *walk_shown(struct virtq *q, struct virtq_step *step, const uint8_t *table)
{
	struct virtq_chain *c = &q->chain;
	struct virtq_walk w = c->walk;
	uint32_t size = q->s->size, table_count = c->table_count, pieces = step->pieces;
	struct virtq_desc desc;
	const char *wrong;
	bool last = false;

	do {
		if (unlikely(read_descriptor(table + index_nospec(w.next, table_count) * DESC_BYTES, &desc)))
			return c->indirect ? "an indirect table that is not in RAM" : RING_ABORTS;
		pieces--;
		if (unlikely(desc.flags & VIRTQ_DESC_INDIRECT)) {
			c->walk = w;
			step->pieces = pieces;
			return enter_table(q, desc);
		}
		wrong = add_piece(&w, q->piece, size, table_count, &desc, &last);
	} while (!wrong && !last && pieces > 0);
	c->walk = w;
	c->whole = last;
	step->pieces = pieces;
	return wrong;
}

static inline void begin_cursor(struct guest_cursor *cursor, const struct guest_piece *piece, uint32_t bytes)
{
	cursor->piece = piece;
	cursor->offset = 0;
	cursor->left = bytes;
}

enum virtq_result virtq_take(struct virtq *q, struct virtq_step *step)
{
	struct virtq_chain *c = &q->chain;

	if (c->whole)
		return VIRTQ_CHAIN;
	if (!c->begun) {
		enum virtq_result begun = virtq_begin_chain(q, step);

		if (begun != VIRTQ_PART)
			return begun;
	}
	while (!c->whole) {
		const uint8_t *table;
		const char *wrong;

		if (step->pieces == 0)
			return VIRTQ_PART;
		table = shown_table(q, step);
		wrong = likely(table != NULL) ? walk_shown(q, step, table) : walk_apart(q, step);
		if (unlikely(wrong != NULL))
			return virtq_broken(q, wrong);
	}
	begin_cursor(&c->in, q->piece, c->walk.in);
	begin_cursor(&c->out, q->piece + c->walk.readable, c->walk.out);
	return VIRTQ_CHAIN;
}

uint32_t virtq_share(struct virtq_step *step, const struct guest_cursor *cursor, uint32_t len)
{
	uint32_t n = guest_share(step->view, cursor, MIN(len, step->bytes), &step->pieces);

	step->bytes -= n;
	if (n == 0)
		step->pieces = 0;
	return n;
}

bool virtq_reserve(struct virtq_step *step, const struct guest_cursor *cursor, uint32_t len)
{
	if (guest_share(step->view, cursor, len, &step->pieces) == len)
		return true;
	step->pieces = 0;
	return false;
}

void virtq_put(struct virtq *q, const struct virtq_step *step, uint32_t written)
{
	uint32_t offset = used_entry(q->s->used_next & (q->s->size - 1U));

	ring_sync(&q->used, offset, USED_BYTES, step);
	if (unlikely(store_words_checked(q->used.at + offset, q->chain.head, written))) {
		q->wrong = RING_ABORTS;
	} else {
		q->s->avail_next++;
		q->s->used_next++;
	}
	ring_sync(&q->used, offset, USED_BYTES, step);
	forget_chain(q);
}

void virtq_rewind(struct virtq *q, uint16_t avail_next, uint16_t used_next)
{
	q->s->avail_next = avail_next;
	q->s->used_next = used_next;
	forget_chain(q);
}

bool virtq_publish(struct virtq *q, const struct virtq_step *step)
{
	struct virtq_state *s = q->s;
	uint16_t old = s->published, new = s->used_next;
	int wanted;

	if (new == old)
		return false;
	dmb_ish(); /* the data and the entries before the index that shows them (2.7.8.2) */
	if (ring_write16(q, RING_INDEX, step, new))
		return false;
	s->published = new;
	dmb_ish(); /* and that before a look at what the driver wants: it does the reverse (2.7.7.2) */
	if (!s->event_idx) {
		wanted = ring_read16(q, &q->avail, RING_FLAGS, step);
		return wanted >= 0 && !(wanted & (int)VIRTQ_NO_INTERRUPT);
	}
	wanted = ring_read16(q, &q->avail, USED_EVENT(q), step);
	return wanted >= 0 && (uint16_t)(new - (uint16_t)wanted - 1U) < (uint16_t)(new - old);
}

bool virtq_rearm(struct virtq *q, const struct virtq_step *step)
{
	struct virtq_state *s = q->s;

	if (!s->event_idx || s->armed == s->avail_next)
		return false; /* a notification comes with each entry since the ring was looked at */
	s->armed = s->avail_next;
	if (ring_write16(q, AVAIL_EVENT(q), step, s->armed))
		return false;
	dmb_ish(); /* the driver makes an entry and then looks at this (2.7.10.1) */
	return virtq_available(q, step) != 0;
}
