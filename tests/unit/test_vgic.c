/* SPDX-License-Identifier: BSD-2-Clause */
/* The distributor's registers row by row (IHI 0048B 4.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vgic_guest.h"

static void test_identification(void **state)
{
	static const uint8_t id[] = {0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1};

	(void)state;
	for (uint32_t cpus = 1; cpus <= 8; cpus++) {
		rig_start(cpus, 4);
		assert_int_equal(rig_read(0, TYPER), 7 | (cpus - 1) << 5); /* 256 interrupts, no Security Extensions */
	}
	assert_int_equal(rig_read(0, IIDR) & 0xfff, 0x43b); /* ARM */
	for (uint32_t i = 0; i < ARRAY_SIZE(id); i++)
		assert_int_equal(rig_read(0, 0xfd0 + 4 * i), id[i]);
	assert_int_equal(rig_read(0, 0xfe8) >> 4 & 0xf, 2); /* GICv2, 4.3.18 */
	rig_write(0, TYPER, ~0U);
	rig_write(0, IIDR, ~0U);
	rig_write(0, 0xfe8, ~0U);
	assert_int_equal(rig_read(0, TYPER), 7 | 7 << 5);
	assert_int_equal(rig_read(0, 0xfe8), 0x2b);
}

static void test_ctlr(void **state)
{
	(void)state;
	rig_write(1, CTLR, ~0U);
	assert_int_equal(rig_read(0, CTLR), 3);
	rig_write(0, CTLR, 0);
	assert_int_equal(rig_read(1, CTLR), 0);
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	assert_taken(0, SPURIOUS);
	rig_write(0, CTLR, 2); /* group 1 only: this one is in group 0 */
	rig_settle();
	assert_taken(0, SPURIOUS);
	rig_write(0, CTLR, 1);
	rig_settle();
	assert_int_equal(rig_lr_state(0, SPI), GICH_LR_PENDING);
	rig_write(0, CTLR, 0); /* what no vCPU has taken is taken back */
	rig_settle();
	assert_taken(0, SPURIOUS);
	assert_true(get_bit(0, ISPENDR, SPI));
}

/* Byte accesses where 4.3 has them; halfwords nowhere; words everywhere. */
static void test_widths(void **state)
{
	static const struct {
		uint32_t first, last;
		bool bytes;
	} rows[] = {{0, 0xb, false},       {0x80, 0x9f, false},   {0x100, 0x11f, false}, {0x180, 0x19f, false},
		    {0x200, 0x21f, false}, {0x280, 0x29f, false}, {0x300, 0x31f, false}, {0x380, 0x39f, false},
		    {0x400, 0x4ff, true},  {0x800, 0x8ff, true},  {0xc00, 0xc3f, false}, {0xf10, 0xf2f, true},
		    {0xd00, 0xd7f, false}};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (uint32_t at = rows[i].first; at <= rows[i].last; at++)
			for (uint32_t size = 1; size <= 4; size *= 2)
				for (uint32_t write = 0; write < 2; write++) {
					bool good = at % size == 0 && (size == 4 || (size == 1 && rows[i].bytes));
					uint32_t value = 0;

					if (rig_try(0, at, size, write, &value) != (good ? MMIO_DONE : MMIO_UNHANDLED))
						fail_msg("%u bytes at 0x%03x, write %u", size, at, write);
				}
}

/* Every word of the page answers; what is not there is RAZ/WI and touches nothing. */
static void test_whole_page(void **state)
{
	uint32_t value = 0;
	static uint32_t before[0x400];

	(void)state;
	for (uint32_t at = 0; at < 0x1000; at += 4)
		before[at / 4] = rig_read(3, at);
	for (uint32_t at = 0xc; at < 0x1000; at += 4)
		if ((at < 0x80) || (at >= 0xa0 && at < 0x100) || (at >= 0x500 && at < 0x800) ||
		    (at >= 0x900 && at < 0xc00) || (at >= 0xc40 && at < 0xf00) || at >= 0xf30) {
			assert_true(before[at / 4] == 0 || at >= 0xfd0);
			rig_write(3, at, ~0U);
		}
	for (uint32_t at = 0; at < 0x1000; at += 4)
		assert_int_equal(rig_read(3, at), before[at / 4]);
	for (uint32_t reg = IGROUPR + 0x20; reg < IPRIORITYR; reg += 0x80)
		for (uint32_t at = reg; at < reg + 0x60; at += 4)
			rig_write(3, at, ~0U); /* interrupts 256 ... 1023 do not exist */
	assert_int_equal(rig_try(0, 0x1000, 4, false, &value), MMIO_UNHANDLED);
}

