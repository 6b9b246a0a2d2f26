/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State that follows the vCPU: world switch, reset, CPUs that go off, and what is in list registers of other CPUs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/psr.h>
#include <arm/sysreg.h>

#include "vgic_guest.h"

static void test_save_load(void **state)
{
	struct fake_gich before;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		open_irq(0, 40 + i, 0x80 - 0x10 * i);
		line(0, 40 + i, true);
	}
	open_irq(0, RIG_HW_ID, 0x8);
	rig.hw_line[0] = true;
	rig_settle();
	assert_taken(0, RIG_HW_ID);
	before = fake_gich[0];
	rig_on(0);
	vgic_save(&rig.vcpu[0]);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(fake_gich[0].lr[i] & GICH_LR_STATE, 0);
	assert_int_equal(fake_gich[0].hcr, 0);
	assert_int_equal(fake_gich[0].phys_active, 0); /* the next vCPU's timer is not in its way */
	fake_gich[0].vmcr = fake_gich[0].apr = 0;
	vgic_load(&rig.vcpu[0]);
	assert_memory_equal(fake_gich[0].lr, before.lr, sizeof(before.lr));
	assert_int_equal(fake_gich[0].hcr, before.hcr);
	assert_int_equal(fake_gich[0].vmcr, before.vmcr);
	assert_int_equal(fake_gich[0].apr, before.apr);
	assert_int_equal(fake_gich[0].phys_active, before.phys_active);
}

/* One that waits outside the list registers holds the physical interrupt too: the next vCPU must get its own. */
static void test_save_waiting_hardware(void **state)
{
	(void)state;
	rig.hw_line[0] = true; /* the guest has it disabled */
	rig_settle();
	assert_int_equal(fake_gich[0].phys_active, BIT(RIG_HW_ID));
	rig_on(0);
	vgic_save(&rig.vcpu[0]);
	assert_int_equal(fake_gich[0].phys_active, 0);
	vgic_load(&rig.vcpu[0]);
	assert_int_equal(fake_gich[0].phys_active, BIT(RIG_HW_ID));
}

/* It comes while the vCPU sleeps, which then goes on elsewhere: the list register of its last time is empty. */
static void test_save_hardware_of_a_sleeper(void **state)
{
	(void)state;
	sleep_behind_timer();
	fake_gich[0].phys_active = BIT(RIG_HW_ID);
	vgic_raise_hw(&rig.vcpu[0], RIG_HW_ID);
	vgic_save(&rig.vcpu[0]);
	assert_int_equal(fake_gich[0].phys_active, 0); /* the next vCPU's timer is not in its way */
	vgic_load(&rig.vcpu[0]);
	assert_int_equal(fake_gich[0].phys_active, BIT(RIG_HW_ID));
	this_cpu()->thread = &rig.vcpu[0].thread;
	rig.hw_line[0] = true;
	rig_settle();
	assert_taken(0, RIG_HW_ID);
}

/* What its timer has to do while the vCPU is away: nothing, where the interrupt is there already; not so behind its
 * end. */
static void test_save_tells_the_timer(void **state)
{
	(void)state;
	rig.hw_line[0] = true; /* the guest has it disabled */
	rig_settle();
	rig_unload(0);
	assert_true(rig.vcpu[0].vgic.hw_waits);
	rig_load(0);
	open_irq(0, RIG_HW_ID, 0x80);
	rig_unload(0);
	assert_true(rig.vcpu[0].vgic.hw_waits); /* in a list register */
	rig_load(0);
	assert_taken(0, RIG_HW_ID);
	set_bit(0, ISPENDR, RIG_HW_ID); /* without LR.HW from now on: its end waits to be noticed */
	rig_unload(0);
	assert_true(rig.vcpu[0].vgic.hw_waits);
	rig_load(0);
	set_bit(0, ICPENDR, RIG_HW_ID);
	rig.hw_line[0] = false;
	fake_gich_eoi(&fake_gich[0], RIG_HW_ID);
	rig_unload(0);
	assert_false(rig.vcpu[0].vgic.hw_waits);
	assert_true(rig.vcpu[0].vgic.hw_active);
	rig_load(0);
	rig_settle();
	rig_unload(0);
	assert_false(rig.vcpu[0].vgic.hw_waits || rig.vcpu[0].vgic.hw_active);
}

