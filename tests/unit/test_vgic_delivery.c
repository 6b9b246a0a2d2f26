/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of an interrupt that is raised: routing, list registers by priority, overflow, levels, hardware-backed
 * interrupts (IHI 0048B chapters 3 and 5). test_vgic_model.c does the rest at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vgic_guest.h"

/* The lowest of several targets; a waiting interrupt follows its target, its state with it. */
static void test_routing(void **state)
{
	(void)state;
	rig_write8(0, ITARGETSR + SPI, 0xc);
	set_bit(0, ISENABLER, SPI);
	line(0, SPI, true);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		assert_int_equal(rig_lr_state(cpu, SPI), cpu == 2 ? GICH_LR_PENDING : 0);
	rig_write8(0, ITARGETSR + SPI, 0x2);
	rig_settle();
	assert_int_equal(rig_lr_state(2, SPI), 0);
	assert_int_equal(rig_lr_state(1, SPI), GICH_LR_PENDING);
	rig_write8(0, ITARGETSR + SPI, 0);
	rig_settle();
	assert_int_equal(rig_lr_state(1, SPI), 0);
	assert_true(get_bit(0, ISPENDR, SPI));
	rig_write8(0, ITARGETSR + SPI, 0x8);
	rig_settle();
	assert_taken(3, SPI);
}

static void test_private_is_private(void **state)
{
	(void)state;
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		open_irq(cpu, 20, 0x80);
	line(2, 20, true);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		assert_int_equal(rig_lr_state(cpu, 20), cpu == 2 ? GICH_LR_PENDING : 0);
}

/* Any number of interrupts through few list registers: each once, in the order of their priorities. */
static void overflow(uint32_t lrs)
{
	rig_start(2, lrs);
	for (uint32_t i = 0; i < 20; i++) {
		make_edge(40 + i);
		open_irq(0, 40 + i, (i * 7 % 20) * 8);
	}
	for (uint32_t i = 0; i < 20; i++) {
		line(0, 40 + i, true);
		line(0, 40 + i, false);
	}
	for (uint32_t n = 0; n < 20; n++) {
		uint32_t iar = rig_ack(0);

		assert_in_range(iar, 40, 59);
		assert_int_equal((iar - 40) * 7 % 20, n);
		rig_eoi(0, iar);
	}
	assert_taken(0, SPURIOUS);
	assert_int_equal(fake_gich[0].hcr, HCR_IDLE); /* no maintenance interrupt is asked for any more */
	assert_int_equal(rig.storms, 0);
}

static void test_overflow_4(void **state)
{
	(void)state;
	overflow(4);
}

static void test_overflow_2(void **state)
{
	(void)state;
	overflow(2);
}

/* GICH_HCR.UIE is no help with one list register: at most one valid entry is what it always has (5.3.4). */
static void test_overflow_1(void **state)
{
	(void)state;
	overflow(1);
}

/* Full of less urgent ones: they make room, and none of them is lost. */
static void test_eviction(void **state)
{
	(void)state;
	rig_start(1, 2);
	for (uint32_t i = 0; i < 5; i++) {
		open_irq(0, 40 + i, 0xa0 - 0x10 * i);
		line(0, 40 + i, true);
		assert_int_equal(FIELD(fake_gich[0].lr[fake_gich_best(&fake_gich[0])], 0, 10), 40 + i);
	}
	for (uint32_t i = 5; i-- > 0;) {
		assert_taken(0, 40 + i);
		line(0, 40 + i, false);
		rig_eoi(0, 40 + i);
	}
	assert_taken(0, SPURIOUS);
}

static void test_preemption(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x40);
	line(0, SPI, true);
	assert_taken(0, SPI);
	line(0, SPI + 1, true);
	assert_taken(0, SPI + 1);
	assert_taken(0, SPURIOUS);
	line(0, SPI, false);
	line(0, SPI + 1, false);
	rig_eoi(0, SPI + 1);
	rig_eoi(0, SPI);
	assert_int_equal(fake_gich[0].apr, 0);
}

/* A level is sampled at the EOI: again where it stands, gone where it has fallen. */
static void test_level(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_taken(0, SPI);
	line(0, SPI, false);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
	line(0, SPI, true); /* falls before it is taken: spurious, not stale */
	line(0, SPI, false);
	assert_taken(0, SPURIOUS);
	line(0, SPI, true); /* falls and rises while active: once more */
	assert_taken(0, SPI);
	line(0, SPI, false);
	line(0, SPI, true);
	rig_eoi(0, SPI);
	assert_taken(0, SPI);
}

