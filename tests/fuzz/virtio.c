/*
 * Fuzz target of hyp/virtio/: a hostile driver of a block device (read-only image, copy-on-write, RAM disk) and of an
 * entropy device or a console, by registers of version 1 or 2, with two vCPUs. The input is a program: a byte that
 * chooses the machine, then operations (the table `operations`), each a byte and what it takes: register accesses of
 * any width and place, bytes of guest RAM, descriptors, entries, notifications, steps of work, resets, save and
 * restore, RAM that aborts, writes of another vCPU in the middle of a step, what is typed and what the console takes.
 * Some operations are whole requests, so that the way behind a queue that works is short.
 *
 * What must hold after each operation, whatever the driver does, is in check_world(), run_step() and watch_copy().
 * Guest RAM has a shadow: a byte that differs was written by a device that must not have.
 *
 * Built and run by tests/fuzz/fuzz.mk, from the same sources as the unit tests. With V7_LOG set the lines are shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include <arm/atomic.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "fake_console.h"
#include "fake_log.h"
#include "fake_machine.h"
#include "fit.h"
#include "hyp/exit/mmio.h"
#include "hyp/run/sched.h"
#include "mm/page.h"
#include "virtio_rig.h"

extern const struct device_class virtio_blk_class, vrng_class, virtio_console_class;

const struct device_class *const device_classes[] = {&virtio_blk_class, &vrng_class, &virtio_console_class, NULL};

#define DEVICES       2U
#define QUEUES        3U      /* of both: the first device has one, the second one or two */
#define SECOND_RING   0x4000U /* where the third queue's rings are, behind the others' */
#define CONSOLE_STEP  256U
#define KINDS         3U /* of disks */
#define IMAGE_SIZE    20000U
#define SCRATCH       (RIG_DATA - 0x1000U) /* headers, status bytes, indirect tables */
#define STEPS_MAX     64U
#define QUEUE_ENTRIES 256U
#define STATE_MAX     4096U
#define HEADER_BYTES  16U
#define OTHER_BYTES   64U /* of a request: header, segment, serial number, status */

/* Bits of the first byte of an input, above the kind of the disk. */
#define LEGACY    4U
#define UNCACHED  8U
#define NO_BUDGET 16U /* the VM's lines are used up */
#define CONSOLE   32U /* in the place of the entropy device */

/* A piece of RAM, or a descriptor and the fetch of its table, for each that a step counts; data that is cut at pages.
 */
#define COPIES_MAX (2U * VIRTQ_STEP_PIECES + VIRTQ_STEP_BYTES / PAGE_SIZE)
#define COPIED_MAX (VIRTQ_STEP_BYTES + VIRTQ_STEP_PIECES * VIRTQ_FETCH * 16U + (VIRTQ_STEP_PIECES + 1U) * OTHER_BYTES)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is known of a device by what the driver has done, and not by what the device says. */
struct model {
	bool broken;
	uint32_t taken, permitted; /* entries since the queue is ready: taken by the device, made by the driver */
};

static const uint8_t *input, *input_end;
static uint8_t image[IMAGE_SIZE];
static struct fit fits[KINDS][2][2]; /* by disk, version, second device */
static struct bundle bundles[KINDS][2][2];
static struct virtio_device *devices[DEVICES];
static uint32_t queues; /* that there are: 2 or 3 */
static struct model models[QUEUES];
static struct console_stream *console_stream;
static uint8_t shadow[FAKE_GUEST_RAM];
static uint32_t vm_lives; /* resets of the VM, and its beginning */
static struct {
	bool there;
	struct model model[QUEUES];
	uint8_t state[STATE_MAX];
} saved[DEVICES];
static struct {
	uint32_t after; /* copies; 0: none */
	uint32_t offset, value;
	bool kicks;
} race;

static void check(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "virtio fuzz target: %s\n", what);
	abort();
}

/* The rest of an input that has ended is zeroes. */
static uint32_t take(uint32_t bytes)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < bytes && input < input_end; i++)
		value |= (uint32_t)*input++ << 8U * i;
	return value;
}

