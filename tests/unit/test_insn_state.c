/* SPDX-License-Identifier: BSD-2-Clause */
/* What the decoder knows beside loads and stores: the length of an instruction, ITSTATE, conditions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conditions.h"
#include "hyp/arm/insn.h"

static void test_length(void **state)
{
	(void)state;
	assert_int_equal(insn_length(0xe592, false), 4);
	assert_int_equal(insn_length(0x6811, true), 2);
	assert_int_equal(insn_length(0xe7ff, true), 2); /* B */
	assert_int_equal(insn_length(0xe800, true), 4);
	assert_int_equal(insn_length(0xf000, true), 4);
	assert_int_equal(insn_length(0xffff, true), 4);
	assert_int_equal(insn_length(0x4770e7ff, true), 2); /* only the first halfword counts */
}

static uint32_t psr_of(uint32_t it)
{
	return (it & 0xfcU) << 8 | (it & 3U) << 25;
}

/* All ITSTATEs, by the text of A2.5.2. */
static void test_it(void **state)
{
	const uint32_t other = ~PSR_IT_MASK;

	(void)state;
	for (uint32_t it = 0; it < 256; it++) {
		uint32_t next = (it & 7U) == 0 ? 0 : (it & 0xe0U) | ((it & 0x1fU) << 1 & 0x1fU);

		assert_int_equal(insn_advance_it(psr_of(it)), psr_of(next));
		assert_int_equal(insn_advance_it(psr_of(it) | other), psr_of(next) | other);
	}
}

/* ITTE EQ: EQ, EQ, NE, and then no block. */
static void test_it_block(void **state)
{
	static const uint32_t conditions[] = {0, 0, 1, INSN_COND_AL, INSN_COND_AL};
	uint32_t spsr = psr_of(0x06) | PSR_T; /* IT mask of ITTE EQ: 0110 */

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		assert_int_equal(insn_it_condition(spsr), conditions[i]);
		spsr = insn_advance_it(spsr);
	}
	assert_int_equal(spsr, PSR_T);
}

static void test_conditions(void **state)
{
	(void)state;
	for (uint32_t cond = 0; cond < 16; cond++)
		for (uint32_t flags = 0; flags < 16; flags++) {
			uint32_t psr = flags << 28;

			assert_int_equal(insn_condition_passed(cond, psr | 0x1d3), passes(cond, psr));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_it),
		cmocka_unit_test(test_it_block),
		cmocka_unit_test(test_conditions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
