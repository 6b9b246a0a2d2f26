/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt controller as one CPU sees it: the distributor's registers, and the CPU interface's acknowledge,
 * priorities, preemption, end of interrupt (IHI 0048B chapters 3 and 4). Everything here is architectural: no
 * particular number of interrupts or priority bits beyond the four that every GICv2 has (3.3).
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/smp.h"

/* SPIs that no device of mach-virt uses. */
#define SPI_A 40U
#define SPI_B 41U
#define SPI_C 42U
#define SGI   5U

#define ACK_CTL      BIT(2) /* GICC_CTLR.AckCtl */
#define GRP1_PENDING 1022U

static uint32_t taken[8]; /* IAR values, in order */
static uint32_t taken_count;

static uint32_t acknowledge(void)
{
	gic_settle();
	return read32(CPUIF_IAR);
}

static void end(uint32_t iar)
{
	write32(CPUIF_EOIR, iar);
}

/* Nothing enabled, pending or active; default priorities; the CPU interface open. */
static void quiet(void)
{
	static const uint32_t spis[] = {SPI_A, SPI_B, SPI_C};

	gic_init();
	for (unsigned int i = 0; i < ARRAY_SIZE(spis); i++) {
		write32(DIST_ICACTIVER(1), BIT(spis[i] % 32));
		gic_clear_pending(spis[i]);
		gic_set_priority(spis[i], 0xa0);
		gic_target_self(spis[i]);
		gic_edge(spis[i], true);
	}
	gic_set_priority(SGI, 0xa0);
	write32(DIST_IGROUPR(1), 0);
	taken_count = 0;
}

static void raise(uint32_t irq, uint32_t priority)
{
	gic_set_priority(irq, priority);
	gic_enable(irq);
	gic_set_pending(irq);
}

static void test_distributor(void)
{
	uint32_t typer = read32(DIST_TYPER);

	report(FIELD(typer, 0, 5) >= 2 && FIELD(typer, 0, 5) <= 31, "TYPER: lines for all of mach-virt (%u)",
	       (unsigned int)(FIELD(typer, 0, 5) + 1) * 32);
	write32(DIST_TYPER, 0);
	report_eq(read32(DIST_TYPER), typer, "TYPER is read-only");
	write32(DIST_CTLR, 0);
	report_eq(read32(DIST_CTLR) & 1, 0, "CTLR off");
	write32(DIST_CTLR, 1);
	report_eq(read32(DIST_CTLR) & 1, 1, "CTLR on");
}

/* A set and a clear register show the same bits; only ones written act (4.3.5-4.3.10). */
static void test_set_clear(const char *name, uint32_t set, uint32_t clear)
{
	uint32_t bits = BIT(SPI_A % 32) | BIT(SPI_C % 32);

	write32(clear, bits);
	report_eq(read32(set) & bits, 0, name);
	write32(set, bits);
	report((read32(set) & bits) == bits && (read32(clear) & bits) == bits, "%s: both registers show what was set",
	       name);
	write32(set, 0);
	write32(clear, 0);
	report_eq(read32(set) & bits, bits, name);
	write32(clear, BIT(SPI_A % 32));
	report_eq(read32(set) & bits, BIT(SPI_C % 32), name);
	write32(clear, bits);
	report_eq(read32(clear) & bits, 0, name);
}

/* 4.3.11: byte accessible; unimplemented low bits RAZ/WI, the same in every field; at least 16 levels. */
static void test_priority_registers(void)
{
	uint32_t bits, reg = DIST_IPRIORITYR(SPI_A / 4);

	write32(reg, UINT32_C(0xffffffff));
	bits = read8(reg);
	report((bits & 0xf0) == 0xf0 && ((bits ^ 0xff) & ((bits ^ 0xff) + 1)) == 0, "IPRIORITYR implements bits %02x",
	       (unsigned int)bits);
	report_eq(read32(reg), bits * UINT32_C(0x01010101), "IPRIORITYR: the same bits in each field");
	write32(reg, UINT32_C(0x10203040));
	report_eq(read32(reg), UINT32_C(0x10203040), "IPRIORITYR by word");
	write8(reg + 1, 0x50);
	report_eq(read32(reg), UINT32_C(0x10205040), "IPRIORITYR byte write");
	report_eq(read8(reg + 3), 0x10, "IPRIORITYR byte read");
	write32(reg, 0);
	report_eq(read32(reg), 0, "IPRIORITYR to 0");
}

