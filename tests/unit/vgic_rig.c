/* SPDX-License-Identifier: BSD-2-Clause */
/* See vgic_rig.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "hyp/run/irq.h"
#include "hyp/vm/machine.h"
#include "hyp/run/sched.h"
#include "vgic/internal.h"
#include "vgic_rig.h"

#define SETTLE_ROUNDS 16U

struct rig rig;
struct percpu percpu[CPU_MAX];

enum whose { ANY, OWN };

static struct move {
	const char *name, *by;
	enum vgic_place from, to;
	enum whose whose;
	uint32_t made;
} moves[] = {
#define MOVE(from, to, by, whose) {#from " -> " #to " by " #by, #by, VGIC_##from, VGIC_##to, whose, 0},
#include "vgic/moves.def"
#undef MOVE
};

/* Where each was last: vCPUs' private ones, then SPIs. */
static enum vgic_place place[MACHINE_MAX_CPUS * VGIC_PRIVATE + ARRAY_SIZE(rig.vm.vgic.spi)];

/* NULL: not of the rig's VM. A private one is its vCPU's, whatever `owner` says. */
static enum vgic_place *place_of(const struct vgic_irq *irq, uint32_t *owner)
{
	const struct vgic_irq *spi = rig.vm.vgic.spi;

	*owner = irq->owner;
	if (irq >= spi && irq < spi + ARRAY_SIZE(rig.vm.vgic.spi))
		return &place[MACHINE_MAX_CPUS * VGIC_PRIVATE + (uint32_t)(irq - spi)];
	for (*owner = 0; *owner < MACHINE_MAX_CPUS; ++*owner) {
		const struct vgic_irq *own = rig.vcpu[*owner].vgic.irq;

		if (irq >= own && irq < own + VGIC_PRIVATE)
			return &place[*owner * VGIC_PRIVATE + (uint32_t)(irq - own)];
	}
	return NULL;
}

static struct move *find_move(enum vgic_place from, enum vgic_place to, const char *by)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].from == from && moves[i].to == to && strcmp(moves[i].by, by) == 0)
			return &moves[i];
	fail_msg("%s() takes an interrupt from %u to %u: see vgic/moves.def", by, from, to);
	return NULL;
}

void witness(const void *object, const char *step)
{
	const struct vgic_irq *irq = object;
	uint32_t owner;
	enum vgic_place *last = place_of(irq, &owner), now = vgic_place(irq);
	const struct percpu *on;
	struct move *move;

	if (!last || *last == now)
		return;
	assert_true(rig.vm.vgic.lock.held);
	assert_true((irq->lr != VGIC_NO_LR) + irq->active + irq->queued == (now != VGIC_NOWHERE));
	on = rig.vcpu[owner].vgic.on;
	move = find_move(*last, now, step);
	if (move->whose == OWN && on && on != this_cpu())
		fail_msg("%s, whose list registers are CPU %u's", move->name, (unsigned)on->head.id);
	move->made++;
	*last = now;
}

void rig_check_moves(void)
{
	uint32_t never = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(moves); i++) {
		print_message("%8u %s\n", moves[i].made, moves[i].name);
		never += moves[i].made == 0;
	}
	assert_int_equal(never, 0);
}

int s2_map_device(struct s2 *s2, ipa_t at, pa_t to, size_t size)
{
	(void)s2, (void)at, (void)to, (void)size;
	return 0;
}

/* Who comes for that would wait for the lock. */
void sched_request(struct thread *thread, uint32_t work)
{
	assert_true(!(work & WORK_VGIC) || !rig.vm.vgic.lock.held);
	thread->work |= work;
}

void sched_wake(struct thread *thread)
{
	rig.woken = thread;
}

static irq_fn recall;

void sched_preempt(void)
{
	if (rig.on_preempt)
		rig.on_preempt();
}

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	assert_null(arg);
	assert_int_equal(id, GIC_SGI_RECALL);
	recall = fn;
}

bool rig_take_sgi(uint32_t cpu)
{
	bool taken = fake_gich[cpu].sgis & BIT(GIC_SGI_RECALL);

	fake_gich[cpu].sgis = 0;
	rig_on(cpu);
	if (taken)
		recall(GIC_SGI_RECALL, NULL);
	return taken;
}

void sched_give_way(void)
{
}

/* The VM's only timer: that of the looks at SPIs with several targets. */
void timer_arm(struct timer *timer, uint64_t deadline)
{
	assert_ptr_equal(timer, &rig.vm.vgic.look);
	timer->deadline = deadline;
	timer->cpu = this_cpu();
}

