/*
 * The distributor's registers row by row, and what becomes of an interrupt: routing, list registers by priority,
 * overflow, levels, SGIs, hardware-backed interrupts, reset (IHI 0048B chapters 3 to 5). test_vgic_model.c does the
 * rest at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "vgic_rig.h"

#define CTLR       0x000U
#define TYPER      0x004U
#define IIDR       0x008U
#define IGROUPR    0x080U
#define ISENABLER  0x100U
#define ICENABLER  0x180U
#define ISPENDR    0x200U
#define ICPENDR    0x280U
#define ISACTIVER  0x300U
#define ICACTIVER  0x380U
#define IPRIORITYR 0x400U
#define ITARGETSR  0x800U
#define ICFGR      0xc00U
#define SGIR       0xf00U
#define CPENDSGIR  0xf10U
#define SPENDSGIR  0xf20U

#define HCR_IDLE (GICH_HCR_EN | GICH_HCR_LRENPIE)
#define SPI      40U
#define SPURIOUS FAKE_GICH_SPURIOUS

static int setup(void **state)
{
	(void)state;
	rig_start(4, 4);
	return 0;
}

static void set_bit(uint32_t cpu, uint32_t reg, uint32_t id)
{
	rig_write(cpu, reg + id / 32 * 4, BIT(id % 32));
}

static bool get_bit(uint32_t cpu, uint32_t reg, uint32_t id)
{
	return rig_read(cpu, reg + id / 32 * 4) >> (id % 32) & 1U;
}

/* Enabled at `priority`, an SPI to vCPU `cpu`. */
static void open_irq(uint32_t cpu, uint32_t id, uint32_t priority)
{
	rig_write8(cpu, IPRIORITYR + id, priority);
	if (id >= 32)
		rig_write8(cpu, ITARGETSR + id, BIT(cpu));
	set_bit(cpu, ISENABLER, id);
	rig_settle();
}

static void make_edge(uint32_t id)
{
	rig_write(0, ICFGR + id / 16 * 4, rig_read(0, ICFGR + id / 16 * 4) | 2U << id % 16 * 2);
}

static void line(uint32_t cpu, uint32_t id, bool level)
{
	vgic_set_line(&rig.vm, cpu, id, level);
	rig_settle();
}

static void assert_taken(uint32_t cpu, uint32_t iar)
{
	assert_int_equal(rig_ack(cpu), iar);
}

/* --- registers ------------------------------------------------------------------------------------------------------
 */

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
	rig_write(0, CTLR, 0); /* what nobody has taken is taken back */
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

/* --- delivery -------------------------------------------------------------------------------------------------------
 */

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

/* ... and it survives eviction. */
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

/* --- world switch and reset ----------------------------------------------------------------------------------------
 */

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

/* As hyp/vmctl.c resets a vCPU: on its CPU, loaded. */
static void reset_cpu(uint32_t cpu)
{
	rig_on(cpu);
	vgic_reset_cpu(&rig.vcpu[cpu]);
	vgic_load(&rig.vcpu[cpu]);
	fake_gich[cpu].vmcr = FAKE_VMCR_OPEN;
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
		reset_cpu(cpu);
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
		reset_cpu(cpu);
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
	reset_cpu(0);
	rig_write(0, CTLR, 3);
	make_edge(SPI);
	open_irq(0, SPI, 0x80);
	line(0, SPI, false);
	line(0, SPI, true);
	reset_cpu(1);
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
	reset_cpu(1);
	rig.vcpu[1].work |= WORK_VGIC;
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
	vgic_reset_cpu(&rig.vcpu[1]);
	assert_int_equal(rig_lr_state(1, SPI), 0);
	rig_unload(1);
	rig_write8(0, ITARGETSR + SPI, BIT(0));
	rig_settle();
	assert_taken(0, SPI);
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

/* While somebody looks, it stays out of list registers; not longer. */
static void look_at_held(void)
{
	rig.on_wait = NULL;
	rig.vcpu[1].work |= WORK_VGIC;
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
	assert_true(rig.vcpu[0].work & WORK_VGIC);
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

#define TEST(name) cmocka_unit_test_setup(name, setup)

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
		TEST(test_soft_level_evicted),
		TEST(test_sgi_sources),
		TEST(test_sgi_late_source),
		TEST(test_sgi_again),
		TEST(test_split_eoi),
		TEST(test_hardware),
		TEST(test_hardware_falls),
		TEST(test_save_load),
		TEST(test_save_waiting_hardware),
		TEST(test_reset),
		TEST(test_reset_keeps_lines),
		TEST(test_late_reset_takes_nothing),
		TEST(test_cpu_on_keeps_spis),
		TEST(test_cpu_off_gives_back),
		TEST(test_recall_each_other),
		TEST(test_reach),
		TEST(test_held),
		TEST(test_nesting),
		TEST(test_nesting_by_groups),
		TEST(test_many_dropped),
		TEST(test_manual_active),
		TEST(test_pulse),
		TEST(test_wakes),
		TEST(test_wakes_behind_an_empty_lr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