/*
 * 4.3.12: bits of CPUs that do not exist are RAZ/WI, and the first words show the reader's own number. The manual lets
 * a GIC of one CPU have no target registers at all, which is what QEMU's does; virt7's has them for any number.
 * QEMU 7.2 keeps all that is written when there are several.
 */
static void test_targets(void)
{
	uint32_t reg = DIST_ITARGETSR(SPI_A / 4), existing = BIT(smp_count()) - 1, own = BIT(this_cpu()->index);

	write32(DIST_ITARGETSR(0), UINT32_C(0xffffffff));
	if (!quirk(read32(DIST_ITARGETSR(0)) == own * UINT32_C(0x01010101), "gic-targets-of-one",
		   "ITARGETSR0 is this CPU, read-only")) {
		report_eq(existing, 1, "only with one CPU there is none");
		return;
	}
	report_eq(read8(DIST_ITARGETSR(0) + 31), own, "ITARGETSR7 as well");
	write32(reg, UINT32_C(0xffffffff));
	quirk(read32(reg) == existing * UINT32_C(0x01010101), "gic-targets", "ITARGETSR holds existing CPUs only");
	existing *= UINT32_C(0x01010101);
	report_eq(read32(reg) & existing, existing, "ITARGETSR");
	write8(reg + 2, 0);
	report_eq(read32(reg) & existing, existing & UINT32_C(0xff00ffff), "ITARGETSR byte write");
}

/* 3.2.4: the distributor latches an SPI whether or not it has a target yet. QEMU 7.2 forgets one that has none. */
static void test_untargeted(void)
{
	write8(DIST_ITARGETSR(0) + SPI_A, 0);
	gic_set_pending(SPI_A);
	quirk(gic_is_pending(SPI_A), "gic-untargeted", "an SPI without a target is latched");
	gic_clear_pending(SPI_A);
	report(!gic_is_pending(SPI_A), "and withdrawn");
	gic_target_self(SPI_A);
}

/* 4.3.13: SGIs are edge-triggered for good; SPIs can be either. Bit 0 of a field is reserved here. */
static void test_config(void)
{
	report_eq(read32(DIST_ICFGR(0)) & UINT32_C(0xaaaaaaaa), UINT32_C(0xaaaaaaaa),
		  "ICFGR0: SGIs are edge-triggered");
	write32(DIST_ICFGR(0), 0);
	report_eq(read32(DIST_ICFGR(0)) & UINT32_C(0xaaaaaaaa), UINT32_C(0xaaaaaaaa), "ICFGR0 ignores writes");
	gic_edge(SPI_A, false);
	report_eq(read32(DIST_ICFGR(SPI_A / 16)) & BIT(SPI_A % 16 * 2 + 1), 0, "ICFGR: SPI to level");
	gic_edge(SPI_A, true);
	report(read32(DIST_ICFGR(SPI_A / 16)) & BIT(SPI_A % 16 * 2 + 1), "ICFGR: SPI to edge");
}

