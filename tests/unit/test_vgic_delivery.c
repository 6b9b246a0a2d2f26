/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of an interrupt that is raised: routing, list registers by priority, overflow, levels, SGIs,
 * hardware-backed interrupts, more active ones than list registers (IHI 0048B chapters 3 and 5). test_vgic_model.c does
 * the rest at random.
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

/* The same while it waits in a list register for its line: one interrupt, not two. */
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

static void test_sgi_sources(void **state)
{
	uint32_t seen = 0;

	(void)state;
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		rig_write(cpu, SGIR, 0x1 << 16 | 3); /* before vCPU 0 looks: one flush for all */
	assert_int_equal(rig_read8(0, SPENDSGIR + 3), 0xf);
	rig_settle();
	assert_int_equal(rig_read8(0, SPENDSGIR + 3), 0xf);
	for (uint32_t n = 0; n < 4; n++) {
		uint32_t iar = rig_ack(0);

		assert_int_equal(iar & 0x3ff, 3);
		assert_false(seen & BIT(iar >> 10));
		seen |= BIT(iar >> 10);
		rig_eoi(0, iar);
	}
	assert_int_equal(seen, 0xf);
	assert_taken(0, SPURIOUS);
}

/* A second source comes when the first one's SGI is in a list register already, waiting or active. */
static void test_sgi_late_source(void **state)
{
	(void)state;
	for (uint32_t taken = 0; taken < 2; taken++) {
		rig_write(1, SGIR, 0x1 << 16 | 3);
		rig_settle();
		if (taken)
			assert_taken(0, 1U << 10 | 3);
		rig_write(2, SGIR, 0x1 << 16 | 3);
		rig_settle();
		if (!taken)
			assert_taken(0, 1U << 10 | 3);
		rig_eoi(0, 1U << 10 | 3);
		assert_taken(0, 2U << 10 | 3);
		rig_eoi(0, 2U << 10 | 3);
		assert_taken(0, SPURIOUS);
	}
}

/* The same source again: while pending nothing new, while active once more. */
static void test_sgi_again(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		rig_write(1, SGIR, 0x1 << 16 | 3);
		rig_settle();
	}
	assert_taken(0, 1U << 10 | 3);
	rig_write(1, SGIR, 0x1 << 16 | 3);
	rig_settle();
	rig_eoi(0, 1U << 10 | 3);
	assert_taken(0, 1U << 10 | 3);
	rig_eoi(0, 1U << 10 | 3);
	assert_taken(0, SPURIOUS);
}

/* An SGI in the mailbox is pending: its vCPU reads and clears it, is woken, and finds it after CPU_OFF and CPU_ON. */
static void test_sgi_mail(void **state)
{
	(void)state;
	rig_write(1, SGIR, 0x1 << 16 | 3);
	rig_write(2, SGIR, 0x1 << 16 | 3);
	rig_write(1, SGIR, 0x1 << 16 | 12);
	assert_int_equal(rig_lr_state(0, 3), 0);
	assert_int_equal(rig_read8(0, SPENDSGIR + 3), 0x6);
	rig_write8(0, CPENDSGIR + 3, 0x4);
	assert_int_equal(rig_read8(0, CPENDSGIR + 3), 0x2);
	assert_true(get_bit(0, ISPENDR, 3));
	rig_settle();
	assert_taken(0, 1U << 10 | 3);
	rig_eoi(0, 1U << 10 | 3);
	assert_taken(0, 1U << 10 | 12);
	rig_eoi(0, 1U << 10 | 12);
	assert_taken(0, SPURIOUS);
	rig_write(3, SGIR, 0x1 << 16 | 15);
	assert_true(get_bit(0, ISPENDR, 15)); /* nobody has settled */
	rig_settle();
	assert_taken(0, 3U << 10 | 15);
	rig_eoi(0, 3U << 10 | 15);
}

