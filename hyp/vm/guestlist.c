/* Lists of pieces of guest RAM: any layout that a driver may choose, a byte at a time if it likes (hyp/vm/guestmem.h).
 */
#include <errno.h>

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
static size_t cursor_here(struct guest_cursor *cursor, size_t len, ipa_t *at)
{
	while (cursor->offset == cursor->piece->len) {
		cursor->piece++;
		cursor->offset = 0;
	}
	*at = ipa_add(cursor->piece->at, cursor->offset);
	return MIN(len, (size_t)(cursor->piece->len - cursor->offset));
}

static void cursor_advance(struct guest_cursor *cursor, size_t len)
{
	cursor->offset += (uint32_t)len;
	cursor->left -= (uint32_t)len;
}

int guest_gather(struct guest_view *view, struct guest_cursor *from, void *to, size_t len)
{
	uint8_t *target = to;
	int ret = len > from->left ? -ENODATA : 0;

	while (!ret && len > 0) {
		ipa_t at;
		size_t step = cursor_here(from, len, &at);

		ret = guest_copy_in(view, at, target, step);
		cursor_advance(from, step);
		target += step;
		len -= step;
	}
	return ret;
}

uint32_t guest_span(const struct guest_cursor *cursor, uint32_t len, uint32_t *pieces)
{
	struct guest_cursor here = *cursor;
	uint32_t sum = 0;

	for (; sum<len && * pieces> 0; --*pieces) {
		ipa_t at;
		size_t step = cursor_here(&here, len - sum, &at);

		cursor_advance(&here, step);
		sum += (uint32_t)step;
	}
	return sum;
}

bool guest_cursor_present(struct guest_view *view, const struct guest_cursor *cursor, uint32_t len)
{
	struct guest_cursor here = *cursor;

	while (len > 0) {
		ipa_t at;
		size_t step = cursor_here(&here, len, &at);

		if (!guest_present(view, at, step))
			return false;
		cursor_advance(&here, step);
		len -= (uint32_t)step;
	}
	return true;
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

int guest_scatter(struct guest_view *view, struct guest_cursor *to, const void *from, size_t len)
{
	const uint8_t *source = from;
	int ret = len > to->left ? -ENODATA : 0;

	while (!ret && len > 0) {
		ipa_t at;
		size_t step = cursor_here(to, len, &at);

		ret = guest_copy_out(view, at, source, step);
		cursor_advance(to, step);
		source += step;
		len -= step;
	}
	return ret;
}

int guest_forward(struct guest_view *to_view, struct guest_cursor *to, struct guest_view *from_view,
		  struct guest_cursor *from, size_t len)
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
