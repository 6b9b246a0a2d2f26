/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device's life and what its driver does once: features, status, setting up queues (virtio 1.2, 3.1, 4.2.2,
 * 4.2.4). Slots and notifications are in hyp/virtio/mmio.c.
 */
#include <errno.h>
#include <string.h>

#include <arm/copy.h>
#include <arm/nospec.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/lib/log.h"
#include "hyp/exit/mmio.h"
#include "hyp/lib/bits.h"
#include "hyp/load/tree.h"
#include "hyp/load/words.h"
#include "hyp/run/sched.h"
#include "hyp/virtio/bus.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"

#define STATUS_OF_DRIVER                                                                                          \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK | \
	 VIRTIO_STATUS_FAILED)

#define COMMON_FEATURES (BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(VIRTIO_F_EVENT_IDX))

/* Version 1: the ring that the device writes is at the next multiple of QueueAlign (4.2.4, 2.7.2). */
#define LEGACY_USED(desc, size, align) align_up((desc) + 16U * (uint64_t)(size) + 2U * (3U + (uint64_t)(size)), align)

static uint32_t *reg_word(const struct virtio_device *v, uint32_t reg)
{
	return &v->state->page.word[reg / 4U];
}

static void log_refused(const struct virtio_device *v, uint32_t queue, const char *why)
{
	struct vm *vm = v->device.vm;

	if (log_ratelimit(&vm->log_budget))
		log_warn("vm %s: %s: queue %u: %s; it is not ready", vm->config.name, v->device.name, (unsigned)queue,
			 why);
}

/* QueueNumMax, QueueReady and QueuePFN show the selected queue; one that is not there has no entries. */
static void show_queue(struct virtio_device *v)
{
	const struct virtio_state *s = v->state;
	const struct virtq_state *q = NULL;

	if (s->queue_sel < v->backend->queues)
		q = &s->queue[index_nospec(s->queue_sel, VIRTIO_QUEUES_MAX)];
	*reg_word(v, VIRTIO_QUEUE_NUM_MAX) = q ? v->backend->queue_size : 0;
	*reg_word(v, v->legacy ? VIRTIO_QUEUE_PFN : VIRTIO_QUEUE_READY) = q ? v->legacy ? q->pfn : q->ready : 0;
}

/* Version 1's drivers may use a device before they say that they drive it (3.1.2). Under the locks. */
static void settle_runs(struct virtio_device *v)
{
	uint32_t status = *reg_word(v, VIRTIO_STATUS);
	bool drives = v->legacy || status & VIRTIO_STATUS_DRIVER_OK;

	v->runs = 0;
	for (uint32_t i = 0; i < v->backend->queues; i++)
		if (drives && !(status & VIRTIO_STATUS_NEEDS_RESET) && v->state->queue[i].ready)
			v->runs |= BIT(i);
}

/* What the driver has accepted decides how its rings are read. */
static void use_features(struct virtio_device *v)
{
	for (uint32_t i = 0; i < v->backend->queues; i++) {
		v->state->queue[i].event_idx = virtio_has(v, VIRTIO_F_EVENT_IDX);
		v->state->queue[i].indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC);
	}
}

static void close_queue(struct virtio_device *v, uint32_t queue)
{
	struct virtq_state *s = &v->state->queue[queue];

	virtio_forget(v, queue, false);
	if (s->ready)
		virtq_unmap(&v->queue[queue]);
	s->ready = false;
	s->pfn = 0;
}

/*
 * A queue that others fill needs no notification of what its driver adds (2.7.10): where EVENT_IDX has not been
 * accepted the flag says so, once and for all. Memory that aborts is found out by who uses the ring.
 */
static void decline_notifications(struct virtio_device *v, uint32_t queue)
{
	struct virtq *q = &v->queue[queue];
	struct fault_kept kept = fault_keep();

	if (!(v->backend->filled & BIT(queue)) || q->s->event_idx)
		return;
	guest_map_sync(&q->used, 0, sizeof(uint16_t));
	store16_checked(q->used.at, VIRTQ_NO_NOTIFY);
	guest_map_sync(&q->used, 0, sizeof(uint16_t));
	fault_give_back(kept);
}

