/* SPDX-License-Identifier: BSD-2-Clause */
/* The trace: vectors of its own, around the exit path proper, and a ring for each CPU. */
#include <errno.h>

#include <arm/barrier.h>
#include <arm/hypregs.h>
#include <arm/psr.h>
#include <arm/sysreg.h>

#include "hyp/arm/regs.h"

#include "hyp/host/gic.h"
#include "hyp/exit/exit.h"
#include "hyp/run/irq.h"
#include "hyp/run/percpu.h"
#include "hyp/debug/trace.h"
#include "hyp/virtio/bus.h"
#include "hyp/vm/vm.h"
#include "mm/page.h"

struct ring {
	uint32_t count;
	bool on; /* as this CPU's vectors are */
	struct trace_record *record;
};

static struct ring rings[CPU_MAX];
static bool wanted;
static struct spinlock traced_lock; /* of each device's `traced`; nothing is taken inside */

/* hyp/exit/vectors.S */
void trace_exit_trap(struct regs *regs);
void trace_exit_irq(void);

static struct trace_record *put_record(struct ring *ring, const struct vcpu *vcpu, enum trace_what what, uint32_t data)
{
	struct trace_record *r = &ring->record[ring->count++ % TRACE_RECORDS];

	r->time = timer_now();
	r->what = (uint8_t)what;
	r->vm = (uint8_t)vcpu->vm->id;
	r->vcpu = (uint8_t)vcpu->index;
	r->device = 0;
	r->data = data;
	return r;
}

static void put_virtio(struct ring *ring, const struct vcpu *vcpu, uint32_t slot, enum trace_what what, uint32_t data)
{
	if (data || what <= TRACE_VIRTIO_RESET)
		put_record(ring, vcpu, what, data)->device = (uint8_t)slot;
}

/* What a trap with a syndrome is about to write to a register of a virtio device. Kicks of other kinds are not seen. */
static __attribute__((noinline)) void put_store(struct ring *ring, const struct vcpu *vcpu, const struct regs *regs,
						uint32_t hsr)
{
	const uint32_t store = ISS_DABT_ISV | ISS_DABT_WNR;
	uint64_t at = (uint64_t)(read_hpfar() >> 4) << PAGE_SHIFT | (read_hdfar() & (PAGE_SIZE - 1U));
	uint32_t reg = (uint32_t)at % MACHINE_VIRTIO_SIZE, spsr = read_spsr_hyp(), slot, value;

	if ((hsr & store) != store || at < MACHINE_VIRTIO_BASE ||
	    at - MACHINE_VIRTIO_BASE >= (uint64_t)vcpu->vm->virtio->count * MACHINE_VIRTIO_SIZE)
		return;
	slot = (uint32_t)(at - MACHINE_VIRTIO_BASE) / MACHINE_VIRTIO_SIZE;
	value = regs_read(regs, spsr, ISS_DABT_SRT(hsr));
	if (reg == VIRTIO_QUEUE_NOTIFY)
		put_virtio(ring, vcpu, slot, TRACE_VIRTIO_KICK, spsr & PSR_E ? __builtin_bswap32(value) : value);
	else if (reg == VIRTIO_STATUS && value == 0)
		put_virtio(ring, vcpu, slot, TRACE_VIRTIO_RESET, 0);
}

/* What has been done since the last time. */
static struct device_count take_progress(struct device *device)
{
	struct device_count now, *traced = &device->traced, past;

	spin_lock(&traced_lock);
	now = device->count;
	past = *traced;
	*traced = now;
	spin_unlock(&traced_lock);
	return (struct device_count){.requests = now.requests - past.requests,
				     .interrupts = now.interrupts - past.interrupts,
				     .bytes = now.bytes - past.bytes};
}

static __attribute__((noinline)) void put_progress(struct ring *ring, const struct vcpu *vcpu)
{
	const struct virtio_bus *bus = vcpu->vm->virtio;

	for (uint32_t slot = 0; slot < bus->count; slot++) {
		struct device *device = &bus->slot[slot]->device;
		struct device_count done;

		if (device->count.requests == device->traced.requests &&
		    device->count.interrupts == device->traced.interrupts &&
		    device->count.bytes == device->traced.bytes)
			continue;
		done = take_progress(device);
		put_virtio(ring, vcpu, slot, TRACE_VIRTIO_DONE, done.requests);
		put_virtio(ring, vcpu, slot, TRACE_VIRTIO_BYTES, (uint32_t)done.bytes);
		put_virtio(ring, vcpu, slot, TRACE_VIRTIO_IRQ, done.interrupts);
	}
}