/* Edges while it is pending are one; an edge while it is active is another one after the EOI, and only one. */
static void test_edge(void **state)
{
	(void)state;
	make_edge(SPI);
	open_irq(0, SPI, 0x80);
	for (uint32_t i = 0; i < 3; i++) {
		line(0, SPI, true);
		line(0, SPI, false);
	}
	assert_taken(0, SPI);
	assert_int_equal(fake_gich_best(&fake_gich[0]), -1);
	for (uint32_t i = 0; i < 3; i++) {
		line(0, SPI, true);
		line(0, SPI, false);
	}
	assert_true(get_bit(0, ISPENDR, SPI));
	rig_eoi(0, SPI);
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
}

/* A disabled interrupt keeps its state. */
static void test_disable(void **state)
{
	(void)state;
	make_edge(SPI);
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	set_bit(0, ICENABLER, SPI);
	rig_settle();
	assert_taken(0, SPURIOUS);
	assert_true(get_bit(0, ISPENDR, SPI));
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_taken(0, SPI);
}

/* An edge behind an active one, disabled or re-targeted before the EOI, does not come up here. */
static void test_disable_while_active(void **state)
{
	(void)state;
	make_edge(SPI);
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	assert_taken(0, SPI);
	line(0, SPI, false);
	line(0, SPI, true);
	set_bit(0, ICENABLER, SPI);
	rig_settle();
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
	set_bit(0, ISENABLER, SPI);
	rig_settle();
	assert_taken(0, SPI);
	line(0, SPI, false);
	line(0, SPI, true);
	rig_write8(0, ITARGETSR + SPI, 0x8);
	rig_settle();
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
	assert_taken(3, SPI);
}

/* ISPENDR on a level-sensitive interrupt latches until it is taken, whatever else is written (4.3.7). */
static void test_soft_level(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	rig_write8(0, IPRIORITYR + SPI, 0x90);
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
}

/* ISPENDR on one that waits in a list register for its line: one interrupt, not two. */
static void test_soft_level_once(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	assert_taken(0, SPI);
	line(0, SPI, false);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
}

/* Aimed at another vCPU while it is served: the next one goes there, whatever it is raised by. */
static void test_aimed_elsewhere(void **state)
{
	(void)state;
	for (uint32_t how = 0; how < 3; how++) {
		rig_start(2, 4);
		if (how == 0)
			make_edge(SPI);
		open_irq(0, SPI, 0x80);
		line(0, SPI, true);
		assert_taken(0, SPI);
		rig_write8(0, ITARGETSR + SPI, 0x2);
		line(0, SPI, false);
		rig_eoi(0, SPI);
		if (how == 2)
			set_bit(0, ISPENDR, SPI);
		else
			vgic_set_line(&rig.vm, 0, SPI, true);
		rig_settle();
		assert_taken(0, SPURIOUS);
		assert_taken(1, SPI);
	}
}

/* Set pending while the guest serves it, it comes once more, also when the line falls before the end. */
static void test_soft_level_behind_active(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	assert_taken(0, SPI);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	line(0, SPI, false);
	rig_eoi(0, SPI);
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
}

/* What was set pending once has no part in the next one, which its line alone makes pending: it goes with the line. */
static void test_soft_level_forgotten(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	line(0, SPI, true);
	assert_int_equal(rig_lr_state(0, SPI), GICH_LR_PENDING);
	line(0, SPI, false);
	assert_taken(0, SPURIOUS);
	line(0, SPI, true);
	assert_taken(0, SPI);
	line(0, SPI, false);
	rig_eoi(0, SPI);
	set_bit(0, ISPENDR, SPI);
	rig_write8(0, IPRIORITYR + SPI, 0x70); /* its list register is looked at: nothing but the bit speaks for it */
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
}

/* One that is set pending and waits survives eviction. */
static void test_soft_level_evicted(void **state)
{
	(void)state;
	rig_start(1, 1);
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x40);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	line(0, SPI + 1, true);
	assert_taken(0, SPI + 1);
	line(0, SPI + 1, false);
	rig_eoi(0, SPI + 1);
	assert_taken(0, SPI);
}

/* EOImode 1: the priority drops at EOIR, the interrupt comes again only after DIR. */
static void test_split_eoi(void **state)
{
	(void)state;
	fake_gich[0].vmcr |= FAKE_VMCR_EOIMODE;
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_int_equal(fake_gich[0].apr, 0);
	assert_taken(0, SPURIOUS);
	rig_dir(0, SPI);
	assert_taken(0, SPI);
}

/* The physical interrupt stays active until the guest's EOI, and fires again only where the line still stands. */
static void test_hardware(void **state)
{
	(void)state;
	open_irq(1, RIG_HW_ID, 0x80);
	rig.hw_line[1] = true;
	rig_settle();
	assert_true(fake_gich[1].lr[0] & GICH_LR_HW);
	assert_int_equal(FIELD(fake_gich[1].lr[0], 10, 10), RIG_HW_ID);
	assert_int_equal(fake_gich[1].phys_active, BIT(RIG_HW_ID));
	assert_taken(1, RIG_HW_ID);
	assert_true(get_bit(1, ISPENDR, RIG_HW_ID)); /* the level still stands */
	rig_eoi(1, RIG_HW_ID);
	assert_taken(1, RIG_HW_ID);
	rig.hw_line[1] = false;
	rig_eoi(1, RIG_HW_ID);
	assert_int_equal(fake_gich[1].phys_active, 0);
	assert_taken(1, SPURIOUS);
	assert_int_equal(fake_gich[1].hcr, HCR_IDLE);
}