/* 4.4.4, 4.4.5, 4.4.6. */
static void test_spi(void)
{
	uint32_t iar;

	quiet();
	report_eq(acknowledge(), GIC_SPURIOUS, "nothing pending: 1023");
	report_eq(read32(CPUIF_RPR), 0xff, "idle running priority");
	report_eq(read32(CPUIF_HPPIR), GIC_SPURIOUS, "nothing pending: HPPIR");
	raise(SPI_A, 0x90);
	gic_settle();
	report(gic_is_pending(SPI_A) && !gic_is_active(SPI_A), "SPI pending");
	report_eq(read32(CPUIF_HPPIR), SPI_A, "HPPIR");
	report(read_isr() & PSR_I, "ISR shows the IRQ");
	iar = acknowledge();
	report_eq(iar, SPI_A, "IAR");
	report(!gic_is_pending(SPI_A) && gic_is_active(SPI_A), "acknowledged: active, not pending");
	report_eq(read32(CPUIF_RPR), 0x90, "running priority");
	report_eq(acknowledge(), GIC_SPURIOUS, "nothing more: 1023");
	report(!(read_isr() & PSR_I), "ISR: no IRQ while it is active");
	gic_set_pending(SPI_A);
	gic_settle();
	report(gic_is_pending(SPI_A) && gic_is_active(SPI_A), "active and pending");
	report_eq(acknowledge(), GIC_SPURIOUS, "an active interrupt is not signalled again");
	end(iar);
	report_eq(read32(CPUIF_RPR), 0xff, "running priority after EOI");
	iar = acknowledge();
	report_eq(iar, SPI_A, "and signalled after EOI");
	end(iar);
	report(!gic_is_pending(SPI_A) && !gic_is_active(SPI_A), "inactive");
	write32(CPUIF_EOIR, GIC_SPURIOUS);
	report_eq(read32(CPUIF_RPR), 0xff, "EOI of 1023 does nothing");
}

/* Pending is a latch: it does not need the enable, and is withdrawn by ICPENDR. */
static void test_masks(void)
{
	quiet();
	gic_set_pending(SPI_A);
	report_eq(acknowledge(), GIC_SPURIOUS, "pending, not enabled: not signalled");
	gic_enable(SPI_A);
	gic_settle();
	report(read_isr() & PSR_I, "enabled: signalled");
	gic_disable(SPI_A);
	gic_settle();
	report(!(read_isr() & PSR_I) && gic_is_pending(SPI_A), "disabled: withdrawn, still pending");
	gic_enable(SPI_A);
	write32(DIST_CTLR, 0);
	report_eq(acknowledge(), GIC_SPURIOUS, "distributor off: not forwarded");
	write32(DIST_CTLR, 1);
	write32(CPUIF_CTLR, 0);
	gic_settle();
	report(!(read_isr() & PSR_I), "CPU interface off: not signalled");
	write32(CPUIF_CTLR, GICC_CTLR_GRP0);
	gic_settle();
	report(read_isr() & PSR_I, "CPU interface on: signalled");
	gic_clear_pending(SPI_A);
	gic_settle();
	report(!(read_isr() & PSR_I), "ICPENDR withdraws it");
	report_eq(acknowledge(), GIC_SPURIOUS, "and it is not acknowledged");
}

/* 4.4.2: signalled when the priority is higher (its number lower) than PMR. */
static void test_pmr(void)
{
	uint32_t iar;

	quiet();
	write32(CPUIF_PMR, 0xf0);
	report_eq(read32(CPUIF_PMR) & 0xf0, 0xf0, "PMR reads back");
	raise(SPI_A, 0x80);
	write32(CPUIF_PMR, 0x80);
	gic_settle();
	report(!(read_isr() & PSR_I), "PMR equal to the priority masks");
	report_eq(acknowledge(), GIC_SPURIOUS, "masked by PMR: 1023");
	write32(CPUIF_PMR, 0x90);
	gic_settle();
	report(read_isr() & PSR_I, "PMR below the priority does not");
	write32(CPUIF_PMR, 0);
	gic_settle();
	report(!(read_isr() & PSR_I), "PMR 0 masks all");
	write32(CPUIF_PMR, 0xff);
	iar = acknowledge();
	report_eq(iar, SPI_A, "PMR 0xff lets all through");
	end(iar);
}