/*
 * The vCPU goes back into its guest, on the CPU where it is now, with what it was given since it left. It may have
 * slept meanwhile, and the trace be over: a ring that is off stands still.
 */
static void put_enter(struct vcpu *vcpu)
{
	const uint32_t known = ARRAY_SIZE(vcpu->vgic.injected_id);
	struct ring *ring = &rings[cpu_id()];

	if (!ring->on)
		return;
	if (vcpu->vm->virtio->count)
		put_progress(ring, vcpu);
	if (vcpu->vgic.injected - vcpu->vgic.traced > known)
		vcpu->vgic.traced = vcpu->vgic.injected - known;
	for (; vcpu->vgic.traced != vcpu->vgic.injected; vcpu->vgic.traced++)
		put_record(ring, vcpu, TRACE_INJECT, vcpu->vgic.injected_id[vcpu->vgic.traced % known]);
	put_record(ring, vcpu, TRACE_ENTER, 0);
}

void trace_exit_trap(struct regs *regs)
{
	struct ring *ring = &rings[cpu_id()];
	struct vcpu *vcpu = current_vcpu();
	uint32_t hsr = read_hsr();

	put_record(ring, vcpu, TRACE_TRAP, hsr);
	if (HSR_EC(hsr) == EC_DABT_GUEST) {
		put_store(ring, vcpu, regs, hsr);
		exit_data(regs);
	} else {
		exit_trap(regs);
	}
	put_enter(vcpu);
}

void trace_exit_irq(void)
{
	struct vcpu *vcpu = current_vcpu();

	put_record(&rings[cpu_id()], vcpu, TRACE_IRQ, 0);
	exit_irq();
	put_enter(vcpu);
}

/* This CPU's vectors, as they are wanted. */
static bool follow_wanted(uint32_t id, void *arg)
{
	const struct percpu *cpu = this_cpu();

	write_hvbar((uint32_t)(uintptr_t)(wanted ? cpu->vectors_traced : cpu->vectors));
	isb();
	rings[cpu->head.id].on = wanted;
	return true;
}

/* A CPU that has no ring when the others have one has come too late and keeps its vectors. */
static int make_rings(void)
{
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (percpu[i].online && !rings[i].record) {
			rings[i].record = page_alloc(page_order(TRACE_RECORDS * sizeof(struct trace_record)));
			if (!rings[i].record)
				return -ENOMEM;
		}
	return 0;
}

/* What has been injected and done while there was no trace is no news. */
static void begin_rings(void)
{
	struct vcpu *v;
	struct vm *vm;

	vm_for_each(vm)
	{
		vm_for_each_vcpu(v, vm)
			v->vgic.traced = v->vgic.injected;
		for (uint32_t slot = 0; slot < vm->virtio->count; slot++)
			take_progress(&vm->virtio->slot[slot]->device);
	}
}

int trace_switch(bool on)
{
	static bool registered;

	if (on && make_rings())
		return -ENOMEM;
	if (!registered)
		irq_register(GIC_SGI_TRACE, follow_wanted, NULL);
	registered = true;
	if (on && !wanted)
		begin_rings();
	wanted = on;
	dsb();
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (rings[i].record && i != cpu_id())
			gic_send_sgi(i, GIC_SGI_TRACE);
	if (rings[cpu_id()].record)
		follow_wanted(0, NULL);
	return 0;
}

bool trace_settled(void)
{
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (rings[i].record && *(volatile bool *)&rings[i].on != wanted)
			return false;
	return true;
}

bool trace_is_on(void)
{
	return wanted;
}

uint32_t trace_count(uint32_t cpu)
{
	return rings[cpu].record ? rings[cpu].count : 0;
}

const struct trace_record *trace_at(uint32_t cpu, uint32_t index)
{
	return &rings[cpu].record[index % TRACE_RECORDS];
}