static void test_sgi_mail_wakes(void **state)
{
	(void)state;
	rig_write(1, SGIR, 0x1 << 16 | 3);
	rig_on(0);
	assert_true(vgic_has_pending(&rig.vcpu[0])); /* before it is taken out, and after */
	rig_settle();
	assert_true(vgic_has_pending(&rig.vcpu[0]));
	assert_taken(0, 1U << 10 | 3);
	rig_eoi(0, 1U << 10 | 3);
	rig_write(0, CTLR, 0);
	rig_write(1, SGIR, 0x1 << 16 | 3);
	rig_on(0);
	assert_false(vgic_has_pending(&rig.vcpu[0])); /* its group is not forwarded */
	rig_settle();
	assert_false(vgic_has_pending(&rig.vcpu[0]));
	rig_write(1, CTLR, 3);
	rig_settle();
	assert_taken(0, 1U << 10 | 3);
	rig_eoi(0, 1U << 10 | 3);
}

/* It is loaded nowhere, or off, or its VM starts anew. */
static void test_sgi_mail_stays(void **state)
{
	(void)state;
	rig_write(1, SGIR, 0x1 << 16 | 3);
	rig_unload(0);
	rig_write(2, SGIR, 0x1 << 16 | 3);
	rig_load(0);
	rig_settle();
	assert_taken(0, 1U << 10 | 3);
	rig_eoi(0, 1U << 10 | 3);
	assert_taken(0, 2U << 10 | 3);
	rig_eoi(0, 2U << 10 | 3);
	rig_write(1, SGIR, 0x1 << 16 | 3);
	rig_on(0);
	vgic_reset_cpu(&rig.vcpu[0], false);
	rig_write(2, SGIR, 0x1 << 16 | 4);
	rig_reset_cpu(0);
	rig_settle();
	assert_taken(0, 1U << 10 | 3);
	rig_eoi(0, 1U << 10 | 3);
	assert_taken(0, 2U << 10 | 4);
	rig_eoi(0, 2U << 10 | 4);
	rig_write(1, SGIR, 0x1 << 16 | 3);
	vgic_reset(&rig.vm);
	rig_reset_cpu(0);
	rig_write(0, CTLR, 3);
	rig_settle();
	assert_int_equal(rig_read8(0, SPENDSGIR + 3), 0);
	assert_taken(0, SPURIOUS);
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

/* --- more active ones than list registers ---------------------------------------------------------------------------
 */

static void nest(uint32_t lrs)
{
	rig_start(1, lrs);
	for (uint32_t i = 0; i < 12; i++) {
		open_irq(0, SPI + i, 0xf0 - 0x10 * i);
		line(0, SPI + i, true);
		assert_taken(0, SPI + i);
	}
	assert_int_equal(rig_read(0, ISACTIVER + 4), 0xfffU << SPI % 32);
	for (uint32_t i = 12; i-- > 0;) {
		line(0, SPI + i, false);
		rig_eoi(0, SPI + i);
		assert_int_equal(rig_read(0, ISACTIVER + 4), (BIT(i) - 1U) << SPI % 32);
	}
	assert_int_equal(fake_gich[0].apr, 0);
	assert_taken(0, SPURIOUS);
	assert_int_equal(rig.storms, 0);
}

static void test_nesting(void **state)
{
	(void)state;
	nest(1);
	nest(2);
	nest(4);
}

/* GICV_BPR joins priorities into groups: the bit in GICH_APR is the group's. */
static void test_nesting_by_groups(void **state)
{
	(void)state;
	rig_start(1, 1);
	fake_gich[0].vmcr |= 4U << 21; /* BPR 4: groups of 0x20 */
	open_irq(0, SPI, 0x98);
	open_irq(0, SPI + 1, 0x58);
	open_irq(0, SPI + 2, 0x60);
	line(0, SPI, true);
	assert_taken(0, SPI);
	line(0, SPI + 1, true);
	assert_taken(0, SPI + 1);
	line(0, SPI + 2, true);
	for (uint32_t i = 0; i < 3; i++)
		line(0, SPI + i, false);
	rig_eoi(0, SPI + 1);
	assert_int_equal(rig_read(0, ISACTIVER + 4), BIT(SPI % 32));
	rig_eoi(0, SPI);
	assert_int_equal(rig_read(0, ISACTIVER + 4), 0);
}

/* EOImode 1: any number waits for its DIR, in any order. */
static void test_many_dropped(void **state)
{
	(void)state;
	rig_start(2, 2);
	fake_gich[0].vmcr |= FAKE_VMCR_EOIMODE;
	for (uint32_t i = 0; i < 10; i++) {
		open_irq(0, SPI + i, 0x80);
		line(0, SPI + i, true);
		assert_taken(0, SPI + i);
		rig_eoi(0, SPI + i);
		line(0, SPI + i, false);
	}
	for (uint32_t i = 0; i < 10; i++) {
		uint32_t n = i * 7 % 10;

		assert_true(get_bit(1, ISACTIVER, SPI + n));
		if (i % 2)
			rig_dir(0, SPI + n);
		else
			set_bit(i % 4 ? 0 : 1, ICACTIVER, SPI + n); /* a hypervisor's way */
		assert_false(get_bit(1, ISACTIVER, SPI + n));
	}
	line(0, SPI, true);
	assert_taken(0, SPI);
}

/* What software has made active ends by EOI and by DIR like any other (4.3.9). */
static void test_manual_active(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	set_bit(0, ISACTIVER, SPI);
	line(0, SPI, true);
	assert_taken(0, SPURIOUS);
	fake_gich[0].apr = BIT(0x80 >> 3); /* as a guest restores GICC_APR after a power-down */
	rig_eoi(0, SPI);
	assert_taken(0, SPI);
	line(0, SPI, false);
	rig_eoi(0, SPI);
	fake_gich[0].vmcr |= FAKE_VMCR_EOIMODE;
	for (uint32_t i = 0; i < 6; i++)
		set_bit(0, ISACTIVER, SPI + i); /* more than there are list registers */
	for (uint32_t i = 0; i < 6; i++) {
		rig_dir(0, SPI + i);
		assert_int_equal(rig_read(0, ISACTIVER + 4), (0x3fU & (~1U << i)) << SPI % 32);
	}
	set_bit(0, ISACTIVER, SPI);
	fake_gich[0].vmcr &= ~FAKE_VMCR_EOIMODE;
	rig_dir(0, SPI); /* UNPREDICTABLE with EOImode 0: nothing */
	assert_true(get_bit(0, ISACTIVER, SPI));
}

/* It ended without an EOI, and the guest starts its CPU interface over, as a crash kernel does: no EOI is owed. */
static void test_forgotten_eoi(void **state)
{
	(void)state;
	rig_start(1, 1);
	open_irq(0, SPI, 0xa0);
	line(0, SPI, true);
	assert_taken(0, SPI);
	line(0, SPI, false);
	set_bit(0, ICACTIVER, SPI);
	fake_gich[0].apr = 0;
	set_bit(0, ICACTIVER, SPI);
	open_irq(0, SPI + 1, 0x40);
	line(0, SPI, true);
	assert_taken(0, SPI);
	line(0, SPI + 1, true);
	assert_taken(0, SPI + 1);
	line(0, SPI + 1, false);
	rig_eoi(0, SPI + 1);
	line(0, SPI, false);
	rig_eoi(0, SPI);
	assert_int_equal(rig_read(0, ISACTIVER + 4), 0);
}

/* It polls: EOI, and the next of the same priority is acknowledged before the maintenance interrupt. */
static void test_counted_behind_acknowledge(void **state)
{
	(void)state;
	for (uint32_t orphan = 0; orphan < 2; orphan++) {
		rig_start(1, 1);
		open_irq(0, SPI, 0x80);
		open_irq(0, SPI + 1, 0x80);
		line(0, SPI, true);
		assert_taken(0, SPI);
		line(0, SPI + 1, true);
		line(0, SPI, false);
		if (orphan)
			set_bit(0, ICACTIVER, SPI);
		fake_gich_eoi(&fake_gich[0], SPI);
		assert_int_equal(fake_gich_ack(&fake_gich[0]), SPI + 1);
		rig_settle();
		assert_false(get_bit(0, ISACTIVER, SPI));
		assert_true(get_bit(0, ISACTIVER, SPI + 1));
		open_irq(0, SPI + 2, 0x40); /* has the list register meanwhile */
		line(0, SPI + 2, true);
		line(0, SPI + 1, false);
		assert_taken(0, SPI + 2);
		line(0, SPI + 2, false);
		rig_eoi(0, SPI + 2);
		rig_eoi(0, SPI + 1);
		assert_int_equal(rig_read(0, ISACTIVER + 4), 0);
	}
}

static void test_pulse(void **state)
{
	(void)state;
	make_edge(SPI);
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x90);
	vgic_pulse(&rig.vm, 0, SPI);
	vgic_pulse(&rig.vm, 0, SPI + 1); /* level-sensitive: it has fallen again before anybody looked */
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	assert_taken(0, SPURIOUS);
}