static void open_queue(struct virtio_device *v, uint32_t queue)
{
	const char *wrong;

	use_features(v);
	wrong = virtq_map(&v->queue[queue], v->device.vm, false);
	if (wrong)
		log_refused(v, queue, wrong);
	else
		decline_notifications(v, queue);
	v->state->queue[queue].ready = !wrong;
}

/* For what changes queues: those that others fill have a lock of their own. */
static void lock_all(struct virtio_device *v)
{
	spin_lock(&v->lock);
	spin_lock(&v->receive_lock);
}

static void unlock_all(struct virtio_device *v)
{
	spin_unlock(&v->receive_lock);
	spin_unlock(&v->lock);
}

/* For what closes queues, too. Others may have the CPU before. Until settle_runs() nothing else of a queue is begun. */
static void lock_quiet(struct virtio_device *v)
{
	lock_all(v);
	while (v->backend->is_busy && v->backend->is_busy(v)) {
		v->runs = 0;
		unlock_all(v);
		sched_preempt();
		lock_all(v);
	}
}

/*
 * As after power-on; what the class has in configuration space stays. GuestPageSize too: Linux writes it once, and then
 * resets the device. Under the locks.
 */
static void reset_all(struct virtio_device *v)
{
	struct virtio_state *s = v->state;

	for (uint32_t i = 0; i < v->backend->queues; i++)
		close_queue(v, i);
	memset(s->queue, 0, sizeof(s->queue));
	for (uint32_t i = 0; i < v->backend->queues; i++) {
		s->queue[i].size = v->legacy ? v->backend->queue_size : 0;
		s->queue[i].align = PAGE_SIZE;
	}
	memset(s->driver_features, 0, sizeof(s->driver_features));
	s->driver_features_sel = s->queue_sel = 0;
	s->kicked = 0;
	*reg_word(v, VIRTIO_STATUS) = 0;
	*reg_word(v, VIRTIO_DEVICE_FEATURES) = (uint32_t)v->features;
	show_queue(v);
	virtio_irq_set(v, 0, ~0U);
	if (v->backend->reset)
		v->backend->reset(v);
}

/* 2.2.2, 3.1.1: what was not offered is refused, and so is a driver of version 2 that does not know that it is one. */
static bool features_are_fine(const struct virtio_device *v)
{
	const struct virtio_state *s = v->state;

	return !(s->driver_features[0] & ~(uint32_t)v->features) &&
	       !(s->driver_features[1] & ~(uint32_t)(v->features >> 32)) &&
	       (v->legacy || virtio_has(v, VIRTIO_F_VERSION_1));
}

/* Bits come one by one and go all at once (2.1.1). */
static void write_status(struct vcpu *vcpu, struct virtio_device *v, uint32_t value)
{
	uint32_t status = *reg_word(v, VIRTIO_STATUS) | (value & STATUS_OF_DRIVER);

	if (value == 0) {
		reset_all(v);
		return;
	}
	if (!(*reg_word(v, VIRTIO_STATUS) & VIRTIO_STATUS_FEATURES_OK) && !features_are_fine(v))
		status &= ~VIRTIO_STATUS_FEATURES_OK;
	*reg_word(v, VIRTIO_STATUS) = status;
	use_features(v);
	if (status & VIRTIO_STATUS_DRIVER_OK && v->state->kicked)
		virtio_ask(vcpu, v);
}

static void write_features(struct virtio_device *v, uint32_t value)
{
	struct virtio_state *s = v->state;

	if (s->driver_features_sel < 2U && !(*reg_word(v, VIRTIO_STATUS) & VIRTIO_STATUS_FEATURES_OK))
		s->driver_features[s->driver_features_sel & 1U] = value;
}

