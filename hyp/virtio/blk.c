/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block device (virtio 1.2, 5.2) on a disk in RAM or in the bundle (hyp/virtio/disk.h). A request is header, data
 * and status in whatever pieces the driver makes. One that is malformed gets IOERR, or, where there is no place for
 * that, a used length of 0. Compiled for speed.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <arm/copy.h>
#include <libfdt.h>

#include "hyp/lib/log.h"
#include "hyp/lib/bits.h"
#include "hyp/load/property.h"
#include "hyp/load/unpack.h"
#include "hyp/load/words.h"
#include "hyp/virtio/partition.h"
#include "hyp/virtio/vblk.h"
#include "hyp/vm/vm.h"

#define F_SEG_MAX      2U
#define F_RO           5U
#define F_BLK_SIZE     6U
#define F_DISCARD      13U
#define F_WRITE_ZEROES 14U

#define ZERO_UNMAP 1U /* of a segment's flags */

#define QUEUE_SIZE   256U
#define SERIAL_BYTES 20U
#define ZERO_SECTORS KIB(64) /* 32 MiB at once */
#define SHOWN_PIECES 3U      /* header, data, status */

/* Configuration space (5.2.4), as far as it is used. */
struct blk_config {
	uint64_t capacity; /* sectors */
	uint32_t size_max, seg_max;
	uint32_t geometry;
	uint32_t blk_size;
	uint32_t topology[2];
	uint32_t writeback_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
	uint32_t may_unmap;
};

static_assert(offsetof(struct blk_config, max_discard_sectors) == 36 && sizeof(struct blk_config) == 64, "5.2.4");

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct blk_segment {
	uint64_t sector;
	uint32_t sectors, flags;
};

/* What a request begins with, and is read at once. */
#define FRONT_BYTES (sizeof(struct blk_header) + sizeof(struct blk_segment))
static_assert(FRONT_BYTES <= VIRTQ_STEP_PIECES, "virtq_reserve()");

static uint8_t check_sectors(const struct vblk *b, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = b->disk.size / DISK_SECTOR;

	if (bytes % DISK_SECTOR || sector > sectors || bytes / DISK_SECTOR > sectors - sector)
		return S_IOERR;
	return S_OK;
}

/* What is to be copied, if all is well with it. */
static void set_range(struct vblk *b, uint64_t sector, uint64_t bytes)
{
	struct blk_request *r = &b->request;

	r->status = check_sectors(b, sector, bytes);
	r->at = sector * DISK_SECTOR;
	r->left = r->status == S_OK ? bytes : 0;
}

static void begin_out(struct vblk *b, uint64_t sector, uint64_t bytes)
{
	set_range(b, sector, bytes);
	if (b->read_only) {
		b->request.status = S_IOERR;
		b->request.left = 0;
	}
}

/* One segment (max_discard_seg, max_write_zeroes_seg). */
static void begin_zero(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step, uint32_t known_flags)
{
	struct blk_segment segment;
	uint8_t wrong = S_OK;

	if (!vblk_is_blank(b) || b->read_only)
		wrong = S_UNSUPP;
	else if (chain->in.left != sizeof(segment) || guest_gather(step->view, &chain->in, &segment, sizeof(segment)))
		wrong = S_IOERR;
	else if (segment.flags & ~known_flags)
		wrong = S_UNSUPP; /* whatever else is wrong (5.2.6.2) */
	else if (segment.sectors > ZERO_SECTORS)
		wrong = S_IOERR;
	if (wrong)
		b->request.status = wrong;
	else
		set_range(b, segment.sector, (uint64_t)segment.sectors * DISK_SECTOR);
}

/* The header of a request without a segment, where it lies as drivers put it. False: it may have cost a piece of the
 * step. */