/* The guest plays with its bits: whatever becomes of the interrupt, the next vCPU's timer is not in its way. */
static void test_save_leaves_no_twin(void **state)
{
	(void)state;
	for (uint32_t ways = 0; ways < 16; ways++) {
		rig_start(1, 1);
		open_irq(0, RIG_HW_ID, 0x80);
		open_irq(0, SPI, 0x40);
		rig.hw_line[0] = !(ways & 1);
		rig_settle();
		set_bit(0, ISPENDR, RIG_HW_ID);
		rig.hw_line[0] = true;
		rig_settle();
		if (ways & 2)
			line(0, SPI, true); /* which evicts it */
		if (ways & 4)
			set_bit(0, ICENABLER, RIG_HW_ID);
		set_bit(0, ICPENDR, RIG_HW_ID);
		if (ways & 8)
			set_bit(0, ICACTIVER, RIG_HW_ID);
		rig_settle();
		rig_unload(0);
		if (fake_gich[0].phys_active)
			fail_msg("way %u", ways);
	}
}

/* A reset comes before the vCPU has left the hardware: it waits for an interrupt, suspended, on another CPU. */
static void test_reset_leaves_no_twin(void **state)
{
	(void)state;
	for (uint32_t taken = 0; taken < 2; taken++) {
		rig_start(2, 4);
		open_irq(1, RIG_HW_ID, 0x80);
		rig.hw_line[1] = true;
		rig_settle();
		if (taken)
			assert_taken(1, RIG_HW_ID);
		vgic_reset(&rig.vm);
		rig_unload(1);
		assert_int_equal(fake_gich[1].phys_active, 0);
	}
}

static void test_reset(void **state)
{
	uint32_t fresh[0x400];

	(void)state;
	rig_start(4, 4);
	rig_write(0, CTLR, 0);
	for (uint32_t at = 0; at < 0x1000; at += 4)
		fresh[at / 4] = rig_read(1, at);
	rig_write(0, CTLR, 3);
	for (uint32_t cpu = 0; cpu < 4; cpu++) {
		open_irq(cpu, RIG_HW_ID, 0x30);
		rig.hw_line[cpu] = true;
		for (uint32_t id = 0; id < 16; id++)
			rig_write(cpu, SGIR, 0xf << 16 | id);
		for (uint32_t i = 0; i < 6; i++) {
			open_irq(cpu, 40 + 8 * cpu + i, 0x80 - 0x10 * i);
			set_bit(cpu, ISPENDR, 40 + 8 * cpu + i);
		}
		rig_write(cpu, IGROUPR, ~0U);
		rig_settle();
		rig_ack(cpu);
		set_bit(cpu, ISACTIVER, 60 + cpu);
		rig.hw_line[cpu] = false;
	}
	vgic_reset(&rig.vm);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		rig_reset_cpu(cpu);
	rig_settle();
	for (uint32_t cpu = 0; cpu < 4; cpu++) {
		for (uint32_t lr = 0; lr < 4; lr++)
			assert_int_equal(fake_gich[cpu].lr[lr], 0);
		assert_int_equal(fake_gich[cpu].apr, 0);
		assert_int_equal(fake_gich[cpu].hcr, HCR_IDLE);
		assert_int_equal(fake_gich[cpu].phys_active, 0);
		assert_false(vgic_has_pending(&rig.vcpu[cpu]));
	}
	for (uint32_t at = 0; at < 0x1000; at += 4)
		assert_int_equal(rig_read(1, at), fresh[at / 4]);
}

/* A level input stands through a reset: it is the device's. */
static void test_reset_keeps_lines(void **state)
{
	(void)state;
	line(0, SPI, true);
	vgic_reset(&rig.vm);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		rig_reset_cpu(cpu);
	assert_true(get_bit(0, ISPENDR, SPI));
	line(0, SPI, false);
	assert_false(get_bit(0, ISPENDR, SPI));
}