static void test_enable(void **state)
{
	(void)state;
	assert_int_equal(rig_read(0, ISENABLER), 0xffff); /* SGIs cannot be disabled */
	rig_write(0, ICENABLER, 0xffff);
	assert_int_equal(rig_read(0, ICENABLER), 0xffff);
	set_bit(1, ISENABLER, 20); /* banked */
	assert_true(get_bit(1, ISENABLER, 20));
	assert_false(get_bit(0, ISENABLER, 20));
	rig_write(0, ISENABLER + 4, 0x00f00f01);
	rig_write(0, ISENABLER + 4, 0); /* zeroes change nothing */
	assert_int_equal(rig_read(3, ISENABLER + 4), 0x00f00f01);
	rig_write(2, ICENABLER + 4, 0x00500001);
	assert_int_equal(rig_read(3, ICENABLER + 4), 0x00a00f00);
	for (uint32_t w = 1; w < 8; w++) {
		rig_write(0, ISENABLER + 4 * w, ~0U);
		assert_int_equal(rig_read(0, ICENABLER + 4 * w), ~0U);
		rig_write(0, ICENABLER + 4 * w, ~0U);
		assert_int_equal(rig_read(0, ISENABLER + 4 * w), 0);
	}
}

static void test_group(void **state)
{
	(void)state;
	rig_write(0, IGROUPR, 0x00100008);
	assert_int_equal(rig_read(0, IGROUPR), 0x00100008);
	assert_int_equal(rig_read(1, IGROUPR), 0);
	rig_write(0, IGROUPR + 4, ~0U);
	assert_int_equal(rig_read(1, IGROUPR + 4), ~0U);
	rig_write(0, IGROUPR + 4, 0xff00);
	assert_int_equal(rig_read(1, IGROUPR + 4), 0xff00);
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	assert_true(fake_gich[0].lr[0] & GICH_LR_GROUP1);
	rig_write(0, IGROUPR + 4, 0); /* follows while it waits */
	rig_settle();
	assert_int_equal(rig_lr_state(0, SPI), GICH_LR_PENDING);
	assert_false(fake_gich[0].lr[0] & GICH_LR_GROUP1);
}

static void test_priority(void **state)
{
	(void)state;
	rig_write(0, IPRIORITYR + 32, 0xff7f3f04);
	assert_int_equal(rig_read(1, IPRIORITYR + 32), 0xf8783800); /* five bits: what a list register holds */
	rig_write8(0, IPRIORITYR + 33, 0xa5);
	assert_int_equal(rig_read(1, IPRIORITYR + 32), 0xf878a000);
	assert_int_equal(rig_read8(1, IPRIORITYR + 35), 0xf8);
	rig_write8(0, IPRIORITYR + 20, 0x50);
	assert_int_equal(rig_read8(0, IPRIORITYR + 20), 0x50);
	assert_int_equal(rig_read8(1, IPRIORITYR + 20), 0);
	rig_write8(0, IPRIORITYR + 255, 0x60);
	assert_int_equal(rig_read(0, IPRIORITYR + 252), 0x60000000);
}

static void test_targets(void **state)
{
	(void)state;
	for (uint32_t cpu = 0; cpu < 4; cpu++) {
		rig_write(cpu, ITARGETSR + 4 * cpu, 0xffffffff); /* read-only: one's own mask */
		assert_int_equal(rig_read(cpu, ITARGETSR + 4 * cpu), 0x01010101U << cpu);
		assert_int_equal(rig_read8(cpu, ITARGETSR + 31), BIT(cpu));
	}
	rig_write(0, ITARGETSR + 32, 0xff08f201);
	assert_int_equal(rig_read(1, ITARGETSR + 32), 0x0f080201); /* existing CPUs only */
	rig_write8(0, ITARGETSR + 33, 0);
	assert_int_equal(rig_read(1, ITARGETSR + 32), 0x0f080001);
	rig_start(1, 4);
	assert_int_equal(rig_read(0, ITARGETSR), 0x01010101);
	rig_write(0, ITARGETSR + 32, ~0U);
	assert_int_equal(rig_read(0, ITARGETSR + 32), 0x01010101);
	rig_write8(0, ITARGETSR + SPI, 0); /* the only one is the target anyhow, 4.3.12 */
	set_bit(0, ISENABLER, SPI);
	line(0, SPI, true);
	assert_taken(0, SPI);
}

static void test_config(void **state)
{
	(void)state;
	assert_int_equal(rig_read(0, ICFGR), 0xaaaaaaaa); /* SGIs: edge */
	assert_int_equal(rig_read(0, ICFGR + 4), 0);
	rig_write(0, ICFGR, 0);
	rig_write(0, ICFGR + 4, ~0U);
	assert_int_equal(rig_read(0, ICFGR), 0xaaaaaaaa);
	assert_int_equal(rig_read(0, ICFGR + 4), 0);
	for (uint32_t at = 8; at < 0x40; at += 4) {
		rig_write(0, ICFGR + at, 0xf00fffff);
		assert_int_equal(rig_read(1, ICFGR + at), 0xa00aaaaa); /* the lower bit of each is reserved */
	}
}

