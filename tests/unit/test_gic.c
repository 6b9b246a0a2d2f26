/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver of the host's GIC, on as much of one as it needs: a CPU interface that signals nothing more while an
 * interrupt has not been dropped (all have one priority), SGIs pending by source, one level-sensitive PPI, and a
 * GICH_LR.HW whose EOI deactivates that. What firmware left pending must not keep the CPU from interrupts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_machine.h"
#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/cpu.h"
#include "hyp/lib/option.h"
#include "mm/hypmap.h"

#define PPI       27U
#define CPENDSGIR 0xf10U
#define SPURIOUS  1023U
#define PAGES     5U /* GICD, two of GICC, GICH, GICV */

struct options options;

static const struct host host = {.gicd = 0x0000, .gicc = 0x1000, .gich = 0x3000, .gicv = 0x4000};
static struct cpu_head head;
static uint8_t page[PAGES][0x1000] __attribute__((aligned(4)));

static uint8_t sgi_sources[16];
static uint32_t active, running;    /* `running`: what was acknowledged and not dropped, SPURIOUS: nothing */
static bool line, sampled, forgets; /* of the PPI; `sampled`: its level counts */
static uint32_t slow;               /* reads of GICC_IAR after the guest's EOI until the level counts again */
static uint32_t sgi_at_eoi;         /* becomes pending while the guest is played; 0: none */

void *hyp_map_device(uint64_t base, size_t size)
{
	assert_true(base + size <= sizeof(page));
	return page[0] + base;
}

static uint32_t acknowledge(void)
{
	if (running != SPURIOUS)
		return SPURIOUS;
	for (uint32_t id = 0; id < 16; id++)
		if (sgi_sources[id]) {
			uint32_t source = (uint32_t)__builtin_ctz(sgi_sources[id]);

			sgi_sources[id] &= (uint8_t)(sgi_sources[id] - 1U);
			active |= BIT(id);
			return running = source << 10 | id;
		}
	if (!line || !sampled || active & BIT(PPI))
		return SPURIOUS;
	if (slow) {
		slow--;
		return SPURIOUS;
	}
	active |= BIT(PPI);
	return running = PPI;
}

/* The guest's EOI of the interrupt in list register 0. */
static void end_as_guest(void)
{
	active &= ~BIT(PPI);
	sampled = !forgets;
	if (sgi_at_eoi)
		sgi_sources[sgi_at_eoi] = 1;
}

static uint32_t read_register(const volatile void *addr, size_t size)
{
	size_t at = (size_t)((const volatile uint8_t *)addr - page[0]);

	if (at == host.gicc + GICC_IAR)
		return acknowledge();
	return size == 1 ? page[0][at] : *(const volatile uint32_t *)addr;
}

static void write_register(volatile void *addr, size_t size, uint32_t value)
{
	size_t at = (size_t)((volatile uint8_t *)addr - page[0]);

	if (at == host.gicc + GICC_EOIR) {
		assert_int_equal(value, running);
		running = SPURIOUS;
	} else if (at == host.gicc + GICC_DIR) {
		assert_true(active & BIT(value & 0x3ffU));
		active &= ~BIT(value & 0x3ffU);
	} else if (at == host.gicv + GICC_EOIR) {
		end_as_guest();
	} else if (at >= CPENDSGIR && at < CPENDSGIR + sizeof(sgi_sources)) {
		for (size_t i = 0; i < size; i++)
			sgi_sources[at - CPENDSGIR + i] &= (uint8_t) ~(value >> 8 * i);
	} else if (size == 1) {
		*(volatile uint8_t *)addr = (uint8_t)value;
	} else {
		*(volatile uint32_t *)addr = value;
	}
}

static void write_register_slowly(volatile void *addr, size_t size, uint32_t value)
{
	write_register(addr, size, value);
	if ((const volatile uint8_t *)addr == page[0] + host.gicv + GICC_EOIR)
		slow = 10;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	fake_machine.io_read = read_register;
	fake_machine.io_write = write_register;
	write_htpidr((uintptr_t)&head);
	memset(page, 0, sizeof(page));
	memset(sgi_sources, 0, sizeof(sgi_sources));
	active = sgi_at_eoi = slow = 0;
	running = SPURIOUS;
	line = forgets = false;
	sampled = true;
	return gic_init(&host);
}

