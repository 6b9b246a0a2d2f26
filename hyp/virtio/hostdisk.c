/* SPDX-License-Identifier: BSD-2-Clause */
/* See hostdisk.h. Compiled for speed. */
#include "hyp/virtio/hostdisk.h"

#include <assert.h>
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include "hyp/lib/log.h"
#include "hyp/host/hostdev.h"
#include "hyp/lib/bits.h"
#include "hyp/run/irq.h"
#include "hyp/run/sched.h"
#include "hyp/run/timer.h"
#include "hyp/vm/lent.h"
#include "mm/page.h"

#define ENDED_MAX  32U /* requests that are looked at in a row */
#define SYNC_S     1U
#define SILENT_S   5U
#define AGAIN_US   200U
#define PATH_SIZE  64U
#define OWNER_SIZE 64U
#define CALLED     "host disk "

static_assert(DISKDEV_PIECES <= LENT_PIECES, "a request's");

struct slot {
	struct hostdisk_user *user;           /* NULL: its user has gone */
	bool busy;                            /* the device has it, */
	uint64_t since;                       /* this long, CNTPCT, */
	uint64_t first, count;                /* from here on, and these sectors are being written; */
	bool late, lost;                      /* that it is not answered has been seen, and its user has gone */
	const struct hostdisk_direct *direct; /* its user's, in place of the slot's memory; NULL: it has that */
	char owner[OWNER_SIZE];               /* of that user */
	struct lent lent;                     /* once it has gone, the pieces of that */
};

struct hostdisk {
	const struct diskdev_driver *driver;
	struct diskdev *dev;
	char path[PATH_SIZE]; /* in the host's tree, for people */
	char name[PATH_SIZE + sizeof(CALLED)];
	struct hostdev claim; /* of its device */
	struct hostdisk *next;
	bool restless; /* it was not made ready, and does not stop: its memory stays */
	struct hostdisk_claim *claims;
	struct spinlock lock; /* the rest, and the device */
	bool failed;          /* a request, once */
	uint32_t left_writes; /* requests that write for users that have gone, */
	uint32_t left_direct; /* and since when not all records have been idle those in pieces of RAM */
	struct list waiting;
	struct slot slot[DISKDEV_SLOTS];
};

static const struct host *the_host;
static struct hostdisk *hostdisks; /* opened on the boot CPU, for ever */
static void look_at_disks(struct timer *timer);
static void look_again(struct timer *timer);
static struct timer watch = {.expired = look_at_disks}; /* armed while a disk has requests, */
static struct timer again = {.expired = look_again};    /* and while one has to be asked how far it is */

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
	spin_lock(&disk->lock); /* who has ended its last request wakes it under the lock */
	spin_unlock(&disk->lock);
}

/* Is something of its sectors still being written for a user that has gone? Under the lock, as all of these. */
static bool must_wait(const struct hostdisk *disk, const struct hostdisk_user *user)
{
	const struct hostdisk_claim *claim = user->claim;

	if (likely(disk->left_writes == 0))
		return false;
	for (const struct slot *slot = disk->slot; claim && slot < disk->slot + DISKDEV_SLOTS; slot++)
		if (slot->busy && !slot->user && slot->count > 0 &&
		    ranges_overlap(claim->first, claim->count, slot->first, slot->count))
			return true;
	return false;
}

static void have_slot(struct hostdisk *disk, struct hostdisk_user *user, uint32_t index)
{
	disk->slot[index].user = user;
	user->slot = index;
	__atomic_store_n(&user->data, disk->dev->slot[index], __ATOMIC_RELEASE);
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
	for (uint32_t i = 0; i < DISKDEV_SLOTS && !user->data; i++)
		if (!disk->slot[i].user && !disk->slot[i].busy)
			have_slot(disk, user, i);
}

/* What of a look at a disk is for people. */
struct news {
	bool answers;      /* again */
	const char *wrong; /* NULL, or what the first request has failed of, */
	uint64_t sector;   /* and where that begins */
};

static void end_left(struct hostdisk *disk, struct slot *slot)
{
	disk->left_writes -= slot->count > 0;
	if (slot->direct)
		lent_end(&slot->lent);
}

/* From when it knows that its request has ended, the user may ask for the next one; it is there until it is woken. */
static void tell_user(struct hostdisk_user *user, bool failed)
{
	user->failed = failed;
	__atomic_store_n(&user->ended, true, __ATOMIC_RELEASE);
	user->wake(user);
}

static void take_slot(struct slot *slot, struct hostdisk_user *user)
{
	slot->user = NULL;
	user->data = NULL;
}

