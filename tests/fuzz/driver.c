/* SPDX-License-Identifier: BSD-2-Clause */
/* See driver.h. */
#include "driver.h"

#include <string.h>

#include <arm/psr.h>
#include <arm/sysreg.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "hyp/exit/mmio.h"
#include "mm/page.h"

#define STEPS_MAX   64U
#define STATE_MAX   4096U
#define SECOND_RING 0x4000U /* where the third queue's rings are, behind those of the two first */
#define NET_RINGS   0x2000U /* a queue's of a network card, with its available ring 0x800 and its used one 0x1000 in */

const uint8_t *image_bytes;
bool networks;

static struct {
	bool there;
	struct model model[QUEUES];
	uint8_t state[STATE_MAX];
} saved[DEVICES];

void forget_saved(void)
{
	memset(saved, 0, sizeof(saved));
}

uint64_t place_of(uint32_t q, uint64_t ring)
{
	if (networks)
		return RIG_DESC + q * NET_RINGS + (ring == RIG_USED ? 0x1000U : ring == RIG_AVAIL ? 0x800U : 0);
	return ring + (q > 1 ? SECOND_RING : 0);
}

uint32_t take_queue(uint32_t device)
{
	uint32_t first = first_queue(device), count = last_queue(device) + 1U - first;

	return count > 1U ? first + take(1) % count : first;
}

static void write_register(uint32_t vcpu, uint32_t slot, uint32_t reg, uint32_t size, uint32_t value)
{
	access_slot(vcpu, slot, reg, size, true, value);
	if (slot >= DEVICES)
		return;
	if (reg == VIRTIO_STATUS && size == MMIO_WORD && value == 0)
		check_reset(slot);
	follow_queues(slot);
}

void do_write(void)
{
	uint32_t who = take(1), reg = 4U * (take(1) & 63U);

	write_register(who >> 7, who & 3U, reg, MMIO_WORD, take(4));
}

void do_write_small(void)
{
	uint32_t who = take(1), reg = 4U * (take(1) & 63U);

	write_register(who >> 7, who & 1U, reg, MMIO_WORD, take(1));
}

void do_access_any(void)
{
	uint32_t who = take(1), size = 1U << who % 3U, reg = take(2) & (MACHINE_VIRTIO_SIZE - size);

	if (who & 64U)
		write_register(who >> 7, who >> 3 & 3U, reg, size, take(4));
	else
		access_slot(who >> 7, who >> 3 & 3U, reg, size, false, 0);
}

void do_ram(void)
{
	uint64_t at = MACHINE_RAM_BASE + take(2) * 2U;
	uint32_t len = 1U + (take(1) & 31U);

	for (uint32_t n = 0; n < len; n++) {
		uint8_t byte = (uint8_t)take(1);

		poke(at + n, &byte, 1);
	}
}

uint64_t take_address(void)
{
	switch (take(1) & 7U) {
	case 0:
		return SCRATCH + take(1) * REQUEST_BYTES;
	case 1:
		return RIG_DESC + take(2) % 0x4000U;
	case 2:
		return MACHINE_RAM_BASE + FAKE_GUEST_RAM - take(1);
	case 3:
		return MACHINE_RAM_BASE - take(1);
	case 4:
		return (uint64_t)take(4) << 32 | take(4);
	case 5:
		return UINT64_MAX - take(1);
	default:
		return RIG_DATA + take(1) * 16U;
	}
}

uint32_t take_length(void)
{
	uint32_t how = take(1);

	switch (how & 7U) {
	case 0:
		return how >> 3;
	case 1:
		return take(4);
	case 2:
		return REQUEST_BYTES;
	case 3:
		return take(2);
	default:
		return (how >> 2) * 512U;
	}
}

void put_desc(uint64_t table, uint32_t index, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	struct virtq_desc desc = {addr, len, (uint16_t)flags, (uint16_t)next};

	poke(table + sizeof(desc) * index, &desc, sizeof(desc));
}

void do_desc(void)
{
	uint32_t index = take(1), flags = take(1);
	uint64_t addr = take_address();
	uint32_t len = take_length(), next = flags & 8U ? take(2) : index + 1U;

	put_desc(flags & 16U ? SCRATCH
			     : place_of(networks      ? (flags >> 5) % queues
					: flags & 32U ? queues - 1U
						      : 0,
					RIG_DESC),
		 flags & 16U ? index & 63U : index, addr, len, flags & 7U, next);
}

