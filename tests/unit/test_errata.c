/* SPDX-License-Identifier: BSD-2-Clause */
/* Errata: which revisions have them, what is done on which CPU, what is said, and what the option forces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arm/sysreg.h>

#include "coproc/errata.h"
#include "fake_log.h"
#include "hyp/lib/option.h"
#include "hyp/vm/vm.h"
#include "mm/tlb.h"

#define A15(variant, revision) (0x410fc0f0U | (variant) << 20 | (revision))
#define A7_R0P5                0x410fc075U
#define A17_R1P1               0x411fc0e1U
#define REVIDR_ECO             BIT(9)
#define ALL                    (BIT(ERRATUM_766422) | BIT(ERRATUM_773022) | BIT(ERRATUM_798181))

struct percpu percpu[CPU_MAX];
bool tlb_repeat;
static uint32_t secure_bits; /* that set_actlr() was asked for */

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	fake_log_reset();
	options.errata = 0;
	secure_bits = 0;
	return 0;
}

static void ignore_write(uint32_t reg, uint64_t value)
{
	(void)reg, (void)value;
}

static void set_actlr(uint32_t bits)
{
	secure_bits |= bits;
	fake_machine.reg[SYSREG_actlr] |= bits;
}

static void arrive(uint32_t id, uint32_t midr, uint32_t revidr, void (*actlr)(uint32_t))
{
	percpu[id].head.id = id;
	percpu[id].midr = 0x412fc0f1; /* as cpu.fake may say */
	fake_machine.reg[SYSREG_midr] = midr;
	fake_machine.reg[SYSREG_revidr] = revidr;
	errata_init_cpu(&percpu[id], actlr);
}

static void test_revisions(void **state)
{
	static const struct {
		uint32_t midr, revidr, errata;
	} cores[] = {
		{A15(0U, 0U), 0, BIT(ERRATUM_773022) | BIT(ERRATUM_798181)},
		{A15(0U, 3U), 0, BIT(ERRATUM_773022) | BIT(ERRATUM_798181)},
		{A15(0U, 4U), 0, ALL},
		{A15(0U, 4U), REVIDR_ECO, ALL}, /* means nothing there */
		{A15(1U, 0U), 0, BIT(ERRATUM_798181)},
		{A15(2U, 1U), 0, BIT(ERRATUM_798181)},
		{A15(2U, 3U), REVIDR_ECO, BIT(ERRATUM_798181)},
		{A15(2U, 4U), REVIDR_ECO, 0},
		{A15(2U, 4U), BIT(4), BIT(ERRATUM_798181)}, /* half a fix */
		{A15(3U, 2U), 0, BIT(ERRATUM_798181)},
		{A15(3U, 2U), REVIDR_ECO | BIT(4), 0},
		{A15(3U, 3U), 0, BIT(ERRATUM_798181)},
		{A15(3U, 3U), REVIDR_ECO, 0},
		{A15(3U, 4U), 0, 0},
		{A15(4U, 0U), 0, 0},
		{A7_R0P5, 0, 0},
		{A17_R1P1, 0, 0},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(cores); i++)
		assert_int_equal(errata_of(cores[i].midr, cores[i].revidr, 0), cores[i].errata);
}

static void test_forced(void **state)
{
	(void)state;
	assert_int_equal(errata_of(A15(4U, 0U), 0, ALL), ALL);
	assert_int_equal(errata_of(A15(4U, 0U), 0, BIT(ERRATUM_798181)), BIT(ERRATUM_798181));
	assert_int_equal(errata_of(A7_R0P5, 0, ALL), ALL & ~BIT(ERRATUM_773022)); /* ACTLR is each core's own */
}

static const struct mmio_bus *bus_on(uint32_t cpus, bool *decode_stores)
{
	static struct vm vm;
	static struct vcpu vcpu;

	vm = (struct vm){.vcpu_count = 1, .vcpu = {&vcpu}};
	vcpu = (struct vcpu){.vm = &vm, .bus = &vm.bus, .model_cpus = cpus};
	errata_apply(&vm);
	*decode_stores = vcpu.decode_stores;
	return vcpu.bus == &vm.bus ? NULL : vcpu.bus;
}

/* The tests from here on share one host. Nothing where there is nothing to do. */
static void test_clean_core(void **state)
{
	bool decode_stores;

	(void)state;
	fake_machine.events = 0;
	arrive(0, A15(4U, 0U), 0, set_actlr);
	errata_log();
	assert_int_equal(fake_machine.events, 0);
	assert_int_equal(secure_bits, 0);
	assert_false(tlb_repeat);
	assert_int_equal(fake_log_count(LOG_INFO) + fake_log_count(LOG_WARN), 0);
	assert_null(bus_on(0x1, &decode_stores));
	assert_false(decode_stores);
}

static void test_tlb(void **state)
{
	(void)state;
	arrive(1, A15(3U, 2U), 0, NULL);
	assert_true(tlb_repeat);
	errata_log();
	assert_int_equal(fake_log_count(LOG_INFO), 1);
	assert_string_equal(fake_log_last(LOG_INFO), "host: erratum 798181 is worked around on CPUs 0x2");
}

/* By the monitor, or by HYP itself where that helps. */
static void test_loop_buffer(void **state)
{
	(void)state;
	arrive(2, A15(0U, 3U), 0, NULL);
	assert_int_equal(fake_machine.reg[SYSREG_actlr], BIT(1));
	fake_machine_reset();
	fake_machine.on_write[SYSREG_actlr] = ignore_write;
	arrive(3, A15(0U, 3U), 0, set_actlr);
	assert_int_equal(secure_bits, BIT(1));
	fake_machine.reg[SYSREG_actlr] = 0;
	arrive(4, A15(0U, 3U), 0, NULL);
	errata_log();
	assert_int_equal(fake_log_count(LOG_INFO), 2);
	assert_string_equal(fake_log_last(LOG_INFO), "host: erratum 798181 is worked around on CPUs 0x1e");
	assert_string_equal(fake_log_last(LOG_WARN),
			    "host: erratum 773022: CPUs 0x10 keep their loop buffer: only firmware can set ACTLR[1]");
}

/* A VM that may run on such a CPU has no access by the fast way: no page is on its bus there. */
static void test_thumb_stores(void **state)
{
	const struct mmio_bus *bus;
	bool decode_stores;

	(void)state;
	arrive(5, A15(0U, 4U), 0, set_actlr);
	assert_null(bus_on(0x1f, &decode_stores));
	assert_false(decode_stores);
	bus = bus_on(0x30, &decode_stores);
	assert_non_null(bus);
	assert_true(decode_stores);
	for (uint32_t page = 0; page < 64; page++)
		assert_int_not_equal(mmio_page(bus, page << 4)->number, page << 4);
}

/* Others read that bus while a VM is created: nothing is written there any more. */
static void test_one_bus_for_all(void **state)
{
	struct mmio_bus *bus = (struct mmio_bus *)(uintptr_t)bus_on(0x30, &(bool){false});

	(void)state;
	assert_non_null(bus);
	bus->slot[0] = NULL;
	assert_ptr_equal(bus_on(0x30, &(bool){false}), bus);
	assert_null(bus->slot[0]);
	bus->slot[0] = bus->slot[1];
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_revisions, setup),       cmocka_unit_test_setup(test_forced, setup),
		cmocka_unit_test_setup(test_clean_core, setup),      cmocka_unit_test_setup(test_tlb, setup),
		cmocka_unit_test_setup(test_loop_buffer, setup),     cmocka_unit_test_setup(test_thumb_stores, setup),
		cmocka_unit_test_setup(test_one_bus_for_all, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
