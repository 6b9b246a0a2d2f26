/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transports of a VM: 32 slots in one region, and what drivers do all the time: read a register, notify,
 * acknowledge, have a queue served. What they do once is in hyp/virtio/device.c. Compiled for speed.
 */
#include <stddef.h>

#include <arm/atomic.h>
#include <arm/copy.h>
#include <arm/hypregs.h>
#include <arm/nospec.h>
#include <arm/sysreg.h>

#include "hyp/run/irq.h"
#include "hyp/lib/log.h"
#include "hyp/exit/mmio.h"
#include "hyp/lib/bits.h"
#include "hyp/run/kick.h"
#include "hyp/run/sched.h"
#include "hyp/virtio/bus.h"
#include "hyp/vm/vm.h"
#include "mm/hypmap.h"
#include "vgic/vgic.h"

#define SLOT_SHIFT 9U

/* An empty slot reads as on QEMU's default board: version 1, no device. */
static const union virtio_page empty_page = {.word = {
						     [VIRTIO_MAGIC_VALUE / 4U] = VIRTIO_MAGIC,
						     [VIRTIO_VERSION / 4U] = 1,
						     [VIRTIO_VENDOR_ID / 4U] = VIRTIO_VENDOR,
					     }};

static uint32_t slot_of(uint32_t offset)
{
	return offset >> SLOT_SHIFT; /* one of the region's (hyp/exit/exit.c), even where the processor guesses */
}

static uint32_t reg_of(uint32_t offset)
{
	return offset & (MACHINE_VIRTIO_SIZE - 1U);
}

/* Registers are words (4.2.2.2); configuration space is of any width. */
static uint64_t __attribute__((noinline)) read_narrow(const struct virtio_bus *bus, uint32_t offset, uint32_t size)
{
	const union virtio_page *page = bus->page[slot_of(offset)];
	uint32_t reg = reg_of(offset);

	if (reg < VIRTIO_CONFIG)
		return 0;
	return size == MMIO_BYTE ? page->byte[reg] : page->half[reg / 2U];
}

static uint64_t bus_read(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t size)
{
	const struct virtio_bus *bus = device;

	if (unlikely(size != MMIO_WORD))
		return read_narrow(bus, offset, size);
	return *(const volatile uint32_t *)&bus->page[slot_of(offset)]->word[reg_of(offset) / 4U];
}

/* Under irq_lock. */
static inline void settle_irq(struct virtio_device *v, uint32_t status)
{
	v->state->page.word[VIRTIO_INTERRUPT_STATUS / 4U] = status;
	if (v->line == (status != 0))
		return;
	v->line = status != 0;
	vgic_set_line(v->device.vm, 0, MACHINE_SPI_VIRTIO(v->slot), v->line);
}

void virtio_irq_set(struct virtio_device *v, uint32_t set, uint32_t clear)
{
	spin_lock(&v->irq_lock);
	settle_irq(v, (v->state->page.word[VIRTIO_INTERRUPT_STATUS / 4U] & ~clear) | set);
	spin_unlock(&v->irq_lock);
}

/*
 * The interrupt is an edge: what has come since the driver looked, or what it leaves for later, is a new one, or a
 * driver that acknowledges one bit would wait for ever for the other.
 */
static void acknowledge_irq(struct virtio_device *v, uint32_t bits)
{
	uint32_t status;

	spin_lock(&v->irq_lock);
	status = v->state->page.word[VIRTIO_INTERRUPT_STATUS / 4U];
	if (status & bits)
		settle_irq(v, 0);
	settle_irq(v, status & ~bits);
	spin_unlock(&v->irq_lock);
}

void virtio_ask(struct vcpu *vcpu, const struct virtio_device *v)
{
	__atomic_fetch_or(&vcpu->virtio_slots, BIT(v->slot), __ATOMIC_RELAXED);
	atomic_or(&vcpu->thread.work, WORK_VIRTIO);
}

void virtio_publish(struct virtio_device *v, uint32_t queue, const struct virtq_step *step)
{
	if (virtq_publish(&v->queue[queue], step)) {
		v->device.count.interrupts++;
		virtio_irq_set(v, VIRTIO_INT_QUEUE, 0);
	}
	if (unlikely(v->queue[queue].wrong) && virtio_queue_runs(v, queue))
		virtio_break(v, queue, v->queue[queue].wrong);
}