static void test_wakes(void **state)
{
	(void)state;
	rig_on(0);
	assert_false(vgic_has_pending(&rig.vcpu[0]));
	open_irq(0, SPI, 0x80);
	rig_on(1);
	vgic_set_line(&rig.vm, 0, SPI, true);
	assert_true(rig.vcpu[0].thread.work & WORK_VGIC);
	rig_on(0);
	assert_true(vgic_has_pending(&rig.vcpu[0])); /* before the flush, and after */
	rig_settle();
	assert_true(vgic_has_pending(&rig.vcpu[0]));
	assert_taken(0, SPI);
	line(0, SPI, false);
	assert_false(vgic_has_pending(&rig.vcpu[0]));
}

/* The vCPU ended it and sleeps before its list register has been looked at; it comes again from another CPU. */
static void test_wakes_behind_an_empty_lr(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	rig_settle();
	fake_gich_eoi(&fake_gich[0], fake_gich_ack(&fake_gich[0])); /* nobody settles */
	rig_on(1);
	vgic_set_line(&rig.vm, 0, SPI, false);
	assert_false(vgic_has_pending(&rig.vcpu[0]));
	vgic_set_line(&rig.vm, 0, SPI, true);
	rig_on(0);
	assert_true(vgic_has_pending(&rig.vcpu[0]));
	rig_settle();
	assert_taken(0, SPI);
}

