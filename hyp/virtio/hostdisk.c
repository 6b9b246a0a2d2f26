/* SPDX-License-Identifier: BSD-2-Clause */
/* See hostdisk.h. */
#include "hyp/virtio/hostdisk.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <libfdt.h>
#include <string.h>

#include "hyp/lib/log.h"
#include "hyp/host/hostdev.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/virtio_regs.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/run/timer.h"
#include "mm/page.h"

#define F_RO    5U
#define F_FLUSH 9U

#define S_OK        0U
#define DESCRIPTORS 3U /* of a slot: header, data, status */
#define QUEUE_SIZE  32U
#define SYNC_S      1U
#define SILENT_S    5U
#define PATH_SIZE   64U
#define OWNER_SIZE  64U

static_assert(HOSTDISK_SLOTS * DESCRIPTORS <= QUEUE_SIZE, "each slot has its own");

/* What the device reads and writes beside the data (5.2.6). */
struct wire {
	uint32_t type, reserved;
	uint64_t sector;
	uint8_t status;
};

struct slot {
	struct hostdisk_user *user; /* NULL: nobody is interested */
	bool busy;                  /* the device has it, */
	uint64_t since;             /* this long, CNTPCT, */
	uint64_t first, count;      /* and these sectors are being written; */
	uint32_t writes;            /* so many bytes are what it has to write, to memory */
	bool late, lost;            /* that it is not answered has been seen, and its user has gone */
	char owner[OWNER_SIZE];     /* of that user */
	struct wire *wire;
	uint8_t *data;
};

struct hostdisk {
	struct hostvirtio v;
	struct hostq q;
	char path[PATH_SIZE]; /* in the host's tree, for people */
	struct hostdev claim; /* of its device */
	struct hostdisk *next;
	uint64_t sectors;
	struct hostdisk_claim *claims;
	struct spinlock lock; /* the rest */
	struct list waiting;
	struct slot slot[HOSTDISK_SLOTS];
};

static const struct host *the_host;
static struct hostdisk *hostdisks; /* opened on the boot CPU, for ever */
static void look_at_disks(struct timer *timer);
static struct timer watch = {.expired = look_at_disks}; /* armed while a disk has requests */

void hostdisk_init(const struct host *host)
{
	the_host = host;
}

const struct hostdisk_claim *hostdisk_claim(struct hostdisk *disk, struct hostdisk_claim *claim)
{
	for (const struct hostdisk_claim *other = disk->claims; other; other = other->next)
		if (!(claim->read_only && other->read_only) &&
		    ranges_overlap(claim->first, claim->count, other->first, other->count))
			return other;
	claim->next = disk->claims;
	disk->claims = claim;
	return NULL;
}

void hostdisk_unclaim(struct hostdisk *disk, struct hostdisk_claim *claim)
{
	struct hostdisk_claim **at = &disk->claims;

	while (*at != claim)
		at = &(*at)->next;
	*at = claim->next;
}

/* Is something of its sectors still being written, for nobody? Under the lock, as all of these. */
static bool must_wait(const struct hostdisk *disk, const struct hostdisk_user *user)
{
	const struct hostdisk_claim *claim = user->claim;

	for (const struct slot *slot = disk->slot; claim && slot < disk->slot + HOSTDISK_SLOTS; slot++)
		if (slot->busy && !slot->user && slot->count > 0 &&
		    ranges_overlap(claim->first, claim->count, slot->first, slot->count))
			return true;
	return false;
}

static void have_slot(struct hostdisk *disk, struct hostdisk_user *user, uint32_t index)
{
	disk->slot[index].user = user;
	user->slot = index + 1U;
}

/* To the first that waits for nothing else. */
static void pass_slot(struct hostdisk *disk, uint32_t index)
{
	for (struct list *node = disk->waiting.next; node != &disk->waiting; node = node->next) {
		struct hostdisk_user *user = container_of(node, struct hostdisk_user, node);

		if (must_wait(disk, user))
			continue;
		list_remove(node);
		user->waits = false;
		have_slot(disk, user, index);
		user->wake(user);
		return;
	}
}

