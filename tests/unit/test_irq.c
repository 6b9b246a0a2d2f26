/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch of the host's interrupts (hyp/run/irq.c) on a CPU interface that hands out one IAR at a time: who is called,
 * with what, and who ends the interrupt (IHI 0048B 4.4, EOImode 1).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "fake_machine.h"
#include "hyp/host/gic.h"
#include "hyp/lib/cpu.h"
#include "hyp/run/irq.h"

#define SPI      45U
#define PPI      27U
#define SPURIOUS 1023U

volatile uint8_t *gic_gich, *gic_gicc;

static uint8_t gicc[0x1004] __attribute__((aligned(4)));
static struct cpu_head head = {.id = 2};
static uint32_t iar, dropped, deactivated;
static uint32_t enabled, target_id, target_cpu;
static struct call {
	uint32_t id;
	void *arg;
} last;
static bool ends; /* what the handler returns */

void gic_enable(uint32_t id)
{
	assert_int_equal(target_id, id); /* or it might interrupt no CPU, or another */
	enabled = id;
}

void gic_set_target(uint32_t id, uint32_t cpu)
{
	target_id = id;
	target_cpu = cpu;
}

static uint32_t read_register(const volatile void *addr, size_t size)
{
	assert_int_equal(size, 4);
	assert_ptr_equal(addr, gicc + GICC_IAR);
	return iar;
}

static void write_register(volatile void *addr, size_t size, uint32_t value)
{
	assert_int_equal(size, 4);
	if (addr == gicc + GICC_EOIR) {
		assert_null(last.arg); /* the priority is dropped before the handler, which may not come back soon */
		dropped = value;
	} else {
		assert_ptr_equal(addr, gicc + GICC_DIR);
		deactivated = value;
	}
}

static bool handle(uint32_t id, void *arg)
{
	last = (struct call){id, arg};
	return ends;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	fake_machine.io_read = read_register;
	fake_machine.io_write = write_register;
	write_htpidr((uintptr_t)&head);
	gic_gicc = gicc;
	iar = dropped = deactivated = SPURIOUS;
	last = (struct call){0};
	return 0;
}

/* One function serves two interrupts, which it tells apart by its argument or by the number. */
static void each_has_its_argument(void **state)
{
	static int one, other;

	(void)state;
	ends = true;
	irq_register(SPI, handle, &one);
	assert_int_equal(enabled, SPI);
	assert_int_equal(target_cpu, 2);
	irq_register(PPI, handle, &other);
	iar = SPI;
	assert_true(irq_handle_one());
	assert_ptr_equal(last.arg, &one);
	assert_int_equal(last.id, SPI);
	assert_int_equal(dropped, SPI);
	assert_int_equal(deactivated, SPI);
	last = (struct call){0};
	iar = PPI;
	assert_true(irq_handle_one());
	assert_ptr_equal(last.arg, &other);
	assert_int_equal(last.id, PPI);
	assert_int_equal(deactivated, PPI);
}

/* No VM gets an interrupt that is virt7's own, or another's, until that one gives it up. None of it touches the GIC. */
static void a_claim_is_one_owner_s(void **state)
{
	static int one, other;

	(void)state;
	ends = true;
	irq_register(SPI, handle, &one);
	enabled = SPURIOUS;
	assert_int_equal(irq_claim(SPI, handle, &other), -EBUSY);
	assert_int_equal(irq_claim(SPI + 1, handle, &one), 0);
	assert_int_equal(irq_claim(SPI + 1, handle, &other), -EBUSY);
	iar = SPI + 1;
	assert_true(irq_handle_one());
	assert_ptr_equal(last.arg, &one);
	irq_give_up(SPI + 1);
	last = (struct call){0};
	deactivated = SPURIOUS;
	assert_true(irq_handle_one());
	assert_null(last.arg);
	assert_int_equal(deactivated, SPI + 1);
	assert_int_equal(irq_claim(SPI + 1, handle, &other), 0);
	assert_int_equal(enabled, SPURIOUS);
}

/* A driver of virt7's that comes later does not take a VM's away. */
static void a_late_driver_looks(void **state)
{
	static int one, other;

	(void)state;
	ends = true;
	assert_int_equal(irq_claim(SPI + 2, handle, &one), 0);
	enabled = SPURIOUS;
	assert_int_equal(irq_register_spi(SPI + 2, handle, &other), -EBUSY);
	assert_int_equal(enabled, SPURIOUS);
	iar = SPI + 2;
	assert_true(irq_handle_one());
	assert_ptr_equal(last.arg, &one);
	irq_give_up(SPI + 2);
	assert_int_equal(irq_register_spi(SPI + 2, handle, &other), 0);
	assert_int_equal(enabled, SPI + 2);
	assert_int_equal(target_cpu, 2);
}

/* A guest's EOI, or the handler itself, ends it. */
static void a_handler_keeps_it_active(void **state)
{
	(void)state;
	ends = false;
	irq_register(PPI, handle, &ends);
	iar = PPI;
	assert_true(irq_handle_one());
	assert_int_equal(dropped, PPI);
	assert_int_equal(deactivated, SPURIOUS);
}

/* An SGI that is a kick: its source goes back with it, 4.4.5. And there is nothing to take. */
static void nobody_asked(void **state)
{
	(void)state;
	iar = 3U << 10 | 1U;
	assert_true(irq_handle_one());
	assert_null(last.arg);
	assert_int_equal(dropped, iar);
	assert_int_equal(deactivated, iar);
	dropped = SPURIOUS;
	iar = SPURIOUS;
	assert_false(irq_handle_one());
	assert_int_equal(dropped, SPURIOUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_has_its_argument, setup),
		cmocka_unit_test_setup(a_handler_keeps_it_active, setup),
		cmocka_unit_test_setup(nobody_asked, setup),
		cmocka_unit_test_setup(a_claim_is_one_owner_s, setup),
		cmocka_unit_test_setup(a_late_driver_looks, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
