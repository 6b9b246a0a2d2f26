/* SPDX-License-Identifier: BSD-2-Clause */
/* SPIs of a VM that are the host's (vgic/twin.c), which its guest ends by GICH_LR.HW. */
#include "vgic_twin_rig.h"

/* GICH_LR.HW: neither the end nor the next one but for its coming costs an exit. */
static void ended_by_the_list_register(void **state)
{
	uint32_t writes;

	(void)state;
	start_level(1);
	for (uint32_t i = 1; i <= 3; i++) {
		fire(1);
		writes = fake_gich[1].lr_writes;
		host_line(false);
		fake_gich_eoi(&fake_gich[1], SPI);
		assert_false(host->active);
		assert_false(fake_gich_maintenance(&fake_gich[1]));
		rig_settle();
		assert_int_equal(fake_gich[1].lr_writes, writes);
		assert_int_equal(host->fired, i);
	}
	host_line(true);
	assert_taken(1, SPI);
	fake_gich_eoi(&fake_gich[1], SPI); /* its line is still up */
	rig_settle();
	assert_int_equal(host->fired, 5);
	assert_taken(1, SPI);
	assert_int_equal(rig.storms, 0);
}

/* The next one comes to a CPU that the vCPU has left, with its list registers not looked at since the end. */
static void ended_and_moved(void **state)
{
	(void)state;
	start_level(1);
	fire(1);
	host_line(false);
	fake_gich_eoi(&fake_gich[1], SPI);
	rig_unload(1);
	rig.vcpu[1].thread.cpu = &percpu[2];
	fake_spi_line(HOST, true);
	rig_on(1);
	assert_true(fake_spi_take(1));
	assert_int_equal(host->target, 2);
	assert_true(host->active);
	rig.vcpu[1].thread.cpu = &percpu[1];
	rig_load(1);
	rig_settle();
	assert_taken(1, SPI);
	end(1);
}

/* virt7 looks at the list register for another's sake: nothing of it is left, or it comes again but once. */
static void found_ended(void **state)
{
	(void)state;
	start_level(1);
	open_irq(1, SPI + 8, 0x80);
	fire(1);
	host_line(false);
	fake_gich_eoi(&fake_gich[1], SPI);
	line(1, SPI + 8, true);
	assert_taken(1, SPI + 8);
	rig_eoi(1, SPI + 8);
	line(1, SPI + 8, false);
	assert_taken(1, SPURIOUS);

	fire(1);
	host_line(false);
	fake_gich_eoi(&fake_gich[1], SPI);
	rig_unload(1);
	fake_spi_line(HOST, true); /* no CPU has taken it yet */
	rig_write8(0, ITARGETSR + SPI, BIT(2));
	assert_false(host->active || vgic_irq(&rig.vcpu[0], SPI)->taken);
	rig_settle();
	assert_taken(2, SPI);
	host_line(false);
	fake_gich_eoi(&fake_gich[2], SPI);
	rig_unload(2);
	fake_spi_line(HOST, true);
	fake_spi_acknowledge(HOST); /* by a CPU that comes for the lock meanwhile */
	host->line = false;
	rig_write8(0, ITARGETSR + SPI, BIT(3));
	assert_true(host->active);
	rig_on(3);
	fake_spi_handle(HOST);
	rig_settle();
	assert_taken(3, SPI);
	end(3);
	assert_taken(2, SPURIOUS);
}

/* The list register becomes another's after a reset. */
static void lent_before_a_reset(void **state)
{
	(void)state;
	rig_start(1, 1);
	start_level(0);
	fire(0);
	rig_unload(0);
	vgic_reset(&rig.vm);
	assert_silent();
	rig_load(0);
	rig_reset_cpu(0);
	rig_write(0, CTLR, 3);
	open_irq(0, SPI + 8, 0x80);
	open_irq(0, SPI + 9, 0x80);
	for (uint32_t id = SPI + 8; id <= SPI + 9; id++) {
		set_bit(0, ISPENDR, id);
		rig_settle();
		assert_taken(0, id);
		rig_eoi(0, id);
	}
	assert_taken(0, SPURIOUS);
}

/* What comes while it is active in such a list register ends it the other way. */
static void again_while_active(void **state)
{
	(void)state;
	forward(VGIC_EDGE);
	open_irq(1, SPI, 0x80);
	fire(1);
	set_bit(0, ISPENDR, SPI);
	rig_settle();
	assert_true(host->active);
	assert_taken(1, SPURIOUS);
	fake_gich_eoi(&fake_gich[1], SPI);
	rig_settle();
	assert_taken(1, SPI);
	end(1);
	fire(1);
	set_bit(0, ICACTIVER, SPI);
	rig_settle();
	assert_false(host->active);
}

/*
 * Its guest has ended it; it comes again, and its line falls before the vCPU looks: another one sees that first, or
 * changes its trigger. It is not left active for ever.
 */
static void gone_before_the_look(void **state)
{
	(void)state;
	start_level(1);
	for (uint32_t way = 0; way < 2; way++) {
		fire(1);
		host_line(false);
		fake_gich_eoi(&fake_gich[1], SPI);
		fire_elsewhere();
		rig.answer_first = true;
		if (way == 0)
			assert_false(get_bit(0, ISPENDR, SPI));
		else
			rig_write(0, ICFGR + SPI / 16 * 4, 2U << SPI % 16 * 2);
		rig_settle();
		if (way == 1) {
			rig_write(0, ICFGR + SPI / 16 * 4, 0);
			rig_settle();
		}
		assert_false(host->active);
		assert_taken(1, SPURIOUS);
	}
	fire(1);
	end(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ended_by_the_list_register), TEST(ended_and_moved),    TEST(found_ended),
		TEST(lent_before_a_reset),        TEST(again_while_active), TEST(gone_before_the_look),
	};

	gic_forgets_level = false;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
