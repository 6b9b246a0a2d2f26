/* SPDX-License-Identifier: BSD-2-Clause */
/* What wakes a vCPU, and what comes again while its list register is not looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vgic_guest.h"

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
	fake_gich_eoi(&fake_gich[0], fake_gich_ack(&fake_gich[0])); /* no CPU settles */
	rig_on(1);
	vgic_set_line(&rig.vm, 0, SPI, false);
	assert_false(vgic_has_pending(&rig.vcpu[0]));
	vgic_set_line(&rig.vm, 0, SPI, true);
	rig_on(0);
	assert_true(vgic_has_pending(&rig.vcpu[0]));
	rig_settle();
	assert_taken(0, SPI);
}

/* Its timer's interrupt goes into the list register of the last time while it sleeps, and wakes it. */
static void test_timer_wakes_a_sleeper(void **state)
{
	(void)state;
	sleep_behind_timer();
	rig.vcpu[0].thread.work = 0;
	rig.hw_line[0] = true;
	fake_gich[0].phys_active = BIT(RIG_HW_ID);
	vgic_raise_hw(&rig.vcpu[0], RIG_HW_ID);
	assert_ptr_equal(rig.woken, &rig.vcpu[0].thread);
	assert_int_equal(rig.vcpu[0].thread.work, 0);
	this_cpu()->thread = &rig.vcpu[0].thread;
	assert_true(vgic_has_pending(&rig.vcpu[0]));
	assert_taken(0, RIG_HW_ID);
}

/* A hardware interrupt whose line has fallen since keeps no vCPU awake, in a list register or queued. */
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
		TEST(test_wakes),
		TEST(test_wakes_behind_an_empty_lr),
		TEST(test_timer_wakes_a_sleeper),
		TEST(test_sleeps_when_the_timer_is_stopped),
		TEST(test_wakes_by_a_note),
		TEST(test_again_behind_a_queue),
		TEST(test_again_while_asked),
		TEST(test_wakes_before_maintenance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
