/* SPDX-License-Identifier: BSD-2-Clause */
/* More active interrupts than list registers, and how each ends (IHI 0048B chapters 3 and 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vgic_guest.h"

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

/*
 * One that was made inactive, and active again, ends by an EOI that its list register hears, and that is not counted.
 * The next EOI is another's, which is in no list register.
 */
static void test_active_anew(void **state)
{
	(void)state;
	rig_start(1, 1);
	open_irq(0, SPI, 0x80);
	open_irq(0, SPI + 1, 0x40);
	for (uint32_t id = SPI; id <= SPI + 1; id++) {
		line(0, id, true);
		assert_taken(0, id);
		line(0, id, false);
	}
	set_bit(0, ICACTIVER, SPI + 1);
	set_bit(0, ISACTIVER, SPI + 1);
	fake_gich_eoi(&fake_gich[0], SPI + 1);
	assert_int_equal(fake_gich[0].apr, BIT(0x80 >> 3));
	fake_gich_eoi(&fake_gich[0], SPI);
	rig_settle();
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nesting),       TEST(test_nesting_by_groups), TEST(test_many_dropped),
		TEST(test_manual_active), TEST(test_forgotten_eoi),     TEST(test_counted_behind_acknowledge),
		TEST(test_active_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