static bool take_header(struct virtq_chain *chain, struct virtq_step *step, struct blk_header *header)
{
	struct guest_cursor behind = chain->in;
	const uint8_t *shown = virtq_take_shown(step, &behind, sizeof(*header));
	uint32_t word[4];

	if (!shown || (uintptr_t)shown % sizeof(uint32_t) || load_words_checked(word, shown) || word[0] >= T_DISCARD)
		return false;
	*header = (struct blk_header){.type = word[0], .sector = word[2] | (uint64_t)word[3] << 32};
	chain->in = behind;
	return true;
}

/* 0; -EAGAIN: not in this step; or there is none. */
static int read_header(struct virtq_chain *chain, struct virtq_step *step, struct blk_header *header)
{
	if (likely(take_header(chain, step, header)))
		return 0;
	if (!virtq_reserve(step, &chain->in, MIN(chain->in.left, FRONT_BYTES)))
		return -EAGAIN;
	return guest_gather(step->view, &chain->in, header, sizeof(*header));
}

static void begin_request(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step, struct blk_header header)
{
	b->request.type = header.type;
	b->request.at = b->request.left = 0;
	b->request.done = 0;
	b->request.gap = b->request.flush = b->request.part_begun = b->request.copies = false;
	b->request.part = 0;
	b->request.status = S_OK;
	switch (header.type) {
	case T_IN:
		set_range(b, header.sector, chain->out.left - 1U);
		break;
	case T_OUT:
		begin_out(b, header.sector, chain->in.left);
		break;
	case T_FLUSH:
		b->request.flush = b->host && hostdisk_can_flush(b->host);
		break;
	case T_GET_ID:
		b->request.left = MIN(chain->out.left - 1U, SERIAL_BYTES);
		break;
	case T_DISCARD:
		begin_zero(b, chain, step, 0);
		break;
	case T_WRITE_ZEROES:
		begin_zero(b, chain, step, ZERO_UNMAP);
		break;
	default:
		b->request.status = S_UNSUPP;
		break;
	}
}

/* Once, until the VM is reset: a driver that goes on writing must not fill the console. */
static void say_disk_full(struct vblk *b)
{
	struct vm *vm = b->virtio.device.vm;

	if (b->full_said)
		return;
	b->full_said = true;
	log_warn("vm %s: %s: the %llu KiB of copy-on-write are used up; writes fail from here on", vm->config.name,
		 b->virtio.device.name, (unsigned long long)(b->cow / 1024U));
}

/* The serial number's bytes from `at` on, zeroes behind it (5.2.6). */
static int give_id(const struct vblk *b, struct virtq_chain *chain, struct virtq_step *step, uint32_t at, uint32_t n)
{
	char id[SERIAL_BYTES] = {0};

	strncpy(id, b->serial ? b->serial : "", sizeof(id));
	return guest_scatter(step->view, &chain->out, id + at, n);
}

static int copy_some(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step, uint32_t n)
{
	const struct blk_request *r = &b->request;

	switch (r->type) {
	case T_IN:
		return disk_read(&b->disk, r->at, step->view, &chain->out, n);
	case T_OUT:
		return disk_write(&b->disk, r->at, step->view, &chain->in, n);
	case T_GET_ID:
		return give_id(b, chain, step, (uint32_t)r->at, n);
	default:
		return disk_zero(&b->disk, r->at, n);
	}
}

/* How much of the data this step may move. */
static uint32_t share_data(const struct vblk *b, const struct virtq_chain *chain, struct virtq_step *step)
{
	uint32_t n = (uint32_t)MIN(b->request.left, step->bytes);

	switch (b->request.type) {
	case T_IN:
	case T_GET_ID:
		return virtq_share(step, &chain->out, n);
	case T_OUT:
		return virtq_share(step, &chain->in, n);
	default:
		step->bytes -= n;
		return n;
	}
}

