/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's data comes to any address, RAM is touched for the first time, and VFP registers are still whose they were:
 * of the vCPU that asks, whether it may use them or not, and of another one that shares its CPU. The disk's word n is
 * n * FACTOR.
 */
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mmu.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/virtio.h"

#define CPACR_FULL (UINT32_C(0xf) << 20) /* cp10 and cp11, PL1 and PL0 */
#define FPEXC_EN   BIT(30)

#define FACTOR  UINT32_C(2654435761)
#define LARGE   32768U
#define GUARD   64U
#define GUARDS  0xa5U
#define FPSCR   UINT32_C(0xa3400010)
#define READS   200U /* while another vCPU has the registers */
#define USES    16U
#define TOUCHES 4U
#define FRESH   UINT32_C(0x40800000) /* from here on RAM is untouched: virt7 zeroes it then */

uint32_t vfp_get_fpexc(void), vfp_get_fpscr(void);
void vfp_set_fpexc(uint32_t v), vfp_set_fpscr(uint32_t v);
void vfp_load(const uint64_t d[32]), vfp_store(uint64_t d[32]);

static struct vq q;
static struct blk_header header;
static uint8_t buffer[GUARD + LARGE + GUARD] __attribute__((aligned(64)));
static volatile uint8_t status;
static uint32_t base;

static bool find_disk(void)
{
	for (uint32_t slot = 0; slot < MACHINE_VIRTIO_COUNT; slot++) {
		base = VIO_SLOT(slot);
		if (read32(base + VIRTIO_DEVICE_ID) == VIO_ID_BLOCK)
			return true;
	}
	return false;
}

static bool start_disk(void)
{
	if (!find_disk() || !vio_negotiate(base, 0) ||
	    !vq_place(base, VQ_SIZE, (uint32_t)q.desc, (uint32_t)q.avail, (uint32_t)&q.used))
		return false;
	write32(base + VIRTIO_STATUS, VIO_DRIVES | VIRTIO_STATUS_DRIVER_OK);
	return true;
}

/* Waited for without an interrupt. */
static void read_disk(uint32_t sector, uint8_t *to, uint32_t len)
{
	uint16_t index = (uint16_t)(q.used.index + 1U);

	header = (struct blk_header){.type = BLK_IN, .sector = sector};
	status = BLK_NO_STATUS;
	q.desc[0] = (struct vq_desc){(uint32_t)&header, sizeof(header), VIRTQ_DESC_NEXT, 1};
	q.desc[1] = (struct vq_desc){(uint32_t)to, len, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2};
	q.desc[2] = (struct vq_desc){(uint32_t)&status, 1, VIRTQ_DESC_WRITE, 0};
	vq_offer(&q, 0);
	write32(base + VIRTIO_QUEUE_NOTIFY, 0);
	while (q.used.index != index)
		;
	dmb();
}

static uint8_t byte_of_disk(uint32_t at)
{
	return (uint8_t)(at / 4U * FACTOR >> 8U * (at % 4U));
}

/* `len` bytes of the disk at `offset` of the buffer, and nothing around them. */
static bool read_is_right(uint32_t sector, uint32_t offset, uint32_t len)
{
	uint8_t *to = buffer + GUARD + offset;
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = GUARDS;
	read_disk(sector, to, len);
	for (uint32_t i = 0; i < len; i++)
		wrong += to[i] != byte_of_disk(sector * BLK_SECTOR + i);
	for (uint8_t *p = buffer; p < to; p++)
		wrong += *p != GUARDS;
	for (uint8_t *p = to + len; p < buffer + sizeof(buffer); p++)
		wrong += *p != GUARDS;
	return wrong == 0 && status == BLK_OK;
}

static void fill(uint64_t d[32], uint64_t seed)
{
	for (uint64_t i = 0; i < 32; i++)
		d[i] = seed * (i + 1) ^ i << 56;
}

static bool registers_are(const uint64_t want[32])
{
	uint64_t got[32];

	vfp_store(got);
	return !memcmp(got, want, sizeof(got)) && vfp_get_fpscr() == FPSCR;
}

static void set_cpacr(uint32_t v)
{
	write_cpacr((read_cpacr() & ~CPACR_FULL) | v);
	isb();
}

static void touch_fresh(void)
{
	static uint32_t next = FRESH;

	write32(next, ~next);
	next += MIB(2);
}

