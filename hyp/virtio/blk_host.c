/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of a block device whose sectors are on a disk of the host's (hyp/virtio/vblk.h). */
#include <errno.h>

#include <arm/copy.h>

#include "hyp/lib/log.h"
#include "hyp/virtio/partition.h"
#include "hyp/lib/bits.h"
#include "hyp/load/words.h"
#include "hyp/virtio/vblk.h"
#include "hyp/vm/vm.h"
#include "mm/badpage.h"

/* Of the next `len` bytes, not 0, as many as one look finds. *moved: 0, the step is over. 0, or as guest_gather(). */
static int move_some(struct virtq_step *step, struct guest_cursor *cursor, bool in, uint8_t *at, uint32_t len,
		     uint32_t *moved)
{
	uint32_t n = MIN(MIN(len, step->bytes), cursor->piece->len - cursor->offset);
	uint8_t *shown = virtq_take_shown(step, cursor, n);

	if (likely(shown)) {
		*moved = n;
		step->bytes -= n;
		return in ? copy_checked(shown, at, n) : copy_checked(at, shown, n);
	}
	*moved = virtq_share(step, cursor, len);
	if (*moved == 0)
		return 0;
	return in ? guest_scatter(step->view, cursor, at, *moved) : guest_gather(step->view, cursor, at, *moved);
}

/* Where the request's data is. */
static struct guest_cursor *cursor_of(const struct vblk *b, struct virtq_chain *chain)
{
	return b->request.type == T_IN ? &chain->out : &chain->in;
}

/* What this step may copy of the part. True: all of it has been. */
static bool move_part(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step, uint8_t *data)
{
	struct blk_request *r = &b->request;
	bool in = r->type == T_IN;
	struct guest_cursor *cursor = cursor_of(b, chain);

	while (r->part_moved < r->part) {
		uint32_t n;

		if (move_some(step, cursor, in, data + r->part_moved, r->part - r->part_moved, &n))
			vblk_fail(r);
		if (n == 0 || r->status != S_OK)
			return false;
		r->part_moved += n;
	}
	return true;
}

/* A driver that knows of no flush relies on what it has written as soon as that has ended (5.2.6.2). */
static bool keeps_at_once(const struct vblk *b)
{
	return b->request.type == T_OUT && !virtio_has(&b->virtio, F_FLUSH) && hostdisk_can_flush(b->host);
}

/* The part has been moved: count it. */
static void end_part(struct vblk *b)
{
	struct blk_request *r = &b->request;

	b->virtio.device.count.bytes += r->part;
	r->at += r->part;
	r->left -= r->part;
	r->done += r->type == T_IN ? r->part : 0;
	r->flush = r->left == 0 && r->part > 0 && keeps_at_once(b);
	r->part = 0;
	r->part_begun = r->copies = false;
}

static enum diskdev_type part_type(const struct blk_request *r)
{
	return r->flush ? DISKDEV_FLUSH : r->type == T_IN ? DISKDEV_READ : DISKDEV_WRITE;
}

static uint64_t part_sector(const struct vblk *b)
{
	return b->claim.first + b->request.at / DISK_SECTOR;
}

static void begin_part(struct vblk *b)
{
	b->request.part_begun = true;
	hostdisk_begin(b->host, &b->user, part_type(&b->request), part_sector(b), b->request.part);
}

/* More of them would leave the host's RAM in pieces, should the disk never answer (hyp/vm/lent.h). */
#define BLOCKS_MAX 8U

/* A piece more; *blocks: how many blocks in a row the pieces are in. False: there is no room for it. */
static bool add_place(struct vblk *b, pa_t at, uint32_t len, uint32_t *blocks)
{
	struct hostdisk_direct *d = &b->direct;
	struct pa_piece *last = d->count > 0 ? d->piece + d->count - 1U : NULL;
	bool same = last && last->at.v >> BLOCK_SHIFT == at.v >> BLOCK_SHIFT;

	if (same && last->at.v + last->len == at.v) {
		last->len += len;
	} else {
		if (d->count == b->pieces || (!same && *blocks == BLOCKS_MAX))
			return false;
		d->piece[d->count].at = at;
		d->piece[d->count++].len = len;
		*blocks += !same;
	}
	d->len += len;
	return true;
}