/* Rings of version 1 are in the guest's byte order, and only one of the two is served. */
static bool is_big_endian(const struct virtio_device *v)
{
	struct vm *vm = v->device.vm;

	if (!(read_spsr_hyp() & PSR_E))
		return false;
	if (log_ratelimit(&vm->log_budget))
		log_warn("vm %s: %s: a big-endian driver of version 1; take virtio-legacy out", vm->config.name,
			 v->device.name);
	return true;
}

static bool legacy_place(const struct virtio_device *v, struct virtq_state *q, uint32_t pfn)
{
	uint64_t size = MIN(q->size, VIRTQ_SIZE_MAX);

	q->desc = (uint64_t)pfn * v->state->page_size;
	q->avail = q->desc + 16U * size;
	if (q->align == 0 || (q->align & (q->align - 1U)) != 0 || v->state->page_size == 0)
		return false;
	q->used = LEGACY_USED(q->desc, size, q->align);
	return true;
}

static void write_pfn(struct virtio_device *v, uint32_t queue, uint32_t pfn)
{
	struct virtq_state *q = &v->state->queue[queue];

	close_queue(v, queue);
	if (pfn == 0 || is_big_endian(v))
		return;
	if (legacy_place(v, q, pfn))
		open_queue(v, queue);
	else
		log_refused(v, queue, "QueueAlign or GuestPageSize is not a power of two");
	q->pfn = q->ready ? pfn : 0;
}

static void write_ready(struct virtio_device *v, uint32_t queue, uint32_t value)
{
	bool ready = v->state->queue[queue].ready;

	if (value & 1U && !ready)
		open_queue(v, queue);
	else if (!(value & 1U) && ready)
		close_queue(v, queue);
}