static void test_order(void)
{
	static const uint32_t want[] = {SPI_B, SPI_C, SPI_A};

	quiet();
	raise(SPI_A, 0xa0);
	raise(SPI_B, 0x20);
	raise(SPI_C, 0x60);
	for (unsigned int i = 0; i < ARRAY_SIZE(want); i++) {
		uint32_t iar = acknowledge();

		report_eq(iar, want[i], "highest priority first");
		end(iar);
	}
	report_eq(acknowledge(), GIC_SPURIOUS, "and then none");
}

/* A priority written while the interrupt is pending counts (3.3). */
static void test_change_priority(void)
{
	uint32_t iar;

	quiet();
	raise(SPI_A, 0xa0);
	raise(SPI_B, 0xb0);
	gic_settle();
	gic_set_priority(SPI_B, 0x10);
	iar = acknowledge();
	report_eq(iar, SPI_B, "a priority raised while pending");
	end(iar);
	end(acknowledge());
}

/* SGIs: 4.3.15, 4.3.16, 4.3.17; the source CPU in IAR bits 12:10. */
static void test_sgi(void)
{
	uint32_t self = this_cpu()->index, iar;

	quiet();
	write32(DIST_ISENABLER(0), BIT(SGI));
	gic_sgi_self(SGI);
	gic_settle();
	report(gic_is_pending(SGI), "SGI pending");
	report_eq(read8(DIST_SPENDSGIR(0) + SGI), BIT(self), "SPENDSGIR shows the source");
	report_eq(read8(DIST_CPENDSGIR(0) + SGI), BIT(self), "CPENDSGIR as well");
	iar = acknowledge();
	report_eq(iar, SGI | self << 10, "IAR: ID and source");
	gic_sgi_self(SGI);
	gic_settle();
	report(gic_is_pending(SGI) && gic_is_active(SGI), "SGI again while active");
	end(iar);
	iar = acknowledge();
	report_eq(iar, SGI | self << 10, "taken after EOI");
	end(iar);
	gic_set_pending(SGI);
	report(!gic_is_pending(SGI), "ISPENDR of an SGI is read-only");
	write8(DIST_SPENDSGIR(0) + SGI, BIT(self));
	gic_settle();
	report(read_isr() & PSR_I, "SPENDSGIR makes it pending");
	gic_clear_pending(SGI);
	report(gic_is_pending(SGI), "ICPENDR of an SGI is read-only");
	write8(DIST_CPENDSGIR(0) + SGI, BIT(self));
	report_eq(acknowledge(), GIC_SPURIOUS, "CPENDSGIR withdraws it");
	report(!gic_is_pending(SGI), "and it is not pending");
	write32(DIST_SGIR, BIT(16 + self) | SGI);
	iar = acknowledge();
	report_eq(iar, SGI | self << 10, "SGI by target list");
	end(iar);
	write32(DIST_SGIR, BIT(24) | SGI);
	report_eq(acknowledge(), GIC_SPURIOUS, "SGI to all but self");
}

/* 4.3.9, 4.3.10: an interrupt made active by software is not signalled, and leaves the running priority alone. */
static void test_active_write(void)
{
	uint32_t iar;

	quiet();
	write32(DIST_ISACTIVER(1), BIT(SPI_A % 32));
	report(gic_is_active(SPI_A), "ISACTIVER sets");
	raise(SPI_A, 0x80);
	report_eq(acknowledge(), GIC_SPURIOUS, "not signalled while active");
	report_eq(read32(CPUIF_RPR), 0xff, "running priority is not affected");
	write32(DIST_ICACTIVER(1), BIT(SPI_A % 32));
	iar = acknowledge();
	report_eq(iar, SPI_A, "signalled once ICACTIVER cleared it");
	write32(DIST_ICACTIVER(1), BIT(SPI_A % 32));
	report(!gic_is_active(SPI_A), "ICACTIVER during service");
	report_eq(read32(CPUIF_RPR), 0x80, "does not drop the priority");
	end(iar);
	report_eq(read32(CPUIF_RPR), 0xff, "EOI does");
}

