/* SPDX-License-Identifier: BSD-2-Clause */
/* Unpacked images are never given back: they are the bundle's, in another form (hyp/load/unpack.h). */
#include <errno.h>

#include <arm/copy.h>

#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/load/stream.h"
#include "hyp/load/unpack.h"
#include "hyp/load/words.h"
#include "mm/badpage.h"
#include "mm/hypmap.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/ram.h"

#define UNPACKED_MAX 64U
#define PIECES_MAX   8U

static struct {
	const uint8_t *packed; /* where it is in the bundle, which names it */
	const uint8_t *data;
	size_t size;
} unpacked[UNPACKED_MAX];

static uint32_t unpacked_count;
static uint32_t next_va; /* behind the bundle and what has been unpacked; 0: nothing has */

struct unpacking {
	struct image_stream stream;
	struct image_work *work;
	uint32_t count;
	struct {
		uint64_t pa, size;
	} piece[PIECES_MAX];
};

static bool find_unpacked(struct bundle_image *image)
{
	for (uint32_t i = 0; i < unpacked_count; i++)
		if (unpacked[i].packed == image->data) {
			image->data = unpacked[i].data;
			image->size = unpacked[i].size;
			image->compression = IMAGE_PLAIN;
			return true;
		}
	return false;
}

static void release_pieces(struct unpacking *u)
{
	for (uint32_t i = 0; i < u->count; i++)
		ram_release(pa(u->piece[i].pa), u->piece[i].size);
	u->count = 0;
}

/* How much of a piece of RAM is in front of its first block with a bad page. */
static uint64_t good_part(pa_t base, uint64_t size)
{
	uint64_t good = size;
	uint32_t next = 0;

	for (const struct bad_page *bad; (bad = badpage_next(base, size, &next)) != NULL;)
		good = MIN(good, align_down(bad->pa - base.v, BLOCK_SIZE));
	return good;
}

/*
 * The next piece of at most `size` bytes, without bad pages: its size, which may be 0 where *bad, a block with some, is
 * set aside. -ENOMEM: there is no RAM.
 */
static int64_t take_piece(struct unpacking *u, uint64_t size, uint64_t *bad)
{
	pa_t base = pa(0);
	uint64_t got = u->count < PIECES_MAX ? ram_take(size, false, &base) : 0, good;

	if (got == 0)
		return -ENOMEM;
	good = good_part(base, got);
	*bad = good < got ? base.v + good : 0;
	if (good + BLOCK_SIZE < got)
		ram_release(pa(*bad + BLOCK_SIZE), got - good - BLOCK_SIZE);
	u->piece[u->count].pa = base.v;
	u->piece[u->count].size = good;
	u->count += good > 0;
	return (int64_t)good;
}

/* Blocks with bad pages are left to VMs, which can live with holes. */
static int take_unpack_pieces(struct unpacking *u, uint64_t size)
{
	uint64_t bad[PIECES_MAX];
	uint32_t bad_count = 0;
	int64_t got = 0;

	while (size > 0 && got >= 0 && bad_count < PIECES_MAX) {
		bad[bad_count] = 0;
		got = take_piece(u, size, &bad[bad_count]);
		bad_count += bad[bad_count] != 0;
		size -= (uint64_t)MAX(got, 0);
	}
	while (bad_count)
		ram_release(pa(bad[--bad_count]), BLOCK_SIZE);
	if (size > 0)
		release_pieces(u);
	return size > 0 ? -ENOMEM : 0;
}

/* A chunk through this CPU's window: a chunk's size divides a block's. */
static int write_chunk(pa_t to, const void *from, size_t len)
{
	uint8_t *window = hyp_window_open(to);
	int ret = copy_checked(window + (to.v & (BLOCK_SIZE - 1U)), from, len);

	hyp_window_close();
	return ret;
}

static int write_pieces(struct unpacking *u)
{
	size_t left = u->stream.length;
	int ret = 0;

	for (uint32_t i = 0; i < u->count; i++)
		for (uint64_t at = 0; !ret && at < u->piece[i].size && left > 0; at += sizeof(u->work->chunk)) {
			size_t n = MIN(left, sizeof(u->work->chunk));

			ret = image_stream_read(&u->stream, u->work->chunk, n);
			if (!ret)
				ret = write_chunk(pa(u->piece[i].pa + at), u->work->chunk, n);
			left -= n;
		}
	return ret;
}

static int map_pieces(const struct unpacking *u, uint32_t va)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < u->count; i++) {
		ret = hyp_map(va, pa(u->piece[i].pa), (size_t)u->piece[i].size, HYP_MEM_RO);
		va += (uint32_t)u->piece[i].size;
	}
	return ret;
}

static uint32_t unpack_place(const struct bundle *b, uint64_t size)
{
	uint64_t va = next_va ? next_va : align_up((uintptr_t)b->fdt + b->size, BLOCK_SIZE);

	return va + size <= LAYOUT_BUNDLE_END && unpacked_count < UNPACKED_MAX ? (uint32_t)va : 0;
}

/* What is in RAM now is what the image is from here on. */
static void use_place(struct bundle_image *image, uint32_t va, size_t length, uint64_t size)
{
	unpacked[unpacked_count].packed = image->data;
	unpacked[unpacked_count].data = (const uint8_t *)(uintptr_t)va;
	unpacked[unpacked_count++].size = length;
	next_va = va + (uint32_t)size;
	ram_use.bundle += size;
	find_unpacked(image);
}

static const char *unpack_to(struct unpacking *u, const struct bundle *b, struct bundle_image *image)
{
	uint64_t size = align_up(u->stream.length, BLOCK_SIZE);
	uint32_t va = unpack_place(b, size);
	int ret;

	if (!va)
		return "more than fits beside the bundle in 1 GiB; use compression = \"none\"";
	if (take_unpack_pieces(u, size))
		return "the host has not enough RAM free to unpack it; give it more, or leave compression out";
	ret = write_pieces(u);
	if (!ret)
		ret = map_pieces(u, va);
	if (!ret) {
		use_place(image, va, u->stream.length, size);
		return NULL;
	}
	release_pieces(u);
	return ret == -EBADMSG || ret == -ENODATA ? WORDS_NOT_GZIP
						  : "the host's memory does not answer, or its heap is empty";
}

int unpack_image(const struct bundle *b, const char *vm, struct bundle_image *image)
{
	unsigned int order = page_order(sizeof(struct unpacking) + sizeof(struct image_work));
	struct unpacking *u;
	const char *wrong;

	if (image->compression == IMAGE_PLAIN || find_unpacked(image))
		return 0;
	u = page_alloc(order);
	if (!u) {
		log_err("vm %s: image \"%.40s\": virt7's heap has no room to unpack it", vm, image->name);
		return -ENOMEM;
	}
	u->work = (struct image_work *)(void *)(u + 1);
	wrong = WORDS_NOT_GZIP;
	if (!image_stream_open(&u->stream, u->work, image->data, image->size, image->compression)) {
		log_info("vm %s: unpacking %.40s, %u KiB", vm, image->name,
			 (unsigned)((u->stream.length + 1023U) / 1024U));
		wrong = unpack_to(u, b, image);
	}
	if (wrong)
		log_err("vm %s: image \"%.40s\": %s", vm, image->name, wrong);
	page_free(u, order);
	return wrong ? -EINVAL : 0;
}
