/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An image as a run of bytes that can be read at any position, whether the bundle holds it as it is or gzip-compressed.
 * So the loaders need only one path. For hyp/load/ only. All but image_stream_open() let others take the CPU
 * in between (sched_preempt()).
 */
#ifndef HYP_LOAD_STREAM_H
#define HYP_LOAD_STREAM_H

#include <stdint.h>

#define ZLIB_CONST
#include <zlib.h>

#include "hyp/load/bundle.h"
#include "hyp/lib/addr.h"
#include "hyp/lib/bits.h"

struct vm;

/* Memory to work in, not initialised. inflate needs 7 KiB of state (9.5 KiB on a 64-bit host) and a window of 32 KiB.
 */
struct image_work {
	uint8_t chunk[KIB(16)];
	uint8_t arena[KIB(48)];
};

struct image_stream {
	const uint8_t *data; /* as stored */
	size_t size;
	bool gzip;
	size_t length; /* bytes that can be read */
	size_t pos;    /* of the next one */
	struct image_work *work;
	size_t arena_used;
	z_stream z;
};

/*
 * Start at position 0. The stream keeps pointers into itself: do not copy it. Streams that share `work` exclude one
 * another: opening one ends the other.
 * 0, or -EBADMSG: not gzip, or damaged; all of it is inflated once.
 */
int image_stream_open(struct image_stream *s, struct image_work *work, const void *data, size_t size,
		      enum image_compression compression);

/* Go to `pos`. Backwards in a gzip stream costs inflating it again. 0, -ENODATA past the end, -EBADMSG damaged. */
int image_stream_seek(struct image_stream *s, size_t pos);

/* Exactly `len` bytes into `buf`, from where the stream stands. Errors as image_stream_seek(). */
int image_stream_read(struct image_stream *s, void *buf, size_t len);

/* `len` bytes into guest RAM, visible to a guest with caches off. -EFAULT, too, where that is not the VM's RAM. */
int image_stream_load(struct image_stream *s, struct vm *vm, ipa_t to, size_t len);

/* `len` bytes through zlib's crc32(), which starts at *crc. Errors as image_stream_seek(). */
int image_stream_crc(struct image_stream *s, size_t len, uint32_t *crc);

#endif