static void set_low(uint64_t *at, uint32_t value)
{
	*at = (*at & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *at, uint32_t value)
{
	*at = (uint32_t)*at | (uint64_t)value << 32;
}

/* Where the queue is: fixed while it is ready (4.2.2.2). */
static void write_place(struct virtq_state *q, uint32_t reg, uint32_t value)
{
	switch (q->ready ? 0 : reg) {
	case VIRTIO_QUEUE_NUM:
		q->size = value;
		break;
	case VIRTIO_QUEUE_DESC_LOW:
		set_low(&q->desc, value);
		break;
	case VIRTIO_QUEUE_DESC_HIGH:
		set_high(&q->desc, value);
		break;
	case VIRTIO_QUEUE_DRIVER_LOW:
		set_low(&q->avail, value);
		break;
	case VIRTIO_QUEUE_DRIVER_HIGH:
		set_high(&q->avail, value);
		break;
	case VIRTIO_QUEUE_DEVICE_LOW:
		set_low(&q->used, value);
		break;
	case VIRTIO_QUEUE_DEVICE_HIGH:
		set_high(&q->used, value);
		break;
	default: /* read-only or reserved */
		break;
	}
}

static void write_legacy_queue(struct virtio_device *v, uint32_t queue, uint32_t reg, uint32_t value)
{
	struct virtq_state *q = &v->state->queue[queue];

	if (reg == VIRTIO_QUEUE_PFN)
		write_pfn(v, queue, value);
	else if (reg == VIRTIO_QUEUE_NUM && !q->ready)
		q->size = value;
	else if (reg == VIRTIO_QUEUE_ALIGN && !q->ready)
		q->align = value;
}

/* A register of the selected queue. */
static void write_queue(struct virtio_device *v, uint32_t reg, uint32_t value)
{
	uint32_t queue = v->state->queue_sel;

	if (queue >= v->backend->queues)
		return;
	queue &= VIRTIO_QUEUES_MAX - 1U;
	if (v->legacy)
		write_legacy_queue(v, queue, reg, value);
	else if (reg == VIRTIO_QUEUE_READY)
		write_ready(v, queue, value);
	else
		write_place(&v->state->queue[queue], reg, value);
	show_queue(v);
}

static void virtio_write_register(struct vcpu *vcpu, struct virtio_device *v, uint32_t reg, uint32_t value)
{
	switch (reg) {
	case VIRTIO_DEVICE_FEATURES_SEL:
		*reg_word(v, VIRTIO_DEVICE_FEATURES) = value < 2U ? (uint32_t)(v->features >> value * 32U) : 0;
		break;
	case VIRTIO_DRIVER_FEATURES:
		write_features(v, value);
		break;
	case VIRTIO_DRIVER_FEATURES_SEL:
		v->state->driver_features_sel = value;
		break;
	case VIRTIO_GUEST_PAGE_SIZE:
		v->state->page_size = value && !(value & (value - 1U)) ? value : 0;
		break;
	case VIRTIO_QUEUE_SEL:
		v->state->queue_sel = value;
		show_queue(v);
		break;
	case VIRTIO_STATUS:
		write_status(vcpu, v, value);
		break;
	default:
		write_queue(v, reg, value);
		break;
	}
}

/*
 * Rings of a queue that becomes ready. A driver that moves them meanwhile, from another vCPU, to RAM that it has not
 * touched, finds the queue not ready.
 */
static void touch_rings(const struct virtio_device *v, uint32_t reg, uint32_t value)
{
	uint32_t queue = v->state->queue_sel;
	struct virtq_state s;

	if (reg != (v->legacy ? VIRTIO_QUEUE_PFN : VIRTIO_QUEUE_READY) || value == 0 || queue >= v->backend->queues)
		return;
	s = v->state->queue[queue & (VIRTIO_QUEUES_MAX - 1U)];
	if (!v->legacy || legacy_place(v, &s, value))
		virtq_touch(&s, v->device.vm);
}

static bool closes_queue(const struct virtio_device *v, uint32_t reg, uint32_t value)
{
	if (reg == VIRTIO_STATUS)
		return value == 0;
	return v->legacy ? reg == VIRTIO_QUEUE_PFN : reg == VIRTIO_QUEUE_READY && !(value & 1U);
}

void virtio_write(struct vcpu *vcpu, struct virtio_device *v, uint32_t reg, uint32_t value, uint32_t size)
{
	if (size == MMIO_WORD)
		touch_rings(v, reg, value);
	if (size == MMIO_WORD && closes_queue(v, reg, value))
		lock_quiet(v);
	else
		lock_all(v);
	if (reg >= VIRTIO_CONFIG && v->backend->write_config)
		v->backend->write_config(v, reg - VIRTIO_CONFIG, value, size);
	else if (reg < VIRTIO_CONFIG && size == MMIO_WORD)
		virtio_write_register(vcpu, v, reg, value);
	settle_runs(v);
	unlock_all(v);
}

void virtio_config_set(struct virtio_device *v, uint32_t offset, const void *value, uint32_t len)
{
	memcpy(&v->state->page.byte[VIRTIO_CONFIG + offset], value, len);
}

void virtio_config_change(struct virtio_device *v, uint32_t offset, const void *value, uint32_t len)
{
	virtio_config_set(v, offset, value, len);
	if (!v->legacy)
		++*reg_word(v, VIRTIO_CONFIG_GENERATION);
	if (*reg_word(v, VIRTIO_STATUS) & VIRTIO_STATUS_DRIVER_OK)
		virtio_irq_set(v, VIRTIO_INT_CONFIG, 0);
}

static uint64_t offered_features(const struct virtio_device *v, uint64_t own)
{
	if (v->legacy)
		return (own & UINT32_MAX) | COMMON_FEATURES | BIT64(VIRTIO_F_ANY_LAYOUT);
	return own | COMMON_FEATURES | BIT64(VIRTIO_F_VERSION_1);
}

static void make_page(struct virtio_device *v)
{
	*reg_word(v, VIRTIO_MAGIC_VALUE) = VIRTIO_MAGIC;
	*reg_word(v, VIRTIO_VERSION) = v->legacy ? 1 : 2;
	*reg_word(v, VIRTIO_DEVICE_ID) = v->backend->id;
	*reg_word(v, VIRTIO_VENDOR_ID) = VIRTIO_VENDOR;
	if (v->legacy)
		return;
	for (uint32_t reg = VIRTIO_SHM_LEN_LOW; reg <= VIRTIO_SHM_BASE_HIGH; reg += 4U)
		*reg_word(v, reg) = UINT32_MAX; /* no shared memory (4.2.2.1) */
}

static size_t pieces_size(const struct virtio_device *v)
{
	return (size_t)v->backend->queues * v->backend->queue_size * sizeof(*v->pieces);
}

static int virtio_make_queues(struct virtio_device *v)
{
	v->pieces = page_alloc(page_order(pieces_size(v)));
	if (!v->pieces)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->backend->queues; i++) {
		v->queue[i].s = &v->state->queue[i];
		v->queue[i].max = v->backend->queue_size;
		v->queue[i].piece = v->pieces + (size_t)i * v->backend->queue_size;
	}
	return 0;
}

