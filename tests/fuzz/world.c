/* SPDX-License-Identifier: BSD-2-Clause */
/* See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arm/atomic.h>

#include "fake_console.h"
#include "fake_log.h"
#include "hyp/exit/mmio.h"

#define CONSOLE_STEP 256U
#define WRITTEN_MAX  4096U

const uint8_t *input, *input_end;
struct virtio_device *devices[DEVICES];
uint32_t queues;
struct model models[QUEUES];
uint8_t shadow[FAKE_GUEST_RAM];
uint32_t vm_lives;
const struct step_limits *limits;
struct race race;

uint32_t device_of(uint32_t q)
{
	return q >= devices[0]->backend->queues;
}

uint32_t first_queue(uint32_t device)
{
	return device ? devices[0]->backend->queues : 0;
}

uint32_t last_queue(uint32_t device)
{
	return first_queue(device) + devices[device]->backend->queues - 1U;
}

uint32_t index_of(uint32_t q)
{
	return q - first_queue(device_of(q));
}

struct virtq_state *queue_of(uint32_t q)
{
	return &devices[device_of(q)]->state->queue[index_of(q)];
}

/* By others, who put frames into it (hyp/virtio/virtio.h). */
static bool is_filled(uint32_t q)
{
	return devices[device_of(q)]->backend->filled >> index_of(q) & 1U;
}

void check(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "virtio fuzz target: %s\n", what);
	abort();
}

/* The rest of an input that has ended is zeroes. */
uint32_t take(uint32_t bytes)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < bytes && input < input_end; i++)
		value |= (uint32_t)*input++ << 8U * i;
	return value;
}

/* After each access and each step: at most a line of each device within the VM's budget, and one without for a disk
 * that is full. */
static void check_lines(void)
{
	static unsigned int before;
	unsigned int granted = fake_log_granted();

	check(granted <= before + DEVICES, "more than a line a device");
	check(fake_log_count(LOG_WARN) <= granted + vm_lives, "a line that is outside of the VM's budget");
	check(fake_log_count(LOG_ERR) == 0, "an error line");
	before = granted;
}

uint32_t status_of(const struct virtio_device *v)
{
	return v->state->page.word[VIRTIO_STATUS / 4U];
}

/* The driver's own writes: RAM and its shadow. */
void poke(uint64_t ipa, const void *from, uint32_t len)
{
	uint64_t offset = ipa - MACHINE_RAM_BASE;

	if (offset >= FAKE_GUEST_RAM || len > FAKE_GUEST_RAM - offset)
		return;
	memcpy(fake_guest_ram + offset, from, len);
	memcpy(shadow + offset, from, len);
}

void poke16(uint64_t ipa, uint32_t value)
{
	uint16_t half = (uint16_t)value;

	poke(ipa, &half, sizeof(half));
}

uint16_t peek16(uint64_t ipa)
{
	uint16_t value;

	memcpy(&value, fake_guest_ram + (ipa - MACHINE_RAM_BASE), sizeof(value));
	return value;
}

void write_word(uint32_t slot, uint32_t reg, uint32_t value)
{
	access_slot(0, slot, reg, MMIO_WORD, true, value);
}

/*
 * How far the available index has ever let the device go. It looks again when it has taken what it knows of, so that an
 * index is too far ahead, and breaks the queue, by a queue's length from there.
 */
static void see_available(uint32_t n)
{
	const struct virtq_state *q = queue_of(n);
	struct model *m = &models[n];
	uint16_t ahead;

	if (!q->ready)
		return;
	ahead = (uint16_t)(peek16(q->avail + 2U) - m->taken);
	if (m->taken + ahead > m->permitted && m->taken + ahead <= m->permitted + q->size)
		m->permitted = m->taken + ahead;
}

static bool has_piece(const struct virtq *q, uint64_t at, size_t len)
{
	for (uint32_t n = q->chain.walk.readable; n < q->chain.walk.count; n++)
		if (at >= q->piece[n].at.v && at - q->piece[n].at.v + len <= q->piece[n].len)
			return true;
	return false;
}

static void watch_queue(uint32_t device, uint32_t index, uint64_t ipa, size_t len)
{
	const struct virtio_device *v = devices[device];

	check(virtio_queue_runs(v, index), "RAM was written for a queue that does not run");
	check(!models[first_queue(device) + index].broken, "RAM was written for a broken queue");
	check(has_piece(&v->queue[index], ipa, len), "RAM was written outside of what the driver gave for it");
}

/* What frames have been put into in this step: a first buffer is written to again when it is known how many there are.
 */
static struct {
	uint32_t count;
	struct guest_piece piece[WRITTEN_MAX];
} written;

static bool is_written(uint64_t at, size_t len)
{
	for (uint32_t i = 0; i < written.count; i++)
		if (at >= written.piece[i].at.v && at - written.piece[i].at.v + len <= written.piece[i].len)
			return true;
	return false;
}

