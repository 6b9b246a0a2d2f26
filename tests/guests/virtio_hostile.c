/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile driver of virtio: every rule of the queue and of the registers that can be broken, descriptors that another
 * vCPU rewrites meanwhile, resets with requests in flight. Whatever it does, the device is one that works after a
 * reset, and writes nothing but what it was given. Parameters: part=, races=, resets=. Slot 0 is a disk of
 * SECTORS sectors, read-only, sector n full of words n + 1; slots 1 to 8 are such disks, with as many pages of
 * copy-on-write; slot 9 is a blank one of RAM.
 */
#include "tests/guests/virtio_hostile.h"

#define SECTORS    128U
#define COW_MAX    8U
#define MORE_RACES 100U /* times as many, until one has been lost */

struct hostile_memory m __attribute__((aligned(4096)));
uint32_t base, resets, vcpus;
volatile uint32_t kicked;

static uint32_t part, races;

/* --- chains ------------------------------------------------------------------------------------------------------ */

static void test_chains(void)
{
	for (uint32_t i = 0; i < BAD_CHAINS; i++) {
		const char *name;

		open(0, BIT(VIRTIO_F_INDIRECT_DESC));
		name = bad_chain_offer(i, &q, table, data);
		report_eq(kick(), BROKEN, name);
		report(kick() == BROKEN && q.used.index == 0, "%s: nothing more until a reset", name);
		report(works(0), "%s: works after it", name);
	}
	open(0, 0);
	set(0, address(table), 16, VIRTQ_DESC_INDIRECT, 0);
	set_table(0, address(data), 1, 0, 0);
	vq_offer(&q, 0);
	report_eq(kick(), BROKEN, "a table that was not negotiated");
	report(works(0), "works after it");
	vq_offer(&q, 0);
	vq_offer(&q, 0); /* the chain of works(), twice */
	report_eq(kick(), SERVED, "the same head twice");
	for (uint32_t i = 0; i < 1000 && q.used.index != 3; i++)
		is_broken();
	report_eq(q.used.index, 3, "both are served");
}

/* --- requests in sound chains ------------------------------------------------------------------------------------ */

static uint32_t used_len(void)
{
	return q.used.ring[(q.used.index - 1U) % VQ_SIZE].len;
}