/* vCPU 1 is switched on long after the VM's reset; an SPI it had then is vCPU 0's now. */
static void test_late_reset_takes_nothing(void **state)
{
	(void)state;
	make_edge(SPI);
	open_irq(1, SPI, 0x80);
	line(0, SPI, true);
	assert_int_equal(rig_lr_state(1, SPI), GICH_LR_PENDING);
	vgic_reset(&rig.vm);
	rig_reset_cpu(0);
	rig_write(0, CTLR, 3);
	make_edge(SPI);
	open_irq(0, SPI, 0x80);
	line(0, SPI, false);
	line(0, SPI, true);
	rig_reset_cpu(1);
	line(0, SPI, false);
	line(0, SPI, true); /* the twin in another list register fails the test in fake_gich.c */
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
}

/* CPU_OFF and CPU_ON: the distributor lives on, and with it an SPI that waits for this vCPU. */
static void test_cpu_on_keeps_spis(void **state)
{
	(void)state;
	make_edge(SPI);
	open_irq(1, SPI, 0x80);
	open_irq(1, SPI + 1, 0x90);
	line(0, SPI, true);
	rig_on(0);
	vgic_set_line(&rig.vm, 0, SPI + 1, true); /* still queued */
	rig_reset_cpu(1);
	rig.vcpu[1].thread.work |= WORK_VGIC;
	rig_settle();
	assert_taken(1, SPI);
	rig_eoi(1, SPI);
	assert_taken(1, SPI + 1);
}

/* CPU_OFF: what waited in a list register is the distributor's, and may go to another CPU. */
static void test_cpu_off_gives_back(void **state)
{
	(void)state;
	open_irq(1, SPI, 0x80);
	line(0, SPI, true);
	assert_int_equal(rig_lr_state(1, SPI), GICH_LR_PENDING);
	rig_on(1);
	vgic_reset_cpu(&rig.vcpu[1], false);
	assert_int_equal(rig_lr_state(1, SPI), 0);
	rig_unload(1);
	rig_write8(0, ITARGETSR + SPI, BIT(0));
	rig_settle();
	assert_taken(0, SPI);
}

/* An SPI with several targets goes to one that is on and not busy; to the lowest again when that comes back. */
static void test_cpu_off_of_several(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x80);
	rig_write8(0, ITARGETSR + SPI, 0xf);
	rig_write8(0, ITARGETSR + SPI + 1, 0xf);
	line(0, SPI, true);
	assert_int_equal(rig_lr_state(0, SPI), GICH_LR_PENDING);
	rig_on(0);
	vgic_reset_cpu(&rig.vcpu[0], false);
	rig_unload(0);
	rig_settle();
	assert_int_equal(rig_lr_state(1, SPI), GICH_LR_PENDING);
	line(0, SPI + 1, true);
	assert_taken(1, SPI);
	line(0, SPI, false);
	rig_eoi(1, SPI);
	assert_int_equal(rig_lr_state(1, SPI + 1), 0); /* the first one's end would have been the earliest */
	assert_int_equal(rig_lr_state(2, SPI + 1), GICH_LR_PENDING);
	rig_load(0);
	rig_reset_cpu(0);
	rig_settle();
	assert_taken(0, SPI + 1);
	assert_taken(1, SPURIOUS);
}

/* The guest closes the interface that an SPI with several targets waits at: another one has it, at once or at the tick.
 */
static void test_several_targets(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	rig_write8(0, ITARGETSR + SPI, 0x6);
	line(3, SPI, true);
	assert_int_equal(rig_lr_state(1, SPI), GICH_LR_PENDING);
	assert_true(fake_gich[1].hcr & GICH_HCR_VGRP0DIE);
	fake_gich[1].vmcr &= ~1U; /* GICC_CTLR = 0 is told */
	rig_settle();
	assert_int_equal(rig_lr_state(1, SPI), 0);
	assert_int_equal(rig_lr_state(2, SPI), GICH_LR_PENDING);
	fake_gich[1].vmcr = FAKE_VMCR_OPEN;
	fake_gich[2].vmcr &= 0x07ffffffU; /* GICC_PMR = 0 is not */
	rig_settle();
	assert_int_equal(rig_lr_state(2, SPI), GICH_LR_PENDING);
	rig_tick();
	assert_int_equal(rig_lr_state(2, SPI), 0);
	assert_taken(1, SPI);
	fake_gich[2].vmcr = FAKE_VMCR_OPEN;
	while (rig_tick()) /* comes to an end: nothing waits */
		;
	assert_int_equal(fake_gich[1].hcr | fake_gich[2].hcr, HCR_IDLE);
	assert_int_equal(rig_lr_state(2, SPI), 0);
	line(3, SPI, false);
	rig_eoi(1, SPI);
}