/* 4.4.5, 4.4.15: EOImode 1 splits the priority drop from the deactivation. */
static void test_eoi_mode(void)
{
	uint32_t iar, other;

	quiet();
	write32(CPUIF_CTLR, GICC_CTLR_GRP0 | GICC_CTLR_EOIMODE);
	report(read32(CPUIF_CTLR) & GICC_CTLR_EOIMODE, "EOImode");
	raise(SPI_A, 0x80);
	iar = acknowledge();
	end(iar);
	report(gic_is_active(SPI_A), "EOIR leaves it active");
	report_eq(read32(CPUIF_RPR), 0xff, "and drops the priority");
	raise(SPI_B, 0xb0);
	other = acknowledge();
	report_eq(other, SPI_B, "a lower priority can come now");
	end(other);
	write32(CPUIF_DIR, other);
	write32(CPUIF_DIR, iar);
	report(!gic_is_active(SPI_A) && !gic_is_active(SPI_B), "DIR deactivates");
	write32(CPUIF_CTLR, GICC_CTLR_GRP0);
}

/* A handler that polls: EOI and the next acknowledge, of the same priority, with nothing in between. */
static void test_polling(void)
{
	uint32_t first, second;

	quiet();
	raise(SPI_A, 0x80);
	first = acknowledge();
	raise(SPI_B, 0x80);
	gic_settle();
	write32(CPUIF_EOIR, first);
	second = read32(CPUIF_IAR);
	gic_settle();
	if (second == GIC_SPURIOUS)
		second = acknowledge();
	report_eq(second, SPI_B, "acknowledged behind the EOI of another of its priority");
	report(first == SPI_A && !gic_is_active(SPI_A), "which is active no more");
	report(gic_is_active(SPI_B), "but this one");
	end(second);
	report(!gic_is_active(SPI_B), "until its EOI");
}

static void take_irq(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	taken[taken_count++ % ARRAY_SIZE(taken)] = iar;
	if (iar < GRP1_PENDING)
		end(iar);
}

static void test_exception(void)
{
	quiet();
	irq_set_handler(take_irq);
	raise(SPI_A, 0x80);
	gic_settle();
	report(!taken_count, "CPSR.I masks");
	irq_enable();
	gic_settle();
	irq_disable();
	report(taken_count == 1 && taken[0] == SPI_A, "IRQ taken once");
	irq_enable();
	raise(SPI_B, 0x80);
	raise(SPI_C, 0x80);
	gic_settle();
	irq_disable();
	report(taken_count == 3 && taken[1] == SPI_B && taken[2] == SPI_C, "two more as they were raised");
	irq_set_handler(0);
}

static uint32_t nested_priority, nested_seen;

/* Service SPI_A (0x90) and raise SPI_B meanwhile; a preemption comes between the two accesses of taken_count. */
static void take_and_raise(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	taken[taken_count++ % ARRAY_SIZE(taken)] = iar;
	if (iar == SPI_A) {
		raise(SPI_B, nested_priority);
		irq_enable();
		gic_settle();
		irq_disable();
		nested_seen = taken_count - 1;
	}
	end(iar);
}

/* 3.3.2, 3.3.3: a pending interrupt preempts when its group priority is higher than the running one's. */
static void expect_preemption(uint32_t bpr, uint32_t priority, bool preempts)
{
	quiet();
	write32(CPUIF_BPR, bpr);
	nested_priority = priority;
	irq_set_handler(take_and_raise);
	raise(SPI_A, 0x90);
	irq_enable();
	gic_settle();
	gic_settle();
	irq_disable();
	report(taken_count == 2 && nested_seen == preempts, "BPR %u: priority %02x %s 90", (unsigned int)bpr,
	       (unsigned int)priority, preempts ? "preempts" : "does not preempt");
	report_eq(read32(CPUIF_RPR), 0xff, "all ended");
	irq_set_handler(0);
}