static void move_data(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step)
{
	struct blk_request *r = &b->request;
	uint32_t n = share_data(b, chain, step);
	int ret = n > 0 ? copy_some(b, chain, step, n) : 0;

	if (unlikely(ret != 0)) {
		if (ret == -ENOSPC)
			say_disk_full(b);
		vblk_fail(r);
		return;
	}
	b->virtio.device.count.bytes += n;
	r->at += n;
	r->left -= n;
	if (r->type == T_IN || r->type == T_GET_ID)
		r->done += n;
}

/* The status is the last byte that the device may write. What is in front of it and was not written counts for nothing.
 */
static enum virtio_served blk_end_request(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step,
					  uint32_t *written)
{
	struct blk_request *r = &b->request;
	uint32_t skipped = chain->out.left - 1U;
	uint8_t *shown;

	r->gap |= skipped > 0;
	guest_skip(&chain->out, skipped);
	shown = virtq_take_shown(step, &chain->out, 1);
	if (!shown && !virtq_reserve(step, &chain->out, 1))
		return VIRTIO_MORE;
	b->virtio.device.count.errors += r->status != S_OK;
	if (shown ? store8_checked(shown, r->status) : guest_scatter(step->view, &chain->out, &r->status, 1))
		*written = 0;
	else
		*written = r->gap ? r->done : r->done + 1U;
	return VIRTIO_DONE;
}

/* Of a usual request, what is where: header, data and status are a piece each, which the step's view shows. */
struct blk_shown {
	const uint8_t *header;
	uint8_t *data, *status;
	uint32_t len; /* of the data */
};

static bool find_shown(const struct virtq_chain *chain, const struct virtq_step *step, struct blk_shown *shown)
{
	const struct guest_piece *piece = chain->in.piece;

	if (chain->walk.count != SHOWN_PIECES || piece[0].len != sizeof(struct blk_header) || piece[2].len != 1U ||
	    piece[1].len - 1U >= step->bytes || step->pieces < SHOWN_PIECES || piece[0].at.v % sizeof(uint32_t))
		return false;
	shown->len = piece[1].len;
	shown->header = guest_shown(step->view, piece[0].at, sizeof(struct blk_header));
	shown->data = guest_shown(step->view, piece[1].at, shown->len);
	shown->status = guest_shown(step->view, piece[2].at, 1U);
	return shown->header && shown->data && shown->status;
}

/* Move the data, and say so. False: not all that is wanted of the disk is in one place, or it is no read or write. */
static bool move_shown(struct vblk *b, const struct blk_shown *shown, bool in)
{
	uint32_t word[4], n = shown->len;
	uint64_t sector;
	uint8_t *place;

	if (load_words_checked(word, shown->header) || word[0] != (in ? T_IN : T_OUT))
		return false;
	sector = word[2] | (uint64_t)word[3] << 32;
	if (check_sectors(b, sector, n) != S_OK)
		return false;
	if (in) {
		const uint8_t *from = disk_shown(&b->disk, sector * DISK_SECTOR, n);

		return from && !copy_checked(shown->data, from, n) && !store8_checked(shown->status, S_OK);
	}
	place = b->read_only ? NULL : disk_place(&b->disk, sector * DISK_SECTOR, n);
	return place && !copy_checked(place, shown->data, n) && !store8_checked(shown->status, S_OK);
}

/* The usual request, at once. False: it is not one, or memory aborts, and it is served step by step. */
static bool serve_shown(struct vblk *b, const struct virtq_chain *chain, struct virtq_step *step, uint32_t *written)
{
	bool in = chain->walk.readable == 1;
	struct blk_shown shown;

	if ((!in && chain->walk.readable != 2) || !find_shown(chain, step, &shown) || !move_shown(b, &shown, in))
		return false;
	step->bytes -= shown.len;
	step->pieces -= SHOWN_PIECES;
	b->virtio.device.count.bytes += shown.len;
	*written = in ? shown.len + 1U : 1U;
	return true;
}

static enum virtio_served blk_serve(struct virtio_device *v, uint32_t queue, struct virtq_chain *chain,
				    struct virtq_step *step, uint32_t *written)
{
	struct vblk *b = vblk_of(v);
	struct blk_header header;
	int ret;