/* It comes again where it was before, and is looked at as the first time. */
static void test_several_targets_again(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	rig_write8(0, ITARGETSR + SPI, 0x6);
	line(3, SPI, true);
	assert_taken(1, SPI);
	line(3, SPI, false);
	rig_eoi(1, SPI);
	while (rig_tick())
		;
	fake_gich[1].vmcr &= 0x07ffffffU; /* GICC_PMR = 0 */
	line(3, SPI, true);
	rig_tick();
	assert_taken(2, SPI);
	fake_gich[1].vmcr = FAKE_VMCR_OPEN;
	line(3, SPI, false);
	rig_eoi(2, SPI);
}

/* The guest aims the only such SPI at one CPU while it waits: no CPU looks any more. One that is idle is not looked at.
 */
static void test_several_targets_no_more(void **state)
{
	uint32_t ticks = 0;

	(void)state;
	open_irq(0, SPI, 0x80);
	rig_write8(0, ITARGETSR + SPI, 0x6);
	assert_false(rig_tick());
	line(3, SPI, true);
	assert_true(fake_gich[1].hcr & GICH_HCR_VGRP0DIE);
	rig_write8(0, ITARGETSR + SPI, 0x2);
	while (rig_tick())
		assert_in_range(++ticks, 0, 3);
	assert_int_equal(fake_gich[1].hcr, HCR_IDLE);
	assert_taken(1, SPI);
	line(3, SPI, false);
	rig_eoi(1, SPI);
}

/* One that could take it has interrupts masked: it keeps the SPI, unless another has not. */
static void test_several_targets_masked(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	rig_write8(0, ITARGETSR + SPI, 0x3);
	write_spsr_hyp(PSR_I); /* of all CPUs, here */
	line(3, SPI, true);
	rig_tick();
	rig_tick();
	assert_int_equal(rig_lr_state(0, SPI), GICH_LR_PENDING);
	rig.vcpu[0].vgic.look_late = true;
	rig_on(0);
	vgic_flush(&rig.vcpu[0]);
	write_spsr_hyp(0);
	rig_settle();
	assert_int_equal(rig_lr_state(0, SPI), 0);
	assert_taken(1, SPI);
}

/* CPU_OFF in a handler: the interrupt stays active, but none of the vCPU's later EOIs belongs to it. */
static void test_cpu_off_in_handler(void **state)
{
	(void)state;
	open_irq(1, SPI, 0x80);
	line(0, SPI, true);
	assert_taken(1, SPI);
	rig_reset_cpu(1);
	line(0, SPI, false);
	assert_true(get_bit(0, ISACTIVER, SPI));
	set_bit(0, ICACTIVER, SPI);
	assert_false(get_bit(0, ISACTIVER, SPI));
	assert_int_equal(rig.vcpu[1].vgic.orphans, 0); /* or it would swallow one */
}

/* --- list registers of other CPUs --------------------------------------------------------------------------------- */

/* Each does it to the other at the same time: vCPU 1's access begins while vCPU 0 waits for vCPU 1. */
static uint32_t crossed;

static void cross(void)
{
	rig.on_wait = NULL;
	crossed = rig_read(1, ISACTIVER + SPI / 32 * 4);
	rig_on(0);
}

static void test_recall_each_other(void **state)
{
	(void)state;
	for (uint32_t cpu = 0; cpu < 2; cpu++) {
		open_irq(cpu, SPI + cpu, 0x80);
		line(0, SPI + cpu, true);
		assert_taken(cpu, SPI + cpu);
	}
	rig.on_wait = cross;
	assert_int_equal(rig_read(0, ISACTIVER + SPI / 32 * 4), 3U << SPI % 32);
	assert_int_equal(crossed, 3U << SPI % 32);
	for (uint32_t cpu = 0; cpu < 2;
	     cpu++) { /* taken, and out of the list registers: the EOI is heard of all the same */
		line(0, SPI + cpu, false);
		rig_eoi(cpu, SPI + cpu);
		assert_false(get_bit(0, ISACTIVER, SPI + cpu));
	}
}