void virtio_break(struct virtio_device *v, uint32_t queue, const char *why)
{
	struct vm *vm = v->device.vm;

	v->state->page.word[VIRTIO_STATUS / 4U] |= VIRTIO_STATUS_NEEDS_RESET;
	v->runs = 0;
	virtio_forget(v, queue, true);
	v->device.count.errors++;
	virtio_irq_set(v, VIRTIO_INT_CONFIG, 0);
	if (log_ratelimit(&vm->log_budget))
		log_warn("vm %s: %s: queue %u: %s; the device stops until its driver resets it", vm->config.name,
			 v->device.name, (unsigned)queue, why);
}

/* One chain. True: go on with the next. */
static bool serve_chain(struct virtio_device *v, uint32_t queue, struct virtq_step *step, bool *more)
{
	struct virtq *q = &v->queue[queue];
	uint32_t written = 0;

	switch (v->backend->serve(v, queue, &q->chain, step, &written)) {
	case VIRTIO_DONE:
		v->device.count.requests++;
		virtq_put(q, step, written);
		*more = step->bytes == 0 || step->pieces == 0;
		return !*more;
	case VIRTIO_MORE:
		*more = true;
		return false;
	default:
		*more = false;
		return false;
	}
}

/*
 * True: there is more to do in the queue. One that its driver has broken is found so at the end of the step. Behind
 * what an earlier step has seen the ring is looked at in any case: notifications that have come since are used up.
 */
static bool serve_queue(struct virtio_device *v, uint32_t queue, struct virtq_step *step)
{
	struct virtq *q = &v->queue[queue];
	bool more = false, go_on = true, look = virtq_knows_more(q);

	while (go_on && likely(!q->wrong)) {
		switch (virtq_take(q, step)) {
		case VIRTQ_CHAIN:
			go_on = serve_chain(v, queue, step, &more) &&
				(look || virtq_knows_more(q) || virtq_rearm(q, step));
			more |= go_on && irq_is_waiting();
			go_on &= !more;
			break;
		case VIRTQ_EMPTY:
			go_on = virtq_rearm(q, step);
			break;
		case VIRTQ_PART:
			more = true;
			go_on = false;
			break;
		default:
			break;
		}
	}
	return more && !q->wrong;
}

/* A step of a queue that runs, and was kicked: who kicks meanwhile is heard after it. Under the device's lock. */
static void serve_kicked(struct virtio_device *v, uint32_t queue)
{
	struct virtq_step step;
	bool more;

	step.bytes = VIRTQ_STEP_BYTES;
	step.pieces = VIRTQ_STEP_PIECES;
	step.view = guest_view_open(v->device.vm, HYP_WINDOW_VIEW);
	more = serve_queue(v, queue, &step);
	guest_view_close(step.view);
	virtio_publish(v, queue, &step);
	if (more)
		atomic_or(&v->state->kicked, BIT(queue));
}

/* True: more of the device's queues are to be served. */
static bool serve_device(struct virtio_device *v)
{
	uint32_t ready;

	kick_hold();
	spin_lock(&v->lock);
	ready = v->state->kicked & v->runs & ~v->backend->filled;
	if (ready) {
		uint32_t after = ready & ~(BIT(v->last + 1U) - 1U); /* in turn */
		struct fault_kept kept = fault_keep();

		v->last = lowest_bit(after ? after : ready);
		atomic_clear(&v->state->kicked, BIT(v->last));
		serve_kicked(v, v->last);
		fault_give_back(kept);
		ready = (ready & ~BIT(v->last)) | (v->state->kicked & BIT(v->last));
	}
	spin_unlock(&v->lock);
	kick_send();
	return ready != 0;
}

/* guest_is_uncached(), of the VM whose vCPU is loaded here. */
static inline bool vcpu_is_uncached(const struct vcpu *vcpu)
{
	return vcpu->vm->uncached || (read_sctlr() & SCTLR_CACHES_ON) != SCTLR_CACHES_ON;
}

/*
 * Here and now, as far as a step goes: mostly there is nothing else to do for the device, and nothing behind the step.
 * Under the device's lock. True: something was done, and the caller lets kicks go when it has given that back.
 */
static bool serve_now(struct vcpu *vcpu, struct virtio_device *v, uint32_t queue)
{
	struct fault_kept kept = fault_keep();
	bool serves = vcpu_is_uncached(vcpu) || !virtq_is_idle(&v->queue[queue]);

	if (serves) {
		uint64_t began = timer_now();

		kick_hold();
		v->last = queue;
		serve_kicked(v, queue);
		if (v->state->kicked & ~v->backend->filled)
			virtio_ask(vcpu, v);
		vcpu_served_devices(vcpu, timer_now() - began);
	}
	fault_give_back(kept);
	return serves;
}