static void hostdisk_end_request(struct hostdisk *disk, uint32_t index, const char *wrong, struct news *news)
{
	struct slot *slot = &disk->slot[index];
	struct hostdisk_user *user = slot->user;

	slot->busy = false;
	if (wrong && !disk->failed)
		*news = (struct news){.wrong = wrong, .sector = slot->first};
	disk->failed |= wrong != NULL;
	if (!user)
		end_left(disk, slot);
	else if (slot->direct)
		take_slot(slot, user);
	if (user)
		tell_user(user, wrong != NULL);
	if (!slot->user)
		pass_slot(disk, index);
}

static bool is_any_late(const struct hostdisk *disk)
{
	for (const struct slot *slot = disk->slot; slot < disk->slot + DISKDEV_SLOTS; slot++)
		if (slot->busy && slot->late)
			return true;
	return false;
}

/* No more than there can be: whatever the device says, this ends. */
static void collect_ended(struct hostdisk *disk, struct news *news)
{
	const char *wrong;
	uint32_t slot;
	bool late = false;

	for (uint32_t n = 0; n < ENDED_MAX && disk->driver->take(disk->dev, &slot, &wrong); n++)
		if (slot < DISKDEV_SLOTS && disk->slot[slot].busy) {
			late |= disk->slot[slot].late;
			hostdisk_end_request(disk, slot, wrong, news);
		}
	news->answers = unlikely(late) && !is_any_late(disk);
}

static void let_go_on(struct hostdisk *disk)
{
	if (disk->driver->go_on && disk->driver->go_on(disk->dev))
		timer_arm(&again, timer_now() + timer_hz() / (1000000U / AGAIN_US));
}

static void say_news(const struct hostdisk *disk, const struct news *news)
{
	if (news->answers)
		log_info("host disk %s: it answers again", disk->path);
	if (news->wrong)
		log_warn("host disk %s: sector %llu: %s: an I/O error for whoever asked; the next ones have no line",
			 disk->path, (unsigned long long)news->sector, news->wrong);
}

/* After an interrupt, or without. */
static void look_at_disk(struct hostdisk *disk, bool interrupt)
{
	struct news news = {0};

	spin_lock(&disk->lock);
	if (interrupt)
		disk->driver->acknowledge(disk->dev);
	collect_ended(disk, &news);
	let_go_on(disk);
	spin_unlock(&disk->lock);
	if (unlikely(news.answers || news.wrong))
		say_news(disk, &news);
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
			disk->path, SILENT_S, owner, DISKDEV_SLOTS);
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

	for (struct hostdisk *disk = hostdisks; disk; disk = disk->next) {
		if (disk->driver->go_on)
			look_at_disk(disk, false);
		for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
			busy |= look_at_request(disk, &disk->slot[i]);
	}
	if (busy)
		arm_watch();
}

static void look_again(struct timer *timer)
{
	for (struct hostdisk *disk = hostdisks; disk; disk = disk->next)
		if (disk->driver->go_on)
			look_at_disk(disk, false);
}

static bool hostdisk_irq(uint32_t id, void *arg)
{
	struct hostdisk *disk = arg;

	look_at_disk(disk, true);
	return true;
}

/* Its slot's memory, or NULL: then it waits. Under the lock. */
static uint8_t *ask_slot(struct hostdisk *disk, struct hostdisk_user *user)
{
	user->asks = true;
	if (!user->data && !user->waits)
		find_slot(disk, user);
	if (!user->data && !user->waits) {
		user->waits = true;
		list_append(&disk->waiting, &user->node);
	}
	return user->data;
}

uint8_t *hostdisk_ask(struct hostdisk *disk, struct hostdisk_user *user)
{
	uint8_t *data;

	spin_lock(&disk->lock);
	data = ask_slot(disk, user);
	spin_unlock(&disk->lock);
	return data;
}

/* Under the lock. */
static struct slot *fill_slot(struct hostdisk *disk, struct hostdisk_user *user, enum diskdev_type type,
			      uint64_t sector, uint32_t len)
{
	struct slot *slot = &disk->slot[user->slot];

	user->ended = false;
	slot->busy = true;
	slot->since = user->since = timer_now();
	slot->late = slot->lost = false;
	slot->direct = NULL;
	slot->first = sector;
	slot->count = type == DISKDEV_WRITE ? len / DISKDEV_SECTOR : 0;
	return slot;
}

void hostdisk_begin(struct hostdisk *disk, struct hostdisk_user *user, enum diskdev_type type, uint64_t sector,
		    uint32_t len)
{
	spin_lock(&disk->lock);
	fill_slot(disk, user, type, sector, len);
	disk->driver->begin(disk->dev, user->slot, type, sector, len);
	let_go_on(disk);
	arm_watch();
	spin_unlock(&disk->lock);
}

