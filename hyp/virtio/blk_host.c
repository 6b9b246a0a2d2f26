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

/* What this step may copy of the part. True: all of it has been. */
static bool move_part(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step, uint8_t *data)
{
	struct blk_request *r = &b->request;
	bool in = r->type == T_IN;
	struct guest_cursor *cursor = in ? &chain->out : &chain->in;

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

/* The part has been moved: count it, and let others have the slot. */
static void end_part(struct vblk *b)
{
	struct blk_request *r = &b->request;

	hostdisk_give(b->host, &b->user);
	b->virtio.device.count.bytes += r->part;
	r->at += r->part;
	r->left -= r->part;
	r->done += r->type == T_IN ? r->part : 0;
	r->flush = r->left == 0 && r->part > 0 && keeps_at_once(b);
	r->part = 0;
	r->part_begun = false;
}

static void begin_part(struct vblk *b)
{
	struct blk_request *r = &b->request;
	enum diskdev_type type = r->flush ? DISKDEV_FLUSH : r->type == T_IN ? DISKDEV_READ : DISKDEV_WRITE;

	r->part_begun = true;
	hostdisk_begin(b->host, &b->user, type, b->claim.first + r->at / DISK_SECTOR, r->part);
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
	if (failed)
		vblk_fail(r);
	else if (r->type != T_IN || move_part(b, chain, step, data))
		end_part(b);
	return VIRTIO_MORE;
}

enum virtio_served vblk_serve_host(struct vblk *b, struct virtq_chain *chain, struct virtq_step *step)
{
	uint8_t *data = hostdisk_take(b->host, &b->user);
	enum virtio_served served;

	if (!data)
		return VIRTIO_WAIT;
	served = serve_part(b, chain, step, data);
	if (served == VIRTIO_WAIT || vblk_is_for_host(&b->request))
		return served;
	vblk_drop_host(b);
	return VIRTIO_DONE;
}

void vblk_drop_host(struct vblk *b)
{
	if (unlikely(b->host != NULL))
		hostdisk_give(b->host, &b->user);
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
	b->claim.read_only = b->read_only;
	b->claim.vm = device->vm->config.name;
	b->claim.device = device->name;
	other = hostdisk_claim(b->host, &b->claim);
	if (other)
		return refuse_taken(b, other);
	b->disk.size = b->claim.count * DISK_SECTOR;
	return 0;
}