/* A hardware interrupt whose line has fallen since keeps nobody awake, in a list register or queued. */
static void test_sleeps_when_the_timer_is_stopped(void **state)
{
	(void)state;
	for (uint32_t queued = 0; queued < 2; queued++) {
		rig_start(1, 1);
		open_irq(0, RIG_HW_ID, 0x80);
		open_irq(0, SPI, 0x40);
		rig.hw_line[0] = true;
		rig_settle();
		rig_on(0);
		assert_true(vgic_has_pending(&rig.vcpu[0]));
		if (queued) {
			line(0, SPI, true);
			assert_taken(0, SPI);
			line(0, SPI, false);
		}
		rig.hw_line[0] = false;
		assert_false(vgic_has_pending(&rig.vcpu[0]));
		assert_int_equal(fake_gich[0].phys_active, 0); /* it may fire anew */
		set_bit(0, ISPENDR, RIG_HW_ID);
		assert_true(vgic_has_pending(&rig.vcpu[0]));
	}
}

/* Another CPU cannot see whether the list register is empty: its note is enough. */
static void test_wakes_by_a_note(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	make_edge(SPI);
	vgic_pulse(&rig.vm, 0, SPI);
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	rig_on(1); /* the list register is still its own, and only CPU 0 may look at it */
	vgic_pulse(&rig.vm, 0, SPI);
	rig_on(0);
	assert_true(vgic_has_pending(&rig.vcpu[0]));
}