	if (chain->phase == VIRTQ_NO_REQUEST) {
		if (likely(!b->host) && serve_shown(b, chain, step, written))
			return VIRTIO_DONE;
		vblk_drop_host(b);
		ret = read_header(chain, step, &header);
		if (ret == -EAGAIN)
			return VIRTIO_MORE;
		chain->phase++;
		if (ret || chain->out.left == 0) { /* no header, or no place for the status */
			v->device.count.errors++;
			return VIRTIO_DONE;
		}
		begin_request(b, chain, step, header);
	}
	if (unlikely(b->host && vblk_is_for_host(&b->request))) {
		enum virtio_served served = vblk_serve_host(b, chain, step);

		if (served != VIRTIO_DONE)
			return served;
	} else if (b->request.left > 0) {
		move_data(b, chain, step);
	}
	return b->request.left > 0 ? VIRTIO_MORE : blk_end_request(b, chain, step, written);
}

/* What is under way in the guest's RAM goes on until a broken queue is closed, or it has ended. */
static void blk_forget(struct virtio_device *v, uint32_t queue, bool broken)
{
	if (!broken || !vblk_of(v)->request.direct)
		vblk_drop_host(vblk_of(v));
}

static bool blk_is_busy(struct virtio_device *v)
{
	return vblk_must_wait(vblk_of(v));
}

static const struct virtio_backend blk_backend = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.features = BIT64(F_SEG_MAX) | BIT64(F_BLK_SIZE) | BIT64(F_FLUSH),
	.queues = 1,
	.queue_size = QUEUE_SIZE,
	.serve = blk_serve,
	.forget = blk_forget,
	.is_busy = blk_is_busy,
};

static int refuse_disk(const struct vblk *b, const char *wrong)
{
	const char *vm = b->virtio.device.vm->config.name;

	log_err("vm %s: /vms/%s/%.40s: %s", vm, vm, b->virtio.device.name, wrong);
	return -EINVAL;
}

/* NULL, or what does not go together. */
static const char *check_disk_config(const struct vblk *b)
{
	if (b->host_path || b->partition > 0 || b->claim.count > 0)
		return vblk_check_host(b);
	if (b->image && b->size)
		return WORDS_DISK_TWICE;
	if (b->size)
		return b->cow ? WORDS_DISK_BLANK_COW : NULL;
	if (!b->image)
		return WORDS_DISK_NONE;
	if (b->read_only && b->cow)
		return WORDS_DISK_RO_COW;
	return b->read_only || b->cow ? NULL : WORDS_DISK_WRITABLE;
}

static int make_disk(struct vblk *b, const struct bundle_image *image)
{
	const char *vm = b->virtio.device.vm->config.name;
	uint64_t ram = image->data ? b->cow : b->size;
	int ret = disk_make(&b->disk, image->data, image->data ? image->size : b->size, ram);

	if (ret)
		log_err("vm %s: /vms/%s/%.40s: %llu KiB: the host has not so much %s free; take less, or give the host "
			"more memory",
			vm, vm, b->virtio.device.name, (unsigned long long)(ram / 1024U),
			ret == -ENOMEM ? "heap" : "RAM");
	return ret ? -EINVAL : 0;
}

static int open_disk(struct vblk *b)
{
	const struct device *device = &b->virtio.device;
	const char *wrong = check_disk_config(b), *vm = device->vm->config.name;
	struct bundle_image image = {0};

	if (wrong)
		return refuse_disk(b, wrong);
	if (b->host_path)
		return vblk_open_host(b);
	if (b->image && (bundle_find_image(device->bundle, vm, device->name, b->image, &image) ||
			 unpack_image(device->bundle, vm, &image)))
		return -EINVAL;
	return make_disk(b, &image);
}