uint32_t hostdisk_pieces(const struct hostdisk *disk)
{
	return disk->dev->pieces;
}

/* Is a request without its owner still in some VM's RAM, or its record in use? Under the lock. */
static bool any_left_direct(struct hostdisk *disk)
{
	if (likely(disk->left_direct == 0))
		return false;
	for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
		if (!lent_is_idle(&disk->slot[i].lent))
			return true;
	disk->left_direct = 0;
	return false;
}

/* With the user's slot. Under the lock. */
static void put_direct(struct hostdisk *disk, struct hostdisk_user *user, const struct hostdisk_direct *direct)
{
	struct slot *slot = fill_slot(disk, user, direct->type, direct->sector, direct->len);

	slot->direct = direct;
	disk->driver->begin_pieces(disk->dev, user->slot, direct->type, direct->sector, direct->piece, direct->count);
	arm_watch();
}

enum hostdisk_begun hostdisk_begin_direct(struct hostdisk *disk, struct hostdisk_user *user,
					  const struct hostdisk_direct *direct)
{
	enum hostdisk_begun begun = HOSTDISK_COPIES;

	spin_lock(&disk->lock);
	if (!any_left_direct(disk)) {
		begun = ask_slot(disk, user) ? HOSTDISK_BEGUN : HOSTDISK_WAITS;
		if (begun == HOSTDISK_BEGUN)
			put_direct(disk, user, direct);
	}
	spin_unlock(&disk->lock);
	return begun;
}

bool hostdisk_is_late(const struct hostdisk_user *user)
{
	return timer_now() - user->since >= HOSTDISK_WAIT_S * (uint64_t)timer_hz();
}

static void lend_pieces(struct hostdisk *disk, struct slot *slot)
{
	disk->left_direct++;
	slot->lent.count = slot->direct->count;
	memcpy(slot->lent.piece, slot->direct->piece, slot->direct->count * sizeof(slot->direct->piece[0]));
	lent_leave(&slot->lent);
}

/* Its user goes, and may be no more when there is something to say of it. True: the request is in its RAM. */
static bool leave_slot(struct hostdisk *disk, struct slot *slot)
{
	bool lends = slot->busy && slot->direct;
	const struct hostdisk_claim *claim = slot->user->claim;

	if (slot->busy && claim)
		log_format(slot->owner, sizeof(slot->owner), "%s.%s", claim->vm, claim->device);
	else if (slot->busy)
		log_format(slot->owner, sizeof(slot->owner), "virt7");
	disk->left_writes += slot->busy && slot->count > 0;
	if (lends)
		lend_pieces(disk, slot);
	slot->user = NULL;
	return lends;
}

bool hostdisk_leave(struct hostdisk *disk, struct hostdisk_user *user)
{
	bool lends = false;

	spin_lock(&disk->lock);
	if (user->waits)
		list_remove(&user->node);
	if (user->data) {
		lends = leave_slot(disk, &disk->slot[user->slot]);
		if (!disk->slot[user->slot].busy)
			pass_slot(disk, user->slot);
	}
	user->asks = user->waits = user->ended = false;
	user->data = NULL;
	spin_unlock(&disk->lock);
	return lends;
}

static void wake_none(struct hostdisk_user *user)
{
}

/* Interrupts are masked here, so the queue is looked at. */
static bool request_has_ended(struct hostdisk *disk, const struct hostdisk_user *user, bool *failed)
{
	look_at_disk(disk, false);
	return hostdisk_ended(user, failed);
}

/* What is to be done at once. */
struct hurry {
	enum diskdev_type type;
	uint64_t sector;
	void *data;
	uint32_t len, seconds;
};

static void begin_now(struct hostdisk *disk, struct hostdisk_user *user, const struct hurry *hurry, uint8_t *slot)
{
	if (hurry->type == DISKDEV_WRITE)
		memcpy(slot, hurry->data, hurry->len);
	hostdisk_begin(disk, user, hurry->type, hurry->sector, hurry->len);
}

static int move_now(struct hostdisk *disk, struct hostdisk_user *user, const struct hurry *hurry)
{
	uint64_t until = timer_now() + hurry->seconds * (uint64_t)timer_hz();
	uint8_t *slot = NULL;
	bool failed;

	do {
		if (!slot) {
			slot = hostdisk_take(disk, user);
			if (slot)
				begin_now(disk, user, hurry, slot);
		}
		if (request_has_ended(disk, user, &failed)) {
			if (hurry->type == DISKDEV_READ)
				memcpy(hurry->data, slot, hurry->len);
			return failed ? -EIO : 0;
		}
		sched_preempt();
	} while (timer_now() < until);
	return -ETIMEDOUT;
}

