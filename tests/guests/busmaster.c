/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who has a disk at work without end, another one that is slow and all zeroes, and a network card: their queues are
 * always full. Each area of the disk has one request under way, which writes it with what nothing else has in it, or
 * reads that back; of the slow one it reads zeroes. Before all that is a look at the buffers: of what has been before
 * its start nothing may come. "busmaster: ready" is said once many have ended well. Parameters: blk=, slow=, net= say
 * where the registers are, of version 2, 0: nowhere; end= is what happens then: 0 it goes on, 1 its watchdog finds that
 * it does not sleep any more, 2 it resets itself, both with its queues full, 3 it resets the disk again and again, with
 * its queue full, or where nothing comes of it any more, and nothing is to come of what was under way; says= is after
 * how many requests it says that it works, and does that, 0: never. With caches=1 it runs with its caches on.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/net.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/timer.h"

enum end { GOES_ON, HANGS, RESETS, RESETS_DISK };

#define AREAS  16U
#define EACH   3U /* descriptors of a request */
#define LENGTH KIB(16)
#define WORDS  (LENGTH / 4U)
#define BUFFER 2048U
#define FRAME  0xdbU /* its bytes behind its head */

/* From the start of RAM: behind the image, and before the device tree at half of it. */
#define PLACE_DISK MIB(2)
#define PLACE_SLOW (PLACE_DISK + AREAS * LENGTH)
#define PLACE_NET  (PLACE_SLOW + AREAS * LENGTH)
#define PLACE_END  (PLACE_NET + VQ_SIZE * BUFFER)

#define MANY_REQUESTS 200U
#define MANY_FRAMES   10U
#define PAUSE_US      500U
#define RESET_US      3000U
#define IDLE_MAX      200U /* looks without a request that has ended */
#define MARK          0x3a7b91d5U

struct area {
	struct blk_header header;
	volatile uint8_t status;
	uint32_t round;
};

struct disk {
	uint32_t base, place, requests;
	bool zeroes;
	uint16_t taken;
	struct vq q;
	struct area area[AREAS];
};

extern uint8_t __image_end[];

static struct disk disk = {.place = PLACE_DISK}, slow = {.place = PLACE_SLOW, .zeroes = true};
static struct net_card card;
static uint32_t ram, frames, wrong;
static uint16_t card_taken;

static volatile uint32_t *words_of(const struct disk *d, uint32_t n)
{
	return (volatile uint32_t *)(ram + d->place + n * LENGTH);
}

static uint32_t word_of(uint32_t n, uint32_t round, uint32_t i)
{
	return (i * 0x9e3779b9U ^ n * 0x85ebca6bU) + round * 0x01000193U;
}

static uint32_t differs(void)
{
	uint32_t found = 0;

	for (uint32_t at = ram + PLACE_DISK; at < ram + PLACE_END; at += 4)
		found += read32(at) != 0;
	return found;
}

/* Even rounds write, odd ones read what the one before has written. */
static void request(struct disk *d, uint32_t n)
{
	struct area *a = &d->area[n];
	struct vq_desc *desc = &d->q.desc[EACH * n];
	bool reads = d->zeroes || a->round & 1U;

	for (uint32_t i = 0; i < WORDS; i++)
		words_of(d, n)[i] = word_of(n, a->round, i);
	a->header = (struct blk_header){.type = reads ? BLK_IN : BLK_OUT, .sector = n * (LENGTH / BLK_SECTOR)};
	a->status = BLK_NO_STATUS;
	desc[0] = (struct vq_desc){(uint32_t)&a->header, sizeof(a->header), VIRTQ_DESC_NEXT, (uint16_t)(EACH * n + 1U)};
	desc[1] = (struct vq_desc){(uint32_t)words_of(d, n), LENGTH,
				   (uint16_t)(VIRTQ_DESC_NEXT | (reads ? VIRTQ_DESC_WRITE : 0U)),
				   (uint16_t)(EACH * n + 2U)};
	desc[2] = (struct vq_desc){(uint32_t)&a->status, 1, VIRTQ_DESC_WRITE, 0};
	vq_offer(&d->q, EACH * n);
}

static void check(struct disk *d, uint32_t n)
{
	struct area *a = &d->area[n];

	wrong += a->status != BLK_OK;
	for (uint32_t i = 0; (d->zeroes || a->round & 1U) && i < WORDS; i++)
		wrong += words_of(d, n)[i] != (d->zeroes ? 0 : word_of(n, a->round - 1U, i));
	a->round++;
	d->requests++;
}

static void serve_disk(struct disk *d)
{
	bool more = false;

	for (; d->taken != d->q.used.index; d->taken++) {
		uint32_t n = d->q.used.ring[d->taken % VQ_SIZE].id / EACH;

		dmb();
		check(d, n);
		request(d, n);
		more = true;
	}
	if (more)
		write32(d->base + VIRTIO_QUEUE_NOTIFY, 0);
}