static void test_preemption(void)
{
	write32(CPUIF_BPR, 4);
	report_eq(read32(CPUIF_BPR), 4, "BPR reads back");
	expect_preemption(0, 0x80, true);
	expect_preemption(0, 0x90, false);
	expect_preemption(0, 0xa0, false);
	expect_preemption(3, 0x80, true);
	expect_preemption(4, 0x80, false);
	expect_preemption(4, 0x70, true);
	expect_preemption(7, 0x10, false);
	write32(CPUIF_BPR, 0);
}

/* Three deep without interrupt exceptions: RPR follows each acknowledge and EOI. */
static void test_nesting(void)
{
	uint32_t a, b, c;

	quiet();
	raise(SPI_A, 0xc0);
	a = acknowledge();
	raise(SPI_B, 0x80);
	b = acknowledge();
	raise(SPI_C, 0x40);
	c = acknowledge();
	report(a == SPI_A && b == SPI_B && c == SPI_C, "three nested");
	report_eq(read32(CPUIF_RPR), 0x40, "running priority of the innermost");
	end(c);
	report_eq(read32(CPUIF_RPR), 0x80, "of the middle one");
	end(b);
	report_eq(read32(CPUIF_RPR), 0xc0, "of the outer one");
	end(a);
	report_eq(read32(CPUIF_RPR), 0xff, "idle again");
}

static void take_fiq(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	taken[taken_count++ % ARRAY_SIZE(taken)] = iar | BIT(31);
	end(iar);
}

/* 2.3, 4.4.1: groups exist in every GICv2. Group 0 as FIQ, group 1 as IRQ; IAR says 1022 for group 1 unless AckCtl. */
static void test_groups(void)
{
	quiet();
	write32(DIST_CTLR, 3);
	write32(DIST_IGROUPR(1), BIT(SPI_B % 32));
	report_eq(read32(DIST_IGROUPR(1)) & (BIT(SPI_A % 32) | BIT(SPI_B % 32)), BIT(SPI_B % 32), "IGROUPR reads back");
	write32(CPUIF_CTLR, GICC_CTLR_GRP0 | GICC_CTLR_GRP1 | GICC_CTLR_FIQEN);
	fiq_set_handler(take_fiq);
	irq_set_handler(take_irq);
	raise(SPI_A, 0x80);
	gic_settle();
	report_eq(read_isr() & (PSR_I | PSR_F), PSR_F, "group 0 is signalled as FIQ");
	fiq_enable();
	gic_settle();
	fiq_disable();
	report(taken_count == 1 && taken[0] == (SPI_A | BIT(31)), "FIQ taken");
	raise(SPI_B, 0x80);
	gic_settle();
	report_eq(read_isr() & (PSR_I | PSR_F), PSR_I, "group 1 is signalled as IRQ");
	report_eq(acknowledge(), GRP1_PENDING, "IAR: 1022 for group 1 without AckCtl");
	write32(CPUIF_CTLR, GICC_CTLR_GRP0 | GICC_CTLR_GRP1 | GICC_CTLR_FIQEN | ACK_CTL);
	irq_enable();
	gic_settle();
	irq_disable();
	report(taken_count == 2 && taken[1] == SPI_B, "IRQ taken");
	fiq_set_handler(0);
	irq_set_handler(0);
	quiet();
}

void guest_main(void)
{
	quiet();
	test_distributor();
	test_set_clear("enable", DIST_ISENABLER(1), DIST_ICENABLER(1));
	test_set_clear("pending", DIST_ISPENDR(1), DIST_ICPENDR(1));
	test_set_clear("active", DIST_ISACTIVER(1), DIST_ICACTIVER(1));
	test_priority_registers();
	test_targets();
	test_untargeted();
	test_config();
	test_spi();
	test_masks();
	test_pmr();
	test_order();
	test_change_priority();
	test_sgi();
	test_active_write();
	test_eoi_mode();
	test_polling();
	test_exception();
	test_preemption();
	test_nesting();
	test_groups();
}
