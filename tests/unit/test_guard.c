/* The stack protector's guard: each thing that is mixed into it changes it, and its lowest byte is zero. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include <arm/sysreg.h>

#include "boot/guard.h"

#define TREE_SIZE 1024
#define SEED_SIZE 32

uintptr_t __stack_chk_guard;

static uint8_t tree[TREE_SIZE] __attribute__((aligned(8)));

static int setup(void **state)
{
	(void)state;
	fake_machine_reset();
	__stack_chk_guard = 1;
	return fdt_create_empty_tree(tree, sizeof(tree));
}

static void set_seed(const char *name, const char *text)
{
	uint8_t seed[SEED_SIZE] = {0};
	int chosen = fdt_path_offset(tree, "/chosen");

	memcpy(seed + SEED_SIZE - strlen(text), text, strlen(text));
	if (chosen < 0)
		chosen = fdt_add_subnode(tree, 0, "chosen");
	assert_int_equal(fdt_setprop(tree, chosen, name, seed, sizeof(seed)), 0);
}

static uintptr_t mix(void)
{
	return guard_mix(tree, fdt_path_offset(tree, "/chosen"));
}

/* Without /chosen, too: nothing but the counter is left, and the same count gives the same guard. */
static void counter_counts(void **state)
{
	uintptr_t first;

	(void)state;
	fake_machine.reg[SYSREG_cntpct] = 12345;
	first = mix();
	assert_int_equal(mix(), first);
	fake_machine.reg[SYSREG_cntpct] = 12346;
	assert_int_not_equal(mix(), first);
}

static void seeds_count(void **state)
{
	static const char *const names[] = {"kaslr-seed", "rng-seed"};
	uintptr_t guard[4];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		set_seed(names[i / 2], i % 2 ? "a" : "b"); /* the last byte of it is another */
		guard[i] = mix();
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(guard[i], guard[k]);
	}
	assert_int_equal(mix(), guard[3]);
}

static void a_seed_may_be_empty(void **state)
{
	uintptr_t none = mix();

	(void)state;
	set_seed("kaslr-seed", "a");
	assert_int_equal(fdt_setprop(tree, fdt_path_offset(tree, "/chosen"), "kaslr-seed", NULL, 0), 0);
	assert_int_equal(mix(), none);
}

/* A string ends at the guard, whoever writes or reads it. */
static void lowest_byte_is_zero(void **state)
{
	uintptr_t seen = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		fake_machine.reg[SYSREG_cntpct] = i;
		guard_set(tree, fdt_path_offset(tree, "/chosen"));
		assert_int_equal(*(const uint8_t *)&__stack_chk_guard, 0);
		seen |= __stack_chk_guard;
	}
	assert_int_equal(seen, ~(uintptr_t)0xff); /* all the others vary */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(counter_counts, setup),
		cmocka_unit_test_setup(seeds_count, setup),
		cmocka_unit_test_setup(a_seed_may_be_empty, setup),
		cmocka_unit_test_setup(lowest_byte_is_zero, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
