/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of functions: the table of tools/symtab, made of tests/unit/symtab-nm, whose text is 8 MiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hyp/lib/bits.h"
#include "hyp/debug/symtab.h"

/* In the order of the addresses; a name is cut to what fits into a line. */
static const struct {
	uint32_t start;
	const char *name;
} functions[] = {
	{0, "image_start"},
	{2, "vector_trap"},
	{0x102, "vector_irq"},
	{0x200, "vector_irq_slow"},
	{0x20000, "behind_128_kib"},
	{0x20002, "vgic_send_sgi"},
	{0x7ffffe, "vgic_set_line_from_far_away_behind_the_"},
};

static void test_first_and_last_byte(void **state)
{
	uint32_t offset;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(functions); i++) {
		assert_string_equal(symtab_find(functions[i].start, &offset), functions[i].name);
		assert_int_equal(offset, 0);
		if (i == 0)
			continue;
		assert_string_equal(symtab_find(functions[i].start - 1, &offset), functions[i - 1].name);
		assert_int_equal(offset, functions[i].start - 1 - functions[i - 1].start);
	}
}

/* All that lies behind the last one's start counts as the last one's. */
static void test_behind_the_last(void **state)
{
	uint32_t offset;

	(void)state;
	assert_string_equal(symtab_find(UINT32_MAX, &offset), "vgic_set_line_from_far_away_behind_the_");
	assert_int_equal(offset, UINT32_MAX - 0x7ffffe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_and_last_byte),
		cmocka_unit_test(test_behind_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