static void find_slot(struct hostdisk *disk, struct hostdisk_user *user)
{
	if (must_wait(disk, user))
		return;
	for (uint32_t i = 0; i < HOSTDISK_SLOTS && !user->slot; i++)
		if (!disk->slot[i].user && !disk->slot[i].busy)
			have_slot(disk, user, i);
}

/*
 * It says how much it has written: less than the sectors and the status means that what others had there before is
 * still in the buffer. Devices of version 1 need not say it rightly (2.7.8.1).
 */
static bool is_short(const struct hostdisk *disk, const struct slot *slot, uint32_t written)
{
	return !disk->v.legacy && written < slot->writes;
}

static void hostdisk_end_request(struct hostdisk *disk, uint32_t index, uint32_t written)
{
	struct slot *slot = &disk->slot[index];

	slot->busy = false;
	if (!slot->user) {
		pass_slot(disk, index);
		return;
	}
	slot->user->ended = true;
	slot->user->failed = slot->wire->status != S_OK || is_short(disk, slot, written);
	slot->user->wake(slot->user);
}

static bool is_any_late(const struct hostdisk *disk)
{
	for (const struct slot *slot = disk->slot; slot < disk->slot + HOSTDISK_SLOTS; slot++)
		if (slot->busy && slot->late)
			return true;
	return false;
}

/* No more than there can be: whatever the device says, this ends. True: the last late one has ended. */
static bool collect_ended(struct hostdisk *disk)
{
	uint32_t desc, len;
	bool late = false;

	for (uint32_t n = 0; n < QUEUE_SIZE && hostq_take(&disk->q, &desc, &len); n++)
		if (desc / DESCRIPTORS < HOSTDISK_SLOTS && disk->slot[desc / DESCRIPTORS].busy) {
			late |= disk->slot[desc / DESCRIPTORS].late;
			hostdisk_end_request(disk, desc / DESCRIPTORS, len);
		}
	return unlikely(late) && !is_any_late(disk);
}

static bool collect_locked(struct hostdisk *disk)
{
	bool late;

	spin_lock(&disk->lock);
	late = collect_ended(disk);
	spin_unlock(&disk->lock);
	return late;
}

/* What is there to say of a request that is under way? Under the lock; the words of a slot stay as long as it is busy.
 */
static enum silence { ANSWERS, BUSY, SILENT, SILENT_GONE } look_at_slot(struct hostdisk *disk, struct slot *slot)
{
	bool first = !is_any_late(disk);

	if (!slot->busy)
		return ANSWERS;
	if (timer_now() - slot->since < SILENT_S * (uint64_t)timer_hz())
		return BUSY;
	slot->late = true;
	if (!slot->user && !slot->lost) {
		slot->lost = true;
		return SILENT_GONE;
	}
	return first ? SILENT : BUSY;
}

/* One line for a disk that does not answer, until it does, and one for each buffer that is lost to it. */
static bool look_at_request(struct hostdisk *disk, struct slot *slot)
{
	enum silence silence;
	char owner[OWNER_SIZE];

	spin_lock(&disk->lock);
	silence = look_at_slot(disk, slot);
	memcpy(owner, slot->owner, sizeof(owner));
	spin_unlock(&disk->lock);
	if (silence == SILENT)
		log_warn("host disk %s: no answer for %u s; those who have sectors there wait", disk->path, SILENT_S);
	if (silence == SILENT_GONE)
		log_warn(
			"host disk %s: no answer for %u s to a request of %s, which has gone: until it comes one of %u "
			"buffers is out of use, and whoever writes there next waits",
			disk->path, SILENT_S, owner, HOSTDISK_SLOTS);
	return silence != ANSWERS;
}

static void arm_watch(void)
{
	if (!timer_armed(&watch))
		timer_arm(&watch, timer_now() + timer_hz());
}

static void look_at_disks(struct timer *timer)
{
	bool busy = false;

	for (struct hostdisk *disk = hostdisks; disk; disk = disk->next)
		for (uint32_t i = 0; i < HOSTDISK_SLOTS; i++)
			busy |= look_at_request(disk, &disk->slot[i]);
	if (busy)
		arm_watch();
}

static bool hostdisk_irq(uint32_t id, void *arg)
{
	struct hostdisk *disk = arg;

	hostvirtio_acknowledge(&disk->v);
	if (collect_locked(disk))
		log_info("host disk %s: it answers again", disk->path);
	return true;
}