/* After each access and each step: at most a line within the VM's budget, and one without for a disk that is full. */
static void check_lines(void)
{
	static unsigned int before;
	unsigned int granted = fake_log_granted();

	check(granted <= before + 1U, "more than a line");
	check(fake_log_count(LOG_WARN) <= granted + vm_lives, "a line that is outside of the VM's budget");
	check(fake_log_count(LOG_ERR) == 0, "an error line");
	before = granted;
}

static uint32_t status_of(const struct virtio_device *v)
{
	return v->state->page.word[VIRTIO_STATUS / 4U];
}

/* Queues by number: the block device's, then the other one's. */
static uint32_t device_of(uint32_t q)
{
	return q > 0;
}

static uint32_t index_of(uint32_t q)
{
	return q > 1;
}

static uint32_t last_queue(uint32_t device)
{
	return device ? queues - 1U : 0;
}

static struct virtq_state *queue_of(uint32_t q)
{
	return &devices[device_of(q)]->state->queue[index_of(q)];
}

/* Where a ring of the queue is, if the driver does it as others do. */
static uint64_t place_of(uint32_t q, uint64_t ring)
{
	return ring + (q > 1 ? SECOND_RING : 0);
}

/* A queue of the device; where there are two, the next byte says which. */
static uint32_t take_queue(uint32_t device)
{
	return last_queue(device) > device ? device + (take(1) & 1U) : device;
}

/* The driver's own writes: RAM and its shadow. */
static void poke(uint64_t ipa, const void *from, uint32_t len)
{
	uint64_t offset = ipa - MACHINE_RAM_BASE;

	if (offset >= FAKE_GUEST_RAM || len > FAKE_GUEST_RAM - offset)
		return;
	memcpy(fake_guest_ram + offset, from, len);
	memcpy(shadow + offset, from, len);
}

static void poke16(uint64_t ipa, uint32_t value)
{
	uint16_t half = (uint16_t)value;

	poke(ipa, &half, sizeof(half));
}

static uint16_t peek16(uint64_t ipa)
{
	uint16_t value;

	memcpy(&value, fake_guest_ram + (ipa - MACHINE_RAM_BASE), sizeof(value));
	return value;
}

static void access(uint32_t vcpu, uint32_t slot, uint32_t reg, uint32_t size, bool write, uint32_t value)
{
	struct mmio_access mmio = {.size = size, .write = write, .value = value};
	uint64_t at = MACHINE_VIRTIO_BASE + slot * MACHINE_VIRTIO_SIZE + (reg & (MACHINE_VIRTIO_SIZE - size));

	check(mmio_access(&rig_vcpu[vcpu], at, &mmio) == MMIO_DONE, "an access to a slot was refused");
	check_lines();
	check(write || size == MMIO_WORD || mmio.value >> 8U * size == 0, "a read is wider than its access");
}

static void write_word(uint32_t slot, uint32_t reg, uint32_t value)
{
	access(0, slot, reg, MMIO_WORD, true, value);
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
	for (uint32_t n = q->chain.readable; n < q->chain.count; n++)
		if (at >= q->piece[n].at.v && at - q->piece[n].at.v + len <= q->piece[n].len)
			return true;
	return false;
}

/* A device has written to guest RAM: it works on a queue that runs, in a piece of the chain that is there for it. */
static void watch_copy(uint64_t ipa, const void *from, size_t len)
{
	for (uint32_t i = 0; i < DEVICES; i++) {
		const struct virtio_device *v = devices[i];

		if (!v->lock.held)
			continue;
		check(virtio_queue_runs(v, v->last), "RAM was written for a queue that does not run");
		check(!models[i + v->last].broken, "RAM was written for a broken queue");
		check(has_piece(&v->queue[v->last], ipa, len),
		      "RAM was written outside of what the driver gave for it");
	}
	memcpy(shadow + (ipa - MACHINE_RAM_BASE), from, len);
	for (uint32_t q = 0; q < queues; q++)
		see_available(q);
}

