/* SPDX-License-Identifier: BSD-2-Clause */
/* SGIs: their sources, and the mailbox in which they wait for their vCPU (IHI 0048B 3.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vgic_guest.h"

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

/* An SGI of one source again: while it is pending nothing new, while it is active once more. */
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
	assert_true(get_bit(0, ISPENDR, 15)); /* no CPU has settled */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sgi_sources), TEST(test_sgi_late_source), TEST(test_sgi_again),
		TEST(test_sgi_mail),    TEST(test_sgi_mail_wakes),  TEST(test_sgi_mail_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
