/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading an image, plain or gzip (RFC 1952), front to back. zlib does the inflating in a fixed arena. Plain bytes go
 * to guest RAM in one copy, which guest_load() makes in steps; everything else goes through a chunk, and before each
 * one others may take the CPU.
 */
#include <errno.h>
#include <string.h>

#include "hyp/vm/guestmem.h"
#include "hyp/load/stream.h"
#include "hyp/run/sched.h"

#define GZIP_WINDOW (16 + MAX_WBITS) /* zlib: 16 means "gzip, not zlib" */
#define ARENA_ALIGN 16U
#define PIECE       KIB(4) /* of input, before which others may take the CPU */

static voidpf arena_alloc(voidpf opaque, uInt items, uInt size)
{
	struct image_stream *s = opaque;
	size_t bytes = (size_t)align_up((uint64_t)items * size, ARENA_ALIGN);
	void *memory = s->work->arena + s->arena_used;

	if (bytes > sizeof(s->work->arena) - s->arena_used)
		return Z_NULL;
	s->arena_used += bytes;
	return memory;
}

/* The arena goes away as a whole. */
static void arena_free(voidpf opaque, voidpf address)
{
}

static void rewind_gzip(struct image_stream *s)
{
	s->z.next_in = s->data;
	s->z.avail_in = (uInt)s->size;
	s->pos = 0;
}

/*
 * A member has ended. 1: the next one begins; 0: that was the last (RFC 1952 2.2; tools that fill a partition put
 * zeroes behind it); -EBADMSG: something else follows.
 */
static int next_member(struct image_stream *s)
{
	sched_preempt();
	if (s->z.avail_in && *s->z.next_in)
		return inflateReset(&s->z) == Z_OK ? 1 : -EBADMSG;
	for (; s->z.avail_in; s->z.avail_in--) {
		if (s->z.avail_in % PIECE == 0)
			sched_preempt();
		if (*s->z.next_in++)
			return -EBADMSG;
	}
	return 0;
}

/* One call of inflate(): it may read very much and write nothing (a long name, empty blocks), so it gets a piece. */
static int inflate_piece(z_stream *z)
{
	uInt rest = z->avail_in, step = MIN(rest, (uInt)PIECE);
	int err;

	sched_preempt();
	z->avail_in = step;
	err = inflate(z, Z_NO_FLUSH);
	z->avail_in += rest - step;
	return err;
}

/* Inflate up to `len` bytes, over the ends of members. Their number; fewer: that was all. Or -EBADMSG. */
static int inflate_some(struct image_stream *s, void *buf, size_t len)
{
	int err = 1;

	s->z.next_out = buf;
	s->z.avail_out = (uInt)len;
	while (err == 1 && s->z.avail_out) {
		err = inflate_piece(&s->z);
		if (err == Z_STREAM_END)
			err = next_member(s);
		else
			err = err == Z_OK ? 1 : -EBADMSG;
	}
	return err < 0 ? err : (int)(len - s->z.avail_out);
}

/*
 * How long it is says the stream alone: what stands behind it (ISIZE) is the last member's, and a mere claim. So all of
 * it is inflated once, which checks it too.
 */
static int measure_gzip(struct image_stream *s)
{
	int got;

	s->length = 0;
	do {
		sched_preempt();
		got = inflate_some(s, s->work->chunk, sizeof(s->work->chunk));
		if (got < 0 || s->length > UINT32_MAX - sizeof(s->work->chunk))
			return -EBADMSG;
		s->length += (size_t)got;
	} while (got == (int)sizeof(s->work->chunk));
	rewind_gzip(s);
	return inflateReset(&s->z) == Z_OK ? 0 : -EBADMSG;
}

static int open_gzip(struct image_stream *s)
{
	if (s->size > UINT32_MAX)
		return -EBADMSG;
	s->z.zalloc = arena_alloc;
	s->z.zfree = arena_free;
	s->z.opaque = s;
	rewind_gzip(s);
	return inflateInit2(&s->z, GZIP_WINDOW) == Z_OK ? measure_gzip(s) : -EBADMSG;
}

int image_stream_open(struct image_stream *s, struct image_work *work, const void *data, size_t size,
		      enum image_compression compression)
{
	memset(s, 0, sizeof(*s));
	s->data = data;
	s->size = size;
	s->length = size;
	s->work = work;
	s->gzip = compression == IMAGE_GZIP;
	return s->gzip ? open_gzip(s) : 0;
}

int image_stream_read(struct image_stream *s, void *buf, size_t len)
{
	if (len > s->length - s->pos)
		return -ENODATA;
	sched_preempt();
	if (!s->gzip)
		memcpy(buf, s->data + s->pos, len);
	else if (inflate_some(s, buf, len) != (int)len)
		return -EBADMSG;
	s->pos += len;
	return 0;
}

int image_stream_seek(struct image_stream *s, size_t pos)
{
	int err = 0;

	if (pos > s->length)
		return -ENODATA;
	if (!s->gzip) {
		s->pos = pos;
		return 0;
	}
	if (pos < s->pos) {
		rewind_gzip(s);
		err = inflateReset(&s->z) == Z_OK ? 0 : -EBADMSG;
	}
	while (!err && s->pos < pos)
		err = image_stream_read(s, s->work->chunk, MIN(pos - s->pos, sizeof(s->work->chunk)));
	return err;
}

int image_stream_load(struct image_stream *s, struct vm *vm, ipa_t to, size_t len)
{
	int err = 0;

	if (len > s->length - s->pos)
		return -ENODATA;
	if (!s->gzip) {
		err = guest_load(vm, to, s->data + s->pos, len);
		s->pos += len;
		return err;
	}
	while (!err && len) {
		size_t n = MIN(len, sizeof(s->work->chunk));

		err = image_stream_read(s, s->work->chunk, n);
		if (!err)
			err = guest_load(vm, to, s->work->chunk, n);
		to = ipa_add(to, n);
		len -= n;
	}
	return err;
}

int image_stream_crc(struct image_stream *s, size_t len, uint32_t *crc)
{
	int err = 0;

	while (!err && len) {
		size_t n = MIN(len, sizeof(s->work->chunk));

		err = image_stream_read(s, s->work->chunk, n);
		if (!err)
			*crc = (uint32_t)crc32_z(*crc, s->work->chunk, n);
		len -= n;
	}
	return err;
}