/* A frame goes into a queue that others fill. False: there is none such at work. */
static bool watch_receiver(uint64_t at, size_t len)
{
	for (uint32_t i = 0; i < DEVICES; i++) {
		const struct virtio_device *v = devices[i];

		if (!v->receive_lock.held || !v->backend->filled)
			continue;
		if (v->queue[0].chain.whole || len > sizeof(uint16_t) || !is_written(at, len))
			watch_queue(i, 0, at, len);
		if (written.count < WRITTEN_MAX)
			written.piece[written.count++] = (struct guest_piece){ipa(at), (uint32_t)len};
		return true;
	}
	return false;
}

/* A device has written to guest RAM: it works on a queue that runs, in a piece of the chain that is there for it. */
void watch_copy(uint64_t ipa, const void *from, size_t len)
{
	if (!watch_receiver(ipa, len))
		for (uint32_t i = 0; i < DEVICES; i++)
			if (devices[i]->lock.held)
				watch_queue(i, devices[i]->last, ipa, len);
	memcpy(shadow + (ipa - MACHINE_RAM_BASE), from, len);
	for (uint32_t q = 0; q < queues; q++)
		see_available(q);
}

/* The other vCPU does not wait for a step: it writes RAM and notifies. */
void race_copy(void)
{
	if (race.after == 0 || --race.after > 0)
		return;
	poke(MACHINE_RAM_BASE + race.offset, &race.value, sizeof(race.value));
	for (uint32_t q = 0; q < queues; q++) {
		see_available(q);
		if (race.kicks && devices[device_of(q)]->lock.held) /* else it is served, which is another story */
			access_slot(1, device_of(q), VIRTIO_QUEUE_NOTIFY, MMIO_WORD, true, index_of(q));
	}
}

/* What the device may write of its ring: entries that it has put, the index behind them, avail_event. */
static void shadow_range(uint64_t ipa, uint32_t len)
{
	uint64_t offset = ipa - MACHINE_RAM_BASE;

	memcpy(shadow + offset, fake_guest_ram + offset, len);
}

static void shadow_used(uint32_t n, const struct virtq_state *q, uint16_t before)
{
	if (is_filled(n)) /* a frame that does not fit after all leaves entries behind that no device looks at */
		shadow_range(q->used + 4U, 8U * q->size);
	for (uint16_t entry = before; entry != q->used_next; entry++)
		shadow_range(q->used + 4U + 8U * (entry & (q->size - 1U)), 8);
	if (before != q->used_next)
		shadow_range(q->used + 2U, 2);
	if (q->event_idx)
		shadow_range(q->used + 4U + 8U * q->size, 2);
}

/* An available index on which the used ring lies says nothing. */
static bool rings_overlap(const struct virtq_state *q)
{
	return q->avail + 4U > q->used && q->avail < q->used + 6U + 8U * q->size;
}

static void check_step(uint32_t n, const struct virtq_state *before)
{
	const struct virtq_chain *chain = &devices[device_of(n)]->queue[index_of(n)].chain;
	const struct virtq_state *q = queue_of(n);
	uint16_t put = (uint16_t)(q->used_next - before->used_next);
	struct model *m = &models[n];

	if (!before->ready)
		return;
	check(q->ready && q->used_next == q->avail_next && q->published == q->used_next, "indices do not agree");
	check(!chain->begun || chain->walk.count <= q->size, "a chain is longer than its queue");
	check(put <= VIRTQ_STEP_PIECES + 1U + (is_filled(n) ? NET_BUFFERS : 0),
	      "a step has done more chains than it may");
	check(!m->broken || put == 0, "a broken queue goes on");
	m->taken += put;
	shadow_used(n, q, before->used_next);
	if (rings_overlap(q))
		m->permitted = m->taken;
	check(m->taken <= m->permitted, "the used index is ahead of the available one");
}

/* What there was before a step of one device. */
static struct step {
	struct virtq_state queue[QUEUES];
	size_t sent;
} begin_step(void)
{
	struct step before = {.sent = fake_console.out_len - fake_console.typed_len};

	for (uint32_t q = 0; q < queues; q++) {
		before.queue[q] = *queue_of(q);
		see_available(q);
	}
	fake_virtio.copies = 0;
	fake_virtio.copied = 0;
	written.count = 0;
	return before;
}

static void end_step(const struct step *before)
{
	check_lines();
	check(fake_virtio.copies <= limits->copies, "a step has made more copies than it may");
	check(fake_virtio.copied <= limits->bytes, "a step has copied more than it may");
	check(fake_console.out_len - fake_console.typed_len - before->sent <= CONSOLE_STEP,
	      "a console's step is too long");
	for (uint32_t q = 0; q < queues; q++)
		check_step(q, &before->queue[q]);
}

