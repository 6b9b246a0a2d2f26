/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of the host, as a VM has them by its property `passthrough`: what its own registers read, in each width; that
 * what lies beside them in the same page is not there; its interrupt. The parameters say where: `at` and `size` of the
 * registers, `offset` and `value` of a word that is constant, `clock` is the interrupt of a PL031. With `fill` it is
 * the one that gets RAM after others: so many MiB of RAM keep for a second, or for `wait` ms, what is written there.
 */
#include "tests/guests/lib/gic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/param.h"
#include "tests/guests/lib/timer.h"

#define PAGE        UINT32_C(0x1000)
#define STEP        0x200U /* a transport of QEMU's virtio-mmio */
#define PATIENCE_US 20000000U

/* PL031, DDI 0224. */
#define RTCDR   0x00U
#define RTCMR   0x04U
#define RTCIMSC 0x10U
#define RTCRIS  0x14U
#define RTCICR  0x1cU

static uint32_t at, size;

/* An external abort at this place, for a load and for a store. */
static bool is_nothing(uint32_t va)
{
	const struct exc_record *seen;
	bool read_aborts;

	exc_expect(EXC_DABT);
	read32(va);
	seen = exc_done();
	read_aborts = seen->count == 1 && seen->far == va;
	exc_expect(EXC_DABT);
	write32(va, 0);
	seen = exc_done();
	return read_aborts && seen->count == 1 && seen->far == va;
}

static void test_neighbours(void)
{
	uint32_t page = at & ~(PAGE - 1U), tried = 0, found = 0;

	for (uint32_t va = page; va < page + PAGE; va += STEP)
		if (va < at || va >= at + size) {
			tried++;
			found += !is_nothing(va);
			found += !is_nothing(va + STEP - 4U);
		}
	report(found == 0, "nothing of %u neighbours in its page is there", (unsigned)tried);
}

static void test_widths(uint32_t va, uint32_t value)
{
	report_eq(read32(va), value, "a word");
	if (!param("words=", 0)) {
		report_eq(read16(va + 2), value >> 16, "its upper half");
		report_eq(read8(va + 1), value >> 8 & 0xffU, "a byte of it");
	}
}

/* The match interrupt, twice: it is pending, and not any more once it is cleared. */
static void test_clock(uint32_t irq)
{
	uint32_t seen = 0, gone = 0;

	gic_init();
	gic_target_self(irq);
	gic_edge(irq, false);
	gic_enable(irq);
	write32(at + RTCIMSC, 1);
	for (uint32_t round = 0; round < 2; round++) {
		bool pending = false;

		write32(at + RTCMR, read32(at + RTCDR) + 1);
		for (uint32_t us = 0; us < PATIENCE_US && !pending; us += 1000) {
			timer_delay(1000);
			pending = gic_is_pending(irq);
		}
		seen += pending;
		write32(at + RTCICR, 1);
		gic_settle();
		gone += !gic_is_pending(irq) && read32(at + RTCRIS) == 0;
	}
	report_eq(seen, 2, "an interrupt at the match, twice");
	report_eq(gone, 2, "and it goes with RTCICR");
	write32(at + RTCIMSC, 0);
}

static volatile uint32_t taken, spurious, device_irq;

static void take_interrupt(void)
{
	uint32_t iar = read32(CPUIF_IAR);

	if ((iar & 0x3ffU) == device_irq) {
		taken++;
		write32(at + RTCICR, 1);
	} else {
		spurious++;
	}
	write32(CPUIF_EOIR, iar);
}

/* Taken, and ended at the GIC: each match is one interrupt. */
static void test_taken(uint32_t irq)
{
	device_irq = irq;
	irq_set_handler(take_interrupt);
	write32(at + RTCIMSC, 1);
	irq_enable();
	for (uint32_t round = 1; round <= 2; round++) {
		write32(at + RTCMR, read32(at + RTCDR) + 1);
		for (uint32_t us = 0; us < PATIENCE_US && taken < round; us += 1000)
			timer_delay(1000);
		timer_delay(10000);
	}
	irq_disable();
	write32(at + RTCIMSC, 0);
	report_eq(taken, 2, "each match is one interrupt");
	report_eq(spurious, 0, "and no other comes");
}

extern uint8_t __image_end[];

static uint32_t pattern(uint32_t va)
{
	return va * 0x9e3779b1U ^ 0x5eed5eedU;
}

/* From behind the image up to the device tree, and from there up to the end. */
static uint32_t fill_or_count(uint32_t end, bool fill)
{
	uint32_t tree = boot_state.r2, tree_end = tree + fdt_be32(tree + 4) + PAGE, wrong = 0;

	for (uint32_t va = (uint32_t)__image_end; va < end; va += 4) {
		if (va >= tree && va < tree_end)
			continue;
		if (fill)
			write32(va, pattern(va));
		else if (read32(va) != pattern(va) && wrong++ < 4)
			printf("  0x%08x at 0x%08x\n", (unsigned)read32(va), (unsigned)va);
	}
	return wrong;
}

static void test_ram(uint32_t mib)
{
	uint32_t end = ((uint32_t)__image_end & ~(MIB(2) - 1U)) + MIB(mib);

	fill_or_count(end, true);
	timer_delay(1000U * param("wait=", 1000));
	report_eq(fill_or_count(end, false), 0, "RAM keeps what is written there");
}

void guest_main(void)
{
	uint32_t irq;

	if (param("fill=", 0)) {
		test_ram(param("fill=", 0));
		return;
	}

	at = param("at=", 0);
	size = param("size=", PAGE);
	test_widths(at + param("offset=", 0), param("value=", 0));
	test_neighbours();
	irq = param("clock=", 0);
	if (irq) {
		test_clock(irq);
		test_taken(irq);
	}
}
