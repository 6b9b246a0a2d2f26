/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors that memory controllers report: registers as the bindings have them, and what virt7 makes of an interrupt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_log.h"
#include "fake_machine.h"
#include "hyp/host/ecc.h"
#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/run/irq.h"
#include "hyp/vm/memfound.h"
#include "hyp/vm/memsource.h"
#include "mm/hypmap.h"

#define DDR_IRQ 123U
#define L2_IRQ  103U /* and the next */

static uint32_t regs[ECC_SIZE / 4];
static struct {
	irq_fn fn;
	void *arg;
} handler[GIC_SPURIOUS];
static uint32_t found, off;
static uint64_t found_at;

void *hyp_map_device(uint64_t base, size_t size)
{
	assert_true(size <= sizeof(regs));
	return base ? regs : NULL;
}

void irq_register(uint32_t id, irq_fn fn, void *arg)
{
	handler[id].fn = fn;
	handler[id].arg = arg;
}

void gic_disable_spi(uint32_t id)
{
	off = id;
}

void memerr_found(pa_t at)
{
	found++;
	found_at = at.v;
}

static uint32_t *reg(uint32_t offset)
{
	return &regs[offset / 4U];
}

static void start(const char *compatible, const struct ecc_model *model)
{
	static struct host host;

	host = (struct host){
		.ecc_count = 1,
		.ecc = {{compatible, 0xfff00000, model, {model == &ecc_sregs ? L2_IRQ : DDR_IRQ, L2_IRQ + 1U}}}};

	fake_log_reset();
	memset(handler, 0, sizeof(handler));
	assert_int_equal(memsource_start(&host), 0);
}

static bool interrupt(uint32_t id)
{
	assert_non_null(handler[id].fn);
	return handler[id].fn(id, handler[id].arg);
}

/* Highbank's and Midway's controllers have their registers in two places. */
static void test_ddr(void **state)
{
	static const struct {
		const struct ecc_model *model;
		uint32_t errors, interrupts;
	} kinds[] = {{&ecc_highbank, 0x128, 0x180}, {&ecc_midway, 0x1b4, 0x218}};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		memset(regs, 0, sizeof(regs));
		memsource_count = (struct memsource_count){0};
		*reg(kinds[i].errors) = 3;
		start("ddr", kinds[i].model);
		assert_string_equal(fake_log_last(LOG_INFO),
				    "host: memory errors: memory controller ddr at 0xfff00000");
		*reg(kinds[i].interrupts) = BIT(5) | BIT(1);
		*reg(kinds[i].errors + 8U) = 0x12345678;
		*reg(kinds[i].errors + 0x18U) = 0x9abcdef0; /* of one that was corrected */
		found = 0;
		assert_true(interrupt(DDR_IRQ));
		assert_true(found == 1 && found_at == 0x12345678);
		assert_int_equal(*reg(kinds[i].interrupts + 4U), BIT(5) | BIT(1)); /* what was seen is ended */
		assert_string_equal(fake_log_last(LOG_ERR),
				    "host: memory controller: an error at 0x12345678 that cannot be corrected");
		*reg(kinds[i].interrupts) = BIT(3) | BIT(4);
		assert_true(interrupt(DDR_IRQ));
		assert_int_equal(found, 1);
		*reg(kinds[i].interrupts) = BIT(3) | BIT(5) | BIT(6);
		assert_true(interrupt(DDR_IRQ));
		assert_int_equal(found, 2);
		assert_true(memsource_count.corrected == 3 && memsource_count.uncorrected == 3);
	}
}

/* It says neither where nor what, nor for certain which of its interrupts is which: both are ended. */
static void test_l2(void **state)
{
	(void)state;
	memset(regs, 0, sizeof(regs));
	memsource_count = (struct memsource_count){0};
	found = 0;
	start("l2", &ecc_sregs);
	assert_true(interrupt(L2_IRQ));
	assert_true(regs[0] == 1 && regs[1] == 1);
	assert_non_null(strstr(fake_log_last(LOG_WARN), "L2 cache: an error has been corrected"));
	regs[0] = regs[1] = 0;
	assert_true(interrupt(L2_IRQ + 1U));
	assert_true(regs[0] == 1 && regs[1] == 1);
	assert_non_null(strstr(fake_log_last(LOG_ERR), "L2 cache: an error that cannot be corrected"));
	assert_true(memsource_count.corrected == 1 && memsource_count.uncorrected == 1 && found == 0);
}

/* Models of boards that have the node and not the registers, or no ECC. */
static void test_not_used(void **state)
{
	(void)state;
	memset(regs, 0, sizeof(regs));
	for (uint32_t mode = 0; mode < 4; mode++) {
		*reg(0x128) = mode;
		start("ddr", &ecc_highbank);
		assert_int_equal(handler[DDR_IRQ].fn != NULL, mode & 1U);
		assert_int_equal(strstr(fake_log_last(LOG_INFO), "not used: it does not correct errors") != NULL,
				 !(mode & 1U));
	}
	fake_machine.bad = regs;
	fake_machine.bad_size = sizeof(regs);
	start("ddr", &ecc_highbank);
	assert_null(handler[DDR_IRQ].fn);
	assert_non_null(strstr(fake_log_last(LOG_INFO), "not used: its registers do not answer"));
	fake_machine.bad_size = 0;
}

/* A line that stays up, or another's. */
static void test_idle(void **state)
{
	(void)state;
	memset(regs, 0, sizeof(regs));
	*reg(0x128) = 1;
	start("ddr", &ecc_highbank);
	off = 0;
	for (uint32_t i = 0; i < 15; i++)
		interrupt(DDR_IRQ);
	assert_int_equal(off, 0);
	*reg(0x180) = BIT(3);
	interrupt(DDR_IRQ);
	*reg(0x180) = 0;
	for (uint32_t i = 0; i < 16; i++) {
		assert_int_equal(off, 0);
		assert_true(interrupt(DDR_IRQ));
	}
	assert_int_equal(off, DDR_IRQ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ddr),
		cmocka_unit_test(test_l2),
		cmocka_unit_test(test_not_used),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
