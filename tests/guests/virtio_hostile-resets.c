/* SPDX-License-Identifier: BSD-2-Clause */
/* Resets of a device, and of its VM, with requests in flight: nothing of them is written afterwards. */
#include "tests/guests/virtio_hostile.h"

static volatile bool flying;

static void fill_big(uint32_t word)
{
	for (uint32_t at = 0; at < BIG_LEN; at += 256U)
		write32(BIG + at, word);
}

static uint32_t big_differs(uint32_t word)
{
	uint32_t sum = 0;

	for (uint32_t at = 0; at < BIG_LEN; at += 256U)
		sum += read32(BIG + at) != word;
	return sum;
}

/* 4 MiB from the disk, notified and not waited for. */
static void launch(void)
{
	set_header(BLK_IN, BIG_FIRST);
	set(0, address(&header), sizeof(header), VIRTQ_DESC_NEXT, 1);
	set(1, BIG, BIG_LEN, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 2);
	set(2, address(&m.status), 1, VIRTQ_DESC_WRITE, 0);
	vq_offer(&q, 0);
	flying = true;
	write32(VIO_SLOT(RAM_SLOT) + VIRTIO_QUEUE_NOTIFY, 0);
}

static void fly(void *arg)
{
	uint32_t seen = 0;

	if ((uintptr_t)arg != 1)
		return;
	while (!others_stop) {
		if (kicked != seen) {
			seen = kicked;
			launch();
		}
		read32(VIO_SLOT(RAM_SLOT) + VIRTIO_INTERRUPT_STATUS); /* exits, on which it goes on */
	}
}

static void launch_somewhere(void)
{
	flying = false;
	kicked++;
	if (vcpus == 1)
		launch();
	while (!flying)
		;
}

static void fill_disk(void)
{
	open(RAM_SLOT, 0);
	for (uint32_t at = 0; at < BIG_LEN; at += 4U)
		write32(BIG + at, FLYING);
	report(request(BLK_OUT, BIG_FIRST, BIG, BIG_LEN) == BLK_OK || m.status == BLK_NO_STATUS, "a long write");
	for (uint32_t i = 0; i < 100000 && m.status == BLK_NO_STATUS; i++)
		is_broken();
	report_eq(m.status, BLK_OK, "its end");
}

static void launch_and_go(void *arg)
{
	if ((uintptr_t)arg == 1)
		launch();
}

/* Who has notified switches itself off: the request is served nevertheless. */
static void test_off(void)
{
	open(RAM_SLOT, 0);
	fill_big(STANDING);
	others_begin(launch_and_go);
	others_end();
	for (uint32_t i = 0; i < 1000 && m.status == BLK_NO_STATUS; i++)
		timer_delay(1000);
	report(m.status == BLK_OK && big_differs(FLYING) == 0, "a request whose vCPU is off");
}

/* A reset of the device is complete when it returns (4.2.2.1): nothing is written after it. */
void test_device_resets(void)
{
	uint32_t seed = 7, written = 0, flew = 0;

	fill_disk();
	if (vcpus > 1)
		test_off();
	others_begin(fly);
	for (uint32_t i = 0; i < resets; i++) {
		fill_big(STANDING);
		open(RAM_SLOT, 0);
		launch_somewhere();
		timer_delay(next_random(&seed) % 2000U);
		write32(base + VIRTIO_STATUS, 0);
		flew += big_differs(STANDING) > 0;
		fill_big(STANDING);
		timer_delay(300);
		read32(base + VIRTIO_STATUS);
		written += big_differs(STANDING) > 0;
	}
	others_end();
	report_eq(written, 0, "nothing is written after a reset");
	report(flew > resets / 4U, "%u of them in flight", (unsigned int)flew);
}

struct kept {
	uint32_t magic, rounds, wrong;
};

static struct kept *kept_read(void)
{
	struct kept *kept = (struct kept *)(void *)data;

	open(RAM_SLOT, 0);
	request(BLK_IN, 0, address(data), BLK_SECTOR);
	return kept;
}

/* Begins anew again and again, by a reset of its own or from outside, each time with a request in flight. */
void test_vm_resets(bool own)
{
	uint32_t before = big_differs(0), seed;
	struct kept *kept;

	timer_delay(1000);
	before += big_differs(0); /* nor after a while */
	kept = kept_read();
	if (kept->magic != KEPT) {
		fill_disk();
		memset(data, 0, BLK_SECTOR);
		kept->magic = KEPT;
		before = 0;
	}
	kept->rounds++;
	kept->wrong += before;
	request(BLK_OUT, 0, address(data), BLK_SECTOR);
	printf("flight: %u, %u wrong\n", (unsigned int)kept->rounds, (unsigned int)kept->wrong);
	if (own && kept->rounds > resets) {
		report_eq(kept->wrong, 0, "nothing is written after a reset of the VM");
		return;
	}
	seed = kept->rounds;
	others_begin(fly);
	do {
		open(RAM_SLOT, 0);
		launch_somewhere();
		timer_delay(next_random(&seed) % 2000U);
	} while (!own);
	psci_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
}
