/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of pieces of guest RAM: any layout that a driver may choose, a byte at a time if it likes (hyp/vm/guestmem.h).
 * Compiled for speed.
 */
#include <errno.h>

#include <arm/copy.h>

#include "hyp/lib/bits.h"
#include "hyp/vm/guestmem.h"

int guest_cursor_init(struct guest_cursor *cursor, const struct guest_piece *piece, uint32_t count)
{
	uint64_t left = 0;

	for (uint32_t i = 0; i < count; i++)
		left += piece[i].len;
	if (left > UINT32_MAX)
		return -EMSGSIZE;
	*cursor = (struct guest_cursor){.piece = piece, .left = (uint32_t)left};
	return 0;
}

/* The bytes at the cursor's place, at most `len`, that lie in one piece; pieces without any are passed over. */
static inline size_t cursor_here(struct guest_cursor *cursor, size_t len, ipa_t *at)
{
	while (cursor->offset == cursor->piece->len) {
		cursor->piece++;
		cursor->offset = 0;
	}
	*at = ipa_add(cursor->piece->at, cursor->offset);
	return MIN(len, (size_t)(cursor->piece->len - cursor->offset));
}

static inline void cursor_advance(struct guest_cursor *cursor, size_t len)
{
	cursor->offset += (uint32_t)len;
	cursor->left -= (uint32_t)len;
	if (cursor->left > 0 && cursor->offset == cursor->piece->len) {
		cursor->piece++;
		cursor->offset = 0;
	}
}

/*
 * The usual case: `len` bytes, not 0, of one piece in one block that the view shows, and the guest's caches are on.
 * Their place, and the cursor moves behind them; NULL where it is not so.
 */
static inline uint8_t *take_shown(const struct guest_view *view, struct guest_cursor *cursor, size_t len)
{
	uint8_t *shown;
	ipa_t at;

	if (len - 1U >= cursor->left || cursor_here(cursor, len, &at) != len)
		return NULL;
	shown = guest_shown(view, at, len);
	if (shown)
		cursor_advance(cursor, len);
	return shown;
}

uint8_t *guest_take_shown(const struct guest_view *view, struct guest_cursor *cursor, size_t len)
{
	return take_shown(view, cursor, len);
}

/* A piece after the other: what the view shows needs no more than a copy. */
static int __attribute__((noinline))
gather_pieces(struct guest_view *view, struct guest_cursor *from, void *to, size_t len)
{
	uint8_t *target = to;
	int ret = len > from->left ? -ENODATA : 0;

	while (!ret && len > 0) {
		ipa_t at;
		size_t step = cursor_here(from, len, &at);
		const uint8_t *shown = guest_shown(view, at, step);

		ret = shown ? copy_checked(target, shown, step) : guest_copy_in(view, at, target, step);
		cursor_advance(from, step);
		target += step;
		len -= step;
	}
	return ret;
}

static int __attribute__((noinline))
scatter_pieces(struct guest_view *view, struct guest_cursor *to, const void *from, size_t len)
{
	const uint8_t *source = from;
	int ret = len > to->left ? -ENODATA : 0;

	while (!ret && len > 0) {
		ipa_t at;
		size_t step = cursor_here(to, len, &at);
		uint8_t *shown = guest_shown(view, at, step);

		ret = shown ? copy_checked(shown, source, step) : guest_copy_out(view, at, source, step);
		cursor_advance(to, step);
		source += step;
		len -= step;
	}
	return ret;
}

int guest_gather(struct guest_view *view, struct guest_cursor *from, void *to, size_t len)
{
	const uint8_t *shown = take_shown(view, from, len);

	return likely(shown != NULL) ? copy_checked(to, shown, len) : gather_pieces(view, from, to, len);
}

int guest_scatter(struct guest_view *view, struct guest_cursor *to, const void *from, size_t len)
{
	uint8_t *shown = take_shown(view, to, len);

	return likely(shown != NULL) ? copy_checked(shown, from, len) : scatter_pieces(view, to, from, len);
}

uint32_t guest_take_place(struct guest_view *view, struct guest_cursor *cursor, uint32_t len, pa_t *place)
{
	ipa_t at;
	uint32_t found = (uint32_t)cursor_here(cursor, len, &at);

	found = guest_place(view, at, found, place);
	cursor_advance(cursor, found);
	return found;
}

static uint32_t __attribute__((noinline))
share_pieces(struct guest_view *view, struct guest_cursor here, uint32_t len, uint32_t *pieces)
{
	uint32_t sum = 0;

	for (; len > sum && *pieces; --*pieces) {
		ipa_t at;
		size_t step = cursor_here(&here, len - sum, &at);

		if (!guest_shown(view, at, step) &&
		    !(sum ? guest_present : guest_show)(view, at, step)) /* the windows stay at the first */
			return 0;
		cursor_advance(&here, step);
		sum += (uint32_t)step;
	}
	return sum;
}

uint32_t guest_share(struct guest_view *view, const struct guest_cursor *cursor, uint32_t len, uint32_t *pieces)
{
	const struct guest_piece *piece = cursor->piece;

	if (len > 0 && len <= piece->len - cursor->offset && *pieces &&
	    guest_shown(view, ipa_add(piece->at, cursor->offset), len)) {
		--*pieces;
		return len;
	}
	return share_pieces(view, *cursor, len, pieces);
}

void guest_skip(struct guest_cursor *cursor, size_t len)
{
	while (len > 0) {
		ipa_t at;
		size_t step = cursor_here(cursor, len, &at);

		cursor_advance(cursor, step);
		len -= step;
	}
}

static int __attribute__((noinline)) forward_pieces(struct guest_view *to_view, struct guest_cursor *to,
						    struct guest_view *from_view, struct guest_cursor *from, size_t len)
{
	int ret = len > from->left || len > to->left ? -ENODATA : 0;

	while (!ret && len > 0) {
		ipa_t source, target;
		size_t step = cursor_here(to, cursor_here(from, len, &source), &target);

		ret = guest_copy_across(to_view, target, from_view, source, step);
		cursor_advance(from, step);
		cursor_advance(to, step);
		len -= step;
	}
	return ret;
}

int guest_forward(struct guest_view *to_view, struct guest_cursor *to, struct guest_view *from_view,
		  struct guest_cursor *from, size_t len)
{
	struct guest_cursor behind = *from;
	const uint8_t *source = take_shown(from_view, &behind, len);
	uint8_t *target = source ? take_shown(to_view, to, len) : NULL;

	if (unlikely(!target))
		return forward_pieces(to_view, to, from_view, from, len);
	*from = behind;
	return copy_checked(target, source, len);
}