int virtio_create(struct virtio_device *v, const struct virtio_backend *backend, struct virtio_state *state,
		  uint64_t more_features)
{
	struct vm *vm = v->device.vm;
	struct virtio_bus *bus = vm->virtio;
	int ret;

	static_assert(MACHINE_VIRTIO_COUNT == 32, "as WORDS_VIRTIO_TOO_MANY has it");
	if (bus->count == MACHINE_VIRTIO_COUNT) {
		log_err("vm %s: /vms/%s/%.40s: %s", vm->config.name, vm->config.name, v->device.name,
			WORDS_VIRTIO_TOO_MANY);
		return -EINVAL;
	}
	v->backend = backend;
	v->state = state;
	v->legacy |= vm->config.virtio_legacy;
	v->features = offered_features(v, backend->features | more_features);
	ret = virtio_make_queues(v);
	if (ret)
		return ret;
	make_page(v);
	v->slot = bus->count++;
	bus->slot[v->slot] = v;
	v->device.counts = true;
	bus->page[v->slot] = &state->page;
	return 0;
}

void virtio_reset(struct device *device)
{
	struct virtio_device *v = virtio_of(device);

	lock_quiet(v);
	reset_all(v);
	v->state->page_size = 0;
	settle_runs(v);
	unlock_all(v);
}

/* Nothing of the guest's RAM stays in sight. */
void virtio_quiesce(struct device *device)
{
	virtio_reset(device);
}

void virtio_destroy(struct device *device)
{
	struct virtio_device *v = virtio_of(device);

	virtio_reset(device);
	page_free(v->pieces, page_order(pieces_size(v)));
}

/*
 * Queues that were ready are mapped again; chains that were begun are read anew, and so each queue is looked at: what
 * was under way elsewhere for it is dropped.
 */
void virtio_restore(struct device *device)
{
	struct virtio_device *v = virtio_of(device);
	uint32_t kicked = v->state->kicked;

	lock_quiet(v);
	for (uint32_t i = 0; i < v->backend->queues; i++) {
		virtio_forget(v, i, false);
		if (v->queue[i].used.at)
			virtq_unmap(&v->queue[i]);
		if (v->state->queue[i].ready && virtq_map(&v->queue[i], device->vm, true))
			v->state->queue[i].ready = false;
	}
	settle_runs(v);
	virtio_irq_set(v, 0, 0);
	unlock_all(v);
	for (uint32_t i = 0; i < v->backend->queues; i++)
		if (kicked & BIT(i) || (v->state->queue[i].ready && !(v->backend->filled & BIT(i))))
			virtio_wake(v, i);
}

void virtio_describe(const struct device *device, struct tree *t)
{
	const struct virtio_device *v = (const struct virtio_device *)(const void *)device;
	uint32_t base = MACHINE_VIRTIO_BASE + v->slot * MACHINE_VIRTIO_SIZE;

	tree_begin_numbered(t, "virtio_mmio@", base);
	tree_string(t, "compatible", "virtio,mmio");
	tree_reg_spi(t, base, MACHINE_VIRTIO_SIZE, MACHINE_SPI_VIRTIO(v->slot), TREE_GIC_EDGE_HI);
	tree_flag(t, "dma-coherent");
	tree_end(t);
}
