/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of a virtio-blk disk of the host's share: the disk, its users, and what it is made of. */
#ifndef TESTS_UNIT_HOSTDISK_RIG_H
#define TESTS_UNIT_HOSTDISK_RIG_H

#include <errno.h>

#include <arm/spinlock.h>

#include "fake_format.h"
#include "host_rig.h"
#include "slow_disk.h"

/* What another CPU does while this one waits for the next lock. */
static void (*before_lock)(void);

static void lock_late(struct spinlock *lock)
{
	void (*before)(void) = before_lock;

	before_lock = NULL;
	if (before)
		before();
	spin_lock(lock);
}

#include "hyp/host/diskvirtio.c" /* for what it and the device write */
#define spin_lock lock_late
#include "hyp/virtio/hostdisk.c" /* and not linked: what it opens stays for ever */
#undef spin_lock

/* Where a test does not say otherwise the disk sees RAM past the caches. */
#ifndef TRANSPORT_OF_DISK
#define TRANSPORT_OF_DISK TRANSPORT("")
#endif

#define PATH "/virtio_mmio@a003e00"
#define SLOW "/mmc@1c0f000"

static irq_fn handler;
static void *handler_arg;
static bool answers; /* the disk, whenever the time is looked at */
static uint8_t answer_status;

int irq_register_spi(uint32_t id, irq_fn fn, void *arg)
{
	assert_int_equal(id, 79);
	handler = fn;
	handler_arg = arg;
	return 0;
}

uint32_t timer_hz(void)
{
	return 1000;
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
	static uint8_t any;

	timer->cpu = (struct percpu *)(void *)&any;
	timer->deadline = deadline;
}

static char said[512];

#define SAID(sector, what) \
	"host disk " PATH ": sector " sector ": " what ": an I/O error for whoever asked; the next ones have no line"

static inline void expect_said(const char *what)
{
	assert_string_equal(said, what);
	said[0] = 0;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	assert_int_equal(said[0], 0); /* nothing unexpected */
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
}

static uint32_t missing; /* bytes that the device does not write, of the last */

/* What of a chain the device writes, but for the status. */
static uint32_t read_bytes(uint32_t head)
{
	const struct hostq_desc *body = device_desc(0, device_desc(0, head)->next);

	return body->flags & VIRTQ_DESC_WRITE && body->flags & VIRTQ_DESC_NEXT ? body->len : 0;
}

/* The device has ended the oldest request. */
static inline uint32_t serve_one(uint8_t status)
{
	int head = device_take(0);
	const struct hostq_desc *desc;
	uint32_t index;

	if (head < 0)
		return UINT32_MAX;
	for (index = (uint32_t)head; device_desc(0, index)->flags & VIRTQ_DESC_NEXT;
	     index = device_desc(0, index)->next)
		;
	desc = device_desc(0, index);
	assert_int_equal(desc->len, 1);
	assert_int_equal(desc->flags, VIRTQ_DESC_WRITE);
	*(uint8_t *)at_pa(desc->addr) = status;
	device_put(0, (uint32_t)head, read_bytes((uint32_t)head) + 1U - missing);
	return (uint32_t)head;
}

static uint64_t look_at_clock(uint32_t reg)
{
	if (answers)
		serve_one(answer_status);
	return fake_machine.reg[reg]++;
}

static void interrupt(void)
{
	device.word[VIRTIO_INTERRUPT_STATUS / 4U] = VIRTIO_INT_QUEUE;
	assert_true(handler(79, handler_arg));
	assert_int_equal(device.word[VIRTIO_INTERRUPT_STATUS / 4U], 0);
}

static bool taken; /* by a VM */
static uint32_t releases;

const struct hostdev *hostdev_claim(struct hostdev *dev, const char *owner)
{
	assert_string_equal(owner, "virt7, for disks");
	assert_true(dev->node == fdt_path_offset(tree, PATH) || dev->node == fdt_path_offset(tree, SLOW));
	return taken ? dev : NULL;
}

void hostdev_release(struct hostdev *dev)
{
	(void)dev;
	releases++;
}

static struct hostdisk *disk;

static void begin_device(uint32_t version)
{
	rig_device(version, HOSTVIRTIO_BLOCK, BIT64(F_FLUSH) | BIT64(28));
	device.word[VIRTIO_CONFIG / 4U] = 4000;
	fake_machine.on_read[SYSREG_cntpct] = look_at_clock;
	hostdisks = NULL;
	answers = false;
	answer_status = S_OK;
	missing = 0;
	watch.cpu = again.cpu = NULL;
	said[0] = 0;
	compile_tree(TREE_HEAD TRANSPORT_OF_DISK "mmc@1c0f000 { compatible = \"allwinner,sun7i-a20-mmc\"; }; };");
	hostdisk_init(&rig_host);
}

static inline void begin(uint32_t version)
{
	begin_device(version);
	assert_null(hostdisk_open(PATH, &disk));
}

struct user {
	struct hostdisk_user u;
	uint32_t woken;
};

static void count_wake(struct hostdisk_user *user)
{
	container_of(user, struct user, u)->woken++;
}

static uint32_t preempts;

void sched_preempt(void)
{
	assert_true(!disk || !disk->lock.held);
	preempts++;
}

#endif