static uint32_t buffer_of(uint32_t i)
{
	return ram + PLACE_NET + i * BUFFER;
}

static void serve_card(void)
{
	bool more = false;

	for (; card_taken != card.queue[NET_RECEIVE].used.index; card_taken++) {
		uint32_t i = card.queue[NET_RECEIVE].used.ring[card_taken % VQ_SIZE].id;
		uint32_t at = (uint32_t)card.queue[NET_RECEIVE].desc[i].addr;

		dmb();
		frames += read8(at + NET_HEADER + NET_ETHER) == FRAME;
		net_give(&card, i, at, BUFFER);
		more = true;
	}
	if (more)
		net_notify(&card, NET_RECEIVE);
}

static void open_disk(struct disk *d, uint32_t base)
{
	d->base = base;
	vio_negotiate(base, 0);
	vq_place(base, VQ_SIZE, (uint32_t)d->q.desc, (uint32_t)d->q.avail, (uint32_t)&d->q.used);
	write32(base + VIRTIO_STATUS, VIO_DRIVES | VIRTIO_STATUS_DRIVER_OK);
	for (uint32_t n = 0; n < AREAS; n++) {
		d->area[n].round = (uint32_t)timer_virt.count() & ~1U; /* nothing is as it was before a reset */
		request(d, n);
	}
	write32(base + VIRTIO_QUEUE_NOTIFY, 0);
}

static void put_marks(void)
{
	for (uint32_t n = 0; n < AREAS; n++)
		for (uint32_t i = 0; i < WORDS; i++)
			words_of(&disk, n)[i] = MARK;
}

/* No buffer is written to once the disk has been reset. */
static void reset_disk(void)
{
	write32(disk.base + VIRTIO_STATUS, 0);
	put_marks();
	timer_delay(RESET_US);
	for (uint32_t n = 0; n < AREAS; n++)
		for (uint32_t i = 0; i < WORDS; i++)
			wrong += words_of(&disk, n)[i] != MARK;
	memset(&disk.q, 0, sizeof(disk.q));
	disk.taken = 0;
	open_disk(&disk, disk.base);
}

static void open_card(uint32_t base)
{
	card.base = base;
	vio_negotiate(base, 0);
	for (uint32_t i = 0; i < NET_CONTROL; i++) {
		struct vq *q = &card.queue[i];

		vq_place_of(base, i, VQ_SIZE, (uint32_t)q->desc, (uint32_t)q->avail, (uint32_t)&q->used);
	}
	write32(base + VIRTIO_STATUS, VIO_DRIVES | VIRTIO_STATUS_DRIVER_OK);
	for (uint32_t i = 0; i < VQ_SIZE; i++)
		net_give(&card, i, buffer_of(i), BUFFER);
	net_notify(&card, NET_RECEIVE);
}

static void serve(void)
{
	serve_disk(&disk);
	if (slow.base)
		serve_disk(&slow);
	if (card.base)
		serve_card();
}

static void take_timer(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	timer_virt.set_ctl(0);
	write32(CPUIF_EOIR, iar);
}

static void sleep(void)
{
	timer_virt.set_tval((uint32_t)timer_ticks(PAUSE_US));
	timer_virt.set_ctl(TIMER_ENABLE);
	irq_sleep();
}

static void work_until_ready(void)
{
	while (wrong == 0 && (disk.requests < MANY_REQUESTS || (card.base && frames < MANY_FRAMES))) {
		serve();
		sleep();
	}
}

static void go_on(enum end end)
{
	uint32_t says = param("says=", 0), next = disk.requests + says, seen = 0, idle = 0;

	printf("busmaster: ready\n");
	if (end == RESETS)
		psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
	while (wrong == 0) {
		serve();
		if (says && disk.requests >= next) {
			printf("busmaster: works\n");
			next += says;
			idle = IDLE_MAX;
		}
		if (end == RESETS_DISK && idle >= IDLE_MAX)
			reset_disk();
		idle = seen == disk.requests ? idle + 1U : 0;
		seen = disk.requests;
		if (end == GOES_ON || end == RESETS_DISK)
			sleep();
	}
}

void guest_main(void)
{
	uint32_t late;

	ram = (uint32_t)__image_end & ~(MIB(2) - 1U);
	late = differs();
	timer_delay(20000);
	late += differs();
	report_eq(late, 0, "nothing comes of what was before");
	if (late)
		return;
	if (param("caches=", 0)) {
		mmu_short_init();
		mmu_short_on();
	}
	gic_init();
	gic_enable(timer_virt.irq);
	irq_set_handler(take_timer);
	open_disk(&disk, param("blk=", 0));
	if (param("slow=", 0))
		open_disk(&slow, param("slow=", 0));
	if (param("net=", 0))
		open_card(param("net=", 0));
	work_until_ready();
	if (wrong == 0)
		go_on((enum end)param("end=", GOES_ON));
	report_eq(wrong, 0, "what is read is what was written");
}