static void test_touch(const char *how)
{
	static const uint32_t fpexc[] = {FPEXC_EN, 0};
	uint32_t wrong = 0;
	uint64_t d[32];

	for (uint32_t i = 0; i < ARRAY_SIZE(fpexc); i++) {
		fill(d, UINT64_C(0x0123456789abcdef) + i);
		vfp_load(d);
		vfp_set_fpscr(FPSCR);
		vfp_set_fpexc(fpexc[i]);
		touch_fresh();
		wrong += vfp_get_fpexc() != fpexc[i];
		vfp_set_fpexc(FPEXC_EN);
		wrong += !registers_are(d);
	}
	report(wrong == 0, "%s: and over a first touch of RAM", how);
}

static void test_lengths(const char *how)
{
	static const uint32_t lengths[] = {512, 1024, 1536, 2048, 4096, LARGE - 512, LARGE};
	uint32_t wrong = 0, lost = 0;
	uint64_t d[32];

	for (uint32_t i = 0; i < ARRAY_SIZE(lengths); i++)
		for (uint32_t offset = 0; offset < 8; offset++) {
			fill(d, UINT64_C(0x0123456789abcdef) * (lengths[i] + offset));
			vfp_load(d);
			vfp_set_fpscr(FPSCR);
			wrong += !read_is_right(offset, offset, lengths[i]);
			lost += !registers_are(d) || vfp_get_fpexc() != FPEXC_EN;
		}
	report(wrong == 0, "%s: any length, to any byte", how);
	report(lost == 0, "%s: D0-D31, FPSCR and FPEXC are as they were", how);
}

static void test_disabled(const char *how)
{
	uint64_t d[32];
	bool right;

	fill(d, UINT64_C(0xfedcba9876543211));
	vfp_load(d);
	vfp_set_fpscr(FPSCR);
	vfp_set_fpexc(0);
	set_cpacr(0);
	right = read_is_right(0, 1, LARGE) && read_is_right(0, 0, LARGE);
	set_cpacr(CPACR_FULL);
	report(right && vfp_get_fpexc() == 0, "%s: with FPEXC.EN and CPACR clear", how);
	vfp_set_fpexc(FPEXC_EN);
	report(registers_are(d), "%s: and the registers are there when they are set", how);
}

static struct barrier barrier;
static volatile uint32_t looks, lost;
static volatile bool stop;

/* The first use of the VFP behind a read, and behind a first touch of RAM: it is still the other vCPU's. */
static uint32_t read_and_use(uint32_t round)
{
	uint32_t wrong = !read_is_right(0, round & 7U, 4096), before;
	uint64_t d[32];

	if (round < TOUCHES)
		touch_fresh();
	set_cpacr(CPACR_FULL);
	vfp_set_fpexc(FPEXC_EN);
	fill(d, UINT64_C(0x0123456789abcdef) * (round + 1U));
	vfp_load(d);
	vfp_set_fpscr(FPSCR);
	for (before = looks; looks == before;)
		;
	return wrong + !registers_are(d);
}

/* One vCPU has registers to lose, the other reads the disk; at first it has never used the VFP. */
static void share_cpu(void *arg)
{
	uint32_t reads = 0, wrong = 0;
	uint64_t d[32];

	(void)arg;
	if ((read_mpidr() & 7U) == 0) {
		barrier_wait(&barrier, 2);
		for (; reads < READS || looks < READS; reads++) {
			if (reads < TOUCHES)
				touch_fresh();
			wrong += !read_is_right(0, reads & 7U, 4096);
		}
		report(wrong == 0, "beside another vCPU that uses the VFP: any byte");
		for (reads = wrong = 0; reads < USES; reads++)
			wrong += read_and_use(reads);
		report(wrong == 0, "and in turn with it");
		stop = true;
		return;
	}
	set_cpacr(CPACR_FULL);
	vfp_set_fpexc(FPEXC_EN);
	fill(d, UINT64_C(0x1122334455667789));
	vfp_load(d);
	vfp_set_fpscr(FPSCR);
	barrier_wait(&barrier, 2);
	while (!stop) {
		lost += !registers_are(d);
		looks++;
	}
}

void guest_main(void)
{
	report(start_disk(), "the disk");
	if (smp_count() > 1) {
		smp_run_all(share_cpu, NULL);
		report(lost == 0, "and the other one's registers are as they were");
	}
	set_cpacr(CPACR_FULL);
	vfp_set_fpexc(FPEXC_EN);
	test_lengths("caches off");
	test_touch("caches off");
	test_disabled("caches off");
	mmu_short_init();
	mmu_short_on();
	test_lengths("caches on");
	test_touch("caches on");
	test_disabled("caches on");
}