uint8_t *hostdisk_take(struct hostdisk *disk, struct hostdisk_user *user)
{
	uint8_t *data = NULL;

	spin_lock(&disk->lock);
	if (!user->slot && !user->waits)
		find_slot(disk, user);
	if (user->slot) {
		data = disk->slot[user->slot - 1U].data;
	} else if (!user->waits) {
		user->waits = true;
		list_append(&disk->waiting, &user->node);
	}
	spin_unlock(&disk->lock);
	return data;
}

void hostdisk_begin(struct hostdisk *disk, struct hostdisk_user *user, enum hostdisk_type type, uint64_t sector,
		    uint32_t len)
{
	uint32_t index = user->slot - 1U, first = index * DESCRIPTORS;
	struct slot *slot = &disk->slot[index];
	struct hostq_desc *desc = &disk->q.desc[first];

	slot->wire->type = type;
	slot->wire->sector = type == HOSTDISK_FLUSH ? 0 : sector;
	slot->wire->status = UINT8_MAX;
	desc[0].next = (uint16_t)(len > 0 ? first + 1U : first + 2U);
	desc[1].len = len;
	desc[1].flags = (uint16_t)(VIRTQ_DESC_NEXT | (type == HOSTDISK_READ ? VIRTQ_DESC_WRITE : 0));
	spin_lock(&disk->lock);
	user->ended = false;
	slot->busy = true;
	slot->since = timer_now();
	slot->late = slot->lost = false;
	slot->first = sector;
	slot->count = type == HOSTDISK_WRITE ? len / HOSTDISK_SECTOR : 0;
	slot->writes = (type == HOSTDISK_READ ? len : 0) + (uint32_t)sizeof(slot->wire->status);
	hostq_put(&disk->q, first);
	hostq_notify(&disk->q);
	arm_watch();
	spin_unlock(&disk->lock);
}

/* Its user goes, and may be no more when there is something to say of it. */
static void leave_slot(struct slot *slot)
{
	const struct hostdisk_claim *claim = slot->user->claim;

	if (slot->busy && claim)
		log_format(slot->owner, sizeof(slot->owner), "%s.%s", claim->vm, claim->device);
	else if (slot->busy)
		log_format(slot->owner, sizeof(slot->owner), "virt7");
	slot->user = NULL;
}

void hostdisk_give(struct hostdisk *disk, struct hostdisk_user *user)
{
	uint32_t index = user->slot - 1U;

	spin_lock(&disk->lock);
	if (user->waits)
		list_remove(&user->node);
	if (user->slot) {
		leave_slot(&disk->slot[index]);
		if (!disk->slot[index].busy)
			pass_slot(disk, index);
	}
	user->waits = user->ended = false;
	user->slot = 0;
	spin_unlock(&disk->lock);
}

bool hostdisk_ended(struct hostdisk *disk, const struct hostdisk_user *user, bool *failed)
{
	bool ended;

	spin_lock(&disk->lock);
	ended = user->ended;
	*failed = user->failed;
	spin_unlock(&disk->lock);
	return ended;
}

static void wake_nobody(struct hostdisk_user *user)
{
}

/* Interrupts are masked here, so the queue is looked at. */
static bool request_has_ended(struct hostdisk *disk, const struct hostdisk_user *user, bool *failed)
{
	(void)collect_locked(disk);
	return hostdisk_ended(disk, user, failed);
}

static int read_now(struct hostdisk *disk, struct hostdisk_user *user, uint64_t sector, uint8_t *to)
{
	uint64_t until = timer_now() + SYNC_S * (uint64_t)timer_hz();
	bool failed, begun = false;
	const uint8_t *data = NULL;

	do {
		if (!data)
			data = hostdisk_take(disk, user);
		if (data && !begun) {
			hostdisk_begin(disk, user, HOSTDISK_READ, sector, HOSTDISK_SECTOR);
			begun = true;
		}
		if (request_has_ended(disk, user, &failed)) {
			memcpy(to, data, HOSTDISK_SECTOR);
			return failed ? -EIO : 0;
		}
		sched_preempt();
	} while (timer_now() < until);
	return -ETIMEDOUT;
}