/* Its line falls while the guest has it disabled: not pending, and the physical one is ready again. */
static void test_hardware_falls(void **state)
{
	(void)state;
	rig.hw_line[0] = true;
	rig_settle();
	assert_true(get_bit(0, ISPENDR, RIG_HW_ID));
	rig.hw_line[0] = false;
	assert_false(get_bit(0, ISPENDR, RIG_HW_ID));
	assert_int_equal(fake_gich[0].phys_active, 0);
	open_irq(0, RIG_HW_ID, 0x80);
	assert_taken(0, SPURIOUS);
	rig.hw_line[0] = true;
	rig_settle();
	assert_taken(0, RIG_HW_ID);
}

/* Software sets it pending, as any other (4.3.7): until it is taken, or cleared. */
static void test_hardware_by_software(void **state)
{
	(void)state;
	open_irq(0, RIG_HW_ID, 0x80);
	set_bit(0, ISPENDR, RIG_HW_ID);
	assert_true(get_bit(0, ISPENDR, RIG_HW_ID));
	set_bit(0, ICENABLER, RIG_HW_ID); /* out of its list register, and in again */
	assert_true(get_bit(0, ISPENDR, RIG_HW_ID));
	set_bit(0, ISENABLER, RIG_HW_ID);
	rig_settle();
	assert_taken(0, RIG_HW_ID);
	assert_false(get_bit(0, ISPENDR, RIG_HW_ID));
	rig_eoi(0, RIG_HW_ID);
	assert_taken(0, SPURIOUS);

	set_bit(0, ISPENDR, RIG_HW_ID);
	rig_settle();
	set_bit(0, ICPENDR, RIG_HW_ID);
	rig_settle();
	assert_taken(0, SPURIOUS);

	rig.hw_line[0] = true;
	rig_settle();
	set_bit(0, ISPENDR, RIG_HW_ID);
	set_bit(0, ICPENDR, RIG_HW_ID); /* the line alone decides */
	assert_true(get_bit(0, ISPENDR, RIG_HW_ID));
	set_bit(0, ISPENDR, RIG_HW_ID);
	rig.hw_line[0] = false; /* and does not any more */
	assert_true(get_bit(0, ISPENDR, RIG_HW_ID));
	assert_taken(0, RIG_HW_ID);
	rig_eoi(0, RIG_HW_ID);
	assert_taken(0, SPURIOUS);
	rig.hw_line[0] = true;
	rig_settle();
	assert_taken(0, RIG_HW_ID);
}

/* What the watchdog and `stat` go by: also what comes again and again through the same list register. */
static void test_counted(void **state)
{
	uint32_t before = rig.vcpu[0].vgic.injected;

	(void)state;
	open_irq(0, RIG_HW_ID, 0x80);
	for (uint32_t i = 1; i <= 3; i++) {
		rig.hw_line[0] = true;
		rig_settle();
		assert_int_equal(rig.vcpu[0].vgic.injected, before + 2 * i - 1);
		assert_taken(0, RIG_HW_ID);
		rig.hw_line[0] = false;
		rig_eoi(0, RIG_HW_ID);
		rig_write(0, SGIR, 2U << 24 | 7);
		assert_int_equal(rig.vcpu[0].vgic.injected, before + 2 * i);
		assert_int_equal(rig.vcpu[0].vgic.injected_id[(before + 2 * i - 1) % 8], 7);
		assert_taken(0, 7);
		rig_eoi(0, 7);
	}
}

static void test_pulse(void **state)
{
	(void)state;
	make_edge(SPI);
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x90);
	vgic_pulse(&rig.vm, 0, SPI);
	vgic_pulse(&rig.vm, 0, SPI + 1); /* level-sensitive: it has fallen again before a CPU looked */
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_routing),
		TEST(test_private_is_private),
		TEST(test_overflow_4),
		TEST(test_overflow_2),
		TEST(test_overflow_1),
		TEST(test_eviction),
		TEST(test_preemption),
		TEST(test_level),
		TEST(test_edge),
		TEST(test_disable),
		TEST(test_disable_while_active),
		TEST(test_soft_level),
		TEST(test_soft_level_once),
		TEST(test_aimed_elsewhere),
		TEST(test_soft_level_behind_active),
		TEST(test_soft_level_forgotten),
		TEST(test_soft_level_evicted),
		TEST(test_split_eoi),
		TEST(test_hardware),
		TEST(test_hardware_falls),
		TEST(test_hardware_by_software),
		TEST(test_counted),
		TEST(test_pulse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
