/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of compatible strings: its order, by which it is searched, and what several strings of a node say together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hyp/host/drivers.c"
#include "mm/hypmap.h"

void *hyp_map_device(uint64_t base, size_t size)
{
	return NULL;
}

static void test_sorted(void **state)
{
	for (size_t i = 1; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(drivers[i - 1].compatible, drivers[i].compatible) >= 0)
			fail_msg("%s stands before %s", drivers[i - 1].compatible, drivers[i].compatible);
}

static void test_each_is_found(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		assert_ptr_equal(host_driver(drivers[i].compatible), &drivers[i]);
	assert_null(host_driver(""));
	assert_null(host_driver("arm,pl01"));
	assert_null(host_driver("arm,pl0111"));
	assert_null(host_driver("zzz"));
}

static uint32_t kind(const char *strings, uint32_t length)
{
	struct dt_node node = {.prop[DT_COMPATIBLE] = {strings, length}};

	return host_kind(&node);
}

static void test_kinds(void **state)
{
	static const char clock[] = "acme,clock\0arm,pl031", timer[] = "arm,armv7-timer",
			  both[] = "arm,pl011\0arm,psci";
	static const char etm[] = "acme,etm\0arm,coresight-etm3x\0arm,primecell";

	assert_int_equal(kind(NULL, 0), 0);
	assert_int_equal(kind("acme,dma", sizeof("acme,dma")), 0);
	assert_int_equal(kind(clock, sizeof(clock)), HOST_NO_MASTER);
	assert_int_equal(kind(clock, sizeof(clock) - 1), 0); /* the last string does not end */
	assert_int_equal(kind(timer, sizeof(timer)), HOST_OWN | HOST_ALSO_DISABLED);
	assert_int_equal(kind(both, sizeof(both)), HOST_NO_MASTER | HOST_OWN);
	assert_int_equal(kind(etm, sizeof(etm)), HOST_OF_CPU);
	assert_int_equal(kind("arm,coresight", sizeof("arm,coresight")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_each_is_found),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