static void test_places(void)
{
	uint32_t wrong = 0;

	open(0, 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		set_header(BLK_IN, 0);
		set(0, address(&header), sizeof(header), VIRTQ_DESC_NEXT, 1);
		set(1, nowhere[i], BLK_SECTOR, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
		set(2, address(&m.status), 1, VIRTQ_DESC_WRITE, 0);
		vq_offer(&q, 0);
		wrong += kick() != SERVED || m.status != BLK_IOERR;
		set(1, address(data), BLK_SECTOR, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
		set(0, nowhere[i] + 250U, sizeof(header), VIRTQ_DESC_NEXT, 1);
		vq_offer(&q, 0);
		wrong += kick() != SERVED || used_len() != 0;
		set(0, address(&header), sizeof(header), VIRTQ_DESC_NEXT, 1);
		set(2, i < 5 || i > 6 ? nowhere[i] : HOSTILE_RAM_END, 1, VIRTQ_DESC_WRITE, 0);
		vq_offer(&q, 0);
		wrong += kick() != SERVED || used_len() != 0;
		for (uint32_t size = 0; size < 3; size++) {
			uint64_t area[3] = {address(q.desc), address(q.avail), address(&q.used)};

			write32(base + VIRTIO_QUEUE_READY, 0);
			area[size] = nowhere[i] & ~UINT64_C(15);
			wrong += vq_place(base, VQ_SIZE, area[0], area[1], area[2]);
		}
		open(0, 0);
	}
	report_eq(wrong, 0, "headers, data, status and rings where there is no RAM");
	report(works(0), "works after it");
}

static void test_requests(void)
{
	static const struct {
		uint32_t type, len, status;
		uint64_t sector;
	} odd[] = {
		{BLK_IN, BLK_SECTOR, BLK_IOERR, SECTORS},
		{BLK_IN, 2U * BLK_SECTOR, BLK_IOERR, SECTORS - 1U},
		{BLK_IN, BLK_SECTOR, BLK_IOERR, UINT64_MAX},
		{BLK_IN, BLK_SECTOR, BLK_IOERR, BIT64(55)}, /* times 512: 2^64 */
		{BLK_IN, BLK_SECTOR - 1U, BLK_IOERR, 0},
		{BLK_IN, BLK_SECTOR + 1U, BLK_IOERR, 0},
		{BLK_IN, 1, BLK_IOERR, 0},
		{BLK_OUT, BLK_SECTOR, BLK_IOERR, 0}, /* it is read-only */
		{2, BLK_SECTOR, BLK_UNSUPP, 0},
		{99, 0, BLK_UNSUPP, 0},
		{UINT32_MAX, BLK_SECTOR, BLK_UNSUPP, UINT64_MAX},
	};
	uint32_t wrong = 0;

	open(0, 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(odd); i++)
		wrong += request(odd[i].type, odd[i].sector, address(data), odd[i].len) != odd[i].status;
	report_eq(wrong, 0, "sectors, lengths and types");
	set_header(BLK_IN, 0);
	set(0, address(&header), sizeof(header), 0, 0);
	vq_offer(&q, 0);
	report(kick() == SERVED && used_len() == 0, "nothing to write");
	set(0, address(data), BLK_SECTOR, VIRTQ_DESC_WRITE, 0);
	vq_offer(&q, 0);
	report(kick() == SERVED && used_len() == 0, "nothing to read");
	set(0, address(&header), 15, VIRTQ_DESC_NEXT, 1);
	set(1, address(data), BLK_SECTOR, VIRTQ_DESC_WRITE, 0);
	vq_offer(&q, 0);
	report(kick() == SERVED && used_len() == 0, "a header that is too short");
	report(works(0), "works after it");
}

/* Any layout is one that a driver may choose (2.7.4): served, and right. */
static void test_layout(void)
{
	uint32_t n = 0;

	open(0, 0);
	set_header(BLK_IN, 9);
	memset(data, 0, BLK_SECTOR + 1U);
	for (; n < sizeof(header); n++)
		set(n, address(&header) + n, 1, VIRTQ_DESC_NEXT, n + 1U);
	set(n, 0, 0, VIRTQ_DESC_NEXT, n + 1U); /* of no byte, nowhere */
	n++;
	for (uint32_t at = 0; at < BLK_SECTOR; at += 13U, n++)
		set(n, address(data) + at, at + 13U > BLK_SECTOR ? BLK_SECTOR - at : 13U,
		    VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, n + 1U);
	set(n, address(&m.status), 1, VIRTQ_DESC_WRITE, 0);
	vq_offer(&q, 0);
	report(kick() == SERVED && m.status == BLK_OK && holds(data, BLK_SECTOR, 10) && used_len() == BLK_SECTOR + 1U,
	       "pieces of a byte");
	set(0, address(&header), sizeof(header), VIRTQ_DESC_NEXT, 1);
	set(1, address(data), BLK_SECTOR + 1U, VIRTQ_DESC_WRITE, 0);
	vq_offer(&q, 0);
	report(kick() == SERVED && data[BLK_SECTOR] == BLK_OK && holds(data, BLK_SECTOR, 10),
	       "data and status in one piece");
}

/* The disk's own rings are its data, and its request. What comes of it is the driver's; no more than that. */
static void test_overlaps(void)
{
	uint32_t areas[] = {address(q.desc), address(q.avail), address(&q.used), address(&header), address(&m.status)};

	for (uint32_t i = 0; i < ARRAY_SIZE(areas); i++) {
		open(0, 0);
		request(BLK_IN, 3, areas[i] & ~3U, sizeof(areas)); /* not of 512 */
		open(0, 0);
		request(BLK_IN, 3, areas[i] & ~3U, i < 3 ? BLK_SECTOR : 0);
		kick();
	}
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t at = address(data);

		open(0, 0);
		write32(base + VIRTIO_QUEUE_READY, 0);
		memset(data, i == 3 ? 1 : 0, PAGE_LEN);
		report(vq_place(base, VQ_SIZE, at, i & 1U ? at : at + 16U, i & 2U ? at : at + 32U),
		       "areas that overlap: %u", (unsigned int)i);
		write32(base + VIRTIO_QUEUE_NOTIFY, 0);
		((volatile uint16_t *)(void *)data)[i & 1U ? 1 : 9] = 3;
		write32(base + VIRTIO_QUEUE_NOTIFY, 0);
	}
	report(works(0), "works after it");
}

/* --- registers --------------------------------------------------------------------------------------------------- */

static void test_queue_registers(void)
{
	static const uint32_t sizes[] = {0, 3, 96, 512, BIT(31), UINT32_MAX};
	uint32_t wrong = 0;

	open(0, 0);
	write32(base + VIRTIO_QUEUE_NOTIFY, UINT32_MAX);
	write32(base + VIRTIO_QUEUE_NOTIFY, 1);
	write32(base + VIRTIO_QUEUE_SEL, UINT32_MAX);
	report_eq(read32(base + VIRTIO_QUEUE_NUM_MAX), 0, "QueueSel of ~0 has no entries");
	write32(base + VIRTIO_QUEUE_READY, 1);
	report_eq(read32(base + VIRTIO_QUEUE_READY), 0, "nor is it ready");
	write32(base + VIRTIO_QUEUE_SEL, 0);
	write32(base + VIRTIO_QUEUE_NUM, 1);
	write32(base + VIRTIO_QUEUE_DESC_LOW, 0);
	report(request(BLK_IN, 1, address(data), BLK_SECTOR) == BLK_OK, "a queue that is ready stays where it is");
	for (uint32_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		write32(base + VIRTIO_QUEUE_READY, 0);
		wrong += place(sizes[i]);
	}
	for (uint32_t i = 1; i < 16; i++) {
		wrong += vq_place(base, VQ_SIZE, address(q.desc) + i, address(q.avail), address(&q.used));
		wrong += (i & 1U) && vq_place(base, VQ_SIZE, address(q.desc), address(q.avail) + i, address(&q.used));
		wrong += (i & 3U) && vq_place(base, VQ_SIZE, address(q.desc), address(q.avail), address(&q.used) + i);
	}
	report_eq(wrong, 0, "sizes and alignments");
	report(works(0), "works after it");
}

static void test_status(void)
{
	base = VIO_SLOT(0);
	write32(base + VIRTIO_STATUS, 0);
	write32(base + VIRTIO_DRIVER_FEATURES_SEL, 0);
	write32(base + VIRTIO_DRIVER_FEATURES, UINT32_MAX);
	write32(base + VIRTIO_STATUS, VIO_DRIVES);
	report(!(read32(base + VIRTIO_STATUS) & VIRTIO_STATUS_FEATURES_OK), "features that were not offered");
	memset(&q, 0, sizeof(q));
	place(VQ_SIZE);
	write32(base + VIRTIO_STATUS, VIRTIO_STATUS_DRIVER_OK);
	request(BLK_IN, 0, address(data), BLK_SECTOR); /* without FEATURES_OK: as the device likes */
	open(0, 0);
	write32(base + VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
	report_eq(read32(base + VIRTIO_STATUS), VIO_DRIVES | VIRTIO_STATUS_DRIVER_OK,
		  "bits of the status do not go one by one");
	write32(base + VIRTIO_STATUS, VIRTIO_STATUS_NEEDS_RESET);
	report(!is_broken(), "NEEDS_RESET is not the driver's");
	report(request(BLK_IN, 1, address(data), BLK_SECTOR) == BLK_OK, "the queue goes on");
}

static void odd_accesses(uint32_t at)
{
	uint32_t low = UINT32_MAX, high = UINT32_MAX;

	write8(at + 1U, UINT32_MAX);
	write16(at + 2U, UINT32_MAX);
	read8(at + 3U);
	read16(at);
	exc_expect(EXC_DABT);
	read32(at + 1U);
	write32(at + 2U, UINT32_MAX);
	__asm__ volatile("ldrd r2, r3, [%0]" : : "r"(at & ~7U) : "r2", "r3", "memory");
	__asm__ volatile("ldm %0, {r2, r3}" : : "r"(at) : "r2", "r3", "memory");
	__asm__ volatile("mov r2, %1\n\tmov r3, %2\n\tstm %0, {r2, r3}"
			 :
			 : "r"(at), "r"(low), "r"(high)
			 : "r2", "r3", "memory");
	__asm__ volatile("mov r2, %1\n\tmov r3, %2\n\tstrd r2, r3, [%0]"
			 :
			 : "r"(at & ~7U), "r"(low), "r"(high)
			 : "r2", "r3", "memory");
	exc_done();
	write32(at, UINT32_MAX);
}

static void test_widths(void)
{
	uint32_t capacity;

	open(0, 0);
	capacity = read32(base + VIRTIO_CONFIG);
	for (uint32_t reg = 0; reg < MACHINE_VIRTIO_SIZE; reg += 4U)
		odd_accesses(base + reg);
	report_eq(read32(base + VIRTIO_CONFIG), capacity, "configuration space is not written");
	report(works(0), "works after accesses of every width");
}

/* --- copy-on-write --------------------------------------------------------------------------------------------------
 */

/* Nine pages into a budget of `pages`: the first ones are written, the rest is as it was. */
static bool budget_is_right(uint32_t pages)
{
	uint32_t len = (COW_MAX + 1U) * PAGE_LEN, wrong = 0;

	open(pages, 0);
	for (uint32_t i = 0; i < len / 4U; i++)
		((uint32_t *)(void *)data)[i] = STANDING;
	wrong += request(BLK_OUT, 0, address(data), len) != BLK_IOERR;
	wrong += request(BLK_IN, 0, address(data), len) != BLK_OK;
	wrong += !holds(data, pages * PAGE_LEN, STANDING);
	for (uint32_t sector = pages * 8U; sector < len / BLK_SECTOR; sector++)
		wrong += !holds(data + sector * BLK_SECTOR, BLK_SECTOR, sector + 1U);
	wrong += request(BLK_OUT, SECTORS - 1U, address(data), BLK_SECTOR) != BLK_IOERR;
	wrong += request(BLK_OUT, 1, address(data), BLK_SECTOR) != BLK_OK; /* a page that it has */
	return wrong == 0;
}

static void test_budgets(void)
{
	for (uint32_t pages = 1; pages <= COW_MAX; pages++)
		report(budget_is_right(pages), "a budget of %u pages", (unsigned int)pages);
}

/* --- other vCPUs -----------------------------------------------------------------------------------------------------
 */

/* Descriptors, rings and indices of a queue in use, while another vCPU has it served. */
static void scribble(void *arg)
{
	uint64_t places[] = {address(data),     address(&header),     address(&m.status),
			     address(table),    address(&q),          0,
			     MACHINE_UART_BASE, HOSTILE_RAM_END - 8U, BIG,
			     UINT64_MAX};
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	while (!others_stop) {
		uint32_t i = next_random(&seed) % VQ_SIZE, what = next_random(&seed);
		volatile struct vq_desc *desc = what & 64U ? &table[i] : &q.desc[i];

		switch (what % 8U) {
		case 0:
			desc->addr = places[next_random(&seed) % ARRAY_SIZE(places)];
			break;
		case 1:
			desc->len = next_random(&seed) % (i & 1U ? 64U : 2U * PAGE_LEN);
			break;
		case 2:
			desc->flags = (uint16_t)(next_random(&seed) % 8U);
			break;
		case 3:
			desc->next = (uint16_t)(next_random(&seed) % (VQ_SIZE + 1U));
			break;
		case 4:
			q.avail[2U + i] = (uint16_t)(next_random(&seed) % VQ_SIZE);
			break;
		case 5:
			q.avail[1] = (uint16_t)(q.avail[1] + next_random(&seed) % 4U);
			break;
		case 6:
			header.type = next_random(&seed) % 16U;
			header.sector = next_random(&seed) % (SECTORS + 1U);
			break;
		default:
			write32(VIO_SLOT(0) + VIRTIO_QUEUE_NOTIFY, 0);
			write32(VIO_SLOT(RAM_SLOT) + VIRTIO_QUEUE_NOTIFY, 0);
			break;
		}
	}
}

/* No piece is longer than two pages, nor begins but at the places above: a guard that changes is the device's mistake.
 */
static void test_race(void)
{
	uint32_t broken = 0;

	others_begin(scribble);
	for (uint32_t i = 0; i < races || (broken == 0 && i / MORE_RACES < races); i++) { /* others may run late */
		if (i % 16U == 0 || is_broken()) {
			broken += is_broken();
			open(i & 1U ? RAM_SLOT : 0, BIT(VIRTIO_F_INDIRECT_DESC));
		}
		set(0, address(&header), sizeof(header), VIRTQ_DESC_NEXT, 1);
		set(1, address(data), BLK_SECTOR, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
		set(2, address(&m.status), 1, VIRTQ_DESC_WRITE, 0);
		vq_offer(&q, i % 3U);
		write32(base + VIRTIO_QUEUE_NOTIFY, 0);
	}
	others_end();
	write32(VIO_SLOT(RAM_SLOT) + VIRTIO_STATUS, 0);
	report(broken > 0, "descriptors rewritten meanwhile: %u times broken", (unsigned int)broken);
	report(works(0), "works after it");
}

/* Requests without end, and without a notification, for whoever is at it. */
static void feed(void *arg)
{
	if ((uintptr_t)arg != 1)
		return;
	while (!others_stop) {
		if ((uint16_t)(q.avail[1] - q.used.index) < VQ_SIZE / 2U)
			vq_offer(&q, 0);
		kicked = q.used.index;
	}
}

/* Who has notified once comes back, while they go on. */
static void test_endless(void)
{
	uint64_t began, longest = 0;

	open(0, 0);
	request(BLK_IN, 0, address(data), 16U * PAGE_LEN);
	others_begin(feed);
	for (uint32_t i = 0; i < 20; i++) {
		began = timer_virt.count();
		write32(base + VIRTIO_QUEUE_NOTIFY, 0);
		longest = timer_virt.count() - began > longest ? timer_virt.count() - began : longest;
		timer_delay(500);
	}
	others_end();
	report(longest < read_cntfrq() * 2U, "a notification comes back, whoever goes on: %u ms",
	       (unsigned int)(longest * 1000U / read_cntfrq()));
	report(works(0), "works after it");
}

/* --- version 1 -------------------------------------------------------------------------------------------------------
 */

static void test_legacy(void)
{
	static const uint32_t odd[] = {0, 3, 0x1001U, BIT(31), UINT32_MAX};
	static uint8_t area[4U * PAGE_LEN] __attribute__((aligned(4096)));
	uint32_t wrong = 0;

	base = VIO_SLOT(0);
	report_eq(read32(base + VIRTIO_VERSION), 1, "version 1");
	for (uint32_t i = 0; i < ARRAY_SIZE(odd); i++)
		for (uint32_t n = 0; n < ARRAY_SIZE(odd); n++) {
			write32(base + VIRTIO_STATUS, 0);
			write32(base + VIRTIO_GUEST_PAGE_SIZE, i & 1U ? PAGE_LEN : odd[n]);
			write32(base + VIRTIO_QUEUE_NUM, i == 2 ? odd[n] : VQ_SIZE);
			write32(base + VIRTIO_QUEUE_ALIGN, odd[i]);
			write32(base + VIRTIO_QUEUE_PFN, odd[n]);
			wrong += read32(base + VIRTIO_QUEUE_PFN) != 0;
			write32(base + VIRTIO_QUEUE_PFN, address(area) / PAGE_LEN);
			write32(base + VIRTIO_QUEUE_NOTIFY, 0);
		}
	report_eq(wrong, 0, "pages where there is no RAM");
	write32(base + VIRTIO_STATUS, 0);
	write32(base + VIRTIO_GUEST_PAGE_SIZE, PAGE_LEN);
	write32(base + VIRTIO_QUEUE_NUM, VQ_SIZE);
	write32(base + VIRTIO_QUEUE_ALIGN, PAGE_LEN);
	memset(area, 0, sizeof(area));
	write32(base + VIRTIO_QUEUE_PFN, address(area) / PAGE_LEN);
	report_eq(read32(base + VIRTIO_QUEUE_PFN), address(area) / PAGE_LEN, "a page that is there");
	set_header(BLK_IN, 4);
	set(0, address(&header), sizeof(header), VIRTQ_DESC_NEXT, 1);
	set(1, address(data), BLK_SECTOR, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
	set(2, address(&m.status), 1, VIRTQ_DESC_WRITE, 0);
	memcpy(area, q.desc, 3U * sizeof(*q.desc));
	((volatile uint16_t *)(void *)area)[8U * VQ_SIZE + 1U] = 1;
	write32(base + VIRTIO_QUEUE_NOTIFY, 0);
	for (uint32_t i = 0; i < 100000 && m.status == BLK_NO_STATUS; i++)
		is_broken();
	report(m.status == BLK_OK && holds(data, BLK_SECTOR, 5), "works after it");
}

enum { PART_ALL, PART_RESETS, PART_OUTSIDE, PART_LEGACY };

static void all(void)
{
	test_chains();
	test_places();
	test_requests();
	test_layout();
	test_overlaps();
	test_queue_registers();
	test_status();
	test_widths();
	test_budgets();
	check_guards("nothing beside what the device was given");
	if (vcpus > 1) {
		test_race();
		test_endless();
		check_guards("nor while others wrote");
	}
}

void guest_main(void)
{
	part = param("part=", PART_ALL);
	races = param("races=", 1000);
	resets = param("resets=", 10);
	vcpus = smp_count();
	mmu_short_init();
	mmu_short_on();
	guard_set(&m.before);
	guard_set(&m.between);
	guard_set(&m.behind);
	if (part == PART_ALL) {
		all();
		test_device_resets();
	} else if (part == PART_LEGACY) {
		test_legacy();
	} else {
		test_vm_resets(part == PART_RESETS);
	}
}