/* To whole sectors. */
static void trim_pieces(struct hostdisk_direct *d)
{
	uint32_t more = d->len % DISK_SECTOR;

	d->len -= more;
	while (more > 0) {
		struct pa_piece *last = d->piece + d->count - 1U;
		uint32_t cut = MIN(more, last->len);

		last->len -= cut;
		more -= cut;
		d->count -= last->len == 0;
	}
}

/*
 * What of the request's data the disk can move itself, as far as one part goes: a piece of the chain after the other,
 * as many as there may be places. False: something has to be touched first, and the step is over.
 */
static __attribute__((noinline)) bool collect_pieces(struct vblk *b, struct guest_cursor here, struct virtq_step *step)
{
	uint32_t wanted = (uint32_t)MIN(b->request.left, DISKDEV_DIRECT), blocks = 0, found;
	pa_t at;

	b->direct.count = b->direct.len = 0;
	for (uint32_t looks = 0; b->direct.len < wanted && looks < DISKDEV_PIECES; looks++) {
		found = guest_take_place(step->view, &here, wanted - b->direct.len, &at);
		if (unlikely(found == 0)) {
			if (virtq_share(step, &here, 1) == 0)
				return false;
			break;
		}
		if (!add_place(b, at, found, &blocks))
			break;
	}
	trim_pieces(&b->direct);
	return true;
}

/* All of its data is a piece that the view has just placed. */
static inline bool place_at_once(struct vblk *b, const struct guest_cursor *here, const struct virtq_step *step)
{
	const struct blk_request *r = &b->request;
	uint32_t len = (uint32_t)MIN(r->left, DISKDEV_DIRECT);

	if (r->bad != 0 || len > here->piece->len - here->offset ||
	    !guest_is_placed(step->view, ipa_add(here->piece->at, here->offset), len, &b->direct.piece[0].at))
		return false;
	b->direct.piece[0].len = b->direct.len = len;
	b->direct.count = 1;
	return true;
}

static enum hostdisk_begun begin_direct(struct vblk *b)
{
	struct blk_request *r = &b->request;
	enum hostdisk_begun begun;

	b->direct.type = part_type(r);
	b->direct.sector = part_sector(b);
	begun = hostdisk_begin_direct(b->host, &b->user, &b->direct);
	if (likely(begun == HOSTDISK_BEGUN)) {
		r->part = b->direct.len;
		r->direct = true;
	}
	return begun;
}

/*
 * A part that the disk moves itself, where that is no shorter than one that is copied. HOSTDISK_WAITS: also where the
 * step is over (*served).
 */
static enum hostdisk_begun try_direct(struct vblk *b, const struct guest_cursor *here, struct virtq_step *step,
				      enum virtio_served *served)
{
	struct blk_request *r = &b->request;

	*served = VIRTIO_WAIT;
	if (r->left == 0 || r->copies || r->part > 0 || b->pieces == 0)
		return HOSTDISK_COPIES;
	r->bad = badpage_count();
	if (unlikely(!place_at_once(b, here, step)) && !collect_pieces(b, *here, step)) {
		*served = VIRTIO_MORE;
		return HOSTDISK_WAITS;
	}
	return b->direct.len < MIN(r->left, DISKDEV_BYTES) ? HOSTDISK_COPIES : begin_direct(b);
}

/*
 * Where a page has turned bad meanwhile, or a read has come to a guest that looks past the caches by now, the part is
 * made anew by a copy, which finds out.
 */
static bool must_copy(const struct blk_request *r, const struct virtq_step *step)
{
	return r->bad != badpage_count() || (r->type == T_IN && step->view->uncached);
}

/* False: it is under way. */
static bool end_direct(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step)
{
	struct blk_request *r = &b->request;
	bool failed;

	if (!hostdisk_ended(&b->user, &failed))
		return false;
	hostdisk_done(&b->user);
	r->direct = false;
	if (failed) {
		vblk_fail(r);
	} else if (unlikely(must_copy(r, step))) {
		r->part = 0;
		r->copies = true;
	} else {
		guest_skip_some(cursor_of(b, chain), r->part);
		end_part(b);
	}
	return true;
}

static enum virtio_served serve_part(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step, uint8_t *data)
{
	struct blk_request *r = &b->request;
	bool failed;