static void close_disk(struct vblk *b)
{
	if (b->host)
		hostdisk_unclaim(b->host, &b->claim);
	else
		disk_free(&b->disk);
}

static void set_config(struct vblk *b)
{
	struct blk_config config = {
		.capacity = b->disk.size / DISK_SECTOR, .seg_max = QUEUE_SIZE - 2U, .blk_size = DISK_SECTOR};

	if (vblk_is_blank(b) && !b->read_only) {
		config.max_discard_sectors = config.max_write_zeroes_sectors = ZERO_SECTORS;
		config.max_discard_seg = config.max_write_zeroes_seg = config.discard_sector_alignment = 1;
	}
	virtio_config_set(&b->virtio, 0, &config, sizeof(config));
}

static int blk_create(struct device *device)
{
	struct vblk *b = vblk_of(virtio_of(device));
	uint64_t features;
	int ret = open_disk(b);

	if (ret)
		return ret;
	features = b->read_only ? BIT64(F_RO) : !vblk_is_blank(b) ? 0 : BIT64(F_DISCARD) | BIT64(F_WRITE_ZEROES);
	ret = virtio_create(&b->virtio, &blk_backend, &b->state, features);
	if (ret)
		close_disk(b);
	else
		set_config(b);
	return ret;
}

static void blk_reset(struct device *device)
{
	vblk_of(virtio_of(device))->full_said = false;
	virtio_reset(device);
}

/*
 * What a paused VM has of the host's disk others have meanwhile: the request under way is read, and made, anew. One in
 * its RAM ends by itself, as does its claim to the slot.
 */
static void blk_settle(struct device *device)
{
	struct virtio_device *v = virtio_of(device);
	const struct virtq_state *s = &v->state->queue[0];

	if (!vblk_of(v)->host)
		return;
	spin_lock(&v->lock);
	if (!vblk_of(v)->request.direct) {
		virtio_forget(v, 0, false);
		virtq_rewind(&v->queue[0], s->avail_next, s->used_next);
	}
	spin_unlock(&v->lock);
	virtio_wake(v, 0);
}

static void blk_destroy(struct device *device)
{
	virtio_destroy(device);
	close_disk(vblk_of(virtio_of(device)));
}

static bool blk_owns(const struct device *device, pa_t page)
{
	return disk_owns(&container_of(device, const struct vblk, virtio.device)->disk, page);
}

static void blk_show_ram(const struct device *device, void (*print)(const char *fmt, ...))
{
	const struct disk *disk = &container_of(device, const struct vblk, virtio.device)->disk;

	for (uint32_t i = 0; i < disk->pieces; i++)
		print("%s  host 0x%010llx  %u MiB\n", device->name, (unsigned long long)disk->piece[i].pa,
		      (unsigned)(disk->piece[i].size >> 20));
}

static const char *blk_parse_range(struct device *device, const struct bundle *bundle, int node, const char *name)
{
	return partition_parse_range(bundle->fdt, node, name, &vblk_of(virtio_of(device))->claim);
}

#define NODE(compatible)
#define PROPERTY(property_name, property_kind, field, ...) \
	{.name = property_name, .kind = property_kind, PROPERTY_FIELD(struct vblk, field), __VA_ARGS__},
static const struct property blk_properties[] = {
#include "hyp/virtio/blk.def"
	{.name = NULL},
};

const struct device_class virtio_blk_class = {
	.name = "virtio-blk",
	.compatible = "virt7,virtio-blk",
	.properties = blk_properties,
	.size = sizeof(struct vblk),
	.saved = offsetof(struct vblk, state),
	.heap = QUEUE_SIZE * sizeof(struct guest_piece),
	.create = blk_create,
	.reset = blk_reset,
	.describe = virtio_describe,
	.restore = virtio_restore,
	.quiesce = virtio_quiesce,
	.settle = blk_settle,
	.destroy = blk_destroy,
	.owns = blk_owns,
	.show_ram = blk_show_ram,
};