/* What the CPU was sent before virt7, by any source, is gone. */
static void test_init_cpu(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < 16; id++)
		sgi_sources[id] = (uint8_t)(1U << id % 8U | 0x80U);
	gic_init_cpu();
	assert_int_equal(gic_acknowledge(), SPURIOUS);
}

static void test_probe(void **state)
{
	(void)state;
	line = true;
	for (uint32_t i = 0; i < 2; i++) {
		forgets = i;
		gic_probe_level(PPI);
		assert_int_equal(gic_forgets_level, forgets);
		assert_int_equal(active, 0);
		assert_int_equal(running, SPURIOUS);
	}
}

/* The distributor of a real GIC may offer the level again some cycles after the deactivation. */
static void test_probe_waits(void **state)
{
	(void)state;
	line = true;
	fake_machine.io_write = write_register_slowly;
	gic_probe_level(PPI);
	assert_false(gic_forgets_level);
	assert_int_equal(active, 0);
	assert_int_equal(slow, 0);
}

/* Another interrupt comes first, where the PPI was expected, or nothing does. */
static void test_probe_meets_another(void **state)
{
	(void)state;
	gic_probe_level(PPI);
	assert_int_equal(running, SPURIOUS);
	line = true;
	sgi_sources[3] = 0x4;
	gic_probe_level(PPI);
	assert_int_equal(active, 0);
	assert_int_equal(gic_acknowledge(), PPI); /* the CPU takes interrupts */
}

static void test_probe_meets_another_at_the_end(void **state)
{
	(void)state;
	line = true;
	sgi_at_eoi = 5;
	gic_probe_level(PPI);
	assert_int_equal(active, 0);
	assert_int_equal(gic_acknowledge(), PPI);
}

/* A CPU is known to the GIC by the mask that it reads of its own interrupts' targets. A byte is an SPI's. */
static void test_target(void **state)
{
	volatile uint8_t *targets = page[0] + 0x800;

	(void)state;
	targets[0] = 0x01;
	gic_init_cpu();
	head.id = 3;
	targets[0] = 0x10; /* banked */
	gic_init_cpu();
	gic_set_target(77, 3);
	assert_int_equal(targets[77], 0x10);
	gic_set_target(77, 0);
	assert_int_equal(targets[77], 0x01);
	assert_int_equal(targets[76] | targets[78], 0);
	gic_set_target(PPI, 3); /* read-only */
	assert_int_equal(targets[PPI], 0);
	gic_enable(77); /* says nothing of where */
	assert_int_equal(targets[77], 0x01);
	head.id = 0;
}

/* SPIs that VMs have: one bit of the right word each, and ICFGR's neighbours stay. */
static void test_spi(void **state)
{
	volatile uint32_t *config = (volatile uint32_t *)(page[0] + 0xc00);

	(void)state;
	*(volatile uint32_t *)(page[0] + 4) = 0xffe8; /* GICD_TYPER */
	assert_int_equal(gic_lines(), 288);
	gic_disable_spi(77);
	assert_int_equal(*(volatile uint32_t *)(page[0] + 0x188), BIT(13));
	gic_end_spi(78);
	assert_int_equal(*(volatile uint32_t *)(page[0] + 0x388), BIT(14));
	gic_clear_pending_spi(79);
	assert_int_equal(*(volatile uint32_t *)(page[0] + 0x288), BIT(15));
	*(volatile uint32_t *)(page[0] + 0x208) = BIT(16);
	assert_true(gic_spi_is_pending(80));
	assert_false(gic_spi_is_pending(79));
	config[4] = 0x55555555;
	assert_true(gic_set_edge(77, true));
	assert_int_equal(config[4], 0x5d555555);
	assert_false(gic_set_edge(77, false));
	assert_int_equal(config[4], 0x55555555);
	assert_int_equal(config[3] | config[5], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_init_cpu, setup),
		cmocka_unit_test_setup(test_target, setup),
		cmocka_unit_test_setup(test_spi, setup),
		cmocka_unit_test_setup(test_probe, setup),
		cmocka_unit_test_setup(test_probe_waits, setup),
		cmocka_unit_test_setup(test_probe_meets_another, setup),
		cmocka_unit_test_setup(test_probe_meets_another_at_the_end, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