/* The four registers reach an interrupt that another vCPU has: running, or on no CPU. */
static void test_reach(void **state)
{
	(void)state;
	for (uint32_t away = 0; away < 2; away++) {
		rig_start(2, 4);
		make_edge(SPI);
		open_irq(1, SPI, 0x80);
		set_bit(0, ISPENDR, SPI);
		rig_settle();
		assert_int_equal(rig_lr_state(1, SPI), GICH_LR_PENDING);
		if (away)
			rig_unload(1);
		assert_true(get_bit(0, ISPENDR, SPI));
		set_bit(0, ICPENDR, SPI);
		assert_false(get_bit(0, ISPENDR, SPI));
		if (away)
			rig_load(1);
		rig_settle();
		assert_taken(1, SPURIOUS);
		set_bit(0, ISPENDR, SPI);
		rig_settle();
		assert_taken(1, SPI);
		if (away)
			rig_unload(1);
		assert_true(get_bit(0, ISACTIVER, SPI));
		set_bit(0, ISPENDR, SPI); /* once more, behind the active one */
		assert_true(get_bit(0, ICPENDR, SPI));
		set_bit(0, ICACTIVER, SPI);
		assert_false(get_bit(0, ISACTIVER, SPI));
		if (away)
			rig_load(1);
		rig_settle();
		fake_gich_eoi(&fake_gich[1], SPI); /* too late: it drops the priority only */
		rig_settle();
		assert_taken(1, SPI);
		assert_true(get_bit(0, ISACTIVER, SPI));
		rig_eoi(1, SPI);
		assert_false(get_bit(0, ISACTIVER, SPI));
	}
}

/* Set pending by another vCPU while it is pending already, and taken before that CPU hears of it: once is once. */
static void test_pending_twice(void **state)
{
	uint32_t iar;

	(void)state;
	for (uint32_t edge = 0; edge < 2; edge++) {
		rig_start(2, 4);
		if (edge)
			make_edge(SPI);
		open_irq(1, SPI, 0x80);
		set_bit(0, ISPENDR, SPI);
		rig_settle();
		set_bit(0, ISPENDR, SPI);
		iar = fake_gich_ack(&fake_gich[1]);
		rig_settle();
		assert_int_equal(iar == SPURIOUS ? rig_ack(1) : iar, SPI);
		rig_eoi(1, SPI);
		assert_taken(1, SPURIOUS);
	}
}

/* While a CPU looks, the interrupt stays out of list registers; not longer. */
static void look_at_held(void)
{
	rig.on_wait = NULL;
	rig.vcpu[1].thread.work |= WORK_VGIC;
	rig_take_sgi(1);
	vgic_flush(&rig.vcpu[1]);
	assert_int_equal(rig_lr_state(1, SPI), 0);
	rig_on(0);
}

static void test_held(void **state)
{
	(void)state;
	open_irq(1, SPI, 0x80);
	line(0, SPI, true);
	rig.on_wait = look_at_held;
	set_bit(0, ICACTIVER, SPI);
	assert_null(rig.on_wait);
	rig_settle();
	assert_int_equal(rig_lr_state(1, SPI), GICH_LR_PENDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_save_load),
		TEST(test_save_waiting_hardware),
		TEST(test_save_hardware_of_a_sleeper),
		TEST(test_save_tells_the_timer),
		TEST(test_save_leaves_no_twin),
		TEST(test_reset_leaves_no_twin),
		TEST(test_reset),
		TEST(test_reset_keeps_lines),
		TEST(test_late_reset_takes_nothing),
		TEST(test_cpu_on_keeps_spis),
		TEST(test_cpu_off_gives_back),
		TEST(test_cpu_off_of_several),
		TEST(test_several_targets),
		TEST(test_several_targets_again),
		TEST(test_several_targets_no_more),
		TEST(test_several_targets_masked),
		TEST(test_cpu_off_in_handler),
		TEST(test_recall_each_other),
		TEST(test_reach),
		TEST(test_pending_twice),
		TEST(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