int hostdisk_read_sector(struct hostdisk *disk, uint64_t sector, uint8_t *to)
{
	struct hostdisk_user user = {.wake = wake_nobody};
	int ret = read_now(disk, &user, sector, to);

	hostdisk_give(disk, &user);
	return ret;
}

uint64_t hostdisk_sectors(const struct hostdisk *disk)
{
	return disk->sectors;
}

bool hostdisk_is_read_only(const struct hostdisk *disk)
{
	return disk->v.features & BIT64(F_RO);
}

bool hostdisk_can_flush(const struct hostdisk *disk)
{
	return disk->v.features & BIT64(F_FLUSH);
}

static void describe_slot(struct hostdisk *disk, uint32_t index, struct wire *wire, uint8_t *data)
{
	struct hostq_desc *desc = &disk->q.desc[index * DESCRIPTORS];

	disk->slot[index] = (struct slot){.wire = wire, .data = data};
	desc[0] = (struct hostq_desc){
		.addr = page_pa(wire).v, .len = offsetof(struct wire, status), .flags = VIRTQ_DESC_NEXT};
	desc[1] = (struct hostq_desc){.addr = page_pa(data).v, .next = (uint16_t)(index * DESCRIPTORS + 2U)};
	desc[2] = (struct hostq_desc){
		.addr = page_pa(&wire->status).v, .len = sizeof(wire->status), .flags = VIRTQ_DESC_WRITE};
}

static const char *make_slots(struct hostdisk *disk)
{
	struct wire *wire = page_alloc(page_order(HOSTDISK_SLOTS * sizeof(*wire)));
	uint8_t *data = page_alloc(page_order(HOSTDISK_SLOTS * HOSTDISK_BYTES));

	if (!wire || !data)
		return "virt7's heap is too small for its requests";
	for (uint32_t i = 0; i < HOSTDISK_SLOTS; i++)
		describe_slot(disk, i, &wire[i], data + (size_t)i * HOSTDISK_BYTES);
	return NULL;
}

static const char *start_disk(struct hostdisk *disk)
{
	const char *wrong = hostvirtio_open(&disk->v, HOSTVIRTIO_BLOCK, BIT64(F_RO) | BIT64(F_FLUSH));

	if (wrong)
		return wrong;
	list_init(&disk->waiting);
	hostvirtio_config(&disk->v, 0, &disk->sectors, sizeof(disk->sectors));
	wrong = hostq_open(&disk->v, &disk->q, 0, QUEUE_SIZE);
	if (!wrong && disk->q.size < QUEUE_SIZE)
		wrong = "its queue is too short";
	if (!wrong)
		wrong = make_slots(disk);
	if (!wrong && irq_register_spi(disk->v.irq, hostdisk_irq, disk))
		wrong = "its interrupt is in use";
	if (wrong) {
		hostvirtio_reset(&disk->v); /* what has been made stays */
		return wrong;
	}
	hostvirtio_start(&disk->v);
	return NULL;
}

const char *hostdisk_open(const char *path, struct hostdisk **disk)
{
	struct hostdisk fresh = {0}, *made;
	const char *wrong = hostvirtio_find(&fresh.v, the_host, path);

	if (wrong)
		return wrong;
	for (*disk = hostdisks; *disk; *disk = (*disk)->next)
		if ((*disk)->v.node == fresh.v.node)
			return NULL;
	made = page_alloc(page_order(sizeof(*made)));
	if (!made)
		return "virt7's heap is too small";
	made->v = fresh.v;
	made->claim.node = fresh.v.node;
	wrong = hostdev_claim(&made->claim, "virt7, for disks") ? "a VM or a switch has this device" : start_disk(made);
	if (wrong) {
		hostdev_release(&made->claim);
		page_free(made, page_order(sizeof(*made)));
		return wrong;
	}
	if (fdt_get_path(the_host->fdt, made->v.node, made->path, sizeof(made->path)) != 0)
		log_format(made->path, sizeof(made->path), "%s", path);
	made->next = hostdisks;
	__atomic_store_n(&hostdisks, made, __ATOMIC_RELEASE); /* whole, for look_at_disks() */
	*disk = made;
	return NULL;
}