static void test_pending_registers(void **state)
{
	(void)state;
	rig_write(0, ISPENDR, 0x0010ffff); /* SGIs: read-only here */
	assert_int_equal(rig_read(0, ISPENDR), 0x00100000);
	assert_int_equal(rig_read(1, ISPENDR), 0);
	rig_write(0, ICPENDR, ~0U);
	assert_int_equal(rig_read(0, ICPENDR), 0);
	set_bit(0, ISPENDR, SPI);
	assert_true(get_bit(2, ICPENDR, SPI));
	set_bit(0, ICPENDR, SPI);
	assert_false(get_bit(2, ISPENDR, SPI));
	line(0, SPI, true);
	set_bit(0, ICPENDR, SPI); /* a level's line alone decides */
	assert_true(get_bit(0, ISPENDR, SPI));
	line(0, SPI, false);
	assert_false(get_bit(0, ISPENDR, SPI));
	make_edge(SPI + 1);
	line(0, SPI + 1, true);
	line(0, SPI + 1, false);
	assert_true(get_bit(0, ISPENDR, SPI + 1));
	set_bit(0, ICPENDR, SPI + 1);
	assert_false(get_bit(0, ISPENDR, SPI + 1));
}

/* ICPENDR reaches what waits in a list register. */
static void test_clear_pending_in_lr(void **state)
{
	(void)state;
	make_edge(SPI);
	open_irq(0, SPI, 0x80);
	line(0, SPI, true);
	assert_int_equal(rig_lr_state(0, SPI), GICH_LR_PENDING);
	set_bit(0, ICPENDR, SPI);
	rig_settle();
	assert_false(get_bit(0, ISPENDR, SPI));
	assert_taken(0, SPURIOUS);
	line(0, SPI, false);
	line(0, SPI, true);
	assert_taken(0, SPI);
}

static void test_active_registers(void **state)
{
	(void)state;
	open_irq(0, SPI, 0x80);
	set_bit(0, ISACTIVER, SPI);
	assert_true(get_bit(1, ICACTIVER, SPI));
	line(0, SPI, true);
	assert_taken(0, SPURIOUS); /* active: waits */
	set_bit(1, ICACTIVER, SPI);
	rig_settle();
	assert_taken(0, SPI);
	assert_true(get_bit(0, ISACTIVER, SPI));
	line(0, SPI, false);
	set_bit(0, ICACTIVER, SPI); /* deactivated without an EOI */
	rig_settle();
	assert_false(get_bit(0, ISACTIVER, SPI));
	assert_int_equal(rig_lr_state(0, SPI), 0);
	set_bit(2, ISACTIVER, 5); /* an SGI's, banked */
	assert_true(get_bit(2, ISACTIVER, 5));
	assert_false(get_bit(0, ISACTIVER, 5));
}

static void test_sgi_registers(void **state)
{
	(void)state;
	for (uint32_t filter = 0; filter < 4; filter++) {
		static const uint32_t to[] = {0x5, 0xd, 0x2, 0};

		rig_write(1, SGIR, filter << 24 | 0xf5 << 16 | 7);
		for (uint32_t cpu = 0; cpu < 4; cpu++) {
			assert_int_equal(rig_read8(cpu, SPENDSGIR + 7), to[filter] & BIT(cpu) ? 0x2 : 0);
			assert_int_equal(rig_read(cpu, CPENDSGIR + 4) >> 24, to[filter] & BIT(cpu) ? 0x2 : 0);
			assert_int_equal(rig_read(cpu, ISPENDR), to[filter] & BIT(cpu) ? BIT(7) : 0);
			rig_write8(cpu, CPENDSGIR + 7, 0xff);
			rig_settle();
			assert_int_equal(rig_read(cpu, ISPENDR), 0);
			assert_taken(cpu, SPURIOUS);
		}
	}
	assert_int_equal(rig_read(0, SGIR), 0);
	rig_write(0, SPENDSGIR, 0x0400f201); /* existing sources */
	assert_int_equal(rig_read(0, CPENDSGIR), 0x04000201 & 0x0f0f0f0f);
	rig_write(0, CPENDSGIR, 0x00000200);
	assert_int_equal(rig_read(0, SPENDSGIR), 0x04000001);
	assert_int_equal(rig_read(1, SPENDSGIR), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identification),
		TEST(test_ctlr),
		TEST(test_widths),
		TEST(test_whole_page),
		TEST(test_enable),
		TEST(test_group),
		TEST(test_priority),
		TEST(test_targets),
		TEST(test_config),
		TEST(test_pending_registers),
		TEST(test_clear_pending_in_lr),
		TEST(test_active_registers),
		TEST(test_sgi_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