static int hurry_disk(struct hostdisk *disk, const struct hostdisk_claim *claim, const struct hurry *hurry)
{
	struct hostdisk_user user = {.wake = wake_none, .claim = claim};
	int ret = move_now(disk, &user, hurry);

	hostdisk_give(disk, &user);
	return ret;
}

int hostdisk_move(struct hostdisk *disk, const struct hostdisk_claim *claim, enum diskdev_type type, uint64_t sector,
		  void *data, uint32_t len)
{
	return hurry_disk(disk, claim, &(struct hurry){type, sector, data, len, HOSTDISK_WAIT_S});
}

int hostdisk_read_sector(struct hostdisk *disk, uint64_t sector, uint8_t *to)
{
	return hurry_disk(disk, NULL, &(struct hurry){DISKDEV_READ, sector, to, DISKDEV_SECTOR, SYNC_S});
}

uint64_t hostdisk_sectors(const struct hostdisk *disk)
{
	return disk->dev->sectors;
}

bool hostdisk_is_read_only(const struct hostdisk *disk)
{
	return disk->dev->read_only;
}

bool hostdisk_can_flush(const struct hostdisk *disk)
{
	return disk->dev->can_flush;
}

static const char *start_device(struct hostdisk *disk)
{
	const char *wrong;
	bool ready = false;

	for (;;) {
		wrong = disk->driver->start(disk->dev, &ready);
		if (wrong || ready)
			break;
		sched_preempt();
	}
	if (!wrong && irq_register_spi(disk->dev->irq, hostdisk_irq, disk))
		wrong = "its interrupt is in use";
	return wrong;
}

static const char *start_disk(struct hostdisk *disk)
{
	unsigned int order = page_order(DISKDEV_SLOTS * DISKDEV_BYTES);
	uint8_t *data = page_alloc(order);
	const char *wrong;

	if (!data)
		return "virt7's heap is too small for its requests";
	list_init(&disk->waiting);
	disk->dev->hz = timer_hz();
	for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
		disk->dev->slot[i] = data + (size_t)i * DISKDEV_BYTES;
	wrong = start_device(disk);
	if (disk->dev->pieces > 0 && lent_start())
		disk->dev->pieces = 0;
	disk->restless = wrong && !disk->driver->stop(disk->dev);
	if (wrong && !disk->restless)
		page_free(data, order);
	return wrong;
}

/* The disk that is open at that node; NULL: none. */
static struct hostdisk *find_open(int node)
{
	struct hostdisk *disk = hostdisks;

	while (disk && disk->dev->node != node)
		disk = disk->next;
	return disk;
}

static const char *claim_and_start(struct hostdisk *disk, const char *path)
{
	const char *wrong = disk->driver->find(disk->dev, the_host, path);

	if (wrong)
		return wrong;
	disk->claim.node = disk->dev->node;
	wrong = hostdev_claim(&disk->claim, "virt7, for disks") ? "a VM or a switch has this device" : start_disk(disk);
	if (wrong)
		hostdev_release(&disk->claim);
	return wrong;
}

static const char *open_device(struct hostdisk *disk, const char *path)
{
	const char *wrong;

	disk->dev = page_alloc(page_order(disk->driver->size));
	if (!disk->dev)
		return "virt7's heap is too small";
	wrong = claim_and_start(disk, path);
	if (wrong && !disk->restless)
		page_free(disk->dev, page_order(disk->driver->size));
	return wrong;
}

const char *hostdisk_open(const char *path, struct hostdisk **disk)
{
	int node = fdt_path_offset(the_host->fdt, path);
	struct hostdisk *made;
	const char *wrong;

	if (node < 0)
		return "no such node in the host's device tree";
	*disk = find_open(node);
	if (*disk)
		return NULL;
	made = page_alloc(page_order(sizeof(*made)));
	if (!made)
		return "virt7's heap is too small";
	made->driver = diskdev_driver(the_host->fdt, path);
	wrong = made->driver ? open_device(made, path) : "no disk that virt7 drives";
	if (wrong) {
		page_free(made, page_order(sizeof(*made)));
		return wrong;
	}
	if (fdt_get_path(the_host->fdt, node, made->path, sizeof(made->path)) != 0)
		log_format(made->path, sizeof(made->path), "%s", path);
	log_format(made->name, sizeof(made->name), CALLED "%s", made->path);
	for (uint32_t i = 0; i < DISKDEV_SLOTS; i++)
		made->slot[i].lent.to = made->name;
	made->next = hostdisks;
	__atomic_store_n(&hostdisks, made, __ATOMIC_RELEASE); /* whole, for look_at_disks() */
	*disk = made;
	return NULL;
}