/* One step of a vCPU's work, as on its way back into the guest. False: it has none. */
bool run_step(uint32_t vcpu)
{
	struct step before;

	if (!(rig_vcpu[vcpu].thread.work & WORK_VIRTIO))
		return false;
	before = begin_step();
	atomic_clear(&rig_vcpu[vcpu].thread.work, WORK_VIRTIO);
	if (virtio_work(&rig_vcpu[vcpu]))
		atomic_or(&rig_vcpu[vcpu].thread.work, WORK_VIRTIO);
	end_step(&before);
	return true;
}

/* A queue that others fill, and that was just made ready without EVENT_IDX, has NO_NOTIFY in its used ring's flags. */
static void shadow_flags(uint32_t slot)
{
	for (uint32_t q = first_queue(slot); q <= last_queue(slot); q++)
		if (is_filled(q) && queue_of(q)->ready && !queue_of(q)->event_idx)
			shadow_range(queue_of(q)->used, sizeof(uint16_t));
	for (uint32_t q = 0; q < queues; q++)
		see_available(q);
}

/* Without a step that is under way a notification is one. */
void access_slot(uint32_t vcpu, uint32_t slot, uint32_t reg, uint32_t size, bool write, uint32_t value)
{
	struct mmio_access mmio = {.size = size, .write = write, .value = value};
	uint32_t offset = reg & (MACHINE_VIRTIO_SIZE - size);
	bool is_step = write && offset == VIRTIO_QUEUE_NOTIFY && slot < DEVICES && !devices[slot]->lock.held;
	struct step before;

	if (is_step)
		before = begin_step();
	check(mmio_access(&rig_vcpu[vcpu], MACHINE_VIRTIO_BASE + slot * MACHINE_VIRTIO_SIZE + offset, &mmio) ==
		      MMIO_DONE,
	      "an access to a slot was refused");
	if (is_step)
		end_step(&before);
	if (write && slot < DEVICES && (offset == VIRTIO_QUEUE_READY || offset == VIRTIO_QUEUE_PFN))
		shadow_flags(slot);
	check_lines();
	check(write || size == MMIO_WORD || mmio.value >> 8U * size == 0, "a read is wider than its access");
}

static void check_device(uint32_t i)
{
	const struct virtio_device *v = devices[i];
	const uint32_t *word = v->state->page.word;

	check(!v->lock.held && !v->receive_lock.held && !v->irq_lock.held, "a lock is held");
	check(rig_line[i] == (word[VIRTIO_INTERRUPT_STATUS / 4U] != 0), "the line is not as InterruptStatus");
	check(word[0] == VIRTIO_MAGIC && word[VIRTIO_VERSION / 4U] == (v->legacy ? 1U : 2U) &&
		      word[VIRTIO_DEVICE_ID / 4U] == v->backend->id && word[VIRTIO_VENDOR_ID / 4U] == VIRTIO_VENDOR,
	      "a read-only register has changed");
	for (uint32_t q = first_queue(i); q <= last_queue(i); q++) {
		check(!models[q].broken || status_of(v) & VIRTIO_STATUS_NEEDS_RESET,
		      "a broken queue is well without a reset");
		models[q].broken |= (status_of(v) & VIRTIO_STATUS_NEEDS_RESET) != 0;
	}
}

void check_world(void)
{
	uint32_t maps = 0;

	for (uint32_t i = 0; i < DEVICES; i++)
		check_device(i);
	for (uint32_t q = 0; q < queues; q++)
		maps += queue_of(q)->ready ? 3U : 0;
	check(fake_virtio.maps == maps, "rings are mapped of queues that are not ready, or the reverse");
	check(fake_virtio.views == 0 && fake_virtio.windows == 0, "a window stays open");
}

void check_ram(void)
{
	check(memcmp(shadow, fake_guest_ram, FAKE_GUEST_RAM) == 0, "RAM has changed where no device may write");
}

void check_reset(uint32_t i)
{
	const struct virtio_device *v = devices[i];

	check(status_of(v) == 0 && v->state->page.word[VIRTIO_INTERRUPT_STATUS / 4U] == 0 && v->state->kicked == 0,
	      "a reset has left something");
	for (uint32_t q = first_queue(i); q <= last_queue(i); q++) {
		models[q] = (struct model){0};
		check(!queue_of(q)->ready, "a reset has left a queue");
	}
}

/* A queue that has been made ready begins anew. */
static void follow_queue(uint32_t n)
{
	const struct virtq_state *q = queue_of(n);

	if (q->ready && q->avail_next == (uint16_t)models[n].taken)
		return;
	check(!q->ready || (q->avail_next == 0 && q->used_next == 0), "a queue does not begin with its first entry");
	models[n].taken = models[n].permitted = 0;
}

void follow_queues(uint32_t slot)
{
	for (uint32_t q = first_queue(slot); q <= last_queue(slot); q++)
		follow_queue(q);
}