static void offer(uint64_t avail, uint32_t size, uint32_t head, uint32_t count)
{
	uint16_t index = peek16(avail + 2U);

	poke16(avail + 4U + 2U * (index & (size - 1U)), head);
	poke16(avail + 2U, index + count);
}

/* Where the driver has put the ring, or where it would have. */
void offer_to(uint32_t n, uint32_t head, uint32_t count)
{
	const struct virtq_state *q = queue_of(n);

	if (q->ready)
		offer(q->avail, q->size, head, count);
	else
		offer(place_of(n, RIG_AVAIL), QUEUE_ENTRIES, head, count);
}

void kick(uint32_t vcpu, uint32_t q)
{
	access_slot(vcpu, device_of(q), VIRTIO_QUEUE_NOTIFY, MMIO_WORD, true, index_of(q));
}

void do_offer(void)
{
	uint32_t how = take(1), q = take_queue(how & 1U);

	offer_to(q, take(1), how & 2U ? take(2) : 1U);
}

void do_kick(void)
{
	uint32_t who = take(1);

	if (who & 2U)
		access_slot(who >> 7, who & 1U, VIRTIO_QUEUE_NOTIFY, MMIO_WORD, true, take(4));
	else
		kick(who >> 7, take_queue(who & 1U));
}

void do_work(void)
{
	uint32_t how = take(1);

	for (uint32_t n = 0; n <= (how & 7U) && run_step(how >> 7); n++)
		;
}

void do_drain(void)
{
	for (uint32_t n = 0; n < STEPS_MAX && (run_step(0) || run_step(1)); n++)
		;
}

void do_reset(void)
{
	uint32_t slot = take(1) & 1U;

	write_register(0, slot, VIRTIO_STATUS, MMIO_WORD, 0);
}

/* Of the VM, by another vCPU or from outside; what vCPUs were to do is forgotten. */
void do_reset_vm(void)
{
	device_quiesce_all(&rig_vm);
	device_reset_all(&rig_vm);
	vm_lives++;
	for (uint32_t i = 0; i < DEVICES; i++)
		check_reset(i);
	for (uint32_t i = 0; take(1) & 1U && i < 2; i++)
		rig_vcpu[i].thread.work = rig_vcpu[i].virtio_slots = 0;
}

void do_save(void)
{
	uint32_t i = take(1) & 1U;

	device_save(&devices[i]->device, saved[i].state);
	memcpy(saved[i].model, models, sizeof(models));
	saved[i].there = true;
}

void do_restore(void)
{
	uint32_t i = take(1) & 1U;

	if (!saved[i].there)
		return;
	device_restore(&devices[i]->device, saved[i].state);
	for (uint32_t q = first_queue(i); q <= last_queue(i); q++) {
		models[q] = saved[i].model[q];
		if (!queue_of(q)->ready)
			models[q].taken = models[q].permitted = 0;
	}
}

static void start_legacy(uint32_t slot, uint32_t q, uint32_t size, uint32_t align)
{
	write_word(slot, VIRTIO_GUEST_PAGE_SIZE, PAGE_SIZE);
	write_word(slot, VIRTIO_QUEUE_NUM, size);
	write_word(slot, VIRTIO_QUEUE_ALIGN, align);
	write_word(slot, VIRTIO_QUEUE_PFN, (uint32_t)place_of(q, RIG_DESC) / PAGE_SIZE);
}

static void start_queue(uint32_t slot, uint32_t q, uint32_t size)
{
	write_word(slot, VIRTIO_QUEUE_NUM, size);
	write_word(slot, VIRTIO_QUEUE_DESC_LOW, (uint32_t)place_of(q, RIG_DESC));
	write_word(slot, VIRTIO_QUEUE_DRIVER_LOW, (uint32_t)place_of(q, RIG_AVAIL));
	write_word(slot, VIRTIO_QUEUE_DEVICE_LOW, (uint32_t)place_of(q, RIG_USED));
	write_word(slot, VIRTIO_QUEUE_READY, 1);
}

/* The queue that QueueSel says, of a device that is at rest. */
static void start_one(uint32_t slot, uint32_t q, uint32_t size, uint32_t align)
{
	write_word(slot, VIRTIO_QUEUE_SEL, index_of(q));
	if (devices[slot]->legacy)
		start_legacy(slot, q, size, align);
	else
		start_queue(slot, q, size);
}