/* The other vCPU does not wait for a step: it writes RAM and notifies. */
static void race_copy(void)
{
	if (race.after == 0 || --race.after > 0)
		return;
	poke(MACHINE_RAM_BASE + race.offset, &race.value, sizeof(race.value));
	for (uint32_t q = 0; q < queues; q++) {
		see_available(q);
		if (race.kicks)
			access(1, device_of(q), VIRTIO_QUEUE_NOTIFY, MMIO_WORD, true, index_of(q));
	}
}

/* What the device may write of its ring: entries that it has put, the index behind them, avail_event. */
static void shadow_range(uint64_t ipa, uint32_t len)
{
	uint64_t offset = ipa - MACHINE_RAM_BASE;

	memcpy(shadow + offset, fake_guest_ram + offset, len);
}

static void shadow_used(const struct virtq_state *q, uint16_t before)
{
	for (uint16_t n = before; n != q->used_next; n++)
		shadow_range(q->used + 4U + 8U * (n & (q->size - 1U)), 8);
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
	check(!chain->begun || chain->count <= q->size, "a chain is longer than its queue");
	check(put <= VIRTQ_STEP_PIECES + 1U, "a step has done more chains than it may");
	check(!m->broken || put == 0, "a broken queue goes on");
	m->taken += put;
	shadow_used(q, before->used_next);
	if (rings_overlap(q))
		m->permitted = m->taken;
	check(m->taken <= m->permitted, "the used index is ahead of the available one");
}

/* One step of a vCPU's work, as on its way back into the guest. False: it has none. */
static bool run_step(uint32_t vcpu)
{
	struct virtq_state before[QUEUES];
	size_t moved = fake_console.out_len - fake_console.typed_len;

	if (!(rig_vcpu[vcpu].thread.work & WORK_VIRTIO))
		return false;
	for (uint32_t q = 0; q < queues; q++) {
		before[q] = *queue_of(q);
		see_available(q);
	}
	atomic_clear(&rig_vcpu[vcpu].thread.work, WORK_VIRTIO);
	fake_virtio.copies = 0;
	fake_virtio.copied = 0;
	if (virtio_work(&rig_vcpu[vcpu]))
		atomic_or(&rig_vcpu[vcpu].thread.work, WORK_VIRTIO);
	check_lines();
	check(fake_virtio.copies <= COPIES_MAX, "a step has made more copies than it may");
	check(fake_virtio.copied <= COPIED_MAX, "a step has copied more than it may");
	check(fake_console.out_len - fake_console.typed_len - moved <= CONSOLE_STEP, "a console's step is too long");
	for (uint32_t q = 0; q < queues; q++)
		check_step(q, &before[q]);
	return true;
}

static void check_device(uint32_t i)
{
	const struct virtio_device *v = devices[i];
	const uint32_t *word = v->state->page.word;

	check(!v->lock.held && !v->irq_lock.held, "a lock is held");
	check(rig_line[i] == (word[VIRTIO_INTERRUPT_STATUS / 4U] != 0), "the line is not as InterruptStatus");
	check(word[0] == VIRTIO_MAGIC && word[VIRTIO_VERSION / 4U] == (v->legacy ? 1U : 2U) &&
		      word[VIRTIO_DEVICE_ID / 4U] == v->backend->id && word[VIRTIO_VENDOR_ID / 4U] == VIRTIO_VENDOR,
	      "a read-only register has changed");
	for (uint32_t q = i; q <= last_queue(i); q++) {
		check(!models[q].broken || status_of(v) & VIRTIO_STATUS_NEEDS_RESET,
		      "a broken queue is well without a reset");
		models[q].broken |= (status_of(v) & VIRTIO_STATUS_NEEDS_RESET) != 0;
	}
}

static void check_world(void)
{
	uint32_t maps = 0;

	for (uint32_t i = 0; i < DEVICES; i++)
		check_device(i);
	for (uint32_t q = 0; q < queues; q++)
		maps += queue_of(q)->ready ? 3U : 0;
	check(fake_virtio.maps == maps, "rings are mapped of queues that are not ready, or the reverse");
	check(fake_virtio.views == 0 && fake_virtio.windows == 0, "a window stays open");
}