	if (!r->part_begun) {
		if (r->part == 0)
			r->part_moved = 0;
		r->part = (uint32_t)MIN(r->left, DISKDEV_BYTES);
		if (r->type == T_OUT && r->part > 0 && !move_part(b, chain, step, data))
			return VIRTIO_MORE;
		begin_part(b);
	}
	if (!hostdisk_ended(&b->user, &failed))
		return VIRTIO_WAIT;
	if (failed) {
		vblk_fail(r);
	} else if (r->type != T_IN || move_part(b, chain, step, data)) {
		hostdisk_give(b->host, &b->user);
		end_part(b);
	}
	return VIRTIO_MORE;
}

/* What comes next of the request, which is not under way in the guest's RAM. */
static enum virtio_served serve_next(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step)
{
	enum virtio_served served;
	uint8_t *data;

	if (likely(try_direct(b, cursor_of(b, chain), step, &served) != HOSTDISK_COPIES))
		return served;
	data = hostdisk_take(b->host, &b->user);
	return data ? serve_part(b, chain, step, data) : VIRTIO_WAIT;
}

enum virtio_served vblk_serve_host(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step)
{
	enum virtio_served served = VIRTIO_MORE;

	if (b->request.direct && !end_direct(b, chain, step))
		return VIRTIO_WAIT;
	if (vblk_is_for_host(&b->request))
		served = serve_next(b, chain, step);
	if (served == VIRTIO_WAIT || vblk_is_for_host(&b->request))
		return served;
	vblk_drop_host(b);
	return VIRTIO_DONE;
}

bool vblk_must_wait(const struct vblk *b)
{
	bool failed;

	return b->request.direct && !hostdisk_ended(&b->user, &failed) && !hostdisk_is_late(&b->user);
}

/* Its vCPUs find at the checkpoint that some of its RAM is lent (hyp/vm/vmctl.c). */
static void call_to_checkpoint(const struct vm *vm)
{
	struct vcpu *each;

	vm_for_each_vcpu(each, vm)
		if (each->thread.cpu)
			vcpu_request(each, WORK_STOP);
}

void vblk_drop_host(struct vblk *b)
{
	if (likely(!b->host))
		return;
	b->request.direct = false;
	if (hostdisk_give(b->host, &b->user))
		call_to_checkpoint(b->virtio.device.vm);
}

const char *vblk_check_host(const struct vblk *b)
{
	if (!b->host_path)
		return WORDS_DISK_NO_HOST;
	if (b->image || b->size || b->cow)
		return WORDS_DISK_HOST;
	return b->partition > 0 && b->claim.count > 0 ? WORDS_DISK_PARTS : NULL;
}

static void wake_blk(struct hostdisk_user *user)
{
	virtio_wake(&container_of(user, struct vblk, user)->virtio, 0);
}

static int refuse_host(const struct vblk *b, const char *why)
{
	const char *vm = b->virtio.device.vm->config.name;

	log_err("vm %s: /vms/%s/%.40s: host \"%s\": %s", vm, vm, b->virtio.device.name, b->host_path, why);
	return -EINVAL;
}

static int refuse_taken(const struct vblk *b, const struct hostdisk_claim *other)
{
	const char *vm = b->virtio.device.vm->config.name;

	log_err("vm %s: /vms/%s/%.40s: host \"%s\": " WORDS_DISK_TAKEN, vm, vm, b->virtio.device.name, b->host_path,
		other->vm, other->device);
	return -EINVAL;
}

int vblk_open_host(struct vblk *b)
{
	const struct device *device = &b->virtio.device;
	const struct hostdisk_claim *other;
	const char *wrong = hostdisk_open(b->host_path, &b->host);

	if (!wrong && hostdisk_is_read_only(b->host) && !b->read_only)
		wrong = WORDS_DISK_RO;
	if (!wrong)
		wrong = partition_place(b->host, b->partition, &b->claim);
	if (wrong)
		return refuse_host(b, wrong);
	b->user.wake = wake_blk;
	b->user.claim = &b->claim;
	b->pieces = vm_is_direct(device->vm) ? 0 : hostdisk_pieces(b->host);
	b->claim.read_only = b->read_only;
	b->claim.vm = device->vm->config.name;
	b->claim.device = device->name;
	other = hostdisk_claim(b->host, &b->claim);
	if (other)
		return refuse_taken(b, other);
	b->disk.size = b->claim.count * DISK_SECTOR;
	return 0;
}