/* A ring, or the descriptors, anywhere. */
void do_place(void)
{
	static const uint32_t regs[] = {VIRTIO_QUEUE_DESC_LOW, VIRTIO_QUEUE_DRIVER_LOW, VIRTIO_QUEUE_DEVICE_LOW};
	uint32_t how = take(1), slot = how & 1U, reg = regs[(how >> 1) % 3U];
	uint64_t at = take_address();

	if (how & 64U)
		write_register(0, slot, VIRTIO_QUEUE_READY, MMIO_WORD, 0);
	write_register(0, slot, reg, MMIO_WORD, (uint32_t)at);
	write_register(0, slot, reg + 4U, MMIO_WORD, (uint32_t)(at >> 32));
	if (how & 128U)
		write_register(0, slot, VIRTIO_QUEUE_READY, MMIO_WORD, 1);
}

static void write_features(uint32_t slot, uint32_t how)
{
	uint32_t low = (how & 1U ? 1U << VIRTIO_F_INDIRECT_DESC : 0) | (how & 2U ? 1U << VIRTIO_F_EVENT_IDX : 0);

	if (networks)
		low |= take(3); /* what a network card offers beside them */

	write_word(slot, VIRTIO_DRIVER_FEATURES_SEL, 0);
	write_word(slot, VIRTIO_DRIVER_FEATURES, low);
	write_word(slot, VIRTIO_DRIVER_FEATURES_SEL, 1);
	write_word(slot, VIRTIO_DRIVER_FEATURES, devices[slot]->legacy ? 0 : 1);
}

/* As a driver does it that wants the device to work. */
void do_start(void)
{
	uint32_t how = take(1), slot = how >> 7, size = 2U << (how >> 3 & 7U) % (networks ? 6U : 8U);
	const uint32_t drives = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

	write_register(0, slot, VIRTIO_STATUS, MMIO_WORD, 0);
	write_word(slot, VIRTIO_STATUS, drives);
	write_features(slot, how);
	write_word(slot, VIRTIO_STATUS, drives | VIRTIO_STATUS_FEATURES_OK);
	for (uint32_t q = first_queue(slot); q <= last_queue(slot); q++)
		start_one(slot, q, size, how & 4U ? PAGE_SIZE : 64U);
	write_word(slot, VIRTIO_STATUS, drives | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
	for (uint32_t q = first_queue(slot); q <= last_queue(slot); q++)
		poke16(queue_of(q)->ready ? queue_of(q)->avail + 2U : place_of(q, RIG_AVAIL) + 2U, 0);
	follow_queues(slot);
}

/* A chain of many pieces, as long as the queue or longer, or one without an end. */
void do_long_chain(void)
{
	uint32_t slot = take(1) & 1U, len = take_length(), how = take(1), flags = how & VIRTQ_DESC_WRITE;
	uint32_t q = take_queue(slot), count = 1U + take(1), last = how & 1U ? VIRTQ_DESC_NEXT : 0;

	for (uint32_t i = 0; i < count; i++)
		put_desc(place_of(q, RIG_DESC), i, RIG_DATA + i, len, flags | (i + 1U < count ? VIRTQ_DESC_NEXT : last),
			 (i + 1U) % count);
	offer_to(q, 0, 1);
	kick(1, q);
}

void do_race(void)
{
	race.after = 1U + take(1);
	race.kicks = race.after & 1U;
	race.offset = take(2) * 2U % (FAKE_GUEST_RAM - sizeof(race.value));
	race.value = take(4);
}

/* Guest RAM that aborts, the image that does, the vCPU's byte order and caches, the VM's lines, no room for a map. */
void do_trouble(void)
{
	uint32_t how = take(1);

	if (how & 1U) {
		fake_virtio.bad = MACHINE_RAM_BASE + take(2) * 2U;
		fake_virtio.bad_size = how & 2U ? take(1) : 0;
	}
	fake_machine.bad = image_bytes + (how & 4U ? 4096 : 0);
	fake_machine.bad_size = how & 8U ? 16 : 0;
	write_spsr_hyp(how & 16U ? PSR_E : 0);
	fake_virtio.uncached = (how & 32U) != 0;
	fake_log_set_budget(!(how & 64U));
	fake_virtio.full = (how & 128U) != 0;
}