static void check_ram(void)
{
	check(memcmp(shadow, fake_guest_ram, FAKE_GUEST_RAM) == 0, "RAM has changed where no device may write");
}

static void check_reset(uint32_t i)
{
	const struct virtio_device *v = devices[i];

	check(status_of(v) == 0 && v->state->page.word[VIRTIO_INTERRUPT_STATUS / 4U] == 0 && v->state->kicked == 0,
	      "a reset has left something");
	for (uint32_t q = i; q <= last_queue(i); q++) {
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

static void follow_queues(uint32_t slot)
{
	for (uint32_t q = slot; q <= last_queue(slot); q++)
		follow_queue(q);
}

static void write_register(uint32_t vcpu, uint32_t slot, uint32_t reg, uint32_t size, uint32_t value)
{
	access(vcpu, slot, reg, size, true, value);
	if (slot >= DEVICES)
		return;
	if (reg == VIRTIO_STATUS && size == MMIO_WORD && value == 0)
		check_reset(slot);
	follow_queues(slot);
}

static void do_write(void)
{
	uint32_t who = take(1), reg = 4U * (take(1) & 63U);

	write_register(who >> 7, who & 3U, reg, MMIO_WORD, take(4));
}

static void do_write_small(void)
{
	uint32_t who = take(1), reg = 4U * (take(1) & 63U);

	write_register(who >> 7, who & 1U, reg, MMIO_WORD, take(1));
}

static void do_access_any(void)
{
	uint32_t who = take(1), size = 1U << who % 3U, reg = take(2) & (MACHINE_VIRTIO_SIZE - size);

	if (who & 64U)
		write_register(who >> 7, who >> 3 & 3U, reg, size, take(4));
	else
		access(who >> 7, who >> 3 & 3U, reg, size, false, 0);
}

static void do_ram(void)
{
	uint64_t at = MACHINE_RAM_BASE + take(2) * 2U;
	uint32_t len = 1U + (take(1) & 31U);

	for (uint32_t n = 0; n < len; n++) {
		uint8_t byte = (uint8_t)take(1);

		poke(at + n, &byte, 1);
	}
}

static uint64_t take_address(void)
{
	switch (take(1) & 7U) {
	case 0:
		return SCRATCH + take(1) * HEADER_BYTES;
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

static uint32_t take_length(void)
{
	uint32_t how = take(1);

	switch (how & 7U) {
	case 0:
		return how >> 3;
	case 1:
		return take(4);
	case 2:
		return HEADER_BYTES;
	case 3:
		return take(2);
	default:
		return (how >> 2) * 512U;
	}
}

static void put_desc(uint64_t table, uint32_t index, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	struct virtq_desc desc = {addr, len, (uint16_t)flags, (uint16_t)next};

	poke(table + sizeof(desc) * index, &desc, sizeof(desc));
}

static void do_desc(void)
{
	uint32_t index = take(1), flags = take(1);
	uint64_t addr = take_address();
	uint32_t len = take_length(), next = flags & 8U ? take(2) : index + 1U;

	put_desc(flags & 16U ? SCRATCH : place_of(flags & 32U ? queues - 1U : 0, RIG_DESC),
		 flags & 16U ? index & 63U : index, addr, len, flags & 7U, next);
}

static void offer(uint64_t avail, uint32_t size, uint32_t head, uint32_t count)
{
	uint16_t index = peek16(avail + 2U);

	poke16(avail + 4U + 2U * (index & (size - 1U)), head);
	poke16(avail + 2U, index + count);
}

/* Where the driver has put the ring, or where it would have. */
static void offer_to(uint32_t n, uint32_t head, uint32_t count)
{
	const struct virtq_state *q = queue_of(n);

	if (q->ready)
		offer(q->avail, q->size, head, count);
	else
		offer(place_of(n, RIG_AVAIL), QUEUE_ENTRIES, head, count);
}

static void kick(uint32_t vcpu, uint32_t q)
{
	access(vcpu, device_of(q), VIRTIO_QUEUE_NOTIFY, MMIO_WORD, true, index_of(q));
}

static void do_offer(void)
{
	uint32_t how = take(1), q = take_queue(how & 1U);

	offer_to(q, take(1), how & 2U ? take(2) : 1U);
}

static void do_kick(void)
{
	uint32_t who = take(1);

	if (who & 2U)
		access(who >> 7, who & 1U, VIRTIO_QUEUE_NOTIFY, MMIO_WORD, true, take(4));
	else
		kick(who >> 7, take_queue(who & 1U));
}

static void do_work(void)
{
	uint32_t how = take(1);

	for (uint32_t n = 0; n <= (how & 7U) && run_step(how >> 7); n++)
		;
}

static void do_drain(void)
{
	for (uint32_t n = 0; n < STEPS_MAX && (run_step(0) || run_step(1)); n++)
		;
}

static void do_reset(void)
{
	uint32_t slot = take(1) & 1U;

	write_register(0, slot, VIRTIO_STATUS, MMIO_WORD, 0);
}

/* Of the VM, by another vCPU or from outside; what vCPUs were to do is forgotten. */
static void do_reset_vm(void)
{
	device_quiesce_all(&rig_vm);
	device_reset_all(&rig_vm);
	vm_lives++;
	for (uint32_t i = 0; i < DEVICES; i++)
		check_reset(i);
	for (uint32_t i = 0; take(1) & 1U && i < 2; i++)
		rig_vcpu[i].thread.work = rig_vcpu[i].virtio_slots = 0;
}

static void do_save(void)
{
	uint32_t i = take(1) & 1U;

	device_save(&devices[i]->device, saved[i].state);
	memcpy(saved[i].model, models, sizeof(models));
	saved[i].there = true;
}

static void do_restore(void)
{
	uint32_t i = take(1) & 1U;

	if (!saved[i].there)
		return;
	device_restore(&devices[i]->device, saved[i].state);
	for (uint32_t q = i; q <= last_queue(i); q++) {
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
static void do_place(void)
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

	write_word(slot, VIRTIO_DRIVER_FEATURES_SEL, 0);
	write_word(slot, VIRTIO_DRIVER_FEATURES, low);
	write_word(slot, VIRTIO_DRIVER_FEATURES_SEL, 1);
	write_word(slot, VIRTIO_DRIVER_FEATURES, devices[slot]->legacy ? 0 : 1);
}

/* As a driver does it that wants the device to work. */
static void do_start(void)
{
	uint32_t how = take(1), slot = how >> 7, size = 2U << (how >> 3 & 7U);
	const uint32_t drives = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

	write_register(0, slot, VIRTIO_STATUS, MMIO_WORD, 0);
	write_word(slot, VIRTIO_STATUS, drives);
	write_features(slot, how);
	write_word(slot, VIRTIO_STATUS, drives | VIRTIO_STATUS_FEATURES_OK);
	for (uint32_t q = slot; q <= last_queue(slot); q++)
		start_one(slot, q, size, how & 4U ? PAGE_SIZE : 64U);
	write_word(slot, VIRTIO_STATUS, drives | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
	for (uint32_t q = slot; q <= last_queue(slot); q++)
		poke16(queue_of(q)->ready ? queue_of(q)->avail + 2U : place_of(q, RIG_AVAIL) + 2U, 0);
	follow_queues(slot);
}

static void put_header(uint32_t type, uint64_t sector)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = {type, 0, sector};

	poke(SCRATCH, &header, sizeof(header));
}

/* The segment of DISCARD and WRITE_ZEROES. */
static void put_segment(uint64_t at)
{
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} segment = {take(1), take(1), take(1) & 3U};

	poke(at, &segment, sizeof(segment));
}

/* A request of the block device, in one of four layouts; the other one takes what it can read or write of it. */
static void do_request(void)
{
	static const uint8_t types[] = {0, 1, 4, 8, 11, 13, 2, 1};
	uint32_t how = take(1), type = types[how & 7U], len = take_length(), sector = take(1);
	uint32_t to_write = type == 0 || type == 8 ? VIRTQ_DESC_WRITE : 0;
	uint32_t q = take_queue(how >> 7);
	uint64_t ring = place_of(q, RIG_DESC), table = how & 8U ? SCRATCH + 0x100U : ring;
	uint64_t data = how & 64U ? RIG_DESC : RIG_DATA;
	uint32_t first = how & 16U ? 7U : HEADER_BYTES; /* bytes of the header in the first piece */

	put_header(type, how & 32U ? UINT64_MAX - sector : sector);
	if (type == 11 || type == 13)
		put_segment(data);
	put_desc(table, 0, SCRATCH, first, VIRTQ_DESC_NEXT, 1);
	put_desc(table, 1, SCRATCH + first, HEADER_BYTES - first, VIRTQ_DESC_NEXT, 2);
	put_desc(table, 2, data, len, VIRTQ_DESC_NEXT | to_write, 3);
	put_desc(table, 3, SCRATCH + 0x80U, 1, VIRTQ_DESC_WRITE, 0);
	if (how & 8U)
		put_desc(ring, 0, table, 64, VIRTQ_DESC_INDIRECT, 0);
	offer_to(q, 0, 1);
	kick(0, q);
}

/* A chain of many pieces, as long as the queue or longer, or one without an end. */
static void do_long_chain(void)
{
	uint32_t slot = take(1) & 1U, len = take_length(), how = take(1), flags = how & VIRTQ_DESC_WRITE;
	uint32_t q = take_queue(slot), count = 1U + take(1), last = how & 1U ? VIRTQ_DESC_NEXT : 0;

	for (uint32_t i = 0; i < count; i++)
		put_desc(place_of(q, RIG_DESC), i, RIG_DATA + i, len, flags | (i + 1U < count ? VIRTQ_DESC_NEXT : last),
			 (i + 1U) % count);
	offer_to(q, 0, 1);
	kick(1, q);
}

static void do_race(void)
{
	race.after = 1U + take(1);
	race.kicks = race.after & 1U;
	race.offset = take(2) * 2U % (FAKE_GUEST_RAM - sizeof(race.value));
	race.value = take(4);
}

/* Guest RAM that aborts, the image that does, the vCPU's byte order and caches, the VM's lines, no room for a map. */
static void do_trouble(void)
{
	uint32_t how = take(1);

	if (how & 1U) {
		fake_virtio.bad = MACHINE_RAM_BASE + take(2) * 2U;
		fake_virtio.bad_size = how & 2U ? take(1) : 0;
	}
	fake_machine.bad = image + (how & 4U ? 4096 : 0);
	fake_machine.bad_size = how & 8U ? 16 : 0;
	write_spsr_hyp(how & 16U ? PSR_E : 0);
	fake_virtio.uncached = (how & 32U) != 0;
	fake_log_set_budget(!(how & 64U));
	fake_virtio.full = (how & 128U) != 0;
}

/* Somebody types, whoever has the keyboard. */
static void do_type(void)
{
	static uint8_t keys[512];
	uint32_t len = take(1) * 2U, first = take(1);

	for (uint32_t i = 0; i < len; i++)
		keys[i] = (uint8_t)(first + i);
	fake_console.typed = keys;
	fake_console.typed_len = len;
	console_stream->input_ready(console_stream);
}

/* The console takes more, or no more than so much. */
static void do_room(void)
{
	uint32_t how = take(1);

	fake_console.room = how & 1U ? how * 2U : SIZE_MAX;
	if (!console_stream->refused)
		return;
	console_stream->refused = false;
	console_stream->room(console_stream);
}

/* A character without a queue. */
static void do_emergency(void)
{
	uint32_t size = 1U << take(1) % 3U;

	access(1, 1, VIRTIO_CONFIG + 8U, size, true, take(4));
}

/* The last ones are of machines with a console. */
#define CONSOLE_OPERATIONS 3U
static void (*const operations[])(void) = {
	do_write,   do_write_small, do_access_any, do_ram,   do_desc,    do_offer, do_kick,      do_work,
	do_drain,   do_reset,       do_reset_vm,   do_save,  do_restore, do_start, do_race,      do_trouble,
	do_request, do_long_chain,  do_request,    do_place, do_type,    do_room,  do_emergency,
};

static void make_bundle(uint32_t kind, bool legacy, bool console)
{
	static const struct fit_image rootfs = {.name = "rootfs", .data = image, .size = IMAGE_SIZE, .hash = "crc32"};
	static const struct {
		const char *name;
		uint32_t value;
	} cell[KINDS] = {{"read-only", 1}, {"copy-on-write", 8}, {"size", 64}};
	struct fit *f = &fits[kind][legacy][console];

	fit_begin(f);
	fit_image(f, &rootfs);
	fit_vms(f);
	fit_vm(f, "web");
	fdt_begin_node(f->blob, "disk0");
	fit_string(f, "compatible", "virt7,virtio-blk");
	if (kind != KINDS - 1U)
		fit_string(f, "image", "rootfs");
	fdt_property_u32(f->blob, cell[kind].name, cell[kind].value);
	fdt_property_u32(f->blob, "virtio-legacy", legacy);
	fdt_end_node(f->blob);
	fdt_begin_node(f->blob, console ? "con1" : "rng0");
	fit_string(f, "compatible", console ? "virt7,virtio-console" : "virt7,virtio-rng");
	fdt_property_u32(f->blob, "virtio-legacy", legacy);
	fdt_end_node(f->blob);
	fit_vm_end(f);
	fit_end(f);
	check(bundle_open(&bundles[kind][legacy][console], f->blob, f->size) == 0, "no bundle");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	for (uint32_t i = 0; i < IMAGE_SIZE; i++)
		image[i] = (uint8_t)(i * 7U + i / 251U);
	for (uint32_t kind = 0; kind < KINDS; kind++)
		for (uint32_t how = 0; how < 4; how++)
			make_bundle(kind, how & 1U, how & 2U);
	fake_machine_reset();
	fake_virtio_reset();
	return 0;
}

/* RAM of a new VM; the host's is as the last one has left it. */
static void clear_world(void)
{
	fake_virtio = (struct fake_virtio){.on_copy = race_copy, .on_copy_out = watch_copy};
	fake_machine.bad_size = 0;
	write_spsr_hyp(0);
	fake_log_reset();
	fake_console_reset();
	memset(fake_guest_ram, 0, sizeof(fake_guest_ram));
	memset(shadow, 0, sizeof(shadow));
	memset(saved, 0, sizeof(saved));
	memset(models, 0, sizeof(models));
	memset(&race, 0, sizeof(race));
	vm_lives = 1;
}

static void begin(uint32_t how)
{
	bool console = how & CONSOLE;
	const struct bundle *b = &bundles[how % KINDS][(how & LEGACY) != 0][console];
	const struct device *device;

	clear_world();
	rig_make_vm();
	check(device_create_all(&rig_vm, b, fdt_path_offset(b->fdt, "/vms/web")) == 0, "no devices");
	devices[0] = virtio_of(device_find(&rig_vm, &virtio_blk_class));
	devices[1] = virtio_of(device_find(&rig_vm, console ? &virtio_console_class : &vrng_class));
	console_stream = rig_vm.console.more;
	queues = console ? QUEUES : QUEUES - 1U;
	for (uint32_t i = 0; i < DEVICES; i++) {
		device = &devices[i]->device;
		check(devices[i]->slot == i && device_saved_size(device) <= STATE_MAX, "other devices than expected");
	}
	fake_virtio.uncached = (how & UNCACHED) != 0;
	fake_log_set_budget(!(how & NO_BUDGET));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t known;

	input = data;
	input_end = data + size;
	begin(take(1));
	known = ARRAY_SIZE(operations) - (console_stream ? 0 : CONSOLE_OPERATIONS);
	while (input < input_end) {
		operations[take(1) % known]();
		check_world();
	}
	do_drain();
	check_ram();
	rig_end();
	check(fake_console.streams == 0, "a console is left");
	check(fake_virtio.host_released == fake_virtio.host_taken, "the disk's RAM is not given back");
	return 0;
}