void timer_take_out(struct timer *timer)
{
	timer->cpu = NULL;
}

void timer_drain(struct timer *timer)
{
	timer->cpu = NULL;
}

uint32_t timer_hz(void)
{
	return 1000000;
}

bool rig_tick(void)
{
	struct timer *timer = &rig.vm.vgic.look;
	uint32_t here = this_cpu()->head.id;

	if (!timer_armed(timer))
		return false;
	rig_on(timer->cpu->head.id);
	timer->cpu = NULL;
	timer->expired(timer);
	assert_int_equal(rig.vm.vgic.lock.held, 0);
	rig_settle();
	rig_on(here);
	return true;
}

bool rig_has_ended(const struct vgic_irq *irq)
{
	const struct vgic_cpu *owner = &rig.vcpu[irq->owner].vgic;
	uint32_t value;

	if (irq->lr == VGIC_NO_LR || !(owner->lr_lent & BIT(irq->lr)))
		return false;
	value = owner->on ? fake_gich[owner->on->head.id].lr[irq->lr] : owner->lr[irq->lr];
	return (value & GICH_LR_STATE) == 0;
}

static bool hw_line(void)
{
	return rig.hw_line[this_cpu()->head.id];
}

void rig_on(uint32_t cpu)
{
	write_htpidr((uintptr_t)&percpu[cpu]);
	fake_gich_select(cpu);
}

void rig_start(uint32_t cpus, uint32_t lrs)
{
	vgic_end(&rig.vm); /* of the last test */
	fake_machine_reset();
	fake_gich_reset(lrs);
	fake_spi_reset();
	memset(&rig, 0, sizeof(rig));
	memset(place, 0, sizeof(place));
	memset(percpu, 0, sizeof(percpu));
	vgic_init();
	vgic_init_cpu();
	rig.vm.vcpu_count = cpus;
	assert_int_equal(vgic_create(&rig.vm, 0x2c006000), 0);
	for (uint32_t i = 0; i < cpus; i++) {
		rig.vcpu[i].vm = &rig.vm;
		rig.vcpu[i].index = i;
		rig.vcpu[i].thread.cpu = &percpu[i];
		rig.vm.vcpu[i] = &rig.vcpu[i];
		percpu[i].head.id = i;
		percpu[i].thread = &rig.vcpu[i].thread;
		percpu[i].loaded = &rig.vcpu[i];
		vgic_map_hw(&rig.vcpu[i], RIG_HW_ID, hw_line);
	}
	vgic_reset(&rig.vm);
	for (uint32_t i = 0; i < cpus; i++) {
		rig_on(i);
		vgic_load(&rig.vcpu[i]);
		vgic_reset_cpu(&rig.vcpu[i], true);
		fake_gich[i].vmcr = FAKE_VMCR_OPEN;
	}
	rig_write(0, 0, 3);
	rig_settle();
}

enum mmio_result rig_try(uint32_t cpu, uint32_t offset, uint32_t size, bool write, uint32_t *value)
{
	struct mmio_access access = {.size = size, .write = write, .value = write ? *value : 0};
	enum mmio_result result;

	rig_on(cpu);
	result = mmio_access(&rig.vcpu[cpu], MACHINE_GICD_BASE + offset, &access);
	*value = access.value;
	assert_int_equal(rig.vm.vgic.lock.held, 0);
	return result;
}

uint32_t rig_read(uint32_t cpu, uint32_t offset)
{
	uint32_t value = 0;

	assert_int_equal(rig_try(cpu, offset, 4, false, &value), MMIO_DONE);
	return value;
}

void rig_write(uint32_t cpu, uint32_t offset, uint32_t value)
{
	assert_int_equal(rig_try(cpu, offset, 4, true, &value), MMIO_DONE);
}

uint32_t rig_read8(uint32_t cpu, uint32_t offset)
{
	uint32_t value = 0;

	assert_int_equal(rig_try(cpu, offset, 1, false, &value), MMIO_DONE);
	assert_in_range(value, 0, 0xff);
	return value;
}

void rig_write8(uint32_t cpu, uint32_t offset, uint32_t value)
{
	assert_int_equal(rig_try(cpu, offset, 1, true, &value), MMIO_DONE);
}

/* The virtual timer's physical interrupt is level-sensitive and signals while it is not active. */
static void take_physical(uint32_t cpu)
{
	struct fake_gich *g = &fake_gich[cpu];

	if (!rig.hw_line[cpu] || (g->phys_active & BIT(RIG_HW_ID)))
		return;
	g->phys_active |= BIT(RIG_HW_ID);
	vgic_raise_hw(&rig.vcpu[cpu], RIG_HW_ID);
}