/* What comes again finds its list register empty, which one that is more urgent waits for. */
static void test_again_behind_a_queue(void **state)
{
	(void)state;
	rig_start(4, 2);
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x20);
	open_irq(0, SPI + 2, 0x60);
	make_edge(SPI);
	vgic_pulse(&rig.vm, 0, SPI);
	rig_settle();
	assert_taken(0, SPI);
	line(0, SPI + 1, true);
	line(0, SPI + 2, true);
	rig_on(0);
	fake_gich_eoi(&fake_gich[0], SPI);
	vgic_pulse(&rig.vm, 0, SPI);
	rig_settle();
	assert_taken(0, SPI + 1);
	line(0, SPI + 1, false);
	rig_eoi(0, SPI + 1);
	assert_taken(0, SPI + 2);
	line(0, SPI + 2, false);
	rig_eoi(0, SPI + 2);
	assert_taken(0, SPI);
}

static void pend_while_asked(void)
{
	if (rig_take_sgi(0))
		vgic_pulse(&rig.vm, 0, SPI);
	rig_on(1);
}

/* Its CPU has told of its list registers, and then it comes again there: who has asked sees it pending. */
static void test_again_while_asked(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	make_edge(SPI);
	vgic_pulse(&rig.vm, 0, SPI);
	rig_settle();
	assert_taken(0, SPI);
	rig_eoi(0, SPI);
	rig.on_wait = pend_while_asked;
	assert_true(get_bit(1, ISPENDR, SPI));
	rig.on_wait = NULL;
	rig_settle();
	assert_taken(0, SPI);
}

/* It polls: acknowledge, EOI, WFI, and the last comes before the maintenance interrupt. Not to be slept through. */
static void test_wakes_before_maintenance(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	rig_on(0);
	fake_gich_eoi(&fake_gich[0], fake_gich_ack(&fake_gich[0]));
	assert_true(vgic_has_pending(&rig.vcpu[0])); /* its level stands */
	vgic_set_line(&rig.vm, 0, SPI, false);
	assert_false(vgic_has_pending(&rig.vcpu[0]));
	rig_settle();
	rig_write(1, SGIR, 1U << 16 | 3);
	rig_write(2, SGIR, 1U << 16 | 3);
	rig_settle();
	rig_on(0);
	fake_gich_eoi(&fake_gich[0], fake_gich_ack(&fake_gich[0]));
	assert_true(vgic_has_pending(&rig.vcpu[0])); /* the other source */

	rig_start(1, 1); /* it ends without a list register */
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x40);
	line(0, SPI, true);
	assert_taken(0, SPI);
	line(0, SPI + 1, true);
	assert_taken(0, SPI + 1);
	line(0, SPI + 1, false);
	rig_eoi(0, SPI + 1);
	assert_false(vgic_has_pending(&rig.vcpu[0]));
	fake_gich_eoi(&fake_gich[0], SPI);
	assert_true(vgic_has_pending(&rig.vcpu[0]));
	rig_settle();
	assert_taken(0, SPI);
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
		TEST(test_sgi_sources),
		TEST(test_sgi_late_source),
		TEST(test_sgi_again),
		TEST(test_sgi_mail),
		TEST(test_sgi_mail_wakes),
		TEST(test_sgi_mail_stays),
		TEST(test_split_eoi),
		TEST(test_hardware),
		TEST(test_hardware_falls),
		TEST(test_hardware_by_software),
		TEST(test_counted),
		TEST(test_nesting),
		TEST(test_nesting_by_groups),
		TEST(test_many_dropped),
		TEST(test_manual_active),
		TEST(test_forgotten_eoi),
		TEST(test_counted_behind_acknowledge),
		TEST(test_pulse),
		TEST(test_wakes),
		TEST(test_wakes_behind_an_empty_lr),
		TEST(test_sleeps_when_the_timer_is_stopped),
		TEST(test_wakes_by_a_note),
		TEST(test_again_behind_a_queue),
		TEST(test_again_while_asked),
		TEST(test_wakes_before_maintenance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