/* Whoever else serves the device, or must wait for its driver, finds the mark. */
static void notify_queue(struct vcpu *vcpu, struct virtio_device *v, uint32_t queue)
{
	bool served = false;

	if (unlikely(queue >= v->backend->queues))
		return;
	queue = index_nospec(queue, VIRTIO_QUEUES_MAX);
	v->device.count.kicks++;
	if (unlikely(v->backend->filled & BIT(queue)))
		return; /* a buffer is looked for when there is something for it */
	if (unlikely(!spin_try(&v->lock))) {
		atomic_or(&v->state->kicked, BIT(queue));
		virtio_ask(vcpu, v);
		return;
	}
	dmb_ish();
	if (virtio_queue_runs(v, queue))
		served = serve_now(vcpu, v, queue);
	else
		atomic_or(&v->state->kicked, BIT(queue));
	spin_unlock(&v->lock);
	if (served) {
		kick_send();
		if (unlikely(vcpu->virtio_slots))
			sched_preempt(); /* the next step comes on the way back into the guest */
	}
}

static bool bus_write(struct vcpu *vcpu, void *device, uint32_t offset, uint32_t value, uint32_t size)
{
	const struct virtio_bus *bus = device;
	struct virtio_device *v = bus->slot[slot_of(offset)];
	uint32_t reg = reg_of(offset);

	if (unlikely(!v))
		return true;
	if (likely(size == MMIO_WORD) && reg == VIRTIO_QUEUE_NOTIFY)
		notify_queue(vcpu, v, value);
	else if (likely(size == MMIO_WORD) && reg == VIRTIO_INTERRUPT_ACK)
		acknowledge_irq(v, value);
	else
		virtio_write(vcpu, v, reg, value, size);
	return true;
}

/*
 * The slots are the vCPU's own to take out. One that is served goes behind the others, so that a device whose queue
 * never ends does not keep them away.
 */
bool virtio_work(struct vcpu *vcpu)
{
	const struct virtio_bus *bus = vcpu->vm->virtio;
	uint32_t slots = vcpu->virtio_slots, after = slots & ~(BIT(vcpu->virtio_last) * 2U - 1U), slot;

	if (!slots)
		return false;
	slot = lowest_bit(after ? after : slots);
	vcpu->virtio_last = slot;
	__atomic_fetch_and(&vcpu->virtio_slots, ~BIT(slot), __ATOMIC_SEQ_CST);
	if (serve_device(bus->slot[slot]))
		__atomic_fetch_or(&vcpu->virtio_slots, BIT(slot), __ATOMIC_SEQ_CST);
	return vcpu->virtio_slots != 0;
}

/*
 * One that is on, or else suspended; that goes off meanwhile it serves nevertheless (hyp/vm/vmctl.c). Where all are off
 * the VM begins anew, or is being put back, and its first one is the next to run.
 */
static struct vcpu *choose_server(const struct vm *vm)
{
	struct vcpu *each, *suspended = NULL;

	vm_for_each_vcpu(each, vm) {
		if (each->power == VCPU_ON)
			return each;
		if (each->power == VCPU_SUSPENDED)
			suspended = each;
	}
	return suspended ? suspended : vm->vcpu[0];
}

void virtio_wake(struct virtio_device *v, uint32_t queue)
{
	struct vcpu *vcpu = choose_server(v->device.vm);

	atomic_or(&v->state->kicked, BIT(queue));
	__atomic_fetch_or(&vcpu->virtio_slots, BIT(v->slot), __ATOMIC_SEQ_CST);
	if (vcpu->thread.cpu)
		vcpu_request(vcpu, WORK_VIRTIO);
}

static int bus_create(struct device *device)
{
	static const struct mmio_ops ops = {bus_read, bus_write, MMIO_ANY};
	struct virtio_bus *bus = container_of(device, struct virtio_bus, device);

	for (uint32_t i = 0; i < MACHINE_VIRTIO_COUNT; i++)
		bus->page[i] = &empty_page;
	device->vm->virtio = bus;
	return mmio_add(&device->vm->bus, MACHINE_VIRTIO_BASE, (uint64_t)MACHINE_VIRTIO_SIZE * MACHINE_VIRTIO_COUNT,
			&ops, bus);
}

const struct device_class virtio_bus_class = {
	.name = "virtio-mmio",
	.size = sizeof(struct virtio_bus),
	.saved = sizeof(struct virtio_bus),
	.create = bus_create,
};