/* True: there was something to do. */
bool rig_settle_cpu(uint32_t cpu)
{
	struct vcpu *vcpu = &rig.vcpu[cpu];
	uint32_t writes = fake_gich[cpu].lr_writes + fake_gich[cpu].hcr_writes;
	bool maintenance, spi;

	rig_on(cpu);
	spi = fake_spi_take(cpu);
	if (!percpu[cpu].loaded)
		return spi;
	rig_take_sgi(cpu);
	take_physical(cpu);
	maintenance = fake_gich_maintenance(&fake_gich[cpu]);
	if (vcpu->thread.work & WORK_SGI) {
		vcpu->thread.work &= ~WORK_SGI;
		vgic_take_sgis(vcpu);
		if (!maintenance && !(vcpu->thread.work & WORK_VGIC))
			return true;
	}
	if (!maintenance && !(vcpu->thread.work & WORK_VGIC))
		return spi;
	vcpu->thread.work = 0;
	vgic_flush(vcpu);
	assert_int_equal(rig.vm.vgic.lock.held, 0);
	if (!maintenance || fake_gich[cpu].lr_writes + fake_gich[cpu].hcr_writes != writes)
		return true;
	rig.storms++;
	return false;
}

/*
 * The others go on meanwhile: into their guests with what they had to do, and only then the SGI, unless that comes
 * first; ours comes last.
 */
bool irq_handle_one(void)
{
	uint32_t here = this_cpu()->head.id;

	assert_int_equal(rig.vm.vgic.lock.held, 0);
	if (rig.on_wait)
		rig.on_wait();
	for (uint32_t i = 0; i < rig.vm.vcpu_count; i++) {
		if (i == here || !percpu[i].loaded)
			continue;
		rig_on(i);
		if (rig.answer_first) {
			rig_take_sgi(i);
			continue;
		}
		vgic_flush(&rig.vcpu[i]);
		rig_settle_cpu(i);
	}
	return rig_take_sgi(here);
}

void rig_settle(void)
{
	uint32_t here = this_cpu()->head.id, rounds = 0;
	bool busy = true;

	while (busy) {
		busy = false;
		for (uint32_t i = 0; i < rig.vm.vcpu_count; i++)
			busy |= rig_settle_cpu(i);
		if (++rounds > SETTLE_ROUNDS)
			fail_msg("vgic_flush() does not come to an end");
	}
	rig_on(here);
}

uint32_t rig_ack(uint32_t cpu)
{
	uint32_t iar = fake_gich_ack(&fake_gich[cpu]);

	rig_settle();
	return iar;
}

void rig_eoi(uint32_t cpu, uint32_t iar)
{
	fake_gich_eoi(&fake_gich[cpu], iar);
	rig_settle();
}

void rig_dir(uint32_t cpu, uint32_t iar)
{
	struct mmio_access access = {.size = 4, .write = true, .value = iar};

	rig_on(cpu);
	assert_int_equal(mmio_access(&rig.vcpu[cpu], MACHINE_GICC_BASE + 0x1000, &access), MMIO_DONE);
	rig_settle();
}

void rig_unload(uint32_t cpu)
{
	rig_on(cpu);
	vgic_save(&rig.vcpu[cpu]);
	percpu[cpu].thread = NULL;
	percpu[cpu].loaded = NULL;
}

void rig_load(uint32_t cpu)
{
	rig_on(cpu);
	percpu[cpu].thread = &rig.vcpu[cpu].thread;
	percpu[cpu].loaded = &rig.vcpu[cpu];
	vgic_load(&rig.vcpu[cpu]);
}

void rig_reset_cpu(uint32_t cpu)
{
	rig_on(cpu);
	vgic_reset_cpu(&rig.vcpu[cpu], true);
	vgic_load(&rig.vcpu[cpu]);
	for (uint32_t lr = 0; lr < gic_list_registers(); lr++)
		assert_int_equal(fake_gich[cpu].lr[lr] & GICH_LR_STATE, 0);
	assert_int_equal(fake_gich[cpu].apr | fake_gich[cpu].vmcr | fake_gich[cpu].phys_active, 0);
	fake_gich[cpu].vmcr = FAKE_VMCR_OPEN;
}

uint32_t rig_lr_state(uint32_t cpu, uint32_t id)
{
	for (uint32_t i = 0; i < gic_list_registers(); i++)
		if (FIELD(fake_gich[cpu].lr[i], 0, 10) == id && (fake_gich[cpu].lr[i] & GICH_LR_STATE))
			return fake_gich[cpu].lr[i] & GICH_LR_STATE;
	return 0;
}
